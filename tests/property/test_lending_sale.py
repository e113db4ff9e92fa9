"""What is for sale at the end: buyers of absorbed collateral leave nothing that pays, and the rest counts for what its
sale brings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ASSETS, KINDS, START, book_of, market_of, play
from test_lending_mechanisms import paths_of, random_book

from riskengine.lending.comet.rules import CometAsset
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid

FELL = [START, (30_000.0, 1_900.0), (30_000.0, 1_900.0)]


def closing_in(kind, depth, state, spot, fee=0.0):
    """Closing figures of a state in a market whose pools are `depth` deep."""
    pools = np.full_like(state.depth, depth)
    return market_of(kind, depth=depth, fee=fee).close(replace(state, depth=pools), spot)


def test_unsold_coins_count_for_what_the_pool_pays():
    """The storefront's pool of 20,000 USD a side takes few of ten coins; selling the rest is the formula by hand."""
    state, _, closing = play(market_of("comet", depth=2e4), book_of([10.0], [0.0], [15_500.0]), FELL)
    coins, price = state.own["inventory"][0, 0], 1_900.0
    centre = 2e4 / price
    there = centre + state.outstanding[1, 0]
    paid = centre * 2e4 / there * coins / (there + coins)
    assert 8 < coins < 10
    assert closing["unsold_inventory"][0] == pytest.approx(price * coins, rel=1e-12)
    assert closing["sale_loss"][0] == pytest.approx(price * coins - paid, rel=1e-12)
    assert closing["sale_loss"][0] > 0.4 * closing["unsold_inventory"][0]
    received = 0.975 * price * (10 - coins)
    assert closing["reserves"][0] == pytest.approx(received - 0.95 * 19_000, rel=1e-12)
    result = closing["inventory_result"] + state.own["booked_usd"]
    assert result[0] == pytest.approx(closing["reserves"][0] + price * coins, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_collateral_that_waits_counts_for_what_the_pool_pays(kind):
    """Gas that nobody pays leaves the loan: at market it is covered, and selling ten coins of it is not."""
    book = book_of([10.0, 10.0], [0.0, 0.0], [15_500.0, 10_000.0])
    state, _, closing = play(market_of(kind, gas=1e6, depth=2e4, fee=0.003), book, FELL)
    centre = 2e4 / 1_900.0
    paid = 2e4 * 0.997 * 10 / (centre + 0.997 * 10)
    owed = state.debt[:, :, 0].sum() - 10_000.0
    assert closing["liquidatable"][0] == 1 and closing["bad_debt"][0] == 0
    # of Morpho's interest, which cannot be nil, a few cents are left
    assert closing["sale_loss"][0] == pytest.approx(owed - paid, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.sampled_from([5e4, 1e6]))
def test_a_deeper_pool_costs_less_and_a_bottomless_one_nothing(kind, seed, depth):
    spot = paths_of(seed)
    state, _, _ = play(market_of(kind, depth=depth, gas=40.0), random_book(seed), spot)
    losses = [closing_in(kind, d, state, spot[-1])["sale_loss"] for d in (1e4, 1e6, 1e8, 1e15)]
    for shallow, deep in zip(losses, losses[1:], strict=False):
        assert (shallow >= deep - 1e-6).all()
    np.testing.assert_allclose(losses[-1], 0.0, atol=1e-3)


def test_tokens_of_one_asset_are_sold_into_one_pool():
    """Ten coins in two wrappings bring what ten coins in one do."""
    market, start = market_of("comet", depth=2e4), np.array(START)[:, None]
    listed = tuple(CometAsset(s, "ETH", 18, 1.0, 0.7, 0.8, 0.95) for s in ("WETH", "WBTC"))
    pool = ConstantProduct({"ETH": 2e4}, 0.0)
    market = replace(market, rules=replace(market.rules, collaterals=listed), liquidity=pool)
    state = market.init(book_of([10.0], [0.0], [1_000.0]), ASSETS, start, TimeGrid(3600, 1))
    state.own["inventory"][:2] = [[4.0], [6.0]]
    # the pool holds ten coins and 20,000 USD
    assert market.close(state, start)["sale_loss"][0] == pytest.approx(20_000.0 - 10_000.0, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.sampled_from([2e4, 2e5]), gas=st.sampled_from([0.0, 30.0]))
def test_buyers_leave_nothing_that_pays(seed, depth, gas):
    """At the end of every step no purchase from the storefront, of any size up to all there is, earns its gas; and
    buying goes on in steps in which nothing is absorbed."""
    spot, book, fee = paths_of(seed), random_book(seed), 0.003
    market = market_of("comet", depth=depth, gas=gas, fee=fee)
    state = market.init(book, ASSETS, spot[0], TimeGrid(3600, len(spot) - 1))
    for t in range(1, len(spot)):
        market.step(state, t, spot[t])
        # WETH and WBTC stand first and second in the book, second and first among the assets
        for token, asset in ((0, 1), (1, 0)):
            coins = np.linspace(0.001, 1.0, 400)[:, None] * state.own["inventory"][token]
            price = spot[t][asset]
            centre = depth / price
            there = centre + state.outstanding[asset]
            paid = centre * depth / there * (1 - fee) * coins / (there + (1 - fee) * coins)
            assert (paid - 0.975 * price * coins - gas <= 1e-6).all()


def test_buying_goes_on_after_absorption():
    """One absorption, then two quiet days: each hour the pool has refilled some, keepers buy, until all is sold."""
    spot = [START] + [(30_000.0, 1_900.0)] * 48
    state, events, _ = play(market_of("comet", depth=2e5), book_of([10.0], [0.0], [15_500.0]), spot)
    sold = np.array([e.sold[1, 0] for e in events])
    assert [e.liquidations[0] for e in events] == [1.0] + [0.0] * 47
    assert 0 < sold[0] < 3 and np.count_nonzero(sold) >= 5 and sold.sum() == pytest.approx(10.0, rel=1e-12)
    assert state.own["inventory"].sum() == 0
