"""Inputs that a contract refuses, or that are none at all: no calculator answers them, and each says which it was."""

import pytest
from test_lending_formats import RAD, RAY, WAD, WORKED

from riskengine.lending.maker import linear_price, stairstep_price, take
from riskengine.liquidity.constant_product import exact_output
from riskengine.pricing.fixed_point import compounded_interest, linear_interest, ray_power
from riskengine.verify.cases import Case, all_adapters, run_case

TAKES = {"top": RAY, "cut": RAY, "step_s": 90, "tab": RAD, "lot": WAD, "chost": 0, "bids": [{"t": 0, "amt": WAD}]}
SWAP = {"reserve_in": 5, "reserve_out": 10, "amount_in": 1, "fee_numerator": 997, "fee_denominator": 1000}
POLICY = {"rate0": 1, "sigma": WAD, "target_debt_fraction": WAD, "price": WAD, "peg_keeper_debt": 0, "total_debt": WAD}
MORE = {
    "deviation/heartbeat oracle": {"prices": [1, 2], "step_s": 60, "deviation": 0.005, "heartbeat_s": 3600},
    "Maker Clipper multiple takes": TAKES,
    "Uniswap v2 swap": SWAP,
    "crvUSD AggMonetaryPolicy2": POLICY,
    "Silo liquidationCall": {
        "collateral": 1, "collateral_value": 10, "debt": 1, "debt_value": 9, "ltv_after_liquidation": WAD // 2,
        "liquidation_fee": 0,
    },
    "Compound v3 Comet absorb": {
        "debt_base_units": 1, "base_price": 1, "base_scale": 1, "collaterals": [
            {"amount": 1, "price": 1, "scale": 1, "liquidate_collateral_factor": 1, "liquidation_factor": 1}
        ],
    },
}  # fmt: skip


def said(mechanism, **changed):
    """What comes of the mechanism's legal inputs with some changed; nothing is expected of it."""
    inputs = MORE.get(mechanism) or WORKED[mechanism][0]
    result = run_case(Case("bad", mechanism, inputs | changed, {}, 0, 0, ""), all_adapters())
    return result.verdict, str(result)


