"""Adapters of the lending mechanisms: from the inputs of a reference case to the results of this engine.

An adapter only translates.  Integers may come as numbers or as strings; results are Python integers, exact.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from riskengine.pricing.fixed_point import check_integers
from riskengine.verify.cases import Spellings, spelled
from riskengine.verify.integers import integer_or, integers, whole

_NTH = ("first", "second", "third", "fourth", "fifth")

Inputs = dict[str, Any]
Results = dict[str, Any]


def _aave_liquidation(x: Inputs) -> Results:
    from riskengine.lending.aave_v3.integer import CollateralPosition, DebtPosition, liquidation_call

    fields = ("balance", "price", "unit", "LT_bps", "LB_bps")
    at = whole("liquidate_debt_index", x["liquidate_debt_index"])
    cover = x.get("cover", "max")
    call = liquidation_call(
        tuple(
            CollateralPosition(*integers(c, *fields), integer_or(c, "protocol_fee_bps", 0)) for c in x["collaterals"]
        ),
        tuple(DebtPosition(*integers(d, "balance", "price", "unit")) for d in x["debts"]),
        whole("liquidate_collateral_index", x["liquidate_collateral_index"]),
        at,
        None if cover == "max" else whole("cover", cover),
    )
    others = [amount for i, amount in enumerate(call.deficits) if i != at]
    return {
        "health_factor": call.health_factor,
        "max_liquidatable_debt": call.max_liquidatable_debt,
        # of the total debt, which is why half of it may be all of one reserve's
        "close_factor_applied": "100%" if call.full_close else Spellings(("50%", "50% of total")),
        "reverts": call.reverts,
        "debt_repaid": call.debt_repaid,
        "collateral_to_liquidator": call.collateral_to_liquidator,
        "protocol_fee_collateral": call.protocol_fee_collateral,
        "deficit_in_liquidated_reserve": call.deficits[at],
        "deficit_in_other_reserve": sum(others),
        "deficit_in_other_reserves": others,
        "total_deficit_base_1e8": call.total_deficit_base,
    }


def _aave_rates(x: Inputs) -> Results:
    from riskengine.rates.two_slope import exact_rates

    curve = integers(x, "optimal_usage_bps", "base_bps", "slope1_bps", "slope2_bps", "reserve_factor_bps")
    rates = exact_rates(
        *curve,
        *integers(x, "total_debt", "available_liquidity"),
        integer_or(x, "unbacked", 0),
        integer_or(x, "elapsed_seconds", 0),
    )
    return {
        "borrow_rate_ray": rates.borrow_rate,
        "liquidity_rate_ray": rates.liquidity_rate,
        "borrow_index_factor_ray": rates.borrow_index_factor,
        "supply_index_factor_ray": rates.supply_index_factor,
    }


def _health_identity(x: Inputs) -> Results:
    from riskengine.lending.aave_v3.integer import fixed_spread_identity

    # a bonus may be given as 1.05 or as 0.05
    bonus = x["LB"] if x["LB"] >= 1 else 1 + x["LB"]
    found = fixed_spread_identity(x["collateral_value"], x["debt_value"], x["LT"], bonus, x["repay_value"])
    return {
        "hf_before": found.health_before,
        "hf_after": found.health_after,
        "ltv_before": found.ltv_before,
        "ltv_after": found.ltv_after,
        "hf_decreases": found.health_decreases,
        "toxic_ltv_threshold": 1.0 / bonus,
    }


def _aave_v4(x: Inputs) -> Results:
    from riskengine.lending.aave_v4 import liquidation_bonus

    keys = ("health_factor", "health_factor_for_max_bonus", "max_liquidation_bonus", "liquidation_bonus_factor")
    return {"liquidation_bonus": liquidation_bonus(*(float(x[k]) for k in keys))}


def _comet_absorb(x: Inputs) -> Results:
    from riskengine.lending.comet.integer import CometCollateral, absorb

    fields = ("amount", "price", "scale", "liquidate_collateral_factor", "liquidation_factor")
    done = absorb(
        *integers(x, "debt_base_units", "base_price", "base_scale"),
        tuple(CometCollateral(*integers(c, *fields)) for c in x["collaterals"]),
    )
    return {
        "is_liquidatable": done.is_liquidatable,
        "collateral_value_after_penalty_base": done.collateral_value_after_penalty,
        "new_balance": done.new_balance,
        "base_paid_out": done.base_paid_out,
        "bad_debt_to_reserves": done.bad_debt,
    }


def _comet_quote(x: Inputs) -> Results:
    from riskengine.lending.comet.integer import quote_collateral
    from riskengine.pricing.fixed_point import WAD

    amounts = ("base_amount", "base_price", "base_scale", "asset_price", "asset_scale")
    quote, discount = quote_collateral(*integers(x, *amounts, "liquidation_factor", "store_front_price_factor"))
    return {"quote": quote, "effective_discount": discount / WAD}


def _comet_rates(x: Inputs) -> Results:
    from riskengine.pricing.fixed_point import SECONDS_PER_YEAR
    from riskengine.rates.comet import CometCurve

    def rate(side: Inputs) -> int:
        curve = CometCurve(*integers(side, "kink", "base", "slope_low", "slope_high"))
        return curve.per_second(*integers(x, "utilization"), integer_or(x, "seconds_per_year", SECONDS_PER_YEAR))

    return {"supply_rate_per_second": rate(x["supply"]), "borrow_rate_per_second": rate(x["borrow"])}


def _morpho_liquidate(x: Inputs) -> Results:
    from riskengine.lending.morpho_blue.integer import liquidate, liquidation_incentive_factor

    position = ("lltv", "price_1e36", "collateral", "borrow_shares")
    totals = ("total_borrow_assets", "total_borrow_shares", "total_supply_assets")
    done = liquidate(
        *integers(x, *position, *totals), integer_or(x, "seized_assets", 0), integer_or(x, "repaid_shares", 0)
    )
    return {"liquidation_incentive_factor": liquidation_incentive_factor(*integers(x, "lltv")), **vars(done)}


def _morpho_lif(x: Inputs) -> Results:
    from riskengine.lending.morpho_blue.integer import liquidation_incentive_factor

    return {"lif_wad": [liquidation_incentive_factor(whole("lltv_wad", v)) for v in x["lltv_wad"]]}


def _morpho_accrue(x: Inputs) -> Results:
    from riskengine.lending.morpho_blue.integer import accrue

    totals = ("total_borrow_assets", "total_supply_assets", "total_supply_shares", "fee")
    done = accrue(*integers(x, "borrow_rate_per_second", "elapsed_seconds", *totals))
    return {
        "interest": done.interest,
        "total_borrow_assets_after": done.total_borrow_assets,
        "total_supply_assets_after": done.total_supply_assets,
        "fee_shares": done.fee_shares,
    }


def _adaptive_curve(x: Inputs) -> Results:
    from riskengine.rates.adaptive_curve import adaptive_rate

    found = adaptive_rate(*integers(x, "rate_at_target", "utilization", "elapsed_seconds"))
    return {
        "end_rate_at_target": found.end_rate_at_target,
        "average_borrow_rate_per_second": found.average_borrow_rate,
        "end_rate_at_target_per_year": found.end_rate_at_target_per_year,
    }


def _euler(x: Inputs) -> Results:
    from riskengine.lending.euler_evk.integer import max_liquidation

    sizes = ("collateral_balance", "collateral_value", "liquidation_ltv_bps", "debt", "debt_value")
    other = integer_or(x, "other_adjusted_value", 0)
    return vars(max_liquidation(*integers(x, *sizes, "max_liquidation_discount_bps"), other))


def _maker_take(x: Inputs) -> Results:
    from riskengine.lending.maker import take

    done = take(*integers(x, "tab", "lot", "price", "amt", "chost"))
    return {**vars(done), "reverts": spelled("Clipper", done.reverts)}


def _maker_auction(x: Inputs) -> Results:
    from riskengine.lending.maker import stairstep_price, take

    price = stairstep_price(*integers(x, "top", "cut", "step_s", "elapsed_s"))
    done = take(*integers(x, "tab", "lot"), price, *integers(x, "amt", "chost"))
    uncovered = done.tab if done.lot == 0 else 0
    return {**vars(done), "reverts": spelled("Clipper", done.reverts), "price": price, "uncovered_tab": uncovered}


def _maker_takes(x: Inputs) -> Results:
    from riskengine.lending.maker import stairstep_price, take

    tab, lot, chost = integers(x, "tab", "lot", "chost")
    out: Results = {}
    paid = 0
    check_integers(0, len(_NTH), bids=len(x["bids"]))
    for name, bid in zip(_NTH, x["bids"], strict=False):
        at, amount = integers(bid, "t", "amt")
        price = stairstep_price(*integers(x, "top", "cut", "step_s"), at)
        done = take(tab, lot, price, amount, chost)
        tab, lot, paid = done.tab, done.lot, paid + done.owe
        out[f"price_at_{at}s"] = price
        out[name] = {**vars(done), "tab_after": tab, "lot_after": lot}
        out[f"{name}_slice"] = done.slice
    returned = lot if tab == 0 else 0
    return out | {"collateral_returned_to_owner": returned, "dai_paid_total": paid, "uncovered_tab": 0 if lot else tab}


def _maker_bark(x: Inputs) -> Results:
    from riskengine.lending.maker import bark

    done = bark(*integers(x, "ink", "art", "rate", "spot", "dust", "Hole", "Dirt", "hole", "dirt", "chop"))
    return {**vars(done), "reverts": spelled("Dog", done.reverts)}


def _maker_osm(x: Inputs) -> Results:
    from riskengine.oracle.osm import osm_history

    found = osm_history(
        *integers(x, "hop", "zzz0", "cur0", "nxt0"),
        [(whole("source_price", t), whole("source_price", p)) for t, p in x["source_price"]],
        [whole("poke_times", t) for t in x["poke_times"]],
        *integers(x, "liquidation_price"),
    )
    return {
        "poke_ok": list(found.allowed),
        "cur_after": list(found.current),
        "nxt_after": list(found.next),
        "first_time_liquidatable": found.first_time_liquidatable,
        "delay_after_market_cross_s": found.delay,
    }


def _liquity(x: Inputs) -> Results:
    from riskengine.lending.liquity_v1 import liquidate

    done = liquidate(*integers(x, "debt", "coll", "stability_pool"), integer_or(x, "gas_comp_divisor", 200))
    return {
        "coll_gas_compensation": done.gas_compensation,
        "debt_offset": done.debt_offset,
        "coll_to_sp": done.collateral_to_pool,
        "debt_redistributed": done.debt_redistributed,
        "coll_redistributed": done.collateral_redistributed,
    }


def _silo(x: Inputs) -> Results:
    from riskengine.lending.silo import max_liquidation

    keys = ("debt_value", "collateral_value", "ltv_after_liquidation", "liquidation_fee")
    repay, collateral = max_liquidation(*integers(x, *keys))
    return {"debt_to_repay": repay, "collateral_to_liquidate": collateral}


def _crvusd_loan(x: Inputs) -> Results:
    from riskengine.lending.crvusd import Llamma, deposit, health, stable_down

    names = ("loan_discount", "liquidation_discount")
    market = Llamma(*integers(x, "base_price", "A", *names))
    collateral, debt, bands, price = integers(x, "collateral", "debt", "bands", "price")
    first = market.first_band(collateral, debt, bands, price)
    held = deposit(collateral, first, bands)
    return {
        "first_band": first,
        "upper_price": market.upper_price(first),
        "lower_price": market.upper_price(first + bands),
        "x_down": stable_down(market, held, price),
        "health": health(market, held, debt, price),
        "health_full": health(market, held, debt, price, full=True),
    }


def _crvusd_policy(x: Inputs) -> Results:
    from riskengine.rates.crvusd_policy import policy_rate

    keys = ("rate0", "sigma", "target_debt_fraction", "price", "peg_keeper_debt", "total_debt")
    filled = (integer_or(x, k, 0) for k in ("market_debt", "ceiling"))
    return {"rate_per_second": policy_rate(*integers(x, *keys), *filled)}


def _uniswap_v2(x: Inputs) -> Results:
    from riskengine.liquidity.constant_product import exact_output

    keys = ("reserve_in", "reserve_out", "amount_in", "fee_numerator", "fee_denominator")
    return {"amount_out": exact_output(*integers(x, *keys))}


def _uniswap_v3(x: Inputs) -> Results:
    from riskengine.liquidity.concentrated import sqrt_price_x96, swap_exact_in

    price, target = (Fraction(str(x[k])) for k in ("price", "target_price"))
    if bool(x["zero_for_one"]) != (price >= target):
        raise ValueError(f"zero_for_one must hold exactly where target_price <= price, got {x['zero_for_one']}")
    step = swap_exact_in(
        sqrt_price_x96(price), sqrt_price_x96(target), *integers(x, "liquidity", "amount_in", "fee_ppm")
    )
    return {"amount_in_after_fee": step.amount_in, "fee": step.fee, "amount_out": step.amount_out}


def _push_oracle(x: Inputs) -> Results:
    from riskengine.oracle.push import exact_sequence

    updates, reported = exact_sequence(
        x["prices"],
        *integers(x, "step_s"),
        x["deviation"],
        *integers(x, "heartbeat_s"),
        bool(x.get("first_observation_published", True)),
    )
    return {"update_indices": updates, "reported": reported}


def _smart_ltv(x: Inputs) -> Results:
    from riskengine.lending.closed_form import smart_ltv, smart_risk_level

    market = [float(x[k]) for k in ("sigma_daily", "liquidity", "debt_cap", "liquidation_bonus")]
    ltv = smart_ltv(*market, float(x["clf"]))
    return {"ltv": ltv, "round_trip_risk_level": smart_risk_level(*market, ltv)}


def _touch(x: Inputs) -> Results:
    from riskengine.lending.closed_form import touch_probability

    keys = ("health_factor_0", "mu", "sigma", "horizon_years")
    return {"probability": touch_probability(*(float(x[k]) for k in keys))}


def _merton(x: Inputs):
    from riskengine.law.jump import NormalJump
    from riskengine.law.merton import MertonLaw

    if not str(x.get("drift", "martingale")).startswith("martingale"):
        raise ValueError(f"drift must be martingale (compensated), got {x['drift']!r}")
    jump = NormalJump(float(x["jump_intensity"]), float(x["jump_mean_log"]), float(x["jump_sd_log"]))
    return MertonLaw(0.0, float(x["sigma"]), (jump,), float(x["horizon_years"]))


def _merton_put(x: Inputs) -> Results:
    from riskengine.lending.closed_form import unliquidated_bad_debt

    mean, probability = unliquidated_bad_debt(float(x["collateral_value"]), float(x["debt_value"]), _merton(x))
    return {"expected_bad_debt": mean, "probability_insolvent": probability}


def _merton_quantile(x: Inputs) -> Results:
    from riskengine.law.exposure import UnitExposure

    law, exposure = _merton(x), UnitExposure()
    out: Results = {}
    for name, level in (("975", 0.975), ("99", 0.99), ("995", 0.995), ("999", 0.999)):
        out[f"VaR_{name}"] = float(exposure.var(law, level))
        out[f"ES_{name}"] = float(exposure.expected_shortfall(law, level))
    return out


def _order_statistics(x: Inputs) -> Results:
    from riskengine.stats.quantile import order_statistic_ranks

    ranks = order_statistic_ranks(*integers(x, "n"), float(x["quantile"]), float(x.get("confidence", 0.95)))
    return {"lower_rank": ranks.lower, "upper_rank": ranks.upper, "actual_coverage": ranks.coverage}


ADAPTERS: dict[str, Callable[[Inputs], Results]] = {
    "Aave v3.7 close factor": _aave_liquidation,
    "Aave v3.7 liquidationCall": _aave_liquidation,
    "Aave v3.3+ deficit (burn bad debt)": _aave_liquidation,
    "Aave v3.3+ MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD": _aave_liquidation,
    "Aave v3.3+ MIN_LEFTOVER_BASE": _aave_liquidation,
    "Aave v3.3+ whole-position close factor": _aave_liquidation,
    "Aave v3 DefaultReserveInterestRateStrategyV2 + MathUtils.calculateCompoundedInterest": _aave_rates,
    "health-factor identity (Aave-style fixed spread)": _health_identity,
    "Aave v4 LiquidationEngine": _aave_v4,
    "Compound v3 Comet absorb": _comet_absorb,
    "Compound v3 Comet quoteCollateral": _comet_quote,
    "Compound v3 Comet getSupplyRate/getBorrowRate": _comet_rates,
    "Morpho Blue liquidate": _morpho_liquidate,
    "Morpho Blue LIF = min(1.15, 1/(1-0.3(1-LLTV)))": _morpho_lif,
    "Morpho Blue _accrueInterest": _morpho_accrue,
    "Morpho AdaptiveCurveIRM": _adaptive_curve,
    "Euler v2 EVK liquidation": _euler,
    "Euler v2 EVK setMaxLiquidationDiscount": _euler,
    "Maker Clipper take": _maker_take,
    "Maker Clipper take + StairstepExponentialDecrease": _maker_auction,
    "Maker Clipper multiple takes": _maker_takes,
    "Maker Dog bark": _maker_bark,
    "Maker OSM poke/hop": _maker_osm,
    "Liquity v1 liquidation (normal path; 0.5% gas compensation)": _liquity,
    "Silo PartialLiquidationLib": _silo,
    "crvUSD LLAMMA loan": _crvusd_loan,
    "crvUSD AggMonetaryPolicy2": _crvusd_policy,
    "Uniswap v2 swap": _uniswap_v2,
    "Uniswap v3 SwapMath.computeSwapStep": _uniswap_v3,
    "deviation/heartbeat oracle": _push_oracle,
    "Risk DAO SmartLTV": _smart_ltv,
    "GBM first-passage": _touch,
    "Merton put (undiscounted, zero drift: E[S_T]=S_0)": _merton_put,
    "Merton quantile": _merton_quantile,
    "binomial order-statistic interval": _order_statistics,
}
