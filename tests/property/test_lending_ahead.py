"""First breaches found ahead: those of the walk step by step, and a market that knows them does the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ASSETS, KINDS, START, book_of, market_of

from riskengine.engine import desks
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import Impact, run_loop
from riskengine.lending.ahead import first_breaches
from riskengine.lending.due import GROUP, LESS
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths

FIGURES = ("liquidations", "volume_usd", "deficit_usd", "skipped_unprofitable", "sold", "keeper_profit_usd")


def walked(collateral, debt, threshold, indices, prices):
    """First steps by numpy, every step of every loan; (L, P)."""
    steps = len(prices)
    out = np.full((len(collateral), prices.shape[2]), steps)
    for t in range(steps - 1, -1, -1):
        held = (collateral * indices[t, 0]) * threshold
        weight = held - debt * indices[t, 1] * LESS
        surplus = np.zeros_like(out, dtype=float)
        for r in range(weight.shape[1]):
            own = weight[:, r : r + 1]
            surplus = np.where(own == 0.0, surplus, surplus + own * prices[t, r])
        out[surplus < 0.0] = t
    return out


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 40), st.sampled_from([1, 7, GROUP, GROUP + 3]),
    st.sampled_from([0.0, 1e-3]), st.sampled_from([0.01, 0.1]),
)  # fmt: skip
def test_first_steps_are_those_of_the_walk(seed, tokens, steps, lanes, interest, volatility):
    rng = np.random.default_rng(seed)
    loans = 70
    collateral = rng.lognormal(0, 1, (loans, tokens)) * (rng.random((loans, tokens)) < 0.6)
    threshold = rng.uniform(0.5, 0.9, tokens)
    debt = np.zeros((loans, tokens))
    debt[np.arange(loans), rng.integers(0, tokens, loans)] = (collateral * threshold).sum(axis=1) / rng.uniform(
        1.0, 2.5, loans
    )
    prices = np.exp(np.cumsum(volatility * rng.standard_normal((steps, tokens, lanes)), axis=0))
    prices[steps // 2 :, 0, 0] = np.nan  # a failed path
    indices = np.cumprod(np.full((steps, 2, tokens), 1.0 + interest), axis=0)
    want = walked(collateral, debt, threshold, indices, prices)
    for bounded in (True, False):
        found = first_breaches(collateral, debt, threshold, indices, prices, bounded=bounded)
        np.testing.assert_array_equal(found.step, want)
        groups = [want[:, low : low + GROUP].min(axis=1) for low in range(0, lanes, GROUP)]
        np.testing.assert_array_equal(found.wake, np.column_stack(groups))
        alone = first_breaches(collateral, debt, threshold, indices, prices, lanes=False, bounded=bounded)
        np.testing.assert_array_equal(alone.wake, found.wake)
        assert alone.step.shape == (0, lanes)


def paths_of(seed, lanes=GROUP + 40, steps=20):
    moves = 0.05 * np.random.default_rng(seed).standard_normal((steps, 2, lanes))
    return np.array(START)[None, :, None] * np.exp(np.concatenate([np.zeros((1, 2, lanes)), np.cumsum(moves, axis=0)]))


def book(count=30):
    rng = np.random.default_rng(4)
    weth, wbtc = rng.uniform(0.1, 20, count), rng.uniform(0.01, 1, count) * (rng.random(count) < 0.5)
    return book_of(weth, wbtc, 0.8 * (weth * START[1] + wbtc * START[0]) / rng.uniform(1.02, 2.0, count))


@pytest.mark.parametrize("kind", KINDS)
def test_a_market_that_knows_all_prices_does_the_same(kind):
    """Every figure of every step is the same bits, with interest, a delay and a thin pool; and something happens."""
    spot, model = paths_of(1), market_of(kind, interest=True, delay=2.0, depth=1e6, gas=20.0)
    runs = []
    for known in (False, True):
        state = model.init(book(), ASSETS, spot[0], TimeGrid(3600, len(spot) - 1))
        if known:
            model.foresee(state, spot)
            assert 0 < (state.wake == len(spot)).sum() < state.wake.size
        events = [model.step(state, t, spot[t]) for t in range(len(spot))]
        runs.append((events, model.close(state, spot[-1])))
    (one, closing), (two, known_closing) = runs
    assert sum(e.liquidations.sum() for e in one) > 50
    for a, b in zip(one, two, strict=True):
        for name in FIGURES:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name, figure in closing.items():
        np.testing.assert_array_equal(known_closing[name], figure)


def test_a_large_book_is_searched_only_where_prices_are_given(monkeypatch):
    """The desk's columns are the same; with feedback nothing is known ahead."""
    spot = paths_of(2)
    paths = MarketPaths(TimeGrid(3600, len(spot) - 1), ASSETS, 0, spot)
    called = []
    model = market_of("aave_v3", depth=1e6)
    monkeypatch.setattr(type(model), "foresee", lambda *_: called.append(1), raising=True)

    def columns(impact=None):
        desk = LendingDesk(model, 0.0, book(), paths, spot[0])
        run_loop(paths, [desk], impact)
        return desk.columns()

    small = columns()
    assert called == []
    monkeypatch.setattr(desks, "FORESEEN_FROM", 30)
    columns(Impact(np.array([1e9, 1e9]), 6.0))
    assert called == []
    columns()
    assert called == [1]
    monkeypatch.undo()
    monkeypatch.setattr(desks, "FORESEEN_FROM", 30)
    for key, column in columns().items():
        np.testing.assert_array_equal(column, small[key])
