"""Time-weighted average price: the mean of a pool's price over a window, as its accumulator gives it.

The accumulator adds, at every step, the price in force since the step before times the time it was in force, so with m
steps in the window

    arithmetic   A_t = (p_{t-m} + ... + p_{t-1}) / m
    geometric    A_t = (p_{t-m} ... p_{t-1})^{1/m}

and the price of a step itself is not in it yet (Uniswap v2 accumulates prices, v3 their logarithms).  Before time 0 the
price of time 0 was in force.  A price held up by delta during n of the m steps moves the first by n delta / m and the
second by (1 + delta)^{n/m} - 1.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.random import FIXED, PathDraws


@dataclass
class TwapState:
    """Accumulators of one block.

    Attributes
    ----------
    sums : ndarray, shape (m + 1, A, P)
        Accumulators of the last m + 1 steps, a ring; prices, or their logarithms, times steps.
    newest : int
        Row of the last step.
    held : ndarray, shape (A, P)
        In force since then.
    step_seconds : int
    """

    sums: Floats
    newest: int
    held: Floats
    step_seconds: int


@dataclass(frozen=True)
class TwapOracle:
    """A time-weighted average of the market price.

    Attributes
    ----------
    window_hours : float
        A whole number of steps, at least one.
    mean : {"arithmetic", "geometric"}
    """

    kind: ClassVar[str] = "twap"

    window_hours: float = 1.0
    mean: Literal["arithmetic", "geometric"] = "geometric"

    def __post_init__(self) -> None:
        check_range("window_hours", self.window_hours, 0.0, 8760.0, open_low=True)

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> TwapState:
        """Accumulators of a market that stood at `spot` (A, P) throughout the window."""
        m = grid.index("oracle window_hours", self.window_hours)
        held = self._of(spot)
        return TwapState(np.arange(-m, 1)[:, None, None] * held, m, held, grid.step_seconds)

    def step(self, state: TwapState, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds` to market prices `spot` (A, P); returns the averages (A, P)."""
        rows = len(state.sums)
        for _ in range(round(seconds / state.step_seconds)):
            before, state.newest = state.newest, (state.newest + 1) % rows
            np.add(state.sums[before], state.held, out=state.sums[state.newest])
        state.held = self._of(spot)
        mean = (state.sums[state.newest] - state.sums[(state.newest + 1) % rows]) / (rows - 1)
        return np.exp(mean) if self.mean == "geometric" else mean

    def _of(self, spot: Floats) -> Floats:
        return np.log(spot) if self.mean == "geometric" else np.array(spot, dtype=np.float64)

    def unseen_fall(self, asset: str) -> float | None:
        """None: however far the market falls at once, the average follows over the window."""
        return None

    def moved(self, push: Floats, held_seconds: Floats) -> Floats:
        """Relative move of the answer after the market price was held up by `push` for so long, up to the window."""
        share = np.minimum(held_seconds / (3600.0 * self.window_hours), 1.0)
        return share * push if self.mean == "arithmetic" else np.expm1(share * np.log1p(push))
