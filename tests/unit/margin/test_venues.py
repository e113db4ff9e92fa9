"""Closed-form venue rules by hand; the published worked examples are in tests/golden."""

import numpy as np
import pytest

from riskengine.liquidation import adl, drift, dutch_auction, dydx
from riskengine.margin import procyclicality as apc
from riskengine.margin.venues import bybit_options, deribit_standard, okx_portfolio, opyn_gamma, span
from riskengine.margin.venues import drift as drift_weights
from riskengine.margin.venues import dydx as dydx_margin


def test_deribit_options():
    assert deribit_standard.option_margin(50_000, 55_000, 0.02, "call", -2) == pytest.approx((0.24, 0.19))
    assert deribit_standard.option_margin(50_000, 50_000, 0.05, "call", -1) == pytest.approx((0.2, 0.125))
    assert deribit_standard.option_margin(50_000, 45_000, 0.01, "put", -1) == pytest.approx((0.11, 0.085))
    # a put worth several coins: maintenance follows the mark and lifts the initial margin
    initial, maintenance = deribit_standard.option_margin(10_000, 60_000, 5.0, "put", -1)
    assert (initial, maintenance) == pytest.approx((5.375, 5.375))
    assert deribit_standard.option_margin(50_000, 55_000, 0.02, "call", 3) == (0.0, 0.0)


def test_long_options_need_no_margin_and_bounds_must_cover():
    assert bybit_options.short_option_margin(1, 1, 1, 1, "call", 1, 0.1, 0.1, 0.1, 0.0) == (0.0, 0.0)
    assert opyn_gamma.naked_margin("call", 100, 150, 2, 7, {"7": 0.2}, 0.75) == pytest.approx(2 * (0.2 * 0.5 + 0.5))
    with pytest.raises(ValueError, match="cover 20 days"):
        opyn_gamma.naked_margin("put", 100, 150, 1, 20, {"7": 0.2}, 0.75)


def test_okx_assembly():
    risks = {"MR1": 10, "MR2": 30, "MR3": 1, "MR4": 2.5, "MR5": 3, "MR6": 20, "MR7": 50.0, "MR8": 4, "MR9": 5}
    assert okx_portfolio.requirement(risks) == pytest.approx((1.3 * 59, 59))
    assert okx_portfolio.requirement(risks | {"MR7": 0.0})[1] == pytest.approx(36.5 + 9)
    assert okx_portfolio.stablecoin_charge(12.0, [[10.0, 0.1]]) == pytest.approx(1.2)


def test_span_total():
    t = span.total(1000, 100, 50, 200, 30, 50, 400)
    assert (t.risk_before_floor, t.short_option_minimum, t.risk_requirement, t.total_margin) == (950, 1500, 1500, 1100)


def test_drift_weights_and_shortage():
    assert drift_weights.size_weight("asset", 0.9, 100.0, 0.1) == pytest.approx(0.55)
    assert drift_weights.size_weight("liability", 1.1, 100.0, 0.1) == pytest.approx(1.88)
    assert drift_weights.size_weight("asset", 0.9, 1e9, 0.0) == 0.9
    assert drift_weights.deposit_weight(0.9, 1e9, 0.0) == 0.9
    with pytest.raises(ValueError, match="fees"):
        drift.base_to_cover_shortage(10, 0.05, 0.05, 1.0, 0.0, 100.0)


def test_dydx_bankruptcy_price_leaves_nothing_of_a_single_position():
    # long 0.1 at 50,000 bought with 4,501: at the bankruptcy price the account ends with nothing
    quote = dydx.bankruptcy_quote({"size": 0.1, "oracle_price": 50_000, "mm_fraction": 0.1}, [], -4_501)
    assert quote == pytest.approx(4_501)
    short = dydx.bankruptcy_quote({"size": -0.1, "oracle_price": 50_000, "mm_fraction": 0.1}, [], 5_499)
    assert short == pytest.approx(-5_499)
    # with a second position equity is shared by requirement
    both = dydx.bankruptcy_quote(
        {"size": 0.1, "oracle_price": 50_000, "mm_fraction": 0.1},
        [{"size": 1.0, "oracle_price": 3_000, "mm_fraction": 0.1}],
        -7_000,
    )
    assert both == pytest.approx(5_000 - 1_000 * 500 / 800)
    assert dydx.insurance_fund_delta(4_900.0, 4_501.0, 0.005) == pytest.approx(24.5)
    assert dydx.insurance_fund_delta(4_400.0, 4_501.0, 0.005) == pytest.approx(-101.0)
    assert dydx_margin.open_interest_margin(500_000, 0.2, 1.5e12, 0, 0) == 100_000


def test_adl_order():
    score, order = adl.priority([0.5, -0.2, 0.1], [2, 4, 20])
    assert score == pytest.approx([1.0, -0.05, 2.0])
    assert order == [2, 0, 1]


def test_auction_discount_legs():
    legs = [dutch_auction.discount(t, 0.98, 0.8, 100, 14_400) for t in (0, 50, 100, 7_300, 14_500, 99_999)]
    assert legs == pytest.approx([0.98, 0.89, 0.8, 0.4, 0.0, 0.0])
    assert dutch_auction.insolvent_bid(10.0, -50.0, 300, 600) == pytest.approx(-25.0)


def test_procyclicality_measures():
    margin = [4.0, 2.0, 3.0, 6.0, 5.0]
    assert apc.peak_to_trough(margin) == 3.0
    assert apc.largest_ratio(margin, 1) == 2.0
    assert apc.largest_ratio(margin, 2) == 3.0
    assert np.isnan(apc.largest_ratio(margin, 5))
    assert apc.speed_limit(margin, 1, 1.2).tolist() == pytest.approx([4.0, 2.0, 2.4, 2.88, 3.456])
