"""Names that people read: measures with their definitions, models, parameters."""

from dataclasses import dataclass
from typing import Any

from riskengine.report.rows import Row
from riskengine.report.wording import percent, plain


@dataclass(frozen=True)
class Measure:
    """Title and definition of one measure, as the glossary prints them."""

    title: str
    definition: str


# Amounts with an atom at zero are reported as a distribution: chance, mean, tail and severity.
_AMOUNTS = {
    "bad_debt": ("Bad debt", "debt left without enough collateral"),
    "liquidated_volume": ("Liquidated volume", "debt repaid by liquidators"),
    "socialised_loss": ("Socialised loss", "loss beyond the insurance fund that falls on other accounts"),
}
_PARTS = {
    "": (", mean", "Mean over all paths of the {}."),
    "_mean": (", mean", "Mean over all paths of the {}."),
    "_p95": (", p95", "95 % quantile over all paths of the {}."),
    "_p99": (", p99", "99 % quantile over all paths of the {}."),
    "_p999": (", p99.9", "99.9 % quantile over all paths of the {}."),
    "_es_99": (", ES 99 %", "Mean over the worst 1 % of paths of the {}."),
    "_given_positive": (" where there is any", "Mean of the {}, over the paths that have any."),
}


def _amounts() -> dict[str, Measure]:
    """Measures of every amount, part by part."""
    out = {}
    for name, (title, what) in _AMOUNTS.items():
        chance = f"Share of paths with {what}."
        out[f"{name}_probability"] = Measure(f"P({title[0].lower() + title[1:]})", chance)
        out |= {name + end: Measure(title + head, text.format(what)) for end, (head, text) in _PARTS.items()}
    return out


