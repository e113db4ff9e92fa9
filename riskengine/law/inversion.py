"""From a characteristic function to probabilities, by two routes that share nothing but that function.

COS (Fang, Oosterlee 2008): on a window [a, b], u_j = j pi / (b - a), F_j = 2 / (b - a) Re(phi(u_j) e^{-i u_j a}),
    pdf(x) = sum' F_j cos(u_j (x - a)),   cdf(x) = F_0 (x - a) / 2 + sum_{j>=1} F_j sin(u_j (x - a)) / u_j.
The window is no multiple of a standard deviation: it comes from the Chernoff bound P(X <= a) <= e^{sa} E[e^{-sX}],
so the mass left outside is bounded (a six-sigma window is 3 % wrong at P(X < -0.3) of a one-day Merton law).  The
number of terms comes from where |phi| has died, which for a standard deviation of 0.03 is near u = 300.

Gil-Pelaez (1951): F(x) = 1/2 - (1/pi) int_0^inf Im(e^{-iux} phi(u)) / u du, here by composite Gauss-Legendre panels
whose upper limit is, again, where |phi| has died: it scales with 1 / sqrt(v T).

Both leave an absolute error of about 1e-14, which is 1e-10 of a tail of 1e-4; `riskengine.law.contour` moves the line
of integration and has no such floor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.errors import RunError

Characteristic = Callable[[np.ndarray], np.ndarray]

MAX_TERMS = 1 << 21
_OCTAVE = np.linspace(1.0, 2.0, 257)
_AHEAD = np.geomspace(2.0, 64.0, 1285)


def chernoff_window(log_mgf: Callable[[Floats], Floats], scale: float, tail: float = 1e-17) -> tuple[float, float]:
    """Interval [a, b] outside which lies at most `tail` on each side.

    Parameters
    ----------
    log_mgf : callable
        log E[e^{sX}] at real `s`, infinite where the moment does not exist.
    scale : float
        Rough standard deviation, which sets the exponents that are tried.
    tail : float
        Bound on the mass on each side.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        down, up = (_exponents(log_mgf, scale, sign) for sign in (-1.0, 1.0))
        low = np.nanmax((np.log(tail) - log_mgf(-down)) / down)
        high = np.nanmin((log_mgf(up) - np.log(tail)) / up)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise RunError(f"the law must have exponential moments on both sides, got the window [{low}, {high}]")
    return float(low), float(high)


def _exponents(log_mgf: Callable[[Floats], Floats], scale: float, sign: float) -> Floats:
    """Exponents to try on one side, closer together towards the edge of the moments where that cuts into them."""
    s = np.geomspace(0.02, 60.0, 120) / scale
    if np.isfinite(log_mgf(sign * s)).sum() >= 80:
        return s
    edge = moment_edge(log_mgf, scale, sign)
    return edge * np.concatenate([np.geomspace(1e-3, 0.5, 90), 1.0 - np.geomspace(0.5, 1e-7, 90)])


def moment_edge(log_mgf: Callable[[Floats], Floats], scale: float, sign: float) -> float:
    """Largest s up to 60 standard deviations^-1 for which E[e^{sign s X}] exists, by bisection; 0 where none does."""
    low, high = 0.0, 60.0 / scale
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(log_mgf(np.array([sign * high])))[0]:
            return high
        for _ in range(60):
            middle = 0.5 * (low + high)
            if np.isfinite(log_mgf(np.array([sign * middle])))[0]:
                low = middle
            else:
                high = middle
    return low


def dead_from(size: Callable[[Floats], Floats], start: float, top: float) -> float:
    """First frequency tried from which `size` stays below 1e-17 for six octaves; `top` where there is none below it.

    Jumps of nearly one size m let |phi| die and come back at every multiple of 2 pi / m, so that an octave of silence
    is no proof.
    """
    limit = start
    while limit < top:
        if size(limit * _OCTAVE).max() >= 1e-17:
            limit *= 1.25
            continue
        alive = np.flatnonzero(size(limit * _AHEAD) >= 1e-17)
        if alive.size == 0:
            return limit
        limit *= _AHEAD[alive[-1]]
    return top


