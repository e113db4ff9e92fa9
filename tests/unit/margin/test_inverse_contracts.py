"""Inverse perpetuals and futures: contracts of one USD whose size in coins is that at the mark, not at the entry."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from riskengine.book.portfolio import Portfolio
from riskengine.config.models import margin_model, stands_alone
from riskengine.config.study import load_world
from riskengine.engine.desks import BookView
from riskengine.engine.today import Today
from riskengine.engine.venue import VenueDesk
from riskengine.instrument.terms import Future, Perpetual
from riskengine.liquidation.terms import LiquidationTerms
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.execution import Execution, OrderBook
from riskengine.margin.deribit_portfolio import DeribitPortfolio, ParameterSet
from riskengine.margin.deribit_standard import DeribitStandard
from riskengine.margin.venues import deribit_portfolio as calculator
from riskengine.margin.venues.deribit_standard import future_margin
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import CostRates, account_values, close_costs, gross_notional, snapshot
from riskengine.registry import kinds
from riskengine.tune.hedge import TailRule, hedge_account
from riskengine.tune.worst_account import _accounts

ASSETS = ("BTC", "ETH")
FLAT = FactorSurface.flat((0.6, 0.8))
INDEX = np.array([[60_000.0], [3_000.0]])
PERPETUAL, DATED = Perpetual("BTC", "inverse"), Future("BTC", 2_160.0, "inverse")
CARRIED = replace(FLAT, carry=(Curve((2_160.0,), (0.08,)), Curve((2_160.0,), (0.0,))))


def book(*held, cash=0.0, coins=0.0):
    """One account of (instrument, dollars of contracts, entry)."""
    terms, dollars, entry = zip(*held, strict=True)
    quantity = np.array([dollars]) / np.array([entry])
    return Portfolio(ASSETS, terms, quantity, np.array([entry]), np.array([[cash, coins, 0.0]]), ("a",), ("x",))


def market(held, surface=FLAT, mark=1.0, index=INDEX):
    return snapshot(held, surface, index, None, 0.0, perpetual=index if mark == 1.0 else index * mark)


def required(model, held, now):
    found = model.requirement(model.init(held, FLAT), now)[0]
    return found.initial[0, 0], found.maintenance[0, 0]


@pytest.mark.parametrize("mark", [1.0, 1.02])
@pytest.mark.parametrize("entry", [60_000.0, 30_000.0, 95_000.0])
@pytest.mark.parametrize("terms", [PERPETUAL, DATED])
def test_deribit_margins_are_those_of_the_calculators_at_every_entry(terms, entry, mark):
    """100,000 USD of contracts are 100,000 / M coins, whatever was paid for them; a requirement in coin is worth S."""
    held = book((terms, -100_000.0, entry))
    now = market(held, CARRIED, mark)
    price = now.perpetual[0, 0] if terms is PERPETUAL else now.forward[0, 0]
    figures = DeribitStandard()
    wanted = future_margin(100_000.0 / price, INDEX[0, 0], figures.im_base, figures.mm_base, figures.slope)
    assert required(figures, held, now) == pytest.approx(wanted, rel=1e-12)
    if terms is PERPETUAL and mark == 1.0:
        assert wanted[0] == pytest.approx(2_008.33, abs=0.01)
    own = calculator.Parameters()
    one = calculator.margin([calculator.Future("a", -100_000.0 / price)], INDEX[0, 0], own)
    wanted = one.initial * INDEX[0, 0], one.maintenance * INDEX[0, 0]
    model = DeribitPortfolio(ParameterSet({"BTC": own}))
    assert required(model, held, now) == pytest.approx(wanted, rel=1e-12)


def test_deribit_nets_contracts_by_their_dollars():
    """A linear and an inverse contract of one coin at the mark net to nothing; entries say nothing about size."""
    pair = (Perpetual("BTC"), 60_000.0, 60_000.0), (PERPETUAL, -60_000.0, 40_000.0)
    for model in (DeribitStandard(), DeribitPortfolio(ParameterSet({"BTC": calculator.Parameters()}))):
        held = book(*pair)
        assert required(model, held, market(held)) == pytest.approx((0.0, 0.0), abs=1e-8)


def test_contracts_entered_at_the_mark_keep_the_bits_of_coins():
    one, other = ((x, -98_765.4, 60_000.0) for x in (PERPETUAL, Perpetual("BTC")))
    for kind in [k for k in kinds("margin") if stands_alone(k) and k.split("_")[0] in ("deribit", "derive", "greeks")]:
        model = margin_model(kind, levels=None, margin_period_hours=24.0, world="btc_eth")
        first, second = (required(model, held, market(held)) for held in (book(one), book(other)))
        assert first == second and first[0] > 0.0, kind
    costs = [close_costs(book(x), market(book(x)), CostRates()) for x in (one, other)]
    assert np.array_equal(*costs)
    assert gross_notional(book(one), INDEX[:, 0]) == gross_notional(book(other), INDEX[:, 0])


def _paths(mark, window=60):
    rng = np.random.default_rng(5)
    size = (window + 2, 2, 3)
    spot = np.array([[30_000.0], [2_000.0]]) * np.exp(np.cumsum(rng.normal(0, 0.03, size), axis=0))
    variance = 0.4 * np.exp(0.3 * rng.normal(0, 1.0, size))
    cut = [np.ascontiguousarray(x) for x in (spot[window:], variance[window:], spot[: window + 1],
                                             variance[: window + 1])]  # fmt: skip
    return MarketPaths(
        TimeGrid(86_400, 1, 86_400, window), ASSETS, 0, *cut, basis_lanes=np.full((2, 2, 3), np.log(mark))
    )


@pytest.mark.parametrize("kind", [k for k in kinds("margin") if stands_alone(k) and not k.startswith("deribit")])
@pytest.mark.parametrize("terms", [PERPETUAL, DATED])
def test_a_coin_hedged_by_its_contracts_needs_nothing_away_from_the_index(kind, terms):
    """One BTC and short 30,000 USD of contracts at 30,000 are worth 30,000 coins' dollars over M / S: nothing moves."""
    if kind == "derive_pmrm_v2" and terms is DATED:
        pytest.skip("the venue lists no futures")
    paths = _paths(1.01)
    model = margin_model(kind, levels=None, margin_period_hours=24.0, world="btc_eth")

    def need(coins):
        held = book((terms, -30_000.0, 30_000.0), coins=coins)
        spot = paths.spot_lanes[0]
        now = snapshot(held, CARRIED, spot, paths.variance_lanes[0], 0.0, perpetual=1.01 * spot)
        state = model.step(model.init(held, CARRIED), paths, 0)
        if kind == "derive_pmrm_v2":  # all but its charges on notional
            return model.requirement(state, now, explain=True)[0].components["scenario_loss"]
        return np.stack([r.initial for r in model.requirement(state, now)])

    bare = need(0.0)
    assert (bare > 300.0).all()
    assert (np.abs(need(1.0)) < 1e-9 * bare).all()


