"""Array aliases with axis names, and the checks that settle shape and finiteness once, at construction.

Axis letters used everywhere: T time, P path, A asset, K account, M instrument, L loan, W window, S scenario.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The C library keeps freed memory up to a bound that it learns from the largest array freed so far, of at most 32 MB.
# Without one, blocks of paths and the kernels' scratch are new pages each time, zeroed when first touched: up to a
# sixth of the time it takes to fill them.
np.empty((32 << 20) // 8 - 1024)


def as_floats(name: str, value: ArrayLike, ndim: int | None = None, *, finite: bool = True) -> Floats:
    """Return `value` as a C-contiguous float64 array, or raise ValueError naming what was wrong.

    Parameters
    ----------
    name : str
        Name used in the message.
    value : array_like
    ndim : int, optional
        Required number of axes.
    finite : bool
        Refuse NaN and infinities.
    """
    out = np.ascontiguousarray(value, dtype=np.float64)
    if ndim is not None and out.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {out.shape}")
    if finite and not np.isfinite(out).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        raise ValueError(f"{name} must be finite, got {out[where]} at index {where}")
    return out


def check_shape(name: str, value: np.ndarray, shape: Sequence[int | None]) -> None:
    """Raise ValueError unless `value` has `shape`; ``None`` in `shape` matches any length."""
    wanted = tuple(shape)
    if value.ndim != len(wanted) or any(w is not None and w != g for w, g in zip(wanted, value.shape, strict=True)):
        raise ValueError(f"{name} must have shape {wanted}, got {value.shape}")


def check_range(
    name: str, value: float, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> None:
    """Raise ValueError unless `value` lies in the interval; the message states the interval and the value."""
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if not (above and below):
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        raise ValueError(f"{name} must lie in {left}{low:g}, {high:g}{right}, got {value!r}")
