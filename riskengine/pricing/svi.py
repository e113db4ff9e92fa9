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
    w = a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma**2))
    if not (w >= 0).all():
        raise ValueError(f"SVI total variance must not be negative, got {float(np.min(w))!r}")
    return np.sqrt(np.minimum(w, _MAX_TOTAL_VARIANCE) / tau)
