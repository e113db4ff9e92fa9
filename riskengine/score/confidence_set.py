"""Model confidence set (Hansen, Lunde and Nason 2011): which forecasts cannot be told from the best.

Forecasts are dropped one by one.  While the hypothesis that all that are left have the same mean score is rejected, the
one with the largest statistic goes:

    range     t_ij = d_ij / se(d_ij),  d_ij the mean difference;  max over i, j;  the worse of the largest pair goes
    maximum   t_i = d_i / se(d_i),  d_i the mean score less that of all left;  max over i;  that one goes

Standard errors and the law of the maximum come from one stationary bootstrap of days (Politis and Romano 1994), shared
by all steps.  The p-value of a forecast is the largest of those up to its step; the forecasts with p > q hold the best
one with probability 1 - q.  A forecast equal to another on every day is tied with it: they go together.
Reference: Econometrica 79 (2011), 453-497.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats, check_range, check_shape
from riskengine.score.compare import DieboldMariano, diebold_mariano


@dataclass(frozen=True)
class ConfidenceSet:
    """Result of the procedure.

    Attributes
    ----------
    p_values : ndarray, shape (M,)
        A forecast is in the set of level 1 - q where its p-value exceeds q.
    dropped : tuple of int
        Forecasts in the order in which they go; the last is never dropped.
    """

    p_values: Floats
    dropped: tuple[int, ...]

    def included(self, size: float) -> tuple[int, ...]:
        """Forecasts of the set that misses the best with probability at most `size`."""
        return tuple(int(i) for i in np.flatnonzero(self.p_values > size))


def resampling_counts(n: int, block: float, replicates: int, seed: int = 1) -> Floats:
    """How often each day is in each resample of a stationary bootstrap, shape (replicates, n).

    Parameters
    ----------
    n : int
    block : float
        Mean length of a block; its length is geometric.
    replicates, seed : int
    """
    check_range("block", block, 1.0, n)
    random = np.random.default_rng(seed)
    at = random.integers(0, n, replicates)
    counts = np.zeros((replicates, n))
    row = np.arange(replicates)
    for _ in range(n):
        counts[row, at] += 1.0
        fresh = random.random(replicates) < 1.0 / block
        at = np.where(fresh, random.integers(0, n, replicates), (at + 1) % n)
    return counts


def model_confidence_set(
    scores: ArrayLike, statistic: Literal["range", "maximum"] = "range", counts: Floats | None = None,
    block: float | None = None, replicates: int = 1000, seed: int = 1,
) -> ConfidenceSet:  # fmt: skip
    """Model confidence set of M forecasts.

    Parameters
    ----------
    scores : array_like, shape (n, M)
        Score of each forecast on each day, lower is better.
    statistic : {"range", "maximum"}
    counts : ndarray, shape (replicates, n), optional
        Resamples from `resampling_counts`, shared between several sets of the same days.
    block : float, optional
        Mean length of a block, sqrt(n) by default.
    replicates, seed : int
    """
    x = as_floats("scores", scores, 2)
    n, models = x.shape
    if n < 8 or models < 2:
        raise ValueError(f"scores must hold at least 8 days and 2 forecasts, got shape {x.shape}")
    if statistic not in ("range", "maximum"):
        raise ValueError(f"statistic must be range or maximum, got {statistic!r}")
    if counts is None:
        counts = resampling_counts(n, np.sqrt(n) if block is None else block, replicates, seed)
    check_shape("counts", counts, (None, n))
    mean = x.mean(axis=0)
    drawn = counts @ (x - mean) / n  # (R, M), centred: the law of the error of each mean
    step = _range_step if statistic == "range" else _maximum_step
    left, dropped, p_values, largest = list(range(models)), [], np.ones(models), 0.0
    while len(left) > 1:
        p_value, worst = step(mean[left], drawn[:, left])
        largest = max(largest, p_value)
        if len(worst) == len(left):
            break
        for i in [left[k] for k in worst]:
            p_values[i] = largest
            dropped.append(i)
            left.remove(i)
    return ConfidenceSet(p_values, (*dropped, *left))


def _ratio(value: Floats, error: Floats) -> Floats:
    """value / error, 0 where both vanish: what never differs is tied."""
    tied = error <= 1e-12 * np.abs(error).max(initial=1e-300)
    return np.where(
        tied, np.where(np.abs(value) <= 1e-14, 0.0, np.copysign(np.inf, value)), value / np.where(tied, 1.0, error)
    )


def _range_step(mean: Floats, drawn: Floats) -> tuple[float, list[int]]:
    """p-value of equal means, and which forecast goes (with those tied to it)."""
    gap = mean[:, None] - mean
    error = np.sqrt(((drawn[:, :, None] - drawn[:, None, :]) ** 2).mean(axis=0))
    t = _ratio(gap, error)
    i = int(np.unravel_index(np.argmax(t), t.shape)[0])
    safe = np.where(error > 0, error, np.inf)
    law = (np.abs(drawn[:, :, None] - drawn[:, None, :]) / safe).max(axis=(1, 2))
    return float((law > t.max()).mean()), [int(k) for k in np.flatnonzero((error[i] == 0.0) & (gap[i] == 0.0))]


def _maximum_step(mean: Floats, drawn: Floats) -> tuple[float, list[int]]:
    """As `_range_step`, each forecast against the mean of all left."""
    gap, d = mean - mean.mean(), drawn - drawn.mean(axis=1)[:, None]
    error = np.sqrt((d**2).mean(axis=0))
    t = _ratio(gap, error)
    safe = np.where(error > 0, error, np.inf)
    i = int(np.argmax(t))
    same = [k for k in range(mean.size) if mean[k] == mean[i] and np.array_equal(drawn[:, k], drawn[:, i])]
    return float(((d / safe).max(axis=1) > t.max()).mean()), same


def diebold_mariano_table(
    scores: ArrayLike, benchmark: int, horizon: int = 1, lags: int | None = None
) -> Sequence[DieboldMariano | None]:
    """Each of M forecasts against one of them; None for the benchmark itself.

    Parameters
    ----------
    scores : array_like, shape (n, M)
    benchmark : int
    horizon, lags : as of `diebold_mariano`
        A negative difference is in favour of the forecast, a positive one of the benchmark.
    """
    x = as_floats("scores", scores, 2)
    check_range("benchmark", benchmark, 0, x.shape[1] - 1)
    return tuple(
        None if i == benchmark else diebold_mariano(x[:, i], x[:, benchmark], horizon, lags) for i in range(x.shape[1])
    )
