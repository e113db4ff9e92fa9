"""Bates (1996): Heston variance plus normal log-jumps.  The law of a horizon log-return by Fourier inversion.

log E[e^{iuX}] = iu (mu - sum lam k) T + C(iu) + B(iu) v0 + T sum lam (e^{ium - d^2 u^2 / 2} - 1), with C and B of
`riskengine.law.heston`.  Without a start variance v0 has its stationary Gamma law, for which
E[e^{B v0}] = (1 - B xi^2 / (2 kappa))^(-2 kappa theta / xi^2).
"""

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.errors import RunError
from riskengine.law.heston import heston_exponents, moment_explodes
from riskengine.law.inversion import CosSeries, checked_cdf, chernoff_window, frequency_limit
from riskengine.law.jump import NormalJump, compensator, jump_exponent
from riskengine.law.root import invert_cdf


@dataclass(frozen=True)
class BatesLaw:
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
        return c + self.horizon * (s * (self.drift - compensator(self.jumps)) + jump_exponent(s, self.jumps)), b

    def _exponent(self, s: ArrayLike) -> np.ndarray:
        a, b = self.exponents(s)
        if self.variance is not None:
            return a + b * self.variance
        shape = 2 * self.kappa * self.theta / self.xi**2
        return a - shape * np.log(1.0 - b * self.xi**2 / (2 * self.kappa))

    def characteristic(self, u: ArrayLike) -> np.ndarray:
        """E[e^{iuX}] at real or complex `u` (complex128, shape of `u`)."""
        return np.exp(self._exponent(1j * np.asarray(u, dtype=np.complex128)))

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where the moment does not exist."""
        s = np.asarray(s, dtype=np.float64)
        infinite = moment_explodes(s, *self._heston, stationary=self.variance is None)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = self._exponent(s).real
        return np.where(infinite | ~np.isfinite(value), np.inf, value)

    @cached_property
    def scale(self) -> float:
        """Standard deviation of X in closed form up to the correlation of variance and price: sets step sizes."""
        start = self.theta if self.variance is None else self.variance
        mean = self.theta * self.horizon - (start - self.theta) * np.expm1(-self.kappa * self.horizon) / self.kappa
        jump = sum(j.intensity * (j.mean**2 + j.sd**2) for j in self.jumps) * self.horizon
        return float(np.sqrt(mean + jump))

    def cumulants(self) -> Floats:
        """First four cumulants of X, shape (4,): Cauchy integrals of log E[e^{zX}] on a circle around 0."""
        radius = 0.5 / max(self.scale, *(abs(j.mean) + j.sd for j in self.jumps), 1e-12)
        while not np.isfinite(self.log_mgf(np.array([-2 * radius, 2 * radius]))).all():
            radius *= 0.5
        z = radius * np.exp(2j * np.pi * np.arange(64) / 64)
        coefficient = np.fft.fft(self._exponent(z)).real / 64
        return np.array([factorial(n) * coefficient[n] / radius**n for n in range(1, 5)])

    def _tilted(self, power: float) -> "tuple[CosSeries, float]":
        """Series of the law with density e^{power x} f(x) / E[e^{power X}], and that expectation."""
        if power in self._series:
            return self._series[power]
        log_total = float(self.log_mgf(power))
        if not np.isfinite(log_total):
            raise RunError(f"E[e^(power X)] must exist, got an infinite moment for power {power:g}")

        def characteristic(u):
            return np.exp(self._exponent(power + 1j * u) - log_total)

        def log_mgf(s):
            return self.log_mgf(power + s) - log_total

        low, high = chernoff_window(log_mgf, self.scale)
        limit = frequency_limit(characteristic, self.scale, high - low)
        self._series[power] = CosSeries.build(characteristic, (low, high), limit), float(np.exp(log_total))
        return self._series[power]

    @cached_property
    def _series(self) -> dict[float, tuple[CosSeries, float]]:
        return {}

    def cdf(self, x: ArrayLike) -> Floats:
        """P(X <= x), shape of `x`; absolute error about 1e-14."""
        return self._tilted(0.0)[0].cdf(x)

    def pdf(self, x: ArrayLike) -> Floats:
        """Density of X, shape of `x`."""
        return self._tilted(0.0)[0].pdf(x)

    def checked_cdf(self, x: ArrayLike, tolerance: float = 1e-9) -> Floats:
        """P(X <= x) where COS twice and Gil-Pelaez agree (`inversion.checked_cdf`); RunError where not."""
        return checked_cdf(self.characteristic, self.log_mgf, x, self.cumulants()[0], self.scale, tolerance)

    def quantile(self, probability: ArrayLike) -> Floats:
        """Point x with P(X <= x) = probability, for probabilities in [1e-9, 1 - 1e-9]; shape of `probability`."""
        p = np.asarray(probability, dtype=np.float64)
        if not ((p >= 1e-9) & (p <= 1 - 1e-9)).all():
            raise ValueError(f"probability must lie in [1e-9, 1 - 1e-9], got {probability!r}")
        series = self._tilted(0.0)[0]
        low, high = np.full(p.shape, series.low), np.full(p.shape, series.high)
        start = np.full(p.shape, np.clip(self.cumulants()[0], series.low, series.high))
        return invert_cdf(lambda y, _: (series.cdf(y), series.pdf(y)), p, low, high, start, 1e-13 * self.scale, 1e-14)

    def lower_expectation(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x}], shape of `x`: power 1 for linear, -1 for inverse positions."""
        series, total = self._tilted(float(power))
        return total * series.cdf(x)

    def expectation(self, power: float = 1.0) -> float:
        """E[e^{power X}]; e^{drift T} for power 1."""
        return float(np.exp(self.log_mgf(power)))
