"""Which of two forecasts is better: Diebold-Mariano, and the Murphy diagram that shows where.

Diebold-Mariano: d_t the difference of scores, DM = mean(d) / sqrt(V / n) with V the Newey-West long-run variance, and
the small-sample factor sqrt((n + 1 - 2h + h (h - 1) / n) / n) with Student's t(n - 1) of Harvey, Leybourne and Newbold
(1997).  It compares forecasts, not models: nested models with estimated parameters are another question.

Murphy diagram (Ehm, Gneiting, Jordan and Krueger 2016): the mean elementary score at every threshold; one forecast that
lies below another everywhere is better under every consistent score, and the area is the mean pinball loss.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.stats.tracking import newey_west_error


@dataclass(frozen=True)
class DieboldMariano:
    """Result of the test.

    Attributes
    ----------
    difference : float
        Mean score of the first forecast less that of the second; negative where the first is better.
    std_error : float
        Newey-West.
    statistic, p_value : float
        With the small-sample factor; two-sided, Student t(n - 1).
    lags : int
    """

    difference: float
    std_error: float
    statistic: float
    p_value: float
    lags: int


def diebold_mariano(first: ArrayLike, second: ArrayLike, horizon: int = 1, lags: int | None = None) -> DieboldMariano:
    """Test equal mean score of two forecasts.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Scores day by day.
    horizon : int
        Steps ahead of the forecast, which overlap makes correlated: at least ``horizon - 1`` lags are used.
    lags : int, optional
        Bartlett lags; ``max(horizon - 1, floor(4 (n / 100)^(2/9)))`` by default.
    """
    from scipy.special import stdtr

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size < 8:
        raise ValueError(f"scores must be two series of one length of at least 8, got {a.shape} and {b.shape}")
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, got {horizon}")
    d, n = a - b, a.size
    used = max(horizon - 1, int(4 * (n / 100) ** (2 / 9)) if lags is None else lags)
    error = newey_west_error(d, used)
    if error == 0.0:
        same = d.mean() == 0.0
        return DieboldMariano(float(d.mean()), 0.0, 0.0 if same else np.inf, 1.0 if same else 0.0, used)
    factor = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = float(d.mean() / error * factor)
    return DieboldMariano(float(d.mean()), error, statistic, float(2.0 * stdtr(n - 1, -abs(statistic))), used)


def murphy_diagram(forecast: ArrayLike, outcome: ArrayLike, level: float, thresholds: ArrayLike) -> Floats:
    """Mean elementary quantile score at each threshold, shape of `thresholds`.

    S_theta(q, y) = (1{y <= q} - a)(1{theta <= q} - 1{theta <= y}): what a decision at threshold theta costs.
    """
    q, y = np.asarray(forecast, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    theta = np.asarray(thresholds, dtype=np.float64)[..., None]
    weight = (y <= q) - level
    return (weight * ((theta <= q).astype(np.float64) - (theta <= y))).mean(axis=-1)
