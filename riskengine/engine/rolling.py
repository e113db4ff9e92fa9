"""Rolling forecasts: an estimator on every window of a series, each window a lane.

The forecast of period t reads the W losses before it and nothing else.  With a refit step k it is made every k periods
and held in between: what a desk that recalibrates weekly would have used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from riskengine.arrays import Floats
from riskengine.roles import Estimator

_LANES = 256  # windows fitted at once: their losses fit the second-level cache


@dataclass(frozen=True, eq=False)
class Forecasts:
    """VaR and ES for every period that a series is judged on.

    Attributes
    ----------
    var, es : ndarray, shape (levels, N)
        NaN where the estimator gave none that is usable: 0 < VaR <= ES, both finite.
    reasons : tuple of str
        For each level why all of it is missing; empty where it is not.
    """

    var: Floats
    es: Floats
    reasons: tuple[str, ...]


def rolling(
    estimator: Estimator, losses: Floats, window: int, first: int, levels: Floats, confidence: float, refit: int = 1
) -> Forecasts:
    """Forecasts of ``losses[first:]``.

    Parameters
    ----------
    estimator : Estimator
    losses : ndarray, shape (T,)
        In time order.
    window : int
        Losses that a forecast reads, at most `first`.
    first : int
        The first period that is forecast.
    levels : ndarray, shape (L,)
    confidence : float
    refit : int
        Periods that a forecast is held for.
    """
    lanes = sliding_window_view(losses, window)[first - window : -1][::refit]
    parts = [_fit(estimator, np.ascontiguousarray(lanes[i : i + _LANES].T), levels, confidence) for i in
             range(0, lanes.shape[0], _LANES)]  # fmt: skip
    count = losses.size - first
    var, es = (np.repeat(np.concatenate([p[k] for p in parts], axis=1), refit, axis=1)[:, :count] for k in (0, 1))
    reasons = [next((p[2][i] for p in parts if p[2][i]), "") for i in range(levels.size)]
    usable = np.isfinite(var) & np.isfinite(es) & (var > 0) & (es >= var)
    for i, level in enumerate(levels):
        if not usable[i].any():
            reasons[i] = reasons[i] or _refused(estimator, lanes[0], float(level), confidence)
    return Forecasts(np.where(usable, var, np.nan), np.where(usable, es, np.nan), tuple(reasons))


def rolling_quantiles(
    estimator: Estimator, losses: Floats, window: int, first: int, levels: Floats, confidence: float, refit: int = 1
) -> Floats:
    """Quantiles alone, (L, N), made not to fall in the level; arguments as of `rolling`, NaN where refused."""
    lanes = sliding_window_view(losses, window)[first - window : -1][::refit]
    parts = [_fit(estimator, np.ascontiguousarray(lanes[i : i + _LANES].T), levels, confidence)[0] for i in
             range(0, lanes.shape[0], _LANES)]  # fmt: skip
    made = np.repeat(np.concatenate(parts, axis=1), refit, axis=1)[:, : losses.size - first]
    return np.maximum.accumulate(made, axis=0)


def _fit(estimator: Estimator, losses: Floats, levels: Floats, confidence: float) -> tuple[Floats, Floats, list[str]]:
    """VaR and ES (L, P) of windows (W, P), and why a whole level is missing."""
    try:
        return *_tails(estimator, losses, levels, confidence), [""] * levels.size
    except ValueError as error:
        if levels.size == 1:
            none = np.full((1, losses.shape[1]), np.nan)
            return none, none, [str(error)]
    parts = [_fit(estimator, losses, levels[i : i + 1], confidence) for i in range(levels.size)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), [p[2][0] for p in parts]


def _tails(estimator: Estimator, losses: Floats, levels: Floats, confidence: float) -> tuple[Floats, Floats]:
    """What single fits give: a level refused for the length of the sample is NaN, whatever the formula shows."""
    if hasattr(estimator, "withheld_lanes"):
        return estimator.withheld_lanes(losses, levels, confidence)
    found = estimator.fit_lanes(losses, levels, confidence)
    var = np.array(found.var.value, dtype=np.float64)
    first = np.ascontiguousarray(losses[:, 0])
    for i, level in enumerate(levels):
        if np.isnan(estimator.fit(first, float(level), confidence)[0].value):
            var[i] = np.nan
    return var, np.asarray(found.es.value, dtype=np.float64)


def _refused(estimator: Estimator, window: Floats, level: float, confidence: float) -> str:
    """What a single fit says of a level that has no usable forecast."""
    var, es = estimator.fit(np.ascontiguousarray(window), level, confidence)
    said = var.method if np.isnan(var.value) or np.isinf(var.value) else es.method
    return said[said.index("refused") :] if "refused" in said else f"no usable forecast: {said}"