_M = Measure
MEASURES: dict[str, Measure] = {
    # stress
    "event_probability": _M(
        "P(event)",
        "Probability of the event that every path of a conditional world is drawn given, from the number of candidates "
        "drawn until it happened.",
    ),
    # margin
    "initial_margin_breach": _M(
        "Initial-margin breach",
        "Share of accounts and margin periods in which the loss at the end of the margin period of risk, on the "
        "positions held at its start and left alone, is strictly greater than the initial margin at its start.",
    ),
    "maintenance_margin_breach": _M(
        "Maintenance-margin breach",
        "Share of accounts and margin periods in which the worst loss within the liquidation latency is greater than "
        "the maintenance margin at its start.",
    ),
    "insolvency": _M(
        "Insolvency", "Share of accounts and margin periods in which the worst loss is greater than all resources."
    ),
    "peak_to_trough": _M(
        "Peak to trough",
        "Mean over paths of the largest ratio of the requirement to an earlier one, positions left alone.",
    ),
    "largest_rise_1": _M(
        "Largest rise over 1",
        "Mean over paths of the largest ratio of the requirement to that of 1 margin period before.",
    ),
    "largest_rise_5": _M(
        "Largest rise over 5",
        "Mean over paths of the largest ratio of the requirement to that of 5 margin periods before.",
    ),
    "largest_rise_30": _M(
        "Largest rise over 30",
        "Mean over paths of the largest ratio of the requirement to that of 30 margin periods before.",
    ),
    "capital": _M("Capital", "Mean initial requirement of the whole book: what the coverage costs."),
    "shortfall_given_breach": _M("Shortfall given breach", "Mean loss beyond initial margin where it was breached."),
    "liquidations": _M("Liquidations", "Mean number of liquidations on a path."),
    "liquidated_share": _M("Liquidated accounts", "Share of accounts liquidated at least once on a path."),
    "liquidation_cost": _M("Liquidation cost", "Mean cost of closing positions on a path."),
    "fund_exhausted": _M("Fund exhausted", "Share of paths on which the insurance fund is used up."),
    "fund_draw": _M("Fund draw", "Mean amount taken from the insurance fund on a path."),
    # lending
    "liquidation_probability": _M("P(liquidation)", "Share of paths with at least one liquidation."),
    "liquidated_loans": _M("Liquidated borrowers", "Mean number of borrowers liquidated on a path."),
    **_amounts(),
    "protocol_fee": _M("Protocol fee", "Mean over paths of the share of the bonus that goes to the treasury."),
    "borrow_capacity": _M("Borrow capacity", "What the book may borrow at the loan-to-value limits."),
    "skipped_unprofitable": _M(
        "Skipped as unprofitable", "Mean number of liquidatable loans on a path that no keeper would touch."
    ),
    # calibration
    "true_quantile": _M("True quantile", "Loss quantile under the exact law of the world."),
    "reference_quantile": _M("Reference quantile", "Simulated loss quantile: a reference with an error, not a truth."),
    "bias": _M("Bias", "Mean of the estimate minus the true (or reference) quantile."),
    "relative_bias": _M("Relative bias", "Bias divided by the true quantile; negative is too little margin."),
    "rmse": _M("RMSE", "Root mean squared error of the estimate."),
    "rmse_conditional": _M("RMSE given the state", "The same against the quantile given the state at time 0."),
    "mean_breach_probability": _M(
        "Breach probability", "Mean, over samples, of the probability of a loss beyond the estimate."
    ),
    "interval_coverage": _M(
        "Coverage of its interval", "How often the estimator's own interval holds the true quantile."
    ),
    "probability_below_truth": _M(
        "P(below truth)", "How often the estimate is lower than the true quantile: the chance of too little margin."
    ),
    # scheme
    "scheme_lower_tail": _M(
        "Paths below the exact lower quantile",
        "Share of paths whose log-return over the horizon lies at or below the exact quantile of the world's law at 1 "
        "less the level; without bias of the simulation scheme, one less the level.",
    ),
    "scheme_upper_tail": _M(
        "Paths above the exact upper quantile",
        "Share of paths whose log-return over the horizon lies above the exact quantile of the world's law at the "
        "level; without bias of the simulation scheme, one less the level.",
    ),
    # estimator lab
    "relative_sd": _M(
        "Scatter", "Standard deviation of the estimate over samples, divided by the true quantile: estimation error."
    ),
    "relative_rmse": _M("Relative RMSE", "Root mean squared error of the estimate divided by the true quantile."),
    "model_error": _M(
        "Model error", "Relative bias on samples so large that only the form of the estimator is left to be wrong."
    ),
    "finite_sample_bias": _M(
        "Bias of a short sample", "Relative bias at the sample size less the model error: what the short sample adds."
    ),
    "capital_ratio": _M("Capital of the truth", "Mean estimate divided by the true quantile: what the estimate costs."),
    "log10_breach_ratio": _M(
        "Orders of magnitude",
        "Mean over samples of log10 of breach probability over nominal: 0 is right, 1 is ten times too often.",
    ),
    "score_regret": _M(
        "Score regret",
        "Expected pinball loss of the estimate beyond that of the true quantile, exact under the law, divided by the "
        "nominal tail times the true quantile.",
    ),
    "interval_width": _M(
        "Width of its interval", "Mean width of the bounded intervals of the estimator, divided by the true quantile."
    ),
    "unbounded_intervals": _M(
        "Unbounded intervals",
        "Share of samples whose own interval has no finite end, because they are too short for it.",
    ),
    "refused": _M("Refused", "Share of samples that the estimator gives no estimate for."),
    "calibrated_level": _M(
        "Level to use", "Lowest nominal level at which the mean breach probability does not exceed the target."
    ),
    "calibrated_breach": _M("Breach probability at it", "Mean exact breach probability at the level to use."),
    "calibrated_capital": _M(
        "Capital at it", "Mean estimate at the level to use, divided by the true quantile at one less the target."
    ),
    # rolling forecasts
    "coverage_kept": _M(
        "VaR not rejected",
        "Number of series on which no coverage test rejects the VaR forecasts, after adjustment over all cells of the "
        "study.",
    ),
    "shortfall_kept": _M(
        "ES not rejected",
        "Number of series on which no test of expected shortfall rejects the forecasts, after the same adjustment; "
        "series with fewer than ten expected breaches are not judged.",
    ),
    "law_kept": _M(
        "Law not rejected",
        "Number of series on which no test of the whole tail of the forecast law rejects it; only for estimators that "
        "have one.",
    ),
    "pinball_in_set": _M(
        "Among the best, VaR",
        "Number of series on which the model confidence set by pinball loss holds the estimator: it cannot be told "
        "from the best.",
    ),
    "fz0_in_set": _M(
        "Among the best, VaR and ES",
        "Number of series on which the model confidence set by FZ0 score holds the estimator.",
    ),
    "pinball_gain": _M(
        "Gain in pinball loss",
        "Mean pinball loss of the benchmark less that of the estimator, in units of the benchmark's own: positive is "
        "better.",
    ),
    "fz0_gain": _M(
        "Gain in FZ0 score",
        "Mean FZ0 score (VaR and ES together) of the benchmark less that of the estimator: positive is better.",
    ),
    "alarms_low": _M(
        "Alarms, VaR too low",
        "Number of series on which the e-process on the live forecasts, which may be looked at any day, gave an alarm.",
    ),
    "alarms_high": _M("Alarms, VaR too high", "The same by the mirrored e-process: too much margin."),
    "rate_power": _M(
        "Power",
        "Probability that Kupiec's exact test rejects, by itself, when breaches are as many times more frequent than "
        "promised as the settings say.",
    ),
    "pinball_miscalibration": _M(
        "Miscalibration",
        "Share of the mean pinball loss that recalibrating the forecasts (isotonic, in sample, all series pooled) "
        "would have saved.",
    ),
    "pinball_discrimination": _M(
        "Discrimination",
        "What forecasts that move save over the best constant one, after recalibration, in units of the mean pinball "
        "loss.",
    ),
    "pinball_uncertainty": _M("Uncertainty", "Pinball loss of the best constant forecast in the same units."),
    "pit_error": _M(
        "Days in a wrong bin",
        "Half the sum of absolute differences between the histogram of forecast transforms (20 bins) and an even one, "
        "mean over series.",
    ),
    "pit_error_right": _M("For a right law", "The same for a law that is right, from that many days: its bias."),
    "var_tracking_error": _M(
        "Tracking error", "Standard deviation over time of the logarithm of the VaR over the benchmark's VaR."
    ),
    "var_tracking_difference": _M("Mean difference", "Mean over time of the same logarithm."),
    "power_rate": _M(
        "Power, too many breaches", "Probability of rejection when breaches are more frequent than promised."
    ),
    "test_size": _M(
        "Size", "Probability of rejecting right forecasts: 5 % is what an asymptotic test promises and not all keep."
    ),
    "power_clusters": _M(
        "Power, clusters", "Probability of rejection when breaches are as frequent as promised but follow one another."
    ),
    # joint
    "insolvency_on_path": _M("P(insolvency)", "Share of paths on which at least one margin account is insolvent."),
    "bad_debt_given_insolvency": _M(
        "Bad debt given insolvency", "Mean bad debt over the paths on which a margin account is insolvent."
    ),
    "bad_debt_given_no_insolvency": _M("Bad debt given no insolvency", "Mean bad debt over the other paths."),
    "lending_liquidation_given_insolvency": _M(
        "P(loans liquidated given insolvency)",
        "Share of the paths on which a margin account is insolvent that also liquidate loans.",
    ),
    "lending_liquidation_given_no_insolvency": _M(
        "P(loans liquidated given no insolvency)", "Share of the other paths that liquidate loans."
    ),
    # accounts
    "account_loss_quantile": _M(
        "Loss quantile", "Quantile of the loss of one account over a margin period, positions left alone."
    ),
    "account_loss_es": _M("Loss ES", "Mean loss of one account beyond that quantile."),
    "account_breach": _M("Account breach", "How often the loss of one account exceeds its initial requirement."),
    # backtest
    "breaches": _M("Breaches", "Number of windows with a loss greater than the requirement."),
    "expected_breaches": _M("Expected", "Number of breaches that the level promises."),
    "breach_rate": _M("Breach rate", "Share of windows with a loss greater than the requirement."),
    "binomial_p": _M("Binomial p", "Exact two-sided binomial p-value of the breach count."),
    "kupiec_p": _M("Kupiec p", "p-value of the likelihood-ratio test of the breach rate (chi-squared)."),
    "kupiec_exact_p": _M("Kupiec p, exact", "The same by enumeration, without the chi-squared approximation."),
    "christoffersen_independence_p": _M(
        "Independence p", "p-value of Christoffersen's test that breaches do not follow one another."
    ),
    "christoffersen_p": _M("Christoffersen p", "p-value of the joint test of breach rate and independence."),
}

