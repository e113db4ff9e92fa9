"""Staked, pool and principal tokens as lending collateral: what they are worth, what a sale of them brings, what feeds
do not see; and that a token of one coin is that coin, to the bit."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ASSETS, KINDS, START, book_of, market_of, play, total
from test_lending_liquidity import LIQUIDITY
from test_lending_mechanisms import paths_of, random_book

from riskengine.config.build import Builder
from riskengine.config.dump import dump
from riskengine.config.reader import Tree
from riskengine.engine.desks import LendingDesk, check_feed
from riskengine.engine.loop import run_loop
from riskengine.lending.aave_v3.joint import JointRun
from riskengine.lending.morpho_blue.rules import IsolatedMarket
from riskengine.lending.parameter_set import ParameterSet, TokenChange
from riskengine.lending.reaction import Reaction
from riskengine.lending.wrapping import Pool, Principal, Staked
from riskengine.liquidity.constant_product import sale_proceeds
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths

YEAR = 8760.0
FLAT = Curve((YEAR,), rate=(0.08,))


def wrapped(kind, wraps, symbol="WETH", asset=None, **changes):
    """A market of `kind` in which one collateral is made of something else."""
    market = market_of(kind, **changes)
    rules = market.rules
    for f in fields(rules):
        held = getattr(rules, f.name)
        if isinstance(held, tuple) and any(getattr(t, "symbol", "") == symbol for t in held):
            own = {"wraps": wraps} | ({} if asset is None else {"asset": asset})
            changed = tuple(replace(t, **own) if t.symbol == symbol else t for t in held)
            followed = {t.asset for t in changed if t.asset is not None}
            pools = {a: d for a, d in market.liquidity.depth_usd.items() if a in followed}
            liquidity = replace(market.liquidity, depth_usd=pools)
            return replace(market, rules=replace(rules, **{f.name: changed}), liquidity=liquidity)
    raise AssertionError(symbol)


def figures(played):
    _, events, closing = played
    found = [getattr(e, f.name) for e in events for f in fields(e)] + list(closing.values())
    return [f for f in found if f is not None]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_token_of_one_coin_is_that_coin(kind, seed):
    """To the bit, beside a plain token in the same market; two coins a token and half the tokens to rounding."""
    spot, book = paths_of(seed), random_book(seed)
    settings_ = {"depth": 1e6, "fee": 0.003, "gas": 20.0, "interest": True}
    plain = figures(play(market_of(kind, **settings_), book, spot))
    same = figures(play(wrapped(kind, Staked(), **settings_), book, spot))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(plain, same, strict=True))
    halved = replace(book, collateral=book.collateral * np.array([0.5, 1.0, 1.0]))
    double = figures(play(wrapped(kind, Staked(rate=2.0), **settings_), halved, spot))
    for a, b in zip(plain, double, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LIQUIDITY)
def test_so_it_is_in_every_kind_of_liquidity(kind, name):
    """To the bit; and a keeper of pool tokens sells what pays, no more."""
    spot, book = paths_of(5), random_book(5)
    plain, token = market_of(kind, gas=20.0), wrapped(kind, Staked(), gas=20.0)
    played = [figures(play(replace(m, liquidity=LIQUIDITY[name]), book, spot)) for m in (plain, token)]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*played, strict=True))
    pools = replace(wrapped(kind, Pool(np.sqrt(START[1]) / 2), gas=20.0), liquidity=LIQUIDITY[name])
    _, events, _ = play(pools, book, spot)
    assert total(events, "liquidations").sum() > 0
    assert (total(events, "keeper_profit_usd") >= -1e-6 * (1.0 + total(events, "seized_usd"))).all()


def test_what_a_token_is_made_of():
    spot = np.array([1_000.0, 2_000.0, 4_000.0])
    coins, dollars = Staked(rate=1.1, growth=0.04).parts(spot, YEAR / 2, 0.0)
    np.testing.assert_allclose(coins, 1.1 * np.exp(0.02), rtol=1e-14)
    assert dollars == 0.0
    coins, dollars = Pool(np.sqrt(2_000.0) / 2).parts(spot, 0.0, 0.0)
    np.testing.assert_allclose(coins * spot + dollars, np.sqrt(2_000.0 * spot), rtol=1e-14)
    np.testing.assert_allclose(coins * spot, dollars, rtol=1e-14)
    claim = Principal(YEAR, FLAT, coins=2.0, yield_weight=1.5)
    assert claim.parts(spot, 0.0, 0.0)[0] == pytest.approx(2.0 * np.exp(-0.08))
    assert claim.parts(spot, YEAR / 2, 0.02)[0] == pytest.approx(2.0 * np.exp(-(0.08 + 0.03) / 2))
    assert (claim.parts(spot, YEAR, 0.5)[0] == 2.0).all()  # par at maturity, whatever yields have done
    assert (claim.parts(spot, 2 * YEAR, 0.5)[0] == 2.0).all()


FELL = [START, (30_000.0, 1_700.0)]
DEPTH, KEEP = 4e5, 0.997


def test_a_pool_token_is_sold_as_its_two_sides():
    """One call in Morpho by hand: the coins go through the pool of ETH, the dollars are dollars."""
    lp = Pool(np.sqrt(2_000.0) / 2, exit_cost=0.01)
    market = wrapped("morpho_blue", lp, depth=DEPTH, fee=1.0 - KEEP)
    book = book_of([40.0], [0.0], [60_000.0])
    _, events, closing = play(market, book, FELL)
    price = np.sqrt(2_000.0 * 1_700.0)
    owed = 60_000.0
    assert 40.0 * price * 0.8 < owed < 40.0 * 2_000.0 * 0.8  # liquidated for the fall alone
    seized, repaid = total(events, "seized_usd")[0], total(events, "volume_usd")[0]
    assert repaid == pytest.approx(owed, rel=1e-5)  # but for Morpho's least interest
    tokens = seized / price
    coins = 0.99 * tokens * (price / 2) / 1_700.0
    paid = sale_proceeds.py_func(coins, 1_700.0, DEPTH, 0.0, KEEP) + 0.99 * tokens * price / 2
    assert total(events, "keeper_profit_usd")[0] == pytest.approx(paid - repaid, rel=1e-9)
    assert total(events, "sold")[ASSETS.index("ETH"), 0] == pytest.approx(coins, rel=1e-12)
    # what the borrower lost is what was seized
    assert closing["collateral"][0] == pytest.approx(40.0 * price - seized, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_keeper_calls_what_pays_and_no_more(kind):
    """In a thin pool keepers call, and lose nothing by it."""
    for wraps in (Pool(np.sqrt(2_000.0) / 2), Pool(30.0, low=1_600.0, high=2_500.0, exit_cost=0.001)):
        coins, dollars = wraps.parts(np.array([1_700.0]), 0.0, 0.0)
        worth = float(coins[0] * 1_700.0 + dollars[0])
        coins0, dollars0 = wraps.parts(np.array([2_000.0]), 0.0, 0.0)
        start = float(coins0[0] * 2_000.0 + dollars0[0])
        assert worth < start
        tokens = 4e5 / start
        owed = 0.8 * tokens * (worth + start) / 2
        market = wrapped(kind, wraps, depth=2e5, fee=0.003, gas=25.0)
        _, events, _ = play(market, book_of([tokens], [0.0], [owed]), FELL)
        assert total(events, "liquidations")[0] > 0
        assert total(events, "keeper_profit_usd")[0] >= -1e-6 * owed


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    wraps=st.sampled_from(
        [
            Staked(rate=1.2, growth=1.0),
            Pool(25.0),
            Pool(80.0, low=1_700.0, high=2_300.0),
            Principal(6.0, FLAT, coins=2.0),
        ]
    ),
)
def test_what_borrowers_lose_is_what_the_others_get(kind, seed, wraps):
    """In a market without costs: seized = settled + credited back + fee + keepers' profit, at every step and path."""
    market, spot, book = wrapped(kind, wraps), paths_of(seed, volatility=0.1), random_book(seed)
    worth = market.init(book, ASSETS, spot[0], TimeGrid(3600, 1)).prices(spot[0])[0, 0]
    held = replace(book, collateral=book.collateral * np.array([2_000.0 / worth, 1.0, 1.0]))
    _, events, closing = play(market, held, spot)
    for e in events:
        spent = e.volume_usd + e.returned_usd + e.protocol_fee_usd + e.keeper_profit_usd
        np.testing.assert_allclose(spent, e.seized_usd, rtol=1e-8, atol=1e-4)
    owed = book.debt.sum()
    gone = total(events, "volume_usd") + total(events, "deficit_usd")
    np.testing.assert_allclose(owed - closing["debt"], gone, rtol=2e-6, atol=2e-6 * owed)


