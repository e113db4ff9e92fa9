"""Liquidity add-on: charges worked by hand, how they grow with size, depth, netting inside a bucket, sensitivities."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.liquidity_addon import LiquidityAddon, LiquidityParameters
from riskengine.margin.sensitivities import sensitivities
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black76
from riskengine.pricing.valuation import snapshot

FLAT = FactorSurface(
    (3.0, 4.0), (0.16, 0.25), (0.0, 0.0), (0.16, 0.25), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0),
    (0.3, 0.2), (4.0, 3.0),
)  # fmt: skip
OWN = LiquidityParameters(
    {"BTC": 1e6, "ETH": 5e5},
    {"BTC": 0.03, "ETH": 0.04},
    0.001,
    ((0.05, 0.02), (0.03, 0.01)),
    (30.0,),
    (0.25,),
    0.9,
    0.2,
)
PERPETUALS = (Perpetual("BTC"), Perpetual("ETH"))
OPTIONS = (
    EuropeanOption("BTC", 100.0, 240.0, "call"),
    EuropeanOption("BTC", 100.0, 240.0, "put"),
    EuropeanOption("BTC", 112.0, 240.0, "call"),
    EuropeanOption("ETH", 10.0, 2400.0, "put"),
)


def _book(instruments, *rows, coins=None):
    quantity = np.array(rows, dtype=float)
    k = len(rows)
    cash = np.zeros((k, 3))
    if coins is not None:
        cash[:, 1:] = coins
    names = tuple(map(str, range(k)))
    return Portfolio(("BTC", "ETH"), instruments, quantity, np.zeros_like(quantity), cash, names, names)


def _ask(model, book, depth=None):
    spot = np.array([[100.0, 100.0], [10.0, 10.0]])
    lanes = np.stack([spot, spot])
    level = None if depth is None else np.broadcast_to(np.array(depth)[:, None], lanes.shape).copy()
    paths = MarketPaths(TimeGrid(86_400, 1), ("BTC", "ETH"), 0, lanes, depth_lanes=level)
    now = snapshot(book, FLAT, spot, np.full_like(spot, 0.1), 0.0)
    (found,) = model.requirement(model.step(model.init(book, FLAT), paths, 0), now)
    return found, now


def test_charges_of_a_perpetual_by_hand():
    book = _book(PERPETUALS, (1_000.0, 0.0), (8_000.0, -30_000.0), (0.0, 0.0))
    (plain, _), (found, _) = _ask(GreeksGrid(), book), _ask(LiquidityAddon(GreeksGrid(), OWN), book)
    # 100,000 USD of BTC: half a day at a fifth of a million a day, so no concentration
    part = {name: x[0, 0] for name, x in found.components.items()}
    assert part["spread"] == pytest.approx(100.0) and part["concentration"] == 0.0
    assert part["impact"] == pytest.approx(2 / 3 * 0.9 * 0.03 * 1e5 * np.sqrt(0.1))
    # 800,000 of BTC take four days, 300,000 of ETH three: twice the requirement
    part = {name: x[1, 0] for name, x in found.components.items()}
    assert part["spread"] == pytest.approx(1_100.0)
    assert part["impact"] == pytest.approx(0.6 * (0.03 * 8e5 * np.sqrt(0.8) + 0.04 * 3e5 * np.sqrt(0.6)))
    assert part["concentration"] == pytest.approx(plain.initial[1, 0])
    for whole, alone in ((found.initial, plain.initial), (found.maintenance, plain.maintenance)):
        assert whole[1, 0] == pytest.approx(2.0 * alone[1, 0] + part["spread"] + part["impact"])
    assert (found.initial[2] == 0.0).all()


def test_a_thin_market_costs_more():
    book = _book(PERPETUALS, (8_000.0, 0.0))
    usual, thin = (_ask(LiquidityAddon(GreeksGrid(), OWN), book, depth)[0] for depth in ((1.0, 1.0), (0.25, 1.0)))
    plain = _ask(GreeksGrid(), book)[0].initial
    assert thin.components["spread"][0, 0] == pytest.approx(4.0 * usual.components["spread"][0, 0])
    assert thin.components["impact"][0, 0] == pytest.approx(2.0 * usual.components["impact"][0, 0])
    assert thin.components["concentration"][0, 0] == pytest.approx(3.0 * plain[0, 0])
    none = _ask(LiquidityAddon(GreeksGrid(), OWN), book)[0]
    np.testing.assert_array_equal(none.initial, usual.initial)


def test_vega_is_netted_inside_a_bucket_only():
    """Call and put of one strike have one vega: long one and short the other pay for delta alone."""
    book = _book(OPTIONS, (1.0, -1.0, 0, 0), (1.0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, -3.0))
    found, now = _ask(LiquidityAddon(GreeksGrid(), replace(OWN, impact=0.0)), book)
    unit = sensitivities(book, now)
    vega = unit.vega[:, 0] / now.volatility[:, 0]
    delta = np.abs(book.quantity @ unit.delta)[:, 0]
    # 10 days: first row; at the money: second column; 112 is far out: first column; 100 days: second row
    expected = 0.001 * delta + np.array([0.0, 0.02 * 2 * vega[0], 0.05 * vega[2], 0.01 * 3 * vega[3]])
    np.testing.assert_allclose(found.components["spread"][:, 0], expected, rtol=1e-12)
    assert delta[0] == pytest.approx(100.0)


def test_sensitivities_are_differences_of_the_price():
    book = _book(OPTIONS, (0, 0, 0, 0))
    now = _ask(GreeksGrid(), book)[1]
    unit, e = sensitivities(book, now), book.option_expiry
    f, k, t, sign = now.forward[e], book.strikes[:, None], now.tau[e][:, None], book.call_sign[:, None]

    def price(up, vol):
        return black76(f * up, k, t, now.volatility * vol, sign)

    h = 1e-4
    np.testing.assert_allclose(unit.delta, (price(1 + h, 1) - price(1 - h, 1)) / (2 * h), rtol=1e-5)
    np.testing.assert_allclose(unit.vega, (price(1, 1 + h) - price(1, 1 - h)) / (2 * h), rtol=1e-5)
    second = (price(1 + h, 1) - 2 * price(1, 1) + price(1 - h, 1)) / h**2
    np.testing.assert_allclose(unit.curvature, second, rtol=1e-4, atol=1e-5)
    d1 = np.log(f / k) / (now.volatility * np.sqrt(t)) + 0.5 * now.volatility * np.sqrt(t)
    np.testing.assert_allclose(unit.moneyness, norm.cdf(d1), rtol=1e-12)


def test_an_expired_option_has_delta_only():
    book = _book((EuropeanOption("BTC", 100.0, 1.0, "call"),), (1.0,))
    spot = np.array([[99.0, 100.0, 101.0], [10.0] * 3])
    now = MarketSnapshot(
        spot, spot[:1], np.zeros(1), np.zeros(1), np.zeros(1, dtype=np.int64), np.full((1, 3), 0.5), spot
    )
    unit = sensitivities(book, now)
    np.testing.assert_allclose(unit.delta, [[0.0, 50.0, 101.0]], atol=1e-9)
    assert (unit.vega == 0.0).all() and (unit.curvature == 0.0).all()


def test_every_fault_of_the_parameters_is_said_at_once():
    with pytest.raises(ValueError) as caught:
        LiquidityParameters({"BTC": -1.0}, {"ETH": 0.1}, 2.0, ((0.1,),), (30.0, 7.0), (0.6,), -1.0, 0.0)
    names = "daily_volume", "daily_volatility", "tenor_days", "delta_edges", "vega_half_spread", "delta_half_spread"
    assert all(f"{name} must" in str(caught.value) for name in (*names, "impact", "volume_share"))
    with pytest.raises(ValueError, match="daily_volume must name every asset of the book, got none of ETH"):
        few = replace(OWN, daily_volume={"BTC": 1.0}, daily_volatility={"BTC": 0.03})
        LiquidityAddon(GreeksGrid(), few).init(_book(PERPETUALS, (1.0, 0.0)), FLAT)
