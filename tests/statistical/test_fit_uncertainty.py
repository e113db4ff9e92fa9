"""Errors of a fit from refits: intervals cover, the level of variance wanders as theory says, draws carry the errors.

The large experiment, 100 Bates histories of the real length, is `benchmarks/recovery.py`; its table is in the docs.
"""

import numpy as np
import pytest
from scipy.stats import chi2, f

from riskengine.calibrate.returns import fit_returns
from riskengine.calibrate.sample import ReturnSample
from riskengine.calibrate.uncertainty import draw_numbers, loss_errors, simulated_histories
from riskengine.calibrate.variants import fit_variants
from riskengine.scenario.bates import Bates
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton

ONE = ((1.0,),)
HOURS = np.arange(10_001)
LIGHT = {"horizons_hours": (1, 4, 24), "replicates": 100}


def test_errors_of_merton_are_those_of_independent_histories():
    """The refits of one fit scatter as fits to independent histories of the true law do."""
    truth = {"volatility[A]": 0.5, "jumps_own.intensity[A]": 150.0, "jumps_own.sd[A]": 0.03}
    world = Merton(("A",), (1.0,), (0.0,), (0.5,), ONE, None, OwnJumps((150.0,), (0.0,), (0.03,)))
    count, light = 20, LIGHT | {"levels": (0.99,)}
    samples = list(simulated_histories(world, HOURS, count, seed=77))
    fits = [fit_returns(s, "merton", refits=0, **light) for s in samples]
    fit = fit_returns(samples[0], "merton", refits=count, **light)
    assert fit.known.refits + fit.known.refits_failed == count and not set(truth) & set(fit.known.unidentified)
    for name, value in truth.items():
        spread = np.sqrt(np.mean([np.log(one.numbers[name] / value) ** 2 for one in fits]))
        ratio = (spread / (fit.known.standard_errors[name] / fit.numbers[name])) ** 2
        # mean squares of about 20 normal draws each, three of them: an F ratio, family-wise 1e-4
        assert f.ppf(1e-4 / 6, count, count) < ratio < f.ppf(1 - 1e-4 / 6, count, count), name


@pytest.fixture(scope="module")
def bates():
    """A fit to one simulated year and a quarter."""
    world = Bates(
        ("A",), (100.0,), (0.0,), (40.0,), (0.3,), (6.0,), (-0.3,), "stationary", ONE, ONE, None,
        OwnJumps((60.0,), (-0.003,), (0.03,)),
    )  # fmt: skip
    (sample,) = simulated_histories(world, HOURS[HOURS % 5000 != 17], 1, seed=5)
    return sample, fit_returns(sample, "bates", refits=10, **LIGHT, levels=(0.99,))


def test_error_of_the_variance_level_is_that_of_theory(bates):
    """The mean of a square-root variance over T years has variance theta xi^2 / (kappa^2 T)."""
    sample, fit = bates
    n = fit.numbers
    years = (sample.hours[-1] - sample.hours[0]) / 8760
    wanted = n["xi[A]"] / n["kappa"] / np.sqrt(n["theta[A]"] * years)
    got = fit.known.standard_errors["theta[A]"] / n["theta[A]"]
    # an error from 10 refits has 10 degrees of freedom; jumps and the bias of the estimator add up to a half
    low, high = np.sqrt(chi2.ppf([5e-5, 1 - 5e-5], 10) / 10)
    assert low < got / wanted < 1.5 * high


def test_gaps_of_the_data_are_those_of_the_histories(bates):
    sample, fit = bates
    (again,) = simulated_histories(fit.model, sample.hours, 1, seed=3)
    assert again.gaps == sample.gaps == 2 and (again.hours == sample.hours).all()


def test_errors_reach_the_losses_and_the_variants(bates):
    _, fit = bates
    assert fit.loss_errors == pytest.approx(loss_errors("bates", ("A",), fit.known, fit.bands.cells), rel=1e-9)
    day = next(i for i, c in enumerate(fit.bands.cells) if (c.side, c.horizon_hours, c.level) == ("long", 24, 0.99))
    assert 0 < fit.loss_errors[day] < fit.report.rows[day].model
    drawn = draw_numbers("bates", ("A",), fit.known, 400, seed=4)
    spread = np.std(np.log([d["theta[A]"] for d in drawn]))
    # draws outside the bounds of the search are left out, which narrows them
    assert spread == pytest.approx(fit.known.standard_errors["theta[A]"] / fit.numbers["theta[A]"], rel=0.3)
    first, second = fit_variants(fit, 2, seed=4)
    assert first.numbers == drawn[0] and second.numbers == drawn[1] and first.known is fit.known
    assert first.report.rows[day].model != second.report.rows[day].model
    assert fit_variants(fit, 0) == ()


def test_valley_and_direction_are_given(bates):
    _, fit = bates
    known = fit.known
    costs = [cost for _, cost in known.valley]
    assert len(costs) >= 3 and min(costs) == pytest.approx(fit.cost, rel=1e-3)
    assert known.worst in known.flat or known.flat
    assert set(known.unidentified) <= set(fit.numbers) and set(known.intervals) == set(fit.numbers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: np.where(np.arange(p.size) % 5 == 0, p, 100.0)[np.arange(p.size) // 5 * 5], "move in most hours"),
        (lambda p: np.where(np.arange(p.size) == 700, 1e-3 * p, p), "hold half of all variance"),
    ],
)
def test_series_that_no_law_can_be_fitted_to(bates, change, message):
    sample, _ = bates
    broken = ReturnSample(sample.assets, sample.hours, change(sample.prices[:, 0].copy())[:, None])
    with pytest.raises(ValueError, match=message):
        fit_returns(broken, "bates", refits=0)
    with pytest.raises(ValueError, match="refits"):
        fit_returns(sample, "bates", refits=3)
    with pytest.raises(ValueError, match="components"):
        fit_returns(sample, "gbm", refits=0, components=2)
