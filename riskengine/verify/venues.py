"""Adapters of the closed-form venue rules."""

from collections.abc import Callable
from typing import Any

Inputs = dict[str, Any]
Results = dict[str, Any]


def _deribit_futures(x: Inputs) -> Results:
    from riskengine.margin.venues.deribit_standard import future_margin

    keys = ("size", "mark_price", "im_base", "mm_base", "slope_per_coin")
    pairs = [future_margin(*(r[k] for k in keys)) for r in x["rows"]]
    return {"initial_margin": [p[0] for p in pairs], "maintenance_margin": [p[1] for p in pairs]}


def _deribit_options(x: Inputs) -> Results:
    from riskengine.margin.venues.deribit_standard import option_margin

    keys = ("index", "strike", "mark_coin", "type", "quantity")
    pairs = [option_margin(*(r[k] for k in keys)) for r in x["rows"]]
    return {"initial_margin_coin": [p[0] for p in pairs], "maintenance_margin_coin": [p[1] for p in pairs]}


def _deribit_portfolio(x: Inputs) -> Results:
    from riskengine.margin.venues import deribit_portfolio as pme

    names = {
        "price_range": "price_range", "price_steps": "price_steps", "min_annualised_move": "min_annualised_move",
        "delta_shock_free_usd": "delta_free_usd", "mm_factor": "mm_factor", "pnl_offset": "pnl_offset",
        "m_inc": "delta_slope", "max_delta_shock": "max_delta_shock", "extended_dampener": "extended_dampener",
        "extended_table_factor": "extended_factor", "volatility_range_up": "vol_up",
        "volatility_range_down": "vol_down", "min_volatility_for_shock_up": "min_vol_up",
        "short_term_vega_power": "short_term_power", "long_term_vega_power": "long_term_power",
    }  # fmt: skip
    parameters = pme.Parameters(**{name: x[key] for key, name in names.items() if key in x})
    futures = []
    for row in x["positions_delta_coin"]:
        kind = row.get("type", "inverse_future")
        if kind not in ("inverse_future", "inverse_perpetual"):
            raise ValueError(f"type must be inverse_future or inverse_perpetual, got {kind!r}")
        futures.append(pme.Future(row["instrument"].partition("-")[2], row["size_coin"]))
    charges = x.get("other_charges", {})
    m = pme.margin(futures, x["index_price"], parameters, sum(charges.values()))
    vector = m.standard[:, 1]
    if "pnl_offset" in x:
        vector = pme.counted(vector, parameters)
    return {
        "standard_vector": vector,
        "standard_vector_first": vector[0],
        "extended_vector": m.extended,
        "worst_case": m.worst_case,
        "roll_shock": m.roll_shock,
        "delta_shock": m.delta_shock,
        "risk_matrix_margin": m.risk_matrix,
        "initial_margin": m.initial,
        "maintenance_margin": m.maintenance,
    }


def _tims(x: Inputs) -> Results:
    from riskengine.margin.venues.occ_tims import ClassGroup, Leg

    if x["option_style"] not in ("american", "european"):
        raise ValueError(f"option_style must be american or european, got {x['option_style']!r}")
    group = ClassGroup(
        x["spot"], x["rate"], x["dividend_yield"], x["years_to_expiry"], x["option_style"] == "american",
        x["multiplier"], tuple(x["valuation_points"]), x["minimum_per_contract"],
    )  # fmt: skip
    return {
        "requirement": {
            name: group.requirement([_leg(Leg, leg) for leg in p["legs"]], p.get("shares", 0.0))
            for name, p in x["portfolios"].items()
        }
    }


def _leg(record: Callable[..., Any], row: dict[str, Any]) -> Any:
    return record(row["type"], row["strike"], row["contracts"], row["price"])


def _strategy(x: Inputs) -> Results:
    from riskengine.margin.venues.strategy_based import Leg, Rates, portfolio_requirement

    rates = Rates(
        x["initial_stock_rate"], x["short_option_rate"], x["short_option_floor_rate"], x.get("leverage_factor", 1.0)
    )
    return {
        "requirement": {
            name: portfolio_requirement(
                [_leg(Leg, leg) for leg in p["legs"]], p.get("shares", 0.0), x["spot"], rates, x["multiplier"]
            )
            for name, p in x["portfolios"].items()
        }
    }


def _strategy_short_option(x: Inputs) -> Results:
    from riskengine.margin.venues.strategy_based import Rates, option_requirement

    return {
        "margin_requirement": [
            option_requirement(
                r["type"], r["spot"], r["strike"], r["premium"], r["quantity"],
                Rates(base=r["base_rate"], leverage=r["leverage_factor"]), r["multiplier"],
            )
            for r in x["rows"]
        ]
    }  # fmt: skip


