"""Mechanisms that come without a published case here: exactly the input keys of their format, figures by hand."""

import numpy as np
import pytest

from riskengine.verify.cases import Case, run_case
from riskengine.verify.margin import ADAPTERS

WORKED = {
    "deribit_standard_margin_options": (
        {
            "rows": [
                {"index": 50_000, "strike": 55_000, "mark_coin": 0.02, "type": "call", "quantity": -2},
                {"index": 50_000, "strike": 50_000, "mark_coin": 0.04, "type": "put", "quantity": -1},
            ]
        },
        {"initial_margin_coin": [0.24, 0.19], "maintenance_margin_coin": [0.19, 0.115]},
    ),
    "span_total": (
        {
            "scan_risk": 1_000, "intra_commodity_spread_charge": 100, "delivery_month_charge": 50,
            "inter_commodity_credit": 200, "short_option_minimum_per_contract": 30, "short_option_contracts": 50,
            "net_option_value": 400,
        },
        {"risk_before_floor": 950, "short_option_minimum": 1_500, "risk_requirement": 1_500, "total_margin": 1_100},
    ),
    "okx_pm_assembly": (
        {
            "cases": [
                {"MR1": 10, "MR2": 30, "MR3": 1, "MR4": 2.5, "MR5": 3, "MR6": 20, "MR7": 50.0, "MR8": 4, "MR9": 5},
                {"MR1": 100, "MR2": 0, "MR3": 0, "MR4": 0.5, "MR5": 0, "MR6": 120, "MR7": 50.0, "MR8": 0, "MR9": 0},
            ],
            "imr_multiplier": 1.3,
        },
        {"mmr": [59.0, 120.5], "imr": [76.7, 156.65]},
    ),
    "dydx_bankruptcy_price": (
        {
            "rows": [
                {
                    "close": {"size": 0.1, "oracle_price": 50_000, "mm_fraction": 0.1},
                    "other_positions": [{"size": 1.0, "oracle_price": 3_000, "mm_fraction": 0.1}],
                    "quote_balance": -7_000,
                }
            ]
        },
        # value 5,000 + 3,000 - 7,000 = 1,000, of which 500 of 800 is this position's
        {"bankruptcy_price_quote": [4_375]},
    ),
    "dydx_insurance_fund_delta": (
        {
            "rows": [
                {"fill_quote": 4_900.0, "bankruptcy_quote": 4_501.0, "max_liquidation_fee": 0.005},
                {"fill_quote": 4_400.0, "bankruptcy_quote": 4_501.0, "max_liquidation_fee": 0.005},
            ]
        },
        {"insurance_fund_delta": [24.5, -101.0]},
    ),
    "drift_imf_size_premium": (
        {
            "rows": [
                {"side": "asset", "weight": 0.9, "size": 100, "imf_factor": 0.1},
                {"side": "liability", "weight": 1.1, "size": 100, "imf_factor": 0.1},
            ]
        },
        {"weight": [0.55, 1.88]},
    ),
    "procyclicality_metrics": (
        {"margin": [4.0, 2.0, 3.0, 6.0, 5.0], "horizons": [1, 2]},
        {"peak_to_trough": 3.0, "max_n_day_ratio": [2.0, 3.0]},
    ),
    "christoffersen": (
        {"n": 10, "exception_indices": [2, 3, 7], "p": 0.1},
        {"n00": 4, "n01": 2, "n10": 2, "n11": 1},
    ),
    "adl_priority": (
        {
            "accounts": [
                {"id": "a", "pnl_pct": 0.5, "effective_leverage": 2},
                {"id": "b", "pnl_pct": -0.2, "effective_leverage": 4},
                {"id": "c", "pnl_pct": 0.1, "effective_leverage": 20},
            ]
        },
        {"score": [1.0, -0.05, 2.0], "order_first_to_deleverage": ["c", "a", "b"]},
    ),
}  # fmt: skip


def _run(mechanism, inputs, expected):
    return run_case(Case("by hand", mechanism, inputs, expected, 1e-9, 1e-9, "by hand"), ADAPTERS)


