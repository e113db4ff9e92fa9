"""Hedges of real accounts: the greeks grid's programme written out, money, and the book after the trades."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from riskengine.book.marks import Marks
from riskengine.config.book import load_book
from riskengine.config.locate import find
from riskengine.config.models import margin_model
from riskengine.config.study import load_world
from riskengine.engine.today import Today
from riskengine.instrument.terms import Future
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.pricing.valuation import account_values, option_values, snapshot
from riskengine.random import DrawKeys
from riskengine.tune.hedge import Exposure, TailRule, hedge_account, unit_greeks


@pytest.fixture(scope="module")
def world():
    return load_world("btc_eth")


@pytest.fixture(scope="module")
def book(world):
    return load_book(find("books", "margin_book"), world)


def test_the_greeks_grid_reaches_its_programme_written_out(world, book):
    today = Today(GreeksGrid(), world)
    free = {"delta": Exposure(-5e3, 5e3), "gamma": None, "vega": Exposure(within=0.2)}
    found = hedge_account(
        today, book, book.names.index("btc_short_strangle"), exposures=free, tail=TailRule(bound=False)
    )
    held, now = found.book, found.book.quantity[0]
    unit = unit_greeks(held, today.market(held))
    grid = [(m, u) for m in np.linspace(-0.16, 0.16, 9) for u in (0.4, 0.0, -0.4)]
    sigma = np.zeros(now.size)
    sigma[held.options] = today.market(held).volatility[:, 0]
    # delta is USD per 100 %, gamma its change per 1 %, vega USD per point of volatility
    # of 30 days: the grid moves every tenor by the same share
    months = np.ones(now.size)
    months[held.options] = np.sqrt(today.market(held).tau[held.option_expiry] * 365.0 / 30.0)
    vega_of = 100 * unit["vega"] * months * sigma
    gain = np.array([unit["delta"] * m + 50 * unit["gamma"] * m**2 + vega_of * u for m, u in grid])
    count, own = now.size, found.trades
    cost = _costs(found, today)
    most = np.where(held.asset_index == held.assets.index("BTC"), np.abs(now).max(), 0.0)
    delta, vega = unit["delta"] @ now, unit["vega"] @ now
    rows = [np.column_stack([-gain, gain, -np.ones(len(grid))])]
    sides = [gain @ now]
    for g, low, high in (
        (unit["delta"], -5e3 - delta, 5e3 - delta),
        (unit["vega"], -0.2 * abs(vega), 0.2 * abs(vega)),
    ):
        rows += [np.concatenate([g, -g, [0.0]])[None], np.concatenate([-g, g, [0.0]])[None]]
        sides += [np.array([high]), np.array([-low])]
    exact = linprog(
        np.concatenate([cost, cost, [1.0]]), A_ub=np.concatenate(rows), b_ub=np.concatenate(sides),
        bounds=[(0.0, m) for m in most] * 2 + [(0.0, None)],
    )  # fmt: skip
    assert exact.success and count > 5
    assert own.bound == pytest.approx(exact.fun, rel=2e-4)
    assert own.objective == pytest.approx(exact.fun, rel=2e-4)
    assert own.before == pytest.approx(-min(0.0, (gain @ now).min()), rel=1e-9)
    assert -5e3 * 1.001 <= found.greeks_after["delta"][0] <= 5e3 * 1.001


def _costs(found, today):
    """Cost of a coin of each instrument, by the rates as they are documented."""
    held, market = found.book, today.market(found.book)
    out = np.zeros(len(held.instruments))
    out[held.perpetuals] = 0.001 * market.perpetual[held.asset_index[held.perpetuals], 0]
    spot = market.spot[held.asset_index[held.options], 0]
    out[held.options] = 0.0005 * spot + 0.05 * option_values(held, market)[:, 0]
    return out


@pytest.mark.parametrize("kind", ["deribit_portfolio", "derive_pmrm_v2", "deribit_standard"])
def test_a_hedge_costs_what_it_says_and_frees_what_it_says(world, book, kind):
    today = Today(margin_model(kind), world)
    for name in ("btc_delta_hedged_short_call", "pair_long_btc_short_eth"):
        found = hedge_account(today, book, book.names.index(name))
        own = found.trades
        value = [account_values(b, today.market(b))[0].mean() for b in (found.book, found.after)]
        assert value[0] - value[1] == pytest.approx(own.cost, abs=1e-6)
        assert today.initial(found.after)[0] == pytest.approx(own.after, rel=1e-9)
        assert today.initial(found.book)[0] == pytest.approx(own.before, rel=1e-12)
        assert own.bound is not None
        assert own.bound <= own.objective <= own.bound + 2.1e-4 * own.before
        assert own.objective < own.before
        for greek, was in found.greeks_before.items():
            assert (np.abs(found.greeks_after[greek] - was) <= 0.1 * np.abs(was) + 1e-3 * np.abs(was) + 1.0).all()


def test_looser_bounds_and_more_money_never_leave_more_margin(world, book):
    today, k = Today(margin_model("derive_pmrm_v2"), world), book.names.index("btc_naked_short_put")
    objective = [hedge_account(today, book, k, spend=s).trades.objective for s in (0.0, 100.0, 300.0, np.inf)]
    assert (np.diff(objective) <= 3e-4 * objective[0]).all()
    tight, loose = (
        hedge_account(today, book, k, exposures={"gamma": Exposure(within=w)}).trades.objective for w in (0.0, 0.5)
    )
    assert loose <= tight + 3e-4 * objective[0]


def test_what_is_offered_is_used_and_foreign_assets_are_not(world, book):
    today = Today(margin_model("derive_pmrm_v2"), world)
    held = np.flatnonzero(book.quantity[0])
    bare = replace(
        book, instruments=tuple(book.instruments[m] for m in held), quantity=book.quantity[:1, held],
        entry=book.entry[:1, held], cash=book.cash[:1], names=book.names[:1], kinds=book.kinds[:1],
    )  # fmt: skip
    alone = hedge_account(today, bare, 0).trades
    more = hedge_account(today, bare, 0, book.instruments)
    assert len(more.book.instruments) > 1 and {x.asset for x in more.book.instruments} == {"BTC"}
    assert more.trades.objective < alone.objective


def test_an_account_without_positions_is_refused(world, book):
    today = Today(margin_model("derive_pmrm_v2"), world)
    empty = replace(book, quantity=np.zeros_like(book.quantity))
    with pytest.raises(ValueError, match="must hold positions"):
        hedge_account(today, empty, 0)


def test_bounds_that_the_account_breaks_are_reached_or_refused(world, book):
    today, k = Today(margin_model("derive_pmrm_v2"), world), book.names.index("btc_short_straddle")
    free = {"gamma": None, "vega": None}
    found = hedge_account(today, book, k, exposures={"delta": Exposure(-500.0, 500.0)} | free)
    assert abs(found.greeks_before["delta"][0]) > 2_000 and abs(found.greeks_after["delta"][0]) <= 501
    with pytest.raises(ValueError, match="bring the exposures within their bounds"):
        hedge_account(today, book, k, exposures={"delta": Exposure(1e6, 2e6)} | free)


def test_the_tail_does_not_rise_where_it_may_not(world, book):
    """Iron condor and calendar under Deribit's rule: least margin alone makes their tails longer."""
    today = Today(margin_model("deribit_portfolio"), world)
    for name in ("btc_iron_condor", "btc_calendar"):
        k = book.names.index(name)
        free, bound = (hedge_account(today, book, k, tail=TailRule(bound=b)) for b in (False, True))
        assert free.risk_after.shortfall.value > free.risk_before.shortfall.value
        assert bound.risk_after.shortfall.lower <= bound.risk_before.shortfall.upper
        assert bound.risk_after.shortfall.value < free.risk_after.shortfall.value
        assert bound.trades.objective >= free.trades.objective - 3e-4 * free.trades.before


