"""Invariants of every registered margin model, and those that each declares, over random books on common paths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from models import every, instance

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin.governed import Governed
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.historical_var import HistoricalVar
from riskengine.margin.mixture import Mixture
from riskengine.margin.speed_limited import SpeedLimited
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import account_values, option_values, snapshot
from riskengine.roles import LONG_OPTION_BOUNDED, PROPORTIONAL, promises

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


def _need(model, book: Portfolio):
    market = snapshot(book, SURFACE, PATHS.spot_lanes[0], PATHS.variance_lanes[0], 0.0)
    return model.requirement(model.step(model.init(book, SURFACE), PATHS, 0), market), market


def _promising(what: str) -> list[str]:
    return [kind for kind in every("margin") if what in promises(instance("margin", kind))]


sizes = hnp.arrays(np.float64, (3, 6), elements=st.floats(-5, 5).map(lambda x: round(x, 3)))
coin_sizes = hnp.arrays(np.float64, (3, 2), elements=st.floats(0, 3).map(lambda x: round(x, 3)))
few = settings(max_examples=12, deadline=None)


@pytest.mark.parametrize("kind", every("margin"))
@few
@given(quantity=sizes, coins=coin_sizes, seed=st.integers(0, 100))
def test_maintenance_below_initial_levels_in_order_accounts_apart(kind, quantity, coins, seed):
    model, order = instance("margin", kind), np.random.default_rng(seed).permutation(3)
    need, _ = _need(model, _book(quantity, coins))
    moved, _ = _need(model, _book(quantity[order], coins[order]))
    for one, other in zip(need, moved, strict=True):
        assert np.isfinite(one.initial).all()
        assert (one.initial >= one.maintenance - 1e-12).all() and (one.maintenance >= 0.0).all()
        np.testing.assert_allclose(other.initial, one.initial[order], rtol=1e-12, atol=1e-9)
    levels = np.argsort(model.levels)
    for lower, higher in zip(levels, levels[1:], strict=False):
        assert (need[higher].initial >= need[lower].initial).all()


@pytest.mark.parametrize("kind", _promising(PROPORTIONAL))
@few
@given(quantity=sizes, coins=coin_sizes, scale=st.floats(0.01, 100.0))
def test_twice_the_account_twice_the_requirement(kind, quantity, coins, scale):
    model = instance("margin", kind)
    base, _ = _need(model, _book(quantity, coins))
    scaled, _ = _need(model, _book(quantity * scale, coins * scale))
    for a, b in zip(base, scaled, strict=True):
        size = 1e-9 * (1.0 + np.abs(a.initial).max())
        np.testing.assert_allclose(b.initial, scale * a.initial, rtol=1e-9, atol=size * scale)
        np.testing.assert_allclose(b.maintenance, scale * a.maintenance, rtol=1e-9, atol=size * scale)


@few
@given(quantity=sizes, coins=coin_sizes, scale=st.floats(1.0, 1e6))
def test_size_costs_more_than_in_proportion_under_the_liquidity_addon(quantity, coins, scale):
    model = instance("margin", "liquidity_addon")
    base, _ = _need(model, _book(quantity, coins))
    scaled, _ = _need(model, _book(quantity * scale, coins * scale))
    for a, b in zip(base, scaled, strict=True):
        assert (b.initial >= scale * a.initial * (1.0 - 1e-9) - 1e-9 * scale).all()


@pytest.mark.parametrize("kind", _promising(LONG_OPTION_BOUNDED))
@few
@given(column=st.sampled_from([0, 1, 2, 4]), amount=st.floats(0.01, 50.0))
def test_a_long_option_never_needs_more_than_its_value(kind, column, amount):
    quantity = np.zeros((1, 6))
    quantity[0, column] = amount
    book = _book(quantity, np.zeros((1, 2)))
    need, market = _need(instance("margin", kind), book)
    value = amount * option_values(book, market)[book.options.tolist().index(column)]
    for n in need:
        assert (n.initial[0] <= value * (1 + 1e-12) + 1e-12).all()


def _fewer_and_more(kind):
    """A grid and the same with further scenarios."""
    model = instance("margin", kind)
    if kind == "greeks_grid":
        return model, replace(model, price_steps=2 * model.price_steps - 1)
    own = model.parameters.underlyings
    if kind == "deribit_portfolio":
        more = {a: replace(p, price_steps=2 * p.price_steps - 1) for a, p in own.items()}
        return model, replace(model, parameters=replace(model.parameters, underlyings=more))
    fewer = {a: replace(p, tails=p.tails[::2]) for a, p in own.items()}
    return replace(model, parameters=replace(model.parameters, underlyings=fewer)), model


@pytest.mark.parametrize("kind", ["greeks_grid", "deribit_portfolio", "derive_pmrm_v2"])
@few
@given(quantity=sizes, coins=coin_sizes)
def test_more_scenarios_never_ask_for_less(kind, quantity, coins):
    fewer, more = _fewer_and_more(kind)
    ((low,), _), ((high,), _) = (_need(m, _book(quantity, coins)) for m in (fewer, more))
    assert (high.initial >= low.initial * (1.0 - 1e-12) - 1e-9).all()


def test_a_combination_promises_what_its_parts_do_and_it_keeps():
    bounded, grid = HistoricalVar((0.99,)), GreeksGrid()
    both = {PROPORTIONAL, LONG_OPTION_BOUNDED}
    assert promises(bounded) == promises(Mixture((bounded, bounded), (0.7, 0.3))) == both
    for mixed in (Mixture((bounded, bounded), (0.7, 0.4)), Mixture((bounded, grid), (0.7, 0.3))):
        assert promises(mixed) == {PROPORTIONAL}
    assert promises(SpeedLimited(bounded)) == {LONG_OPTION_BOUNDED}
    assert promises(SpeedLimited(bounded, fall=1.1)) == set()
    policy = instance("margin", "governed").policy
    assert promises(Governed(bounded, policy, (0.9, 0.95, 0.99), "level")) == both
    assert promises(Governed(bounded, policy, (0.9, 1.0, 1.1))) == {PROPORTIONAL}
    assert promises(object()) == set()


@few
@given(strike=st.sampled_from([1]), amount=st.floats(0.1, 10.0))
def test_a_riskless_conversion_needs_nothing_of_a_quantile_model(strike, amount):
    """call - put - perpetual at one strike has a constant value, so revaluation finds no loss."""
    quantity = np.zeros((1, 6))
    quantity[0, 1], quantity[0, 2], quantity[0, 3] = amount, -amount, -amount
    book = _book(quantity, np.zeros((1, 2)))
    need, market = _need(HistoricalVar((0.9, 0.999)), book)
    np.testing.assert_allclose(need[-1].initial, 0.0, atol=1e-10 * amount)
    np.testing.assert_allclose(account_values(book, market), -105.0 * amount, rtol=1e-12)
