"""Means, ratios, paired differences, severity, and the interval behind them."""

import math

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.stats.asymptotic import corrected_quantile, influence
from riskengine.stats.mean import (
    conditional_severity,
    mean,
    paired_difference,
    ratio_of_means,
)

RNG = np.random.default_rng(11)
Z = float(ndtri(0.975))


def test_influence_moments_with_and_without_the_zeros():
    x = np.concatenate([RNG.standard_exponential(150), np.zeros(850)])
    whole, short = influence(x), influence(x[:150], n=1000)
    for field in ("n", "hits"):
        assert getattr(whole, field) == getattr(short, field)
    for field in ("concentration", "std_error", "skewness"):
        assert getattr(whole, field) == pytest.approx(getattr(short, field), rel=1e-10)
    assert whole.std_error == pytest.approx(x.std(ddof=1) / math.sqrt(1000), rel=1e-12)
    centred = x - x.mean()
    assert whole.skewness == pytest.approx((centred**3).mean() / (centred**2).mean() ** 1.5, rel=1e-10)


def test_influence_survives_huge_and_tiny_amounts():
    x = RNG.standard_exponential(200)
    for scale in (1e-200, 1e200):
        assert influence(scale * x).skewness == pytest.approx(influence(x).skewness, rel=1e-10)
        assert influence(scale * x).std_error == pytest.approx(scale * influence(x).std_error, rel=1e-10)


def test_correction_inverts_halls_cubic():
    a = 0.4
    for z in (-Z, 0.0, Z):
        t = corrected_quantile(z, a)
        assert t + a * t * t / 3 + a * a * t**3 / 27 + a / 6 == pytest.approx(z, abs=1e-12)
    # both branches near zero are z - a / 6 - a z^2 / 3 + O(a^2); the cubic root loses eps / a = 1e-10
    for a in (1e-7, 2e-6):
        assert corrected_quantile(Z, a) == pytest.approx(Z - a / 6 - a * Z * Z / 3, abs=1e-9)


def test_mean_of_symmetric_values_is_the_plain_interval():
    x = np.linspace(-1, 1, 501) + 3.0
    e = mean(x)
    half = Z * x.std(ddof=1) / math.sqrt(x.size)
    assert (e.value, e.n) == (pytest.approx(3.0), 501)
    assert (e.lower, e.upper) == (pytest.approx(3.0 - half, abs=1e-12), pytest.approx(3.0 + half, abs=1e-12))


def test_interval_is_refused_where_few_paths_carry_the_mean():
    few = np.zeros(10_000)
    few[:99] = 1.0
    assert mean(few).upper == math.inf and "99 effective hits, 100 needed" in mean(few).method
    lone = np.full(10_000, 1e-6)
    lone[0] = 1e6
    assert mean(lone).upper == math.inf and "carried by 1 units" in mean(lone).method
    assert mean(np.zeros(500)).lower == -math.inf


def test_constant_values_have_no_error():
    e = mean(np.full(200, 7.5))
    assert (e.value, e.std_error, e.lower, e.upper) == (7.5, 0.0, 7.5, 7.5)


def test_ratio_of_means():
    x = RNG.uniform(1, 3, 2000)
    e = ratio_of_means(0.25 * x, x)
    assert (e.value, e.std_error) == (pytest.approx(0.25), pytest.approx(0.0, abs=1e-15))
    y = RNG.standard_exponential(2000)
    r = y.mean() / x.mean()
    assert ratio_of_means(y, x).std_error == pytest.approx(
        ((y - r * x) / x.mean()).std(ddof=1) / math.sqrt(2000), rel=1e-10
    )
    empty = ratio_of_means(np.zeros(5), np.zeros(5))
    assert math.isnan(empty.value) and "zero on every path" in empty.method


def test_paired_difference_uses_the_pairing():
    x = RNG.standard_normal(400) * 100
    noise = 0.01 * RNG.standard_normal(400)
    e = paired_difference(x + 1.0 + noise, x)
    assert e.value == pytest.approx(1.0 + noise.mean(), rel=1e-12)
    assert e.std_error == pytest.approx(noise.std(ddof=1) / 20, rel=1e-9)
    assert e.lower < e.value < e.upper


def test_severity_looks_at_positive_paths_only():
    x = np.concatenate([np.zeros(900), np.linspace(1, 3, 201), -np.ones(50)])
    e = conditional_severity(x)
    assert (e.value, e.n, e.n_effective) == (pytest.approx(2.0), x.size, 201)
    assert math.isnan(conditional_severity(np.zeros(10)).value)
    assert conditional_severity(np.zeros(10)).method == "severity: 0 positive paths, at least 2 needed"


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean([1.0]),
        lambda: ratio_of_means([1.0, 2.0], [1.0]),
        lambda: paired_difference([1.0], [1.0]),
    ],
)
def test_too_few_paths_are_refused(call):
    with pytest.raises(ValueError, match="at least (two|2)"):
        call()