def _filtered_historical(x: Inputs) -> Results:
    from riskengine.margin.venues.filtered_historical import Parameters, margin

    parameters = Parameters(x["MPOR"], x["n_day"], x["burn_in"], x["lambda"], x["factor"], x["quantile"])
    m = margin(x["log_returns_newest_first"], parameters, x["short"])
    return {"margin": m.margin, "ewma_vol_0": m.volatility, "ewma_mean_0": m.mean}


def _bybit(x: Inputs) -> Results:
    from riskengine.margin.venues.bybit_options import short_option_margin

    keys = ("index", "strike", "mark", "entry", "type", "quantity", "im_factor", "im_floor_factor", "mm_factor")
    initial, maintenance = short_option_margin(*(x[k] for k in keys), x["liquidation_fee_rate"])
    return {"initial_margin": initial, "maintenance_margin": maintenance}


def _opyn(x: Inputs) -> Results:
    from riskengine.margin.venues.opyn_gamma import naked_margin

    return {
        "collateral": [
            naked_margin(
                r["type"], r["strike"], r["spot"], r["amount"], r["upper_bound_tte_days"], x["upper_bounds"],
                x["spot_shock"],
            )
            for r in x["rows"]
        ]
    }  # fmt: skip


def _okx_assembly(x: Inputs) -> Results:
    from riskengine.margin.venues.okx_portfolio import requirement

    pairs = [requirement(c, x.get("imr_multiplier", 1.3)) for c in x["cases"]]
    return {"imr": [p[0] for p in pairs], "mmr": [p[1] for p in pairs]}


def _okx_mr9(x: Inputs) -> Results:
    from riskengine.margin.venues.okx_portfolio import stablecoin_charge

    return {"mr9": stablecoin_charge(x["notional"], x["tiers"])}


def _paradex(x: Inputs) -> Results:
    from riskengine.margin.venues.paradex_portfolio import minimum_delta

    keys = ("net_delta", "hedged_delta", "spot", "net_rate", "hedged_rate")
    return {"requirement": minimum_delta(*(x[k] for k in keys))}


def _hyperliquid(x: Inputs) -> Results:
    from riskengine.margin.venues.hyperliquid import borrowable

    return {"borrowable": borrowable(x["balance"], x["price"], x["ltv"])}


def _dydx_oimf(x: Inputs) -> Results:
    from riskengine.margin.venues.dydx import open_interest_margin

    keys = ("notional", "base_imf", "open_interest", "lower_cap", "upper_cap")
    return {"initial_margin": [open_interest_margin(*(r[k] for k in keys)) for r in x["rows"]]}


def _dydx_fillable(x: Inputs) -> Results:
    from riskengine.liquidation.dydx import fillable_price

    prices = []
    for r in x["rows"]:
        size = abs(r["size"]) if r["side"] == "long" else -abs(r["size"])
        equity = r["quote_balance"] + size * r["oracle_price"]
        maintenance = abs(size) * r["oracle_price"] * r["mm_fraction"]
        prices.append(
            fillable_price(
                size, r["oracle_price"], equity, maintenance, r["mm_fraction"], r["bankruptcy_adjustment"],
                r["spread_to_mm_ratio"],
            )
        )  # fmt: skip
    return {"fillable_price": prices}


def _dydx_bankruptcy(x: Inputs) -> Results:
    from riskengine.liquidation.dydx import bankruptcy_quote

    return {
        "bankruptcy_price_quote": [
            bankruptcy_quote(r["close"], r.get("other_positions", []), r["quote_balance"]) for r in x["rows"]
        ]
    }


def _dydx_fund(x: Inputs) -> Results:
    from riskengine.liquidation.dydx import insurance_fund_delta

    keys = ("fill_quote", "bankruptcy_quote", "max_liquidation_fee")
    return {"insurance_fund_delta": [insurance_fund_delta(*(r[k] for k in keys)) for r in x["rows"]]}


def _drift_liquidation(x: Inputs) -> Results:
    from riskengine.liquidation.drift import base_to_cover_shortage

    keys = ("margin_shortage", "margin_ratio", "liquidation_fee", "quote_price", "insurance_fund_fee", "oracle_price")
    return {"base_asset_amount": [base_to_cover_shortage(*(r[k] for k in keys)) for r in x["rows"]]}


def _drift_deposits(x: Inputs) -> Results:
    from riskengine.margin.venues.drift import deposit_weight

    return {
        "weight": [
            deposit_weight(x["initial_asset_weight"], d * x["oracle_price"], x["scale_start_usd"])
            for d in x["deposits"]
        ]
    }


def _drift_size(x: Inputs) -> Results:
    from riskengine.margin.venues.drift import size_weight

    return {"weight": [size_weight(r["side"], r["weight"], r["size"], r["imf_factor"]) for r in x["rows"]]}


