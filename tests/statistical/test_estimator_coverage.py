"""Intervals of estimators on the laws that they assume, and the promises of conformal thresholds on any law."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import bdtr, bdtrc, ndtr, ndtri

from riskengine.estimator.adaptive_conformal import AdaptiveConformalEstimator, walk
from riskengine.estimator.age_weighted import AgeWeightedEstimator
from riskengine.estimator.cornish_fisher import CornishFisherEstimator
from riskengine.estimator.garch_filtered import GarchFilteredEstimator
from riskengine.estimator.harrell_davis import HarrellDavisEstimator
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.model_monte_carlo import ModelMonteCarloEstimator
from riskengine.estimator.pot_gpd import PotGpdEstimator
from riskengine.estimator.quantile_regression import QuantileRegressionEstimator
from riskengine.estimator.split_conformal import SplitConformalEstimator, conformal_rank
from riskengine.estimator.student_t import StudentTEstimator, shortfall_factor
from riskengine.stats.quantile import order_statistic_ranks

LANES = 2000
CHECKS = 5 * 2 + 2 + 3 * 2 + 1 + 2  # all together fail by chance once in 10,000
ALPHA = 1e-4 / CHECKS
Z = float(ndtri(1 - ALPHA / 2))


def held(found, truth):
    """How many intervals hold the truth."""
    _, lower, upper = found
    return int(((lower <= truth) & (truth <= upper)).sum())


def assert_share_between(hits, n, low, high):
    """A share between `low` and `high` is compatible with the hits."""
    assert bdtr(hits, n, low) > ALPHA / 2 and bdtrc(hits - 1, n, high) > ALPHA / 2


def tail_of_t(generator, shape):
    """Student t with 4 degrees of freedom; its tail is a power, which POT approximates."""
    return generator.standard_t(4, shape)


# first-order intervals at n = 1000 may miss the nominal 95 % by the next order of the expansion: 3 points are allowed
@pytest.mark.parametrize(
    ("estimator", "draw", "law", "shortfall"),
    [
        (StudentTEstimator(), tail_of_t, stats.t(4), float(shortfall_factor(np.array(4.0), 0.99))),
        (StudentTEstimator(4.0), tail_of_t, stats.t(4), float(shortfall_factor(np.array(4.0), 0.99))),
        (PotGpdEstimator(), lambda g, n: g.exponential(size=n), stats.expon(), 1 + np.log(100.0)),
        (CornishFisherEstimator(), lambda g, n: g.standard_normal(n), stats.norm(), 2.6652142203458086),
    ],
    ids=["student_t", "student_t-df", "pot_gpd", "cornish_fisher"],
)
def test_asymptotic_intervals_cover_on_their_own_law(estimator, draw, law, shortfall):
    losses = draw(np.random.default_rng(41), (1000, LANES))
    assert_share_between(held(estimator.fit_lanes(losses, 0.99).var, law.ppf(0.99)), LANES, 0.92, 0.98)
    assert_share_between(held(estimator.fit_lanes(losses, 0.99).es, shortfall), LANES, 0.92, 0.98)


def test_posterior_intervals_cover_on_the_mixture():
    """Parameters away from the middle of the priors; 400 lanes, so that a fault of 5 points shows."""
    generator, lanes = np.random.default_rng(46), 400
    jump = generator.random((1000, lanes)) < 0.08
    losses = generator.standard_normal((1000, lanes)) * np.where(jump, np.sqrt(7.0), 1.0) + np.where(jump, 0.5, 0.0)

    def beyond(x):
        return 0.92 * ndtr(-x) + 0.08 * ndtr((0.5 - x) / np.sqrt(7.0))

    truth = brentq(lambda x: beyond(x) - 0.01, 1.0, 9.0)
    shortfall = truth + quad(beyond, truth, 40.0, limit=200)[0] / 0.01
    estimator = ModelMonteCarloEstimator()
    assert_share_between(held(estimator.fit_lanes(losses, 0.99).var, truth), lanes, 0.92, 0.98)
    assert_share_between(held(estimator.fit_lanes(losses, 0.99).es, shortfall), lanes, 0.92, 0.98)


@pytest.mark.parametrize("estimator", [HarrellDavisEstimator(), HistoricalEstimator("linear")], ids=repr)
def test_widened_order_statistics_cover_at_least_as_stated(estimator):
    losses = tail_of_t(np.random.default_rng(42), (400, LANES))
    stated = order_statistic_ranks(400, 0.98, 0.95).coverage
    assert_share_between(held(estimator.fit_lanes(losses, 0.98).var, stats.t.ppf(0.98, 4)), LANES, stated, 1.0)


@pytest.mark.parametrize("n", [99, 250, 1000])
@pytest.mark.parametrize("scores", ["losses", "scaled"])
def test_split_conformal_breaches_as_often_as_its_rank_says(n, scores):
    """Exactly (n + 1 - rank) / (n + 1) for exchangeable scores; scaled ones are so up to the filter's start."""
    losses = np.random.default_rng(43 + n).standard_normal((n, LANES))
    value, _, _ = SplitConformalEstimator(scores, 0.999).fit_lanes(losses, 0.99).var
    breach = ndtr(-value)
    expected = (n + 1 - conformal_rank(n, 0.99)) / (n + 1)
    slack = 0.0 if scores == "losses" else 0.1 * expected
    assert abs(breach.mean() - expected) < Z * breach.std() / np.sqrt(LANES) + slack


