"""Figures of one cell of the estimator lab: one estimator at one level and sample size, against the truth.

Errors of an estimate are told apart: model error is the relative bias on samples so large that only the form of the
estimator is left, finite-sample bias is what is added at n, the standard deviation at n is estimation error, and the
standard error of each figure is the Monte Carlo error of the lab itself:
relative RMSE^2 = (model error + finite-sample bias)^2 + relative sd^2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from riskengine.arrays import Floats
from riskengine.estimate import Estimate, undetermined
from riskengine.stats.bounded import share
from riskengine.stats.mean import mean, root
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.names import LAB

# of a figure and its interval; those of ES have the same names after ``es_``
_ERRORS = (
    "relative_bias",
    "relative_sd",
    "relative_rmse",
    "model_error",
    "finite_sample_bias",
    "probability_below_truth",
    "interval_coverage",
    "interval_width",
    "unbounded_intervals",
)


@dataclass(frozen=True)
class Setting:
    """What the figures of a cell are held against.

    Attributes
    ----------
    level, confidence : float
    limit_size : int
        Losses in the very large samples.
    truth, shortfall : float
        Exact VaR and ES.
    """

    level: float
    confidence: float
    limit_size: int
    truth: float
    shortfall: float = math.nan


def cell_figures(
    cell: Mapping[str, Floats], limits: Mapping[str, Floats], at: Setting, reasons: tuple[str, str] = ("", "")
) -> dict[str, Estimate]:
    """Figures of one estimator at one level and sample size.

    Parameters
    ----------
    cell : dict of str to ndarray, shape (R,)
        ``value``, ``lower``, ``upper``, ``breach``, ``regret``, and where there are any ``es``, ``es_lower``,
        ``es_upper``, ``joint`` and ``conditional`` of each sample; NaN where the estimator refused.
    limits : dict of str to ndarray
        ``value`` and ``es`` of very large samples.
    at : Setting
    reasons : tuple of str
        Why VaR and ES of a whole level were refused.

    Returns
    -------
    dict of str to Estimate
        Errors relative to the truth.  Samples that were refused are counted, and left out of the other figures.
    """
    found = _errors([cell[k] for k in ("value", "lower", "upper")], limits["value"], at.truth, at, reasons[0])
    said = np.isfinite(cell["value"])
    n, nominal = said.size, 1.0 - at.level
    if said.sum() < 2:
        none = undetermined(n, f"refused: {reasons[0] or 'no finite estimate'}")
        names = ("mean_breach_probability", "log10_breach_ratio", "score_regret", "capital_ratio")
        found |= dict.fromkeys(names, none)
    else:
        breach = np.clip(cell["breach"][said], 0.0, 1.0)
        zero = int((breach <= 0.0).sum())
        bias = found["relative_bias"]
        found["capital_ratio"] = replace(bias, value=bias.value + 1.0, lower=bias.lower + 1.0, upper=bias.upper + 1.0)
        found["mean_breach_probability"] = share(breach, at.confidence)
        found["score_regret"] = (
            mean(cell["regret"][said] / (nominal * at.truth), at.confidence) if at.truth > 0 else _no_truth(n, "VaR")
        )
        found["log10_breach_ratio"] = (
            undetermined(n, f"log of zero: {zero} estimates are beyond every loss of the law")
            if zero
            else mean(np.log10(breach / nominal), at.confidence)
        )
    if "conditional" in cell:
        strays = _tracking(cell["value"], cell["conditional"], at.confidence)
        found |= dict(zip(("log_tracking_error", "log_tracking_difference"), strays, strict=True))
    if "es" in cell:
        parts = [cell[k] for k in ("es", "es_lower", "es_upper")]
        es = _errors(parts, limits["es"], at.shortfall, at, reasons[1])
        found |= {f"es_{name}": figure for name, figure in es.items()}
        found["joint_score_regret"] = _joint(cell["joint"], np.isfinite(cell["es"]) & said, at.confidence, reasons[1])
    return {name: found[name] for name in LAB if name in found}


def _no_truth(n: int, name: str) -> Estimate:
    return undetermined(n, f"the true {name} is not positive: no error is relative to it")


def _errors(parts: list[Floats], limit: Floats, truth: float, at: Setting, reason: str) -> dict[str, Estimate]:
    """`_ERRORS` and ``refused`` of one figure, from its values and bounds."""
    said = np.isfinite(parts[0])
    n = said.size
    out = {"refused": clopper_pearson(int(n - said.sum()), n, at.confidence)}
    if not truth > 0.0:
        none = (
            undetermined(n, "the law has no table to take the mean excess from")
            if math.isnan(truth)
            else _no_truth(n, "figure")
        )
        return dict.fromkeys(_ERRORS, none) | out
    out["model_error"] = model = _model_error(limit, truth, at.confidence, at.limit_size)
    if said.sum() < 2:
        none = undetermined(n, f"refused: {reason or 'no finite estimate'}")
        return dict.fromkeys((m for m in _ERRORS if m != "model_error"), none) | out
    value, lower, upper = (part[said] / truth for part in parts)
    error = value - 1.0
    bias = mean(error, at.confidence)
    return (
        out
        | {
            "relative_bias": bias,
            "relative_sd": root(mean((value - value.mean()) ** 2, at.confidence)),
            "relative_rmse": root(mean(error * error, at.confidence)),
            "finite_sample_bias": _finite_sample(bias, model, np.isfinite(limit).sum()),
            "probability_below_truth": clopper_pearson(int((value < 1.0).sum()), value.size, at.confidence),
        }
        | _interval_figures(lower, upper, at.confidence)
    )


def _joint(joint: Floats, said: np.ndarray, confidence: float, reason: str) -> Estimate:
    """Mean regret of the FZ0 score, over the samples where it is defined."""
    fine = np.isfinite(joint)
    if fine.sum() < 2:
        return undetermined(joint.size, f"refused: {reason or 'VaR is not positive, or ES lies below it'}")
    found = mean(joint[fine], confidence)
    left = int((said & ~fine).sum())
    if not left:
        return found
    return replace(found, method=f"{found.method}, {left} samples left out: VaR not positive, or ES below it")


def _tracking(value: Floats, truth: Floats, confidence: float) -> tuple[Estimate, Estimate]:
    """Standard deviation and mean of log(estimate / truth given the state) over samples."""
    said = np.isfinite(value)
    if said.sum() < 2:
        return (undetermined(value.size, "refused: no finite estimate"),) * 2
    if not ((value[said] > 0.0) & (truth[said] > 0.0)).all():
        return (undetermined(value.size, "log of zero or less: an estimate or its truth is not positive"),) * 2
    error = np.log(value[said] / truth[said])
    return root(mean((error - error.mean()) ** 2, confidence)), mean(error, confidence)


def _interval_figures(lower: Floats, upper: Floats, confidence: float) -> dict[str, Estimate]:
    """Coverage of the truth by the estimator's own interval, its width, and how often it has no end."""
    given = ~(np.isnan(lower) | np.isnan(upper))
    names = ("interval_coverage", "interval_width", "unbounded_intervals")
    if given.sum() < 2:
        return dict.fromkeys(names, undetermined(lower.size, "the estimator gives no interval"))
    low, high = lower[given], upper[given]
    covered, bounded = (low <= 1.0) & (1.0 <= high), np.isfinite(low) & np.isfinite(high)
    width = (
        mean((high - low)[bounded], confidence)
        if bounded.sum() >= 2
        else undetermined(low.size, "every interval is unbounded: the sample is too short for it")
    )
    return {
        "interval_coverage": clopper_pearson(int(covered.sum()), covered.size, confidence),
        "interval_width": width,
        "unbounded_intervals": clopper_pearson(int((~bounded).sum()), bounded.size, confidence),
    }


def _model_error(limit: Floats, truth: float, confidence: float, size: int) -> Estimate:
    """Mean relative error on very large samples, Student's interval over them."""
    error = limit[np.isfinite(limit)] / truth - 1.0
    if error.size < 2:
        return undetermined(limit.size, "refused on the very large samples")
    value, spread = float(error.mean()), float(error.std(ddof=1)) / math.sqrt(error.size)
    half = float(stdtrit(error.size - 1.0, 0.5 + 0.5 * confidence)) * spread
    method = f"mean of samples of {size}, student t"
    return Estimate(value, spread, value - half, value + half, confidence, error.size, float(error.size), method)


def _finite_sample(bias: Estimate, model: Estimate, count: int) -> Estimate:
    """Relative bias less model error; the two come from different draws."""
    if not math.isfinite(model.value):
        return undetermined(bias.n, model.method)
    error = math.hypot(bias.std_error, model.std_error)
    half = float(stdtrit(count - 1.0, 0.5 + 0.5 * bias.confidence)) * error
    value = bias.value - model.value
    return Estimate(
        value, error, value - half, value + half, bias.confidence, bias.n, bias.n_effective, "difference, student t"
    )
