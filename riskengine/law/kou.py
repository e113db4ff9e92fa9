"""Kou (2002): diffusion with double-exponential log-jumps.  The law of a horizon log-return by Fourier inversion.

An up-jump (probability p) is exponential with rate eta_up, a down-jump with rate eta_down.  With k the compensator,

    log E[e^{sX}] = T [ s (drift - sigma^2 / 2 - k) + s^2 sigma^2 / 2
                        + sum of intensity (p eta_up / (eta_up - s) + (1 - p) eta_down / (eta_down + s) - 1) ],

finite for -eta_down < s < eta_up.  Cumulants: n! intensity T (p / eta_up^n + (-1)^n (1 - p) / eta_down^n) from the
jumps.  The tails of X are exponential with the rates of the jumps, heavier than those of any normal mixture with
bounded variance.  Reference: Kou, Management Science 48 (2002), 1086-1101.
"""

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.law.fourier import FourierLaw


@dataclass(frozen=True)
class DoubleExponentialJump:
    """Jumps of the log-price that arrive at a constant rate; their size is exponential to either side.

    Attributes
    ----------
    intensity : float
        Expected jumps per year, >= 0.
    up_share : float
        Probability that a jump goes up, in [0, 1].
    eta_up : float
        Rate of the up-jumps, > 1: their mean log size is 1 / eta_up, and at 1 or below E[e^J] is infinite.
    eta_down : float
        Rate of the down-jumps, > 0.
    """

    intensity: float
    up_share: float
    eta_up: float
    eta_down: float

    def __post_init__(self) -> None:
        check_range("intensity", self.intensity, 0.0, 1e6)
        check_range("up_share", self.up_share, 0.0, 1.0)
        check_range("eta_up", self.eta_up, 1.0, np.inf, open_low=True, open_high=True)
        check_range("eta_down", self.eta_down, 0.0, np.inf, open_low=True, open_high=True)

    def excess(self, s: np.ndarray) -> np.ndarray:
        """E[e^{sJ}] - 1 at real or complex `s` in the strip of finite moments, shape of `s`; no digit cancels at 0."""
        return s * (self.up_share / (self.eta_up - s) - (1.0 - self.up_share) / (self.eta_down + s))

    @property
    def relative_mean(self) -> float:
        """E[e^J] - 1, the mean relative jump."""
        return float(self.excess(np.float64(1.0)))

    @property
    def mean_square(self) -> float:
        """E[J^2]."""
        return float(self.moments()[1])

    def moments(self) -> Floats:
        """First four raw moments of J, shape (4,)."""
        up, down = self.up_share, 1.0 - self.up_share
        return np.array(
            [factorial(n) * (up / self.eta_up**n + (-1) ** n * down / self.eta_down**n) for n in range(1, 5)]
        )


@dataclass(frozen=True)
class KouLaw(FourierLaw):
    """Law of X = log(S_T / S_0).

    Attributes
    ----------
    drift : float
        Growth rate log(E[S_T / S_0]) / T per year: jumps are compensated.
    sigma : float
        Diffusive volatility per year, > 0.
    jumps : tuple of DoubleExponentialJump
        Superposed jump components; empty for geometric Brownian motion.
    horizon : float
        T in years of 365 days, > 0.

    Examples
    --------
    >>> law = KouLaw(0.05, 0.16, (DoubleExponentialJump(1.0, 0.4, 10.0, 5.0),), 0.5)
    >>> round(float(law.expectation()), 12) == round(float(np.exp(0.05 * 0.5)), 12)
    True
    """

    drift: float
    sigma: float
    jumps: tuple[DoubleExponentialJump, ...]
    horizon: float

    def __post_init__(self) -> None:
        check_range("drift", self.drift, -100.0, 100.0)
        check_range("sigma", self.sigma, 0.0, 100.0, open_low=True)
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)

    @property
    def _slope(self) -> float:
        """Mean of the log-price per year without its jumps."""
        return self.drift - 0.5 * self.sigma**2 - sum(j.intensity * j.relative_mean for j in self.jumps)

    @property
    def strip(self) -> tuple[float, float]:
        """Open interval of the real s with finite E[e^{sX}]: (-eta_down, eta_up) of the heaviest jumps that occur."""
        live = [j for j in self.jumps if j.intensity > 0.0]
        low = max((-j.eta_down for j in live if j.up_share < 1.0), default=-np.inf)
        return low, min((j.eta_up for j in live if j.up_share > 0.0), default=np.inf)

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s` in the strip (complex128, shape of `s`)."""
        s = np.asarray(s, dtype=np.complex128)
        total = s * self._slope + 0.5 * s * s * self.sigma**2
        for j in self.jumps:
            total = total + j.intensity * j.excess(s)
        return self.horizon * total

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where the moment does not exist: outside `strip`."""
        s = np.asarray(s, dtype=np.float64)
        low, high = self.strip
        inside = (low < s) & (s < high)
        return np.where(inside, self.exponent(np.where(inside, s, 0.0)).real, np.inf)

    def cumulants(self) -> Floats:
        """First four cumulants of X, shape (4,), in closed form."""
        diffusion = np.array([self._slope, self.sigma**2, 0.0, 0.0])
        return self.horizon * (diffusion + sum(j.intensity * j.moments() for j in self.jumps))

    def clustering(self, lag: float, window: float) -> float:
        """As `riskengine.law.bates.BatesLaw.clustering`: 0, for increments are independent."""
        return 0.0

    @cached_property
    def scale(self) -> float:
        """Standard deviation of X."""
        return float(np.sqrt(self.cumulants()[1]))

    @property
    def largest_jump(self) -> float:
        """Size of a jump that is not unusual: the larger mean size; 0 without jumps."""
        low, high = self.strip
        return max(-1.0 / low, 1.0 / high)
