"""A book and a pool together: the book is first, the pool its backstop.

Each dollar is sold where it brings most.  Bids closer to the mark than the pool's fee fill first; from there on both
are at one price, so the pool takes what is beyond the book's reach, and nobody sells deep into the one while the other
pays more.  Both remember what they took and refill by themselves.  Without a pool it is the book, without a book the
pool; it never pays less than either alone.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.liquidity.concentrated import Concentrated
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.liquidity.ladder import merged, stacked
from riskengine.liquidity.order_book import BookLadder
from riskengine.roles import Liquidity


@dataclass(frozen=True)
class Hybrid:
    """A book with a pool behind it.

    Attributes
    ----------
    book : Liquidity
        Of kind order_book.
    pool : Liquidity
        Of kind constant_product or concentrated, for the same assets.
    """

    book: Liquidity
    pool: Liquidity
    kind: ClassVar[str] = "hybrid"
    keep: ClassVar[float] = 1.0
    sources: ClassVar[int] = 2
    permanent_share: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.book, BookLadder):
            raise ValueError(f"book must be of kind order_book, got {self.book.kind}")
        if not isinstance(self.pool, (ConstantProduct, Concentrated)):
            raise ValueError(f"pool must be of kind constant_product or concentrated, got {self.pool.kind}")
        if set(self.book.assets) != set(self.pool.assets):
            raise ValueError(
                f"pool must take the assets of the book, {sorted(self.book.assets)}, got {sorted(self.pool.assets)}"
            )

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets it takes."""
        return self.book.assets

    def table(self, assets: tuple[str, ...]) -> Floats:
        """Ladders of `assets`, first the book's, then the pool's, shape (A, 3, rungs + 1)."""
        return stacked(assets, {a: merged([self.book.ladder(a), self.pool.ladder(a)]) for a in self.assets})

    def times(self, factor: float) -> "Hybrid":
        """The same with `factor` times the depth of both."""
        return replace(self, book=self.book.times(factor), pool=self.pool.times(factor))

    def decay(self, hours: float) -> Floats:
        """Share of what book and pool took that is left after `hours`, shape (2,)."""
        return np.array([self.book.decay(hours), self.pool.decay(hours)])
