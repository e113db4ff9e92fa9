"""Tails by an integral along a line in the complex plane: accurate relative to the tail itself, however small.

With M(s) = E[e^{sX}], which exists for real s in a strip around 0, and a line Re s = c inside it,
    P(X > x)  =  (1 / 2 pi i) int M(s) e^{-sx} / s ds                                     c > 0,
    P(X <= x) = -(the same),                                                              c < 0,
    E[(e^{pX} - e^{px}) 1{X > x}]  = (1 / 2 pi i) int M(s) p e^{(p-s)x} / (s (s - p)) ds  c > max(0, p),
    E[(e^{px} - e^{pX}) 1{X <= x}] = the same,                                            c < min(0, p).
Gil-Pelaez (1951) is the first with c = 0, Lewis (2001) the third with p = 1.  On the line through the saddle point,
where K(c) - c x is least, the integrand is as small as the tail (Rice 1968; Lugannani, Rice 1980): no digits cancel.
The trapezoidal rule is exponentially accurate for such an integrand (Trefethen, Weideman 2014); its step is halved
until nothing moves.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.law.inversion import MAX_TERMS, dead_from, moment_edge

Kernel = Callable[[np.ndarray], np.ndarray]

_SETTLED = 1e-13  # relative change at which halving the step ends
_ROUNDING = 4e-14  # of the integral of the modulus: what the rounding of exponents leaves


class Transform(Protocol):
    """A law by its exponent: `MertonLaw` and every `FourierLaw` are one."""

    @property
    def scale(self) -> float:
        """Rough standard deviation."""

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s`."""

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where it does not exist."""


def lower_tail(law: Transform, x: ArrayLike) -> Floats:
    """P(X <= x), shape of `x`, by lines left of 0; relative accuracy about 1e-12 in the lower tail."""
    return _each(law, x, -1.0, 0.0, lambda s: -1.0 / s)


def upper_tail(law: Transform, x: ArrayLike) -> Floats:
    """P(X > x), shape of `x`, by lines right of 0; relative accuracy about 1e-12 in the upper tail."""
    return _each(law, x, 1.0, 0.0, lambda s: 1.0 / s)


def lower_excess(law: Transform, x: ArrayLike, power: float = 1.0) -> Floats:
    """E[(e^{power x} - e^{power X}) 1{X <= x}], shape of `x`; negative for a negative power."""
    return _each(law, x, -1.0, power, lambda s: power / (s * (s - power)))


def upper_excess(law: Transform, x: ArrayLike, power: float = 1.0) -> Floats:
    """E[(e^{power X} - e^{power x}) 1{X > x}], shape of `x`; negative for a negative power."""
    return _each(law, x, 1.0, power, lambda s: power / (s * (s - power)))


def _each(law: Transform, x: ArrayLike, side: float, power: float, kernel: Kernel) -> Floats:
    points = np.asarray(x, dtype=np.float64)
    # the line must pass every pole, 0 and `power`, on its own side
    pole = max(0.0, side * power)
    edge = moment_edge(law.log_mgf, law.scale, side)
    if not edge > pole:
        raise RunError(
            f"E[e^(sX)] must exist beyond s = {side * pole:g} for this tail, got an infinite moment from s = "
            f"{side * edge:g}"
        )
    candidates = side * (pole + _distances(edge - pole, law.scale))
    log_moment = law.log_mgf(candidates)
    out = np.empty(points.size)
    for i, point in enumerate(points.reshape(-1)):
        with np.errstate(divide="ignore"):
            height = log_moment - candidates * point + np.log(np.abs(kernel(candidates)))
        c = float(candidates[np.nanargmin(height)])
        out[i] = np.exp(power * point) * _line(law, point, c, kernel)
    return out.reshape(points.shape)


def _distances(room: float, scale: float) -> Floats:
    """Distances from the outer pole at which a line may lie: up to 40 standard deviations^-1, or short of the edge.

    The step of the trapezoidal rule must resolve the pole, so no line lies much nearer than the spread of X asks for;
    nearer than that standard deviation^-1 it must come where rare jumps, much wider than it, make the tail.
    """
    far = min(40.0 / scale, 0.9 * room)
    return np.geomspace(min(3e-3 / scale, 0.2 * far), far, 300)


def _line(law: Transform, x: float, c: float, kernel: Kernel) -> float:
    """(1 / pi) int_0^inf Re[M(c + iu) e^{-(c + iu) x} kernel(c + iu)] du."""
    log_top = float(law.log_mgf(np.array([c]))[0]) - c * x

    def integrand(u: Floats) -> Floats:
        s = c + 1j * u
        return (np.exp(law.exponent(s) - s * x - log_top) * kernel(s)).real

    limit = _limit(law, x, c, log_top, kernel)
    intervals = max(64, int(np.ceil(limit * law.scale)))
    u = np.linspace(0.0, limit, intervals + 1)
    value = integrand(u)
    total, mass = value.sum() - 0.5 * value[0], np.abs(value).sum()
    found = total * limit / intervals
    while intervals <= MAX_TERMS:
        value = integrand((np.arange(intervals) + 0.5) * (limit / intervals))
        total, mass, intervals = total + value.sum(), mass + np.abs(value).sum(), 2 * intervals
        last, found = found, total * limit / intervals
        if abs(found - last) <= max(_SETTLED * abs(found), _ROUNDING * mass * limit / intervals):
            return float(found / np.pi * np.exp(log_top))
    raise RunError(
        f"the contour integral at x = {x:g} must settle within {2 * MAX_TERMS} nodes, got a change of "
        f"{abs(found - last):.3g} on {abs(found):.3g}"
    )


def _limit(law: Transform, x: float, c: float, log_top: float, kernel: Kernel) -> float:
    """Where the integrand, with what is left beyond, has fallen below 1e-17 of its value on the real line."""
    at_top, most = np.abs(kernel(np.array([c + 0j])))[0], 1e15 / law.scale

    def size(u: Floats) -> Floats:
        s = c + 1j * u
        # times its frequency over that of the peak: an integral over an octave, not a value
        return np.abs(np.exp(law.exponent(s) - c * x - log_top) * kernel(s)) * u * law.scale / at_top

    limit = dead_from(size, 4.0 / law.scale, most)
    if limit >= most:
        raise RunError(f"the integrand at x = {x:g} must die out along Re s = {c:g}, got none below {most:.3g}")
    return limit
