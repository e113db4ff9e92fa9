"""Dutch auctions on paths: the lanes engine is the rules, money is conserved, the fund is needed as it says."""

from dataclasses import replace

import numpy as np
import pytest
from auction_reference import AuctionReference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_account_life import ASSETS, FUNDS, SPOT, SURFACE, case, check_equal, live, random_book, random_terms
from test_account_life import reference as plain

from riskengine.engine.loop import Impact
from riskengine.engine.venue import BY_KIND, OF_AUCTION, VenueDesk
from riskengine.liquidation.dutch_auction import Bidders, DutchAuction, discount, insolvent_bid, solvent_bid
from riskengine.liquidity.execution import Execution, OrderBook
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths


def auctioned(seed, **options):
    """A case of account life whose accounts are auctioned; steps last 1,800 s."""
    book, terms, paths = case(seed, **options)
    rng = np.random.default_rng(seed + 1)
    bidders = Bidders(rng.lognormal(15.0, 2.0), 2.0, rng.uniform(0.0, 0.002), float(rng.choice([200, 450, 1000, 2500])))
    slow, length = rng.uniform(2000.0, 10_000.0), rng.uniform(300.0, 5000.0)
    return book, replace(terms, auction=DutchAuction(bidders, 0.98, 0.8, 100.0, slow, length)), paths


def check_auctions(desk, venue, lane):
    check_equal(desk, venue, lane)
    for kind in desk.kinds:
        for measure in OF_AUCTION:
            want = venue.sums.get((kind, measure), 0.0)
            assert desk.columns()[kind, measure][lane] == pytest.approx(want, rel=1e-9, abs=1e-5), (kind, measure)


@pytest.mark.parametrize("seed", range(25))
def test_the_lanes_engine_is_the_plain_reference(seed):
    book, terms, paths = auctioned(seed)
    fund, depth = FUNDS[seed % len(FUNDS)], {"BTC": 4e6, "ETH": 3e6}
    feedback = seed % 3 == 2
    desk = live(book, terms, fund, paths, Impact(np.array(list(depth.values())), 3.0) if feedback else None)
    for lane in range(paths.count):
        check_auctions(
            desk,
            plain(book, terms, fund, paths, lane, *((depth, 3.0) if feedback else ()), kind=AuctionReference),
            lane,
        )


def test_the_random_cases_reach_every_part():
    names = [m for m in (*BY_KIND, *OF_AUCTION) if not m.startswith("deleverag")]
    reached = dict.fromkeys((*names, "fund_draw", "fund_exhausted", "uncovered_loss"), 0)
    for seed in range(25):
        book, terms, paths = auctioned(seed)
        columns = live(book, terms, FUNDS[seed % len(FUNDS)], paths).columns()
        for measure in reached:
            reached[measure] += int((columns["all", measure] >= 1.0).sum())
        assert not columns["all", "deleveraged_notional"].any()
    assert min(reached.values()) > 0, reached


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), fund=st.sampled_from(FUNDS), coupled=st.booleans())
def test_money_coins_and_contracts_are_conserved(seed, fund, coupled):
    book, terms, paths = auctioned(seed, lanes=8, steps=8)
    desk = live(book, terms, fund, paths, Impact(np.array([4e6, 3e6]), 3.0) if coupled else None)
    assert desk.conservation_error().max() < 1e-14
    columns = desk.columns()
    # what others pay: what accounts owe beyond their equity, and what bidders ask beyond that
    owed = columns["all", "account_shortfall"] + columns["all", "bidder_payment"]
    met = sum(columns["all", m] for m in ("fund_draw", "socialised_loss", "uncovered_loss"))
    assert met == pytest.approx(owed, rel=1e-9, abs=1e-4)
    # what bidders were given is what unwinding costs, the fee, and what they keep; nobody bids at a loss
    spent = sum(columns["all", m] for m in ("execution_cost", "liquidation_fees", "bidder_profit"))
    assert columns["all", "auction_discount"] == pytest.approx(spent, rel=1e-9, abs=1e-4)
    least = terms.auction.bidders.required_profit * columns["all", "liquidated_notional"]
    assert (columns["all", "bidder_profit"] >= least - 1e-4).all()
    # nobody is left owing: what no bidder took is settled at the end
    assert desk.figures()[0].min() > -1e-3


@pytest.mark.parametrize("fund", FUNDS[1:])
def test_a_fund_is_exhausted_exactly_where_the_endless_one_needs_more(fund):
    for seed in range(40, 55):
        book, terms, paths = auctioned(seed, lanes=16)
        endless, finite = live(book, terms, np.inf, paths).columns(), live(book, terms, fund, paths).columns()
        need = endless["all", "fund_need"]
        assert ((finite["all", "fund_exhausted"] > 0) == (need > fund)).all()
        same = need <= fund
        for key, column in endless.items():
            assert (finite[key][same] == column[same]).all(), key


