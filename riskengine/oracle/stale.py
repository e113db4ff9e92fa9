"""Staleness: an oracle that goes on working while what it says does not reach the protocol.

While silent the protocol reads the last answer that reached it; when the silence ends, the answer of that time.
Silent are

    from <= t < until                       an outage of stated hours, on every path
    k h <= t < (k + 1) h   where U_k < q    the interval after a missed heartbeat, drawn for each path and asset

so a run of missed heartbeats is geometric: 16 in a row have probability q^16.  An update that a market move triggers
inside a silent interval does not come through either: what keeps a heartbeat from landing keeps that one too.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import PushOracle
from riskengine.random import FIXED, PathDraws, Purpose
from riskengine.roles import PriceOracle


@dataclass
class StaleState:
    """The oracle's own state, what reached the protocol (A, P), seconds since time 0, the number of the heartbeat
    interval and who misses it (A, P), and how to draw."""

    of: object
    seen: Floats
    seconds: int
    interval: int
    missed: np.ndarray
    draws: PathDraws


@dataclass(frozen=True)
class StaleOracle:
    """An oracle with silences.

    Attributes
    ----------
    of : PriceOracle
        The oracle that falls silent.
    from_hours, until_hours : float
        Of the outage; equal for none.
    missed_share : float
        Probability that a heartbeat is missed.
    heartbeat_hours : float
        Length of the intervals that are missed; a whole number of steps.
    """

    kind: ClassVar[str] = "stale"

    of: PriceOracle = PushOracle()
    from_hours: float = 0.0
    until_hours: float = 0.0
    missed_share: float = 0.0
    heartbeat_hours: float = 1.0

    def __post_init__(self) -> None:
        check_range("from_hours", self.from_hours, 0.0, 8760.0)
        check_range("until_hours", self.until_hours, self.from_hours, 8760.0)
        check_range("missed_share", self.missed_share, 0.0, 1.0)
        check_range("heartbeat_hours", self.heartbeat_hours, 0.0, 8760.0, open_low=True)

    @property
    def drawn(self) -> bool:
        """Whether silences are random."""
        return self.missed_share > 0.0

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> StaleState:
        """The oracle at time 0, its answer known to the protocol."""
        for name in ("from_hours", "until_hours", "heartbeat_hours"):
            grid.index(f"oracle {name}", getattr(self, name))
        inner = self.of.init(spot, grid, assets, draws)
        none = np.zeros(spot.shape, dtype=bool)
        # the answer of time 0 has reached the protocol: what may be missed begins with the first heartbeat after it
        return StaleState(inner, np.array(spot, dtype=np.float64), 0, 0, none, draws)

    def step(self, state: StaleState, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds` to market prices `spot` (A, P); returns what the protocol sees (A, P)."""
        answer = self.of.step(state.of, spot, seconds)
        state.seconds += round(seconds)
        hours = state.seconds / 3600.0
        interval = state.seconds // round(3600.0 * self.heartbeat_hours)
        if interval != state.interval and self.drawn:
            for asset, row in enumerate(state.missed):
                row[:] = state.draws.uniforms(row.size, interval, Purpose.ORACLE_MISS, asset) < self.missed_share
        state.interval = interval
        if not self.from_hours <= hours < self.until_hours:
            np.copyto(state.seen, answer, where=~state.missed)
        return state.seen

    def unseen_fall(self, asset: str) -> float | None:
        """None where it falls silent at all: what the market does then is not told."""
        return self.of.unseen_fall(asset) if self.from_hours == self.until_hours and not self.drawn else None
