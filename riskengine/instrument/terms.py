"""Perpetuals, dated futures and European options, linear and inverse; zero-coupon claims; shares of liquidity pools."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from riskengine.arrays import check_range

Settlement = Literal["linear", "inverse"]


def _check_quote(asset: str, settlement: str, quote: str) -> None:
    if quote == asset or (settlement == "inverse" and quote != "USD"):
        raise ValueError(f"quote must be USD, or another coin where settlement is linear, got {quote!r} of {asset}")


def _suffix(quote: str) -> str:
    return "" if quote == "USD" else f"-{quote}"


@dataclass(frozen=True)
class Perpetual:
    """A perpetual future on `asset`.

    Quantities count coins of the underlying at the entry price: a linear position of q gains q (M - entry) USD, M the
    mark; an inverse one holds q * entry USD of contracts and gains q * entry * (1/entry - 1/M) coins, worth
    q (M - entry) S / M USD at spot S: the same at M = S.

    `quote` is the dollar of a linear contract: ``USD``, or a coin of the book pegged to it, in which its entry price is
    then counted and its profit paid: q M - q entry Q USD, Q the price of that coin.
    """

    asset: str
    settlement: Settlement = "linear"
    quote: str = "USD"

    def __post_init__(self) -> None:
        _check_quote(self.asset, self.settlement, self.quote)

    @property
    def name(self) -> str:
        """For example ``BTC-PERP`` or ``BTC-PERP-INV``."""
        return f"{self.asset}-PERP" + ("-INV" if self.settlement == "inverse" else "") + _suffix(self.quote)


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
    USD at spot S.  `quote` as of a perpetual.
    """

    asset: str
    expiry_hours: float
    settlement: Settlement = "linear"
    quote: str = "USD"

    def __post_init__(self) -> None:
        _check_quote(self.asset, self.settlement, self.quote)
        check_range("expiry_hours", self.expiry_hours, 0.0, float("inf"), open_low=True, open_high=True)

    @property
    def name(self) -> str:
        """For example ``BTC-90d-FUT``."""
        return (
            f"{self.asset}-{self.expiry_hours / 24.0:g}d-FUT"
            + ("-INV" if self.settlement == "inverse" else "")
            + (_suffix(self.quote))
        )


@dataclass(frozen=True)
class PrincipalToken:
    """A zero-coupon claim on one coin of `asset`, paid at `expiry_hours` from time 0 of the grid.

    Worth S D(tau) with the discount factor of the asset's curve, and exactly one coin at maturity.  The curve is then
    what the claim yields, so an asset with such claims is one whose forwards carry the same rate: a pegged dollar.
    """

    asset: str
    expiry_hours: float
    settlement: ClassVar[Settlement] = "linear"
    quote: ClassVar[str] = "USD"

    def __post_init__(self) -> None:
        check_range("expiry_hours", self.expiry_hours, 0.0, float("inf"), open_low=True, open_high=True)

    @property
    def name(self) -> str:
        """For example ``PT-USDC-90d``."""
        return f"PT-{self.asset}-{self.expiry_hours / 24.0:g}d"


@dataclass(frozen=True)
class PoolToken:
    """One unit of liquidity of a constant-product pool of `asset` and `against`, over all prices or a range of them.

    With p the price of the asset in `against` and r = sqrt(p) clamped to [sqrt(low), sqrt(high)], one unit holds

        x = 1 / r - 1 / sqrt(high) coins of the asset,   y = r - sqrt(low) of `against`,

    so a range is all in the asset below it and all in `against` above it, and a pool over all prices holds
    x = 1 / sqrt(p), y = sqrt(p), with x y = 1.  Quantities count liquidity: sqrt(x y) of a deposit over all prices.
    Entry, where given, is the price p at deposit: impermanent loss counts from it, no value does.

    Attributes
    ----------
    asset, against : str
        The coins of the pool; `against` may be ``USD``.
    low, high : float
        Prices between which the liquidity works; 0 and infinity: all.
    fee_rate : float
        Fees that liquidity earns and keeps, continuously, per year; 0 for a range, whose fees depend on the time that
        the price spends in it.

    References
    ----------
    Adams, Zinsmeister, Salem, Keefer, Robinson, Uniswap v3 Core (2021), section 6.
    """

    asset: str
    against: str = "USD"
    low: float = 0.0
    high: float = math.inf
    fee_rate: float = 0.0
    settlement: ClassVar[Settlement] = "linear"
    quote: ClassVar[str] = "USD"

    def __post_init__(self) -> None:
        if self.against == self.asset:
            raise ValueError(f"against must be USD or another coin than {self.asset}, got {self.against!r}")
        check_range("low", self.low, 0.0, self.high, open_high=True)
        if (self.low == 0.0) != math.isinf(self.high):
            raise ValueError(f"low and high must be given together, got {self.low:g} and {self.high:g}")
        check_range("fee_rate", self.fee_rate, 0.0, 10.0)
        if self.fee_rate and self.low:
            raise ValueError(f"fee_rate must be 0 for a range of prices, got {self.fee_rate:g}")

    @property
    def name(self) -> str:
        """For example ``LP-ETH-USD`` or ``LP-ETH-USD-1500-2500``."""
        span = f"-{self.low:g}-{self.high:g}" if self.low else ""
        return f"LP-{self.asset}-{self.against}{span}" + (f"-fee-{self.fee_rate:g}" if self.fee_rate else "")


Instrument = Perpetual | EuropeanOption | Future | PrincipalToken | PoolToken
