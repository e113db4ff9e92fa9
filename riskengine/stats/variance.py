"""The variance recursion of GARCH(1,1) and EWMA, compiled, and where it starts.

    h_{t+1} = omega + alpha e_t^2 + beta h_t

Worlds filter the history that they resample with it, estimators the sample that they are given.  References:
Bollerslev, Journal of Econometrics 31 (1986), 307-327; RiskMetrics technical document (1996).
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel

_BACKCAST = 75
_BACKCAST_DECAY = 0.94


@kernel
def filter_variance(out, e, missing, omega, alpha, beta):
    """Run the recursion over one series.

    Parameters
    ----------
    out : ndarray, shape (R + 1,)
        ``out[0]`` is the variance of the first return; the others are written, the last being the forecast after it.
    e : ndarray, shape (R,)
        Returns less their mean.
    missing : ndarray of int, shape (R,)
        Returns missing before each.
    omega, alpha, beta : float
    """
    for t in range(e.size):
        h = out[t]
        for _ in range(missing[t]):
            h = omega + (alpha + beta) * h
        out[t] = h
        out[t + 1] = omega + alpha * e[t] * e[t] + beta * h


def backcast(e: Floats) -> Floats:
    """Exponentially weighted mean of the first squared returns, shape (A,): where a recursion starts."""
    weight = _BACKCAST_DECAY ** np.arange(min(_BACKCAST, e.shape[0]))
    return (weight / weight.sum()) @ (e[: weight.size] ** 2)
