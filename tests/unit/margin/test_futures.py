"""Dated futures through valuation, costs and every margin model, held against what must equal them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.book.portfolio import Portfolio
from riskengine.config.models import margin_model, stands_alone
from riskengine.instrument.terms import EuropeanOption, Future, Perpetual
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import CostRates, account_values, close_costs, snapshot
from riskengine.registry import kinds

ASSETS = ("BTC", "ETH")
FLAT = FactorSurface.flat((0.6, 0.8))
CURVES = (Curve((720.0, 2160.0), (0.08, 0.1)), Curve((720.0,), (-0.05,)))
CARRIED = replace(FLAT, carry=CURVES)
SPOT = np.array([[100.0, 80.0, 130.0], [10.0, 12.0, 9.0]])
MONTH = 720.0 / 8760.0


def book(*held, entry=None, coins=(0.0, 0.0)):
    """One account of (instrument, quantity)."""
    terms, quantity = zip(*held, strict=True) if held else ((), ())
    entered = [0.0 if isinstance(x, EuropeanOption) else (entry or 100.0) for x in terms]
    cash = np.array([[0.0, *coins]])
    return Portfolio(ASSETS, tuple(terms), np.array([quantity]), np.array([entered]), cash, ("a",), ("x",))


def value(held, surface=CARRIED, hours=0.0, spot=SPOT, **market):
    return account_values(held, snapshot(held, surface, spot, None, hours, **market))[0]


def test_value_by_hand():
    """Two months of BTC carry: R tau = 0.08 / 12 + (0.1 * 3 - 0.08) / 24 at the middle of the second segment."""
    years = 1440.0 / 8760.0
    grown = 0.08 * MONTH + (0.1 * 3 * MONTH - 0.08 * MONTH) / 2.0
    forward = SPOT[0] * np.exp(grown)
    linear = value(book((Future("BTC", 1440.0), -2.0), entry=101.0))
    assert linear == pytest.approx(-2.0 * (forward - 101.0), rel=1e-12)
    assert CURVES[0].rate_to(years) * years == pytest.approx(grown, rel=1e-12)
    # 2 coins at 101: 202 USD of contracts, 202 (1/101 - 1/F) coins
    inverse = value(book((Future("BTC", 1440.0, "inverse"), 2.0), entry=101.0))
    assert inverse == pytest.approx(202.0 * (1.0 / 101.0 - 1.0 / forward) * SPOT[0], rel=1e-11, abs=1e-11)


@settings(deadline=None, max_examples=30)
@given(hours=st.floats(1.0, 4000.0), entry=st.floats(20.0, 400.0), inverse=st.booleans())
def test_a_future_meets_the_spot_at_expiry(hours, entry, inverse):
    held = book((Future("BTC", hours, "inverse" if inverse else "linear"), 1.5), entry=entry)
    assert value(held, hours=hours) == pytest.approx(1.5 * (SPOT[0] - entry), rel=1e-12, abs=1e-10)


def test_put_call_parity_holds_against_the_future():
    """A call less a put at the entry price of a future is worth the future, discounted."""
    options = book(
        (EuropeanOption("BTC", 104.0, 720.0, "call"), 1.0), (EuropeanOption("BTC", 104.0, 720.0, "put"), -1.0)
    )
    future = value(book((Future("BTC", 720.0), 1.0), entry=104.0))
    assert value(options) == pytest.approx(np.exp(-0.08 * MONTH) * future, rel=1e-12)


def test_the_basis_of_the_world_moves_dated_forwards_that_say_so():
    basis = np.array([[0.01, -0.02, 0.0], [0.0, 0.0, 0.0]])
    held = book((Future("BTC", 720.0), 1.0))
    assert np.array_equal(value(held, basis=basis), value(held))
    assert np.array_equal(value(held, FLAT, basis=basis), SPOT[0] - 100.0)
    loaded = replace(CARRIED, carry=(replace(CURVES[0], basis_hours=720.0), CURVES[1]))
    share = 1.0 - np.exp(-1.0)
    wanted = SPOT[0] * np.exp(0.08 * MONTH + share * basis[0]) - 100.0
    assert value(held, loaded, basis=basis) == pytest.approx(wanted, rel=1e-12)
    assert value(held, loaded, hours=720.0, basis=basis) == pytest.approx(SPOT[0] - 100.0, rel=1e-12)


def test_costs_are_those_of_a_perpetual_at_the_forward():
    held = book((Future("ETH", 720.0), -3.0), entry=10.0)
    market = snapshot(held, CARRIED, SPOT, None, 0.0)
    cost = close_costs(held, market, CostRates(perpetual=0.002))
    assert cost[0] == pytest.approx(0.002 * 3.0 * SPOT[1] * np.exp(-0.05 * MONTH))
    depth = np.full_like(SPOT, 0.5)
    assert close_costs(held, market, CostRates(perpetual=0.002), depth)[0] == pytest.approx(2.0 * cost[0])


def _paths():
    rng = np.random.default_rng(5)
    window = 60
    size = (window + 2, 2, SPOT.shape[1])
    spot = SPOT * np.exp(np.cumsum(rng.normal(0, 0.03, size), axis=0))
    variance = 0.4 * np.exp(0.3 * rng.normal(0, 1.0, size))
    cut = [np.ascontiguousarray(x) for x in (spot[window:], variance[window:], spot[: window + 1],
                                             variance[: window + 1])]  # fmt: skip
    return MarketPaths(TimeGrid(86_400, 1, 86_400, window), ASSETS, 0, *cut)


PATHS = _paths()
MODELS = [kind for kind in kinds("margin") if stands_alone(kind)]
TAKES = [kind for kind in MODELS if kind != "derive_pmrm_v2"]


def need(kind, held, surface=FLAT):
    model = margin_model(kind, levels=None, margin_period_hours=24.0, world="btc_eth")
    variance = PATHS.variance_lanes[0]
    market = snapshot(held, surface, PATHS.spot_lanes[0], variance, 0.0)
    found = model.requirement(model.step(model.init(held, surface), PATHS, 0), market)
    return np.stack([x for r in found for x in (r.initial, r.maintenance)])


@pytest.mark.parametrize("kind", TAKES)
def test_without_carry_a_future_needs_what_a_perpetual_needs(kind):
    perpetual = need(kind, book((Perpetual("BTC"), 2.0), (Perpetual("ETH"), -30.0)))
    future = need(kind, book((Future("BTC", 900.0), 2.0), (Future("ETH", 900.0), -30.0)))
    assert (perpetual > 0.0).all()
    np.testing.assert_allclose(future, perpetual, rtol=1e-12)


@pytest.mark.parametrize("kind", [k for k in TAKES if not k.startswith("deribit")])
def test_an_inverse_future_moves_as_coins_do(kind):
    """Its profit is coins at spot: with forwards moving as the spot does it has the delta of its coins, whatever F."""
    future = need(kind, book((Future("BTC", 900.0, "inverse"), 2.0)), CARRIED)
    coins = need(kind, book((Perpetual("BTC"), 0.0), coins=(2.0, 0.0)), CARRIED)
    np.testing.assert_allclose(future, coins, rtol=1e-12)
    linear = need(kind, book((Future("BTC", 720.0), 2.0)), CARRIED)
    np.testing.assert_allclose(linear, coins * np.exp(0.08 * MONTH), rtol=1e-12)


@pytest.mark.parametrize("kind", [k for k in TAKES if not k.startswith("deribit") and k != "greeks_grid"])
def test_a_conversion_needs_nothing(kind):
    """Long call, short put and short future of one strike and expiry: worth a constant at a rate of zero."""
    legs = (EuropeanOption("BTC", 104.0, 720.0, "call"), 1.0), (EuropeanOption("BTC", 104.0, 720.0, "put"), -1.0)
    alone, whole = need(kind, book(*legs)), need(kind, book(*legs, (Future("BTC", 720.0), -1.0)))
    assert (whole < 1e-6 * alone).all()


def test_deribit_nets_a_future_with_options_of_its_expiry_in_the_roll_shock():
    model = margin_model("deribit_portfolio", levels=None, margin_period_hours=24.0)

    def roll(*held):
        own = book(*held)
        found = model.requirement(model.init(own), snapshot(own, FLAT, SPOT, None, 0.0), explain=True)
        return found[0].components["roll_shock"][0]

    deep = EuropeanOption("BTC", 1.0, 720.0, "call")  # delta 1
    apart = roll((deep, 1.0), (Future("BTC", 900.0), -1.0))
    assert roll((deep, 1.0), (Future("BTC", 720.0), -1.0)) == pytest.approx(np.zeros(3), abs=1e-12)
    assert apart == pytest.approx(roll((deep, 2.0)), rel=1e-9)


def test_deribit_standard_margins_each_expiry_alone():
    one, other = Future("BTC", 720.0), Future("BTC", 900.0)
    kind = "deribit_standard"
    both = need(kind, book((one, 1.0), (other, -1.0)))
    np.testing.assert_allclose(both, need(kind, book((one, 1.0))) + need(kind, book((other, 1.0))), rtol=1e-13)
    # entered at the forward of a lane, an inverse one of a coin is a coin there, and nets
    paired = book((one, 1.0), (Future("BTC", 720.0, "inverse"), -1.0), entry=PATHS.spot_lanes[0, 0, 0])
    assert (need(kind, paired)[:, 0, 0] == 0.0).all() and (need(kind, paired)[:, 0, 1:] > 0.0).all()


def test_a_venue_without_futures_refuses_them_by_name():
    with pytest.raises(ValueError, match=r"must be options and perpetuals, as the venue lists, got BTC-37.5d-FUT-INV"):
        need("derive_pmrm_v2", book((Future("BTC", 900.0, "inverse"), 2.0)))


def test_books_without_futures_do_not_read_the_forwards_of_others():
    """One account's future leaves the figures of its neighbours as they are, to the bit."""
    call = EuropeanOption("BTC", 104.0, 720.0, "call")
    for kind in TAKES:
        alone = need(kind, book((call, -1.0)))
        pair = book((call, -1.0), (Future("BTC", 900.0), 0.0))
        assert np.array_equal(need(kind, pair), alone), kind


def test_terms():
    assert Future("BTC", 720.0).name == "BTC-30d-FUT" and Future("BTC", 12.0, "inverse").name == "BTC-0.5d-FUT-INV"
    with pytest.raises(ValueError, match="expiry_hours must lie in"):
        Future("BTC", 0.0)
    with pytest.raises(ValueError, match=r"carry must have one curve per asset \(2\) or none, got 1"):
        replace(FLAT, carry=CURVES[:1])
