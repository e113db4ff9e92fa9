"""Recorded option chains: what a venue showed of one asset at one instant, and a history of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats, Ints, as_floats, check_shape


@dataclass(frozen=True, eq=False)
class ChainSnapshot:
    """Every option of one asset that a venue listed at one instant, one row each; inverse, so prices are in coin.

    Attributes
    ----------
    asset : str
    seconds : int
        Unix time.
    index : float
        Spot index, USD.
    expiry : ndarray of int, shape (Q,)
        Unix time of each option's expiry.
    strike, forward : ndarray, shape (Q,)
        USD; the forward is that of the option's own expiry.
    sign : ndarray, shape (Q,)
        +1 call, -1 put.
    mark, bid, ask : ndarray, shape (Q,)
        Coin; NaN or 0 where there is none.
    """

    asset: str
    seconds: int
    index: float
    expiry: Ints
    strike: Floats
    forward: Floats
    sign: Floats
    mark: Floats
    bid: Floats
    ask: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "expiry", np.ascontiguousarray(self.expiry, dtype=np.int64))
        for name in ("strike", "forward", "sign", "mark", "bid", "ask"):
            finite = name in ("strike", "forward", "sign")
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 1, finite=finite))
            check_shape(name, getattr(self, name), self.expiry.shape)
        if not (np.isfinite(self.index) and self.index > 0):
            raise ValueError(f"index must be a positive number, got {self.index!r}")

    @cached_property
    def _rows(self) -> dict[tuple[int, float, float], int]:
        keys = zip(self.expiry.tolist(), self.strike.tolist(), self.sign.tolist(), strict=True)
        return {key: row for row, key in enumerate(keys)}

    def row(self, expiry: int, strike: float, sign: float) -> int | None:
        """Row of an option; None where it is not listed."""
        return self._rows.get((expiry, strike, sign))

    @cached_property
    def forwards(self) -> dict[int, float]:
        """Forward of each expiry in order of time, USD: the median over its rows, which are taken a moment apart."""
        return {int(e): float(np.median(self.forward[self.expiry == e])) for e in np.unique(self.expiry)}


@dataclass(frozen=True, eq=False)
class ChainSeries:
    """Chains of one asset, one snapshot after another.

    Attributes
    ----------
    asset : str
    snapshots : tuple of ChainSnapshot
        In order of time.
    file, sha256 : str
        Name of the file and hash of its bytes.
    """

    asset: str
    snapshots: tuple[ChainSnapshot, ...]
    file: str
    sha256: str
