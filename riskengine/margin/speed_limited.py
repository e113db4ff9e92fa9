"""A requirement that moves at most so much a day: a speed limit, the tool against procyclicality that has a memory.

    M'_t = min(max(M_t, M'_s / fall^d), rise^d max(M'_s, least)),

M the model's requirement, s the time it was last asked at and d the days since; at the start of a path M' = M.  It
gives members time to find cash, and leaves uncovered what the market runs ahead of it; a limit on falls keeps the
figure up after a storm, so that the next one starts higher.  With `buffered`, `capped` and a floor (`greatest_of`) the
set is complete.  Positions are those of the start: a venue resets the limit with the position.
Reference: Murphy, Vasios and Vause, Bank of England Financial Stability Paper 29 (2014).
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin.combination import Wrapper
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.roles import LONG_OPTION_BOUNDED, PROPORTIONAL, MarginModel, Requirement

Asked = tuple[tuple[Floats, Floats], ...]


@dataclass(frozen=True)
class State:
    """State of the model, and what was asked of the accounts before.

    Attributes
    ----------
    model : object
        State of the model that is limited.
    source : MarketPaths or None
        The paths that the memory belongs to.
    at : int
        Time index of the next requirement.
    before : tuple of (initial, maintenance), one per level, or None
        What was asked at the last time, shape (K, P) each.
    days : float
        Since then.
    asked : list
        Where the requirement leaves what it asks, for the next `step`: the same however often it is called.
    """

    model: Any
    source: MarketPaths | None = None
    at: int = -1
    before: Asked | None = None
    days: float = 0.0
    asked: list[Asked] = field(default_factory=list)


@dataclass(frozen=True)
class SpeedLimited(Wrapper):
    """A model whose requirement rises and falls at most so fast.

    Attributes
    ----------
    model : MarginModel
    rise : float
        Largest factor on the requirement in a day, at least 1.
    fall : float or None
        Largest factor by which it falls in a day, at least 1; None leaves falls alone.
    least : float
        USD that count as asked before where less was: an account that needed nothing is not held there.
    levels : tuple of float
        Confidence levels of the model; by default its own.
    """

    model: MarginModel
    rise: float = 1.25
    fall: float | None = None
    least: float = 100.0
    levels: tuple[float, ...] = ()
    kind = "speed_limited"

    def __post_init__(self) -> None:
        check_range("rise", self.rise, 1.0, 100.0)
        if self.fall is not None:
            check_range("fall", self.fall, 1.0, 100.0)
        check_range("least", self.least, 0.0, 1e15, open_low=True)
        self._settle("model")

    @property
    def promises(self) -> frozenset[str]:
        """Along a path `least` breaks proportion, and a limit on falls keeps the figure of an option that decays."""
        return super().promises - ({PROPORTIONAL} if self.fall is None else {PROPORTIONAL, LONG_OPTION_BOUNDED})

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> State:
        """State of the model; nothing was asked yet."""
        return State(super().init(portfolio, surface))

    def step(self, state: State, paths: MarketPaths, step: int) -> State:
        """State at time index `step`: what was last asked on these paths is what the next figure is limited by."""
        own = super().step(state.model, paths, step)
        if state.source is not paths or step < state.at:
            return State(own, paths, step)
        if step == state.at or not state.asked:
            return replace(state, model=own)
        days = (step - state.at) * paths.grid.step_seconds / 86_400.0
        return State(own, paths, step, state.asked[0], days)

    def requirement(self, state: State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level; its component is what the model alone would ask."""
        found = super().requirement(state.model, snapshot)
        if state.before is not None:
            limited = partial(self._limit, days=state.days)
            found = tuple(
                replace(r, initial=limited(r.initial, initial), maintenance=limited(r.maintenance, maintenance))
                for r, (initial, maintenance) in zip(found, state.before, strict=True)
            )
        state.asked[:] = [tuple((r.initial, r.maintenance) for r in found)]
        return found

    def _limit(self, amount: Floats, before: Floats, days: float) -> Floats:
        """`amount` no faster than the limit from `before`; NaN where it is."""
        if self.fall is not None:
            amount = np.maximum(amount, before / self.fall**days)
        return np.minimum(amount, self.rise**days * np.maximum(before, self.least))
