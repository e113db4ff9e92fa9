"""Static arbitrage of a quoted surface, measured on a grid.

With total variance w(k) = vol^2 tau, the density that the smile implies is proportional to

    g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2,

so call prices are convex (and then decreasing) in strike where g >= 0.  Over time w may not fall at fixed k.
Reference: Gatheral and Jacquier, Quantitative Finance 14 (2014), 59-71.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.surface import FactorSurface


def butterfly(surface: FactorSurface, asset: int, tau: float, variance: float, z: Floats) -> Floats:
    """g at standardised moneyness `z` = log(K/F) / (atm sqrt(tau)), shape of `z`; negative: calls are not convex."""
    k = np.asarray(z) * float(surface.atm(asset, tau, np.array([variance]))[0]) * np.sqrt(tau)
    step = 1e-4 * np.ptp(k)
    below, at, above = (_total_variance(surface, asset, tau, variance, k + d) for d in (-step, 0.0, step))
    first, second = (above - below) / (2 * step), (above - 2 * at + below) / step**2
    return (1 - k * first / (2 * at)) ** 2 - first**2 / 4 * (1 / at + 0.25) + second / 2


def calendar(surface: FactorSurface, asset: int, taus: Floats, variance: float, k: Floats) -> Floats:
    """Increase of total variance from each tenor to the next at log-moneyness `k`, shape (tenors - 1, moneyness)."""
    total = np.array([_total_variance(surface, asset, float(t), variance, np.asarray(k)) for t in taus])
    return np.diff(total, axis=0)


def _total_variance(surface: FactorSurface, asset: int, tau: float, variance: float, k: Floats) -> Floats:
    n = k.size
    state = np.full((surface.count, 1), variance)
    volatility = surface.volatility(np.full(n, asset), k, np.full(n, tau), np.zeros((n, 1)), state)
    return volatility[:, 0] ** 2 * tau
