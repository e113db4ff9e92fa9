"""From outcome columns to rows: every figure with its interval.  Columns are read a few at a time."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.lab import Lab
from riskengine.engine.outcomes import Key
from riskengine.engine.questions import CalibrationQuestion
from riskengine.engine.scheme import LEVELS, SIDES, Scheme
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.stats.bounded import share
from riskengine.stats.maritz_jarrett import quantile_error
from riskengine.stats.mean import conditional_severity, mean, ratio_of_means
from riskengine.stats.proportion import clopper_pearson, inverse_binomial
from riskengine.stats.quantile import expected_shortfall, value_at_risk
from riskengine.study.columns import Columns
from riskengine.study.names import AMOUNTS, INDICATORS, MEANS, SHARES, TAIL_LEVELS, amount_name
from riskengine.study.result import Row


def _not_negative(estimate: Estimate) -> Estimate:
    """An estimate of something that cannot be negative: its lower bound is at least 0, whatever the sample allows."""
    return replace(estimate, lower=max(0.0, estimate.lower)) if estimate.value >= 0 else estimate


def amount_rows(column: Floats, name: str, confidence: float) -> Iterator[tuple[str, str, Estimate]]:
    """(measure, unit, estimate) of an amount with an atom at zero: P(>0), mean, severity, ES and percentiles."""
    yield f"{name}_probability", "probability", clopper_pearson(int((column > 0).sum()), column.size, confidence)
    yield f"{name}_mean", "USD", _not_negative(mean(column, confidence))
    yield f"{name}_given_positive", "USD", _not_negative(conditional_severity(column, confidence))
    yield f"{name}_es_99", "USD", _not_negative(expected_shortfall(column, 0.99, confidence))
    for level, estimate in zip(TAIL_LEVELS, value_at_risk(column, TAIL_LEVELS, confidence), strict=True):
        yield amount_name(name, level), "USD", estimate


def _margin_parameters(key: Key) -> dict:
    return {"level": key[2], "multiplier": key[3], "account_kind": key[4]}


def column_rows(key: Key, column: Floats, confidence: float) -> Iterator[Row]:
    """Rows that need one column only."""
    section, model, level, setting, subject, measure = key
    if section in ("calibration", "event", "scheme") or subject not in ("all",) and measure in ("requirement", "loss"):
        return
    parameters = _margin_parameters(key) if section == "margin" else {"threshold_shift": setting}
    found: list[tuple[str, str, Estimate]] = []
    if measure in SHARES:
        found = [(measure, SHARES[measure], share(column, confidence))]
    elif measure in INDICATORS:
        found = [(measure, "probability", clopper_pearson(int(column.sum()), column.size, confidence))]
    elif measure in MEANS:
        found = [(measure, MEANS[measure], _not_negative(mean(column, confidence)))]
    elif measure in AMOUNTS:
        found = list(amount_rows(column, measure, confidence))
    for name, unit, estimate in found:
        yield Row(section, model, parameters, name, unit, estimate)


def event_rows(columns: Columns, confidence: float) -> Iterator[Row]:
    """How likely the event of a conditional world is, from the candidates that its paths took."""
    for key in columns.keys:
        if key[0] == "event":
            attempts = columns.select(key)[0]
            estimate = inverse_binomial(attempts.size, int(attempts.sum()), confidence)
            yield Row("event", key[1], {}, "event_probability", "probability", estimate)


def scheme_rows(columns: Columns, scheme: Scheme, model: str, confidence: float) -> Iterator[Row]:
    """How often paths end beyond the exact quantiles of their own law: what the simulation scheme adds of its own."""
    for key in columns.keys:
        if key[0] == "scheme":
            hits = columns.select(key)[0]
            estimate = clopper_pearson(int(hits.sum()), hits.size, confidence)
            yield Row("scheme", key[1], {"asset": key[4], "level": key[2]}, key[-1], "probability", estimate)
    for asset, reason in scheme.refused.items():
        for level in LEVELS:
            for measure in SIDES.values():
                yield Row(
                    "scheme", model, {"asset": asset, "level": level}, measure, "probability", undetermined(0, reason)
                )


def shortfall_rows(columns: Columns, confidence: float) -> Iterator[Row]:
    """Mean size of an initial-margin shortfall given that there is one, clustered by path."""
    for key in columns.keys:
        if key[0] == "margin" and key[-1] == "shortfall":
            loss, hits = columns.select(key, (*key[:-1], "breaches"))
            estimate = _not_negative(ratio_of_means(loss, hits, confidence))
            yield Row("margin", key[1], _margin_parameters(key), "shortfall_given_breach", "USD", estimate)


def calibration_rows(
    columns: Columns,
    question: CalibrationQuestion,
    lab: Lab,
    windows: int,
    confidence: float,
) -> Iterator[Row]:
    """Bias, error, exact breach probability and interval coverage of every estimator against the exact quantile."""
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
        error = estimate - truth
        squared = mean(error * error, confidence)
        figures = {
            "true_quantile": ("return", exact(truth, "exact unconditional law by Fourier inversion or mixture")),
            "bias": ("return", mean(error, confidence)),
            "relative_bias": ("share", mean(error / truth, confidence)),
            "rmse": ("return", _root(squared)),
            "rmse_conditional": ("return", _root(mean((estimate - conditional) ** 2, confidence))),
            "probability_below_truth": (
                "probability",
                clopper_pearson(int((estimate < truth).sum()), estimate.size, confidence),
            ),
            "mean_breach_probability": ("probability", share(breach, confidence)),
            "interval_coverage": ("probability", clopper_pearson(int(covered.sum()), covered.size, confidence)),
        }
        for measure, (unit, figure) in figures.items():
            yield Row("calibration", model, parameters, measure, unit, figure)


def _root(squared: Estimate) -> Estimate:
    """Square root of a mean square, delta method for the standard error, ends of the interval mapped."""
    value = float(np.sqrt(squared.value))
    return Estimate(
        value,
        squared.std_error / (2.0 * value) if value > 0 else 0.0,
        float(np.sqrt(max(squared.lower, 0.0))),
        float(np.sqrt(max(squared.upper, 0.0))),
        squared.confidence,
        squared.n,
        squared.n_effective,
        f"root of {squared.method}",
    )


def reference_rows(columns: Columns, confidence: float) -> Iterator[Row]:
    """Requirements of chosen accounts against the simulated quantile of their own loss (a reference, not the truth)."""
    for key in columns.keys:
        if key[0] != "margin" or key[-1] != "requirement" or key[2] is None:
            continue
        _, model, level, _, account, _ = key
        loss, requirement = columns.select((*key[:-1], "loss"), key)
        reference = value_at_risk(loss, (level,), confidence)[0]
        reference = replace(reference, std_error=quantile_error(loss, level))
        # both parts at half the error (Bonferroni): they come from the same paths
        half = 0.5 * (1.0 + confidence)
        typical, wide = mean(requirement, half), value_at_risk(loss, (level,), half)[0]
        bias = Estimate(
            typical.value - reference.value,
            float(np.hypot(typical.std_error, reference.std_error)),
            typical.lower - wide.upper,
            typical.upper - wide.lower,
            confidence,
            typical.n,
            reference.n_effective,
            "mean requirement less simulated reference quantile, bonferroni",
        )
        parameters = {"estimator": model, "exposure": account, "level": level}
        hits = int((loss > requirement).sum())
        yield Row("calibration", model, parameters, "reference_quantile", "USD", reference)
        yield Row("calibration", model, parameters, "bias", "USD", bias)
        yield Row(
            "calibration",
            model,
            parameters,
            "mean_breach_probability",
            "probability",
            clopper_pearson(hits, loss.size, confidence),
        )
