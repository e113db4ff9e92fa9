"""Maker's oracle security module: the price the protocol reads is one to two hops old; exact integers.

`poke` is allowed once `hop` seconds have passed since the last hop boundary: current takes next, next takes the
source, and the clock is set back to the boundary.
"""

from collections.abc import Sequence
from dataclasses import dataclass


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
