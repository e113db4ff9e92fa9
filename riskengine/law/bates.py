"""Bates (1996): Heston variance plus normal log-jumps.  The law of a horizon log-return by Fourier inversion.

log E[e^{iuX}] = iu (mu - sum lam k) T + C(iu) + B(iu) v0 + T sum lam (e^{ium - d^2 u^2 / 2} - 1), with C and B of
`riskengine.law.heston`.  Without a start variance v0 has its stationary Gamma law, for which
E[e^{B v0}] = (1 - B xi^2 / (2 kappa))^(-2 kappa theta / xi^2).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.law.fourier import AffineLaw
from riskengine.law.heston import decayed_overlap, heston_exponents, moment_explodes
from riskengine.law.jump import NormalJump, compensator, jump_exponent


@dataclass(frozen=True)
class BatesLaw(AffineLaw):
    """Law of X = log(S_T / S_0).

    Attributes
    ----------
    drift : float
        Growth rate log(E[S_T / S_0]) / T per year: jumps are compensated.
    kappa, theta, xi, rho : float
        Speed per year, long-run variance per year, volatility of variance, correlation; dv = kappa (theta - v) dt + xi
        sqrt(v) dW.
    jumps : tuple of NormalJump
    horizon : float
        T in years of 365 days.
    variance : float or None
        Variance at the start; None for its stationary law.
    """

    drift: float
    kappa: float
    theta: float
    xi: float
    rho: float
    jumps: tuple[NormalJump, ...]
    horizon: float
    variance: float | None = None

    def __post_init__(self) -> None:
        check_range("drift", self.drift, -100.0, 100.0)
        check_range("kappa", self.kappa, 0.0, 1e4, open_low=True)
        check_range("theta", self.theta, 0.0, 1e4, open_low=True)
        check_range("xi", self.xi, 0.0, 1e3, open_low=True)
        check_range("rho", self.rho, -1.0, 1.0)
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)
        if self.variance is not None:
            check_range("variance", self.variance, 0.0, 1e4)

    @property
    def _heston(self) -> tuple[float, float, float, float, float]:
        return self.kappa, self.theta, self.xi, self.rho, self.horizon

    def exponents(self, s: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """A(s), B(s) with log E[e^{sX} | v0] = A + B v0 (complex128, shape of `s`): drift and jumps are in A."""
        s = np.asarray(s, dtype=np.complex128)
        c, b = heston_exponents(s, *self._heston)
        return c + self.horizon * (s * (self.drift - compensator(self.jumps)) + self._jump_exponent(s)), b

    def _jump_exponent(self, s: np.ndarray) -> np.ndarray:
        """What jumps add to A(s) per year of the horizon, their compensator left out."""
        return jump_exponent(s, self.jumps)

    def _stationary_exponent(self, b: np.ndarray) -> np.ndarray:
        """log E[e^{b v}] under the stationary law of variance."""
        return -2 * self.kappa * self.theta / self.xi**2 * np.log(1.0 - b * self.xi**2 / (2 * self.kappa))

    def _explodes(self, s: Floats) -> np.ndarray:
        """Whether E[e^{sX}] is infinite at real `s`."""
        return moment_explodes(s, *self._heston, stationary=self.variance is None)

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s` (complex128, shape of `s`)."""
        a, b = self.exponents(s)
        if self.variance is not None:
            return a + b * self.variance
        return a + self._stationary_exponent(b)

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where the moment does not exist."""
        s = np.asarray(s, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            infinite = self._explodes(s)
            value = self.exponent(s).real
        return np.where(infinite | ~np.isfinite(value), np.inf, value)

    @cached_property
    def scale(self) -> float:
        """Standard deviation of X in closed form up to the correlation of variance and price: sets step sizes."""
        start = self.theta if self.variance is None else self.variance
        mean = self.theta * self.horizon - (start - self.theta) * np.expm1(-self.kappa * self.horizon) / self.kappa
        jump = sum(j.intensity * j.mean_square for j in self.jumps) * self.horizon
        return float(np.sqrt(mean + jump))

    def clustering(self, lag: float, window: float) -> float:
        """How volatility clusters: Cov[Q_0, Q_lag] / E[Q]^2 from a stationary start.

        Q_0 and Q_lag are the quadratic variations of the log-price over windows of `window` years whose starts are
        `lag` >= `window` apart.  Only the diffusive variance remembers, and forgets at the rate kappa.
        """
        if self.variance is not None:
            raise ValueError(f"variance must be None, its stationary law, to say how it clusters, got {self.variance}")
        shared, level = self._memory
        return shared / level**2 * decayed_overlap(self.kappa, lag, window)

    @property
    def mean_variance(self) -> float:
        """Stationary mean of the diffusive variance per year."""
        return self.theta

    @property
    def _memory(self) -> tuple[float, float]:
        """Covariance of quadratic variation with the variance that follows at once, and its mean, per year."""
        jump = sum(j.intensity * j.mean_square for j in self.jumps)
        return self.theta * self.xi**2 / (2.0 * self.kappa), self.theta + jump

    @property
    def largest_jump(self) -> float:
        """Size of a jump that is not unusual; 0 without jumps."""
        return max((abs(j.mean) + j.sd for j in self.jumps), default=0.0)

    def given(self, variance: float) -> "BatesLaw":
        """The same law from `variance` at its start."""
        return replace(self, variance=variance)
