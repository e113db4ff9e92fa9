"""SVCJ (Duffie, Pan, Singleton 2000): the law of a horizon log-return where price and variance jump together.

log E[e^{sX} | v0] = s (mu - sum lam k) T + C(s) + B(s) v0
                     + sum lam int_0^T [e^{s m + s^2 d^2 / 2} / (alpha - zeta B_t(s)) - 1] dt,   alpha = 1 - zeta r s,

with C and B of `riskengine.law.heston`, mean variance jump zeta and slope r.  With D, q, gap, e = e^{-D T} as there,
Q = alpha gap + zeta q and P = 2 D alpha + Q the integral is closed:

    int_0^T dt / (alpha - zeta B_t) = (2 D + gap) T / P + 2 zeta q / (P Q) [log(1 + bottom) + log(1 - zeta B / alpha)].

Both logarithms stay on their principal branch: alpha and alpha - zeta B lie in the right half-plane wherever the moment
exists.  The stationary variance has the Laplace transform

    E[e^{B v}] = (1 - B c)^{-2 kappa theta / xi^2} prod ((1 - B c) / (1 - B zeta))^{lam zeta / (kappa (zeta - c))},
    c = xi^2 / (2 kappa).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.law.bates import BatesLaw
from riskengine.law.heston import heston_exponents, heston_parts
from riskengine.law.jump import NormalJump


@dataclass(frozen=True)
class CoJump(NormalJump):
    """Jumps of price and variance at the same arrivals: J | z ~ N(mean + slope z, sd^2), z exponential.

    Attributes
    ----------
    variance_mean : float
        Mean variance jump E[z], per year; 0 leaves variance alone.
    slope : float
        Log-price per unit of variance jump.
    """

    variance_mean: float = 0.0
    slope: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("variance_mean", self.variance_mean, 0.0, 1e4)
        if not self.slope * self.variance_mean < 1.0:
            raise ValueError(
                "slope * variance_mean must be below 1, else the mean relative jump is infinite, "
                f"got {self.slope!r} * {self.variance_mean!r}"
            )

    @property
    def relative_mean(self) -> float:
        """k = E[e^J] - 1, the mean relative jump."""
        return float(np.expm1(self.mean + 0.5 * self.sd**2 - np.log1p(-self.slope * self.variance_mean)))

    @property
    def mean_square(self) -> float:
        """E[J^2]."""
        extent = self.slope * self.variance_mean
        return (self.mean + extent) ** 2 + self.sd**2 + extent**2


@dataclass(frozen=True)
class SvcjLaw(BatesLaw):
    """Law of X = log(S_T / S_0); the fields of `BatesLaw`, with ``jumps`` a tuple of `CoJump`."""

    jumps: tuple[CoJump, ...]

    def _jump_exponent(self, s: np.ndarray) -> np.ndarray:
        gap, root, q, decay = heston_parts(s, *self._heston)
        bottom = gap * decay / (2 * root)
        b = -q * decay / (2 * root * (1.0 + bottom))
        total = np.zeros_like(s)
        for j in self.jumps:
            size, alpha = j.variance_mean, 1.0 - j.variance_mean * j.slope * s
            across = alpha * gap + size * q
            whole = 2 * root * alpha + across
            log = np.log(1.0 + bottom) + np.log(1.0 - size * b / alpha)
            # log / Q, whose limit at Q = 0 is (1 - e) / (2 D alpha)
            small = np.abs(across * decay) < 1e-9 * np.abs(root * alpha)
            slope = np.where(small, decay / (2 * root * alpha), log / np.where(small, 1.0, across))
            integral = ((2 * root + gap) * self.horizon + 2 * size * q * slope) / whole
            total = total + j.intensity * (np.exp(s * j.mean + 0.5 * s * s * j.sd**2) * integral / self.horizon - 1.0)
        return total

    def _stationary_exponent(self, b: np.ndarray) -> np.ndarray:
        floor = self.xi**2 / (2 * self.kappa)
        total = super()._stationary_exponent(b)
        for j in self.jumps:
            gap = j.variance_mean - floor
            if abs(gap) < 1e-9 * floor:
                total = total + j.intensity / self.kappa * b * floor / (1.0 - b * floor)
            else:
                power = j.intensity * j.variance_mean / (self.kappa * gap)
                total = total + power * (np.log(1.0 - b * floor) - np.log(1.0 - b * j.variance_mean))
        return total

    def _explodes(self, s: Floats) -> np.ndarray:
        explodes = super()._explodes(s)
        _, b = heston_exponents(s, *self._heston)
        for j in self.jumps:
            # along t the exponent of variance runs from 0 to b: both ends in the domain of the exponential law
            room = 1.0 - j.variance_mean * j.slope * s
            explodes = explodes | (np.minimum(room, room - j.variance_mean * b.real) <= 0.0)
            if self.variance is None:
                explodes = explodes | (b.real * j.variance_mean >= 1.0)
        return explodes

    @property
    def mean_variance(self) -> float:
        """Stationary mean of variance per year: theta, and what jumps add."""
        return self.theta + sum(j.intensity * j.variance_mean for j in self.jumps) / self.kappa

    @property
    def _memory(self) -> tuple[float, float]:
        # E[J^2 z]: a day with a jump is followed by the variance it left
        level, jump = self.mean_variance, 0.0
        shared = level * self.xi**2 / (2.0 * self.kappa)
        for j in self.jumps:
            z, extent = j.variance_mean, j.slope * j.variance_mean
            square = z * (j.mean**2 + j.sd**2 + 4.0 * j.mean * extent + 6.0 * extent**2)
            shared += j.intensity * (z * z / self.kappa + square)
            jump += j.intensity * j.mean_square
        return shared, level + jump

    @cached_property
    def scale(self) -> float:
        """Standard deviation of X up to the correlation of variance and price: sets step sizes."""
        level = self.mean_variance
        start = level if self.variance is None else self.variance
        mean = level * self.horizon - (start - level) * np.expm1(-self.kappa * self.horizon) / self.kappa
        jump = sum(j.intensity * j.mean_square for j in self.jumps) * self.horizon
        return float(np.sqrt(mean + jump))

    @property
    def largest_jump(self) -> float:
        """Size of a jump that is not unusual; 0 without jumps."""
        return max((abs(j.mean) + j.sd + 3 * abs(j.slope) * j.variance_mean for j in self.jumps), default=0.0)
