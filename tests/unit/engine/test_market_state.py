"""What desks do with market state: funding changes hands, basis marks perpetuals, depth makes sales dear."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.engine.accounts import AccountLife
from riskengine.engine.desks import BookView, LendingDesk, check_feed
from riskengine.engine.loop import Impact, run_loop
from riskengine.instrument.terms import EuropeanOption, Future, Perpetual
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.keeper import ExponentialDelay, Keeper
from riskengine.liquidation.terms import LiquidationTerms
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.oracle.push import PushOracle
from riskengine.oracle.stale import StaleOracle
from riskengine.random import DrawKeys
from riskengine.rates.two_slope import TwoSlope

SURFACE = FactorSurface.flat((0.6, 0.7))
GRID = TimeGrid(3_600, 4)
# a long, its counterparty (part of it in the inverse contract), and a book without perpetuals
BOOK = Portfolio(
    ("BTC", "ETH"),
    (Perpetual("BTC"), Perpetual("ETH"), Perpetual("ETH", "inverse"), EuropeanOption("BTC", 3e4, 720.0, "call")),
    np.array([[2.0, -3.0, 0.0, 0.0], [-2.0, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]]),
    np.array([[3e4, 2e3, 0.0, 0.0], [3e4, 2e3, 2e3, 0.0], [0.0, 0.0, 0.0, 0.0]]),
    np.zeros((3, 3)),
    ("long", "short", "option"),
    ("a", "b", "c"),
)


def paths(**lanes):
    spot = np.array([3e4, 2e3])[:, None] * np.exp(0.01 * np.random.default_rng(3).standard_normal((5, 2, 6)))
    full = {name: np.broadcast_to(np.asarray(x, float), spot.shape).copy() for name, x in lanes.items()}
    return MarketPaths(GRID, ("BTC", "ETH"), 0, spot, **full)


def values(block, book=BOOK):
    view = BookView(book, SURFACE, block, LiquidationTerms())
    out = []
    for step in range(GRID.steps + 1):
        view.move_to(step, block.spot_lanes[step])
        view.move_to(step, block.spot_lanes[step])  # desks share a view: asking again pays nothing
        out.append(view.value)
    return np.array(out), view


def test_funding_only_changes_hands():
    """Longs and shorts of one contract sum to what they would without funding, at every step and on every path."""
    rate = 0.5 * np.random.default_rng(5).standard_normal((5, 2, 6))
    sides = np.array([[2.0, -1.0, -2.0, 0.0], [-2.0, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    book = replace(BOOK, quantity=sides, entry=np.where(sides == 0.0, 0.0, BOOK.entry[1]))
    bare, _ = values(paths(), book)
    funded, _ = values(paths(funding_lanes=rate), book)
    np.testing.assert_allclose(funded[:, :2].sum(axis=1), bare[:, :2].sum(axis=1), atol=1e-8)
    np.testing.assert_array_equal(funded[:, 2], bare[:, 2])
    np.testing.assert_array_equal(funded[0], bare[0])
    assert (funded[1:, 0] != bare[1:, 0]).all()


def test_funding_paid_by_a_long_is_size_times_mark_times_rate():
    block = paths(funding_lanes=0.876, basis_lanes=0.002)
    bare, _ = values(replace(block, funding_lanes=None))
    funded, view = values(block)
    mark = block.spot_lanes * np.exp(0.002)
    due = 0.876 / 8760 * np.cumsum(2.0 * mark[:-1, 0] - 3.0 * mark[:-1, 1], axis=0)
    np.testing.assert_allclose((bare - funded)[1:, 0], due, rtol=1e-9)
    # what is sold is a position, not the funding it has paid
    np.testing.assert_allclose(view.deltas()[:, 0], np.array([[2.0], [-3.0]]) * np.exp(0.002) * np.ones(6), rtol=1e-6)


def test_dated_forwards_follow_their_curve_and_their_share_of_the_basis():
    """A future runs down its curve and carries what the curve says of the basis; nothing without a curve."""
    book = replace(
        BOOK,
        instruments=(Future("BTC", 48.0), *BOOK.instruments[1:]),
        quantity=np.array([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]),
    )
    curve = Curve((48.0,), (0.3,), basis_hours=24.0)
    block = paths(basis_lanes=0.002)
    for carry in ((), (curve, curve)):
        view = BookView(book, replace(SURFACE, carry=carry), block, LiquidationTerms())
        for step in (0, 4):
            view.move_to(step, block.spot_lanes[step])
            left = 48.0 - step
            grown = 0.3 * left / 8760 + 0.002 * (1.0 - np.exp(-left / 24.0)) if carry else 0.0
            wanted = 2.0 * (block.spot_lanes[step, 0] * np.exp(grown) - 3e4)
            np.testing.assert_allclose(view.value[0], wanted, rtol=1e-12)
            np.testing.assert_allclose(view.deltas()[0, 0], 2.0 * np.exp(grown), rtol=1e-6)


def test_a_partly_closed_account_pays_for_what_it_still_holds():
    """Half closed at step 2: full funding until then, half of it afterwards."""
    block = paths(funding_lanes=0.876)
    block = replace(block, spot_lanes=np.broadcast_to(np.array([3e4, 2e3])[:, None], (5, 2, 6)).copy())
    value, _ = values(block)
    life = AccountLife(np.full((3, 6), 100.0), value[0], 1.0, LiquidationTerms())
    start = life.cash[0, 0] + value[0, 0, 0]
    life.held[0] = 0.5
    life.cash[0] += 0.5 * value[2, 0]
    paid = start - (life.cash[0, 0] + life.held[0, 0] * value[4, 0, 0])
    an_hour = (2 * 3e4 - 3 * 2e3) * 0.876 / 8760
    assert paid == pytest.approx(3 * an_hour, rel=1e-9)


def test_basis_marks_the_perpetual():
    bare, _ = values(paths())
    marked, _ = values(paths(basis_lanes=np.array([0.01, -0.02])[:, None]))
    spot = paths().spot_lanes
    gain = 2 * spot[:, 0] * np.expm1(0.01) - 3 * spot[:, 1] * np.expm1(-0.02)
    np.testing.assert_allclose((marked - bare)[:, 0], gain, rtol=1e-9)
    np.testing.assert_array_equal(marked[:, 2], bare[:, 2])


def test_half_the_depth_doubles_costs_and_impact():
    _, usual = values(paths(depth_lanes=1.0))
    _, bare = values(paths())
    _, thin = values(paths(depth_lanes=0.5))
    np.testing.assert_array_equal(usual.closing_cost, bare.closing_cost)
    np.testing.assert_allclose(thin.closing_cost, 2 * bare.closing_cost, rtol=1e-12)

    class Seller:
        seen = None

        def step(self, step, spot):
            self.seen = spot
            return np.full_like(spot, 5.0) if step == 0 else None

    moved = {}
    for name, depth in (("bare", None), ("thin", 0.5)):
        block = paths() if depth is None else paths(depth_lanes=depth)
        one = MarketPaths(TimeGrid(3_600, 1), block.assets, 0, block.spot_lanes[:2])
        if depth is not None:
            one = replace(one, depth_lanes=block.depth_lanes[:2])
        run_loop(one, [seller := Seller()], Impact(np.array([1e8, 1e8]), 2.0))
        moved[name] = np.log(seller.seen / one.spot_lanes[1])
    np.testing.assert_allclose(moved["thin"], 2 * moved["bare"], rtol=1e-9)
    assert (moved["bare"] < 0).all()


def lending():
    free = TwoSlope(0.8, 0.0, 0.0, 0.0)
    reserves = (
        Reserve("WETH", "ETH", 18, 0.7, 0.8, 0.05, 0.1, free, 0.0),
        Reserve("USDC", None, 6, 0.0, 0.0, 0.0, 0.0, free, 0.0),
    )
    rules = AaveV3Rules("test", "2023-10-31", "test", reserves, PushOracle(0.0, 1.0))
    book = Loans(("WETH", "USDC"), np.array([[10.0, 0.0]]), np.array([[0.0, 15_000.0]]), ("a",))
    return AaveV3(rules, Keeper(0.0, 0.0, 1), ConstantProduct({"ETH": 1e15}, 0.0, 1.0)), book


def test_a_frozen_oracle_liquidates_nobody():
    market, book = lending()
    fall = np.array([2e3, 1.8e3, 1.7e3, 1.7e3, 1.7e3])
    spot = np.stack([np.full((5, 1), 3e4), fall[:, None]], axis=1)
    told = {"seen": None, "frozen": np.repeat(spot[:1], 5, axis=0), "late": spot[[0, 0, 0, 1, 2]]}
    found, when = {}, {}
    for name, lanes in told.items():
        block = MarketPaths(GRID, ("BTC", "ETH"), 0, spot, oracle_lanes=lanes)
        desk = LendingDesk(market, 0.0, book, block, spot[0])
        sold = [desk.step(t, spot[t])[1, 0] for t in range(5)]
        when[name] = next((t for t, coins in enumerate(sold) if coins > 0), None)
        found[name] = {k[-1]: v[0] for k, v in desk.columns().items()}
    # told 1,800 at step 3 while coins fetch 1,700, the bonus of 5 % does not pay; a step later the two agree
    assert (when["seen"], when["late"], when["frozen"]) == (1, 4, None)
    assert found["late"]["skipped_unprofitable"] == 1
    assert found["frozen"]["liquidations"] == 0
    assert found["seen"]["liquidations"] > 0


def test_what_keepers_and_oracle_draw_does_not_depend_on_the_block():
    """A desk on twelve paths has the columns of desks on four and eight of them, and other seeds have others."""
    market, book = lending()
    late = replace(market.keeper, extra_delay=ExponentialDelay("exponential", 1.0))
    market = replace(market, keeper=late, oracle=StaleOracle(PushOracle(0.0, 1.0), missed_share=0.5))
    fall = np.array([2e3, 1.8e3, 1.7e3, 1.6e3, 1.5e3])
    spot = np.stack([np.full((5, 12), 3e4), np.repeat(fall[:, None], 12, axis=1)], axis=1)

    def columns(first, end, keys):
        block = MarketPaths(GRID, ("BTC", "ETH"), first, spot[:, :, first:end].copy())
        desk = LendingDesk(market, 0.0, book, block, block.spot_lanes[0], keys=keys)
        run_loop(block, [desk])
        return {k[-1]: v for k, v in desk.columns().items()}

    whole, other = columns(0, 12, DrawKeys(8)), columns(0, 12, DrawKeys(9))
    parts = [columns(0, 4, DrawKeys(8)), columns(4, 12, DrawKeys(8))]
    for name, column in whole.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), column, err_msg=name)
    assert len(set(whole["bad_debt"])) > 1 and (whole["bad_debt"] != other["bad_debt"]).any()


def test_a_market_that_cannot_be_told_a_price_is_refused():
    market, _ = lending()
    check_feed(market, ("oracle_lanes",))

    class Other:
        kind = "other"

        def step(self, state, step, spot):
            """No oracle."""

    check_feed(Other(), ("depth_lanes",))
    with pytest.raises(ValueError, match="got other"):
        check_feed(Other(), ("oracle_lanes",))
