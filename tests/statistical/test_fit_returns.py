"""The fit finds the quantiles of the law that made the data; parameters of jump laws are too weak to be judged.

Errors are those of the delta method from the block-bootstrap covariance of the moments, which is itself estimated: from
104 circular blocks its variances have a relative variance of (4 / 3) / 104 (Kuensch 1989), from 300 replicates another
2 / 300.  A standard error with that scatter has 2 / 0.0195 = 103 degrees of freedom, so comparisons allow T errors, T
the quantile of Student's t, family-wise 1e-4.
"""

import numpy as np
import pytest
from scipy.special import stdtrit

from riskengine.calibrate.bands import BLOCK_HOURS, HORIZONS_HOURS, Band, model_losses
from riskengine.calibrate.free import free_values
from riskengine.calibrate.moments import (
    CLUSTER_LAGS_DAYS,
    KURTOSIS_HORIZONS,
    TAIL_PROBS,
    ClusterMoment,
    CosPoints,
    KurtosisMoment,
    Moments,
    TailMoment,
    VarianceMoment,
)
from riskengine.calibrate.parameters import candidate_law, free_parameters, published, scenario_model
from riskengine.calibrate.returns import _search, fit_returns
from riskengine.calibrate.sample import ReturnSample
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton

CELLS = tuple(
    Band("A", side, h, level, 0.0, 0.0, 1.0)
    for h in HORIZONS_HOURS
    for level in (0.99, 0.999)
    for side in ("long", "short")
)
ONE = ((1.0,),)
REPLICATES = 300
CHECKS = len(CELLS) + 3 + 1  # every cell and three parameters of merton, one of gbm
T = float(stdtrit(2 / (4 / 3 * BLOCK_HOURS / 35_040 + 2 / REPLICATES), 1 - 1e-4 / CHECKS / 2))


def exact_moments(law):
    """The moments that an endless sample of `law` would have, each known to 5 %."""
    w = np.array([1.0])
    probs = np.array(TAIL_PROBS)
    groups, names = [], []
    for hours in HORIZONS_HOURS:
        scale = float(np.sqrt(law.cumulants(w, hours / 8760)[1]))
        grid = np.linspace(-14, 14, 4001) * scale
        reach = float(grid[-1])
        below = CosPoints.build(grid, scale, reach).cdf(law, w, hours)
        points = CosPoints.build(np.interp(np.concatenate([probs, 1 - probs]), below, grid), scale, reach)
        upper = np.repeat([False, True], probs.size)
        below = points.cdf(law, w, hours)
        groups.append(TailMoment(w, hours, points, np.where(upper, 1 - below, below), upper))
        names += [f"A/{hours}h/{i}" for i in range(points.points.size)]
    second = [VarianceMoment(w, h, float(law.cumulants(w, h / 8760)[1] * 8760 / h)) for h in HORIZONS_HOURS]
    cumulants = {h: law.cumulants(w, h / 8760) for h in KURTOSIS_HORIZONS}
    fourth = [KurtosisMoment(w, h, float(3 + c[3] / c[1] ** 2)) for h, c in cumulants.items()]
    known = [(lag, law.clustering(0, lag / 365, 1 / 365)) for lag in CLUSTER_LAGS_DAYS]
    cluster = [ClusterMoment(w, lag, value) for lag, value in known if value > 0.0]
    names += [f"A/{k}/{i}" for k, part in (("v", second), ("k", fourth), ("c", cluster)) for i in range(len(part))]
    return Moments(tuple(names), (*groups, *second, *fourth, *cluster), 0.0025 * np.eye(len(names)))


_JUMPS = {"jumps_own.intensity[A]": 80.0, "jumps_own.mean[A]": -0.004, "jumps_own.sd[A]": 0.03}
_VARIANCE = {"kappa": 30.0, "variance_ratio": 1.5, "theta[A]": 0.25, "rho[A]": -0.3}


