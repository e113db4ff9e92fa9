"""Maker's oracle security module: the price the protocol reads is one to two hops old.

`poke` is allowed once `hop` seconds have passed since the last hop boundary: current takes next, next takes the
source, and the clock is set back to the boundary.  `osm_history` is the contract's integers for one feed, `OsmOracle`
the same rule on lanes, poked at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.pricing.fixed_point import check_integers
from riskengine.random import FIXED, PathDraws


@dataclass
class OsmState:
    """Module of one block: `current` and `next` prices (A, P), seconds since time 0 and the last hop boundary."""

    current: Floats
    next: Floats
    clock: int
    boundary: int


@dataclass(frozen=True)
class OsmOracle:
    """A market price that takes effect one hop after it was read, and is read once a hop.

    Attributes
    ----------
    hop_hours : float
        A whole number of steps.
    """

    kind: ClassVar[str] = "osm"

    hop_hours: float = 1.0

    def __post_init__(self) -> None:
        check_range("hop_hours", self.hop_hours, 0.0, 8760.0, open_low=True)

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> OsmState:
        """A module poked at time 0 whose current and next price are `spot` (A, P)."""
        grid.index("oracle hop_hours", self.hop_hours)
        return OsmState(np.array(spot, dtype=np.float64), np.array(spot, dtype=np.float64), 0, 0)

    def step(self, state: OsmState, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds` to market prices `spot` (A, P); returns the current prices (A, P)."""
        hop = round(3600.0 * self.hop_hours)
        state.clock += round(seconds)
        if state.clock >= state.boundary + hop:
            state.current, state.next = state.next, np.array(spot, dtype=np.float64)
            state.boundary = state.clock - state.clock % hop
        return state.current

    def unseen_fall(self, asset: str) -> float | None:
        """None: the protocol reads what was one to two hops ago, however far the market has fallen since."""
        return None


@dataclass(frozen=True)
class OsmHistory:
    """Per poke: whether it was allowed, and the current and next price after it; then what the delay did.

    Attributes
    ----------
    allowed : tuple of bool
    current, next : tuple of int
    first_time_liquidatable : int or None
        First time the price read is below the liquidation price.
    market_cross : int or None
        First time the source is.
    """

    allowed: tuple[bool, ...]
    current: tuple[int, ...]
    next: tuple[int, ...]
    first_time_liquidatable: int | None
    market_cross: int | None

    @property
    def delay(self) -> int | None:
        """Seconds by which the protocol learns later than the market."""
        if self.first_time_liquidatable is None or self.market_cross is None:
            return None
        return self.first_time_liquidatable - self.market_cross


def osm_history(
    hop: int,
    last_boundary: int,
    current: int,
    next_price: int,
    source: Sequence[tuple[int, int]],
    poke_times: Sequence[int],
    liquidation_price: int,
) -> OsmHistory:
    """Play pokes against a step-function `source` of (time, price), times increasing."""
    check_integers(1, hop=hop)
    for name, times in (("times of source_price", [t for t, _ in source]), ("poke_times", list(poke_times))):
        if times != sorted(times):
            raise ValueError(f"{name} must increase, got {times}")
    allowed, currents, nexts = [], [], []
    first = last_boundary if current < liquidation_price else None
    for now in poke_times:
        ok = now >= last_boundary + hop
        if ok:
            seen = [price for time, price in source if time <= now]
            # before its first observation the source has nothing to say and the next price stays
            current, next_price = next_price, seen[-1] if seen else next_price
            last_boundary = now - now % hop
            if first is None and current < liquidation_price:
                first = now
        allowed.append(ok)
        currents.append(current)
        nexts.append(next_price)
    cross = next((time for time, price in source if price < liquidation_price), None)
    return OsmHistory(tuple(allowed), tuple(currents), tuple(nexts), first, cross)