def test_derive_charges_contracts_by_their_size_at_the_mark():
    model = margin_model("derive_pmrm_v2", levels=None, margin_period_hours=24.0)
    parts = []
    for terms, entry in ((PERPETUAL, 30_000.0), (Perpetual("BTC"), 60_000.0)):
        held = book((terms, -60_000.0, entry))
        parts.append(model.requirement(model.init(held), market(held), explain=True)[0].components)
    for name in ("maintenance_contingency", "initial_contingency"):
        np.testing.assert_allclose(parts[0][name], parts[1][name], rtol=1e-13)


@pytest.mark.parametrize("basis", [0.0, 0.03])
def test_funding_is_charged_on_the_dollars_of_the_contracts(basis):
    """30,000 USD at 1e-3 a step: 30 USD at the index, N rate S / M away from it; the venue charges the same."""
    held = book((PERPETUAL, 30_000.0, 30_000.0), cash=1e5, coins=1.0)
    lanes = {"funding_lanes": np.full((3, 2, 1), 1e-3 * 8760.0), "basis_lanes": np.full((3, 2, 1), basis)}
    paths = MarketPaths(TimeGrid(3_600, 2), ASSETS, 0, np.repeat(INDEX[None], 3, axis=0), **lanes)
    terms = VenueTerms(maintenance={a: 0.01 for a in ASSETS}, execution=Execution(OrderBook({a: 1e9 for a in ASSETS})))
    view, desk = BookView(held, FLAT, paths, LiquidationTerms()), VenueDesk(held, terms, FLAT, np.inf, paths)
    values, equity = [], []
    for step in range(3):
        view.move_to(step, paths.spot_lanes[step])
        values.append(view.value[0, 0])
        desk.step(step, paths.spot_lanes[step])
        equity.append(desk.figures()[0, 0, 0])
    due = 30_000.0 * 1e-3 * np.exp(-basis)
    assert -np.diff(values) == pytest.approx([due, due], rel=1e-9)
    assert equity == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("terms", [PERPETUAL, DATED])
