"""Black-76: the kernel against scipy's normal distribution function, and every edge case."""

import numpy as np
import pytest

from riskengine.pricing.black import black76, black_lanes, call_delta


def _book(seed=3, options=40, lanes=500):
    rng = np.random.default_rng(seed)
    forward = np.exp(rng.normal(0.0, 0.6, (options, lanes)))
    strike = np.exp(rng.normal(0.0, 0.5, options))
    total = np.exp(rng.normal(-2.0, 1.5, (options, lanes)))
    sign = np.where(rng.random(options) < 0.5, 1.0, -1.0)
    return forward, strike, total, sign


def test_kernel_agrees_with_scipy_to_1e_13_of_spot():
    forward, strike, total, sign = _book()
    out = np.empty_like(forward)
    black_lanes(forward, strike, total, sign, out)
    exact = black76(forward, strike[:, None], 1.0, total, sign[:, None])
    assert np.max(np.abs(out - exact) / forward) < 1e-13
    assert (out >= 0.0).all()


@pytest.mark.parametrize("total", [0.0, 1e-12, 1e-4, 0.02, 5.0, 12.0, 23.99, 24.0, 60.0])
def test_kernel_at_extreme_volatility(total):
    forward, strike, _, sign = _book(options=12, lanes=60)
    out = np.empty_like(forward)
    black_lanes(forward, strike, np.full_like(forward, total), sign, out)
    np.testing.assert_allclose(out, black76(forward, strike[:, None], 1.0, total, sign[:, None]), rtol=0, atol=4e-15)


def test_kernel_is_the_same_on_lanes_as_alone():
    forward, strike, total, sign = _book(options=5, lanes=37)
    out = np.empty_like(forward)
    black_lanes(forward, strike, total, sign, out)
    alone = np.empty((5, 1))
    for p in range(37):
        black_lanes(forward[:, p : p + 1].copy(), strike, total[:, p : p + 1].copy(), sign, alone)
        assert np.array_equal(alone[:, 0], out[:, p])


def test_nan_stays_nan():
    out = np.empty((1, 3))
    forward = np.array([[np.nan, 1.0, 1.0]])
    black_lanes(forward, np.array([1.0]), np.array([[0.5, np.nan, 0.5]]), np.array([1.0]), out)
    assert np.isnan(out[0, 0]) and np.isnan(out[0, 1]) and np.isfinite(out[0, 2])


def test_edges_of_the_broadcasting_form():
    both = np.array([1.0, -1.0])
    np.testing.assert_array_equal(black76(0.0, 100.0, 1.0, 0.5, both, 0.9), [0.0, 90.0])
    np.testing.assert_array_equal(black76(100.0, 0.0, 1.0, 0.5, both, 0.9), [90.0, 0.0])
    np.testing.assert_array_equal(black76(100.0, 80.0, 0.0, 0.5, both, 0.9), [18.0, 0.0])
    np.testing.assert_array_equal(black76(100.0, 80.0, 1.0, 24.0, both, 0.5), [50.0, 40.0])
    assert black76(1500.0, 1500.0, 7 / 365, 1.0, 1) == pytest.approx(82.80508066863456, abs=2e-9)
    assert call_delta(1500.0, 1500.0, 7 / 365, 1.0) == pytest.approx(0.5276016935562116, abs=1e-14)
    assert (call_delta(1.0, 0.0, 1.0, 0.5), call_delta(0.0, 1.0, 1.0, 0.5)) == (1.0, 0.0)
    assert call_delta(2.0, 1.0, 0.0, 0.5) == 1.0


def test_put_call_parity():
    forward, strike, total, _ = _book()
    call, put = (black76(forward, strike[:, None], 1.0, total, s, 0.97) for s in (1, -1))
    np.testing.assert_allclose(call - put, 0.97 * (forward - strike[:, None]), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "arguments, name",
    [((-1.0, 1, 1, 1, 1), "forward"), ((1, 1, 1, np.nan, 1), "volatility"), ((1, 1, 1, 1, 2), "sign")],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        black76(*arguments)
