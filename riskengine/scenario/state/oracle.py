"""Oracle: the price that an oracle is told, behind the market by a delay and, over a stated stretch, frozen.

    told_t = spot_{s(t)},   s(t) = max(t - delay, 0), held at its value from ``frozen_from`` until the freeze ends

The deviation threshold and heartbeat of a feed are the protocol's own (`riskengine.oracle`): it publishes from what it
is told here.  A delay reaches back to time 0 at most, since the grid knows no earlier price of the forward step.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel


@dataclass(frozen=True)
class OracleFeed:
    """What a price feed is told, the same for every asset.

    Attributes
    ----------
    delay_hours : float
        Age of the price that reaches the feed; a whole number of steps.
    frozen_from_hours, frozen_hours : float
        Start and length of a stretch without any update; whole numbers of steps, a length of 0 for none.

    Examples
    --------
    >>> OracleFeed(delay_hours=1.0).source(TimeGrid(3_600, 4)).tolist()
    [0, 0, 1, 2, 3]
    """

    kind: ClassVar[str] = "oracle"
    fills: ClassVar[tuple[str, ...]] = ("oracle_lanes",)

    delay_hours: float = 0.0
    frozen_from_hours: float = 0.0
    frozen_hours: float = 0.0

    def __post_init__(self) -> None:
        for name in ("delay_hours", "frozen_from_hours", "frozen_hours"):
            check_range(name, getattr(self, name), 0.0, 8760.0)

    def check(self, model: ScenarioModel) -> None:
        """Goes with every model."""

    def source(self, grid: TimeGrid) -> Ints:
        """Time index of the price told at each time, shape (T + 1,); ValueError where hours are off the grid."""
        delay = grid.index("oracle delay_hours", self.delay_hours)
        start = grid.index("oracle frozen_from_hours", self.frozen_from_hours)
        end = start + grid.index("oracle frozen_hours", self.frozen_hours)
        at = np.arange(grid.steps + 1)
        told = np.maximum(at - delay, 0)
        told[(at >= start) & (at < end)] = max(start - delay, 0)
        return told

    def fill(self, paths: MarketPaths, keys: DrawKeys) -> dict[str, Floats]:
        """``oracle_lanes``, shape (T + 1, A, P), USD; nothing is drawn."""
        return {"oracle_lanes": paths.spot_lanes[self.source(paths.grid)]}
