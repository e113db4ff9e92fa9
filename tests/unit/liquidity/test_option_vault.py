"""A vault that quotes Black-Scholes: what is bought, what it costs, where the edge ends."""

import numpy as np
import pytest
from scipy.integrate import quad

from riskengine.liquidity.option_vault import OptionVault, worst_loss
from riskengine.pricing.black import black76
from riskengine.pricing.implied_vol import implied_volatility

Z = np.array([-2.0, 0.0, 2.0])
STRIKE, SIGN, TAU = np.array([0.85, 1.0, 1.18]), np.array([-1.0, 1.0, 1.0]), 7 / 365
IMPLIED = np.array([0.75, 0.6, 0.64])
VAULT = OptionVault(0.03, 0.0, 0.001, 50.0)


def price(volatility):
    return black76(1.0, STRIKE, TAU, volatility, SIGN)


def test_the_buyer_stops_where_the_next_coin_costs_its_true_price():
    coins = VAULT.bought(0.6, Z, IMPLIED)
    np.testing.assert_allclose(coins, [50.0, 0.0, 10.0])
    np.testing.assert_allclose(VAULT.ask(0.6, Z, coins)[2], IMPLIED[2])
    paid = VAULT.premium(0.6, Z, STRIKE, SIGN, TAU, coins)
    assert paid[1] == 0.0
    for i in (0, 2):
        one = quad(lambda q, i=i: black76(1.0, STRIKE[i], TAU, 0.63 + 0.001 * q, SIGN[i]), 0.0, coins[i])[0]
        assert paid[i] == pytest.approx(one, rel=1e-12)
    # no other size earns more: neighbours on both sides of the optimum
    true = price(IMPLIED)
    best = coins[2] * true[2] - paid[2]
    for other in (9.5, 10.5):
        assert other * true[2] - VAULT.premium(0.6, Z, STRIKE, SIGN, TAU, np.array([0, 0, other]))[2] < best


def test_the_edge_ends_at_the_spread_and_the_size_said():
    spread = VAULT.break_even_spread(0.6, Z, IMPLIED)
    np.testing.assert_allclose(spread, [0.15, 0.0, 0.04])
    at = OptionVault(float(spread[0]), 0.0, 0.001, 50.0)
    assert at.bought(0.6, Z, IMPLIED)[0] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(implied_volatility(price(0.6 + spread), 1.0, STRIKE, TAU, SIGN), IMPLIED, rtol=1e-9)
    smile = OptionVault(0.03, 0.06, 0.001, 50.0)
    assert (smile.bought(0.6, Z, IMPLIED) == 0.0).all()


def test_an_option_without_a_price_is_not_bought_and_the_worst_is_bounded_by_puts_alone():
    assert VAULT.bought(0.6, Z, np.array([np.nan, 0.9, 0.9]))[0] == 0.0
    assert worst_loss(STRIKE, SIGN, np.array([10.0, 0.0, 0.0]), 0.3) == pytest.approx(8.2)
    assert worst_loss(STRIKE, SIGN, np.array([10.0, 0.0, 1.0]), 0.3) == np.inf
    with pytest.raises(ValueError, match="impact"):
        OptionVault(impact=0.0)
