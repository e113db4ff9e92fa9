"""Probability that a price touches a barrier by a horizon, watched all the time: GBM and Kou, exactly.

GBM, with b = log(barrier / spot) < 0, nu = mu - s^2 / 2 (reflection principle):
    P = N((b - nu T) / (s sqrt T)) + e^{2 nu b / s^2} N((b + nu T) / (s sqrt T)).

Kou, Wang (2003), for b > 0: with b1, b2 the roots of G(x) = alpha of positive real part, where
    G(x) = nu x + s^2 x^2 / 2 + lam (p up / (up - x) + q down / (down + x) - 1),
    E[e^{-alpha tau}] = (up - b1) / up * b2 / (b2 - b1) e^{-b b1} + (b2 - up) / up * b1 / (b2 - b1) e^{-b b2}.
P(tau <= T) is its inverse Laplace transform over alpha, by two routes: Talbot's contour in double precision with
complex alpha (Abate, Valko 2004), and Gaver-Stehfest in 60 to 130 digits with real alpha.  In double precision
Gaver-Stehfest is useless: its weights alternate and reach 1e20.  A barrier below is the same problem mirrored.
Where drift alone carries the price over the barrier within a small fraction of the horizon the transform has almost a
kink, and the routes differ: such a question is refused.
"""

from dataclasses import dataclass
from decimal import Decimal, getcontext, localcontext
from functools import cache
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from riskengine.arrays import Floats, check_range
from riskengine.errors import RunError

_TALBOT_NODES = 20
# pairs of Gaver functionals that are tried in turn; each pair needs 2.2 digits of working precision
_STEHFEST_PAIRS = (16, 24, 40)


def gbm_passage(barrier: ArrayLike, drift: float, sigma: float, horizon: float) -> Floats:
    """P(the price touches the barrier within the horizon) under geometric Brownian motion.

    Parameters
    ----------
    barrier : array_like
        As a multiple of the spot: below 1 a barrier below it, above 1 one above; at 1 the answer is 1.
    drift : float
        Growth rate mu of the price per year.
    sigma : float
        Volatility per year, > 0.
    horizon : float
        Years, > 0.

    Returns
    -------
    ndarray
        Shape of `barrier`.

    Examples
    --------
    >>> float(gbm_passage(0.8, 0.0, 0.6, 30 / 365).round(10))
    0.2170229177
    """
    check_range("sigma", sigma, 0.0, 100.0, open_low=True)
    check_range("horizon", horizon, 0.0, 100.0, open_low=True)
    b, side = _log_barrier(barrier)
    # mirrored so that the barrier lies below: log-price and its drift change sign
    nu = side * (drift - 0.5 * sigma * sigma)
    spread = sigma * np.sqrt(horizon)
    straight = np.exp(log_ndtr((b - nu * horizon) / spread))
    reflected = np.exp(2.0 * nu * b / sigma**2 + log_ndtr((b + nu * horizon) / spread))
    return np.minimum(straight + reflected, 1.0)


def _log_barrier(barrier: ArrayLike) -> tuple[Floats, Floats]:
    """log(barrier) mirrored to be at most 0, and 1 where it lies below the spot, -1 where above."""
    ratio = np.asarray(barrier, dtype=np.float64)
    if not (np.isfinite(ratio) & (ratio > 0)).all():
        raise ValueError(f"barrier must hold positive multiples of the spot, got {barrier!r}")
    b = np.log(ratio)
    return -np.abs(b), np.where(b > 0, -1.0, 1.0)


@dataclass(frozen=True)
class KouPassage:
    """First passage of a double-exponential jump diffusion.

    Attributes
    ----------
    drift : float
        Growth rate log(E[S_T / S_0]) / T per year: jumps are compensated.
    sigma : float
        Diffusive volatility per year, > 0.
    intensity : float
        Jumps per year, >= 0.
    up_share : float
    eta_up, eta_down : float
        Rates of the exponential log jumps: eta_up > 1, eta_down > 0.
    """

    drift: float
    sigma: float
    intensity: float
    up_share: float
    eta_up: float
    eta_down: float

    def __post_init__(self) -> None:
        check_range("drift", self.drift, -100.0, 100.0)
        check_range("sigma", self.sigma, 0.0, 100.0, open_low=True)
        check_range("intensity", self.intensity, 0.0, 1e6)
        check_range("up_share", self.up_share, 0.0, 1.0)
        check_range("eta_up", self.eta_up, 1.0, 1e6, open_low=True)
        check_range("eta_down", self.eta_down, 0.0, 1e6, open_low=True)

    @property
    def log_drift(self) -> float:
        """nu: drift of the log-price between jumps, per year."""
        p, up, down = self.up_share, self.eta_up, self.eta_down
        mean = p * up / (up - 1.0) + (1.0 - p) * down / (down + 1.0) - 1.0
        return self.drift - 0.5 * self.sigma**2 - self.intensity * mean

    def probability(self, barrier: float, horizon: float, tolerance: float = 1e-9) -> float:
        """P(the price reaches or jumps beyond the barrier within the horizon).

        Parameters
        ----------
        barrier : float
            As a multiple of the spot.
        horizon : float
            Years, > 0.
        tolerance : float
            Agreement asked of the two inversions, relative to the probability (to 1e-4 below that).

        Returns
        -------
        float
            By Talbot's contour.  RunError where Gaver-Stehfest gives another.
        """
        check_range("horizon", horizon, 0.0, 100.0, open_low=True)
        b, side = _log_barrier(barrier)
        if b == 0.0:
            return 1.0
        if self.intensity == 0.0:
            return float(gbm_passage(barrier, self.drift, self.sigma, horizon))
        transform = self._upward() if side < 0 else self._mirrored()
        talbot = _talbot(transform, -float(b), horizon)
        for pairs in _STEHFEST_PAIRS:
            stehfest = _gaver_stehfest(transform, -float(b), horizon, pairs)
            if abs(talbot - stehfest) <= tolerance * max(abs(stehfest), 1e-4):
                return min(max(talbot, 0.0), 1.0)
        raise RunError(
            f"the first passage over {barrier:g} within {horizon:g} years must agree to {tolerance:g} by two "
            f"inversions, got {talbot!r} by Talbot's contour and {stehfest!r} by Gaver-Stehfest"
        )

    def _upward(self) -> "_Transform":
        jumps = self.up_share, self.eta_up, self.eta_down
        return _Transform(self.log_drift, self.sigma, self.intensity, *jumps)

    def _mirrored(self) -> "_Transform":
        jumps = 1.0 - self.up_share, self.eta_down, self.eta_up
        return _Transform(-self.log_drift, self.sigma, self.intensity, *jumps)