@pytest.mark.parametrize(
    ("kind", "true"),
    [
        ("bates", _VARIANCE | _JUMPS),
        ("heston", _VARIANCE),
        ("kou", {
            "theta[A]": 0.2, "jumps_own.intensity[A]": 250.0, "jumps_own.up_share[A]": 0.4,
            "jumps_own.eta_up[A]": 70.0, "jumps_own.eta_down[A]": 50.0,
        }),
        ("svcj", _VARIANCE | _JUMPS | {"jumps_own.variance_mean[A]": 0.1, "jumps_own.slope[A]": -0.03}),
        ("regime_switching", {
            "variance_calm": 0.15, "variance_of_stress_to_calm": 8.0,
            "generator[calm,stress]": 6.0, "generator[stress,calm]": 50.0,
        } | _JUMPS),
    ],
)  # fmt: skip
def test_quantiles_are_recovered_from_exact_moments(kind, true):
    law = candidate_law(kind, ("A",), true)
    moments = exact_moments(law)
    free = free_parameters(kind, ("A",), np.array([law.cumulants(np.ones(1), 1 / 8760)[1] * 8760]))
    assert {f.name for f in free} == true.keys()
    point, residuals, _, _, cost = _search(moments, kind, ("A",), free)
    assert cost < 1e-2
    worlds = [
        scenario_model(kind, ("A",), published(kind, ("A",), v), (1.0,)) for v in (true, free_values(free, point))
    ]
    wanted, got = (model_losses(world, CELLS) for world in worlds)
    # each moment is off by at most sqrt(2 cost) units of 5 %, and where a tail probability is off by x, its loss is off
    # by less than x: tails of a power above one
    assert got == pytest.approx(wanted, rel=0.05 * np.sqrt(2 * cost))


@pytest.fixture(scope="module")
def simulated():
    """Four years of hours from a Merton law, exact increments, and the law."""
    rng, n = np.random.default_rng(2024), 35_040
    jump = NormalJump(60.0, -0.01, 0.04)
    drift = -0.5 * 0.5**2 - jump.intensity * jump.relative_mean
    count = rng.poisson(jump.intensity / 8760, n)
    x = drift / 8760 + 0.5 / np.sqrt(8760) * rng.normal(size=n) + jump.mean * count
    x += jump.sd * np.sqrt(count) * rng.normal(size=n)
    prices = 1000 * np.exp(np.concatenate([[0.0], np.cumsum(x)]))
    return ReturnSample(("A",), np.arange(n + 1), prices[:, None]), Merton(
        ("A",), (1.0,), (0.0,), (0.5,), ONE, None, OwnJumps((60.0,), (-0.01,), (0.04,))
    )


def test_merton_quantiles_are_recovered_within_their_error(simulated):
    sample, true = simulated
    fit = fit_returns(sample, "merton", replicates=REPLICATES, refits=0)
    assert fit.observations == 35_041 and len(fit.bands.cells) == len(CELLS)
    wanted, got = model_losses(true, fit.bands.cells), model_losses(fit.model, fit.bands.cells)
    assert (np.abs(got - wanted) < T * fit.loss_errors).all()
    assert isinstance(fit.model.law("A", 0.01), MertonLaw)
    for name, value in {"volatility[A]": 0.5, "jumps_own.intensity[A]": 60.0, "jumps_own.sd[A]": 0.04}.items():
        assert abs(fit.numbers[name] - value) < T * fit.standard_errors[name], name


def test_gbm_on_jumps_has_the_right_variance_and_is_stamped_unfit(simulated):
    fit = fit_returns(simulated[0], "gbm", replicates=REPLICATES, refits=0)
    total = 0.25 + 60 * (0.01**2 + 0.04**2)
    assert abs(fit.numbers["volatility[A]"] - np.sqrt(total)) < T * fit.standard_errors["volatility[A]"]
    assert fit.report.verdict == "UNFIT"
    assert any(r.band.level == 0.999 and r.band.horizon_hours == 1 for r in fit.report.outside)


def test_what_cannot_be_fitted_is_refused(simulated):
    short = ReturnSample(("A",), np.arange(100), np.ones((100, 1)))
    with pytest.raises(ValueError, match="at least a year"):
        fit_returns(short)
    with pytest.raises(ValueError, match="model must be one of"):
        fit_returns(simulated[0], "garch", replicates=2)
