"""Trades that leave the least margin for the exposure that is to be kept, and how far from the least they can be.

Margin by worst scenario is convex and piecewise linear in the positions, so the best trades t solve a linear programme,

    minimise  M(q + t) + w c'|t|   subject to   low <= G (q + t) <= high,   c'|t| <= spend,   |t| <= most,

c the cost of trading a unit, G the Greeks of a unit, w the margin that a dollar spent must free.  The scenarios of a
venue's rule are not asked for: planes that touch M from below are collected where they are needed (Kelley 1960), at
points moved off the kinks, so that one routine serves every model.  The programme over the planes so far is a bound
that no trades can beat; the difference to the best trades found is the certificate.

The bound holds where M is convex.  That is checked, not believed: every plane must lie below every margin that was
asked for and below those at points drawn over everything that may be traded.  Where one does not (a quantile of a few
windows, a rule with caps), the trades are what was found and the bound is said to be missing.

References: Kelley, The cutting-plane method for solving convex programs (1960); Rockafellar and Uryasev (2000).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_shape

Margin = Callable[[Floats], Floats]

_ROUNDS = 150
_SIDE = 1e-3  # a plane is taken this share of `most` beside the point, where no two scenarios bind equally
_STEP = 1e-6
_ROUNDING = 1e-7
_DUST = 1e-7  # share of `most` below which a trade is the solver's rounding
_DRAWN = 256
_CRUMB = 1e-5  # and below which it is not worth making


@dataclass(frozen=True)
class Limits:
    """What trades may do.

    Attributes
    ----------
    most : ndarray, shape (N,)
        Largest trade of each instrument in coins, either way; 0 for one that may not be traded.
    cost : ndarray, shape (N,)
        USD for each coin traded.
    greeks : ndarray, shape (G, N)
        Exposures of a coin of each instrument.
    low, high : ndarray, shape (G,)
        Bounds on the change of each exposure; low at most 0 and high at least 0, so that no trade is a legal answer.
    spend : float
        USD that trades may cost together.
    worth : float
        USD of margin that a dollar of cost must free.
    """

    most: Floats
    cost: Floats
    greeks: Floats
    low: Floats
    high: Floats
    spend: float = np.inf
    worth: float = 1.0

    def __post_init__(self) -> None:
        count = self.most.size
        check_shape("cost", self.cost, (count,))
        check_shape("greeks", self.greeks, (self.low.size, count))
        check_shape("high", self.high, self.low.shape)
        if not (self.most > 0).any():
            raise ValueError("most must leave at least one instrument to trade, got 0 for all")
        if (self.cost < 0).any() or not self.spend >= 0 or not self.worth > 0:
            raise ValueError(
                f"cost and spend must not be negative and worth must be positive, got cost {self.cost.min()!r}, "
                f"spend {self.spend!r}, worth {self.worth!r}"
            )
        if not ((self.low <= 0) & (self.high >= 0)).all():
            raise ValueError(f"bounds must allow not to trade, got {self.low.tolist()} to {self.high.tolist()}")


@dataclass(frozen=True)
class Trades:
    """The best trades found.

    Attributes
    ----------
    trades : ndarray, shape (N,)
        Signed coins.
    before, after : float
        Margin in USD without and with them.
    cost : float
        USD.
    bound : float or None
        Margin plus worth times cost less reward that no trades of the limits can beat; None where the margin is not
        convex.
    objective : float
        The same of these trades.
    asked : int
        Portfolios whose margin was asked for.
    """

    trades: Floats
    before: float
    after: float
    cost: float
    bound: float | None
    objective: float
    asked: int


class LeastMargin:
    """The search for trades of least margin; planes found for one question serve the next.

    Parameters
    ----------
    margin : callable
        Margin in USD (n,) of the account after each of n sets of trades, shape (n, N).
    limits : Limits
    seed : int
        Of the directions in which points are moved off kinks, and of the points that convexity is checked at.
    """

    def __init__(self, margin: Margin, limits: Limits, seed: int = 1):
        self._search, self._limits = _Search(margin, limits, seed), limits
        self._before: float | None = None

    def find(
        self, reward: Floats | None = None, tolerance: float = 1e-4, bounded: bool = True, near: Floats | None = None
    ) -> Trades:
        """Trades of least margin plus worth times cost, less `reward` in USD for each coin bought, shape (N,).

        The answer misses the bound by at most `tolerance` of the margin without trades, or of the reward where that is
        larger, as long as the margin is convex; it is never worse than no trades.  Without `bounded` convexity is not
        checked and no bound is given.  `near` are trades to start from.
        """
        search, own = self._search, self._limits
        nothing = np.zeros(own.most.size)
        paid = nothing if reward is None else reward
        if self._before is None:
            self._before = float(search.ask(nothing[None])[0])
            search.touch(nothing)
        best, least, bound = nothing, self._before, -np.inf
        if near is not None:
            search.touch(near)
        for _ in range(_ROUNDS):
            bound, there = search.lowest(paid)
            if least - bound <= tolerance * max(self._before, abs(bound)):
                break
            # the far end of the programme, and half the way to it, which keeps the points from swinging between corners
            points = np.stack([there, 0.5 * (best + there)])
            found = search.ask(points) + own.worth * (np.abs(points) @ own.cost) - points @ paid
            for point, value in zip(points, found, strict=True):
                if value < least:
                    best, least = point, value
                search.touch(point)
        best = search.without_crumbs(best, least + tolerance * self._before, paid)
        after = float(search.ask(best[None])[0])
        cost = float(np.abs(best) @ own.cost)
        objective = float(after + own.worth * cost - best @ paid)
        return Trades(
            best, self._before, after, cost, bound if bounded and search.convex() else None, objective, search.asked
        )


def least_margin(margin: Margin, limits: Limits) -> Trades:
    """Trades of least margin within `limits`; see `LeastMargin`."""
    return LeastMargin(margin, limits).find()


class _Search:
    """Planes under the margin, and the linear programme over them."""

    def __init__(self, margin: Margin, limits: Limits, seed: int):
        self._margin, self._limits = margin, limits
        self._random = np.random.default_rng(seed)
        self._slopes: list[Floats] = []
        self._levels: list[float] = []
        self._points: list[Floats] = []
        self._found: list[Floats] = []

    @property
    def asked(self) -> int:
        """Portfolios whose margin was asked for."""
        return sum(x.size for x in self._found)

    def ask(self, points: Floats) -> Floats:
        """Margin at `points`, remembered for the check of the planes."""
        found = self._margin(points)
        self._points.append(points)
        self._found.append(found)
        return found

    def convex(self) -> bool:
        """Whether every plane lies below every margin that was asked for, and below those at points drawn at random."""
        self.ask(self._limits.most * self._random.uniform(-1.0, 1.0, (_DRAWN, self._limits.most.size)))
        points, found = np.concatenate(self._points), np.concatenate(self._found)
        planes = points @ np.array(self._slopes).T + np.array(self._levels)
        return bool((planes <= (found + 1e-6 * (1.0 + np.abs(found)))[:, None]).all())

    def touch(self, point: Floats) -> None:
        """Add a plane that touches the margin beside `point`."""
        free = np.flatnonzero(self._limits.most)
        step = _STEP * self._limits.most[free]
        for _ in range(4):
            beside = point + _SIDE * self._limits.most * self._random.uniform(-1.0, 1.0, point.size)
            asked = np.repeat(beside[None], 2 * free.size + 1, axis=0)
            asked[np.arange(free.size), free] += step
            asked[free.size + np.arange(free.size), free] -= step
            found = self.ask(asked)
            here = found[-1]
            up, down = (found[: free.size] - here) / step, (here - found[free.size : -1]) / step
            if (np.abs(up - down) <= 1e-3 * (np.abs(up) + np.abs(down)) + _ROUNDING * abs(here) / step).all():
                break
        slope = np.zeros(point.size)
        slope[free] = 0.5 * (up + down)
        self._slopes.append(slope)
        self._levels.append(float(here - slope @ beside))

    def without_crumbs(self, point: Floats, most: float, reward: Floats) -> Floats:
        """`point` without trades too small to mean anything, where it stays within the limits and below `most`."""
        own = self._limits
        rest = np.where(np.abs(point) < _CRUMB * own.most, 0.0, point)
        moved, slack = own.greeks @ rest, _CRUMB * (np.abs(own.greeks) @ own.most)
        legal = (moved >= own.low - slack).all() and (moved <= own.high + slack).all()
        value = self.ask(rest[None])[0] + own.worth * (np.abs(rest) @ own.cost) - rest @ reward
        return rest if legal and value <= most else point

    def lowest(self, reward: Floats) -> tuple[float, Floats]:
        """(least of the programme over the planes, where): a bound on margin plus worth times cost less reward."""
        from scipy.optimize import linprog

        own, count = self._limits, self._limits.most.size
        slopes, levels = np.array(self._slopes), np.array(self._levels)
        # unknowns: bought, sold, margin, each in its own unit so that the programme is well scaled
        unit = np.where(own.most > 0, own.most, 1.0)
        usd = max(abs(self._found[0][0]), np.abs(slopes * unit).max()) or 1.0
        rows = [np.column_stack([slopes * unit, -slopes * unit, np.full(levels.size, -usd)]) / usd]
        sides = [-levels / usd]
        for g, low, high in zip(own.greeks, own.low, own.high, strict=True):
            scale = np.abs(g * unit).max() or 1.0
            for row, side in ((g, high), (-g, -low)):
                if np.isfinite(side):
                    rows.append(np.concatenate([row * unit, -row * unit, [0.0]])[None] / scale)
                    sides.append(np.array([side / scale]))
        if np.isfinite(own.spend):
            rows.append(np.concatenate([own.cost * unit, own.cost * unit, [0.0]])[None] / usd)
            sides.append(np.array([own.spend / usd]))
        price, gain = own.worth * own.cost * unit / usd, reward * unit / usd
        answer = linprog(
            np.concatenate([price - gain, price + gain, [1.0]]),
            A_ub=np.concatenate(rows),
            b_ub=np.concatenate(sides),
            bounds=[(0.0, float(m > 0)) for m in own.most] * 2 + [(0.0, None)],
            method="highs",
        )
        if not answer.success:  # no trade is always legal, so only the solver itself can fail
            raise RuntimeError(f"linear programme of {2 * count + 1} unknowns failed: {answer.message}")
        share = answer.x[:count] - answer.x[count : 2 * count]
        return usd * answer.fun, np.where(np.abs(share) < _DUST, 0.0, unit * share)