@dataclass(frozen=True)
class _Transform:
    """Laplace transform of P(tau <= t) for a barrier b > 0 above the log-price, in double complex and in decimals."""

    nu: float
    sigma: float
    intensity: float
    p: float
    up: float
    down: float

    def at_complex(self, b: float, alpha: complex) -> complex:
        """Value in double precision."""
        b1, b2 = self._roots(alpha)
        first = (self.up - b1) * b2 * np.exp(-b * b1)
        second = (b2 - self.up) * b1 * np.exp(-b * b2)
        return (first + second) / (self.up * (b2 - b1) * alpha)

    def _roots(self, alpha: complex) -> np.ndarray:
        """The two roots of G = alpha with the largest real parts: those that are positive where alpha is."""
        diffusion = np.array([0.5 * self.sigma**2, self.nu, -(self.intensity + alpha)])
        poles = np.array([-1.0, self.up - self.down, self.up * self.down])  # (up - x)(down + x)
        p, q = self.p, 1.0 - self.p
        jumps = self.intensity * np.array([p * self.up - q * self.down, self.up * self.down])
        roots = np.roots(np.polyadd(np.polymul(diffusion, poles), jumps))
        return roots[np.argsort(roots.real)[-2:]]

    def at_decimal(self, b: Decimal, alpha: Decimal) -> Decimal:
        """Value in the precision of the current decimal context, for alpha > 0."""
        half = Decimal("0.5")
        nu, s2, lam, p, up, down = (
            Decimal(x) for x in (self.nu, self.sigma * self.sigma, self.intensity, self.p, self.up, self.down)
        )
        q = 1 - p
        # (G - alpha)(up - x)(down + x), ascending: as a polynomial it has no pole beside the roots
        quadratic = (-(lam + alpha), nu, half * s2)
        poles = (up * down, up - down, Decimal(-1))
        quartic = [sum(quadratic[i] * poles[n - i] for i in range(3) if 0 <= n - i < 3) for n in range(5)]
        quartic[0] += lam * up * down
        quartic[1] += lam * (p * up - q * down)
        roots = [_polish(quartic, Decimal(float(start))) for start in self._roots(float(alpha)).real]
        b1, b2 = roots
        first = (up - b1) * b2 * (-b * b1).exp()
        second = (b2 - up) * b1 * (-b * b2).exp()
        return (first + second) / (up * (b2 - b1) * alpha)


def _polish(polynomial: list[Decimal], x: Decimal) -> Decimal:
    """Root near `x` of a polynomial with ascending coefficients, by Newton steps to the context's precision."""
    least = Decimal(10) ** (10 - getcontext().prec)
    for _ in range(60):
        value = slope = Decimal(0)
        for c in reversed(polynomial):
            slope = slope * x + value
            value = value * x + c
        if slope == 0:
            break
        step = value / slope
        x -= step
        if abs(step) <= abs(x) * least:
            break
    return x


def _talbot(transform: _Transform, b: float, horizon: float) -> float:
    """Fixed Talbot contour (Abate, Valko 2004): truncation about 10^(-0.6 M), rounding about e^(0.4 M) eps."""
    m = _TALBOT_NODES
    r = 2.0 * m / (5.0 * horizon)
    total = 0.5 * np.exp(r * horizon) * complex(transform.at_complex(b, complex(r))).real
    for k in range(1, m):
        angle = k * np.pi / m
        cot = 1.0 / np.tan(angle)
        s = r * angle * (cot + 1j)
        weight = 1.0 + 1j * (angle + (angle * cot - 1.0) * cot)
        total += (np.exp(horizon * s) * transform.at_complex(b, s) * weight).real
    return float(r / m * total)


@cache
def _stehfest_weights(pairs: int) -> tuple[int, ...]:
    """Weights of the Gaver functionals (Stehfest 1970) times pairs!, exact integers."""
    return tuple(
        (-1) ** (pairs + k)
        * sum(
            j ** (pairs + 1) * comb(pairs, j) * comb(2 * j, j) * comb(j, k - j)
            for j in range((k + 1) // 2, min(k, pairs) + 1)
        )
        for k in range(1, 2 * pairs + 1)
    )


def _gaver_stehfest(transform: _Transform, b: float, horizon: float, pairs: int) -> float:
    with localcontext() as context:
        context.prec = 3 * pairs + 10
        unit = Decimal(2).ln() / Decimal(horizon)
        total = sum(w * transform.at_decimal(Decimal(b), k * unit) for k, w in enumerate(_stehfest_weights(pairs), 1))
        return float(unit * total / factorial(pairs))
