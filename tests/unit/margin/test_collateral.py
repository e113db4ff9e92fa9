"""Collateral in several currencies: a pegged coin is not a dollar, haircuts are resources, and money is conserved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.book.portfolio import Portfolio
from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.dump import to_yaml
from riskengine.config.study import load_world
from riskengine.engine.loop import run_loop
from riskengine.engine.today import Today
from riskengine.engine.venue import VenueDesk
from riskengine.errors import InputError
from riskengine.instrument.terms import Future, Perpetual
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.execution import Execution, OrderBook
from riskengine.margin.collateral_haircut import CollateralHaircut
from riskengine.margin.deribit_standard import DeribitStandard
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import account_values, snapshot
from riskengine.random import DrawKeys

ASSETS = ("BTC", "ETH", "USDC")
SURFACE = FactorSurface.flat((0.6, 0.7, 0.1))
SPOT = np.array([[30_000.0, 24_000.0], [2_000.0, 2_500.0], [1.0, 0.9]])
TERMS = (Perpetual("BTC", quote="USDC"), Perpetual("BTC"), Perpetual("ETH", "inverse"))


def book(quantity, entry, cash, instruments=TERMS):
    k = len(quantity)
    arrays = [np.array(x, dtype=float) for x in (quantity, entry, cash)]
    names = tuple(f"account {i}" for i in range(k))
    return Portfolio(ASSETS, instruments, *arrays, names, ("a",) * k)


def value(held, spot=SPOT, surface=SURFACE):
    return account_values(held, snapshot(held, surface, spot, None, 0.0))


def test_a_coin_that_loses_its_peg_is_worth_what_it_trades_at():
    """A short against USDC is owed 30,000 coins, which are worth 0.90 each when the price has fallen."""
    held = book([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]], [[30_000.0] * 3] * 2, [[0.0, 0.0, 0.0, 1000.0]] * 2)
    found = value(held)
    assert found[0] == pytest.approx([1000.0, 900.0 - 24_000.0 + 30_000.0 * 0.9])
    assert found[1] == pytest.approx([1000.0, 900.0 - 24_000.0 + 30_000.0])
    # the profit in the coin itself: the price in USDC fell from 30,000 to 24,000 / 0.9
    assert found[0, 1] / 0.9 == pytest.approx(1000.0 + 30_000.0 - 24_000.0 / 0.9)


def test_both_sides_of_a_contract_in_a_coin_sum_to_nothing():
    for terms in (Perpetual("BTC", quote="USDC"), Future("BTC", 900.0, quote="USDC")):
        held = book([[2.5], [-2.5]], [[31_000.0]] * 2, np.zeros((2, 4)), (terms,))
        carried = replace(SURFACE, carry=(Curve((900.0,), (0.1,)),) * 3)
        assert value(held, surface=carried).sum(axis=0) == pytest.approx([0.0, 0.0], abs=1e-9)


def test_models_see_the_coin_that_a_contract_owes():
    """Long 1 BTC against USDC has the moves of BTC and, the other way, of 30,000 USDC."""
    held = book([[1.0, 0.0, 0.0]], [[30_000.0, 0.0, 0.0]], np.zeros((1, 4)))
    plain = book([[0.0, 1.0, 0.0]], [[0.0, 30_000.0, 0.0]], [[30_000.0, 0.0, 0.0, -30_000.0]])
    model = GreeksGrid()
    now = snapshot(held, SURFACE, SPOT, None, 0.0)
    for found in (value, lambda b: model.requirement(b, now)[0].initial):
        np.testing.assert_allclose(found(held), found(plain), rtol=1e-13)


def test_haircuts_by_hand():
    held = book([[0.0, 0.0, 0.0]] * 2, [[1.0] * 3] * 2, [[500.0, 0.1, 0.0, 4000.0], [0.0, 0.0, -2.0, 0.0]])
    model = CollateralHaircut(DeribitStandard(), {"BTC": 0.1, "ETH": 0.2, "USDC": 0.05}, {"USDC": 0.01})
    now = snapshot(held, SURFACE, SPOT, None, 0.0)
    (found,) = model.requirement(model.init(held, SURFACE), now)
    assert found.initial[0] == pytest.approx([0.01 * 30_000 + 200.0, 0.01 * 24_000 + 180.0])
    assert found.maintenance[0] == pytest.approx([0.01 * 30_000 + 40.0, 0.01 * 24_000 + 36.0])
    # coins that are owed count more than their price
    assert found.initial[1] == pytest.approx([0.4 * 2_000, 0.4 * 2_500])
    assert found.components["collateral_haircut"] == pytest.approx(found.initial)


@settings(deadline=None, max_examples=40)
@given(coins=st.floats(0.0, 5.0), usd=st.floats(-5e4, 5e4), held=st.floats(-3.0, 3.0), share=st.floats(0.0, 1.0))
def test_a_haircut_account_stands_where_its_discounted_equity_does(coins, usd, held, share):
    """equity >= R + haircut, and equity after haircuts >= R: one rule."""
    own = book([[0.0, held, 0.0]], [[1.0, 30_000.0, 1.0]], [[usd, coins, 0.0, 0.0]])
    inner, outer = DeribitStandard(), CollateralHaircut(DeribitStandard(), {"BTC": share})
    now = snapshot(own, SURFACE, SPOT, None, 0.0)
    plain = inner.requirement(inner.init(own), now)[0].maintenance
    cut = outer.requirement(outer.init(own, SURFACE), now)[0].maintenance
    discounted = value(own) - share * coins * SPOT[0]
    np.testing.assert_allclose(value(own) - cut, discounted - plain, atol=1e-8)
    assert (cut >= plain).all()


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"haircuts": {"BTC": 1.5}}, "haircuts of BTC must lie in"),
        ({"haircuts": {"BTC": 0.1}, "maintenance": {"BTC": 0.2}}, r"maintenance of BTC must lie in \[0, 0.1\]"),
        ({"haircuts": {}, "maintenance": {"ETH": 0.2}}, r"maintenance of ETH must lie in \[0, 0\]"),
    ],
)
def test_wrong_haircuts(fields, words):
    with pytest.raises(ValueError, match=words):
        CollateralHaircut(DeribitStandard(), **fields)


def test_every_coin_held_needs_a_haircut():
    held = book([[0.0, 0.0, 0.0]], [[1.0] * 3], [[0.0, 1.0, 0.0, 5.0]])
    with pytest.raises(ValueError, match="haircuts must name every coin and pool token held, got none of USDC"):
        CollateralHaircut(DeribitStandard(), {"BTC": 0.1}).init(held, SURFACE)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_money_is_conserved_through_a_lost_peg(seed):
    """Accounts in USD and USDC, contracts in USD, USDC and coin, through calls, closes, fund and deleveraging."""
    rng = np.random.default_rng(seed)
    k = 8
    quantity = rng.choice([-1, 1], (k, 3)) * rng.lognormal(2.0, 1.0, (k, 3)) * [1.0, 1.0, 15.0]
    entry = np.array([30_000.0, 30_000.0, 2_000.0]) * rng.uniform(0.95, 1.05, (k, 3))
    need = 0.03 * np.abs(quantity) @ SPOT[[0, 0, 1], 0] * rng.uniform(1.2, 3.0, k)
    cash = np.zeros((k, 4))
    cash[:, 3] = need
    held = book(quantity, entry, cash)
    held.cash[:, 0] += need - value(held, SPOT[:, :1])[:, 0]
    grid = TimeGrid(1800, 12)
    move = rng.standard_t(3, (13, 3, 4)) * np.array([0.015, 0.015, 0.01])[:, None]
    move[0] = 0.0
    paths = MarketPaths(grid, ASSETS, 0, SPOT[:, :1] * np.exp(np.cumsum(move, axis=0)),
                        funding_lanes=0.4 * rng.standard_normal((13, 3, 4)))  # fmt: skip
    orders = OrderBook({"BTC": 4e6, "ETH": 2e6, "USDC": 1e7}, 2e-4, 0.02, 0.7)
    terms = VenueTerms(dict.fromkeys(ASSETS, 0.02), Execution(orders, None, 0.05), 1.2, 0.004)
    desk = VenueDesk(replace(held), terms, SURFACE, 1e5, paths)
    run_loop(paths, [desk], None)
    assert (desk.conservation_error() < 1e-9).all()
    assert desk.columns()["all", "margin_calls"].sum() > 0


def test_a_book_with_contracts_in_a_coin_is_read_and_written(tmp_path):
    text = """\
