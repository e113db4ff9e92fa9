"""Names of the measures of a study, and what each is made of."""

# a share of accounts in [0, 1] on each path
SHARES = {
    "initial_margin_breach": "probability",
    "maintenance_margin_breach": "probability",
    "insolvency": "probability",
    "liquidated_share": "share",
}
# 0 or 1 on each path
INDICATORS = ("fund_exhausted", "liquidation_probability")
# an amount that is not negative; its mean is reported
MEANS = {
    "capital": "USD",
    "peak_to_trough": "number",
    "largest_rise_1": "number",
    "largest_rise_5": "number",
    "largest_rise_30": "number",
    "liquidations": "count",
    "liquidation_cost": "USD",
    "fund_draw": "USD",
    "protocol_fee": "USD",
    "skipped_unprofitable": "count",
    "liquidated_loans": "count",
    "borrow_capacity": "USD",
}
# amounts whose tail matters: reported as a distribution, never by one percentile alone
AMOUNTS = ("bad_debt", "liquidated_volume", "socialised_loss")
TAIL_LEVELS = (0.95, 0.99, 0.999)
CALIBRATION = (
    "true_quantile",
    "reference_quantile",
    "bias",
    "relative_bias",
    "rmse",
    "rmse_conditional",
    "probability_below_truth",
    "mean_breach_probability",
    "interval_coverage",
)

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
}
LEVEL_SEARCH = {
    "calibrated_level": "probability",
    "calibrated_breach": "probability",
    "calibrated_capital": "number",
}


ACCOUNTS = ("account_loss_quantile", "account_loss_es", "account_breach")


JOINT = (
    "insolvency_on_path",
    "bad_debt_given_insolvency",
    "bad_debt_given_no_insolvency",
    "lending_liquidation_given_insolvency",
    "lending_liquidation_given_no_insolvency",
)
# parameters of a row, and what else tells rows apart: what `where` may name
PLACES = (
    "account",
    "account_kind",
    "asset",
    "estimator",
    "exposure",
    "level",
    "market",
    "model",
    "multiplier",
    "sample_size",
    "section",
    "threshold_shift",
    "axis",
    "from",
    "to",
    "measure",
)


def amount_name(amount: str, level: float) -> str:
    """Name of a percentile: ``bad_debt_p999`` for level 0.999."""
    return f"{amount}_p{f'{level:.4g}'[2:]}"


def all_measures() -> frozenset[str]:
    """Every measure that a criterion may name."""
    amounts = {f"{a}_{part}" for a in AMOUNTS for part in ("probability", "mean", "given_positive", "es_99")}
    amounts |= {amount_name(a, level) for a in AMOUNTS for level in TAIL_LEVELS}
    named = {
        *SHARES,
        *INDICATORS,
        *MEANS,
        *CALIBRATION,
        *LAB,
        *LEVEL_SEARCH,
        *ACCOUNTS,
        "shortfall_given_breach",
        "paired_difference",
        "event_probability",
        *JOINT,
        *SCHEME,
    }
    return frozenset(named | amounts)
