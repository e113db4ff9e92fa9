"""Every jump diffusion with an exact law is fitted to returns: its clustering is that of its paths, its parameters come
back from its own histories, and what the histories do not decide is called not identified."""

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from riskengine.calibrate.linked_surface import VARIANCE_PREMIUM
from riskengine.calibrate.moments import HOURS
from riskengine.calibrate.parameters import KINDS, free_parameters, published_names, scenario_model
from riskengine.calibrate.returns import fit_returns
from riskengine.calibrate.uncertainty import WIDER, simulated_histories
from riskengine.calibrate.world_file import write_world
from riskengine.config.study import load_world
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys

JUMPS = {"jumps_own.intensity[A]": 60.0, "jumps_own.mean[A]": -0.003, "jumps_own.sd[A]": 0.03}
TRUTH = {
    "kou": {
        "volatility[A]": 0.5, "jumps_own.intensity[A]": 400.0, "jumps_own.up_share[A]": 0.45,
        "jumps_own.eta_up[A]": 80.0, "jumps_own.eta_down[A]": 60.0,
    },
    "heston": {"kappa": 20.0, "xi[A]": 4.5, "theta[A]": 0.3, "rho[A]": -0.3},
    "bates": {"kappa": 20.0, "xi[A]": 4.5, "theta[A]": 0.3, "rho[A]": -0.3} | JUMPS,
    "svcj": {"kappa": 20.0, "xi[A]": 3.0, "theta[A]": 0.2, "rho[A]": -0.3} | JUMPS
    | {"jumps_own.variance_mean[A]": 0.15, "jumps_own.slope[A]": -0.02},
    "regime_switching": {
        "volatility[A,calm]": 0.4, "volatility[A,stress]": 1.0, "generator[calm,stress]": 10.0,
        "generator[stress,calm]": 30.0,
    } | JUMPS,
}  # fmt: skip
LIGHT = {"horizons_hours": (1, 4, 24), "levels": (0.99,), "replicates": 100, "refits": 12}


def world(kind):
    return scenario_model(kind, ("A",), TRUTH[kind], (100.0,))


@pytest.mark.parametrize("kind", ["bates", "svcj", "regime_switching"])
def test_clustering_is_that_of_daily_squares(kind):
    """E[RV_0 RV_lag] / E[RV]^2 - 1 of independent paths against the exact law of quadratic variation."""
    paths = world(kind).sample(TimeGrid(3600, 6 * 24), 0, 30_000, DrawKeys(11))
    squares = np.diff(np.log(paths.spot_lanes[:, 0]), axis=0) ** 2
    daily = squares.reshape(6, 24, -1).sum(axis=1)
    law = world(kind).law("A", 1.0)
    mean = daily.mean()
    for lag in (1, 5):
        exact = law.clustering(lag / 365.0, 24.0 / HOURS)
        # first-order influence of every path on the ratio
        product = daily[0] * daily[lag] / mean**2
        spread = (product - product.mean() * 2.0 * daily.mean(axis=0) / mean).std() / np.sqrt(daily.shape[1])
        assert exact > 0.1 and abs(product.mean() - 1.0 - exact) < -float(ndtri(1e-4 / 6 / 2)) * spread, (lag, exact)


@pytest.fixture(scope="module", params=["kou", "heston", "regime_switching"])
def fitted(request):
    """A fit to one simulated history of 2.3 years."""
    (sample,) = simulated_histories(world(request.param), np.arange(20_001), 1, seed=7)
    return request.param, fit_returns(sample, request.param, **LIGHT)


def test_parameters_come_back_within_their_errors(fitted):
    """The truth is within the multiple of the error that 12 refits leave it outside of once in 10,000 such tests."""
    kind, fit = fitted
    known, count = fit.known, sum(len(TRUTH[k]) for k in ("kou", "heston", "regime_switching"))
    assert fit.numbers.keys() == TRUTH[kind].keys() and known.refits >= 10
    widest = WIDER * stdtrit(known.refits - 1, 1.0 - 1e-4 / count / 2.0)
    for name, truth in TRUTH[kind].items():
        value, error = fit.numbers[name], known.standard_errors[name]
        positive = known.intervals[name][0] > 0.0
        off = abs(np.log(value / truth)) * value if positive else abs(value - truth)
        assert off < widest * error, name
    # at 95 % a tenth of them may be outside
    inside = [low <= TRUTH[kind][n] <= high for n, (low, high) in known.intervals.items()]
    assert sum(inside) >= len(inside) - 1


def test_what_is_decided_and_what_is_not(fitted):
    kind, fit = fitted
    known = {
        "kou": {"volatility[A]", "jumps_own.eta_up[A]", "jumps_own.eta_down[A]", "jumps_own.up_share[A]"},
        "heston": {"xi[A]"},
        "regime_switching": {"volatility[A,calm]", "volatility[A,stress]", "generator[calm,stress]"},
    }[kind]
    assert not known & set(fit.known.unidentified)
    if kind == "heston":  # hourly returns hardly tell how price and variance move together
        assert "half-width" in fit.known.unidentified["rho[A]"]
    costs = [cost for _, cost in fit.known.valley]
    assert len(costs) >= 3 and min(costs) == pytest.approx(fit.cost, rel=1e-3)


def test_the_world_file_is_stamped_and_reads_back(fitted, tmp_path):
    kind, fit = fitted
    again = load_world(write_world(tmp_path / "fitted.yaml", fit))
    assert again.model == fit.model and again.model.kind == kind
    assert again.stamp == fit.report.verdict and "joint" not in again.fit
    # the surface's long variance is the premium times all the variance that the world expects
    variance = fit.model.law("A", 1 / 8760).cumulants()[1] * 8760
    level = again.surface.long_variance[0] / VARIANCE_PREMIUM
    assert level == pytest.approx(variance, rel=1e-3)  # leverage adds little within an hour


def test_svcj_names_what_returns_do_not_decide():
    """Without refits the errors are too small, and still price and variance jumps cannot be told apart."""
    (sample,) = simulated_histories(world("svcj"), np.arange(20_001), 1, seed=7)
    fit = fit_returns(sample, "svcj", **(LIGHT | {"refits": 0}))
    assert fit.numbers.keys() == TRUTH["svcj"].keys()
    assert {"rho[A]", "jumps_own.mean[A]", "jumps_own.variance_mean[A]"} & set(fit.known.unidentified)
    assert "jumps_own" in fit.known.flat


def test_every_free_number_is_published():
    for kind in KINDS:
        free = free_parameters(kind, ("A",), np.array([0.4]))
        names = {name for f in free for name in published_names(kind, ("A",), f.name)}
        assert all(f.low < f.start < f.high for f in free) and (kind not in TRUTH or names == TRUTH[kind].keys())


@pytest.mark.parametrize("kind", ["kou", "svcj", "regime_switching"])
def test_several_assets_are_refused_with_what_would_do(kind):
    with pytest.raises(ValueError, match="assets must be one for .* bates, heston, merton, gbm are fitted to several"):
        free_parameters(kind, ("A", "B"), np.ones(2))