def test_closing_costs_follow_the_dollars_of_the_contracts(terms):
    for entry in (20_000.0, 60_000.0):
        held = book((terms, -30_000.0, entry), coins=0.25)
        now = market(held, CARRIED, 1.02)
        price = now.perpetual[0, 0] if terms is PERPETUAL else now.forward[0, 0]
        wanted = 0.002 * 30_000.0 * 60_000.0 / price + 0.001 * 0.25 * 60_000.0
        costs = close_costs(held, now, CostRates(perpetual=0.002, coin=0.001))
        assert costs[0, 0] == pytest.approx(wanted, rel=1e-12)
        thin = close_costs(held, now, CostRates(perpetual=0.002, coin=0.001), np.full((2, 1), 0.5))
        assert thin[0, 0] == pytest.approx(2.0 * wanted, rel=1e-12)
        assert gross_notional(held, INDEX[:, 0]) == pytest.approx([30_000.0 + 15_000.0])


def test_a_hedge_of_old_contracts_trades_them_at_the_mark():
    """The account is worth after what it was worth before, less costs, at any price; margins see the true sizes."""
    world = load_world("btc_eth")
    spot = np.array(world.model.spot)
    held = replace(book((PERPETUAL, -3.0 * spot[0], 0.5 * spot[0])), marks=None)
    today = Today(DeribitStandard(), world)
    found = hedge_account(today, held, 0, tail=TailRule(bound=False), exposures={"delta": None}, most=0.5)
    assert found.trades.before == pytest.approx(today.initial(held)[0], rel=1e-9)
    assert found.trades.trades[0] == pytest.approx(1.5, rel=1e-6)
    assert found.trades.after == pytest.approx(today.initial(found.after)[0], rel=1e-6)
    for factor in (0.7, 1.0, 1.4):
        now = snapshot(held, world.surface, spot[:, None] * factor, np.full((2, 1), 0.4), 0.0)
        old, same, new = (account_values(b, now)[0, 0] for b in (held, found.book, found.after))
        assert same == pytest.approx(old, rel=1e-12)
        # 1.5 spot[0] dollars of contracts bought at the spot
        gain = 1.5 * spot[0] * (1.0 - 1.0 / factor) * factor
        assert new == pytest.approx(old + gain - found.trades.cost, rel=1e-9)


def test_the_search_for_the_worst_account_enters_contracts_at_the_spot():
    """So that they have a size: what a venue asks of them is what it asks of coins at the start."""
    world = load_world("btc_eth")
    today = Today(DeribitStandard(), world)
    for terms in (PERPETUAL, Perpetual("BTC")):
        study = SimpleNamespace(book=book((terms, 1.0, 1.0)), world=world)
        asked = today.initial(_accounts(study, np.array([[2.0], [-3.0]])))
        spot = world.model.spot[0]
        assert asked == pytest.approx([future_margin(q, spot, 0.02, 0.01, 5e-5)[0] for q in (2.0, 3.0)], rel=1e-12)
