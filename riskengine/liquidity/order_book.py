"""A book of bids by distance from the mark.

Bids of Q USD (coins times mark) stand between two distances d_k < d_{k+1} below the mark, so spread that
1 / sqrt(price) moves evenly as they fill: a rung of `riskengine.liquidity.ladder` with

    L = Q / (1 / sqrt(1 - d_{k+1}) - 1 / sqrt(1 - d_k)).

Within a band that is 1 % wide this is a flat density to 1.5 %.  Beyond the last distance nobody bids.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.liquidity.ladder import merged, stacked


@dataclass(frozen=True)
class BookLadder:
    """A book that fills from the best bid down.

    Attributes
    ----------
    distances : tuple of float
        Edges of the bands, of the mark, increasing; the first is the half-spread.
    depth_usd : dict of str to tuple of float
        Per asset: USD bid in each band, coins times mark; one fewer than distances.
    fee : float
        Share of the proceeds that the venue takes.
    refill_half_life_hours : float
        Time in which half of what was filled is bid again.
    source : tuple of str
        Where the figures are from.
    """

    distances: tuple[float, ...]
    depth_usd: dict[str, tuple[float, ...]]
    fee: float = 0.0005
    refill_half_life_hours: float = 0.5
    source: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})
    kind: ClassVar[str] = "order_book"
    keep: ClassVar[float] = 1.0
    sources: ClassVar[int] = 1
    permanent_share: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        check_bands(self.distances, self.depth_usd)
        check_range("fee", self.fee, 0.0, 1.0, open_high=True)
        check_range("refill_half_life_hours", self.refill_half_life_hours, 0.0, 1e6, open_low=True)

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets it takes."""
        return tuple(self.depth_usd)

    def ladder(self, asset: str) -> tuple[Floats, Floats]:
        """Edges and liquidities of its rungs, in units of what a seller is paid."""
        s = np.sqrt(1.0 - np.array(self.distances))
        keep = 1.0 - self.fee
        return np.sqrt(keep) * s, np.sqrt(keep) * np.array(self.depth_usd[asset]) / np.diff(1.0 / s)

    def table(self, assets: tuple[str, ...]) -> Floats:
        """Ladders of `assets`, shape (A, 2, rungs + 1)."""
        return stacked(assets, {a: merged([self.ladder(a)]) for a in self.depth_usd})

    def times(self, factor: float) -> "BookLadder":
        """The same with `factor` times the depth of every band."""
        return replace(self, depth_usd={a: tuple(d * factor for d in own) for a, own in self.depth_usd.items()})

    def decay(self, hours: float) -> float:
        """Share of what was filled that is not bid again after `hours`."""
        return 0.5 ** (hours / self.refill_half_life_hours)


def check_bands(distances: tuple[float, ...], depth_usd: dict[str, tuple[float, ...]]) -> None:
    """ValueError unless `distances` are those of bands below a mark, and every asset has something in some."""
    falls = any(not low < high for low, high in zip(distances, distances[1:], strict=False))
    if len(distances) < 2 or falls or not 0.0 <= distances[0] or not distances[-1] <= 1.0:
        raise ValueError(f"distances must increase within [0, 1] and be two at least, got {list(distances)}")
    for asset, depth in depth_usd.items():
        if len(depth) != len(distances) - 1:
            raise ValueError(
                f"depth_usd of {asset} must hold {len(distances) - 1} amounts, one for each band of distances, "
                f"got {len(depth)}"
            )
        for amount in depth:
            check_range(f"depth_usd of {asset}", amount, 0.0, 1e15)
        if not any(amount > 0.0 for amount in depth):
            raise ValueError(f"depth_usd of {asset} must have something in some band, got {list(depth)}")
