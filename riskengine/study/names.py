"""Names of the measures of a study, and what each is made of."""

# a share of accounts in [0, 1] on each path
SHARES = {
    "initial_margin_breach": "probability",
    "maintenance_margin_breach": "probability",
    "insolvency": "probability",
    "liquidated_share": "share",
}
# 0 or 1 on each path
INDICATORS = ("fund_exhausted", "liquidation_probability", "fully_lent")
# an amount that is not negative; its mean is reported
MEANS = {
    "capital": "USD",
    "capital_of_notional": "share",
    "requirement_error": "share",
    "peak_to_trough": "number",
    "largest_rise_1": "number",
    "largest_rise_5": "number",
    "largest_rise_30": "number",
    "liquidations": "count",
    "liquidation_cost": "USD",
    "fund_draw": "USD",
    "protocol_fee": "USD",
    "liquidation_penalty": "USD",
    "keeper_profit": "USD",
    "skipped_unprofitable": "count",
    "liquidated_loans": "count",
    "borrow_capacity": "USD",
    "liquidatable_at_start": "count",
    "reacting_borrowers": "count",
    "utilisation_mean": "share",
    "utilisation_peak": "share",
    "hours_above_kink": "hours",
    "hours_fully_lent": "hours",
    "borrower_interest": "USD",
    "supplier_interest": "USD",
}
# of those, known without an error where all paths start at the same prices
FIXED = {"liquidatable_at_start": "count"}
# an amount that may be negative: its mean is reported, and its mean over the worst 1 % of paths
SIGNED = {
    "protocol_result": "USD",
    "protocol_result_sold": "USD",
    "reserves": "USD",
    "impermanent_loss": "share",
    "protocol_revenue": "USD",
}
# amounts whose tail matters: reported as a distribution, never by one percentile alone
AMOUNTS = ("bad_debt", "liquidated_volume", "socialised_loss", "supplier_loss", "unsold_inventory",
           "withdrawals_refused")  # fmt: skip
TAIL_LEVELS = (0.95, 0.99, 0.999)
# of estimators on the paths of a study against the exact quantile, with the unit of each
CALIBRATION = {
    "true_quantile": "return",
    "bias": "return",
    "relative_bias": "share",
    "rmse": "return",
    "rmse_conditional": "return",
    "probability_below_truth": "probability",
    "mean_breach_probability": "probability",
    "interval_coverage": "probability",
    "refused": "probability",
}

SCHEME = ("scheme_lower_tail", "scheme_upper_tail")
# of the estimator lab, with the unit of each
LAB = {
    "true_quantile": "return",
    "relative_bias": "share",
    "relative_sd": "share",
    "relative_rmse": "share",
    "model_error": "share",
    "finite_sample_bias": "share",
    "capital_ratio": "number",
    "probability_below_truth": "probability",
    "mean_breach_probability": "probability",
    "log10_breach_ratio": "number",
    "score_regret": "share",
    "interval_coverage": "probability",
    "interval_width": "share",
    "unbounded_intervals": "probability",
    "refused": "probability",
    "log_tracking_error": "number",
    "log_tracking_difference": "number",
    "true_shortfall": "return",
    "es_relative_bias": "share",
    "es_relative_sd": "share",
    "es_relative_rmse": "share",
    "es_model_error": "share",
    "es_finite_sample_bias": "share",
    "es_probability_below_truth": "probability",
    "joint_score_regret": "number",
    "es_interval_coverage": "probability",
    "es_interval_width": "share",
    "es_unbounded_intervals": "probability",
    "es_refused": "probability",
}
LEVEL_SEARCH = {
    "calibrated_level": "probability",
    "calibrated_breach": "probability",
    "calibrated_capital": "number",
}

# worlds that a choice is over
ALL, WITH_VARIANTS = "all worlds", "all worlds and variants"
# said of the number of paths at which a candidate would pass if its estimate were its risk
ODDS = (
    "with another seed would give even odds, three times as many are nearly sure; on the same draws a second look is "
    "not covered by delta"
)
# of a certified choice and of the experiment that shows what such a choice is worth
CHOICE = (
    "chosen_setting",
    "risk_in_sample",
    "risk_fresh",
    "risk_upper_bound",
    "cost_fresh",
    "swing_fresh",
    "cost_ratio",
    "variants_passed",
    "safe_share_of_fit",
    "paths_needed",
)
# of a certified choice of collateral parameters
COLLATERAL = ("baseline_factor", "baseline_bad_debt", "liquidated_at_once")
EXPERIMENT = {
    "allowed_breaches": "count",
    "mean_true_risk": "probability",
    "violation_share": "probability",
    "mean_margin_ratio": "share",
}

