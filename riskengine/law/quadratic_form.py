"""Tail of a quadratic form in normals: what a book is to second order (delta-gamma), and any sum of chi-squares.

Q = c + sum_j (delta_j Z_j + gamma_j Z_j^2 / 2), Z_j independent standard normal:
    log E[e^{sQ}] = c s + sum_j [ delta_j^2 s^2 / (2 (1 - gamma_j s)) - log(1 - gamma_j s) / 2 ],   gamma_j s < 1.
P(Q > x) is the contour integral of `riskengine.law.contour`.  Where no direction is purely linear |E[e^{iuQ}]| falls by
a power only (Imhof's problem, 1961), so the line is bent: every singularity lies on the real axis, and along
    s(t) = c + i t + t^2 / (2 R)
the factor e^{-sx} dies like a Gaussian, so the trapezoidal rule is exponentially accurate again.

A quadratic approximation of a book fails for jumps of 10 % and more, whatever the accuracy here: compare it with
`riskengine.pricing.option_book`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.law import contour
from riskengine.law.inversion import moment_edge

_MOST_NODES = 1 << 18


@dataclass(frozen=True)
class QuadraticForm:
    """Law of Q.

    Attributes
    ----------
    constant : float
    delta, gamma : tuple of float
        One entry a normal.  ``lam chi2_1`` is delta 0, gamma 2 lam.

    Examples
    --------
    >>> float(QuadraticForm(0.0, (0.0, 0.0), (2.0, 2.0)).upper_tail(2.0).round(12))  # chi2 with 2 degrees: e^-1
    0.367879441171
    """

    constant: float
    delta: tuple[float, ...]
    gamma: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.delta) != len(self.gamma) or not self.delta:
            raise ValueError(f"delta and gamma must be of one length >= 1, got {len(self.delta)}, {len(self.gamma)}")
        if not np.isfinite([self.constant, *self.delta, *self.gamma]).all() or not any((*self.delta, *self.gamma)):
            raise ValueError("constant, delta and gamma must be finite, and not all of delta and gamma zero")

    @property
    def scale(self) -> float:
        """Standard deviation of Q."""
        return float(np.sqrt(np.square(self.delta).sum() + 0.5 * np.square(self.gamma).sum()))

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sQ}] at complex `s`, continued along paths that keep off the real axis beyond its strip."""
        s = np.asarray(s, dtype=np.complex128)
        total = self.constant * s
        for d, g in zip(self.delta, self.gamma, strict=True):
            left = 1.0 - g * s
            total = total + 0.5 * d * d * s * s / left - 0.5 * np.log(left)
        return total

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sQ}] at real `s`, infinite where it does not exist."""
        s = np.asarray(s, dtype=np.float64)
        inside = (np.multiply.outer(s, np.array(self.gamma)) < 1.0).all(axis=-1)
        return np.where(inside, self.exponent(np.where(inside, s, 0.0)).real, np.inf)

    def upper_tail(self, x: ArrayLike) -> Floats:
        """P(Q > x), shape of `x`; relative accuracy about 1e-10 in the upper tail."""
        return self._tail(x, 1.0)

    def lower_tail(self, x: ArrayLike) -> Floats:
        """P(Q <= x), shape of `x`; relative accuracy about 1e-10 in the lower tail."""
        return self._tail(x, -1.0)

    def _tail(self, x: ArrayLike, side: float) -> Floats:
        if any(d != 0.0 and g == 0.0 for d, g in zip(self.delta, self.gamma, strict=True)):
            return contour.upper_tail(self, x) if side > 0 else contour.lower_tail(self, x)
        points = np.asarray(x, dtype=np.float64)
        out = np.array([self._bent(float(p), side) for p in points.reshape(-1)])
        return out.reshape(points.shape)

    def _bent(self, x: float, side: float) -> float:
        curved = [(d, g) for d, g in zip(self.delta, self.gamma, strict=True) if g != 0.0]
        # completed squares: Q = base + sum g/2 (Z + d/g)^2, and e^{s (base - x)} decides where the line may bend
        base = self.constant - sum(0.5 * d * d / g for d, g in curved)
        if all(g > 0 for _, g in curved) and x <= base:
            return 1.0 if side > 0 else 0.0
        if all(g < 0 for _, g in curved) and x >= base:
            return 0.0 if side > 0 else 1.0
        if x == base:
            raise RunError(f"the tail at {x:g} must not lie where all squares vanish: the integral decays too slowly")
        if x < base:  # mirrored: -Q at -x
            mirror = QuadraticForm(-self.constant, tuple(-d for d in self.delta), tuple(-g for g in self.gamma))
            return mirror._bent(-x, -side)
        edge = moment_edge(self.log_mgf, self.scale, side)
        candidates = side * edge * np.concatenate([np.geomspace(1e-3, 0.5, 100), 1 - np.geomspace(0.5, 1e-3, 100)])
        height = self.log_mgf(candidates) - candidates * x - np.log(np.abs(candidates))
        c = float(candidates[np.nanargmin(height)])
        log_top = float(self.log_mgf(c)) - c * x
        bend = 4.0 / self.scale
        # e^{-(x - base) t^2 / (2 bend)} has fallen to 1e-20
        limit = np.sqrt(2.0 * bend * 46.0 / (x - base)) + 12.0 / self.scale

        def integrand(t: Floats) -> Floats:
            s, slope = c + 1j * t + t * t / (2.0 * bend), 1j + t / bend
            return (np.exp(self.exponent(s) - s * x - log_top) * slope / s).imag

        nodes, last = 64, np.nan
        while nodes <= _MOST_NODES:
            value = integrand(limit / nodes * np.arange(nodes + 1))
            found = (value.sum() - 0.5 * value[0]) * limit / nodes
            if abs(found - last) <= 1e-12 * abs(found) + 4e-15 * np.abs(value).sum() * limit / nodes:
                return float(np.clip(side * found / np.pi * np.exp(log_top), 0.0, 1.0))
            nodes, last = 2 * nodes, found
        raise RunError(f"the tail at {x:g} must settle within {_MOST_NODES} nodes, got {last!r}")
