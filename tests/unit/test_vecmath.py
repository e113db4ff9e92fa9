"""Errors of the branch-free functions against numpy and scipy.special, and their edges."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from riskengine import vecmath
from riskengine.jit import kernel


@kernel
def _apply(f, x, out):
    for i in range(x.size):
        out[i] = f(x[i])


def apply(f, x):
    x = np.asarray(x, dtype=float)
    out = np.empty_like(x)
    _apply(f, x, out)
    return out


def ulps(got, want):
    return np.abs(got - want) / np.spacing(np.abs(want))


GRID = np.random.default_rng(1)


def test_exp_is_within_two_ulp():
    x = GRID.uniform(-700.0, 700.0, 20_000)
    assert ulps(apply(vecmath.exp, x), np.exp(x)).max() <= 3.0  # numpy's own half ulp included


def test_exp_near_zero_saturation_and_nan():
    x = GRID.uniform(-1e-3, 1e-3, 5_000)
    assert ulps(apply(vecmath.exp, x), np.exp(x)).max() <= 2.0
    assert apply(vecmath.exp, [0.0])[0] == 1.0
    low, high, nan = apply(vecmath.exp, [-1e9, 1e9, np.nan])
    assert 0.0 < low < 1e-300 and 1e300 < high < np.inf and np.isnan(nan)


def test_log_is_within_two_ulp():
    x = np.exp(GRID.uniform(-700.0, 700.0, 20_000))
    assert ulps(apply(vecmath.log, x), np.log(x)).max() <= 3.0
    near = 1.0 + GRID.uniform(-1e-3, 1e-3, 5_000)
    assert ulps(apply(vecmath.log, near), np.log(near)).max() <= 3.0
    assert apply(vecmath.log, [1.0])[0] == 0.0


def test_sincos_of_a_turn():
    u = GRID.uniform(0.0, 1.0, 20_000)
    sine = np.array([vecmath.sincos_turn(v)[0] for v in u[:2_000]])
    cosine = np.array([vecmath.sincos_turn(v)[1] for v in u[:2_000]])
    # 2 pi u is rounded before numpy sees it: allow for that
    assert np.abs(sine - np.sin(2 * np.pi * u[:2_000])).max() < 1.5e-15
    assert np.abs(cosine - np.cos(2 * np.pi * u[:2_000])).max() < 1.5e-15
    for turn, pair in ((0.0, (0, 1)), (0.25, (1, 0)), (0.5, (0, -1)), (0.75, (-1, 0))):
        assert vecmath.sincos_turn(turn) == pytest.approx(pair, abs=3e-16)


def test_normal_cdf():
    x = np.concatenate((GRID.uniform(-40.0, 40.0, 10_000), GRID.normal(size=10_000)))
    assert np.abs(apply(vecmath.normal_cdf, x) - ndtr(x)).max() < 1e-15
    left = GRID.uniform(-7.0, 0.0, 5_000)
    relative = np.abs(apply(vecmath.normal_cdf, left) / ndtr(left) - 1.0)
    assert relative[left > -3.5].max() < 1e-13
    assert relative.max() < 1e-8
    assert np.isnan(apply(vecmath.normal_cdf, [np.nan])[0])


def test_normal_inverse():
    u = np.concatenate((GRID.uniform(0.0, 1.0, 10_000), 10.0 ** GRID.uniform(-300.0, -1.0, 5_000)))
    np.testing.assert_allclose(apply(vecmath.normal_inverse, u), ndtri(u), rtol=2e-14, atol=1e-15)


def test_normal_inverse_undoes_the_distribution_function():
    x = GRID.uniform(-6.0, 6.0, 2_000)
    back = apply(vecmath.normal_inverse, apply(vecmath.normal_cdf, x))
    # in the right tail N(x) is close to 1 and its last bit is worth more
    assert np.abs(back - x)[x < 0].max() < 1e-9
    assert np.abs(back - x).max() < 1e-7


def test_round_even_and_fma():
    @kernel
    def rounded(x):
        return vecmath.round_even(x)

    assert [rounded(x) for x in (0.5, 1.5, 2.5, -0.5, -1.5)] == [0.0, 2.0, 2.0, -0.0, -2.0]

    @kernel
    def product_error(a, b):
        return vecmath.fma(a, b, -(a * b))

    a = 1.0 + 2.0**-30
    assert product_error(a, a) == 2.0**-60
