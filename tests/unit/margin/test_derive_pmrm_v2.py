"""Derive PM2: structure of the requirement beyond the worked portfolios of tests/golden."""

import numpy as np
import pytest

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin.derive_pmrm_v2 import Confidence, DerivePmrmV2, ParameterSet, Scenario, Underlying
from riskengine.margin.derive_pmrm_v2.parameters import VolShock, regular_grid
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import snapshot

SURFACE = FactorSurface.flat((0.6, 0.8))
MODEL = DerivePmrmV2(ParameterSet({"BTC": Underlying(), "ETH": Underlying(price_range=0.2)}))
INSTRUMENTS = (
    EuropeanOption("BTC", 110.0, 720.0, "call"),
    EuropeanOption("ETH", 9.0, 240.0, "put"),
    EuropeanOption("BTC", 110.0, 720.0, "put"),
    Perpetual("BTC"),
    EuropeanOption("ETH", 12.0, 2400.0, "call"),
)


def _book(quantity, cash=None) -> Portfolio:
    q = np.atleast_2d(np.asarray(quantity, dtype=float))
    k = len(q)
    cash = np.zeros((k, 3)) if cash is None else np.atleast_2d(np.asarray(cash, dtype=float))
    names = tuple(map(str, range(k)))
    return Portfolio(("BTC", "ETH"), INSTRUMENTS, q, np.zeros_like(q), cash, names, names)


def _need(book, lanes=5, explain=False, elapsed=0.0, **more):
    rng = np.random.default_rng(2)
    spot = np.array([[100.0], [10.0]]) * np.exp(rng.normal(0, 0.2, (2, lanes)))
    market = snapshot(book, SURFACE, spot, None, elapsed)
    return MODEL.requirement(MODEL.init(book), market, explain=explain, **more)[0], market


def test_scenario_list_is_23_8_2():
    scenarios = Underlying().scenarios
    assert len(scenarios) == 33
    assert [s.direction for s in scenarios].count("Linear") == 1
    regular = regular_grid(0.18)
    assert len(regular) == 23
    assert sorted({round(s.multiplier, 4) for s in regular}) == [
        0.82, 0.865, 0.91, 0.955, 1.0, 1.045, 1.09, 1.135, 1.18,
    ]  # fmt: skip
    assert {s.direction for s in regular if s.multiplier in (1.18, 0.82)} == {"Up"}
    assert MODEL.labels("BTC")[0] == "spot +18 %, vol up"
    assert MODEL.labels("BTC")[-1] == "basis contingency"
    assert "dampened 0.21" in MODEL.labels("BTC")[23]


def test_underlyings_add_and_accounts_do_not_see_each_other():
    q = np.random.default_rng(5).normal(size=(6, 5))
    split = np.concatenate([q * [1, 0, 1, 1, 0], q * [0, 1, 0, 0, 1]])
    whole, _ = _need(_book(q))
    parts, _ = _need(_book(split))
    np.testing.assert_allclose(whole.initial, parts.initial[:6] + parts.initial[6:], rtol=1e-13)
    np.testing.assert_allclose(whole.maintenance, parts.maintenance[:6] + parts.maintenance[6:], rtol=1e-13)
    shuffled, _ = _need(_book(q[::-1]))
    assert np.array_equal(shuffled.initial[::-1], whole.initial)


def test_lanes_do_not_see_each_other_across_chunks():
    book = _book(np.random.default_rng(6).normal(size=(3, 5)), [[1, 0.5, 0], [0, 0, 1], [0, 0, 0]])
    many, market = _need(book, lanes=300)
    for p in (0, 127, 128, 299):
        alone = snapshot(book, SURFACE, market.spot[:, p : p + 1], None, 0.0)
        one = MODEL.requirement(MODEL.init(book), alone)[0]
        assert np.array_equal(one.initial[:, 0], many.initial[:, p])


def test_perpetual_by_hand():
    need, market = _need(_book([0, 0, 0, -2.0, 0]))
    spot = market.spot[0]
    np.testing.assert_allclose(need.initial[0], 2.0 * spot * (0.18 + 0.015 + 0.005), rtol=1e-12)
    np.testing.assert_allclose(need.maintenance[0], 2.0 * spot * (0.8 * 0.18 + 0.015), rtol=1e-12)