# of a lending market replayed over real crises: each of one history
REPLAY = FIXED | {
    "borrow_capacity": "USD",
    "deepest_fall": "return",
    "replayed_seized": "USD",
    "replayed_seized_least": "USD",
    "replayed_seized_most": "USD",
    "replayed_borrowers": "count",
    "replayed_bad_debt": "USD",
    "replayed_penalty": "USD",
    "happened_seized": "USD",
    "happened_borrowers": "count",
    "order_correlation": "number",
    "order_p_value": "probability",
    "seized_difference": "USD",
    "seized_difference_least": "USD",
    "seized_difference_most": "USD",
    "bad_debt_difference": "USD",
    "bad_debt_difference_least": "USD",
    "bad_debt_difference_most": "USD",
    "borrowers_difference": "count",
    "borrowers_difference_least": "count",
    "borrowers_difference_most": "count",
    "events_lower": "count",
    "events_higher": "count",
    "sign_p_value": "probability",
    "events_dominant": "count",
    "events_dominated": "count",
}
# of a study of backtests
BACKTEST_POWER = {
    "test_size": "probability",
    "test_power": "probability",
    "untestable": "probability",
    "es_ratio": "number",
    "breach_after_breach": "number",
    "detectable_multiple": "number",
    "months_to_detect": "number",
    "false_alarm": "probability",
    "family_power": "probability",
}


# of a sensitivity study: about its outputs, in the unit of the output unless told
SENSITIVITY = (
    "base_value",
    "tornado_low",
    "tornado_high",
    "tornado_swing",
    "effect_mean",
    "effect_absolute",
    "effect_spread",
    "first_index",
    "total_index",
    "shapley_effect",
    "answer_mean",
    "answer_sd",
    "noise_share",
)
# of forecast probabilities and laws
PROBABILITY = {
    "event_rate": "probability",
    "mean_forecast": "probability",
    "brier_score": "number",
    "brier_excess": "number",
    "miscalibration": "number",
    "miscalibration_perfect": "number",
    "miscalibration_p": "number",
    "discrimination": "number",
    "uncertainty": "number",
    "calibration_error": "probability",
    "calibration_error_perfect": "probability",
    "calibration_error_p": "number",
    "crps": "return",
    "crps_excess": "return",
    "tail_crps": "return",
    "tail_crps_excess": "return",
    "pit_share": "probability",
}
# of loss quantiles and shortfalls, in the parameters of the fit: of an exact law, and simulated
DERIVATIVES = {
    "true_quantile": "return",
    "true_shortfall": "return",
    "quantile_simulated": "USD",
    "shortfall_simulated": "USD",
    "kernel_width": "share",
    "quantile_elasticity": "number",
    "quantile_change": "share",
    "quantile_change_simulated": "share",
    "quantile_change_z": "number",
    "shortfall_change": "share",
    "shortfall_change_simulated": "share",
    "shortfall_change_z": "number",
    "uncertainty_share": "share",
    "fit_uncertainty": "share",
}


# of Black-Scholes on a world that is not lognormal; amounts per unit of spot
BLACK_SCHOLES = {
    "one_volatility": "share",
    "true_price": "return",
    "price_error": "share",
    "volatility_error": "share",
    "delta_error": "number",
    "hedge_error": "number",
    "margin_needed": "return",
    "margin_black": "return",
    "margin_error": "share",
    "margin_breach": "probability",
    "hedge_mean": "return",
    "hedge_sd": "return",
    "hedge_variance_ratio": "share",
    "hedge_loss_p01": "return",
    "hedge_loss_p99": "return",
    "hedge_loss_es_99": "return",
    "hedge_sd_lognormal": "return",
    "hedge_table_error": "number",
    "vault_edge": "return",
    "vault_size": "number",
    "vault_profit": "return",
    "vault_profit_simulated": "return",
    "vault_break_even": "share",
    "vault_break_even_simulated": "share",
    "vault_break_even_size": "number",
    "vault_break_even_size_simulated": "number",
    "vault_loss_probability": "probability",
    "vault_loss_p99": "return",
    "vault_loss_es_99": "return",
    "vault_worst": "return",
    "attack_push": "share",
    "attack_cost": "USD",
    "attack_profit": "USD",
    "attack_break_even": "USD",
    "attack_observations": "count",
    "fixed_error": "number",
    "fixed_largest_forward": "number",
    "fixed_mul": "count",
    "fixed_div": "count",
    "fixed_add": "count",
    "fixed_shift": "count",
}


