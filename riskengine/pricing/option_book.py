"""Exact VaR, ES and breach probability of a book of options on one asset, whose loss need not be monotone.

The loss L(x) at the horizon is a function of the log-return x alone.  It is smooth between the strikes of the options
that expire there, so each stretch is represented by Chebyshev series, split until they reproduce L to 1e-12 of its
size.  All roots of L(x) = c on a piece are eigenvalues of its colleague matrix (Good 1961; Boyd 2002), none is missed
because a scan was too coarse; between neighbouring roots the sign is read at the middle, and
    P(L > c) = sum of F over the loss regions.
VaR = inf {c : P(L > c) <= 1 - level} by bisection, and ES = VaR + E[(L - VaR)^+] / (1 - level) by quadrature against
the density.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.errors import RunError
from riskengine.law.inversion import chernoff_window
from riskengine.pricing.black import black76

_DEGREE = 20
_ACCURACY = 1e-12
_MOST_PIECES = 4000


class BookLaw(Protocol):
    """What a book needs of the law of the log-return: `MertonLaw` and every `FourierLaw` have it."""

    @property
    def scale(self) -> float:
        """Rough standard deviation."""

    def cdf(self, x: ArrayLike) -> Floats:
        """P(X <= x)."""

    def pdf(self, x: ArrayLike) -> Floats:
        """Density."""

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where it does not exist."""


def loss_window(law: BookLaw, powers: Sequence[float]) -> tuple[float, float]:
    """Beyond it lies at most 1e-17 of the probability, and of each E[e^{power X}] that a loss can weigh it with."""
    ends = []
    for power in powers:
        shift = float(law.log_mgf(np.array([power]))[0])
        if not np.isfinite(shift):
            raise RunError(f"E[e^(power X)] must exist, got an infinite moment for power {power:g}")
        ends.append(chernoff_window(lambda s, p=power, c=shift: law.log_mgf(p + s) - c, law.scale))
    return min(e[0] for e in ends), max(e[1] for e in ends)


def smooth_pieces(
    loss: Callable[[Floats], Floats], low: float, high: float, kinks: Sequence[float]
) -> tuple[Floats, Floats]:
    """A loss as Chebyshev series on pieces of [low, high], split at its kinks and until they reproduce it.

    Returns
    -------
    edges : ndarray, shape (N + 1,)
    coefficient : ndarray, shape (N, degree + 1)
        Of the loss between them, each piece mapped to [-1, 1].
    """
    edges = np.unique([low, high, *(k for k in kinks if low < k < high)])
    node = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    fit = np.linalg.inv(chebyshev.chebvander(node, _DEGREE))
    between = np.linspace(-0.97, 0.97, 13)
    check = chebyshev.chebvander(between, _DEGREE)
    todo, done = list(zip(edges[:-1], edges[1:], strict=True)), []
    while todo:
        a, b = np.array(todo).T[:, :, None]
        centre, half = 0.5 * (a + b), 0.5 * (b - a)
        coefficient = loss(centre + half * node) @ fit.T
        truth = loss(centre + half * between)
        size = np.abs(truth).max(axis=1) + np.abs(coefficient[:, 0])
        good = (np.abs(coefficient @ check.T - truth).max(axis=1) <= _ACCURACY * size) | (half[:, 0] < 1e-12)
        done += [(*todo[i], coefficient[i]) for i in np.flatnonzero(good)]
        halves = [(todo[i], centre[i, 0]) for i in np.flatnonzero(~good)]
        todo = [part for (left, right), middle in halves for part in ((left, middle), (middle, right))]
        if len(done) + len(todo) > _MOST_PIECES:
            raise RunError(f"the loss must be smooth between strikes, got more than {_MOST_PIECES} pieces")
    done.sort(key=lambda piece: piece[0])
    return np.array([p[0] for p in done] + [done[-1][1]]), np.array([p[2] for p in done])


