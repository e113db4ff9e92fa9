"""Breach probability, expected excess, VaR and ES of any position in one asset, at very many losses at once.

Where the loss is greater than c the log-return lies in a few intervals (a_k, b_k), so with F the exact cdf and
H(x) = E[loss(X) 1{X <= x}],

    P(L > c) = sum F(b_k) - F(a_k),      E[(L - c)^+] = sum H(b_k) - H(a_k) - c P(L > c).

F is tabulated (`riskengine.law.table`), and H on the cells of the same table, cut where the loss has a kink: Gauss-
Legendre quadrature of the loss against the tabulated law on every cell, quintic Hermite interpolation between.  What
is lost is rounding, about 1e-15 of E|L|.  With G(c) = E[(L - c)^+] everything that a lab asks of an estimate is closed:

    ES = VaR + G(VaR) / p,     pinball regret of v = G(v) - G(VaR) + p (v - VaR),
    FZ0 score of (v, e) = G(v) / (p e) + v / e + log e - 1                        (`riskengine.score.fissler_ziegel`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.law.lanes import StatelessLanes
from riskengine.law.table import TabulatedCdf
from riskengine.roles import Law, Position

_FAR = 700.0  # e^x stays a number
_NODES = 6


def between(lower: Floats, upper: Floats, below: Callable[[Floats], Floats], total: float = 1.0) -> Floats:
    """Sum over k of below(upper_k) - below(lower_k); ends of shape (K, ...), `total` at infinity and 0 at minus it."""
    out = np.zeros(lower.shape[1:])
    for a, b in zip(lower, upper, strict=True):
        high = total if (b == np.inf).all() else np.where(b == np.inf, total, below(np.clip(b, -_FAR, _FAR)))
        low = 0.0 if (a == -np.inf).all() else np.where(a == -np.inf, 0.0, below(np.clip(a, -_FAR, _FAR)))
        out += high - low
    return out


def breach_probability(position: Position, c: Floats, cdf: Callable[[Floats], Floats]) -> Floats:
    """P(L > c), shape of `c`, from the cdf of the log-return."""
    return np.maximum(between(*position.worse(c), cdf), 0.0)


def quantile(position: Position, level: ArrayLike, quantile_of: Callable[[Floats], Floats]) -> Floats:
    """VaR of a position whose loss falls or rises throughout, from the quantile of the log-return."""
    level = np.asarray(level, dtype=np.float64)
    return position.loss(quantile_of(1.0 - level if position.side == "long" else level))


class PartialMean:
    """H(x) = E[loss(X) 1{X <= x}] of one position under a tabulated law."""

    def __init__(self, position: Position, table: TabulatedCdf):
        self._low, self._step = table.low, table.step
        cells = table.value.size - 1
        places = (np.array(position.kinks, dtype=np.float64) - table.low) / table.step
        near = np.abs(places - np.round(places)) < 1e-6
        self._cuts = np.unique(places[(places > 0) & (places < cells) & ~near])
        edges = np.sort(np.concatenate([np.arange(cells + 1.0), self._cuts]))
        i = np.minimum(edges[:-1].astype(np.int64), cells - 1)
        t0, width = edges[:-1] - i, np.diff(edges)
        f, d, s = table.value[i], table.first[i], table.second[i]
        rise, d1, s1 = table.value[i + 1] - f, table.first[i + 1], table.second[i + 1]
        slope = (
            d,
            s,
            3.0 * (10.0 * rise - 6.0 * d - 4.0 * d1 - 1.5 * s + 0.5 * s1),
            4.0 * (-15.0 * rise + 8.0 * d + 7.0 * d1 + 1.5 * s - s1),
            5.0 * (6.0 * rise - 3.0 * (d + d1) + 0.5 * (s1 - s)),
        )
        node, weight = np.polynomial.legendre.leggauss(_NODES)
        node, weight = 0.5 * (node + 1.0), 0.5 * weight
        loss = position.loss(table.low + table.step * (edges[:-1, None] + width[:, None] * node))
        t = t0[:, None] + width[:, None] * node
        density = np.zeros(t.shape)
        for c in reversed(slope):
            density = density * t + c[:, None]
        mass = width * ((loss * density) @ weight)
        # loss and its slope at both ends of a cell, from inside it
        fit = np.linalg.inv(np.vander(node, increasing=True))
        powers = loss @ fit.T
        ends = powers[:, 0], powers.sum(axis=1)
        tilt = powers[:, 1], powers @ np.arange(_NODES)
        self._value = np.concatenate([[0.0], np.cumsum(mass)])
        self._first, self._second = np.empty((2, 2, width.size))
        for side, u in ((0, t0), (1, t0 + width)):
            at = sum(c * u**k for k, c in enumerate(slope))
            bend = sum(k * c * u ** (k - 1) for k, c in enumerate(slope) if k)
            self._first[side] = width * ends[side] * at
            self._second[side] = width * (tilt[side] * at + width * ends[side] * bend)
        self._edges, self._width = edges, width
        self.total = float(self._value[-1])

    def __call__(self, x: ArrayLike) -> Floats:
        """H at `x`, shape of `x`; 0 and the whole mean beyond the table."""
        place = (np.asarray(x, dtype=np.float64) - self._low) / self._step
        inside = np.clip(place, 0.0, self._edges[-1])
        j = inside.astype(np.int64)
        if self._cuts.size:
            j = j + np.searchsorted(self._cuts, inside, side="right")
        j = np.minimum(j, self._width.size - 1)
        t = np.clip((inside - self._edges[j]) / self._width[j], 0.0, 1.0)
        u = 1.0 - t
        (d0, d1), (s0, s1) = (p[:, j] for p in (self._first, self._second))
        left = self._value[j] * (1 + t * (3 + 6 * t)) + t * (d0 * (1 + 3 * t) + 0.5 * t * s0)
        right = self._value[j + 1] * (1 + u * (3 + 6 * u)) - u * (d1 * (1 + 3 * u) - 0.5 * u * s1)
        return u * u * u * left + t * t * t * right


@dataclass(frozen=True)
class PositionTail:
    """Tail of the loss of a position under the law of its asset's log-return.

    Attributes
    ----------
    position : Position
    law : Law
    """

    position: Position
    law: Law

    @cached_property
    def _lanes(self) -> StatelessLanes:
        return StatelessLanes(self.law)

    @cached_property
    def _mean(self) -> PartialMean | None:
        return None if self._lanes.table is None else PartialMean(self.position, self._lanes.table)

    def prepare(self) -> bool:
        """Build the tables; whether there is one for the excess."""
        self._lanes.cdf(np.zeros(1), np.zeros(1))
        return self._mean is not None

    def _cdf(self, x: Floats) -> Floats:
        return self._lanes.cdf(x, np.zeros(1))

    def breach(self, c: ArrayLike) -> Floats:
        """P(L > c), shape of `c`."""
        return breach_probability(self.position, np.asarray(c, dtype=np.float64), self._cdf)

    def excess(self, c: ArrayLike) -> Floats:
        """E[(L - c)^+], shape of `c`; NaN where the law has no table."""
        c = np.asarray(c, dtype=np.float64)
        if self._mean is None:
            return np.full(c.shape, np.nan)
        lower, upper = self.position.worse(c)
        weight = np.maximum(between(lower, upper, self._cdf), 0.0)
        return np.maximum(between(lower, upper, self._mean, self._mean.total) - c * weight, 0.0)

    def var(self, level: ArrayLike) -> Floats:
        """Smallest loss that is exceeded with probability at most 1 - level, shape of `level`."""
        level = np.asarray(level, dtype=np.float64)
        if self.position.side is not None:
            return quantile(self.position, level, self.law.quantile)
        table = self._lanes.table
        seen = self.position.loss(np.linspace(table.low, table.low + table.step * (table.value.size - 1), 4001))
        low, high = np.full(level.shape, seen.min()), np.full(level.shape, seen.max())
        for _ in range(80):
            middle = 0.5 * (low + high)
            over = self.breach(middle) > 1.0 - level
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        return high

    def expected_shortfall(self, level: ArrayLike) -> Floats:
        """Mean loss beyond VaR, with the share of an atom at VaR that the level asks for; shape of `level`."""
        var = self.var(level)
        return var + self.excess(var) / (1.0 - np.asarray(level, dtype=np.float64))
