"""Titles and definitions of every measure, as tables and the glossary print them."""

from dataclasses import dataclass

from riskengine.report.measures_black_scholes import BLACK_SCHOLES
from riskengine.report.measures_chain import CHAIN
from riskengine.report.measures_life import LIFE, LIFE_AMOUNTS
from riskengine.report.measures_rates import RATES
from riskengine.report.measures_replay import REPLAY
from riskengine.report.measures_rolling import ROLLING


@dataclass(frozen=True)
class Measure:
    """Title and definition of one measure, as the glossary prints them."""

    title: str
    definition: str


# Amounts with an atom at zero are reported as a distribution: chance, mean, tail and severity.
_AMOUNTS = {
    "bad_debt": ("Bad debt", "debt left without enough collateral"),
    "bad_debt_by_token": ("Bad debt in the token", "bad debt that is owed in the token"),
    "liquidated_volume": ("Liquidated volume", "debt repaid by liquidators"),
    "supplier_loss": ("Suppliers' loss", "bad debt that the fees earned on the same path do not cover"),
    "unsold_inventory": ("Unsold coins", "collateral that the protocol took over and still holds, at market prices"),
    "withdrawals_refused": ("Withdrawals refused", "withdrawals that suppliers are refused at one time"),
    "socialised_loss": ("Socialised loss", "loss beyond the insurance fund that falls on other accounts"),
    **LIFE_AMOUNTS,
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


def _results() -> dict[str, Measure]:
    """Measures that may be negative, and what they are where they are worst."""
    own = {
        "protocol_result_sold": (
            "Protocol's result after sale",
            "Mean fees less bad debt on a path, with gains on collateral taken over, if all that is for sale at the "
            "end (unsold coins, collateral of loans then liquidatable) is sold into the pool at once; negative: "
            "reserves or suppliers lose.",
        ),
        "protocol_result": (
            "Protocol's result at market prices",
            "Mean fees less bad debt on a path, with gains on collateral taken over, all that is for sale at the "
            "end at market prices, as if selling it cost nothing.",
        ),
        "reserves": ("Reserves", "Mean of the protocol's reserves at the end; coins that it holds unsold are not in."),
        "impermanent_loss": (
            "Impermanent loss",
            "Mean of what a pool token is worth at the end, fees left out, over what its coins of the start would be, "
            "minus 1.",
        ),
    }
    worst = "Mean over the worst 1 % of paths of: {}."
    return {
        name: said
        for measure, (title, definition) in own.items()
        for name, said in (
            (measure, Measure(title, definition)),
            (f"{measure}_es_99", Measure(f"{title}, ES 99 %", worst.format(title[0].lower() + title[1:]))),
        )
    }


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
    **{
        f"largest_rise_{n}": _M(
            f"Largest rise over {n}",
            f"Mean over paths of the largest ratio of the requirement to that of {periods} before.",
        )
        for n, periods in ((1, "1 margin period"), (5, "5 margin periods"), (30, "30 margin periods"))
    },
    "capital": _M(
        "Capital",
        "Mean initial requirement of the whole book, or of the account that a row names: what the coverage costs.",
    ),
    "capital_of_notional": _M(
        "Capital over notional",
        "Mean initial requirement over the notional of positions and coins at the start, either way.",
    ),
    "requirement_error": _M("Requirement error", "Standard errors of simulated requirements, summed, over capital."),
    "tail_beyond_margin": _M(
        "Tail beyond margin",
        "Mean of loss less initial margin over the worst paths of an account, beyond the stated level; above zero: the "
        "margin does not cover the mean of that tail.",
    ),
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
    "protocol_fee": _M("Protocol fee", "Mean of what liquidations on a path leave the protocol, bad debt apart."),
    "liquidation_penalty": _M(
        "Taken from borrowers", "Mean collateral seized on a path, less debt settled by it and what was credited back."
    ),
    "keeper_profit": _M("Keepers earn", "Mean profit of liquidators on a path after slippage and gas."),
    "clearable_at_once": _M(
        "Clearable at once",
        "Most collateral that one liquidation can sell without a loss, at the largest incentive, before gas.",
    ),
    "clearable_in_a_day": _M(
        "Clearable in a day", "The same of a sale an hour for a day, into what has refilled, prices at rest."
    ),
    "liquidatable_at_start": _M(
        "Liquidatable at once", "Borrowers whom the thresholds as set leave below health factor 1 at time 0."
    ),
    "reacting_borrowers": _M(
        "Borrowers who act", "Mean number of borrowers on a path who top up or deleverage at least once."
    ),
    **_results(),
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
    "log_tracking_error": _M(
        "Tracking error of the logarithm",
        "Standard deviation over samples of log(estimate / true quantile given the state at time 0): how far the "
        "estimate strays from a truth that moves, where the world has a state.",
    ),
    "log_tracking_difference": _M("Mean log difference", "Mean of this logarithm; positive: estimates too high."),
    "true_shortfall": _M("True ES", "Mean loss beyond the true quantile under the exact law of the world."),
    "es_relative_bias": _M("Relative bias of ES", "Mean estimate of ES less the true one, divided by it."),
    "es_relative_sd": _M("Scatter of ES", "Standard deviation of the estimate of ES, divided by the true one."),
    "es_relative_rmse": _M("Relative RMSE of ES", "Root mean squared error of ES divided by the true one."),
    "es_model_error": _M("Model error of ES", "Relative bias of ES on samples so large that only the form is left."),
    "es_finite_sample_bias": _M("Bias of ES in a short sample", "Relative bias of ES less its model error."),
    "es_probability_below_truth": _M("P(ES below truth)", "How often the estimate of ES is lower than the true one."),
    "joint_score_regret": _M(
        "Joint score regret",
        "Expected FZ0 score of the pair (VaR, ES) beyond that of the true pair, exact under the law; it has no unit.",
    ),
    "es_interval_coverage": _M("Coverage of ES interval", "How often the own interval of ES holds the true one."),
    "es_interval_width": _M("Width of the interval of ES", "Mean width of its bounded intervals over the true ES."),
    "es_unbounded_intervals": _M("Unbounded intervals of ES", "Share of samples with no finite end to that interval."),
    "es_refused": _M("ES refused", "Share of samples that the estimator gives no ES for."),
    "refused": _M("Refused", "Share of samples that the estimator gives no estimate for."),
    "calibrated_level": _M(
        "Level to use", "Lowest nominal level at which the mean breach probability does not exceed the target."
    ),
    "calibrated_breach": _M("Breach probability at it", "Mean exact breach probability at the level to use."),
    "calibrated_capital": _M(
        "Capital at it", "Mean estimate at the level to use, divided by the true quantile at one less the target."
    ),
    # rolling forecasts
    **{name: _M(*said) for name, said in (ROLLING | CHAIN | LIFE | BLACK_SCHOLES | REPLAY | RATES).items()},
    # forecast probabilities
    "event_rate": _M("Event rate", "How often the loss exceeded the margin."),
    "mean_forecast": _M("Mean forecast", "Mean of the forecast probabilities of that."),
    "brier_score": _M("Brier score", "Mean squared difference of forecast probability and outcome (0 or 1)."),
    "brier_excess": _M(
        "Over the best", "Brier score less that of the forecast that knows the state, on the same outcomes."
    ),
    "miscalibration": _M("Miscalibration", "What isotonic recalibration would take off the score (CORP)."),
    "miscalibration_perfect": _M(
        "Miscalibration of a perfect forecast",
        "Miscalibration where outcomes are drawn from the forecasts themselves: mean and range.",
    ),
    "miscalibration_p": _M(
        "p of miscalibration", "How often outcomes drawn from the forecasts show as much miscalibration."
    ),
    "discrimination": _M("Discrimination", "What the recalibrated forecast gains over the base rate (CORP)."),
    "uncertainty": _M("Uncertainty", "Brier score of the base rate."),
    "calibration_error": _M(
        "Expected calibration error", "Mean over bins of equally many forecasts of |mean forecast − event rate|."
    ),
    "calibration_error_perfect": _M(
        "Calibration error of a perfect forecast",
        "The same where outcomes are drawn from the forecasts themselves: its bias.",
    ),
    "calibration_error_p": _M(
        "p of calibration error", "How often outcomes drawn from the forecasts show as large an error."
    ),
    "crps": _M("CRPS", "Continuous ranked probability score: mean squared distance of forecast law and outcome."),
    "crps_excess": _M(
        "CRPS over the best", "CRPS less that of the forecast that knows the state, on the same outcomes."
    ),
    "tail_crps": _M("Tail CRPS", "The same over losses beyond the lowest margin only."),
    "tail_crps_excess": _M("Tail CRPS over the best", "Tail CRPS less that of the forecast that knows the state."),
    "pit_share": _M("Share of outcomes", "Share of outcomes in a tenth of the forecast law; a right law has a tenth."),
    # sensitivity
    "base_value": _M("The study's own figure", "With every input as the base study has it."),
    "tornado_low": _M(
        "At its 5 % quantile", "Change of the figure when the input alone is at the 5 % quantile of its law."
    ),
    "tornado_high": _M(
        "At its 95 % quantile", "Change of the figure when the input alone is at the 95 % quantile of its law."
    ),
    "tornado_swing": _M(
        "Swing", "Figure at the 95 % quantile of the input less that at its 5 % quantile, on the same paths."
    ),
    "effect_mean": _M(
        "Mean effect",
        "Mean over random places of the inputs of the change of the figure per move of the input over its range (5 to "
        "95 %).",
    ),
    "effect_absolute": _M(
        "Mean absolute effect",
        "Mean size of that change; its sign is taken from other paths, so that noise alone has mean zero.",
    ),
    "effect_spread": _M("Spread of effects", "Standard deviation of that change: curvature and interaction."),
    "first_index": _M("First index", "Share of the variance that the input, or group, explains alone (Sobol)."),
    "total_index": _M("Total index", "Share of the variance left when all but the input, or group, are known (Sobol)."),
    "shapley_effect": _M(
        "Shapley effect", "Share of the variance, interactions and dependence divided fairly; all add up to 100 %."
    ),
    "answer_mean": _M("Mean over inputs", "Mean of the figure over the laws of all inputs."),
    "answer_sd": _M(
        "Scatter over inputs", "Standard deviation of the figure over the laws of all inputs, noise removed."
    ),
    "noise_share": _M(
        "Noise removed", "Share of the raw variance between evaluations that was noise of their few paths."
    ),
    "quantile_elasticity": _M(
        "Elasticity", "Change of the loss quantile in per cent for one per cent of the parameter."
    ),
    "quantile_change": _M(
        "Change per standard error",
        "Exact derivative of the loss quantile times the standard error of the parameter, as a share of the quantile.",
    ),
    "quantile_change_simulated": _M("The same, simulated", "From paths a small step of the parameter either side."),
    "quantile_change_z": _M("Exact against simulated", "Difference of the two derivatives, in standard errors."),
    "shortfall_change": _M("Change per standard error", "As of the quantile, of the expected shortfall."),
    "shortfall_change_simulated": _M("The same, simulated", "From the mean move of the paths beyond the quantile."),
    "shortfall_change_z": _M("Exact against simulated", "Difference of the two derivatives, in standard errors."),
    "kernel_width": _M("Kernel width", "Half the window around the quantile that simulated derivatives are read from."),
    "quantile_simulated": _M("Loss quantile, simulated", "Quantile of the simulated losses."),
    "shortfall_simulated": _M("Shortfall, simulated", "Mean of the simulated losses beyond their quantile."),
    "uncertainty_share": _M(
        "Share of the uncertainty", "Part of the variance of the quantile that the error of this parameter causes."
    ),
    "fit_uncertainty": _M(
        "Uncertainty from the fit",
        "Standard deviation of the loss quantile caused by all errors of the fit, as a share.",
    ),
    # certified choice
    "chosen_setting": _M("Setting chosen", "Setting that a rule takes."),
    "risk_in_sample": _M("Risk, paths of the choice", "Risk of a setting on the paths that the choice was made on."),
    "risk_fresh": _M("Risk, fresh paths", "Risk of a setting on other draws, which had no part in the choice."),
    "risk_upper_bound": _M(
        "Upper bound of the risk",
        "Risk on the paths of the choice, with the one-sided upper bound that is held against the target.",
    ),
    "cost_fresh": _M("Cost", "Mean cost of a setting on fresh paths."),
    "swing_fresh": _M(
        "Peak to trough", "Mean over fresh paths of the largest rise of the whole requirement, as a ratio."
    ),
    "cost_ratio": _M(
        "Cost of now", "Mean cost of a setting over that of the setting in force, on the same fresh paths."
    ),
    "variants_passed": _M("Draws passed", "Share of the draws from the law of the fit in which the setting passes."),
    "safe_share_of_fit": _M(
        "Safe share of the fit", "Share of the law of the fit for which the setting is safe: bounded from below."
    ),
    "paths_needed": _M(
        "Paths needed", "Paths from which the setting that stopped the walk would pass, if its risk is as estimated."
    ),
    "bad_debt_share": _M(
        "Bad debt, share of its scale",
        "Mean of the bad debt of a path beyond a stated amount, over a stated scale, cut to [0, 1] on each path.",
    ),
    "baseline_factor": _M("Factor", "Threshold or largest loan-to-value by one method."),
    "baseline_bad_debt": _M(
        "Expected bad debt, untouched", "Expected bad debt of a loan that nobody liquidates, over its debt."
    ),
    "liquidated_at_once": _M(
        "Liquidatable at once", "Loans that a change of parameters makes liquidatable at the prices of the start."
    ),
    "initial_margin_breach_on_path": _M(
        "P(initial-margin breach)", "Share of paths on which at least one account breaches its initial margin."
    ),
    "allowed_breaches": _M("Allowed breaches", "Largest count of losses beyond the margin that a rule lets pass."),
    "mean_true_risk": _M(
        "Mean true risk", "Mean over choices of the exact breach probability of the margin that was chosen."
    ),
    "violation_share": _M(
        "Choices above target", "Share of choices whose exact breach probability exceeds the target."
    ),
    "mean_margin_ratio": _M(
        "Margin of the true one", "Mean margin chosen, divided by the exact quantile at one less the target."
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
    # backtests and what they can see
    "test_size": _M("True size", "How often the test rejects a forecast that is right."),
    "test_power": _M("Power", "How often the test rejects a forecast that is wrong in the stated way."),
    "untestable": _M(
        "Untestable",
        "Share of histories of a right forecast on which the statistic cannot be formed; they do not reject.",
    ),
    "es_ratio": _M("True over forecast ES", "Expected shortfall of the truth divided by that of the forecast."),
    "breach_after_breach": _M(
        "Breach after a breach", "Probability of a breach on the day after one, divided by the promised probability."
    ),
    "detectable_multiple": _M(
        "Smallest rate found",
        "Least multiple of the promised breach rate that the test rejects with the stated power at these days.",
    ),
    "months_to_detect": _M(
        "Months until found",
        "Months of non-overlapping days until the test rejects the stated multiple of the rate with the stated power.",
    ),
    "false_alarm": _M(
        "Any false alarm", "Chance that at least one of several tests rejects although every forecast is right."
    ),
    "family_power": _M(
        "Any rightful alarm", "Chance that at least one of several tests rejects a rate that is the stated multiple."
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
    "holm_p": _M("Holm p", "Binomial p-value adjusted for testing every account of the model and level."),
    "traffic_light": _M(
        "Traffic light",
        "Zone of the breach count: yellow from the smallest count with P(at most as many) of 95 % under the promised "
        "rate, red from 99.99 %.",
    ),
    "e_process_p": _M(
        "E-process p", "Any-time valid p-value against a requirement that is too low: it may be looked at every day."
    ),
    "e_process_overstated_p": _M("E-process p, too high", "The same against a requirement that is too high."),
    "accounts_rejected": _M("Rejected", "Accounts whose binomial p-value is at most 5 %."),
    "accounts_rejected_holm": _M("Rejected, Holm", "Accounts whose adjusted p-value is at most 5 %."),
    "e_process_alarms": _M("E-process alarms", "Accounts whose e-process ever reached 20."),
    "accounts_yellow": _M("Yellow", "Accounts in the yellow zone of the traffic light."),
    "accounts_red": _M("Red", "Accounts in the red zone of the traffic light."),
    "detectable_rate": _M(
        "Detectable rate", "Smallest breach rate that the binomial test rejects with 80 % power in this many windows."
    ),
    "power_at_twice": _M("Power at twice", "How often the binomial test rejects twice the promised rate."),
}
