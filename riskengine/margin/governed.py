"""A policy that moves a parameter of a model by what the market did: governance as a rule, with delay and steps.

A ladder of settings stands for the parameter, from calm to storm.  At every review, `review_hours` apart, the signal of
`delay_hours` before is held against the thresholds: the rung that it calls for is the number of thresholds it is above.
The setting in force then moves towards that rung by at most `most_rungs`,

    rung_j = rung_{j-1} + clip(#{k : signal(t_j - delay) > threshold_k} - rung_{j-1}, -most, +most),

and at the start of a path it is the rung that the signal of then calls for.  Signals are

    realised_volatility   sqrt(mean r^2 / dt) over `window_hours` before, r the returns of the history's steps,
                          per square-root year;
    thinness              mean of 1 / depth over `window_hours` before, where time 0 and before count as usual, 1;

the largest over the assets.

Neither reads what comes after its time (a property that is tested).  What moves is the ``multiplier`` on the whole
requirement, the ``scale`` of the shocks of a model that declares one (a method ``scaled``), or the ``level`` of a
quantile model, which then has none of its own.  Reference: Bank for International Settlements and IOSCO, Review of
margining practices (2022), on discretion in parameter changes; Gurrola-Perez, Journal of Risk Model Validation (2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin.combination import Combination
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.roles import LONG_OPTION_BOUNDED, MarginModel, Requirement


@dataclass(frozen=True)
class Policy:
    """When a setting changes.

    Attributes
    ----------
    signal : {"realised_volatility", "thinness"}
    thresholds : tuple of float
        Ascending, one less than there are settings.
    window_hours : float
        What the signal looks back on.
    review_hours : float
        Time between decisions.
    delay_hours : float
        Age of the signal when a decision takes effect: voting and execution.
    most_rungs : int
        Largest move of one decision.
    """

    signal: Literal["realised_volatility", "thinness"]
    thresholds: tuple[float, ...]
    window_hours: float = 720.0
    review_hours: float = 168.0
    delay_hours: float = 72.0
    most_rungs: int = 1

    def __post_init__(self) -> None:
        if any(b <= a for a, b in zip((0.0, *self.thresholds), self.thresholds, strict=False)):
            raise ValueError(f"thresholds must be positive and ascend, got {self.thresholds}")
        check_range("window_hours", self.window_hours, 0.0, 87_600.0, open_low=True)
        check_range("review_hours", self.review_hours, 0.0, 87_600.0, open_low=True)
        check_range("delay_hours", self.delay_hours, 0.0, 87_600.0)
        check_range("most_rungs", self.most_rungs, 1, 1000)

    def check(self, grid: TimeGrid, depth: bool) -> None:
        """ValueError where paths on `grid`, with or without `depth`, cannot tell the signal."""
        for name in ("review_hours", "delay_hours"):
            grid.index(name, getattr(self, name))
        if self.signal == "thinness":
            grid.index("window_hours", self.window_hours)
            if not depth:
                raise ValueError("thinness needs a world with depth, got paths without it")
            return
        length = grid.history_step_seconds
        if length == 0 or length % grid.step_seconds:
            raise ValueError(
                f"realised_volatility needs a history in whole steps of the paths, got steps of {length} s"
            )
        count = self.window_hours * 3600.0 / length
        if abs(count - round(count)) > 1e-9 or count < 2:
            raise ValueError(
                f"window_hours must be at least two whole steps of the history, {length / 3600:g} h, "
                f"got {self.window_hours:g} h"
            )
        needed = -self._first(grid, -grid.index("delay_hours", self.delay_hours))
        if needed > grid.history_steps:
            raise ValueError(f"window_hours and delay_hours need history_windows of {needed}, got {grid.history_steps}")

    def _first(self, grid: TimeGrid, step: int) -> int:
        """First time of the window that ends at time index `step`, in steps of the history from time 0."""
        return step * grid.step_seconds // grid.history_step_seconds - round(
            self.window_hours * 3600.0 / grid.history_step_seconds
        )

    def rungs(self, paths: MarketPaths) -> Ints:
        """Setting in force at every time of `paths`, shape (T + 1, P); ValueError where they cannot tell the signal."""
        grid = paths.grid
        self.check(grid, paths.depth_lanes is not None)
        review, delay = (grid.index(name, getattr(self, name)) for name in ("review_hours", "delay_hours"))
        signal = self._volatility if self.signal == "realised_volatility" else self._thinness
        out = np.empty((grid.steps + 1, paths.count), dtype=np.int64)
        out[0] = np.searchsorted(self.thresholds, signal(paths, -delay))
        for step in range(1, grid.steps + 1):
            out[step] = out[step - 1]
            if step % max(review, 1) == 0:
                wanted = np.searchsorted(self.thresholds, signal(paths, step - delay))
                out[step] += np.clip(wanted - out[step], -self.most_rungs, self.most_rungs)
        return out

    def _volatility(self, paths: MarketPaths, step: int) -> Floats:
        """Volatility realised over the window up to time index `step`, which may lie before 0; shape (P,)."""
        grid = paths.grid
        per, first = grid.history_step_seconds // grid.step_seconds, self._first(grid, step)
        last = step // per
        before = paths.history_spot_lanes[first + grid.history_steps : min(last, 0) + grid.history_steps + 1]
        after = paths.spot_lanes[per * max(first, 1) : per * last + 1 : per] if last > 0 else before[:0]
        prices = np.concatenate([before, after]) if first <= 0 else after
        squares = np.square(np.diff(np.log(prices), axis=0))
        return np.sqrt((squares.mean(axis=0) / grid.history_dt).max(axis=0))

    def _thinness(self, paths: MarketPaths, step: int) -> Floats:
        """Mean of one over depth over the window up to time index `step`, shape (P,)."""
        count = max(1, paths.grid.index("window_hours", self.window_hours))
        known = 1.0 / paths.depth_lanes[max(step - count + 1, 1) : max(step + 1, 1)]
        return ((known.sum(axis=0) + count - len(known)) / count).max(axis=0)


@dataclass(frozen=True)
class State:
    """States of the models of the ladder, and the rung in force.

    Attributes
    ----------
    parts : tuple
    source : MarketPaths or None
    path_rungs : ndarray, shape (T + 1, P)
        Rung in force at every time of `source`, each a function of what came before it.
    rung : ndarray, shape (P,)
        Of the decision.
    """

    parts: tuple[Any, ...]
    source: MarketPaths | None = None
    path_rungs: Ints | None = None
    rung: Ints | None = None


@dataclass(frozen=True)
class Governed(Combination):
    """A model whose parameter a policy moves; see the module for the rule.

    Attributes
    ----------
    model : MarginModel
    policy : Policy
    settings : tuple of float
        The ladder: one more than the policy has thresholds.
    parameter : {"multiplier", "scale", "level"}
        What they are settings of.
    levels : tuple of float
        Confidence levels of the model, by default its own; none where the level is what moves.
    """

    model: MarginModel
    policy: Policy
    settings: tuple[float, ...]
    parameter: Literal["multiplier", "scale", "level"] = "multiplier"
    levels: tuple[float, ...] = field(default=(), metadata={"written": "unless empty"})
    kind = "governed"

    def __post_init__(self) -> None:
        if len(self.settings) != len(self.policy.thresholds) + 1:
            raise ValueError(
                f"settings must hold one number more than thresholds ({len(self.policy.thresholds) + 1}), "
                f"got {len(self.settings)}"
            )
        if self.parameter == "scale" and not hasattr(self.model, "scaled"):
            raise ValueError(f"model must declare a scale (a method scaled) to be moved by it, got {self.model.kind}")
        if self.parameter == "level":
            if not self.model.levels or self.levels:
                raise ValueError("level must be the parameter of a quantile model, without levels of its own")
            for level in self.settings:
                check_range("settings", level, 0.5, 1.0, open_low=True, open_high=True)
        else:
            for setting in self.settings:
                check_range("settings", setting, 0.0, 10.0, open_low=True)
            self._settle("model")
        if hasattr(self.model, "margin_period_hours"):
            object.__setattr__(self, "margin_period_hours", self.model.margin_period_hours)
        self.parts  # noqa: B018 - a setting that the model cannot take is said at construction

    @property
    def parts(self) -> tuple[MarginModel, ...]:
        """The model at each setting; the model alone where only a multiplier moves."""
        if self.parameter == "multiplier":
            return (self.model,)
        if self.parameter == "scale":
            return tuple(self.model.scaled(x) for x in self.settings)
        return tuple(replace(self.model, levels=(x,)) for x in self.settings)

    @property
    def promises(self) -> frozenset[str]:
        """As `Combination.promises`; a multiplier may ask more of a long option than its value."""
        return super().promises - ({LONG_OPTION_BOUNDED} if self.parameter == "multiplier" else set())

    @property
    def reads_history(self) -> bool:
        """Whether the policy or the model does."""
        return self.policy.signal == "realised_volatility" or super().reads_history

    def check_paths(self, grid: TimeGrid, filled: Sequence[str]) -> None:
        """As `Combination.check_paths`."""
        self.policy.check(grid, "depth_lanes" in filled)
        super().check_paths(grid, filled)

    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """The amount at the first setting; `requirement` chooses by lane."""
        return amounts[0]

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> State:
        """States of the ladder; no market yet."""
        return State(super().init(portfolio, surface))

    def step(self, state: State, paths: MarketPaths, step: int) -> State:
        """The rung in force at time index `step`."""
        rungs = state.path_rungs if state.source is paths else self.policy.rungs(paths)
        return State(super().step(state.parts, paths, step), paths, rungs, rungs[step])

    def requirement(self, state: State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level; its component is the setting in force, its binding scenario the rung."""
        if state.rung is None:
            raise ValueError("the state must be stepped onto paths before a requirement is asked for")
        rung = state.rung
        used = np.unique(rung) if self.parameter != "multiplier" else [0]
        found = {int(r): self.parts[r].requirement(state.parts[r], snapshot) for r in used}
        setting = np.array(self.settings)[rung]
        out = []
        for level in range(max(1, len(self.levels))):
            made = {}
            for name in ("initial", "maintenance"):
                if self.parameter == "multiplier":
                    made[name] = setting * getattr(found[0][level], name)
                    continue
                made[name] = np.empty_like(getattr(next(iter(found.values()))[level], name))
                for r, own in found.items():
                    made[name][:, rung == r] = getattr(own[level], name)[:, rung == r]
            shape = made["initial"].shape
            parts = {self.parameter: np.broadcast_to(setting, shape)}
            out.append(Requirement(**made, components=parts, binding_scenario=np.broadcast_to(rung, shape)))
        return tuple(out)