def test_all_dollars_are_sold_at_par():
    """Above its range a pool token is dollars, which need no pool: a loan short from the start is repaid in full."""
    wraps = Pool(100.0, low=1_000.0, high=1_500.0)
    market = wrapped("morpho_blue", wraps, depth=10.0)
    worth = 100.0 * (np.sqrt(1_500.0) - np.sqrt(1_000.0))
    book = book_of([1.0], [0.0], [0.85 * worth])
    _, events, _ = play(market, book, [START, START])
    assert total(events, "volume_usd")[0] == pytest.approx(0.85 * worth, rel=1e-4)
    assert (total(events, "sold") == 0.0).all()


def test_tokens_of_one_asset_are_sold_into_one_pool():
    """Two equal borrowers, one with ETH and one with its staked token, leave what two with ETH leave."""
    market = wrapped("morpho_blue", Staked(rate=1.0), symbol="WBTC", asset="ETH", depth=4e6, fee=0.003)
    mixed = play(market, book_of([40.0, 0.0], [0.0, 40.0], [60_000.0, 60_000.0]), FELL)
    twice = play(market, book_of([40.0, 40.0], [0.0, 0.0], [60_000.0, 60_000.0]), FELL)
    alone = play(market, book_of([40.0, 0.0], [0.0, 0.0], [60_000.0, 0.0]), FELL)
    assert (
        total(twice[1], "keeper_profit_usd")[0] < 1.9 * total(alone[1], "keeper_profit_usd")[0]
    )  # the second gets less
    for name in ("volume_usd", "keeper_profit_usd", "sold"):
        np.testing.assert_allclose(total(mixed[1], name), total(twice[1], name), rtol=1e-12)


