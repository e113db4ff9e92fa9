"""SVI: the smile of one expiry as total variance in log-moneyness.

    w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),   vol = sqrt(w / tau)

Reference: Gatheral and Jacquier (2014).  The clips are those of the on-chain feed whose cases we reproduce: k is held
within 4 sqrt(a + b sigma), and w below 144.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats

_REACH = 4.0
_MAX_TOTAL_VARIANCE = 144.0


def svi_volatility(
    strike: ArrayLike, forward: float, tau: float, a: float, b: float, rho: float, m: float, sigma: float
) -> Floats:
    """Implied volatility of `strike` under raw SVI parameters.

    Parameters
    ----------
    strike : array_like
        USD, positive.
    forward : float
        Forward of the expiry, USD.
    tau : float
        Years to expiry, positive.
    a, b, rho, m, sigma : float
        Raw SVI parameters.

    Returns
    -------
    ndarray, shape of `strike`
        Decimal per square-root year.

    Raises
    ------
    ValueError
        Where tau, forward or a strike is not positive, or the parameters give a negative variance.
    """
    strike = np.asarray(strike, dtype=np.float64)
    if not (tau > 0 and forward > 0 and (strike > 0).all()):
        raise ValueError(f"tau, forward and strikes must be positive, got {tau!r}, {forward!r}, {strike.tolist()}")
    if a + b * sigma < 0 or b < 0 or abs(rho) > 1:
        raise ValueError(f"SVI needs b >= 0, |rho| <= 1 and a + b sigma >= 0, got {a!r}, {b!r}, {rho!r}, {sigma!r}")
    reach = _REACH * np.sqrt(a + b * sigma)
    k = np.clip(np.log(strike / forward), -reach, reach)
    w = svi_total_variance(k, a, b, rho, m, sigma)
    if not (w >= 0).all():
        raise ValueError(f"SVI total variance must not be negative, got {float(np.min(w))!r}")
    return np.sqrt(np.minimum(w, _MAX_TOTAL_VARIANCE) / tau)


def svi_total_variance(k: ArrayLike, a: float, b: float, rho: float, m: float, sigma: float) -> Floats:
    """w(k) = vol^2 tau at log-moneyness `k` = log(K / F), shape of `k`, without the clips of the feed."""
    x = np.asarray(k, dtype=np.float64) - m
    return a + b * (rho * x + np.sqrt(x * x + sigma * sigma))


def svi_density_factor(k: ArrayLike, a: float, b: float, rho: float, m: float, sigma: float) -> Floats:
    """g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2, shape of `k`; negative: a butterfly is free.

    Examples
    --------
    The slice of Axel Vogt, an arbitrage with w > 0 everywhere:

    >>> float(svi_density_factor(0.9, a=-0.041, b=0.1331, rho=0.306, m=0.3586, sigma=0.4153)) < 0
    True
    """
    k = np.asarray(k, dtype=np.float64)
    x = k - m
    root = np.sqrt(x * x + sigma * sigma)
    w = a + b * (rho * x + root)
    first, second = b * (rho + x / root), b * sigma * sigma / root**3
    return (1.0 - 0.5 * k * first / w) ** 2 - 0.25 * first * first * (1.0 / w + 0.25) + 0.5 * second


def svi_jump_wings(
    a: float, b: float, rho: float, m: float, sigma: float, tau: float
) -> tuple[float, float, float, float, float]:
    """Jump-wings form of a raw slice (Gatheral and Jacquier 2014, section 3.3).

    Returns
    -------
    v, psi, p, c, v_min : float
        Variance at the money and skew there (d vol / dk sqrt(tau)); slopes of the put and call wing over sqrt(v tau);
        lowest variance.
    """
    total = float(svi_total_variance(0.0, a, b, rho, m, sigma))
    if not (tau > 0.0 and total > 0.0):
        raise ValueError(f"tau and the variance at the money must be positive, got {tau!r} and {total!r}")
    root = np.sqrt(total)
    psi = b / (2.0 * root) * (rho - m / np.sqrt(m * m + sigma * sigma))
    lowest = a + b * sigma * np.sqrt(1.0 - rho * rho)
    return total / tau, float(psi), float(b * (1.0 - rho) / root), float(b * (1.0 + rho) / root), float(lowest / tau)
