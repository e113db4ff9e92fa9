"""Anti-procyclicality tools and measures on a series of margins, oldest first.

    buffer:       max(min((1 + b) M, release), M)
    cap:          min(M, cap)
    speed limit:  M'_t = min(M_t, limit M'_{t-n})
    peak to trough: max_t M_t / min_{s <= t} M_s;   n-day ratio: max_t M_{t+n} / M_t.
The measures take one series or many, time first.
Reference: EMIR RTS 153/2013 art. 28; Murphy, Vasios and Vause (2014), Bank of England FS paper 29.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats


def buffer(margin: ArrayLike, share: float, release: float) -> Floats:
    """Margin with a buffer of `share` that is used up above the `release` level."""
    m = as_floats("margin", margin, 1)
    return np.maximum(np.minimum((1.0 + share) * m, release), m)


def cap(margin: ArrayLike, level: float) -> Floats:
    """Margin never above `level`."""
    return np.minimum(as_floats("margin", margin, 1), level)


def speed_limit(margin: ArrayLike, days: int, limit: float) -> Floats:
    """Margin that grows at most `limit`-fold over `days`."""
    out = as_floats("margin", margin, 1).copy()
    for t in range(days, out.size):
        out[t] = min(out[t], limit * out[t - days])
    return out


def peak_to_trough(margin: ArrayLike) -> Floats:
    """Largest rise of the margin from any earlier low, as a ratio; of each series of `margin`, shape (T, ...)."""
    m = np.asarray(margin, dtype=np.float64)
    return np.max(m / np.minimum.accumulate(m, axis=0), axis=0)


def largest_ratio(margin: ArrayLike, days: int) -> Floats:
    """Largest ratio of the margin to that `days` before, of each series; NaN where they are too short."""
    m = np.asarray(margin, dtype=np.float64)
    return np.max(m[days:] / m[:-days], axis=0) if 0 < days < len(m) else np.full(m.shape[1:], np.nan)