def test_the_risk_beside_a_hedge_is_what_a_plain_count_gives(world, book):
    today, k = Today(margin_model("deribit_portfolio"), world), book.names.index("btc_naked_short_call")
    found = hedge_account(today, book, k)
    paths = world.model.sample(TimeGrid(86_400, 1), 0, 16_384, DrawKeys(1, 1))
    for own, risk in ((found.book, found.risk_before), (found.after, found.risk_after)):
        start = snapshot(own, world.surface, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
        end = snapshot(own, world.surface, paths.spot_lanes[1], paths.variance_lanes[1], 24.0)
        loss = (account_values(own, start) - account_values(own, end))[0]
        required = today.model.requirement(today.model.init(own, world.surface), start)[0].initial[0]
        assert risk.breach.value == (loss > required).mean()
        assert risk.shortfall.value == pytest.approx(np.sort(loss)[-164:].mean(), rel=2e-3)


def test_trades_in_futures_cost_what_they_cost_and_nothing_else(tmp_path, world):
    """On a carried world the account is worth what it was less the cost of its trades, entered at the forward."""
    carried = replace(world, surface=replace(world.surface, carry=(Curve((2160.0,), (0.1,)),) * 2))
    file = tmp_path / "book.yaml"
    file.write_text(
        "assets: [BTC, ETH]\naccounts:\n  - name: a\n    cash: {BTC: 1}\n    positions:\n"
        "      - {instrument: future, asset: BTC, expiry_days: 60, quantity: -3, settlement: inverse}\n"
        "      - {instrument: future, asset: BTC, expiry_days: 30, quantity: 0.5}\n"
        "      - {instrument: option, asset: BTC, type: call, moneyness: 1.1, expiry_days: 30, quantity: -2}\n"
    )
    today = Today(GreeksGrid(), carried)
    held = load_book(file, carried)
    free = {"delta": None, "gamma": None, "vega": None}
    found = hedge_account(today, held, 0, exposures=free, tail=TailRule(bound=False))
    market = today.market(found.book)
    assert found.trades.after < found.trades.before and (found.trades.trades[found.book.dated] != 0.0).any()
    before, after = (account_values(b, market)[0].mean() for b in (found.book, found.after))
    assert before - after == pytest.approx(found.trades.cost, abs=1e-6)
    unit = unit_greeks(found.book, market)["delta"]
    forward = 34500.0 * np.exp(0.1 * 720 / 8760)
    wanted = {Future("BTC", 720.0): forward, Future("BTC", 1440.0, "inverse"): 34500.0}
    for terms, each in wanted.items():
        assert unit[found.book.instruments.index(terms)] == pytest.approx(each, rel=1e-12)


def test_a_book_that_a_venue_has_marked_is_refused(world, book):
    """Its margin would be at the venue's prices and its tail at the world's."""
    marked = replace(book, marks=Marks("2026-11-25T00:00:00+00:00", "a venue", {"BTC": 90_000.0, "ETH": 3_000.0}))
    with pytest.raises(ValueError, match="a venue has marked"):
        hedge_account(Today(margin_model("derive_pmrm_v2"), world), marked, 0)
