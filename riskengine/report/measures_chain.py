"""Titles and definitions of the measures of backtests on option chains."""

# measure -> (title, definition)
CHAIN: dict[str, tuple[str, str]] = {
    "observations": ("Observations", "Accounts times margin periods that could be judged."),
    "exceptions": (
        "Exceptions",
        "Number of accounts and margin periods in which the loss at its end, positions left alone, was strictly above "
        "the initial requirement at its start.",
    ),
    "expected_exceptions": ("Promised", "Observations times one less the level, or less the coverage target."),
    "exception_days": ("Days with one", "Margin periods in which at least one account had an exception."),
    "exception_rate": ("Exception rate", "Share of observations that are exceptions; one less it is the coverage."),
    "maintenance_exception_rate": (
        "Above maintenance",
        "Share of observations whose loss at the end of the period was above the maintenance requirement at its start: "
        "the worst loss inside the period is not seen, so it was above at least so often.",
    ),
    "uncovered_mean": (
        "Mean uncovered loss",
        "Mean of the loss beyond the requirement over the exceptions, as a share of the spot notional of the account.",
    ),
    "uncovered_peak": ("Peak uncovered loss", "Largest loss beyond a requirement, as a share of the same."),
    "margin_share": (
        "Mean requirement",
        "Mean initial requirement as a share of the spot notional of the account (its largest leg): what it costs.",
    ),
    "margin_peak_to_trough": (
        "Peak to trough",
        "Largest ratio of the requirement to an earlier one, as shares of notional, accounts struck afresh each time: "
        "the price of the same kind of risk.",
    ),
    "margin_rise_1": ("Largest rise over 1", "Largest ratio of it to that of 1 margin period before."),
    "margin_rise_5": ("Largest rise over 5", "Largest ratio of it to that of 5 margin periods before."),
    "margin_rise_30": ("Largest rise over 30", "Largest ratio of it to that of 30 margin periods before."),
    "accounts_rejected_bh": (
        "Accounts rejected",
        "Number of accounts, each on each asset, whose count of exceptions is too high by the exact one-sided binomial "
        "test after adjustment (Benjamini and Hochberg) over all models and accounts.",
    ),
    "account_power": (
        "Power",
        "Probability that the exact one-sided test of one account rejects, unadjusted, when exceptions are as many "
        "times more frequent than promised as the settings say.",
    ),
    "account_power_adjusted": (
        "Power after adjustment",
        "The same where the p-value must be as small as Benjamini and Hochberg's adjustment over all models and "
        "accounts asked for here.",
    ),
    "equal_multiplier": (
        "Multiplier to equal cost",
        "Factor on every requirement of the model that makes its mean equal to the benchmark's.",
    ),
    "equal_exception_rate": ("Exception rate at equal cost", "Exception rate with that multiplier."),
    "exception_rate_difference": (
        "Exceptions over the benchmark",
        "Exception rate less that of the benchmark, on the same accounts and days.",
    ),
    "exception_rate_difference_p": (
        "p of the difference",
        "Student's t on the error of the resampled days, degrees of freedom as in the interval, Holm over models: "
        "approximate, and blind to a rare bad day that these days do not hold.",
    ),
    "equal_exception_rate_difference": (
        "The same at equal cost",
        "The same with each model's multiplier to equal cost.",
    ),
    "equal_exception_rate_difference_p": ("p at equal cost", "The same test at equal cost."),
    "margin_share_difference": ("Requirement over the benchmark", "Mean requirement less that of the benchmark."),
}
