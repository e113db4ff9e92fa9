"""Fit of a variance filter: recovery of what made the data, and `arch` as the second route."""

import numpy as np
import pytest

from riskengine.calibrate.volatility import fit_garch, fit_targeted, log_likelihood
from riskengine.market.series import PriceSeries
from riskengine.scenario.variance_filter import Recursion

OMEGA, ALPHA, BETA, DEGREES = 4e-6, 0.08, 0.88, 5.0


def made(seed=11, count=6_000, degrees=None):
    """Prices of one asset whose log-returns follow the recursion."""
    rng = np.random.default_rng(seed)
    shocks = (
        rng.standard_normal(count) if degrees is None else rng.standard_t(degrees, count) * np.sqrt(1 - 2 / degrees)
    )
    h, moves = OMEGA / (1 - ALPHA - BETA), np.empty(count)
    for i, z in enumerate(shocks):
        moves[i] = np.sqrt(h) * z
        h = OMEGA + ALPHA * moves[i] ** 2 + BETA * h
    prices = 100.0 * np.exp(np.cumsum(moves))[:, None]
    return PriceSeries(("BTC",), 3_600 * np.arange(count), prices, 3_600)


@pytest.mark.parametrize("degrees", [None, DEGREES])
@pytest.mark.parametrize("long_run", ["sample", "free"])
def test_the_filter_that_made_the_data_is_recovered(degrees, long_run):
    """Within four standard errors of the fit's own report, which are small."""
    if long_run == "free":
        pytest.importorskip("arch")
    fit = fit_garch(made(degrees=degrees), "normal" if degrees is None else "t", long_run)
    truth = {"alpha": (ALPHA, fit.filter.alpha[0]), "beta": (BETA, fit.filter.beta[0])}
    if long_run == "free":
        truth["omega"] = (OMEGA, fit.filter.omega[0])
    if degrees is not None:
        truth["nu"] = (degrees, fit.degrees[0])
    assert {f"{name}[BTC]" for name in truth} == set(fit.standard_errors)
    for name, (wanted, found) in truth.items():
        error = fit.standard_errors[f"{name}[BTC]"]
        assert abs(found - wanted) < 4 * error, name
        assert error < 0.5 * wanted, name


@pytest.mark.parametrize("likelihood", ["normal", "t"])
def test_the_likelihood_and_its_maximum_are_those_of_arch(likelihood):
    arch = pytest.importorskip("arch")
    returns = made(degrees=DEGREES).returns[:, 0]
    e = (returns - returns.mean()) / returns.std()
    value, error = fit_targeted(e, likelihood)
    assert value["omega"] == pytest.approx(1 - value["alpha"] - value["beta"], abs=1e-15)
    model = arch.arch_model(e, mean="Zero", p=1, q=1, dist=likelihood, rescale=False)
    names = ("omega", "alpha", "beta", "nu")[: 4 if likelihood == "t" else 3]
    at_maximum = model.fix([value[n] for n in names]).loglikelihood
    step = Recursion(*(np.array([value[n]]) for n in names[:3]))
    h = step.filter(e[:, None], np.zeros(e.size, dtype=np.int64))[:-1, 0]
    assert log_likelihood(e, h, value.get("nu")).sum() == pytest.approx(at_maximum, rel=1e-10)
    # along the constraint no neighbour is more likely, by arch's own likelihood
    for name in ("alpha", "beta", "nu")[: len(error)]:
        for sign in (-1, 1):
            moved = value | {name: value[name] + sign * 0.2 * error[name]}
            moved["omega"] = 1 - moved["alpha"] - moved["beta"]
            assert model.fix([moved[n] for n in names]).loglikelihood < at_maximum
    free = model.fit(disp="off", show_warning=False).loglikelihood
    assert at_maximum - 1e-6 <= free < at_maximum + 10.0  # a free omega gains next to nothing where the target is true


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="at least 500 returns to fit a GARCH filter, got 299"):
        fit_garch(made(count=300))
    flat = PriceSeries(("BTC",), 3_600 * np.arange(600), np.full((600, 1), 7.0), 3_600)
    with pytest.raises(ValueError, match="prices of BTC must vary"):
        fit_garch(flat)