# Spelled as the field spells them, so that a new model needs no entry here.
TESTS = {
    "binomial": "Binomial",
    "kupiec_exact": "Kupiec",
    "christoffersen_independence": "Independence",
    "christoffersen": "Christoffersen",
    "gmm_duration": "Durations, GMM",
    "weibull_duration": "Durations, Weibull",
    "dynamic_quantile": "Dynamic quantile",
    "e_var": "E-process, too low",
    "e_var_overstated": "E-process, too high",
    "conditional_calibration": "Nolde–Ziegel",
    "conditional_calibration_one_sided": "Nolde–Ziegel, one-sided",
    "mcneil_frey": "McNeil–Frey",
    "es_regression_strict": "ES regression, strict",
    "es_regression_auxiliary": "ES regression, auxiliary",
    "es_regression_intercept": "ES regression, intercept",
    "e_es": "E-process, ES",
    "du_escanciano": "Du–Escanciano",
    "du_escanciano_conditional": "Du–Escanciano, conditional",
    "berkowitz_tail": "Berkowitz, tail",
    "z1": "Acerbi–Szekely Z1",
    "z2": "Acerbi–Szekely Z2",
}

ACRONYMS = {
    w.lower(): w
    for w in ("VaR", "ES", "EWMA", "PMRM", "POT", "GPD", "GARCH", "CAViaR", "SPAN", "IM", "MM", "BTC", "ETH", "USD")
} | {"fisher": "Fisher", "davis": "Davis", "carlo": "Carlo"}