@pytest.mark.parametrize(
    "mechanism, changed, fault",
    [
        ("Maker Clipper multiple takes", {"step_s": -1}, "step_s must be at least 0, got -1"),
        ("Maker Clipper multiple takes", {"step_s": 0}, "step_s must be at least 1, got 0"),
        ("Maker Clipper multiple takes", {"lot": -1}, "lot must be at least 0"),
        ("Maker Clipper multiple takes", {"tab": -RAD}, "tab must be at least 0"),
        ("Maker Clipper multiple takes", {"cut": 2 * RAY}, "cut must be at most"),
        ("Maker Clipper multiple takes", {"bids": [{"t": 0, "amt": 1}] * 6}, "bids must be at most 5, got 6"),
        ("Maker Clipper multiple takes", {"bids": None}, "bids (null)"),
        ("Maker Clipper multiple takes", {"bids": [{"t": 0, "amt": -1}]}, "amt must be at least 0"),
        ("Maker Clipper multiple takes", {"bids": [{"t": 0}]}, "no 'bids[0].amt'"),
        ("Maker Clipper multiple takes", {"lot": None}, "lot must be a whole number, got None"),
        ("Maker Clipper multiple takes", {"lot": "1e999999999"}, "lot must be below 2^256"),
        ("Maker Clipper multiple takes", {"lot": "many"}, "lot must be a whole number, got 'many'"),
        ("Maker Dog bark", {"rate": 0}, "rate must be at least 1"),
        ("Maker Dog bark", {"chop": 0}, "chop must be at least 1"),
        ("Maker OSM poke/hop", {"hop": 0}, "hop must be at least 1"),
        ("Maker OSM poke/hop", {"source_price": None}, "source_price (null)"),
        ("Uniswap v2 swap", {"reserve_in": -1}, "reserve_in must be at least 0"),
        ("Uniswap v2 swap", {"reserve_in": 0}, "reserve_in must be at least 1"),
        ("Uniswap v2 swap", {"fee_denominator": 0}, "fee_denominator must be at least 1"),
        ("Uniswap v2 swap", {"fee_numerator": 1001}, "fee_numerator must be at most 1000, got 1001"),
        ("Uniswap v3 SwapMath.computeSwapStep", {"fee_ppm": 10**6}, "fee_ppm must be at most 999999"),
        ("Uniswap v3 SwapMath.computeSwapStep", {"liquidity": 0}, "liquidity must be at least 1"),
        ("Uniswap v3 SwapMath.computeSwapStep", {"target_price": 0}, "price must be above 0"),
        ("Silo PartialLiquidationLib", {"ltv_after_liquidation": 2 * WAD}, "target_ltv must be at most"),
        ("Silo liquidationCall", {"liquidation_fee": -1}, "liquidation_fee must be at least 0"),
        ("Morpho Blue LIF = min(1.15, 1/(1-0.3(1-LLTV)))", {"lltv_wad": [2 * WAD]}, "lltv must be at most"),
        ("Morpho Blue LIF = min(1.15, 1/(1-0.3(1-LLTV)))", {"lltv_wad": None}, "lltv_wad (null)"),
        ("Morpho Blue _accrueInterest", {"fee": WAD}, "fee must be at most"),
        ("Euler v2 EVK setMaxLiquidationDiscount", {"debt_value": 0}, "debt_value must be at least 1"),
        ("Euler v2 EVK setMaxLiquidationDiscount", {"max_liquidation_discount_bps": 10**4}, "discount_bps must be at"),
        ("Euler v2 EVK setMaxLiquidationDiscount", {"liquidation_ltv_bps": 10_001}, "ltv_bps must be at most 10000"),
        ("Compound v3 Comet absorb", {"base_price": 0}, "base_price must be at least 1"),
        ("Compound v3 Comet quoteCollateral", {"liquidation_factor": 2 * WAD}, "liquidation_factor must be at most"),
        ("Compound v3 Comet getSupplyRate/getBorrowRate", {"seconds_per_year": 0}, "seconds_per_year must be at least"),
        ("crvUSD AggMonetaryPolicy2", {"sigma": 0}, "sigma must be at least 1"),
        ("crvUSD AggMonetaryPolicy2", {"rate0": -1}, "rate0 must be at least 0"),
        (list(WORKED)[4], {"optimal_usage_bps": 0}, "optimal_usage_bps must be at least 100"),
        (list(WORKED)[4], {"reserve_factor_bps": 10_001}, "reserve_factor_bps must be at most 10000"),
        (list(WORKED)[4], {"elapsed_seconds": -1}, "elapsed_seconds must be at least 0"),
        ("Aave v3.7 liquidationCall", {"liquidate_debt_index": 7}, "liquidate_debt_index must be at most 0"),
        ("Aave v3.7 liquidationCall", {"collaterals": None}, "collaterals (null)"),
        ("Aave v3.7 liquidationCall", {"cover": -5}, "cover must be at least 0"),
        ("Liquity v1 liquidation (normal path; 0.5% gas compensation)", {"debt": 0}, "debt must be at least 1"),
        ("Liquity v1 liquidation (normal path; 0.5% gas compensation)", {"gas_comp_divisor": 0}, "divisor must be at"),
        ("binomial order-statistic interval", {"n": 0}, "hold at least one value, got 0"),
        ("GBM first-passage", {"health_factor_0": -1}, "health must lie in [0, inf], got -1"),
        ("Risk DAO SmartLTV", {"liquidity": -1}, "liquidity must lie in (0, inf], got -1"),
        ("deviation/heartbeat oracle", {"step_s": 0}, "step_s and heartbeat_s must be at least 1"),
        ("deviation/heartbeat oracle", {"prices": [1, -1]}, "deviation and prices must be above 0, got -1"),
    ],
)
def test_refused_with_its_name(mechanism, changed, fault):
    verdict, text = said(mechanism, **changed)
    assert (verdict, fault in text) == ("FAIL", True), text


@pytest.mark.parametrize("mechanism", [*WORKED, *MORE])
def test_every_input_missing_or_null_is_named(mechanism):
    """Each key in turn: what is left out is said by name, and null is never a figure (but where it means a default)."""
    inputs = MORE.get(mechanism) or WORKED[mechanism][0]
    assert said(mechanism)[0] == "PASS"
    for key in inputs:
        verdict, text = said(mechanism, **{key: None})
        assert verdict == "PASS" or key in text, text
        assert "NoneType" not in text or f"{key} (null)" in text, text


def test_powers_and_interest_refuse_what_is_negative():
    for bad in ((RAY, -1), (-RAY, 2)):
        with pytest.raises(ValueError, match="must be at least 0, got -"):
            ray_power(*bad)
    with pytest.raises(ValueError, match=r"must stay below 2\^256"):
        ray_power(2 * RAY, 10**70)
    assert ray_power(0, 0) == RAY and ray_power(RAY, 10**70) == RAY
    for growth in (linear_interest, compounded_interest):
        with pytest.raises(ValueError, match="seconds must be at least 0"):
            growth(RAY, -1)
    with pytest.raises(ValueError, match="elapsed must be at least 0"):
        stairstep_price(RAY, RAY, 1, -1)
    with pytest.raises(ValueError, match="elapsed must be at least 0"):
        linear_price(RAY, 10, -1)
    with pytest.raises(ValueError, match="lot must be at least 0, got -1; price must be at least 0, got -2"):
        take(1, -1, -2, 1, 0)
    with pytest.raises(ValueError, match="amount_in must be at least 1"):
        exact_output(1, 1, 0)
