"""A maker of options: the quote, and accounts that sell to it on lanes as in the plain rules."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maker_reference import MakerReference
from test_account_life import ASSETS, FUNDS, SURFACE, case, check_equal, live, reference

from riskengine.engine.loop import Impact
from riskengine.engine.venue import book_faults
from riskengine.liquidation.dutch_auction import Bidders, DutchAuction
from riskengine.liquidity.option_maker import OptionMaker, maker_cost, maker_limit
from riskengine.liquidity.option_vault import OptionVault
from riskengine.pricing.black import black76
from riskengine.pricing.greeks import black_scholes


def made(seed, **options):
    """A case with options, sold to a book and a maker, or to a maker alone."""
    book, terms, paths = case(2 * seed + 1, **options)
    rng = np.random.default_rng(seed)
    limits = (dict(zip(ASSETS, rng.lognormal(mean, 1.0, 2), strict=True)) for mean in (8.0, 15.0))
    maker = OptionMaker(*limits, 0.02, 0.1, 0.005, 3.0)
    quotes = terms.execution.options if seed % 3 else None
    return book, replace(terms, execution=replace(terms.execution, options=quotes, maker=maker)), paths


@pytest.mark.parametrize("seed", range(24))
def test_the_lanes_engine_is_the_plain_reference(seed):
    book, terms, paths = made(seed)
    fund, depth = FUNDS[seed % len(FUNDS)], {"BTC": 4e6, "ETH": 3e6}
    feedback = seed % 3 == 2
    desk = live(book, terms, fund, paths, Impact(np.array(list(depth.values())), 3.0) if feedback else None)
    found = desk.columns()
    for lane in range(paths.count):
        venue = reference(book, terms, fund, paths, lane, *((depth, 3.0) if feedback else ()), kind=MakerReference)
        check_equal(desk, venue, lane)
        for measure, want in (
            ("maker_profit", venue.profit()),
            ("maker_charge", venue.charged),
            ("maker_notional", venue.taken_on),
        ):
            assert found["all", measure][lane] == pytest.approx(want, rel=1e-9, abs=1e-4), measure


def test_the_random_cases_reach_the_maker_with_and_without_a_book_of_options():
    used = [live(*made(s)[:2], FUNDS[s % 4], made(s)[2]).columns()["all", "maker_notional"] > 1.0 for s in range(24)]
    assert sum(map(np.any, used[::3])) >= 4 and sum(map(np.any, used[1::3])) >= 4


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), fund=st.sampled_from(FUNDS), coupled=st.booleans())
def test_money_coins_and_contracts_are_conserved(seed, fund, coupled):
    book, terms, paths = made(seed, lanes=8, steps=8)
    desk = live(book, terms, fund, paths, Impact(np.array([4e6, 3e6]), 3.0) if coupled else None)
    assert desk.conservation_error().max() < 1e-14
    columns = desk.columns()
    met = sum(columns["all", m] for m in ("fund_draw", "deleveraging_loss", "socialised_loss", "uncovered_loss"))
    assert met == pytest.approx(columns["all", "account_shortfall"], rel=1e-9, abs=1e-4)


@pytest.mark.parametrize("fund", FUNDS[1:])
def test_a_fund_is_exhausted_exactly_where_the_endless_one_needs_more(fund):
    for seed in range(40, 52):
        book, terms, paths = made(seed, lanes=16)
        endless, finite = live(book, terms, np.inf, paths).columns(), live(book, terms, fund, paths).columns()
        need = endless["all", "fund_need"]
        assert ((finite["all", "fund_exhausted"] > 0) == (need > fund)).all()
        for key, column in endless.items():
            assert (finite[key][need <= fund] == column[need <= fund]).all(), key


amounts = st.floats(-1e5, 1e5)
shares = st.floats(0.0, 1.0)


@settings(deadline=None)
@given(vega=amounts, delta=amounts, z=amounts, w=amounts, first=shares, second=shares)
def test_splitting_a_sale_gains_nothing_and_a_round_trip_never_earns(vega, delta, z, w, first, second):
    cost = lambda f, v, d, z, w: maker_cost.py_func(f, 0.02 * abs(v), v, d, z, w, 2e-6, 1e-8)[0]  # noqa: E731
    at_once = cost(first + second, vega, delta, z, w)
    parts = cost(first, vega, delta, z, w) + cost(second, vega, delta, z + first * vega, w + first * delta)
    scale = 1e-12 * (1.0 + 2e-6 * (abs(z) + 2 * abs(vega)) * abs(vega) + 1e-8 * (abs(w) + 2 * abs(delta)) * abs(delta))
    assert parts == pytest.approx(at_once, rel=1e-12, abs=scale)
    back = cost(first, -vega, -delta, z + first * vega, w + first * delta)
    assert cost(first, vega, delta, z, w) + back >= -scale


@settings(deadline=None)
@given(vega=amounts, delta=amounts, z=amounts, w=amounts, limit=st.floats(0.001, 0.1))
def test_the_largest_share_keeps_to_the_limits(vega, delta, z, w, limit):
    paid, notional, slopes = 0.02 * abs(vega), 1e5, (2e-6, 1e-8)
    f = maker_limit.py_func(limit, paid, vega, delta, notional, z, w, 5e4, slopes[0], 6e4, slopes[1])
    rate = lambda f: maker_cost.py_func(f, paid, vega, delta, z, w, *slopes)[1]  # noqa: E731

    def inside(f):
        held = (abs(z + f * vega) <= max(5e4, abs(z)) + 1e-6) and (abs(w + f * delta) <= max(6e4, abs(w)) + 1e-6)
        return held and rate(f) <= limit * notional + 1e-6

    assert 0.0 <= f <= 1.0
    assert f == 0.0 or inside(f)
    # the next part would leave them
    more = f + 1e-3
    adds = (vega * (z + more * vega) > 0 and abs(z + more * vega) > 5e4) or (
        delta * (w + more * delta) > 0 and abs(w + more * delta) > 6e4
    )
    assert f == 1.0 or adds or rate(more) > limit * notional


def test_the_quote_is_black_scholes_at_the_moved_volatility_to_first_order():
    """Against the vault, which reprices: what a short account pays for a coin at 2 to 6 points above the mark."""
    strikes = np.array([0.9, 1.0, 1.1])
    sign = np.array([-1.0, 1.0, 1.0])
    tau, sigma = 20.0 / 365.0, 0.6
    for spread in (0.02, 0.06):
        vault = OptionVault(spread=spread, impact=1e-9, limit=1e9)
        asked = vault.premium(sigma, np.zeros(3), strikes, sign, tau, np.ones(3))
        mark = black76(1.0, strikes, tau, sigma, sign)
        vega = black_scholes(1.0, strikes, tau, sigma, sign).vega
        ours = [maker_cost.py_func(1.0, spread * v, -v, 0.0, 0.0, 0.0, 0.0, 0.0)[0] for v in vega]
        # volga adds to the price of what is away from the money: first order charges less, by so little
        assert asked - mark == pytest.approx(ours, rel=0.5 * spread)
        assert ((asked - mark)[[0, 2]] > np.array(ours)[[0, 2]]).all()


def test_inventory_is_sold_on_with_its_half_life_and_a_maker_without_business_earns_nothing():
    book, terms, paths = made(1)
    desk = live(book, terms, np.inf, paths)
    before = desk.life.inventory.copy()
    assert np.abs(before).max() > 0.0
    desk._maker.carry(desk.life, desk.now)
    # three hours of half-life, steps of half an hour
    assert desk.life.inventory == pytest.approx(before * 0.5 ** (0.5 / 3.0), rel=1e-12)
    rich = replace(book, cash=book.cash + np.array([1e12, 0.0, 0.0]))
    columns = live(rich, terms, np.inf, paths).columns()
    for measure in ("maker_profit", "maker_charge", "maker_notional"):
        assert not columns["all", measure].any()


def test_terms_that_cannot_be_are_refused():
    book, terms, paths = made(1)
    maker = replace(terms.execution.maker, vega_limit_usd={"BTC": 1e4})
    lacking = replace(terms, execution=replace(terms.execution, maker=maker))
    assert any(
        "vega_limit_usd of the maker must be given for ETH" in s for s in book_faults(book, lacking, SURFACE, paths)
    )
    nobody = replace(terms, execution=replace(terms.execution, maker=None, options=None))
    assert any("a maker, or a book and a book of options" in s for s in book_faults(book, nobody, SURFACE, paths))
    with pytest.raises(ValueError, match="no maker where accounts are auctioned"):
        replace(terms, auction=DutchAuction(Bidders(1e6)))
    with pytest.raises(ValueError, match="vega_limit_usd of BTC"):
        OptionMaker({"BTC": 0.0}, {"BTC": 1.0})
