"""Properties of estimates from samples that hold for every sample."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from riskengine.backtest.kupiec import kupiec
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.stats.mean import mean, paired_difference
from riskengine.stats.proportion import clopper_pearson
from riskengine.stats.quantile import expected_shortfall, order_statistic_ranks, reaches, value_at_risk

SAMPLES = arrays(np.float64, st.integers(2, 200), elements=st.floats(-1e6, 1e6))
LEVELS = st.floats(0.01, 0.999)


@given(SAMPLES, LEVELS)
def test_var_is_a_loss_of_the_sample_and_es_is_not_below_it(losses, level):
    var = value_at_risk(losses, (level,))[0]
    es = expected_shortfall(losses, level)
    assert var.value in losses
    assert var.lower <= var.value <= var.upper
    assert es.value >= var.value - 1e-9 * (1 + abs(var.value))
    assert es.value <= losses.max() + 1e-9 * (1 + abs(losses.max()))


@given(SAMPLES, LEVELS, st.randoms(use_true_random=False))
def test_order_in_time_does_not_matter_to_historical_simulation(losses, level, random):
    order = list(range(losses.size))
    random.shuffle(order)
    first, second = (HistoricalEstimator().fit(x, level) for x in (losses, losses[order]))
    assert first[0].value == second[0].value or not reaches(losses.size, level)
    assert first[0].lower == second[0].lower
    assert math.isclose(first[1].value, second[1].value, rel_tol=1e-9, abs_tol=1e-6)


@given(SAMPLES, LEVELS)
def test_var_does_not_fall_when_the_level_rises(losses, level):
    a, b = value_at_risk(losses, (level, 0.5 * (1 + level)))
    assert a.value <= b.value and a.lower <= b.lower


@given(st.integers(1, 5000), LEVELS, st.floats(0.5, 0.999))
def test_ranks_are_ordered_and_cover(n, level, confidence):
    r = order_statistic_ranks(n, level, confidence)
    assert 0 <= r.lower <= r.point <= r.upper <= n + 1
    assert r.coverage >= confidence - 1e-12


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_clopper_pearson_mirrors(counts, confidence):
    hits, n = counts
    e, mirrored = clopper_pearson(hits, n, confidence), clopper_pearson(n - hits, n, confidence)
    assert 0 <= e.lower <= e.value <= e.upper <= 1
    assert math.isclose(e.lower, 1 - mirrored.upper, abs_tol=1e-10)


@given(SAMPLES)
def test_difference_with_itself_is_zero(values):
    e = paired_difference(values, values)
    assert (e.value, e.std_error) == (0.0, 0.0)


@given(arrays(np.float64, 150, elements=st.floats(1.0, 100.0)), st.floats(1e-3, 1e3))
def test_mean_scales(values, scale):
    a, b = mean(values), mean(scale * values)
    for field in ("value", "std_error", "lower", "upper"):
        assert math.isclose(scale * getattr(a, field), getattr(b, field), rel_tol=1e-6, abs_tol=1e-6 * scale)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.5))
def test_kupiec_p_values_are_probabilities(counts, tail_prob):
    t = kupiec(*counts, tail_prob)
    assert t.likelihood_ratio >= 0 and 0 <= t.p_value <= 1 and 0 <= t.exact_p_value <= 1


@settings(max_examples=30)
@given(
    st.floats(-1, 1),
    st.floats(0.05, 2),
    st.floats(0, 100),
    st.floats(-0.1, 0.1),
    st.floats(0, 0.1),
    st.floats(1 / 8760, 0.1),
    st.floats(1e-6, 1 - 1e-6),
)
def test_merton_quantile_inverts_its_cdf(drift, sigma, intensity, mean_jump, sd, horizon, p):
    law = MertonLaw(drift, sigma, (NormalJump(intensity, mean_jump, sd),), horizon)
    x = law.quantile(p)
    assert math.isclose(float(law.cdf(x)), p, rel_tol=1e-8)
    assert 0 <= float(law.lower_expectation(x)) <= law.expectation() * (1 + 1e-12)
