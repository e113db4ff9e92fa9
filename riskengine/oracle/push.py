"""Push oracle: publishes when the price has moved by the deviation threshold or the heartbeat has elapsed.

At each time the market price p is held against the last published answer:

    publish  <=>  |p / last - 1| >= deviation   or   age >= heartbeat

(Chainlink data feeds state both numbers per feed.)  Between publications the protocol sees `last`: invariants that
hold at market prices hold here at publication times only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.random import FIXED, PathDraws

# the boundary belongs to "publish": a move of exactly the threshold must not be lost to rounding of a float quotient
_SLACK = 1e-12


@dataclass
class OracleState:
    """Feed of one block.

    Attributes
    ----------
    price : ndarray, shape (A, P)
        Last published answers, USD.
    age : ndarray, shape (A, P)
        Seconds since each was published.
    """

    price: Floats
    age: Floats


@dataclass(frozen=True)
class PushOracle:
    """Deviation and heartbeat of a feed.

    Attributes
    ----------
    deviation : float
        Relative move that triggers an update (0.005 is half a per cent); 0 publishes at every step.
    heartbeat_hours : float
        Longest time without an update; must be a whole number of steps of the grid it runs on.
    """

    kind: ClassVar[str] = "push"

    deviation: float = 0.005
    heartbeat_hours: float = 1.0

    def __post_init__(self) -> None:
        check_range("deviation", self.deviation, 0.0, 1.0, open_high=True)
        check_range("heartbeat_hours", self.heartbeat_hours, 0.0, 8760.0, open_low=True)

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> OracleState:
        """Feed that has just published `spot`, shape (A, P); ValueError where the heartbeat is off the grid."""
        grid.index("oracle heartbeat", self.heartbeat_hours)
        return OracleState(np.array(spot, dtype=np.float64), np.zeros_like(spot, dtype=np.float64))

    def step(self, state: OracleState, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds` to market prices `spot` (A, P); returns the answers the protocol sees (A, P)."""
        state.age += seconds
        moved = np.abs(spot - state.price) >= self.deviation * (1.0 - _SLACK) * state.price
        publish = moved | (state.age >= self.heartbeat_hours * 3600.0 * (1.0 - _SLACK))
        np.copyto(state.price, spot, where=publish)
        state.age[publish] = 0.0
        return state.price

    def unseen_fall(self, asset: str) -> float | None:
        """The deviation: a larger fall is published."""
        return self.deviation

    def moved(self, push: Floats, held_seconds: Floats) -> Floats:
        """Relative move of the answer after the market price was held up by `push` for so long: all or nothing."""
        told = (np.abs(push) >= self.deviation) | (np.asarray(held_seconds) >= 3600.0 * self.heartbeat_hours)
        return np.where(told, push, 0.0)


def exact_sequence(
    prices: Sequence, step_seconds: int, deviation: object, heartbeat_seconds: int, publish_first: bool = True
) -> tuple[list[int], list]:
    """Update indices and the reported price at each observation, in exact rational arithmetic of the decimals given.

    `publish_first` counts the first observation as an update; without it the feed starts from that price silently.
    """
    if step_seconds < 1 or heartbeat_seconds < 1 or not prices:
        raise ValueError(
            f"step_s and heartbeat_s must be at least 1 and prices hold one, got {step_seconds}, {heartbeat_seconds} "
            f"and {len(prices)} prices"
        )
    bad = [p for p in (deviation, *prices) if not Fraction(str(p)) > 0]
    if bad:
        raise ValueError(f"deviation and prices must be above 0, got {bad[0]}")
    threshold = Fraction(str(deviation))
    last, published_at = prices[0], 0
    updates, reported = ([0] if publish_first else []), [last]
    for i, price in enumerate(prices[1:], start=1):
        reference = Fraction(str(last))
        moved = abs(Fraction(str(price)) - reference) >= threshold * reference
        if moved or (i - published_at) * step_seconds >= heartbeat_seconds:
            last, published_at = price, i
            updates.append(i)
        reported.append(last)
    return updates, reported