@dataclass(frozen=True)
class BookOption:
    """One European option.

    Attributes
    ----------
    strike : float
        USD, > 0.
    expiry : float
        Years from now; not before the horizon of the book.
    sign : int
        1 call, -1 put.
    quantity : float
        Coins of underlying, negative where sold.
    volatility : float or callable
        Black volatility per square-root year at which it is valued, now and at the horizon; a callable gives it for an
        array of log-returns, and must be smooth.
    """

    strike: float
    expiry: float
    sign: int
    quantity: float
    volatility: float | Callable[[Floats], Floats]

    def __post_init__(self) -> None:
        check_range("strike", self.strike, 0.0, 1e12, open_low=True)
        check_range("expiry", self.expiry, 0.0, 100.0, open_low=True)
        check_range("quantity", self.quantity, -1e15, 1e15)
        if self.sign not in (1, -1):
            raise ValueError(f"sign must be 1 (call) or -1 (put), got {self.sign!r}")
        if not callable(self.volatility):
            check_range("volatility", self.volatility, 0.0, 100.0, open_low=True)


@dataclass(frozen=True)
class OptionBook:
    """Options and a futures position on one asset.

    Attributes
    ----------
    options : tuple of BookOption
    spot : float
        USD now, > 0.
    horizon : float
        Years.
    futures : float
        Coins (linear) or USD of notional (inverse), negative where short.
    contract : {"linear", "inverse"}
        Loss in USD, or in coin: there values are divided by the spot of their own time.
    rate : float
        Growth rate of the forward over the spot, and of the discount, per year.
    """

    options: tuple[BookOption, ...]
    spot: float
    horizon: float
    futures: float = 0.0
    contract: Literal["linear", "inverse"] = "linear"
    rate: float = 0.0

    def __post_init__(self) -> None:
        check_range("spot", self.spot, 0.0, 1e12, open_low=True)
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)
        check_range("rate", self.rate, -10.0, 10.0)
        if self.contract not in ("linear", "inverse"):
            raise ValueError(f"contract must be linear or inverse, got {self.contract!r}")
        early = [o.expiry for o in self.options if o.expiry < self.horizon]
        if early:
            raise ValueError(f"options must not expire before the horizon {self.horizon:g}, got {early}")
        if not self.options and self.futures == 0.0:
            raise ValueError("a book must hold an option or a futures position, got neither")

    def _value(self, x: Floats, elapsed: float) -> Floats:
        """Value of the options in the settlement currency at log-return `x` after `elapsed` years."""
        spot, total = self.spot * np.exp(x), np.zeros(x.shape)
        for o in self.options:
            tau = max(o.expiry - elapsed, 0.0)
            volatility = o.volatility(x) if callable(o.volatility) else o.volatility
            grown = np.exp(self.rate * tau)
            total += o.quantity * black76(spot * grown, o.strike, tau, volatility, o.sign, 1.0 / grown)
        return total / spot if self.contract == "inverse" else total

    def loss(self, x: ArrayLike) -> Floats:
        """Loss at the horizon at log-returns `x`: USD or coin, shape of `x`."""
        points = np.asarray(x, dtype=np.float64)
        now = float(self._value(np.zeros(1), 0.0)[0])
        if self.contract == "linear":
            futures = self.futures * self.spot * np.expm1(points)
        else:
            futures = -self.futures / self.spot * np.expm1(-points)
        return now - self._value(points, self.horizon) - futures

    def under(self, law: BookLaw) -> "BookTail":
        """The tail of the loss under `law`, the law of the log-return over the horizon."""
        return BookTail(self, law)


