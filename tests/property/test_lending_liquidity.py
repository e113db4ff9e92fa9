"""Markets that sell into any kind of liquidity, with keepers of limited capital, under every mechanism."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ASSETS, KINDS, START, book_of, market_of, play, total
from test_lending_mechanisms import paths_of, random_book

from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import Impact, run_loop
from riskengine.lending.keeper import Keeper
from riskengine.liquidity.concentrated import Concentrated
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.liquidity.hybrid import Hybrid
from riskengine.liquidity.order_book import BookLadder
from riskengine.liquidity.square_root import SquareRoot
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths

FEE = 0.003


def both(value):
    return dict.fromkeys(ASSETS, value)


def pool(depth):
    return ConstantProduct(both(depth), FEE)


BOOK = BookLadder((0.001, 0.01, 0.03, 0.1), both((2e4, 1e4, 4e4)))
LIQUIDITY = {
    "constant_product": pool(1e6),
    "concentrated": Concentrated((0.0, 0.02, 0.1, 0.6), both((5e4, 5e4, 1e5))),
    "order_book": BOOK,
    "hybrid": Hybrid(BOOK, pool(1e5)),
    "square_root": SquareRoot(both(5e6), both(0.04), 1.0, 0.0, 2.0),
    "square_root that stays": SquareRoot(both(5e6), both(0.04), 1.0, 0.6, 2.0),
}


def same(found, expected, rtol):
    """Events and closing figures of two plays agree."""
    for a, b in zip(found[1], expected[1], strict=True):
        for name in ("liquidations", "volume_usd", "deficit_usd", "keeper_profit_usd", "sold", "skipped_unprofitable"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=1e3 * rtol, err_msg=name)
    for name, column in expected[2].items():
        np.testing.assert_allclose(found[2][name], column, rtol=rtol, atol=1e3 * rtol, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.sampled_from([3e4, 1e6]))
def test_a_pool_written_as_a_ladder_is_the_pool(kind, seed, depth):
    """Pool, one range down to nothing, and a hybrid with an empty book: three kernels, one market."""
    spot, book = paths_of(seed), random_book(seed)
    base = replace(market_of(kind, gas=40.0), liquidity=pool(depth))
    expected = play(base, book, spot)
    nothing = BookLadder((0.0, 0.1), both((1e-9,)), 0.0, 1.0)
    for liquidity in (Concentrated((0.0, 1.0), both((depth,)), FEE), Hybrid(nothing, pool(depth))):
        same(play(replace(base, liquidity=liquidity), book, spot), expected, 1e-8)


# each law is compiled into each protocol; one protocol that sells at a call and one that sells later do for the second
WHERE = [(k, n) for k in KINDS for n in LIQUIDITY if k in ("aave_v3", "comet") or not n.startswith("square_root")]


@pytest.mark.parametrize(("kind", "name"), WHERE)
@pytest.mark.parametrize("capital", [None, 6e4])
def test_keepers_never_lose_and_blocks_do_not_matter(kind, name, capital):
    spot, book = np.concatenate([paths_of(s) for s in (3, 5, 8)], axis=2), random_book(4)
    keeper = Keeper(0.0, 25.0, 4, capital, 0.0 if capital is None else 2.0)
    market = replace(market_of(kind), liquidity=LIQUIDITY[name], keeper=keeper)
    state, events, closing = play(market, book, spot)
    assert total(events, "liquidations").sum() > 0
    for event in events:
        assert (event.keeper_profit_usd >= -1e-6).all()
    assert (closing["sale_loss"] >= -1e-6).all()
    cut = spot.shape[2] // 3
    left, right = play(market, book, spot[:, :, :cut]), play(market, book, spot[:, :, cut:])
    for column, a, b in ((closing[k], left[2][k], right[2][k]) for k in closing):
        np.testing.assert_array_equal(column, np.concatenate([a, b]))
    np.testing.assert_array_equal(state.outstanding, np.concatenate([left[0].outstanding, right[0].outstanding], 1))


@pytest.mark.parametrize("kind", KINDS)
def test_capital_bounds_what_is_spent_until_it_is_back(kind):
    """Spent in any two steps: no more than there is.  With as much as is asked for, the bits of no limit."""
    spot, book, gas = paths_of(11), random_book(2), 25.0
    base = replace(market_of(kind), liquidity=pool(3e6))
    free = play(replace(base, keeper=Keeper(0.0, gas, 4)), book, spot)
    plenty = play(replace(base, keeper=Keeper(0.0, gas, 4, 1e12, 2.0)), book, spot)
    scarce = play(replace(base, keeper=Keeper(0.0, gas, 4, 2e4, 2.0)), book, spot)
    same(plenty, free, 0.0)
    capital = scarce[0].own["capital"]
    assert (capital.free >= -1e-6).all()
    np.testing.assert_allclose(capital.free + capital.bound.sum(axis=0), 2e4, rtol=1e-12)
    if kind != "comet":
        # debt is a dollar, so what is repaid is what it costs; a storefront's buyers pay for coins instead
        spent = np.array([e.volume_usd + gas * e.liquidations for e in scarce[1]])
        assert (spent[1:] + spent[:-1] <= 2e4 + 1e-6).all()
        assert (spent[1:] + spent[:-1]).max() == pytest.approx(2e4, rel=1e-6)
    assert total(scarce[1], "sold").sum() < total(free[1], "sold").sum()


@pytest.mark.parametrize("kind", KINDS)
def test_capital_by_hand(kind):
    """One loan of 15,500 under water; 4,000 USD to spend, back after three steps: calls at steps 1, 4, 7 only."""
    market = replace(market_of(kind, depth=1e15), keeper=Keeper(0.0, 0.0, 1, 4_000.0, 3.0))
    spot = [START] + [(30_000.0, 1_700.0)] * 7
    _, events, _ = play(market, book_of([10.0], [0.0], [15_500.0]), spot)
    sold = np.array([e.sold[1, 0] for e in events])
    np.testing.assert_array_equal(sold > 1e-9, [True, False, False, True, False, False, True])


def test_of_impact_that_stays_by_hand():
    """Two calls two steps apart: the second meets what stayed of the first, and half of half of the rest."""
    law = SquareRoot(both(1e6), both(0.05), 1.0, 0.25, 1.0, 0.0)
    market = replace(market_of("aave_v3", calls=1), liquidity=law)
    spot = [START, (30_000.0, 1_900.0), (30_000.0, 2_500.0), (30_000.0, 1_200.0)]
    state, events, _ = play(market, book_of([10.0], [0.0], [15_500.0]), spot)
    first, second = events[0].sold[1, 0], events[2].sold[1, 0]
    assert first > 0 and events[1].sold[1, 0] == 0 and second > 0
    before = np.sqrt(first) * (0.25 + 0.75 * 0.25)
    assert state.outstanding[1, 0] == pytest.approx(before**2 + second, rel=1e-12)
    stays = 0.25 * np.sqrt(first) + 0.25 * (np.sqrt(before**2 + second) - before)
    assert state.own["stays"][1, 0] == pytest.approx(stays, rel=1e-12)
    assert all(e.moved is None for e in events)


class Watcher:
    """Sells nothing and remembers the prices it saw."""

    def __init__(self):
        self.seen = []

    def step(self, step, spot):
        self.seen.append(spot.copy())


def coupled_run(liquidity, spot, book, impact, kind="aave_v3"):
    market = replace(market_of(kind, calls=1), liquidity=liquidity)
    paths = MarketPaths(TimeGrid(3600, len(spot) - 1), ASSETS, 0, spot)
    desk = LendingDesk(market, 0.0, book, paths, spot[0], coupled=impact is not None)
    watcher = Watcher()
    run_loop(paths, [desk, watcher], impact)
    return desk, np.array(watcher.seen)


def test_what_stays_moves_everybodys_price_where_prices_feed_back():
    """By hand: the log-price moves by that share of the venue's own fall, for good; coins sold move nothing more."""
    spot = np.array([START, (30_000.0, 1_900.0), (30_000.0, 2_500.0), (30_000.0, 2_500.0)])[:, :, None]
    book = book_of([10.0], [0.0], [15_500.0])
    law = SquareRoot(both(1e6), both(0.05), 1.0, 0.25, 1.0, 0.0)
    desk, seen = coupled_run(law, spot, book, Impact(np.full(2, 1.0), 6.0))
    sold = desk.columns()["lending", "aave_v3", None, 0.0, "all", "liquidated_volume"][0] * 1.05 / 1_900.0
    coins = sold * (1 - 0.05 / 1.05 * 0.1)
    moved = np.log1p(-0.25 * 0.05 / 1e3 * np.sqrt(coins * 1_900.0))
    np.testing.assert_array_equal(seen[:2], spot[:2])
    np.testing.assert_allclose(np.log(seen[2:, 1] / spot[2:, 1]), moved, rtol=1e-9)
    np.testing.assert_array_equal(seen[:, 0], spot[:, 0])
    # the venue starts anew from the price it moved: what stayed is not charged twice
    assert desk._state.own["stays"].max() == 0.0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_without_feedback_nobodys_price_moves_and_without_a_part_that_stays_the_switch_is_the_old_one(seed):
    spot, book = paths_of(seed), random_book(seed)
    desk, seen = coupled_run(LIQUIDITY["square_root that stays"], spot, book, None)
    np.testing.assert_array_equal(seen, spot)
    assert desk.moved is None
    impact = Impact(np.full(2, 5e5), 6.0)
    plain, prices = coupled_run(LIQUIDITY["square_root"], spot, book, impact)
    assert plain.moved is None and (prices <= spot).all()
    _, again = coupled_run(LIQUIDITY["hybrid"], spot, book, impact)
    assert (again <= spot).all()
