"""Merton (1976): diffusion with normal log-jumps.  The law of a horizon log-return is a Poisson mixture of normals.

X_T = (mu - sigma^2/2 - sum lam_i k_i) T + sigma W_T + sum of jumps.  Given the counts (n_1, ..., n_J) it is normal with
mean (...)T + sum n_i m_i and variance sigma^2 T + sum n_i d_i^2.  Without jumps this is geometric Brownian motion.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtr, xlogy

from riskengine.arrays import Floats, check_range
from riskengine.errors import RunError
from riskengine.law.jump import NormalJump, compensator, jump_cumulants, jump_exponent
from riskengine.law.root import invert_cdf

# a component of the mixture is dropped below this weight: far enough under 1e-16 that tails of 1e-9 keep 1e-9 relative
_WEIGHT_FLOOR = 1e-22
_CHUNK = 1 << 21  # elements of one (points x components) table


def poisson_counts(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts and probabilities of a Poisson law, every one of at least `_WEIGHT_FLOOR`."""
    top = int(mean + 12 * np.sqrt(mean) + 40)
    count = np.arange(top + 1)
    weight = np.exp(xlogy(count, mean) - mean - gammaln(count + 1.0))
    keep = weight >= _WEIGHT_FLOOR
    return count[keep], weight[keep]


