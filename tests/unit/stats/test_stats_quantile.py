"""Order-statistic VaR and expected shortfall."""

import math

import numpy as np
import pytest
from scipy.special import bdtr

from riskengine.stats.quantile import (
    expected_shortfall,
    least_count,
    order_statistic_ranks,
    quantile_rank,
    tail_weights,
    value_at_risk,
)


def test_rank_survives_floating_point():
    assert quantile_rank(100, 0.07) == 7  # 0.07 * 100 > 7
    assert quantile_rank(250, 0.99) == 248
    assert quantile_rank(1000, 0.999) == 999
    assert quantile_rank(1, 0.01) == 1


def test_least_count_is_the_binomial_quantile():
    for probability in (0.025, 0.5, 0.975):
        k = least_count(250, 0.99, probability)
        assert bdtr(k, 250, 0.99) >= probability
        assert k == 0 or bdtr(k - 1, 250, 0.99) < probability


def test_ranks_cover_exactly():
    r = order_statistic_ranks(1000, 0.99, 0.95)
    assert (r.point, r.lower, r.upper) == (990, 983, 997)
    assert r.coverage == pytest.approx(bdtr(996, 1000, 0.99) - bdtr(982, 1000, 0.99), rel=1e-14)
    assert r.coverage >= 0.95


def test_short_samples_have_no_upper_bound():
    losses = np.arange(250.0)
    e = value_at_risk(losses, (0.99,))[0]
    assert e.value == 247.0 and e.upper == math.inf and e.lower > 0
    assert math.isnan(e.std_error) and e.n_effective == 3.0
    assert "exact coverage 0.9863" in e.method


def test_many_levels_from_one_partition():
    losses = np.random.default_rng(5).standard_normal(5000)
    ordered = np.sort(losses)
    levels = (0.95, 0.99, 0.999)
    for level, e in zip(levels, value_at_risk(losses, levels), strict=True):
        r = order_statistic_ranks(5000, level, 0.95)
        assert (e.value, e.lower) == (ordered[r.point - 1], ordered[r.lower - 1])
        assert e.upper == (ordered[r.upper - 1] if r.upper <= 5000 else math.inf)


def test_tail_weights_are_whole_where_they_should_be():
    assert tail_weights(1000, 0.99) == (10, 0.0)
    assert tail_weights(20, 0.93)[0] == 1 and tail_weights(20, 0.93)[1] == pytest.approx(0.4)
    assert tail_weights(20, 0.975) == (0, pytest.approx(0.5))


def test_expected_shortfall_error_is_that_of_the_excess():
    losses = np.random.default_rng(6).standard_exponential(20_000)
    e = expected_shortfall(losses, 0.99)
    var = value_at_risk(losses, (0.99,))[0].value
    influence = np.maximum(losses - var, 0.0) / 0.01
    assert e.std_error == pytest.approx(influence.std(ddof=1) / math.sqrt(20_000), rel=1e-10)
    assert e.value == pytest.approx(np.sort(losses)[-200:].mean(), rel=1e-13)
    assert e.value == pytest.approx(var + influence.mean(), rel=1e-10)
    assert e.lower < e.value < e.upper and e.n_effective == 200
    # a skewed tail: the upper side is the longer one
    assert e.upper - e.value > e.value - e.lower


def test_expected_shortfall_interval_is_refused_below_a_hundred_tail_losses():
    e = expected_shortfall(np.random.default_rng(7).standard_normal(9_900), 0.99)
    assert (e.lower, e.upper) == (-math.inf, math.inf) and e.std_error > 0
    assert "refused: 99 effective hits" in e.method


def test_ties_and_constants():
    e = expected_shortfall(np.full(500, 2.0), 0.9)
    assert (e.value, e.std_error) == (2.0, 0.0)
    assert value_at_risk(np.full(500, 2.0), (0.9,))[0].value == 2.0


def test_refusals():
    losses = np.arange(10.0)
    with pytest.raises(ValueError, match="do not hold for weighted samples"):
        value_at_risk(losses, (0.9,), weight=np.ones(10))
    with pytest.raises(ValueError, match="do not hold for weighted samples"):
        expected_shortfall(losses, 0.9, weight=np.ones(10))
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)"):
        value_at_risk(losses, (1.0,))
    with pytest.raises(ValueError, match="losses must be finite"):
        value_at_risk([1.0, math.nan], (0.9,))
    with pytest.raises(ValueError, match="losses must hold at least one value"):
        expected_shortfall([], 0.9)
