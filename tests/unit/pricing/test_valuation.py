"""Value of accounts: by hand, with linear and inverse contracts; what is refused."""

import numpy as np
import pytest

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black76
from riskengine.pricing.valuation import (
    CostRates,
    account_values,
    close_costs,
    option_values,
    rows,
    snapshot,
)

INSTRUMENTS = (
    Perpetual("ETH"),
    EuropeanOption("BTC", 110.0, 720.0, "call"),
    EuropeanOption("ETH", 9.0, 240.0, "put"),
    Perpetual("BTC", "inverse"),
)
QUANTITY = np.array([[1.5, -2.0, 0.0, 0.25], [0.0, 0.0, 4.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
ENTRY = np.array([[9.5, 0.0, 0.0, 90.0], [0.0, 0.0, 0.0, 105.0], [0.0, 0.0, 0.0, 0.0]])
CASH = np.array([[10.0, 0.5, -1.0], [0.0, 0.0, 0.0], [7.0, 0.0, 2.0]])
BOOK = Portfolio(("BTC", "ETH"), INSTRUMENTS, QUANTITY, ENTRY, CASH, ("a", "b", "c"), ("x", "y", "z"))
SURFACE = FactorSurface.flat((0.6, 0.8))
SPOT = np.array([[100.0, 80.0], [10.0, 12.0]])


def test_account_values_by_hand():
    market = snapshot(BOOK, SURFACE, SPOT, None, 24.0)
    call = black76(SPOT[0], 110.0, 696.0 / 8760.0, 0.6, 1)
    put = black76(SPOT[1], 9.0, 216.0 / 8760.0, 0.8, -1)
    np.testing.assert_allclose(option_values(BOOK, market), [call, put], rtol=1e-13)
    a = 10.0 + 0.5 * SPOT[0] - SPOT[1] + 1.5 * (SPOT[1] - 9.5) - 2.0 * call + 0.25 * (SPOT[0] - 90.0)
    b = 4.0 * put - (SPOT[0] - 105.0)
    np.testing.assert_allclose(account_values(BOOK, market), [a, b, 7.0 + 2.0 * SPOT[1]], rtol=1e-13)


def test_away_from_the_index_an_inverse_perpetual_pays_coins_worth_the_index():
    """N = q e contracts of a dollar, bought at e and marked at M, are worth N (1 / e - 1 / M) coins."""
    mark = SPOT * np.array([[1.01, 0.97], [0.99, 1.02]])
    market = snapshot(BOOK, SURFACE, SPOT, None, 24.0, perpetual=mark)
    put = black76(SPOT[1], 9.0, 216.0 / 8760.0, 0.8, -1)
    b = 4.0 * put + 105.0 * -1.0 * (1 / 105.0 - 1 / mark[0]) * SPOT[0]
    a = account_values(BOOK, market) - account_values(BOOK, snapshot(BOOK, SURFACE, SPOT, None, 24.0))
    np.testing.assert_allclose(account_values(BOOK, market)[1], b, rtol=1e-13)
    linear, inverse = 1.5 * (mark[1] - SPOT[1]), 0.25 * 90.0 * (1.0 - SPOT[0] / mark[0])
    np.testing.assert_allclose(a[0], linear + inverse, rtol=1e-10)


def test_closing_costs_by_hand():
    market = snapshot(BOOK, SURFACE, SPOT, None, 24.0)
    rates = CostRates(perpetual=0.001, option=0.002, option_premium=0.1, coin=0.003)
    call = black76(SPOT[0], 110.0, 696.0 / 8760.0, 0.6, 1)
    a = 0.001 * (1.5 * SPOT[1] + 0.25 * 90.0) + 2.0 * (0.002 * SPOT[0] + 0.1 * call) + 0.003 * (0.5 * SPOT[0] + SPOT[1])
    costs = close_costs(BOOK, market, rates)
    np.testing.assert_allclose(costs[0], a, rtol=1e-13)
    assert (costs >= 0.0).all()


def test_rate_carries_the_forward_and_discounts():
    market = snapshot(BOOK, SURFACE, SPOT, None, 0.0, rate=np.array([0.1, 0.2]))
    tau = 720.0 / 8760.0
    np.testing.assert_allclose(market.forward[0], SPOT[0] * np.exp(0.1 * tau))
    expected = black76(market.forward[0], 110.0, tau, 0.6, 1, np.exp(-0.1 * tau))
    np.testing.assert_allclose(option_values(BOOK, market)[0], expected, rtol=1e-13)


def test_an_expired_option_is_worth_its_intrinsic_value():
    market = snapshot(BOOK, SURFACE, np.array([[130.0], [5.0]]), None, 1000.0)
    np.testing.assert_allclose(option_values(BOOK, market)[:, 0], [20.0, 4.0])


def test_a_moving_surface_needs_the_variance():
    ones = (1.0, 1.0)
    zero = (0.0, 0.0)
    moving = FactorSurface(ones, ones, ones, zero, zero, zero, zero, zero, zero, ones, ones)
    with pytest.raises(ValueError, match="variance must be given"):
        snapshot(BOOK, moving, SPOT, None, 0.0)


def test_a_book_without_options_has_none():
    book = Portfolio(
        ("BTC", "ETH"), (Perpetual("BTC"),), np.ones((1, 1)), np.full((1, 1), 90.0), np.zeros((1, 3)), ("a",), ("x",)
    )
    market = snapshot(book, SURFACE, SPOT, None, 0.0)
    assert market.volatility.shape == (0, 2)
    np.testing.assert_allclose(account_values(book, market)[0], SPOT[0] - 90.0)


def test_rows_are_compressed_in_order():
    offsets, column, value = rows(np.array([[0.0, 2.0], [0.0, 0.0], [3.0, -1.0]]))
    assert (offsets.tolist(), column.tolist(), value.tolist()) == ([0, 1, 1, 3], [1, 0, 1], [2.0, 3.0, -1.0])
