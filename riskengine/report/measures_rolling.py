"""Titles and definitions of the measures of rolling forecasts."""

# measure -> (title, definition)
ROLLING: dict[str, tuple[str, str]] = {
    "coverage_kept": (
        "VaR not rejected",
        "Number of series on which no coverage test rejects the VaR forecasts, after adjustment over all cells of the "
        "study.",
    ),
    "shortfall_kept": (
        "ES not rejected",
        "Number of series on which no test of expected shortfall rejects the forecasts, after the same adjustment; "
        "series with fewer than ten expected breaches are not judged.",
    ),
    "law_kept": (
        "Law not rejected",
        "Number of series on which no test of the whole tail of the forecast law rejects it; only for estimators that "
        "have one.",
    ),
    "pinball_in_set": (
        "Among the best, VaR",
        "Number of series on which the model confidence set by pinball loss holds the estimator: it cannot be told "
        "from the best.",
    ),
    "fz0_in_set": (
        "Among the best, VaR and ES",
        "Number of series on which the model confidence set by FZ0 score holds the estimator.",
    ),
    "pinball_gain": (
        "Gain in pinball loss",
        "Mean pinball loss of the benchmark less that of the estimator, in units of the benchmark's own: positive is "
        "better.",
    ),
    "fz0_gain": (
        "Gain in FZ0 score",
        "Mean FZ0 score (VaR and ES together) of the benchmark less that of the estimator: positive is better.",
    ),
    "alarms_low": (
        "Alarms, VaR too low",
        "Number of series on which the e-process on the live forecasts, which may be looked at any day, gave an alarm.",
    ),
    "alarms_high": ("Alarms, VaR too high", "The same by the mirrored e-process: too much margin."),
    "rate_power": (
        "Power",
        "Probability that Kupiec's exact test rejects, by itself, when breaches are as many times more frequent than "
        "promised as the settings say.",
    ),
    "pinball_miscalibration": (
        "Miscalibration",
        "Share of the mean pinball loss that recalibrating the forecasts (isotonic, in sample, all series pooled) "
        "would have saved.",
    ),
    "pinball_discrimination": (
        "Discrimination",
        "What forecasts that move save over the best constant one, after recalibration, in units of the mean pinball "
        "loss.",
    ),
    "pinball_uncertainty": ("Uncertainty", "Pinball loss of the best constant forecast in the same units."),
    "pit_error": (
        "Days in a wrong bin",
        "Half the sum of absolute differences between the histogram of forecast transforms (20 bins) and an even one, "
        "mean over series.",
    ),
    "pit_error_right": ("For a right law", "The same for a law that is right, from that many days: its bias."),
    "crps_gain": (
        "CRPS saved",
        "Mean CRPS of the benchmark's law less that of the estimator's, in units of the benchmark's own: positive is "
        "better.",
    ),
    "tail_crps_gain": (
        "Tail CRPS saved",
        "The same over the levels from 95 % on (quantile-weighted CRPS): the tail of losses alone.",
    ),
    "var_tracking_error": (
        "Tracking error",
        "Standard deviation over time of the logarithm of the VaR over the benchmark's VaR.",
    ),
    "var_tracking_difference": ("Mean difference", "Mean over time of the same logarithm."),
    "ex_ante_tracking_error": (
        "Tracking error, ex ante",
        "Mean over time of the standard deviation of the active return that the covariance of the past forecasts, a "
        "period.",
    ),
    "ex_post_tracking_error": (
        "Tracking error, ex post",
        "Standard deviation over time of portfolio return less benchmark return, a period.",
    ),
    "tracking_difference": (
        "Tracking difference",
        "Mean over time of portfolio return less benchmark return, a period.",
    ),
    "tracking_ratio": (
        "Realised over forecast",
        "Root of the mean square of active return over its forecast tracking error: 1 where forecasts are right, above "
        "1 where they are too low.",
    ),
    "tracking_exceedance": (
        "Beyond 1.96 forecasts",
        "Share of periods whose active return is larger than 1.96 times its forecast tracking error: 5 % where it is "
        "right and the return normal.",
    ),
    "power_rate": (
        "Power, too many breaches",
        "Probability of rejection when breaches are more frequent than promised.",
    ),
    "power_clusters": (
        "Power, clusters",
        "Probability of rejection when breaches are as frequent as promised but follow one another.",
    ),
}
