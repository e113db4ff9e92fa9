"""Estimators: one sample against many lanes, closed forms, refusals."""

import math

import numpy as np
import pytest
from scipy.special import chdtri, nctdtr, ndtri

from riskengine.estimator.adaptive_conformal import AdaptiveConformalEstimator
from riskengine.estimator.age_weighted import AgeWeightedEstimator
from riskengine.estimator.caviar import CaviarEstimator
from riskengine.estimator.cornish_fisher import CornishFisherEstimator
from riskengine.estimator.ewma import EwmaEstimator, effective_observations, ewma_variance
from riskengine.estimator.filtered_historical import FilteredHistoricalEstimator
from riskengine.estimator.garch_filtered import GarchFilteredEstimator
from riskengine.estimator.harrell_davis import HarrellDavisEstimator
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.model_monte_carlo import ModelMonteCarloEstimator
from riskengine.estimator.normal import NormalEstimator, tolerance_factors, variance_bounds
from riskengine.estimator.pot_gpd import PotGpdEstimator
from riskengine.estimator.quantile_regression import QuantileRegressionEstimator
from riskengine.estimator.split_conformal import SplitConformalEstimator
from riskengine.estimator.student_t import StudentTEstimator
from riskengine.roles import Estimator

LOSSES = np.random.default_rng(14).standard_t(4, (500, 6))
NEW = [
    HistoricalEstimator("hazen"),
    StudentTEstimator(),
    StudentTEstimator(5.0, "deviation"),
    CornishFisherEstimator(),
    HarrellDavisEstimator(),
    PotGpdEstimator(0.15),
    AgeWeightedEstimator(0.998),
    FilteredHistoricalEstimator(0.97),
    SplitConformalEstimator(),
    SplitConformalEstimator("scaled"),
    AdaptiveConformalEstimator(),
    GarchFilteredEstimator(),
    QuantileRegressionEstimator(),
    CaviarEstimator(),
    CaviarEstimator("asymmetric"),
    ModelMonteCarloEstimator(),
]
ALL = [HistoricalEstimator(), NormalEstimator(), EwmaEstimator(0.97), *NEW]


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_lanes_are_single_fits(estimator):
    assert isinstance(estimator, Estimator)
    levels = (0.95, 0.975, 0.99)
    many = estimator.fit_lanes(LOSSES, levels, 0.9)
    for i, level in enumerate(levels):
        one = estimator.fit_lanes(LOSSES, level, 0.9)
        for figure in ("var", "es"):
            for side in range(3):
                np.testing.assert_array_equal(getattr(one, figure)[side], getattr(many, figure)[side][i])
        for p in range(LOSSES.shape[1]):
            for single, lanes in zip(estimator.fit(LOSSES[:, p], level, 0.9), one, strict=True):
                np.testing.assert_allclose(
                    [single.value, single.lower, single.upper], [lanes[side][p] for side in range(3)], rtol=1e-12
                )


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_bits_of_a_lane_do_not_depend_on_its_neighbours(estimator):
    whole, part = estimator.fit_lanes(LOSSES, 0.99), estimator.fit_lanes(LOSSES[:, 2:4], 0.99)
    for figure, other in zip(whole, part, strict=True):
        for a, b in zip(figure, other, strict=True):
            np.testing.assert_array_equal(a[2:4], b)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_shortfall_is_beyond_var_and_scales(estimator):
    var, es = estimator.fit(LOSSES[:, 0], 0.99)
    assert es.value > var.value
    doubled = estimator.fit(2 * LOSSES[:, 0], 0.99)
    assert (doubled[0].value, doubled[1].value) == (pytest.approx(2 * var.value), pytest.approx(2 * es.value))


def test_historical_bounds_are_infinite_on_short_windows():
    value, lower, upper = HistoricalEstimator().fit_lanes(LOSSES[:20], 0.999).var
    np.testing.assert_array_equal(value, LOSSES[:20].max(axis=0))
    assert (upper == np.inf).all() and np.isfinite(lower).all()
    low = HistoricalEstimator().fit_lanes(LOSSES[:20], 0.01).var
    assert (low[1] == -np.inf).all()


def test_normal_interval_is_the_noncentral_t():
    low, high = tolerance_factors(50, 0.99, 0.95)
    shift = float(ndtri(0.99)) * math.sqrt(50)
    assert nctdtr(49, shift, low * math.sqrt(50)) == pytest.approx(0.025, abs=1e-9)
    assert nctdtr(49, shift, high * math.sqrt(50)) == pytest.approx(0.975, abs=1e-9)


def test_variance_bounds_are_chi_square():
    low, high = variance_bounds(30.0, 0.95)
    assert (low, high) == (pytest.approx(30 / chdtri(30, 0.025)), pytest.approx(30 / chdtri(30, 0.975)))


def test_ewma_matches_its_recursion_and_effective_size():
    x = LOSSES[:, 0]
    variance = ewma_variance(x, 0.97, np.square(x).mean())
    assert EwmaEstimator(0.97).fit(x, 0.99)[0].value == pytest.approx(ndtri(0.99) * math.sqrt(variance))
    assert effective_observations(5000, 0.94) == pytest.approx(1.94 / 0.06, rel=1e-12)
    weights = [0.001 * 0.999**age + 0.999**10 / 10 for age in range(10)]
    assert sum(weights) == pytest.approx(1.0, rel=1e-12)
    assert effective_observations(10, 0.999) == pytest.approx(1 / sum(w * w for w in weights), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EwmaEstimator(1.0), "decay must lie in"),
        (lambda: EwmaEstimator().fit_lanes(LOSSES, 0.2), "level must lie in"),
        (lambda: EwmaEstimator().fit([], 0.99), "at least one value"),
        (lambda: NormalEstimator().fit([1.0], 0.99), "at least two values"),
        (lambda: NormalEstimator().fit([1.0, 2.0], 1.0), "level must lie in"),
        (lambda: HistoricalEstimator().fit_lanes(LOSSES[0], 0.99), "losses must have 2 axes"),
        (lambda: HistoricalEstimator().fit([1.0, np.inf], 0.99), "losses must be finite"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
