"""Model Monte Carlo value at risk: the book revalued under draws of a world, from the state that the market is in.

    initial(level) = max(0, VaR or ES of the loss over the margin period given v),   maintenance = ratio * initial,

v the variance of the path at the decision.  The world is declared or fitted (``riskengine fit`` writes one).  It need
not be the one that made the paths, and the difference is the error of the model.  `draws` moves of the margin period
are simulated from v, by the same random numbers on every path, account and level, so that differences are not noise;
they come from a draw group of their own, which no path shares.  A world without a variance state has one law for all.

An account of perpetuals, futures and coins of one asset needs no draws where the world knows its law: with q the
quantile of the log-return, a long of value D requires D (1 - exp(q(1 - p))), a short D (exp(q(p)) - 1).  For all others
the standard error stands beside the figure: of a quantile from the order statistics sqrt(n p (1 - p)) ranks away, of a
shortfall from its influence function.  `revaluation` says how a scenario moves the book.

References: Glasserman, Monte Carlo Methods in Financial Engineering (2003), ch. 9; Options Clearing Corporation, STANS
(expected shortfall at 99 % over two days by Monte Carlo).
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin import revaluation
from riskengine.margin.sensitivities import delta_beside_marks
from riskengine.market.grid import HOURS_PER_YEAR, TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.roles import LONG_OPTION_BOUNDED, PROPORTIONAL, HasLaw, Requirement
from riskengine.scenario.world import World

_GROUP = 64  # draw group: the paths of a study are of group 0, and a margin must not see their future
_CHUNK = 32  # lanes whose scenarios are held at a time
_LEAST_TAIL = 10  # draws that must lie beyond the highest level


@dataclass(frozen=True)
class ModelMonteCarloVar:
    """Value-at-risk margin under the law of a world; see the module for the rule.

    Attributes
    ----------
    world : World
        The law; its assets are those of the book.  Its surface is not read: options move along that of the market.
    levels : tuple of float
        Confidence levels, 0.99.
    margin_period_hours : float
        Margin period of risk.
    maintenance_ratio : float
        Maintenance as a share of initial margin.
    shortfall : bool
        Expected shortfall at the level instead of the quantile.
    draws : int
        Moves simulated; at least ten must lie beyond the highest level.
    steps : int
        Steps of the scheme over the margin period.
    seed : int
        Of the draws.
    exact : bool
        Whether linear accounts of one asset read the exact law instead of the draws.
    """

    world: World
    levels: tuple[float, ...] = (0.95, 0.99, 0.995)
    margin_period_hours: float = 24.0
    maintenance_ratio: float = 0.8
    shortfall: bool = False
    draws: int = 2000
    steps: int = 4
    seed: int = 1
    exact: bool = True
    kind = "model_monte_carlo_var"
    promises = frozenset({PROPORTIONAL, LONG_OPTION_BOUNDED})
    reads_history = False

    def __post_init__(self) -> None:
        revaluation.check_levels(self.levels, self.margin_period_hours, self.maintenance_ratio)
        check_range("draws", self.draws, 100, 10_000_000)
        least = _LEAST_TAIL / (1.0 - max(self.levels))
        if self.draws < least * (1.0 - 1e-9):
            raise ValueError(
                f"draws must be at least {np.ceil(least - 1e-6):.0f} at level {max(self.levels):g}, got {self.draws}"
            )
        check_range("steps", self.steps, 1, 10_000)
        if round(self.margin_period_hours * 3600.0) % self.steps:
            raise ValueError(f"steps must divide the seconds of margin_period_hours, got {self.steps}")
        DrawKeys(self.seed, _GROUP)
        if self.world.stress:
            raise ValueError(f"world must be one without a stress laid over it, got {self.world.name!r}")

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> revaluation.State:
        """Book maps; ValueError where the book has other assets than the world."""
        if portfolio.assets != self.world.model.assets:
            raise ValueError(
                f"world must have the assets of the book {portfolio.assets}, got {self.world.model.assets} "
                f"of {self.world.name!r}"
            )
        return revaluation.init(portfolio, surface)

    def step(self, state: revaluation.State, paths: MarketPaths, step: int) -> revaluation.State:
        """The variance state at time index `step`, which is all that the rule reads of the past."""
        spot = paths.spot_lanes[step]
        variance = np.zeros_like(spot) if paths.variance_lanes is None else paths.variance_lanes[step]
        return replace(state, source=paths, variance=variance)

    def requirement(self, state: revaluation.State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level, in the order of `levels`, each with its standard error."""
        if state.variance is None:
            raise ValueError("the state must be stepped onto paths before a requirement is asked for")
        known = np.isfinite(state.variance).all(axis=0)
        given = np.where(known, state.variance, 1.0)  # a legal number where the figure will be none
        shape = (len(self.levels), state.portfolio.accounts, snapshot.count)
        figures, errors = np.empty(shape), np.empty(shape)
        follows = self._follows and state.source.variance_lanes is not None
        for first in range(0, snapshot.count, _CHUNK):
            lanes = slice(first, first + _CHUNK)
            part = self._drawn(state, given[:, lanes], follows)
            figures[..., lanes], errors[..., lanes] = self._tails(part, _lanes(snapshot, lanes))
        beside = delta_beside_marks(state.portfolio, snapshot)
        for account, asset in self._linear(state):
            value = state.linear[account, asset] * snapshot.perpetual[asset]
            value = value + state.coins[account, asset] * snapshot.spot[asset]
            if beside.size:
                value = value + beside[account, asset]
            figures[:, account] = self._law_figures(asset, value, given[asset], follows)
            errors[:, account] = 0.0
        figures[..., ~known] = errors[..., ~known] = np.nan
        return tuple(
            Requirement(x, self.maintenance_ratio * x, std_error=e)
            for x, e in zip(np.maximum(figures, 0.0), errors, strict=True)
        )

    @property
    def _follows(self) -> bool:
        """Whether the law depends on the variance of the path."""
        return "initial_variance" in {f.name for f in fields(self.world.model)}

    @cached_property
    def _laws(self) -> dict[tuple[int, bool], object]:
        return {}

    def _moves(self, variance: Floats | None) -> tuple[Floats, Floats | None]:
        """Log-returns of the margin period and the variance at its end from `variance` (A,), shape (A, N) each."""
        model = self.world.model
        if variance is not None:
            model = replace(model, initial_variance=tuple(map(float, variance)))
        grid = TimeGrid(round(self.margin_period_hours * 3600.0) // self.steps, self.steps)
        paths = model.sample(grid, 0, self.draws, DrawKeys(self.seed, _GROUP))
        end = None if paths.variance_lanes is None else paths.variance_lanes[-1]
        return np.log(paths.spot_lanes[-1] / paths.spot_lanes[0]), end

    def _drawn(self, state: revaluation.State, variance: Floats, follows: bool) -> revaluation.State:
        """The state with the draws of a few lanes in place of a window; lanes of one variance share one simulation."""
        returns = np.empty((variance.shape[1], variance.shape[0], self.draws))
        start, end = np.empty_like(returns), np.empty_like(returns)
        before = None
        for p, own in enumerate(variance.T):
            if before is None or (follows and not np.array_equal(own, before)):
                moves, after = self._moves(own if follows else None)
                before = own
            returns[p], start[p] = moves, own[:, None]
            end[p] = after if follows else start[p]
        return replace(
            state, returns=returns, start=start, end=end, first=0, length=self.draws, variance=variance, drawn=True
        )

    def _tails(self, state: revaluation.State, snapshot: MarketSnapshot) -> tuple[Floats, Floats]:
        """Figure and standard error at each level, shape (levels, K, P) each."""
        count, ranks = self.draws, revaluation.tail_ranks(self.draws, self.levels)
        spread = np.array([np.sqrt(count * p * (1.0 - p)) for p in self.levels])
        near = np.clip(np.rint(spread).astype(np.int64), 1, ranks - 1)
        worst = np.arange(1, max(ranks + near) + 1)
        order, _ = revaluation.tail_losses(state, snapshot, self.margin_period_hours, worst, np.empty(0))
        if self.shortfall:
            errors = []
            for r, p in zip(ranks, self.levels, strict=True):
                beyond = order[:r] - order[r - 1]
                moments = beyond.sum(axis=0) / count, np.square(beyond).sum(axis=0) / count
                errors.append(np.sqrt(np.maximum(moments[1] - moments[0] ** 2, 0.0) / count) / (1.0 - p))
            return revaluation.shortfalls(order, count, self.levels), np.stack(errors)
        scale = (0.5 * spread / near)[:, None, None]
        return order[ranks - 1], scale * (order[ranks - near - 1] - order[ranks + near - 1])

    def _linear(self, state: revaluation.State) -> list[tuple[int, int]]:
        """(account, asset) of every account of one asset without options, where the world knows its law."""
        if not self.exact or not isinstance(self.world.model, HasLaw):
            return []
        held = (state.linear != 0.0) | (state.coins != 0.0)
        book = state.portfolio
        for m in book.dated:
            held[:, book.asset_index[m]] |= book.quantity[:, m] != 0.0
        plain = (np.diff(state.offsets) == 0) & (held.sum(axis=1) == 1)
        return [(int(k), int(held[k].argmax())) for k in np.flatnonzero(plain)]

    def _law_figures(self, asset: int, value: Floats, variance: Floats, follows: bool) -> Floats:
        """Exact figure of a position of `value` USD (P,), shape (levels, P)."""
        from riskengine.law.lanes import StatelessLanes, lanes

        key = (asset, follows)
        if key not in self._laws:
            name, years = self.world.model.assets[asset], self.margin_period_hours / HOURS_PER_YEAR
            # the variance given here only says that the law has one: every lane brings its own
            law = self.world.model.law(name, years, 1.0) if follows else self.world.model.law(name, years)
            self._laws[key] = lanes(law) if follows else StatelessLanes(law)
        law, p = self._laws[key], np.array(self.levels)
        low, high = law.quantile(1.0 - p, variance), law.quantile(p, variance)
        fall, rise = np.exp(low), np.exp(high)
        if self.shortfall:
            tail = (1.0 - p)[:, None]
            fall = law.lower_expectation(low, variance) / tail
            rise = (law.expectation(variance) - law.lower_expectation(high, variance)) / tail
        return np.where(value > 0.0, value * (1.0 - fall), -value * (rise - 1.0))


def _lanes(now: MarketSnapshot, lanes: slice) -> MarketSnapshot:
    """Some lanes of a market."""
    names = ("spot", "forward", "volatility", "perpetual")
    return replace(now, **{name: np.ascontiguousarray(getattr(now, name)[:, lanes]) for name in names})