def test_coins_are_risk_cancelling_and_bear_haircuts():
    # a coin against a short perpetual leaves the charges only
    need, market = _need(_book([0, 0, 0, -1.0, 0], [0.0, 1.0, 0.0]))
    spot = market.spot[0]
    np.testing.assert_allclose(need.initial[0], spot * (0.015 + 0.005 + 0.04 + 0.015), rtol=1e-10)


def test_calls_and_puts_of_one_strike_offset_in_naked_shorts():
    one, market = _need(_book([-1.0, 0, 1.0, 1.0, 0]), explain=True)
    two, _ = _need(_book([-1.0, 0, -2.0, 0, 0]), explain=True)
    spot = market.spot[0]
    np.testing.assert_allclose(one.components["maintenance_contingency"][0], 0.015 * spot, rtol=1e-12)
    np.testing.assert_allclose(two.components["maintenance_contingency"][0], 3 * 0.003 * spot, rtol=1e-12)


def test_explanation_adds_up():
    book = _book(np.random.default_rng(7).normal(size=(4, 5)))
    need, _ = _need(book, explain=True)
    c = need.components
    parts = c["scenario_loss"] + c["maintenance_contingency"] + c["initial_contingency"] + c["oracle_contingency"]
    np.testing.assert_allclose(need.initial, parts, rtol=1e-12)
    worst = [np.minimum(c[f"scenario_pnl:{a}"].min(axis=0), 0.0) for a in ("BTC", "ETH")]
    assert (c["scenario_loss"] >= -(worst[0] + worst[1]) - 1e-12).all()
    assert need.binding_scenario.min() >= 0 and need.binding_scenario.max() <= 33
    plain, _ = _need(book)
    assert np.array_equal(plain.initial, need.initial) and not plain.components


def test_binding_scenario_names_the_worst():
    need, _ = _need(_book([0, 0, 0, 3.0, 0]))
    assert {MODEL.labels("BTC")[i] for i in need.binding_scenario.ravel()} == {"spot -18 %, vol up"}


def test_peg_and_doubt_raise_the_initial_margin_only():
    book = _book([-1.0, 0, 0, 1.0, 0], [0.0, 0.5, 0.0])
    base, market = _need(book, explain=True)
    peg, _ = _need(book, stable_price=0.93)
    loss = base.components["scenario_loss"]
    np.testing.assert_allclose(peg.initial, base.initial + 0.05 * 2.0 * loss, rtol=1e-12)
    assert np.array_equal(peg.maintenance, base.maintenance)
    ones = np.ones(2)
    doubt = Confidence(ones, np.array([0.3, 1.0]), np.array([0.5, 1.0]), np.array([0.2, 1.0, 1.0]))
    found, _ = _need(book, confidence=doubt)
    extra = (0.7 * 1.0 + 0.5 * 0.5 + 0.8 * 1.0) * market.spot[0]
    np.testing.assert_allclose(found.initial[0] - base.initial[0], extra, rtol=1e-10)


def test_inside_the_last_half_hour_part_of_the_forward_is_fixed():
    book = _book([0, 50.0, 0, 0, 0])
    far, _ = _need(book, elapsed=239.0)
    near, _ = _need(book, elapsed=240.0 - 1e-3)
    # seconds before expiry the settlement average hardly moves, and neither does the value
    assert (near.components == {}) and (near.initial[0] <= far.initial[0] + 1e-9).all()


def test_put_call_forward_parity_fails_by_design():
    """The static discount counts part of a gain and all of a loss, so a riskless conversion is charged."""
    need, _ = _need(_book([-1.0, 0, 1.0, 1.0, 0]), explain=True)
    assert (need.components["scenario_loss"][0] > 1.0).all()


def test_refusals():
    with pytest.raises(ValueError, match="cover .*got none for"):
        DerivePmrmV2(ParameterSet({"BTC": Underlying()})).init(_book([0, 0, 0, 1.0, 0]))
    with pytest.raises(ValueError, match="direction"):
        Scenario(1.0, "Sideways")
    with pytest.raises(ValueError, match="multiplier"):
        Scenario(0.0, "Up")
    with pytest.raises(ValueError, match="down"):
        VolShock(down=1.5)
    with pytest.raises(ValueError, match="price_range"):
        Underlying(price_range=1.2)
    with pytest.raises(ValueError, match="at least one asset"):
        ParameterSet({})