def frequency_limit(characteristic: Characteristic, scale: float, width: float) -> float:
    """Frequency above which |phi| stays below 1e-17; 1e-14 will do where that needs more than `MAX_TERMS` terms.

    RunError where |phi| is larger even there.
    """
    top = MAX_TERMS * np.pi / width
    limit = dead_from(lambda u: np.abs(characteristic(u)), 4.0 / scale, top)
    if limit < top:
        return limit
    left = float(np.abs(characteristic(top * _OCTAVE)).max())
    if left < 1e-14:
        return top
    raise RunError(
        f"the characteristic function must fall below 1e-14 within {MAX_TERMS} terms, got {left:.3g} at "
        f"u = {top:.4g}: the horizon is too short for so small a variance"
    )


@dataclass(frozen=True)
class CosSeries:
    """Cosine series of a density.

    Attributes
    ----------
    low, high : float
        The window.
    frequency : ndarray, shape (N,)
        u_j; the first is 0.
    coefficient : ndarray, shape (N,)
        F_j; the first already halved.
    """

    low: float
    high: float
    frequency: Floats
    coefficient: Floats

    @classmethod
    def build(cls, characteristic: Characteristic, window: tuple[float, float], limit: float) -> "CosSeries":
        """Series on `window` with every term up to the frequency `limit`."""
        low, high = window
        terms = int(np.ceil(limit * (high - low) / np.pi)) + 1
        u = np.arange(terms) * (np.pi / (high - low))
        coefficient = 2.0 / (high - low) * (characteristic(u) * np.exp(-1j * u * low)).real
        coefficient[0] *= 0.5
        return cls(low, high, u, coefficient)

    def _sum(self, x: Floats, wave, weight: Floats) -> Floats:
        flat, out = x.reshape(-1), np.empty(x.size)
        rows = max(1, (1 << 21) // self.frequency.size)
        for i in range(0, flat.size, rows):
            out[i : i + rows] = wave(np.multiply.outer(flat[i : i + rows] - self.low, self.frequency)) @ weight
        return out.reshape(x.shape)

    def cdf(self, x: ArrayLike) -> Floats:
        """P(X <= x); 0 and 1 outside the window.  Absolute error about 1e-14."""
        points = np.clip(np.asarray(x, dtype=np.float64), self.low, self.high)
        weight = np.zeros_like(self.coefficient)
        weight[1:] = self.coefficient[1:] / self.frequency[1:]
        value = self.coefficient[0] * (points - self.low) + self._sum(points, np.sin, weight)
        return np.minimum(np.maximum(value, 0.0), 1.0)

    def lower_excess(self, x: ArrayLike, power: float) -> Floats:
        """E[(e^{power x} - e^{power X}) 1{X <= x}] = power int_low^x e^{power y} F(y) dy, term by term; shape of `x`.

        The error is relative to the width of what is integrated, not to e^{power x}: nothing cancels on short
        horizons.  It grows with e^{power low}.
        """
        z = np.clip(np.asarray(x, dtype=np.float64), self.low, self.high) - self.low
        u, weight = self.frequency[1:], self.coefficient[1:] / self.frequency[1:]
        # int_0^z e^{py} sin(uy) dy = (e^{pz} (p sin uz - u cos uz) + u) / (p^2 + u^2)
        share = weight / (power * power + u * u)
        waves = self._sum(z + self.low, lambda t: np.sin(t[..., 1:]), power * share)
        waves = waves - self._sum(z + self.low, lambda t: np.cos(t[..., 1:]), u * share)
        start, end = np.exp(power * self.low), np.exp(power * (z + self.low))
        # (e^{px} - e^{p low}) / p, by either form that neither cancels nor overflows
        short = np.abs(power * z) < 1.0
        rise = np.where(short, start * np.expm1(np.where(short, power * z, 0.0)), end - start) / power
        ramp = self.coefficient[0] * (z * end - rise)
        return power * (end * waves + start * (u * share).sum()) + ramp

    def reflected(self) -> "CosSeries":
        """Series of -X."""
        sign = 1.0 - 2.0 * (np.arange(self.frequency.size) % 2)
        return CosSeries(-self.high, -self.low, self.frequency, sign * self.coefficient)

    def pdf(self, x: ArrayLike) -> Floats:
        """Density at `x`; 0 outside the window."""
        points = np.asarray(x, dtype=np.float64)
        inside = (points >= self.low) & (points <= self.high)
        return np.where(inside, self._sum(np.clip(points, self.low, self.high), np.cos, self.coefficient), 0.0)


def gil_pelaez_cdf(characteristic: Characteristic, x: ArrayLike, centre: float, scale: float, limit: float) -> Floats:
    """P(X <= x) by Gauss-Legendre panels up to the frequency `limit`; panels are doubled until nothing moves.

    Parameters
    ----------
    characteristic : callable
    x : array_like
    centre, scale : float
        Rough mean and standard deviation: they set the first panel width.
    limit : float
        Where |phi| has died, from `frequency_limit`.
    """
    points = np.asarray(x, dtype=np.float64)
    flat = points.reshape(-1)
    node, weight = np.polynomial.legendre.leggauss(16)
    reach = max(float(np.abs(flat - centre).max(initial=0.0)), 4.0 * scale)
    panels = max(8, int(np.ceil(limit * reach / (2 * np.pi))))
    last: Floats | None = None
    while panels * node.size <= 2 * MAX_TERMS:
        total = np.zeros(flat.size)
        edges = np.linspace(0.0, limit, panels + 1)
        group = max(1, (1 << 20) // (node.size * max(1, flat.size)))
        for i in range(0, panels, group):
            left, right = edges[i : i + group], edges[i + 1 : i + group + 1]
            left = left[: right.size]
            half = 0.5 * (right - left)[:, None]
            u = ((0.5 * (right + left))[:, None] + half * node).ravel()
            factor = characteristic(u) * (half * weight).ravel() / u
            total += (factor * np.exp(-1j * np.multiply.outer(flat, u))).imag.sum(axis=1)
        value = 0.5 - total / np.pi
        if last is not None and np.abs(value - last).max(initial=0.0) < 1e-14:
            return value.reshape(points.shape)
        last, panels = value, 2 * panels
    raise RunError(f"Gil-Pelaez must settle within {2 * MAX_TERMS} nodes, got a change of {np.abs(value - last).max()}")


def checked_cdf(
    characteristic: Characteristic,
    log_mgf: Callable[[Floats], Floats],
    x: ArrayLike,
    centre: float,
    scale: float,
    tolerance: float = 1e-9,
) -> Floats:
    """P(X <= x) by COS, accepted only where COS on twice the window and Gil-Pelaez give the same.

    Agreement is asked relative to the smaller tail probability where that is at least 1e-4, and absolute below
    (`tolerance` times 1e-4): the floor of both routes is an absolute error of about 1e-14.

    Returns
    -------
    ndarray
        Shape of `x`.  RunError naming point, both values and the tolerance where the routes differ.
    """
    points = np.asarray(x, dtype=np.float64)
    low, high = chernoff_window(log_mgf, scale)
    limit = frequency_limit(characteristic, scale, high - low)
    value = CosSeries.build(characteristic, (low, high), limit).cdf(points)
    middle, half = 0.5 * (low + high), high - low
    routes = {
        "COS on twice the window and terms": CosSeries.build(
            characteristic, (middle - half, middle + half), 2 * limit
        ).cdf(points),
        "Gil-Pelaez": gil_pelaez_cdf(characteristic, points, centre, scale, limit),
    }
    allowed = tolerance * np.maximum(np.minimum(value, 1.0 - value), 1e-4)
    for name, other in routes.items():
        excess = np.abs(value - other) / allowed
        if (excess > 1.0).any():
            i = np.unravel_index(int(np.argmax(excess)), points.shape)
            raise RunError(
                f"the cdf at {points[i]!r} must agree to {tolerance:g} of the tail by two routes, "
                f"got {value[i]!r} by COS and {other[i]!r} by {name}"
            )
    return value