@dataclass(frozen=True)
class MertonLaw:
    """Law of X = log(S_T / S_0).

    Attributes
    ----------
    drift : float
        Growth rate log(E[S_T / S_0]) / T per year: jumps are compensated.
    sigma : float
        Diffusive volatility per year, > 0.
    jumps : tuple of NormalJump
        Superposed jump components; empty for geometric Brownian motion.
    horizon : float
        T in years of 365 days, > 0.
    """

    drift: float
    sigma: float
    jumps: tuple[NormalJump, ...]
    horizon: float

    def __post_init__(self) -> None:
        check_range("drift", self.drift, -100.0, 100.0)
        check_range("sigma", self.sigma, 0.0, 100.0, open_low=True)
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)

    @cached_property
    def _mixture(self) -> tuple[Floats, Floats, Floats]:
        """Weights, means and standard deviations of the normal components."""
        rates: dict[tuple[float, float], float] = {}
        for j in self.jumps:  # components of one size law are one component
            rates[j.mean, j.sd] = rates.get((j.mean, j.sd), 0.0) + j.intensity
        weight = np.ones(1)
        mean = np.full(1, self.horizon * (self.drift - 0.5 * self.sigma**2 - compensator(self.jumps)))
        variance = np.full(1, self.horizon * self.sigma**2)
        for (m, d), rate in rates.items():
            count, probability = poisson_counts(rate * self.horizon)
            weight = np.multiply.outer(weight, probability).ravel()
            mean = np.add.outer(mean, count * m).ravel()
            variance = np.add.outer(variance, count * d * d).ravel()
            keep = weight >= _WEIGHT_FLOOR
            weight, mean, variance = weight[keep], mean[keep], variance[keep]
            if weight.size > 200_000:
                raise RunError(
                    f"the Poisson mixture must have at most 200,000 components, got {weight.size}: "
                    "fewer jump components or a shorter horizon would do"
                )
        return weight, mean, np.sqrt(variance)

    def _mix(self, x: ArrayLike, component) -> Floats:
        """Sum over components of component(weight, mean, sd, x), in pieces of bounded size."""
        points = np.asarray(x, dtype=np.float64)
        flat, out = points.reshape(-1), np.empty(points.size)
        weight, mean, sd = self._mixture
        rows = max(1, _CHUNK // weight.size)
        for i in range(0, flat.size, rows):
            out[i : i + rows] = component(weight, mean, sd, flat[i : i + rows, None]).sum(axis=1)
        return out.reshape(points.shape)

    def cdf(self, x: ArrayLike) -> Floats:
        """P(X <= x), shape of `x`; relative accuracy about 1e-12 down to 1e-12."""
        return self._mix(x, lambda w, m, s, y: w * ndtr((y - m) / s))

    def survival(self, x: ArrayLike) -> Floats:
        """P(X > x), shape of `x`, without the cancellation of 1 - cdf."""
        return self._mix(x, lambda w, m, s, y: w * ndtr((m - y) / s))

    def pdf(self, x: ArrayLike) -> Floats:
        """Density of X, shape of `x`."""
        return self._mix(x, lambda w, m, s, y: w / (s * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((y - m) / s) ** 2))

    def pdf_slope(self, x: ArrayLike) -> Floats:
        """Derivative of the density, shape of `x`."""
        return self._mix(
            x,
            lambda w, m, s, y: (m - y) * w / (s**3 * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((y - m) / s) ** 2),
        )

    @property
    def scale(self) -> float:
        """Standard deviation of X."""
        return float(np.sqrt(self.cumulants()[1]))

    @property
    def narrowest(self) -> float:
        """Standard deviation of the narrowest component of the mixture: that without jumps."""
        return float(self.sigma * np.sqrt(self.horizon))

    def quantile(self, probability: ArrayLike) -> Floats:
        """Point x with P(X <= x) = probability, for probabilities inside (0, 1); shape of `probability`."""
        p = np.asarray(probability, dtype=np.float64)
        if not ((p > 0) & (p < 1)).all():
            raise ValueError(f"probability must lie in (0, 1), got {probability!r}")
        _, mean, sd = self._mixture
        # a component with its 40 sd around it holds all mass that double precision can see
        low, high = np.full(p.shape, (mean - 40 * sd).min()), np.full(p.shape, (mean + 40 * sd).max())
        centre, scale = self.cumulants()[0], np.sqrt(self.cumulants()[1])
        start = np.full(p.shape, centre)
        return invert_cdf(lambda y, _: (self.cdf(y), self.pdf(y)), p, low, high, start, 1e-14 * scale, 4e-15 * p)

    def lower_expectation(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x}], shape of `x`: power 1 for linear, -1 for inverse positions."""
        return self._mix(
            x, lambda w, m, s, y: w * np.exp(power * m + 0.5 * (power * s) ** 2) * ndtr((y - m - power * s * s) / s)
        )

    def lower_excess(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[(e^{power x} - e^{power X}) 1{X <= x}], shape of `x`: an undiscounted put per unit of spot for power 1."""
        return self._excess(x, power, 1.0)

    def upper_excess(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[(e^{power X} - e^{power x}) 1{X > x}], shape of `x`: an undiscounted call per unit of spot for power 1."""
        return -self._excess(x, power, -1.0)

    def _excess(self, x: ArrayLike, power: float, side: float) -> Floats:
        def component(w, m, s, y):
            whole = np.exp(power * m + 0.5 * (power * s) ** 2)
            return w * (np.exp(power * y) * ndtr(side * (y - m) / s) - whole * ndtr(side * (y - m - power * s * s) / s))

        return self._mix(x, component)

    def expectation(self, power: float = 1.0) -> float:
        """E[e^{power X}]; e^{drift T} for power 1."""
        return float(np.exp(self.exponent(np.float64(power))))

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at real or complex `s`, shape of `s`."""
        s = np.asarray(s)
        mu = self.drift - 0.5 * self.sigma**2 - compensator(self.jumps)
        return self.horizon * (s * mu + 0.5 * s * s * self.sigma**2 + jump_exponent(s, self.jumps))

    def characteristic(self, u: ArrayLike) -> np.ndarray:
        """E[e^{iuX}] at real or complex `u` (complex128, shape of `u`)."""
        return np.exp(self.exponent(1j * np.asarray(u, dtype=np.complex128)))

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`: finite everywhere."""
        return self.exponent(np.asarray(s, dtype=np.float64))

    def cumulants(self) -> Floats:
        """First four cumulants of X, shape (4,)."""
        mu = self.drift - 0.5 * self.sigma**2 - compensator(self.jumps)
        return self.horizon * (np.array([mu, self.sigma**2, 0.0, 0.0]) + jump_cumulants(self.jumps))
