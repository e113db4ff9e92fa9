"""Implied volatility: inverse of Black-76, and refusal outside its bounds."""

import numpy as np
import pytest

from riskengine.pricing.black import black76
from riskengine.pricing.implied_vol import implied_volatility


def test_round_trip_wherever_the_price_carries_information():
    rng = np.random.default_rng(8)
    n = 4000
    forward, strike = np.exp(rng.normal(0, 0.5, n)), np.exp(rng.normal(0, 0.5, n))
    tau, sign = rng.uniform(0.002, 2.0, n), np.where(rng.random(n) < 0.5, 1.0, -1.0)
    sigma = rng.uniform(0.05, 3.0, n)
    price = black76(forward, strike, tau, sigma, sign, 0.98)
    found = implied_volatility(price, forward, strike, tau, sign, 0.98)
    again = black76(forward, strike, tau, found, sign, 0.98)
    np.testing.assert_allclose(again, price, rtol=0, atol=5e-15)
    total = sigma * np.sqrt(tau)
    d1 = np.log(forward / strike) / total + 0.5 * total
    vega = forward * np.exp(-0.5 * d1**2) * np.sqrt(tau)
    informed = vega > 1e-3
    assert informed.sum() > 2000
    np.testing.assert_allclose(found[informed], sigma[informed], rtol=1e-10)


def test_far_wing_and_scalar():
    price = black76(1.0, 3.0, 0.1, 0.5, 1)
    assert price < 1e-9
    assert implied_volatility(price, 1.0, 3.0, 0.1, 1) == pytest.approx(0.5, rel=1e-12)
    assert implied_volatility(price, 1.0, 3.0, 0.1, 1).shape == ()


def test_price_at_intrinsic_is_zero_volatility():
    assert implied_volatility([0.5, 0.0], [1.5, 1.0], [1.0, 2.0], 1.0, 1).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("price", [-0.01, 0.1, 1.0, np.nan])
def test_a_price_no_volatility_gives_is_refused(price):
    with pytest.raises(ValueError, match="price must lie in"):
        implied_volatility([0.3, price], [1.0, 1.0], [0.8, 0.8], 1.0, 1)