@pytest.mark.parametrize("mechanism", WORKED)
def test_format_is_read_and_figures_match(mechanism):
    result = _run(mechanism, *WORKED[mechanism])
    assert result.verdict == "PASS", str(result)


def test_formats_are_those_of_the_reference(shared):
    import json

    formats = json.loads((shared / "golden" / "margin.json").read_text())["formats_of_further_mechanisms"]
    assert set(formats) == set(WORKED)

    def keys(x):
        if isinstance(x, dict):
            return {k: keys(v) for k, v in x.items()}
        return [keys(x[0])] if isinstance(x, list) and x else None

    for mechanism, layout in formats.items():
        inputs, expected = WORKED[mechanism]
        assert keys(inputs) == keys(layout["inputs"]), mechanism
        assert set(expected) <= set(layout["expected"]), mechanism
        got = ADAPTERS[mechanism](inputs)
        assert set(layout["expected"]) <= set(got), mechanism


PORTFOLIO = {
    "spot": 100.0, "rate": 0.0, "dividend_yield": 0.0, "years_to_expiry": 0.5, "option_style": "european",
    "multiplier": 100, "valuation_points": [-0.1, 0.1], "minimum_per_contract": 37.5,
    "portfolios": {"conversion": {"shares": 100, "legs": [
        {"type": "call", "strike": 100, "contracts": -1, "price": 6.0},
        {"type": "put", "strike": 100, "contracts": 1, "price": 6.0},
    ]}},
}  # fmt: skip


@pytest.mark.parametrize("style", ["european", "american"])
def test_option_styles_of_class_groups(style):
    result = _run("occ_tims_portfolio_margin", PORTFOLIO | {"option_style": style}, {"requirement": {"conversion": 75}})
    assert result.verdict == "PASS", str(result)


def test_what_an_adapter_does_not_know_fails_with_its_reason():
    bermudan = _run("occ_tims_portfolio_margin", PORTFOLIO | {"option_style": "bermudan"}, {"requirement": 1})
    assert bermudan.verdict == "FAIL" and "american or european" in str(bermudan)
    inputs = {"index_price": 1.0, "positions_delta_coin": [{"instrument": "X-Y", "size_coin": 1.0, "type": "swap"}]}
    swap = _run("deribit_portfolio_margin", inputs, {"worst_case": 0})
    assert swap.verdict == "FAIL" and "got 'swap'" in str(swap)


def test_an_expiry_listed_twice_is_one_expiry():
    def case(*expiries):
        option = {"max_spot_req": 0.15, "min_spot_req": 0.1, "mm_call_spot_req": 0.075, "mm_put_spot_req": 0.075,
                  "mm_put_mtm_req": 0.075, "unpaired_im_scale": 1.2, "unpaired_mm_scale": 1.1,
                  "put_mm_offset_scale": 1.05}  # fmt: skip
        return {
            "cash": 0.0, "stable_price": 1.0,
            "markets": [{
                "spot": 100.0, "base_amount": 0.0, "expiries": list(expiries),
                "perp": {"size": 0.0, "mark_price": 100.0, "unrealised_pnl_and_funding": 0.0},
            }],
            "parameters": {
                "option": option, "perp": {"mm": 0.05, "im": 0.065}, "base_margin_factor": 0.0, "base_im_scale": 1.0,
                "oracle_contingency": {"perp_threshold": 0.4, "option_threshold": 0.4, "base_threshold": 0.4,
                                       "factor": 0.4},
                "depeg": {"threshold": 0.98, "factor": 1.2},
            },
        }  # fmt: skip

    def expiry(*options):
        return {"seconds_to_expiry": 1e6, "forward": 100.0, "confidence": 1.0, "options": list(options)}

    short = {"strike": 90.0, "type": "call", "amount": -1.0, "vol": 0.5}
    long = {"strike": 95.0, "type": "call", "amount": 1.0, "vol": 0.5}
    apart = ADAPTERS["derive_standard_manager"](case(expiry(short), expiry(long)))
    together = ADAPTERS["derive_standard_manager"](case(expiry(short, long)))
    assert apart == together
    assert np.isclose(apart["initial_margin"], -5.0)
