"""SVI slices and SSVI surfaces: recovery, arbitrage found, constraints kept."""

import numpy as np
import pytest

from riskengine.calibrate.svi import calendar_gap, fit_ssvi, fit_svi
from riskengine.pricing.svi import svi_total_variance

K = np.linspace(-0.5, 0.6, 25)
VOGT = (-0.041, 0.1331, 0.306, 0.3586, 0.4153)


def volatility(raw, tau):
    return np.sqrt(svi_total_variance(K, *raw) / tau)


@pytest.mark.parametrize("raw", [(0.04, 0.4, -0.3, 0.05, 0.1), (0.002, 0.05, -0.1, 0.0, 0.05), VOGT])
def test_slices_are_recovered(raw):
    found = fit_svi(K, volatility(raw, 0.5), 0.5)
    assert found.raw == pytest.approx(raw, abs=1e-6)
    assert found.rmse < 1e-8
    assert found.volatility(K) == pytest.approx(volatility(raw, 0.5), abs=1e-8)


def test_the_butterfly_of_vogt_is_found():
    found = fit_svi(K, volatility(VOGT, 1.0), 1.0)
    assert not found.free_of_butterflies
    assert found.lowest_g == pytest.approx(-0.03286, abs=1e-4)
    assert 0.6 < found.lowest_at < 1.1
    assert fit_svi(K, volatility((0.04, 0.4, -0.3, 0.05, 0.1), 1.0), 1.0).free_of_butterflies


def test_wings_respect_the_bound_of_lee():
    """A smile steeper than any law allows: slopes stop at 2."""
    found = fit_svi(K, np.sqrt((0.05 + 5.0 * np.abs(K)) / 0.5), 0.5)
    assert found.b * (1 + abs(found.rho)) <= 4.0 + 1e-9
    assert abs(found.rho) <= 1.0
    assert (svi_total_variance(K, *found.raw) > 0).all()


def test_a_calendar_spread_is_found():
    near = fit_svi(K, volatility((0.04, 0.3, -0.3, 0.0, 0.1), 0.5), 0.5)
    far = fit_svi(K, volatility((0.05, 0.2, -0.3, 0.0, 0.1), 1.0), 1.0)
    gap, at = calendar_gap(near, far)
    # the range of the quotes, -0.5 to 0.6, and half of it to each side
    assert gap < 0 and at in (pytest.approx(-1.05), pytest.approx(1.15))
    assert calendar_gap(near, fit_svi(K, volatility((0.08, 0.3, -0.3, 0.0, 0.1), 1.0), 1.0))[0] == pytest.approx(0.04)


def surface(rho, eta, gamma, theta):
    f = eta / (theta**gamma * (1 + theta) ** (1 - gamma)) * np.tile(K, theta.size // K.size)
    return theta / 2 * (1 + rho * f + np.sqrt((f + rho) ** 2 + 1 - rho**2))


def test_ssvi_is_recovered_and_free_of_arbitrage():
    tau = np.array([0.05, 0.2, 0.6])
    theta = np.array([0.01, 0.045, 0.15])
    expiry = np.repeat(np.arange(3), K.size)
    w = surface(-0.35, 0.9, 0.4, theta[expiry])
    found = fit_ssvi(np.tile(K, 3), np.sqrt(w / tau[expiry]), expiry, tau)
    assert found.theta == pytest.approx(theta, rel=1e-4)
    assert (found.rho, found.eta, found.gamma) == pytest.approx((-0.35, 0.9, 0.4), abs=1e-3)
    assert found.total_variance(np.tile(K, 3), expiry) == pytest.approx(w, rel=1e-4)


def test_ssvi_keeps_its_conditions_where_the_market_does_not():
    """Total variance that falls in time and wings that are too steep."""
    rng = np.random.default_rng(1)
    tau, expiry = np.array([0.05, 0.2, 0.6]), np.repeat(np.arange(3), K.size)
    vols = (
        np.array([1.4, 0.6, 0.3])[expiry] * (1 + 2 * np.tile(K, 3) ** 2) * (1 + 0.05 * rng.standard_normal(expiry.size))
    )
    found = fit_ssvi(np.tile(K, 3), vols, expiry, tau)
    first, second = found.conditions()
    assert (np.diff(found.theta) > 0).all()
    assert (first < 4).all() and (second <= 4 + 1e-9).all()
    assert found.eta * (1 + abs(found.rho)) <= 2 + 1e-9 and 0 < found.gamma <= 0.5
    # and so butterflies and calendar spreads: convex calls, and variance that grows at every strike
    grid = np.linspace(-1.5, 1.5, 301)
    w = np.array([found.total_variance(grid, np.full(grid.size, e)) for e in range(3)])
    assert (np.diff(w, axis=0) > -1e-12).all()
    for row in w:
        h = grid[1] - grid[0]
        slope, bend = (row[2:] - row[:-2]) / (2 * h), (row[2:] - 2 * row[1:-1] + row[:-2]) / h**2
        k, at = grid[1:-1], row[1:-1]
        assert ((1 - k * slope / (2 * at)) ** 2 - slope**2 / 4 * (1 / at + 0.25) + bend / 2 > -1e-6).all()


def test_refusals():
    with pytest.raises(ValueError, match="at least 5 strikes, got 3"):
        fit_svi(K[:3], np.ones(3), 0.5)
    with pytest.raises(ValueError, match="must be positive"):
        fit_svi(K, np.zeros(K.size), 0.5)
    with pytest.raises(ValueError, match="at least 5 quotes and one in each, got 3"):
        fit_ssvi(K[:3], np.ones(3), np.array([0, 0, 1]), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="increasing"):
        fit_ssvi(K, np.ones(K.size), np.arange(K.size) % 2, np.array([0.2, 0.1]))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_smile_whose_lowest_variance_is_nothing(side):
    """A wing that falls to 0 at infinity: the best slice has rho = -+1 and a = 0, and is one."""
    w = 0.2 * np.maximum(side * (K - 0.1), 0.0) + 1e-10
    found = fit_svi(K, np.sqrt(w / 0.5), 0.5)
    assert found.rho == pytest.approx(side) and found.a == pytest.approx(0.0, abs=1e-9)
    assert found.rmse < 2e-3 and (found.volatility(K) > 0.0).all()


def test_a_smile_without_variance_is_refused():
    with pytest.raises(ValueError, match=r"of 182.5 days must have a positive variance, got 0 at log-moneyness -1"):
        fit_svi(K, np.full(K.size, 1e-170), 0.5)


def test_a_smile_far_from_the_money_needs_no_start_at_it():
    k = K + 4.0
    raw = (0.04, 0.4, -0.3, 4.05, 0.1)
    assert fit_svi(k, np.sqrt(svi_total_variance(k, *raw)), 1.0).raw == pytest.approx(raw, abs=1e-6)
