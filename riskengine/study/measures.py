"""From outcome columns to rows: every figure with its interval.  Columns are read a few at a time."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.coverage import LEAST_RESOURCES
from riskengine.engine.lab import Lab
from riskengine.engine.outcomes import Key
from riskengine.engine.questions import CalibrationQuestion, LendingQuestion
from riskengine.engine.scheme import LEVELS, SIDES, Scheme
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.lending.block_market import BlockMarket
from riskengine.lending.clearable import clearable
from riskengine.stats.figures import Figures
from riskengine.stats.mean import root
from riskengine.stats.proportion import inverse_binomial
from riskengine.study.columns import Columns
from riskengine.study.names import (
    AMOUNTS,
    BY_TOKEN,
    CALIBRATION,
    FIXED,
    INDICATORS,
    MEANS,
    SHARES,
    SIGNED,
    TAIL_LEVELS,
    amount_name,
)
from riskengine.study.result import Row


def not_negative(estimate: Estimate) -> Estimate:
    """An estimate of something that cannot be negative: its lower bound is at least 0, whatever the sample allows."""
    return replace(estimate, lower=max(0.0, estimate.lower)) if estimate.value >= 0 else estimate


def amount_rows(column: Floats, name: str, figures: Figures) -> Iterator[tuple[str, str, Estimate]]:
    """(measure, unit, estimate) of an amount with an atom at zero: P(>0), mean, severity, ES and percentiles."""
    yield f"{name}_probability", "probability", figures.probability(column > 0, column)
    yield f"{name}_mean", "USD", not_negative(figures.mean(column))
    yield f"{name}_given_positive", "USD", not_negative(figures.severity(column))
    yield f"{name}_es_99", "USD", not_negative(figures.shortfall(column, 0.99))
    for level, estimate in zip(TAIL_LEVELS, figures.quantiles(column, TAIL_LEVELS), strict=True):
        yield amount_name(name, level), "USD", estimate


def clearable_rows(lending: LendingQuestion) -> Iterator[Row]:
    """What keepers of each market can clear of each collateral at a profit, from its terms and liquidity alone."""
    for market in lending.markets:
        if not isinstance(market, BlockMarket):
            continue
        for found in clearable(market):
            for name, value in (("clearable_at_once", found.at_once), ("clearable_in_a_day", found.in_a_day)):
                estimate = (
                    undetermined(1, "no liquidity bounds it")
                    if value is None
                    else exact(value, "terms and liquidity as stated, prices at rest, no gas")
                )
                yield Row("clearing", lending.label(market), {"token": found.token}, name, "USD", estimate)


def _margin_parameters(key: Key) -> dict:
    return {"level": key[2], "multiplier": key[3], "account_kind": key[4]}


def column_rows(
    key: Key, column: Floats, figures: Figures, severity: Floats | None = None, free: Collection[str] = ()
) -> Iterator[Row]:
    """Rows of one column; `severity` says how near each path comes to the event of a share, `free` names the lending
    markets whose rules charge no fee."""
    section, model, level, setting, subject, measure = key
    if section not in ("margin", "lending", "pools") or subject != "all" and measure in ("requirement", "loss"):
        return
    parameters = {} if section == "pools" else {"threshold_shift": setting}
    if section == "margin":
        parameters = _margin_parameters(key)
    found: list[tuple[str, str, Estimate]] = []
    if measure in SHARES:
        found = [(measure, SHARES[measure], figures.share(column, severity))]
    elif measure in INDICATORS:
        found = [(measure, "probability", figures.probability(column > 0, severity))]
    elif measure in FIXED and (column == column[0]).all():
        found = [(measure, FIXED[measure], exact(float(column[0]), "the same on every path"))]
    elif measure == "protocol_fee" and model in free:
        found = [(measure, MEANS[measure], exact(0.0, "exact: the rules charge none"))]
    elif measure in MEANS:
        found = [(measure, MEANS[measure], not_negative(figures.mean(column)))]
    elif measure in ("interest_kept", "protocol_revenue") and not column.any():
        of = "interest" if measure == "interest_kept" else "interest and of liquidations"
        found = [(measure, "USD", exact(0.0, f"exact: the rules keep nothing of {of}"))]
    elif measure in SIGNED:
        unit, worst = SIGNED[measure], figures.shortfall(-column, 0.99)
        lowest = replace(worst, value=-worst.value, lower=-worst.upper, upper=-worst.lower)
        found = [(measure, unit, figures.mean(column)), (f"{measure}_es_99", unit, lowest)]
    elif measure in AMOUNTS:
        found = list(amount_rows(column, measure, figures))
    elif measure == BY_TOKEN:
        parameters["token"] = subject
        found = list(amount_rows(column, measure, figures))
    for name, unit, estimate in found:
        yield Row(section, model, parameters, name, unit, estimate)


def event_rows(columns: Columns) -> Iterator[Row]:
    """How likely the event of a conditional world is, from the candidates that its paths took."""
    for key in columns.keys:
        if key[0] == "event":
            attempts = columns.select(key)[0]
            estimate = inverse_binomial(attempts.size, int(attempts.sum()), columns.plain.confidence)
            yield Row("event", key[1], {}, "event_probability", "probability", estimate)


def scheme_rows(columns: Columns, scheme: Scheme, model: str) -> Iterator[Row]:
    """How often paths end beyond the exact quantiles of their own law: what the simulation scheme adds of its own."""
    for key in columns.keys:
        if key[0] == "scheme":
            hits = columns.select(key)[0]
            estimate = columns.figures.probability(hits > 0)
            yield Row("scheme", key[1], {"asset": key[4], "level": key[2]}, key[-1], "probability", estimate)
    for asset, reason in scheme.refused.items():
        for level in LEVELS:
            for measure in SIDES.values():
                yield Row(
                    "scheme", model, {"asset": asset, "level": level}, measure, "probability", undetermined(0, reason)
                )


def shortfall_rows(columns: Columns) -> Iterator[Row]:
    """Mean size of an initial-margin shortfall given that there is one, clustered by path."""
    for key in columns.keys:
        if key[0] == "margin" and key[-1] == "shortfall":
            loss, hits = columns.select(key, (*key[:-1], "breaches"))
            estimate = not_negative(columns.figures.ratio(loss, hits))
            yield Row("margin", key[1], _margin_parameters(key), "shortfall_given_breach", "USD", estimate)


def calibration_rows(
    columns: Columns,
    question: CalibrationQuestion,
    lab: Lab,
    windows: int,
) -> Iterator[Row]:
    """Bias, error, exact breach probability and interval coverage of every estimator against the exact quantile.

    All of it is decided by the history, which no proposal tilts: plain figures, however the paths were drawn.
    """
    figures = columns.plain
    exposures = {e.name: e for e in question.exposures}
    for key in columns.keys:
        if key[0] != "calibration" or key[-1] != "estimate":
            continue
        _, model, level, _, exposure, _ = key
        wanted = [
            key,
            (*key[:-1], "breach_probability"),
            (*key[:-1], "interval_coverage"),
            ("calibration", "truth", level, None, exposure, "conditional_quantile"),
        ]
        estimate, breach, covered, conditional = columns.select(*wanted)
        truth = lab.true_quantile(exposures[exposure], level)
        parameters = {"estimator": model, "exposure": exposure, "level": level, "sample_size": windows}
        said = np.isfinite(estimate)
        # paths that were refused are counted, and left out of the other figures
        estimate, breach, covered, conditional = (c[said] for c in (estimate, breach, covered, conditional))
        found = dict.fromkeys(
            CALIBRATION, undetermined(said.size, "refused: the estimator gives no figure on these samples")
        )
        found["true_quantile"] = exact(truth, "exact unconditional law by Fourier inversion or mixture")
        found["refused"] = figures.probability(~said)
        if said.sum() >= 2:
            error = estimate - truth
            found |= {
                "bias": figures.mean(error),
                "relative_bias": figures.mean(error / truth),
                "rmse": root(figures.mean(error * error)),
                "rmse_conditional": root(figures.mean((estimate - conditional) ** 2)),
                "probability_below_truth": figures.probability(estimate < truth),
                "mean_breach_probability": figures.share(breach),
                "interval_coverage": figures.probability(covered > 0),
            }
        for measure, figure in found.items():
            yield Row("calibration", model, parameters, measure, CALIBRATION[measure], figure)


def reference_rows(columns: Columns) -> Iterator[Row]:
    """Requirements of chosen accounts against the simulated quantile of their own loss (a reference, not the truth)."""
    for key in columns.keys:
        if key[0] != "margin" or key[-1] != "requirement" or key[2] is None:
            continue
        _, model, level, _, account, _ = key
        loss, requirement = columns.select((*key[:-1], "loss"), key)
        reference = columns.figures.quantile_with_error(loss, level)
        # both parts at half the error (Bonferroni): they come from the same paths
        half = columns.figures.at(0.5 * (1.0 + columns.figures.confidence))
        typical, wide = half.mean(requirement), half.quantiles(loss, (level,))[0]
        bias = Estimate(
            typical.value - reference.value,
            float(np.hypot(typical.std_error, reference.std_error)),
            typical.lower - wide.upper,
            typical.upper - wide.lower,
            columns.figures.confidence,
            typical.n,
            reference.n_effective,
            "mean requirement less simulated reference quantile, bonferroni",
        )
        parameters = {"estimator": model, "exposure": account, "level": level}
        yield Row("calibration", model, parameters, "reference_quantile", "USD", reference)
        yield Row("calibration", model, parameters, "bias", "USD", bias)
        yield Row(
            "calibration",
            model,
            parameters,
            "mean_breach_probability",
            "probability",
            columns.figures.probability(loss > requirement, loss / np.maximum(requirement, LEAST_RESOURCES)),
        )


def account_rows(columns: Columns, levels: tuple[float, ...]) -> Iterator[Row]:
    """Quantile and ES of the loss of each reference account over the first margin period, and how often it exceeds the
    requirement of each model."""
    done: set[str] = set()
    for key in columns.keys:
        section, model, level, _, account, measure = key
        if section != "margin" or measure != "loss" or not levels:
            continue
        loss, requirement = columns.select(key, (*key[:-1], "requirement"))
        if account not in done:
            done.add(account)
            names = ("account_loss_quantile", "account_loss_es")
            for name, found in zip(names, columns.figures.tails(loss, levels), strict=True):
                for each, estimate in zip(levels, found, strict=True):
                    yield Row("accounts", "book", {"account": account, "level": each}, name, "USD", estimate)
        breach = columns.figures.probability(loss > requirement, loss / np.maximum(requirement, LEAST_RESOURCES))
        yield Row("accounts", model, {"account": account, "level": level}, "account_breach", "probability", breach)
