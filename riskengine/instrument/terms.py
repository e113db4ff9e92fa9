"""Perpetuals, dated futures and European options, linear and inverse."""

from dataclasses import dataclass
from typing import Literal

from riskengine.arrays import check_range

Settlement = Literal["linear", "inverse"]


@dataclass(frozen=True)
class Perpetual:
    """A perpetual future on `asset`.

    Quantities count coins of the underlying at the entry price: a linear position of q gains q (S - entry) USD; an
    inverse one holds q * entry USD of contracts, gains q * entry * (1/entry - 1/S) coins, worth q (S - entry) USD at S,
    and pays them in coin, so its collateral currency, not its USD value, is what differs.
    """

    asset: str
    settlement: Settlement = "linear"

    @property
    def name(self) -> str:
        """For example ``BTC-PERP`` or ``BTC-PERP-INV``."""
        return f"{self.asset}-PERP" + ("-INV" if self.settlement == "inverse" else "")


@dataclass(frozen=True)
class EuropeanOption:
    """A European option on one coin of `asset`, strike in USD, expiry counted from time 0 of the grid.

    An inverse option pays max(S - K, 0) / S coins: the same USD amount at expiry, settled in coin.
    """

    asset: str
    strike: float
    expiry_hours: float
    kind: Literal["call", "put"]
    settlement: Settlement = "linear"

    def __post_init__(self) -> None:
        check_range("strike", self.strike, 0.0, float("inf"), open_low=True, open_high=True)
        check_range("expiry_hours", self.expiry_hours, 0.0, float("inf"), open_low=True, open_high=True)

    @property
    def name(self) -> str:
        """For example ``BTC-30d-34000-C``."""
        days = self.expiry_hours / 24.0
        return f"{self.asset}-{days:g}d-{self.strike:g}-{self.kind[0].upper()}" + (
            "-INV" if self.settlement == "inverse" else ""
        )


@dataclass(frozen=True)
class Future:
    """A dated future on one coin of `asset`, expiry counted from time 0 of the grid, settled at spot.

    Quantities count coins at the entry price.  A linear position of q gains q (F - entry) USD, F the forward of its
    expiry.  An inverse one holds q entry USD of contracts and gains q entry (1/entry - 1/F) coins: q (F - entry) S / F
    USD at spot S.
    """

    asset: str
    expiry_hours: float
    settlement: Settlement = "linear"

    def __post_init__(self) -> None:
        check_range("expiry_hours", self.expiry_hours, 0.0, float("inf"), open_low=True, open_high=True)

    @property
    def name(self) -> str:
        """For example ``BTC-90d-FUT``."""
        return f"{self.asset}-{self.expiry_hours / 24.0:g}d-FUT" + ("-INV" if self.settlement == "inverse" else "")


Instrument = Perpetual | EuropeanOption | Future