PARAMETERS = {
    "account_kind": "account kind",
    "threshold_shift": "threshold shift",
    "sample_size": "sample size",
    "sha256": "SHA-256",
}


def title_of(measure: str) -> str:
    """Title of a measure; its own name, spelled out, where the glossary has none."""
    if measure in MEASURES:
        return MEASURES[measure].title
    return words(measure)[:1].upper() + words(measure)[1:]


def words(name: str) -> str:
    """A name with underscores as words."""
    return PARAMETERS.get(name) or name.replace("_", " ").strip() or name


def model_of(name: str) -> str:
    """Display name of a model: ``derive_pmrm_v2`` becomes ``Derive PMRM v2``; what stands in brackets stays."""
    kind, bracket, rest = name.partition(" (")
    parts = [ACRONYMS.get(part, part) for part in kind.split("_") if part]
    shown = " ".join([parts[0][:1].upper() + parts[0][1:], *parts[1:]]) if parts else kind
    return shown + bracket + rest


def value_of(name: str, value: Any) -> str:
    """A parameter's value as people write it."""
    if value is None:
        return "–"
    if name in ("level", "target") and isinstance(value, (int, float)):
        return percent(value)
    if name == "threshold_shift" and isinstance(value, (int, float)):
        return f"{value * 100:+g} pp" if value else "as it is"
    if name == "multiplier" and isinstance(value, (int, float)):
        return f"×{value:g}"
    if name == "measure":
        return title_of(str(value))
    if name == "estimator":
        return model_of(str(value))
    if name == "test":
        return TESTS.get(str(value), words(str(value)))
    if name == "series":
        return str(value)
    return words(str(value)) if isinstance(value, str) else plain(value)


def setup_of(row: Row) -> str:
    """Model and level of a row: ``Historical VaR 99 %``."""
    level = row.parameters.get("level")
    return model_of(row.model) if level is None else f"{model_of(row.model)} {percent(level)}"
