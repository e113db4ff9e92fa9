"""`Free`: a number that a fit may choose, on the scale on which it is searched."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats


@dataclass(frozen=True)
class Free:
    """One free number: name as in the world file, start, bounds; ``log`` where it is searched on a log scale."""

    name: str
    start: float
    low: float
    high: float
    log: bool = False

    def scaled(self, value: float) -> float:
        """`value` on the scale of the search."""
        return float(np.log(value)) if self.log else value

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds on the scale of the search."""
        return self.scaled(self.low), self.scaled(self.high)

    @property
    def unit(self) -> float:
        """Size of a change that matters, on the scale of the search."""
        return 0.3 if self.log else 0.1 * (self.high - self.low)


def free_values(free: Sequence[Free], point: Floats) -> dict[str, float]:
    """Free numbers by name at a point of the search."""
    return {f.name: float(np.exp(x) if f.log else x) for f, x in zip(free, point, strict=True)}


def free_assets(name: str, assets: tuple[str, ...]) -> tuple[int, ...]:
    """Which assets a free number is about, by position: ``theta[BTC]`` is about one, ``kappa`` about none alone."""
    inside = name[name.index("[") + 1 : -1].split(",") if "[" in name else []
    return tuple(assets.index(a) for a in inside if a in assets)