def _span_scan(x: Inputs) -> Results:
    from riskengine.margin.venues.span import futures_array

    gain, scan, worst = futures_array(x["price_scan_range"], x["long_futures"], x["scenarios"])
    return {"risk_array_gain": gain, "scan_risk": scan, "worst_scenario_numbers": worst}


def _span_total(x: Inputs) -> Results:
    from riskengine.margin.venues.span import total

    t = total(
        x["scan_risk"], x["intra_commodity_spread_charge"], x["delivery_month_charge"], x["inter_commodity_credit"],
        x["short_option_minimum_per_contract"], x["short_option_contracts"], x["net_option_value"],
    )  # fmt: skip
    return {
        "risk_before_floor": t.risk_before_floor,
        "short_option_minimum": t.short_option_minimum,
        "risk_requirement": t.risk_requirement,
        "total_margin": t.total_margin,
    }


def _apc_tools(x: Inputs) -> Results:
    from riskengine.margin import procyclicality as apc

    out: Results = {}
    if "buffer" in x:
        out["buffer_margin"] = apc.buffer(x["margin"], x["buffer"]["b"], x["buffer"]["release_level"])
    if "cap" in x:
        out["capped_margin"] = apc.cap(x["margin"], x["cap"])
    if "speed_limit" in x:
        limit = x["speed_limit"]
        out["speed_limited_margin"] = apc.speed_limit(x["margin"], limit["n_day"], limit["limit"])
    return out


def _apc_metrics(x: Inputs) -> Results:
    from riskengine.margin import procyclicality as apc

    return {
        "peak_to_trough": float(apc.peak_to_trough(x["margin"])),
        "max_n_day_ratio": [float(apc.largest_ratio(x["margin"], n)) for n in x["horizons"]],
    }


def _adl(x: Inputs) -> Results:
    from riskengine.liquidation.adl import priority

    rows = x["accounts"]
    score, order = priority([r["pnl_pct"] for r in rows], [r["effective_leverage"] for r in rows])
    return {"score": score, "order_first_to_deleverage": [rows[i]["id"] for i in order]}


def _auction_solvent(x: Inputs) -> Results:
    from riskengine.liquidation.dutch_auction import discount, solvent_bid

    p = x["parameters"]
    share = discount.py_func(
        x["elapsed_seconds"], p["starting_mtm_percentage"], p["fast_cutoff_percentage"], p["fast_auction_seconds"],
        p["slow_auction_seconds"],
    )  # fmt: skip
    bid = solvent_bid(
        x["mark_to_market"], x["maintenance_margin"], x["reserved_cash"], x["requested_fraction"], share,
        p["buffer_margin_percentage"],
    )  # fmt: skip
    return {
        "buffer_margin": bid.buffer_margin,
        "max_liquidatable_fraction": bid.max_fraction,
        "fraction_liquidated": bid.fraction,
        "bid_price": bid.price,
    }


def _auction_insolvent(x: Inputs) -> Results:
    from riskengine.liquidation.dutch_auction import insolvent_bid

    length = x.get("insolvent_auction_seconds") or x["parameters"]["insolvent_auction_seconds"]
    bid = insolvent_bid.py_func(x["mark_to_market"], x["maintenance_margin"], x["elapsed_seconds"], length)
    return {"bid_price_full_account": bid}


ADAPTERS: dict[str, Callable[[Inputs], Results]] = {
    "deribit_standard_margin_futures": _deribit_futures,
    "deribit_standard_margin_options": _deribit_options,
    "deribit_portfolio_margin": _deribit_portfolio,
    "occ_tims_portfolio_margin": _tims,
    "strategy_based_margin": _strategy,
    "strategy_based_margin_short_option": _strategy_short_option,
    "filtered_historical_simulation_margin": _filtered_historical,
    "bybit_standard_option_margin": _bybit,
    "opyn_gamma_naked_margin": _opyn,
    "okx_pm_assembly": _okx_assembly,
    "okx_pm_mr9": _okx_mr9,
    "paradex_min_delta_requirement": _paradex,
    "hyperliquid_portfolio_margin": _hyperliquid,
    "dydx_oimf": _dydx_oimf,
    "dydx_liquidation_fillable_price": _dydx_fillable,
    "dydx_bankruptcy_price": _dydx_bankruptcy,
    "dydx_insurance_fund_delta": _dydx_fund,
    "drift_partial_liquidation": _drift_liquidation,
    "drift_concentration_scaled_weight": _drift_deposits,
    "drift_imf_size_premium": _drift_size,
    "span_scan_risk": _span_scan,
    "span_total": _span_total,
    "apc_tools": _apc_tools,
    "procyclicality_metrics": _apc_metrics,
    "adl_priority": _adl,
    "derive_dutch_auction_solvent": _auction_solvent,
    "derive_dutch_auction_insolvent": _auction_insolvent,
}
