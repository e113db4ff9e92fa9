"""Trades of least margin within limits, by planes that touch the margin from below, with a bound on the least.

Margin by worst scenario is convex and piecewise linear in the positions, so the best trades t solve a linear programme,

    minimise  M(q + t) + w c'|t| - r't
    subject to  low <= G t <= high,   c'|t| <= spend,   |t| <= most,   ES(L(q + t)) <= tail,

c the cost of trading a unit, G the Greeks of a unit, w the margin that a dollar spent must free, r what a unit pays,
L the loss in a world and ES its mean beyond a level.  The scenarios of a venue's rule are not asked for: planes that
touch M from below are collected where they are needed (Kelley 1960), at points moved off the kinks, so that one
routine serves every model.  ES is convex too, and the mean loss over its own worst paths is a plane under it.  The
programme over the planes so far is a bound that no trades can beat; the difference to the best trades found is the
certificate.

The bound holds where M is convex.  That is searched for a counterexample, not proven: every plane must lie below
every margin that was asked for, below those of points drawn over everything that may be traded, and below those of
points drawn around the trades found.  Where one does not (a quantile of a few windows, a rule with caps), the trades
are what was found and the bound is said to be missing.

References: Kelley, The cutting-plane method for solving convex programs (1960); Rockafellar and Uryasev, Optimization
of conditional value-at-risk (2000).
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
_CRUMB = 1e-5  # and below which it is not worth making
_SLACK = 1e-3  # share by which the tail may miss its limit: planes reach it from outside
_DRAWN = 256
_EXACT = 1e-5  # share to which a plane from differences is known; what violates less is rounding


@dataclass(frozen=True)
class Tail:
    """A limit on the mean of the worst losses in a world.

    Attributes
    ----------
    held : ndarray, shape (P,)
        Loss of the account without trades on each path, USD.
    losses : ndarray, shape (N, P)
        Loss of a coin of each instrument.
    level : float
        The mean is over the worst share 1 - level of the paths.
    most : float
        USD.
    """

    held: Floats
    losses: Floats
    level: float
    most: float

    def shortfall(self, trades: Floats) -> tuple[float, Floats]:
        """(mean of the worst losses after `trades`, its slope in each instrument)."""
        lost = self.held + trades @ self.losses
        count = max(1, round((1.0 - self.level) * lost.size))
        worst = np.argpartition(lost, -count)[-count:]
        return float(lost[worst].mean()), self.losses[:, worst].mean(axis=1)


@dataclass(frozen=True)
class TradeLimits:
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
        Bounds on the change of each exposure.
    spend : float
        USD that trades may cost together.
    worth : float
        USD of margin that a dollar of cost must free.
    tail : Tail or None
    """

    most: Floats
    cost: Floats
    greeks: Floats
    low: Floats
    high: Floats
    spend: float = np.inf
    worth: float = 1.0
    tail: Tail | None = None

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
        if not (self.low <= self.high).all():
            raise ValueError(f"low must not exceed high, got {self.low.tolist()} and {self.high.tolist()}")

    def allow(self, trades: Floats, slack: float = 0.0) -> bool:
        """Whether `trades` are within the bounds on exposures, to `slack` of what may be traded, and on the tail."""
        moved, room = self.greeks @ trades, slack * (np.abs(self.greeks) @ self.most)
        inside = (moved >= self.low - room).all() and (moved <= self.high + room).all()
        if not inside or self.tail is None:
            return bool(inside)
        return self.tail.shortfall(trades)[0] <= self.tail.most + _SLACK * abs(self.tail.most)


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
    limits : TradeLimits
    seed : int
        Of the directions in which points are moved off kinks, and of the points that convexity is checked at.
    """

    def __init__(self, margin: Margin, limits: TradeLimits, seed: int = 1):
        self._search, self._limits = _Search(margin, limits, seed), limits
        self._before: float | None = None

    def find(
        self, reward: Floats | None = None, tolerance: float = 1e-4, bounded: bool = True, near: Floats | None = None
    ) -> Trades:
        """Trades of least margin plus worth times cost, less `reward` in USD for each coin bought, shape (N,).

        The answer misses the bound by at most `tolerance` of the margin without trades, or of the reward where that is
        larger, as long as the margin is convex and the search settles; where no trades are within the limits it is
        never worse than them by more than that.  Without `bounded` convexity is not checked and no bound is given.
        `near` are trades to start from.

        Raises
        ------
        ValueError
            Where no trades are within the limits.
        """
        search, own = self._search, self._limits
        nothing = np.zeros(own.most.size)
        paid = nothing if reward is None else reward
        if self._before is None:
            self._before = float(search.ask(nothing[None])[0])
            search.touch(nothing)
        best, least, bound = (nothing, self._before, -np.inf) if own.allow(nothing) else (None, np.inf, -np.inf)
        if near is not None:
            search.touch(near)
        for _ in range(_ROUNDS):
            bound, there = search.lowest(paid)
            if least - bound <= tolerance * max(self._before, abs(bound)):
                break
            # the far end of the programme, and half the way to it, which keeps points from swinging between corners
            points = np.stack([there] if best is None else [there, 0.5 * (best + there)])
            found = search.ask(points) + own.worth * (np.abs(points) @ own.cost) - points @ paid
            for point, value in zip(points, found, strict=True):
                if value < least and own.allow(point, _CRUMB):
                    best, least = point, value
                search.touch(point)
        if best is None:
            raise ValueError("no trades were found that keep the tail of the loss within its limit")
        best = search.without_crumbs(best, least + tolerance * self._before, paid)
        after = float(search.ask(best[None])[0])
        cost = float(np.abs(best) @ own.cost)
        objective = float(after + own.worth * cost - best @ paid)
        certified = min(bound, objective) if bounded and search.convex(best) else None
        return Trades(best, self._before, after, cost, certified, objective, search.asked)


def least_margin(margin: Margin, limits: TradeLimits) -> Trades:
    """Trades of least margin within `limits`; see `LeastMargin`."""
    return LeastMargin(margin, limits).find()


class _Search:
    """Planes under the margin and the tail, and the linear programme over them."""

    def __init__(self, margin: Margin, limits: TradeLimits, seed: int):
        self._margin, self._limits = margin, limits
        self._random = np.random.default_rng(seed)
        self._slopes: list[Floats] = []
        self._levels: list[float] = []
        self._points: list[Floats] = []
        self._found: list[Floats] = []
        self._tails: list[tuple[Floats, float]] = []

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

    def convex(self, best: Floats) -> bool:
        """Whether no margin asked for, at points drawn at random or around `best`, lies below a plane."""
        drawn = self._random.uniform(-1.0, 1.0, (2 * _DRAWN, best.size))
        drawn[_DRAWN:] *= self._random.uniform(0.0, 0.2, (_DRAWN, 1))
        drawn *= self._limits.most
        drawn[_DRAWN:] += best
        self.ask(drawn)
        points, found = np.concatenate(self._points), np.concatenate(self._found)
        planes = points @ np.array(self._slopes).T + np.array(self._levels)
        return bool((planes <= (found + _EXACT * (1.0 + np.abs(found)))[:, None]).all())

    def touch(self, point: Floats) -> None:
        """Add a plane that touches the margin beside `point`, and one that touches the tail at it."""
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
        if self._limits.tail is not None:
            shortfall, steep = self._limits.tail.shortfall(point)
            self._tails.append((steep, shortfall - float(steep @ point)))

    def without_crumbs(self, point: Floats, most: float, reward: Floats) -> Floats:
        """`point` without trades too small to mean anything, where it stays within the limits and below `most`."""
        own = self._limits
        rest = np.where(np.abs(point) < _CRUMB * own.most, 0.0, point)
        value = self.ask(rest[None])[0] + own.worth * (np.abs(rest) @ own.cost) - rest @ reward
        return rest if value <= most and own.allow(rest, 2 * _CRUMB) else point

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

        def add(row: Floats, side: float) -> None:
            if np.isfinite(side):
                scale = np.abs(row * unit).max() or 1.0
                rows.append(np.concatenate([row * unit, -row * unit, [0.0]])[None] / scale)
                sides.append(np.array([side / scale]))

        for g, low, high in zip(own.greeks, own.low, own.high, strict=True):
            add(g, high)
            add(-g, -low)
        for steep, level in self._tails:
            add(steep, own.tail.most - level)
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
        if answer.status == 2:
            raise ValueError("no trades of the sizes and costs allowed bring the exposures within their bounds")
        if not answer.success:
            raise RuntimeError(f"linear programme of {2 * count + 1} unknowns failed: {answer.message}")
        share = answer.x[:count] - answer.x[count : 2 * count]
        return usd * answer.fun, np.where(np.abs(share) < _DUST, 0.0, unit * share)