def test_a_feed_that_multiplies_rates_sees_no_depeg():
    """stETH stands in for BTC's place on the axis: it falls by a fifth, the coin does not."""
    fell = [(2_000.0, 2_000.0), (1_600.0, 2_000.0)]
    book = book_of([0.0], [40.0], [60_000.0])
    kinds = {}
    for priced_by in (None, "ETH"):
        market = wrapped("morpho_blue", Staked(priced_by=priced_by), symbol="WBTC")
        kinds[priced_by] = play(market, book, fell)
    assert total(kinds[None][1], "liquidations")[0] > 0
    assert total(kinds["ETH"][1], "liquidations")[0] == 0
    # what it is worth at the market is told all the same
    assert kinds["ETH"][2]["liquidatable"][0] == 1
    assert kinds["ETH"][2]["collateral"][0] == pytest.approx(64_000.0)


def yields(rise, sees):
    market = wrapped("morpho_blue", Principal(YEAR, FLAT, coins=np.exp(0.08), yield_weight=1.0, feed_sees_yield=sees))
    assert market.reads_rates
    state = market.init(book_of([40.0], [0.0], [62_000.0]), ASSETS, np.array(START)[:, None], TimeGrid(3600, 2))
    rates = np.array([[0.0], [0.03]])
    events = [market.step(state, t, np.array(START)[:, None], rates=rates + (rise if t else 0.0)) for t in range(2)]
    return events, market.close(state, np.array(START)[:, None])


def test_yields_move_what_a_claim_is_worth():
    events, closing = yields(0.10, True)
    assert total(events, "liquidations")[0] == 1
    blind, at_market = yields(0.10, False)
    assert total(blind, "liquidations")[0] == 0
    left = 1.0 - 1.0 / YEAR  # an hour has passed
    assert at_market["collateral"][0] == pytest.approx(80_000.0 * np.exp(0.08 * (1.0 - left) - 0.10 * left), rel=1e-12)
    calm, _ = yields(0.0, True)
    assert total(calm, "liquidations")[0] == 0
    market = wrapped("morpho_blue", Principal(YEAR, FLAT, yield_weight=1.0))
    with pytest.raises(ValueError, match="world must have a state borrow_rate"):
        check_feed(market, ())
    assert not wrapped("morpho_blue", Principal(YEAR, FLAT)).reads_rates


