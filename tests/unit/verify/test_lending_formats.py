"""Lending mechanisms in exactly the input keys of their format, every figure worked by hand beside it."""

from math import erfc, exp, log, sqrt

import pytest
from scipy.stats import binom, norm

from riskengine.verify.cases import Case, run_case
from riskengine.verify.lending import ADAPTERS

WAD, RAY, RAD, ETH, USD = 10**18, 10**27, 10**45, 10**18, 10**8


def usdx(balance, threshold=8000, bonus=10500, fee=1000):
    """Collateral of 6 decimals at one dollar."""
    return {"balance": str(balance), "price": USD, "unit": "1000000", "LT_bps": threshold, "LB_bps": bonus,
            "protocol_fee_bps": fee}  # fmt: skip


def owed(*balances):
    return [{"balance": b, "price": USD, "unit": 10**6} for b in balances]


def call(collateral, debts, cover="max"):
    return {"collaterals": [collateral], "debts": debts, "liquidate_collateral_index": 0, "liquidate_debt_index": 0,
            "cover": cover}  # fmt: skip


NORMAL = {"sigma": 0.7, "jump_intensity": 0, "jump_mean_log": -0.06, "jump_sd_log": 0.08, "horizon_years": 0.25,
          "drift": "martingale (compensated)"}  # fmt: skip
SD = 0.7 * 0.5


def worst(level):
    """(VaR, ES) of 1 - S / S0 for a lognormal S with mean 1."""
    z = norm.ppf(1 - level)
    return 1 - exp(-SD * SD / 2 + SD * z), 1 - norm.cdf(z - SD) / (1 - level)


