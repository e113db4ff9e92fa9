"""What a law known by its characteristic function can answer: cdf, density, quantile, partial expectations, cumulants.

A law states its exponent log E[e^{sX}], where that exists, and a rough standard deviation; everything else follows by
the cosine series of `riskengine.law.inversion`, and `checked_cdf` holds that against Gil-Pelaez.
"""

from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.law.inversion import CosSeries, checked_cdf, chernoff_window, frequency_limit
from riskengine.law.root import invert_cdf


class FourierLaw:
    """Law of a log-return X by Fourier inversion: the base of frozen dataclasses that say the following.

    ``exponent(s)`` : log E[e^{sX}] at complex `s`.
    ``log_mgf(s)`` : the same at real `s`, infinite where the moment does not exist.
    ``scale`` : rough standard deviation of X; sets step sizes.
    ``largest_jump`` : size of a jump that is not unusual, 0 without jumps; bounds the circle of `cumulants`.
    """

    scale: float
    largest_jump: float

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s` (complex128, shape of `s`)."""
        raise TypeError(f"{type(self).__name__} must define exponent")

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where the moment does not exist."""
        raise TypeError(f"{type(self).__name__} must define log_mgf")

    def characteristic(self, u: ArrayLike) -> np.ndarray:
        """E[e^{iuX}] at real or complex `u` (complex128, shape of `u`)."""
        return np.exp(self.exponent(1j * np.asarray(u, dtype=np.complex128)))

    def cumulants(self) -> Floats:
        """First four cumulants of X, shape (4,): Cauchy integrals of log E[e^{zX}] on a circle around 0."""
        radius = 0.5 / max(self.scale, self.largest_jump, 1e-12)
        while not np.isfinite(self.log_mgf(np.array([-2 * radius, 2 * radius]))).all():
            radius *= 0.5
        z = radius * np.exp(2j * np.pi * np.arange(64) / 64)
        coefficient = np.fft.fft(self.exponent(z)).real / 64
        return np.array([factorial(n) * coefficient[n] / radius**n for n in range(1, 5)])

    def tilted(self, power: float) -> tuple[CosSeries, float]:
        """Series of the law with density e^{power x} f(x) / E[e^{power X}], and that expectation."""
        if power in self._series:
            return self._series[power]
        log_total = float(self.log_mgf(power))
        if not np.isfinite(log_total):
            raise RunError(f"E[e^(power X)] must exist, got an infinite moment for power {power:g}")

        def characteristic(u):
            return np.exp(self.exponent(power + 1j * u) - log_total)

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
        return self.tilted(0.0)[0].cdf(x)

    def pdf(self, x: ArrayLike) -> Floats:
        """Density of X, shape of `x`."""
        return self.tilted(0.0)[0].pdf(x)

    def checked_cdf(self, x: ArrayLike, tolerance: float = 1e-9) -> Floats:
        """P(X <= x) where COS twice and Gil-Pelaez agree (`inversion.checked_cdf`); RunError where not."""
        return checked_cdf(self.characteristic, self.log_mgf, x, self.cumulants()[0], self.scale, tolerance)

    def quantile(self, probability: ArrayLike) -> Floats:
        """Point x with P(X <= x) = probability, for probabilities in [1e-9, 1 - 1e-9]; shape of `probability`."""
        p = np.asarray(probability, dtype=np.float64)
        if not ((p >= 1e-9) & (p <= 1 - 1e-9)).all():
            raise ValueError(f"probability must lie in [1e-9, 1 - 1e-9], got {probability!r}")
        series = self.tilted(0.0)[0]
        low, high = np.full(p.shape, series.low), np.full(p.shape, series.high)
        start = np.full(p.shape, np.clip(self.cumulants()[0], series.low, series.high))

        def cdf_pdf(y: Floats, open_: np.ndarray) -> tuple[Floats, Floats]:
            # a series may have a million terms: points that have converged are left out
            value, density = np.zeros(y.shape), np.zeros(y.shape)
            value[open_], density[open_] = series.cdf(y[open_]), series.pdf(y[open_])
            return value, density

        return invert_cdf(cdf_pdf, p, low, high, start, 1e-13 * self.scale, 1e-14)

    def lower_expectation(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x}], shape of `x`: power 1 for linear, -1 for inverse positions."""
        series, total = self.tilted(float(power))
        return total * series.cdf(x)

    def lower_excess(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[(e^{power x} - e^{power X}) 1{X <= x}], shape of `x`: an undiscounted put per unit of spot for power 1.

        Absolute error about 1e-14 of e^{power x}, and of the spread of X where that is short.
        """
        return self._excess(self.tilted(0.0)[0], np.asarray(x, dtype=np.float64), power, 1.0)

    def upper_excess(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[(e^{power X} - e^{power x}) 1{X > x}], shape of `x`: an undiscounted call per unit of spot for power 1."""
        return -self._excess(self._reflected, -np.asarray(x, dtype=np.float64), -power, -1.0)

    @cached_property
    def _reflected(self) -> CosSeries:
        return self.tilted(0.0)[0].reflected()

    def _excess(self, series: CosSeries, y: Floats, power: float, sign: float) -> Floats:
        """E[(e^{power y} - e^{power Y}) 1{Y <= y}] for Y = sign X, whose series is `series`."""
        if power * series.low > 2.0:  # e^{power low} would magnify rounding: tilt instead
            tilted, total = self.tilted(sign * power)
            share = (tilted if sign > 0 else tilted.reflected()).cdf(y)
            return np.exp(power * y) * series.cdf(y) - total * share
        # beyond the window the whole law is below y
        beyond = np.exp(power * y) - np.exp(power * np.minimum(y, series.high))
        return series.lower_excess(y, power) + beyond

    def expectation(self, power: float = 1.0) -> float:
        """E[e^{power X}]."""
        return float(np.exp(self.log_mgf(power)))


class AffineLaw(FourierLaw):
    """A law with a variance state: log E[e^{sX} | v] = A(s) + B(s) v.

    ``theta`` : long-run variance per year, the scale on which variances are classed.
    ``horizon`` : years.
    ``drift`` : growth rate per year.
    """

    theta: float
    horizon: float
    drift: float

    def exponents(self, s: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """A(s) and B(s), complex128, shape of `s`."""
        raise TypeError(f"{type(self).__name__} must define exponents")

    def given(self, variance: float) -> "AffineLaw":
        """The same law from `variance` at its start."""
        raise TypeError(f"{type(self).__name__} must define given")
