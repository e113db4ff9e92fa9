"""Volatility feedback: what is closed raises the variance that options are marked at; off, nothing differs."""

from dataclasses import replace

import numpy as np
import pytest
from auction_reference import AuctionReference
from maker_reference import MakerReference
from test_account_life import FUNDS, SPOT, case, check_equal, live, reference
from test_auction_life import auctioned
from test_option_maker import made
from venue_reference import Reference

from riskengine.engine.loop import Impact
from riskengine.engine.questions import VolatilityFeedback
from riskengine.market.surface import FactorSurface

# moves with the variance state of the path: 0.6 at the money at a variance of 0.36
SURFACE = FactorSurface(
    (12.0, 12.0), (0.36, 0.36), (1.0, 1.0), (0.02, 0.02), (-0.05, -0.05), (-0.05, -0.05), (0.05, 0.05), (0.05, 0.05),
    (0.0, 0.0), (0.1, 0.1), (4.0, 4.0),
)  # fmt: skip
HEAT = VolatilityFeedback(0.3, {"BTC": 4e6, "ETH": 3e6}, 5.0, 1.2)


def heated(seed, sold=False, **options):
    """A case with options and a variance that moves; `sold`: every option is held short."""
    book, terms, paths = case(2 * seed + 1, **options)
    rng = np.random.default_rng(seed)
    variance = 0.34 * np.exp(0.2 * rng.standard_normal(paths.spot_lanes.shape))
    if sold:
        quantity = book.quantity.copy()
        quantity[:, 4:] = -np.abs(quantity[:, 4:])
        cash = book.cash.copy()
        cash[:, 0] += np.abs(quantity[:, 4:]) @ (0.12 * SPOT[[0, 0, 1, 1]])
        book = replace(book, quantity=quantity, cash=cash)
    return book, terms, replace(paths, variance_lanes=variance)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", [Reference, AuctionReference, MakerReference])
def test_the_lanes_engine_is_the_plain_reference(kind, seed):
    book, terms, paths = heated(seed)
    # the same accounts sold, auctioned, or with a maker behind the books
    if kind is AuctionReference:
        terms = auctioned(2 * seed + 1)[1]
    elif kind is MakerReference:
        terms = made(seed)[1]
    fund, depth = FUNDS[seed % len(FUNDS)], {"BTC": 4e6, "ETH": 3e6}
    feedback = seed % 2 == 1
    impact = Impact(np.array(list(depth.values())), 3.0) if feedback else None
    desk = live(book, terms, fund, paths, impact, SURFACE, HEAT)
    for lane in range(paths.count):
        also = (depth, 3.0) if feedback else ()
        venue = reference(book, terms, fund, paths, lane, *also, kind=kind, surface=SURFACE, heat=HEAT)
        check_equal(desk, venue, lane)
        rise = desk.columns()["all", "volatility_rise"][lane]
        assert rise == pytest.approx(np.expm1(0.5 * venue.hottest), rel=1e-9, abs=1e-12)


def test_what_is_added_never_exceeds_its_bound_however_much_is_closed():
    most = 0.0
    for seed in range(6):
        book, terms, paths = heated(seed, sold=True, lanes=32)
        wild = replace(HEAT, elasticity=10.0, depth_usd={"BTC": 1e3, "ETH": 1e3}, largest=0.8)
        rise = live(book, terms, 3e5, paths, surface=SURFACE, heat=wild).columns()["all", "volatility_rise"]
        most = max(most, rise.max())
        # what a path sees of it was cooled for a step of half an hour
        assert rise.max() <= np.expm1(0.5 * 0.8 * 0.5 ** (0.5 / HEAT.half_life_hours)) * (1 + 1e-12)
    assert most > np.expm1(0.5 * 0.8 * 0.9)


def test_small_closings_are_added_in_proportion_and_a_bound_far_away_changes_nothing():
    book, terms, paths = heated(3, sold=True, lanes=16)
    faint = replace(HEAT, elasticity=1e-6)
    rise = [
        live(book, terms, 3e5, paths, surface=SURFACE, heat=replace(faint, largest=x)).columns()[
            "all", "volatility_rise"
        ]
        for x in (0.5, 10.0)
    ]
    assert rise[0].max() > 0.0
    assert rise[0] == pytest.approx(rise[1], rel=1e-4)


def test_off_is_no_feedback_and_on_makes_the_mean_shortfall_larger():
    worse = []
    for seed in range(20):
        book, terms, paths = heated(seed, sold=True, lanes=32)
        off = live(book, terms, 3e5, paths, surface=SURFACE).columns()
        # an elasticity of nothing is no feedback, bit for bit
        none = live(book, terms, 3e5, paths, surface=SURFACE, heat=replace(HEAT, elasticity=0.0)).columns()
        assert all((none[key] == column).all() for key, column in off.items())
        on = live(book, terms, 3e5, paths, surface=SURFACE, heat=HEAT).columns()
        worse.append((on["all", "account_shortfall"] - off["all", "account_shortfall"]).mean())
    # paired differences of independent cases
    assert np.mean(worse) > 0.0 and np.sum(np.array(worse) >= 0.0) >= 15


def test_accounts_without_options_do_not_feel_it():
    book, terms, paths = case(2, lanes=16)
    paths = replace(paths, variance_lanes=np.full(paths.spot_lanes.shape, 0.36))
    off, on = (live(book, terms, 3e5, paths, surface=SURFACE, heat=h).columns() for h in (None, HEAT))
    assert off["all", "liquidated_notional"].max() > 0.0
    assert all((on[key] == column).all() for key, column in off.items())


def test_faults_are_told():
    for change in (
        {"elasticity": -1.0}, {"half_life_hours": 0.0}, {"depth_usd": {"BTC": 0.0}}, {"largest": 0.0}
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(change))):
            replace(HEAT, **change)
