"""Invariants that margin models declare, over random books on common paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin.derive_pmrm_v2 import DerivePmrmV2, ParameterSet, Underlying
from riskengine.margin.ewma_var import EwmaVar
from riskengine.margin.historical_var import HistoricalVar
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import account_values, option_values, snapshot

INSTRUMENTS = (
    EuropeanOption("BTC", 80.0, 1500.0, "put"),
    EuropeanOption("BTC", 105.0, 400.0, "call"),
    EuropeanOption("BTC", 105.0, 400.0, "put"),
    Perpetual("BTC"),
    EuropeanOption("ETH", 11.0, 60.0, "call"),
    Perpetual("ETH", "inverse"),
)
SURFACE = FactorSurface(
    (3.0, 4.0), (0.4, 0.5), (1.1, 1.2), (0.02, 0.0), (-0.1, -0.05), (-0.05, 0.0), (0.05, 0.1), (0.03, 0.02),
    (0.03, 0.0), (0.3, 0.2), (4.0, 3.0),
)  # fmt: skip
LEVELS = (0.9, 0.95, 0.99, 0.999)
MODELS = {
    "derive_pmrm_v2": DerivePmrmV2(ParameterSet({"BTC": Underlying(), "ETH": Underlying()})),
    "historical_var": HistoricalVar(LEVELS),
    "ewma_var": EwmaVar(LEVELS),
}


def _paths() -> MarketPaths:
    rng = np.random.default_rng(11)
    window, lanes = 60, 4
    size = (window + 2, 2, lanes)
    spot = np.array([[100.0], [10.0]]) * np.exp(np.cumsum(rng.normal(0, 0.04, size), axis=0))
    variance = 0.4 * np.exp(0.3 * rng.normal(0, 1.0, size))
    cut = [
        np.ascontiguousarray(x) for x in (spot[window:], variance[window:], spot[: window + 1], variance[: window + 1])
    ]
    return MarketPaths(TimeGrid(86_400, 1, 86_400, window), ("BTC", "ETH"), 0, *cut)


PATHS = _paths()


def _book(quantity: np.ndarray, coins: np.ndarray) -> Portfolio:
    k = len(quantity)
    cash = np.concatenate([np.zeros((k, 1)), coins], axis=1)
    names = tuple(map(str, range(k)))
    return Portfolio(("BTC", "ETH"), INSTRUMENTS, quantity, np.zeros_like(quantity), cash, names, names)


def _need(kind: str, book: Portfolio):
    model = MODELS[kind]
    market = snapshot(book, SURFACE, PATHS.spot_lanes[0], PATHS.variance_lanes[0], 0.0)
    return model.requirement(model.step(model.init(book, SURFACE), PATHS, 0), market), market


sizes = hnp.arrays(np.float64, (3, 6), elements=st.floats(-5, 5).map(lambda x: round(x, 3)))
coin_sizes = hnp.arrays(np.float64, (3, 2), elements=st.floats(0, 3).map(lambda x: round(x, 3)))
kinds = pytest.mark.parametrize("kind", sorted(MODELS))
few = settings(max_examples=25, deadline=None)


@kinds
@few
@given(quantity=sizes, coins=coin_sizes, scale=st.floats(0.01, 100.0))
def test_positive_homogeneity_and_im_at_least_mm(kind, quantity, coins, scale):
    base, _ = _need(kind, _book(quantity, coins))
    scaled, _ = _need(kind, _book(quantity * scale, coins * scale))
    for a, b in zip(base, scaled, strict=True):
        size = 1e-9 * (1.0 + np.abs(a.initial).max())
        np.testing.assert_allclose(b.initial, scale * a.initial, rtol=1e-9, atol=size * scale)
        np.testing.assert_allclose(b.maintenance, scale * a.maintenance, rtol=1e-9, atol=size * scale)
        assert (a.initial >= a.maintenance - 1e-12).all() and (a.maintenance >= 0.0).all()


@kinds
@few
@given(quantity=sizes, coins=coin_sizes, seed=st.integers(0, 100))
def test_permuting_accounts_permutes_the_answer(kind, quantity, coins, seed):
    order = np.random.default_rng(seed).permutation(3)
    base, _ = _need(kind, _book(quantity, coins))
    moved, _ = _need(kind, _book(quantity[order], coins[order]))
    for a, b in zip(base, moved, strict=True):
        assert np.array_equal(a.initial[order], b.initial)


@pytest.mark.parametrize("kind", ["historical_var", "ewma_var"])
@few
@given(quantity=sizes, coins=coin_sizes)
def test_monotone_in_the_level(kind, quantity, coins):
    need, _ = _need(kind, _book(quantity, coins))
    for lower, higher in zip(need, need[1:], strict=False):
        assert (higher.initial >= lower.initial).all()


@few
@given(column=st.sampled_from([0, 1, 2, 4]), amount=st.floats(0.01, 50.0))
def test_a_long_option_never_needs_more_than_its_value(column, amount):
    quantity = np.zeros((1, 6))
    quantity[0, column] = amount
    book = _book(quantity, np.zeros((1, 2)))
    need, market = _need("historical_var", book)
    value = amount * option_values(book, market)[book.options.tolist().index(column)]
    for n in need:
        assert (n.initial[0] <= value * (1 + 1e-12)).all()


@few
@given(strike=st.sampled_from([1]), amount=st.floats(0.1, 10.0))
def test_a_riskless_conversion_needs_nothing_of_a_quantile_model(strike, amount):
    """call - put - perpetual at one strike has a constant value, so revaluation finds no loss."""
    quantity = np.zeros((1, 6))
    quantity[0, 1], quantity[0, 2], quantity[0, 3] = amount, -amount, -amount
    book = _book(quantity, np.zeros((1, 2)))
    need, market = _need("historical_var", book)
    np.testing.assert_allclose(need[-1].initial, 0.0, atol=1e-10 * amount)
    np.testing.assert_allclose(account_values(book, market), -105.0 * amount, rtol=1e-12)