@dataclass(frozen=True)
class BookTail:
    """Tail of the loss of a book under a law; built once, it holds the pieces."""

    book: OptionBook
    law: BookLaw

    @cached_property
    def _window(self) -> tuple[float, float]:
        return loss_window(self.law, (0.0, 1.0 if self.book.contract == "linear" else -1.0))

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats]:
        kinks = [np.log(o.strike / self.book.spot) for o in self.book.options if o.expiry == self.book.horizon]
        return smooth_pieces(self.book.loss, *self._window, kinks)

    def roots(self, c: float) -> Floats:
        """Every log-return at which the loss crosses `c`, ascending."""
        edges, coefficient = self._pieces
        reach = np.abs(coefficient[:, 1:]).sum(axis=1)
        found = []
        for i in np.flatnonzero(np.abs(coefficient[:, 0] - c) <= reach * (1 + 1e-9)):
            series = chebyshev.chebtrim(coefficient[i] - c * (np.arange(_DEGREE + 1) == 0), 1e-15 * reach[i])
            if series.size < 2:
                continue
            z = chebyshev.chebroots(series)
            # just outside or off the axis by rounding: a root at an edge, or a touching that rounding pulled apart
            z = z[(np.abs(z.imag) < 1e-6) & (np.abs(z.real) <= 1 + 1e-9)].real
            found.append(edges[i] + 0.5 * (edges[i + 1] - edges[i]) * (np.clip(z, -1, 1) + 1))
        return np.unique(np.concatenate(found)) if found else np.empty(0)

    def regions(self, c: float) -> list[tuple[float, float]]:
        """Intervals of the log-return on which the loss is greater than `c`; the outer ones are infinite."""
        low, high = self._window
        cuts = np.concatenate([[low], self.roots(c), [high]])
        middle = 0.5 * (cuts[1:] + cuts[:-1])
        worse = self.book.loss(middle) > c
        out: list[tuple[float, float]] = []
        for a, b in ((cuts[i], cuts[i + 1]) for i in np.flatnonzero(worse & (np.diff(cuts) > 0))):
            if out and out[-1][1] == a:
                a = out.pop()[0]
            out.append((float(a), float(b)))
        return [(-np.inf if a == low else a, np.inf if b == high else b) for a, b in out]

    def breach_probability(self, c: float) -> float:
        """P(loss > c)."""
        total = 0.0
        for a, b in self.regions(c):
            below = 0.0 if a == -np.inf else float(self.law.cdf(a))
            total += (1.0 if b == np.inf else float(self.law.cdf(b))) - below
        return min(max(total, 0.0), 1.0)

    def var(self, level: float) -> float:
        """Smallest loss that is exceeded with probability at most 1 - level.

        By bisection: the distribution has an atom where the loss is flat, and there no Newton step would do.
        """
        check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
        tail = 1.0 - level
        edges, coefficient = self._pieces
        reach = np.abs(coefficient[:, 1:]).sum(axis=1)
        low, high = float((coefficient[:, 0] - reach).min()), float((coefficient[:, 0] + reach).max())
        size = max(abs(low), abs(high))
        # close on the losses the law really reaches first: the window is far wider than any level asks for
        while high - low > 4e-16 * size:
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            low, high = (middle, high) if self.breach_probability(middle) > tail else (low, middle)
        return high

    def expected_shortfall(self, level: float) -> float:
        """Mean of the losses beyond VaR, with the share of an atom at VaR that the level asks for."""
        var = self.var(level)
        return var + self._excess(var) / (1.0 - level)

    def _excess(self, c: float) -> float:
        """E[(loss - c)^+] by Gauss-Legendre panels, halved until nothing moves."""
        low, high = self._window
        edges, _ = self._pieces
        node, weight = np.polynomial.legendre.leggauss(16)
        ends = np.clip(np.array(self.regions(c)).ravel(), low, high)
        cuts = np.unique(np.concatenate([ends, edges]))
        last = np.nan
        for _ in range(12):
            half = 0.5 * np.diff(cuts)
            x = (cuts[:-1] + half)[:, None] + half[:, None] * node
            found = float((half[:, None] * weight * np.maximum(self.book.loss(x) - c, 0.0) * self.law.pdf(x)).sum())
            if abs(found - last) <= 1e-12 * abs(found):
                return found
            cuts, last = np.sort(np.concatenate([cuts, cuts[:-1] + half])), found
        raise RunError(f"E[(loss - {c:g})+] must settle, got {last!r} after 12 halvings")