def one_step(seed, arrival, capital=1e15, drop=0.02):
    """Accounts that a fall of prices calls in the one step there is, auctioned into a deep book."""
    rng = np.random.default_rng(seed)
    terms = random_terms(rng)
    book = random_book(rng, terms)
    deep = Execution(OrderBook({a: 1e15 for a in ASSETS}, 0.0, 0.03), limit=0.02)
    sale = DutchAuction(Bidders(capital, arrival_seconds=arrival))
    terms = replace(terms, execution=deep, liquidation_fee=0.0, auction=sale)
    spot = SPOT[:, None] * np.stack([np.ones((2, 8)), np.exp(drop * rng.standard_normal((2, 8)))])
    paths = MarketPaths(TimeGrid(3600, 1), ASSETS, 0, spot)
    before = VenueDesk(book, terms, SURFACE, np.inf, paths)
    before.look(1, spot[1])
    return book, terms, paths, before.figures(), live(book, terms, np.inf, paths)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_one_bid_is_that_of_the_scalar_rules(seed):
    """One arrival in a book that costs nothing: the whole share that the rules allow is taken, at their price."""
    book, terms, _, (equity, need, gross), desk = one_step(seed, 2000.0)
    after, left, _ = desk.figures()
    rules, volume, short = terms.auction, 0.0, 0.0
    for k, p in np.ndindex(equity.shape):
        e, r = equity[k, p], need[k, p]
        if e >= r:
            # a healthy account is never touched
            assert after[k, p] == e and left[k, p] == r
        elif e > 0.0:
            share = discount.py_func(2000.0, rules.start, rules.cutoff, rules.fast_seconds, rules.slow_seconds)
            bid = solvent_bid(e, e - r, 0.0, 1.0, share, terms.target - 1.0)
            pays = e - bid.price / bid.fraction > rules.bidders.required_profit * gross[k, p]
            assert after[k, p] == pytest.approx(e * (1 - bid.fraction) + bid.price if pays else e, rel=1e-9, abs=1e-3)
            if pays:
                assert after[k, p] == pytest.approx(terms.target * left[k, p], rel=1e-9, abs=1e-3)
        else:
            assert after[k, p] == pytest.approx(0.0, abs=1e-3)
            volume -= insolvent_bid.py_func(e, e - r, 2000.0, rules.insolvent_seconds)
            short -= e
    # the whole of an insolvent account is taken at the bid; its shortfall is what it owes, not what the bidder gets
    columns = desk.columns()
    assert columns["all", "account_shortfall"].sum() == pytest.approx(short, rel=1e-9, abs=1e-3)
    assert columns["all", "bidder_payment"].sum() == pytest.approx(volume - short, rel=1e-9, abs=1e-3)
    assert columns["all", "bankrupt_accounts"].sum() == (equity < -1e-6).sum()


def test_bidders_who_come_too_late_or_have_nothing_take_nothing():
    for late, capital in ((3600.0, 1e15), (100.0, 1e-9)):
        _, _, _, (equity, need, _), desk = one_step(7, late, capital, 0.05)
        assert (equity < 0).any() and ((equity > 0) & (equity < need)).any()
        columns = desk.columns()
        assert not columns["all", "liquidated_notional"].any()
        # what is owed is settled at the mark at the end
        assert columns["all", "account_shortfall"] == pytest.approx(np.maximum(-equity, 0.0).sum(axis=0))


def test_more_capital_never_takes_less_at_the_first_bids():
    taken = [one_step(11, 2000.0, c, 0.05)[4].columns()["all", "liquidated_notional"] for c in (1e5, 1e6, 1e7, 1e15)]
    assert (np.diff(taken, axis=0) >= -1e-6).all() and (taken[0] < taken[-1]).any()


def test_an_account_with_equity_has_no_shortfall_though_bidders_are_paid_for_it():
    """In an insolvent auction, because nobody came in time, with equity left: paid for, but owing nothing."""
    book, terms, _ = auctioned(2)
    late = replace(terms.auction.bidders, capital_usd=1e15, arrival_seconds=1200.0, required_profit=0.0)
    sale = replace(terms.auction, bidders=late, fast_seconds=1.0, slow_seconds=1.0, insolvent_seconds=1.0)
    deep = Execution(OrderBook({a: 1e15 for a in ASSETS}, 0.0, 0.03), limit=0.02)
    terms = replace(terms, execution=deep, liquidation_fee=0.0, auction=sale)
    spot = SPOT[:, None] * np.array([1.0, 0.97, 0.97, 0.97])[:, None, None] * np.ones((4, 2, 2))
    paths = MarketPaths(TimeGrid(1800, 3), ASSETS, 0, spot)
    before = VenueDesk(book, terms, SURFACE, np.inf, paths)
    before.look(1, spot[1])
    equity, need, _ = before.figures()
    assert equity.min() > 0.0 and (equity < need).any()
    columns = live(book, terms, np.inf, paths).columns()
    assert columns["all", "bidder_payment"].min() > 0.0
    assert not columns["all", "account_shortfall"].any() and not columns["all", "bankrupt_accounts"].any()
    assert columns["all", "fund_draw"] == pytest.approx(columns["all", "bidder_payment"])