# one in 1e-9 a second over 1e6 seconds: 1e-3 + 5e-7 + 1.66666666e-10, each term rounded down
GROWTH = 10**15 + 5 * 10**11 + 166_666_666
INTEREST = 10**12 * GROWTH // WAD
PUT_AT = (log(80 / 100) + SD * SD / 2) / SD
# half of all swap input is spent at price 4 -> 1: L (1 - 1/2) in, L (2 - 1) out; the fee on top rounds up
FEE = -(-(10**18) * 3000 // 997_000)

WORKED = {
    # 1 ETH at 2,000 against 1,700: a debt below 2,000 is closed whole, 0.85 ETH and 5 %, a tenth of the bonus is fee
    "Aave v3.7 liquidationCall": (
        call(usdx(0) | {"balance": str(ETH), "price": 2000 * USD, "unit": str(ETH)}, owed(1_700_000_000)),
        {"health_factor": "941176470588235294", "max_liquidatable_debt": 1_700_000_000, "close_factor_applied": "100%",
         "debt_repaid": 1_700_000_000, "collateral_to_liquidator": str(ETH * 88_825 // 100_000),
         "protocol_fee_collateral": ETH * 425 // 100_000, "deficit_in_liquidated_reserve": 0},
    ),
    # a debt of 2,000 itself is large enough for the close factor
    "Aave v3.3+ MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD": (
        call(usdx(2_425_000_000), owed(2_000_000_000)),
        {"health_factor": "970000000000000000", "max_liquidatable_debt": 1_000_000_000, "close_factor_applied": "50%",
         "debt_repaid": 1_000_000_000, "collateral_to_liquidator": "1045000000", "protocol_fee_collateral": 5_000_000,
         "deficit_in_liquidated_reserve": 0},
    ),
    # all of a debt below 2,000 may be repaid, but not so that 999.999999 of it is left
    "Aave v3.3+ MIN_LEFTOVER_BASE": (
        call(usdx(2_490_000_000), owed(1_999_999_999), "1000000000"),
        {"health_factor": "996000000498000000", "max_liquidatable_debt": 1_999_999_999, "close_factor_applied": "100%",
         "reverts": "MustNotLeaveDust"},
    ),
    # half of all 10,000 is more than the reserve's 4,000, all of which may be repaid
    "Aave v3.3+ whole-position close factor": (
        call(usdx(12_125_000_000), owed(4_000_000_000, 6_000_000_000)),
        {"health_factor": "970000000000000000", "max_liquidatable_debt": 4_000_000_000, "close_factor_applied": "100%",
         "debt_repaid": 4_000_000_000, "collateral_to_liquidator": "4180000000", "protocol_fee_collateral": 20_000_000,
         "deficit_in_liquidated_reserve": 0},
    ),
    # u = 0.9: 0.04 + 0.6 x 0.5 = 0.34, suppliers 0.34 x 0.9 x 0.8; one year
    "Aave v3 DefaultReserveInterestRateStrategyV2 + MathUtils.calculateCompoundedInterest": (
        {"optimal_usage_bps": 8000, "base_bps": 0, "slope1_bps": 400, "slope2_bps": 6000, "reserve_factor_bps": 2000,
         "total_debt": "900000000000000000", "available_liquidity": "100000000000000000", "unbacked": 0,
         "elapsed_seconds": 31_536_000},
        {"borrow_rate_ray": str(34 * RAY // 100), "liquidity_rate_ray": str(2448 * RAY // 10_000),
         "borrow_index_factor_ray": "1404350666666666666666666666", "supply_index_factor_ray": str(12_448 * 10**23)},
    ),
    "health-factor identity (Aave-style fixed spread)": (
        {"collateral_value": 1000, "debt_value": 800, "LT": 0.75, "LB": 1.1, "repay_value": 200, "protocol_fee": 0},
        {"hf_before": 0.9375, "hf_after": 0.75 * 780 / 600, "ltv_before": 0.8, "ltv_after": 600 / 780,
         "hf_decreases": False, "toxic_ltv_threshold": 1 / 1.1},
    ),
    # 300 at 150 less 0.6 x 10 %
    "Compound v3 Comet quoteCollateral": (
        {"base_amount": 300_000_000, "base_price": USD, "base_scale": 10**6, "asset_price": 150 * USD,
         "asset_scale": 10**18, "liquidation_factor": "900000000000000000",
         "store_front_price_factor": "600000000000000000"},
        {"quote": 300 * 10**18 // 141, "effective_discount": 0.06},
    ),
    # per second 1e8, 1e9, 1e10; a tenth above the kink of 0.8
    "Compound v3 Comet getSupplyRate/getBorrowRate": (
        {"utilization": "900000000000000000", "seconds_per_year": 31_536_000,
         "supply": {"kink": "800000000000000000", "base": 0, "slope_low": "31536000000000000",
                    "slope_high": "315360000000000000"},
         "borrow": {"kink": "800000000000000000", "base": "3153600000000000", "slope_low": "31536000000000000",
                    "slope_high": "315360000000000000"}},
        {"supply_rate_per_second": 1_800_000_000, "borrow_rate_per_second": 1_900_000_000},
    ),
    "Morpho Blue LIF = min(1.15, 1/(1-0.3(1-LLTV)))": (
        {"lltv_wad": ["500000000000000000", "800000000000000000", str(WAD)]},
        {"lif_wad": ["1150000000000000000", "1063829787234042553", str(WAD)]},
    ),
    "Morpho Blue _accrueInterest": (
        {"borrow_rate_per_second": 10**9, "elapsed_seconds": 10**6, "total_borrow_assets": 10**12,
         "total_supply_assets": 2 * 10**12, "total_supply_shares": str(2 * 10**18), "fee": "100000000000000000"},
        {"interest": INTEREST, "total_borrow_assets_after": 10**12 + INTEREST,
         "total_supply_assets_after": 2 * 10**12 + INTEREST,
         "fee_shares": (INTEREST // 10) * (2 * 10**18 + 10**6) // (2 * 10**12 + INTEREST - INTEREST // 10 + 1)},
    ),
    # score 0.9: a debt of 1,000 would take 1,111 of collateral; there are 1,000, which repay 900
    "Euler v2 EVK setMaxLiquidationDiscount": (
        {"collateral_balance": str(50 * ETH), "collateral_value": str(1000 * WAD), "liquidation_ltv_bps": 9000,
         "debt": "1000000000", "debt_value": str(1000 * WAD), "max_liquidation_discount_bps": 1500},
        {"health_score": "900000000000000000", "discount_factor": "900000000000000000", "max_repay": "900000000",
         "max_yield": str(50 * ETH)},
    ),
    # 21 at 5 leave 5 of 110, less than 22: the buyer gets what leaves 22
    "Maker Clipper take": (
        {"tab": str(110 * RAD), "lot": str(40 * WAD), "price": str(5 * RAY), "amt": str(21 * WAD),
         "chost": str(22 * RAD)},
        {"slice": str(176 * WAD // 10), "owe": str(88 * RAD), "tab": str(22 * RAD), "lot": str(224 * WAD // 10),
         "done": False},
    ),
    # two steps of 0.9: the whole lot brings 40 x 4.05 of 200
    "Maker Clipper take + StairstepExponentialDecrease": (
        {"top": str(5 * RAY), "cut": str(9 * RAY // 10), "step_s": 90, "elapsed_s": 269, "tab": str(200 * RAD),
         "lot": str(40 * WAD), "amt": str(50 * WAD), "chost": str(22 * RAD)},
        {"price": str(405 * RAY // 100), "slice": str(40 * WAD), "owe": str(162 * RAD), "uncovered_tab": str(38 * RAD)},
    ),
    # room of 110 is 100 with the penalty of 10 %: half of the vault
    "Maker Dog bark": (
        {"ink": str(60 * WAD), "art": str(200 * WAD), "rate": str(RAY), "spot": str(3 * RAY), "dust": str(20 * RAD),
         "Hole": str(500 * RAD), "Dirt": 0, "hole": str(110 * RAD), "dirt": 0, "chop": str(11 * WAD // 10)},
        {"dart": str(100 * WAD), "dink": str(30 * WAD), "due": str(100 * RAD), "tab": str(110 * RAD)},
    ),
    "Liquity v1 liquidation (normal path; 0.5% gas compensation)": (
        {"debt": str(1000 * WAD), "coll": str(10 * WAD), "stability_pool": str(400 * WAD), "gas_comp_divisor": 200},
        {"coll_gas_compensation": str(WAD // 20), "debt_offset": str(400 * WAD), "coll_to_sp": str(398 * WAD // 100),
         "debt_redistributed": str(600 * WAD), "coll_redistributed": str(597 * WAD // 100)},
    ),
    # (90 - 0.8 x 100) / (1 - 0.8 - 0.8 x 0.1) = 83.3, more than nine tenths of 90
    "Silo PartialLiquidationLib": (
        {"debt_value": str(90 * WAD), "collateral_value": str(100 * WAD), "ltv_after_liquidation": str(8 * WAD // 10),
         "liquidation_fee": str(WAD // 10)},
        {"debt_to_repay": str(90 * WAD), "collateral_to_liquidate": str(99 * WAD)},
    ),
    "Uniswap v3 SwapMath.computeSwapStep": (
        {"price": 4, "target_price": 1, "liquidity": str(2 * WAD), "amount_in": str(4 * WAD), "fee_ppm": 3000,
         "zero_for_one": True},
        {"amount_in_after_fee": str(WAD), "fee": FEE, "amount_out": str(2 * WAD)},
    ),
    # a poke is too early by 100 s; the price of 5,000 s is next at 7,200 s and current at 10,800 s
    "Maker OSM poke/hop": (
        {"hop": 3600, "zzz0": 0, "cur0": 100, "nxt0": 100, "source_price": [[0, 100], [5000, 80]],
         "poke_times": [3650, 7100, 7200, 10_800], "liquidation_price": 90},
        {"poke_ok": [True, False, True, True], "cur_after": [100, 100, 100, 80], "nxt_after": [100, 100, 80, 80],
         "first_time_liquidatable": 10_800, "delay_after_market_cross_s": 5800},
    ),
    "Risk DAO SmartLTV": (
        {"sigma_daily": 0.04, "liquidity": 1e7, "debt_cap": 1e7, "liquidation_bonus": 0.05, "clf": 2.5},
        {"ltv": exp(-0.1) - 0.05, "round_trip_risk_level": 0.4},
    ),
    # drift of half a variance: the logarithm has none, and P = 2 N(-ln 1.25 / (0.8 / 2))
    "GBM first-passage": (
        {"health_factor_0": 1.25, "mu": 0.32, "sigma": 0.8, "horizon_years": 0.25},
        {"probability": erfc(log(1.25) / 0.4 / sqrt(2))},
    ),
    # without jumps: Black's put
    "Merton put (undiscounted, zero drift: E[S_T]=S_0)": (
        NORMAL | {"collateral_value": 100, "debt_value": 80},
        {"expected_bad_debt": 80 * norm.cdf(PUT_AT) - 100 * norm.cdf(PUT_AT - SD),
         "probability_insolvent": norm.cdf(PUT_AT)},
    ),
    "Merton quantile": (
        NORMAL | {"loss": "1 - S_T/S_0"},
        {"VaR_99": worst(0.99)[0], "VaR_995": worst(0.995)[0], "VaR_999": worst(0.999)[0], "ES_99": worst(0.99)[1],
         "ES_975": worst(0.975)[1]},
    ),
    "binomial order-statistic interval": (
        {"n": 1000, "quantile": 0.99, "confidence": 0.95, "rule": "equal tails"},
        {"lower_rank": 983, "upper_rank": 997,
         "actual_coverage": float(binom.cdf(996, 1000, 0.99) - binom.cdf(982, 1000, 0.99))},
    ),
}  # fmt: skip
FLOATS = ("Merton", "GBM", "Risk DAO", "health-factor")


def run(mechanism, inputs, expected, tolerance=0.0):
    return run_case(Case("by hand", mechanism, inputs, expected, tolerance, tolerance, "by hand"), ADAPTERS)


@pytest.mark.parametrize("mechanism", WORKED)
def test_format_is_read_and_figures_match(mechanism):
    result = run(mechanism, *WORKED[mechanism], 1e-9 if mechanism.startswith(FLOATS) else 0.0)
    assert result.verdict == "PASS", str(result)


def test_formats_are_those_of_the_reference(shared):
    import json

    formats = json.loads((shared / "golden" / "lending.json").read_text())["formats_of_further_mechanisms"]
    assert set(formats) == set(WORKED)

    def keys(x):
        if isinstance(x, dict):
            return {k: keys(v) for k, v in x.items()}
        return [keys(x[0])] if isinstance(x, list) and x else None

    for mechanism, layout in formats.items():
        inputs, expected = WORKED[mechanism]
        assert keys(inputs) == keys(layout["inputs"]), mechanism
        # every key that the format may ask for is answered, and has a figure here
        assert set(layout["expected"]) == set(expected), mechanism


def test_what_may_be_left_out():
    """Keys whose absence has one meaning."""
    inputs, expected = WORKED["Aave v3.7 liquidationCall"]
    bare = {k: v for k, v in inputs.items() if k != "cover"}
    assert run("Aave v3.7 liquidationCall", bare, expected).verdict == "PASS"
    rates = "Aave v3 DefaultReserveInterestRateStrategyV2 + MathUtils.calculateCompoundedInterest"
    inputs, expected = WORKED[rates]
    bare = {k: v for k, v in inputs.items() if k not in ("unbacked", "elapsed_seconds")}
    assert run(rates, bare, expected | dict.fromkeys(list(expected)[2:], str(RAY))).verdict == "PASS"
    for mechanism, key in (
        ("Compound v3 Comet getSupplyRate/getBorrowRate", "seconds_per_year"),
        ("Liquity v1 liquidation (normal path; 0.5% gas compensation)", "gas_comp_divisor"),
        ("binomial order-statistic interval", "confidence"),
    ):
        inputs, expected = WORKED[mechanism]
        assert run(mechanism, {k: v for k, v in inputs.items() if k != key}, expected).verdict == "PASS", mechanism


def test_an_integer_is_read_by_its_decimals():
    """1e27 in a file is that integer, not the nearest double; half a unit is refused."""
    mechanism = "Maker Clipper take"
    inputs, expected = WORKED[mechanism]
    assert run(mechanism, inputs | {"price": 5e27, "tab": 1.1e47}, expected).verdict == "PASS"
    refused = run(mechanism, inputs | {"price": 0.5}, expected)
    assert refused.verdict == "FAIL" and "price must be a whole number, got 0.5" in str(refused)
    refused = run(mechanism, inputs | {"amt": True}, expected)
    assert refused.verdict == "FAIL" and "amt must be a whole number, got True" in str(refused)


def test_a_name_may_be_spelled_as_the_contract_does():
    inputs, _ = WORKED["Maker Clipper take"]
    stuck = inputs | {"tab": str(22 * RAD), "amt": str(WAD)}
    for spelled in ("no-partial-purchase", "Clipper/no-partial-purchase"):
        assert run("Maker Clipper take", stuck, {"reverts": spelled}).verdict == "PASS"
    assert run("Maker Clipper take", stuck, {"reverts": "needs-reset"}).verdict == "FAIL"
    assert run("Maker Clipper take", inputs, {"reverts": None}).verdict == "PASS"