def test_adaptive_conformal_keeps_its_breach_share_where_volatility_rises():
    """Twice the volatility half-way: the fixed threshold of the past is breached far too often."""
    generator = np.random.default_rng(44)
    losses = generator.standard_normal((400, 1500)) * np.where(np.arange(1500) < 750, 1.0, 2.0)
    p, warm, gamma = 0.05, 20, 0.02
    alpha = np.empty((400, 1500 - warm + 1))
    walk(losses, p, gamma, warm, alpha)
    # alpha_{t+1} - alpha_t sums to gamma (p - breaches): the identity gives the breaches back where nothing was clipped
    inside = (alpha[:, :-1] > 1.0 / (np.arange(warm, 1500) + 1)) & (alpha[:, 1:] < 0.5)
    breach = np.where(inside, p - np.diff(alpha, axis=1) / gamma, np.nan)[:, 750 - warm :]
    share = np.nanmean(breach)
    plain = ndtr(-ndtri(1 - p) / 2)
    assert abs(share - p) < 0.2 * p < plain - p
    late = AdaptiveConformalEstimator(gamma).fit_lanes(losses.T, 1 - p).var.value / 2
    fixed = SplitConformalEstimator().fit_lanes(losses.T, 1 - p).var.value / 2
    assert abs(ndtr(-late).mean() - p) < abs(ndtr(-fixed).mean() - p)


def test_garch_filter_follows_volatility_better_than_equal_weights():
    generator = np.random.default_rng(45)
    variance, losses = np.ones(200), np.empty((1000, 200))
    for t in range(-300, 1000):
        loss = np.sqrt(variance) * generator.standard_normal(200)
        variance = 0.03 + 0.1 * loss**2 + 0.87 * variance
        losses[max(t, 0)] = loss
    truth = np.sqrt(variance) * ndtri(0.95)
    spread = {
        e.kind: np.log(e.fit_lanes(losses, 0.95).var.value / truth).std()
        for e in (
            GarchFilteredEstimator(),
            QuantileRegressionEstimator(),
            AgeWeightedEstimator(),
            HistoricalEstimator(),
        )
    }
    assert spread["garch_filtered"] < 0.4 * spread["historical"]
    assert spread["quantile_regression"] < 0.6 * spread["historical"]
    assert spread["age_weighted"] < spread["historical"]
