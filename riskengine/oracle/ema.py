"""Exponential moving average of the market price, as a pool's own oracle keeps it.

    E_t = E_{t-dt} + alpha (p_{t-dt} - E_{t-dt}),   alpha = 1 - e^{-dt / T}

The price averaged is the one in force since the step before, not that of the step itself (Curve's pools).  Steps of
any length give the same average of the same prices: the e^{-dt/T} of two halves multiply.  A price held up by delta for
a time t moves the average by delta (1 - e^{-t/T}).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.random import FIXED, PathDraws


@dataclass
class EmaState:
    """Averages of one block and the prices in force since the last step, shape (A, P) each."""

    mean: Floats
    held: Floats


@dataclass(frozen=True)
class EmaOracle:
    """An exponential moving average of the market price.

    Attributes
    ----------
    time_hours : float
        T, in which a gap shrinks to 1 / e; the half-life over log 2 (866 seconds for ten minutes).
    """

    kind: ClassVar[str] = "ema"

    time_hours: float = 866.0 / 3600.0

    def __post_init__(self) -> None:
        check_range("time_hours", self.time_hours, 0.0, 8760.0, open_low=True)

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> EmaState:
        """Average of a market that always stood at `spot` (A, P)."""
        return EmaState(np.array(spot, dtype=np.float64), np.array(spot, dtype=np.float64))

    def step(self, state: EmaState, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds` to market prices `spot` (A, P); returns the averages (A, P)."""
        state.mean += self._weight(seconds) * (state.held - state.mean)
        state.held = np.array(spot, dtype=np.float64)
        return state.mean

    def _weight(self, seconds: Floats) -> Floats:
        return -np.expm1(-np.asarray(seconds) / (3600.0 * self.time_hours))

    def unseen_fall(self, asset: str) -> float | None:
        """None: however far the market falls at once, the average follows over some T."""
        return None

    def moved(self, push: Floats, held_seconds: Floats) -> Floats:
        """Relative move of the answer after the market price was held up by `push` for so long."""
        return push * self._weight(held_seconds)