@pytest.mark.parametrize(
    "wraps",
    [
        Staked(rate=1.1, growth=0.5),
        Staked(priced_by="BTC"),
        Pool(30.0, low=1_500.0, high=2_600.0, exit_cost=0.01),
        Pool(np.sqrt(2_000.0) / 2, fee_rate=2.0),
        Principal(9.0, FLAT, yield_weight=5.0, feed_sees_yield=True),
    ],
)
def test_many_sets_of_such_tokens_have_the_figures_of_a_desk(wraps):
    """One walk for all parameter sets, and each market alone: staked tokens, pools and a claim that matures inside."""
    spot, rng = paths_of(11), np.random.default_rng(3)
    rates = 0.05 + 0.2 * rng.random(spot.shape)
    paths = MarketPaths(TimeGrid(3600, len(spot) - 1), ASSETS, 0, spot, borrow_rate_lanes=rates)
    base = wrapped("aave_v3", wraps, depth=1e6, fee=0.003, gas=20.0, interest=True)
    worth = base.init(book_of([1.0], [0.0], [0.0]), ASSETS, spot[0], TimeGrid(3600, 1)).prices(spot[0], told=True)[0, 0]
    book = random_book(11)
    book = replace(book, collateral=book.collateral * np.array([2_000.0 / worth, 1.0, 1.0]))
    sets = [ParameterSet("a"), ParameterSet("b", {"WETH": TokenChange(liquidation_threshold=0.75)})]
    markets = [base.with_parameters(s) for s in sets]
    joint = JointRun.prepare(markets, book, paths)
    hit = 0.0
    for market in markets:
        desk = LendingDesk(market, 0.0, book, paths, spot[0])
        run_loop(paths, [desk])
        alone = {key[-1]: column for key, column in desk.columns().items()}
        found = joint.columns(market, book)
        # what a desk does not say: tested with the joint run
        del found["protocol_revenue"]
        for measure, column in found.items():
            np.testing.assert_allclose(column, alone[measure], rtol=1e-9, atol=1e-6, err_msg=measure)
        hit += alone["liquidations"].sum()
    assert hit > 0


def test_refusals():
    with pytest.raises(ValueError, match="priced_by of WETH must be one of BTC, ETH, got 'stETH'"):
        play(wrapped("euler_evk", Staked(priced_by="stETH")), book_of([1.0], [0.0], [1.0]), FELL)
    with pytest.raises(ValueError, match="low and high must be given together"):
        Pool(1.0, low=3.0)
    with pytest.raises(ValueError, match="fee_rate must be 0 for a range"):
        Pool(1.0, low=3.0, high=4.0, fee_rate=0.1)
    with pytest.raises(ValueError, match="LP asset must be given for a token that wraps it, got none"):
        IsolatedMarket("LP", None, 18, wraps=Pool(1.0))
    lists = wrapped("aave_v3", Staked())
    with pytest.raises(ValueError, match="reaction must not be deleverage where a token wraps others"):
        play(replace(lists, reaction=Reaction("deleverage")), book_of([1.0], [0.0], [1.0]), FELL)


@pytest.mark.parametrize(
    "wraps",
    [
        {"kind": "staked", "rate": 1.2, "growth": 0.03},
        {"kind": "pool", "liquidity": 20.0, "low": 1500.0, "high": 2500.0},
        {"kind": "principal", "expiry_hours": 4000.0, "curve": {"hours": [4000.0], "zero_coupon": [0.97]}},
    ],
)
def test_in_files(wraps):
    said = {"symbol": "X", "asset": "ETH", "decimals": 18, "lltv": 0.8, "wraps": wraps}
    built = Builder(Tree(said, "f")).done(Builder(Tree(said, "f")).build(IsolatedMarket))
    assert built.wraps.kind == wraps["kind"]
    again = dump(built)
    assert Builder(Tree(again, "f")).build(IsolatedMarket) == built
    plain = Builder(Tree({k: v for k, v in said.items() if k != "wraps"}, "f")).build(IsolatedMarket)
    assert "wraps" not in dump(plain)  # a study that lists coins only keeps its words, and so its hash
