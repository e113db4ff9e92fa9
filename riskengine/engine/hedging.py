"""Delta-hedging a short option on simulated paths: what three hedges leave, by rebalancing interval.

The seller takes the world's own price, holds h coins and rebalances every interval; at expiry the loss is

    payoff - price - sum over intervals of h_t (S_{t+1} - S_t),

with h the Black-Scholes delta at one volatility, the delta of the world's law, or the hedge of least instantaneous
variance (`riskengine.law.hedge_ratio`).  The last two are tabulated at every hour of rebalancing, on log-moneyness and
the logarithm of the variance, and read by linear interpolation; `HedgeTables.error` says what that costs.

In a lognormal world every interval leaves gamma S^2 sigma^2 dt (Z^2 - 1) / 2 (Boyle, Emanuel 1980), of variance
(gamma S^2 sigma^2 dt)^2 / 2.  With gamma S^2 = K n(d_2) / (sigma sqrt(T - t)) its expectation is closed, and with
D = (log(S/K) - sigma^2 T / 2) / (sigma sqrt(T)) and t = T sin a

    variance of the loss  ->  K^2 sigma^2 dt / (4 pi) int_0^{pi/2} exp(-D^2 / (1 + sin a)) da      as dt -> 0:

vega sigma sqrt(pi / (4 N)) at D = 0 (Derman, Kamal 1999; Bertsimas, Kogan, Lo 2000).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from riskengine.arrays import Floats
from riskengine.engine.black_scholes import YEAR_HOURS, of_horizon
from riskengine.law.bates import BatesLaw
from riskengine.law.hedge_ratio import HedgedLaw, diffusive_variance, hedge_ratios

HEDGES = ("Black–Scholes delta", "true delta", "least-variance hedge")
_POINTS, _STATES, _REACH = 161, 21, 0.8


def leading_deviation(strike: float, volatility: float, years: float, interval: float) -> float:
    """Standard deviation of the hedged loss in a lognormal world to leading order in `interval` (years).

    Per unit of spot; `strike` over spot; no interest.
    """
    d = (-np.log(strike) - 0.5 * volatility**2 * years) / (volatility * np.sqrt(years))
    node, weight = np.polynomial.legendre.leggauss(64)
    a = 0.25 * np.pi * (node + 1.0)
    integral = 0.25 * np.pi * float(weight @ np.exp(-d * d / (1.0 + np.sin(a))))
    return float(np.sqrt(strike**2 * volatility**2 * interval / (4.0 * np.pi) * integral))


@dataclass(frozen=True)
class _Table:
    """Hedges of a call at one time: (2, V, N) on arcsinh(k / scale) and the log of the root of the variance."""

    scale: float
    top: float
    low: float
    step: float
    values: Floats

    def read(self, k: Floats, variance: Floats | None) -> Floats:
        """World delta and minimum-variance hedge at log-moneyness `k` (P,), (2, P); beyond the table its edge."""
        n = self.values.shape[2] - 1
        place = np.clip((np.arcsinh(k / self.scale) / self.top + 1.0) * 0.5 * n, 0.0, n)
        i = np.minimum(place.astype(np.int64), n - 1)
        t = place - i
        if self.values.shape[1] == 1:
            row = self.values[:, 0]
            return row[:, i] * (1.0 - t) + row[:, i + 1] * t
        m = self.values.shape[1] - 1
        with np.errstate(divide="ignore"):
            height = np.clip((0.5 * np.log(variance) - self.low) / self.step, 0.0, m)
        j = np.minimum(height.astype(np.int64), m - 1)
        u = height - j
        low = self.values[:, j, i] * (1.0 - t) + self.values[:, j, i + 1] * t
        high = self.values[:, j + 1, i] * (1.0 - t) + self.values[:, j + 1, i + 1] * t
        return low * (1.0 - u) + high * u


class HedgeTables:
    """World's delta and minimum-variance hedge of a call at `times`.

    Parameters
    ----------
    law : HedgedLaw
        Of the world's asset; its horizon, drift and start variance are not used.
    hours : float
        Maturity.
    times : ndarray, shape (N,)
        Hours since the start at which hedges are set, all before the maturity.
    """

    def __init__(self, law: HedgedLaw, hours: float, times: Floats):
        self._law, self._hours, self._times = law, hours, times
        self._tables: dict[int, _Table] = {}
        if isinstance(law, BatesLaw):
            # the stationary Gamma law of the variance ends, for all that is simulated, at 12 sd above its mean
            most = law.theta + 12.0 * np.sqrt(law.theta * law.xi**2 / (2.0 * law.kappa))
            self._roots = np.geomspace(0.15 * np.sqrt(law.theta), np.sqrt(most), _STATES)
        else:
            self._roots = np.array([np.sqrt(diffusive_variance(law))])

    @property
    def count(self) -> int:
        """Number of times."""
        return self._times.size

    def build(self, index: int) -> None:
        """Tabulate time `index`."""
        rest = of_horizon(self._law, (self._hours - float(self._times[index])) / YEAR_HOURS)
        scale = float(np.sqrt(diffusive_variance(rest) * rest.horizon))
        top = float(np.arcsinh(_REACH / scale))
        k = scale * np.sinh(np.linspace(-top, top, _POINTS))
        _, delta, least = hedge_ratios(rest, k, self._roots**2, 1e-6)
        logs = np.log(self._roots)
        step = float(logs[1] - logs[0]) if logs.size > 1 else 1.0
        self._tables[index] = _Table(scale, top, float(logs[0]), step, np.stack([delta, least]))

    def read(self, index: int, k: Floats, variance: Floats | None) -> Floats:
        """Hedges of a call at time `index` and log(K / S) `k` (P,): (2, P)."""
        return self._tables[index].read(k, variance)

    def error(self, index: int) -> float:
        """Largest error of a read at time `index` on points between those of the table."""
        rest = of_horizon(self._law, (self._hours - float(self._times[index])) / YEAR_HOURS)
        k = self._tables[index].scale * np.linspace(-3.017, 3.011, 41)
        between = self._roots if self._roots.size == 1 else 0.5 * (self._roots[:-1] + self._roots[1:])[2::5]
        found = np.stack([self.read(index, k, np.full(k.shape, r * r)) for r in between], axis=1)
        return float(np.abs(found - np.stack(hedge_ratios(rest, k, between**2)[1:])).max())


def hedged_losses(
    spot: Floats,
    variance: Floats | None,
    strike: float,
    sign: float,
    volatility: float,
    step_hours: float,
    every: tuple[int, ...],
    tables: HedgeTables | None,
) -> Floats:
    """Losses of the hedged seller before the premium, per unit of the first spot: (intervals, hedges, P).

    Parameters
    ----------
    spot : ndarray, shape (T + 1, P)
        Prices at every step until expiry, USD.
    variance : ndarray, shape (T + 1, P), or None
    strike : float
        Over the first spot.
    sign : float
        +1 call, -1 put.
    volatility : float
        Of the Black-Scholes hedge.
    step_hours : float
    every : tuple of int
        Rebalancing intervals in steps.
    tables : HedgeTables or None
        For every step; None for the Black-Scholes hedge alone.
    """
    s = spot / spot[0]
    steps = s.shape[0] - 1
    hedges = 1 if tables is None else len(HEDGES)
    gain = np.zeros((len(every), hedges, s.shape[1]))
    put = 0.0 if sign > 0 else 1.0
    for t in range(steps):
        due = [i for i, e in enumerate(every) if t % e == 0]
        if not due:
            continue
        total = volatility * np.sqrt((steps - t) * step_hours / YEAR_HOURS)
        k = np.log(strike / s[t])
        held = [ndtr(-k / total + 0.5 * total)[None]]
        if tables is not None:
            held.append(tables.read(t, k, None if variance is None else variance[t]))
        hold = np.concatenate(held) - put
        for i in due:
            gain[i] += hold * (s[min(t + every[i], steps)] - s[t])
    return np.maximum(sign * (s[-1] - strike), 0.0) - gain