assets: [BTC, USDC]
spot: {BTC: 34500, USDC: 1}
accounts:
  - name: a
    cash: {USDC: 1000}
    positions:
      - {instrument: perpetual, asset: BTC, quantity: 1, quote: USDC}
      - {instrument: future, asset: BTC, expiry_days: 30, quantity: -1, quote: USDC, entry: 35000}
      - {instrument: perpetual, asset: BTC, quantity: 1}
"""
    (tmp_path / "book.yaml").write_text(text)
    held = load_book(tmp_path / "book.yaml")
    wanted = {Perpetual("BTC"), Perpetual("BTC", quote="USDC"), Future("BTC", 720.0, quote="USDC")}
    assert set(held.instruments) == wanted
    assert {x.name for x in wanted} == {"BTC-PERP", "BTC-PERP-USDC", "BTC-30d-FUT-USDC"}
    (tmp_path / "again.yaml").write_text(to_yaml(dump_portfolio(held)))
    again = load_book(tmp_path / "again.yaml")
    assert again.instruments == held.instruments and (again.entry == held.entry).all()
    rows = "account,instrument,asset,quantity,entry,quote\na,perpetual,BTC,1,34500,USDC\na,cash,USDC,1000,,\n"
    (tmp_path / "book.csv").write_text(rows)
    table = load_book(tmp_path / "book.csv", load_world("usdc"))
    assert table.instruments == (Perpetual("BTC", quote="USDC"),) and table.cash.tolist() == [[0.0, 0.0, 0.0, 1000.0]]
    for old, new, words in (
        ("quantity: 1, quote: USDC", "quantity: 1, quote: USDT", "quote must be one of USD, BTC, USDC, got 'USDT'"),
        ("quantity: 1, quote: USDC", "quantity: 1, quote: BTC", "quote must be USD, or another coin"),
        ("quantity: 1, quote", "quantity: 1, settlement: inverse, quote", "quote must be USD, or another coin"),
    ):
        (tmp_path / "wrong.yaml").write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=words):
            load_book(tmp_path / "wrong.yaml")


def test_a_pegged_world_moves_collateral_in_its_coin():
    """On `usdc_2023` the coin falls: an account of it alone loses what its price does, in dollars."""
    world = load_world("usdc_2023")
    paths = world.sample(TimeGrid(3_600, 24), 0, 8, DrawKeys(3))
    held = book([[0.0, 0.0, 0.0]], [[1.0] * 3], [[0.0, 0.0, 0.0, 1e6]])
    ends = [account_values(held, snapshot(held, world.surface, paths.spot_lanes[t], paths.variance_lanes[t], t))[0]
            for t in (0, 24)]  # fmt: skip
    np.testing.assert_allclose(ends[1] - ends[0], 1e6 * (paths.spot_lanes[24, 2] - paths.spot_lanes[0, 2]), rtol=1e-9)
    assert np.median(ends[1] / ends[0]) < 0.95
    calm = Today(CollateralHaircut(DeribitStandard(), {"USDC": 0.08}), load_world("usdc"))
    assert calm.initial(held)[0] == pytest.approx(0.08 * value(held, calm.market(held).spot)[0, 0])