# beside those of margin, of the account that a model covers worst
WORST = ("tail_beyond_margin",)
ACCOUNTS = ("account_loss_quantile", "account_loss_es", "account_breach")


JOINT = (
    "insolvency_on_path",
    "bad_debt_given_insolvency",
    "bad_debt_given_no_insolvency",
    "lending_liquidation_given_insolvency",
    "lending_liquidation_given_no_insolvency",
)
# of account life: means over paths, with the unit of each; amounts as distributions
LIFE_BY_KIND = {
    "margin_calls": "count",
    "bankrupt_accounts": "count",
    "liquidated_notional": "USD",
    "account_shortfall": "USD",
    "deleveraged_notional": "USD",
    "deleveraging_loss": "USD",
    "socialised_loss": "USD",
}
LIFE_MEANS = {
    "margin_calls": "count",
    "bankrupt_accounts": "count",
    "deleveragings": "count",
    "execution_cost": "USD",
    "liquidation_fees": "USD",
    "uncovered_loss": "USD",
    "open_notional": "USD",
}
# of auctions and of a maker of options, where a venue has them; and what routes are compared by
LIFE_ROUTES = {
    "auctions": "count",
    "auction_discount": "USD",
    "bidder_profit": "USD",
    "bidder_payment": "USD",
    "maker_notional": "USD",
    "maker_charge": "USD",
    "maker_profit": "USD",
}
LIFE_AMOUNTS = ("liquidated_notional", "account_shortfall", "fund_draw", "deleveraged_notional", "deleveraging_loss",
                "socialised_loss")  # fmt: skip
LIFE = ("closing_cost", "deleveraging_probability", "fund_size", "certified_fund", "fresh_exhaustion",
        "conservation_error", "need_mismatch", "open_probability", "volatility_rise_p99",
        "volatility_rise_largest")  # fmt: skip
# parameters of a row, and what else tells rows apart: what `where` may name
PLACES = (
    "account",
    "account_kind",
    "accounts",
    "alternative",
    "asset",
    "case",
    "estimator",
    "event",
    "exposure",
    "family",
    "level",
    "losses",
    "market",
    "model",
    "multiple",
    "multiplier",
    "overlap",
    "p_value",
    "procedure",
    "sample_size",
    "section",
    "threshold_shift",
    "choice",
    "role",
    "setting",
    "world",
    "rule",
    "source",
    "walk",
    "target",
    "axis",
    "from",
    "to",
    "measure",
    "token",
    "step",
    "step_size",
    "drawdown",
    "hours",
    "input",
    "group",
    "parameter",
    "bin",
    "days",
    "moneyness",
    "interval_hours",
    "hedged_in",
    "log_moneyness",
    "observations",
    "cap",
    "total_volatility",
    "parameter_set",
    "capacity",
)


def amount_name(amount: str, level: float) -> str:
    """Name of a percentile: ``bad_debt_p999`` for level 0.999."""
    return f"{amount}_p{f'{level:.4g}'[2:]}"


def all_measures() -> frozenset[str]:
    """Every measure that a criterion may name."""
    known = {*AMOUNTS, *LIFE_AMOUNTS, "fund_need", "maker_loss"}
    amounts = {f"{a}_{part}" for a in known for part in ("probability", "mean", "given_positive", "es_99")}
    amounts |= {amount_name(a, level) for a in known for level in TAIL_LEVELS}
    named = {
        *SHARES,
        *INDICATORS,
        *MEANS,
        *SIGNED,
        *(f"{name}_es_99" for name in SIGNED),
        *CALIBRATION,
        "reference_quantile",
        *LAB,
        *LEVEL_SEARCH,
        *SENSITIVITY,
        *DERIVATIVES,
        *PROBABILITY,
        *BLACK_SCHOLES,
        *BACKTEST_POWER,
        *REPLAY,
        *CHOICE,
        *COLLATERAL,
        "bad_debt_share",
        *EXPERIMENT,
        *ACCOUNTS,
        *WORST,
        "shortfall_given_breach",
        "paired_difference",
        "event_probability",
        *JOINT,
        *SCHEME,
        *LIFE_BY_KIND,
        *LIFE_MEANS,
        *LIFE_ROUTES,
        *LIFE,
    }
    return frozenset(named | amounts)
