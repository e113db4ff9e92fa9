"""Exponents of the Heston (1993) log-price and of the CIR variance under it, in the form that crosses no branch cut.

log E[e^{sX} | v0] = C(s) + B(s) v0 for the driftless part, with a = kappa - rho xi s, q = s - s^2,
D = sqrt(a^2 + xi^2 q) and e = e^{-D T}:
    B = -q (1 - e) / (2D + (a - D)(1 - e)),
    C = kappa theta / xi^2 [(a - D) T - 2 log(1 + (a - D)(1 - e) / (2D))].
This is the "little trap" form (Albrecher, Mayer, Schoutens, Tistaert 2007) with the ratio g multiplied out, which keeps
it finite at s = 1 for any sign of kappa - rho xi.
"""

import numpy as np

from riskengine.arrays import Floats


def heston_parts(s: np.ndarray, kappa: float, theta: float, xi: float, rho: float, horizon: float) -> tuple:
    """a - D without cancellation, D, q and 1 - e^{-D T}: what the exponents are made of (complex128, shape of `s`)."""
    s = np.asarray(s, dtype=np.complex128)
    a = kappa - rho * xi * s
    q = s - s * s
    root = np.sqrt(a * a + xi * xi * q)
    # root = 0 only at isolated real s; nudged off it, where both exponents are continuous
    root = np.where(root == 0, 1e-8, root)
    # a - root without cancellation where a and root point the same way
    total = a + root
    gap = np.where(a.real > 0, -xi * xi * q / np.where(total == 0, 1.0, total), a - root)
    return gap, root, q, -np.expm1(-root * horizon)


def heston_exponents(
    s: np.ndarray, kappa: float, theta: float, xi: float, rho: float, horizon: float
) -> tuple[np.ndarray, np.ndarray]:
    """C(s) and B(s), complex128, shape of `s`; `s` is iu for a characteristic function."""
    gap, root, q, decay = heston_parts(s, kappa, theta, xi, rho, horizon)
    bottom = gap * decay / (2 * root)
    c = kappa * theta / xi**2 * (gap * horizon - 2 * np.log(1.0 + bottom))
    b = -q * decay / (2 * root * (1.0 + bottom))
    return c, b


def moment_explodes(
    s: Floats, kappa: float, theta: float, xi: float, rho: float, horizon: float, *, stationary: bool
) -> np.ndarray:
    """Whether E[e^{sX}] is infinite at real `s` (Andersen, Piterbarg 2007), boolean, shape of `s`.

    With `stationary` the start variance has its Gamma law, and B(s) must also stay below its rate 2 kappa / xi^2.
    """
    s = np.asarray(s, dtype=np.float64)
    a = kappa - rho * xi * s
    square = a * a + xi * xi * (s - s * s)
    size = np.sqrt(np.abs(square))
    with np.errstate(divide="ignore", invalid="ignore"):
        oscillating = 2.0 / size * np.arctan2(size, -a)
        growing = np.where(size < -a, np.log((size - a) / (-a - size)) / size, np.inf)
    time = np.where(square < 0, oscillating, np.where((a < 0) & (s * s > s), growing, np.inf))
    explodes = time <= horizon
    if stationary:
        _, b = heston_exponents(s, kappa, theta, xi, rho, horizon)
        explodes = explodes | (b.real * xi**2 >= 2 * kappa)
    return explodes


def decayed_overlap(kappa: float, lag: float, window: float) -> float:
    """Mean of e^{-kappa (t - u)} over u in [0, window] and t in [lag, lag + window] years, lag >= window.

    The autocorrelation of a variance of speed kappa, averaged over two windows whose starts are `lag` apart.
    """
    x = kappa * window
    return float((-np.expm1(-x) / x) ** 2 * np.exp(-kappa * (lag - window)))
