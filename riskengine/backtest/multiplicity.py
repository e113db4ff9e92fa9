"""Many tests at once: adjusted p-values.

Holm (1979) and Hommel (1988) bound the chance of any false rejection; Benjamini and Hochberg (1995) the expected share
of false ones among the rejections.  Hommel assumes positive dependence or independence, as Simes' inequality does.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats


def _p_values(p: ArrayLike) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values must be a series in [0, 1], got {p!r}")
    return values


def holm(p_values: ArrayLike) -> Floats:
    """Adjusted p-values, shape of `p_values`; rejecting those at most q keeps the family-wise error at q."""
    p = _p_values(p_values)
    order = np.argsort(p, kind="stable")
    out = np.empty_like(p)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return out


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjusted p-values, shape of `p_values`; rejecting those at most q keeps the false discovery rate at q."""
    p = _p_values(p_values)
    order = np.argsort(-p, kind="stable")
    out = np.empty_like(p)
    out[order] = np.minimum.accumulate(np.minimum(p[order] * p.size / np.arange(p.size, 0, -1), 1.0))
    return out


def hommel(p_values: ArrayLike) -> Floats:
    """Adjusted p-values, shape of `p_values`: the closed test with Simes' inequality, never above Holm's."""
    p = _p_values(p_values)
    n = p.size
    order = np.argsort(p, kind="stable")
    s = p[order]
    adjusted = np.full(n, np.min(n * s / np.arange(1, n + 1)))
    for m in range(n - 1, 1, -1):
        # Wright (1992), Biometrics 48, 1005-1013
        tail = np.arange(n - m + 1, n)
        c = np.min(m * s[tail] / np.arange(2, m + 1))
        adjusted[tail] = np.maximum(adjusted[tail], c)
        head = np.arange(0, n - m + 1)
        adjusted[head] = np.maximum(adjusted[head], np.minimum(c, m * s[head]))
    out = np.empty(n)
    out[order] = np.maximum(adjusted, s)
    return out
