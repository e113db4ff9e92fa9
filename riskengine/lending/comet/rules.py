"""Parameters of a Compound v3 (Comet) market: frozen records, checked once."""

from dataclasses import dataclass, field, replace

from riskengine.arrays import check_range
from riskengine.lending.listing import Token, check_listed, check_order, moved, wad
from riskengine.rates.comet import CometCurve
from riskengine.roles import PriceOracle


@dataclass(frozen=True)
class CometAsset(Token):
    """A collateral of the market.

    Attributes
    ----------
    borrow_collateral_factor : float
        Gates borrowing.
    liquidate_collateral_factor : float
        Gates absorption; at least the borrow collateral factor.
    liquidation_factor : float
        Share of its value that absorbed collateral counts for: 0.95 is a penalty of 5 %.
    supply_cap : float or None
        Whole tokens; data for policies, a run does not enforce it.
    """

    borrow_collateral_factor: float = 0.0
    liquidate_collateral_factor: float = 0.0
    liquidation_factor: float = 1.0
    supply_cap: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_order(
            self.symbol,
            "borrow_collateral_factor",
            self.borrow_collateral_factor,
            "liquidate_collateral_factor",
            self.liquidate_collateral_factor,
        )
        check_range(f"{self.symbol} liquidation_factor", self.liquidation_factor, 0.0, 1.0, open_low=True)


@dataclass(frozen=True)
class BorrowCurve:
    """Annual rate of one side with a kink, decimals per year: base, slope below and slope above it."""

    kink: float
    base: float
    slope_low: float
    slope_high: float

    def __post_init__(self) -> None:
        check_range("kink", self.kink, 0.0, 1.0)
        for name in ("base", "slope_low", "slope_high"):
            check_range(name, getattr(self, name), 0.0, 10.0)

    @property
    def exact(self) -> CometCurve:
        """The curve in the contract's integers."""
        return CometCurve(*(wad(v) for v in (self.kink, self.base, self.slope_low, self.slope_high)))

    def per_second(self, utilisation: float) -> int:
        """Rate per second, WAD, with the contract's rounding."""
        return self.exact.per_second(wad(utilisation))


@dataclass(frozen=True)
class CometRules:
    """A dated parameter set.

    Attributes
    ----------
    name, as_of, source : str
        Market, date of the parameters (ISO), where they were read.
    base_token : Token
        The one token that is lent.
    collaterals : tuple of CometAsset
    store_front_price_factor : float
        Share of the liquidation penalty that buyers of absorbed collateral are offered as a discount.
    target_reserves : float
        Base tokens at which the storefront closes.
    reserves : float
        Base tokens of reserves at the start.
    rates : BorrowCurve
    utilisation : float
        At which the market stays during a run; sets the rate that accrues.
    supply_rates : BorrowCurve or None
        What suppliers earn; needed where utilisation moves with the path.
    oracle : PriceOracle
    reference_spot : dict of str to float
        Prices (USD) of the market assets at `as_of`; data, not read by a run.
    """

    name: str
    as_of: str
    source: str
    base_token: Token
    collaterals: tuple[CometAsset, ...]
    store_front_price_factor: float
    target_reserves: float
    rates: BorrowCurve
    oracle: PriceOracle
    reserves: float = 0.0
    utilisation: float = 0.0
    reference_spot: dict[str, float] = field(default_factory=dict)
    supply_rates: BorrowCurve | None = field(default=None, metadata={"written": "unless none"})

    def __post_init__(self) -> None:
        check_listed(self.collaterals, self.base_token)
        check_range("store_front_price_factor", self.store_front_price_factor, 0.0, 1.0)
        check_range("target_reserves", self.target_reserves, 0.0, 1e18)
        check_range("reserves", self.reserves, -1e18, 1e18)
        check_range("utilisation", self.utilisation, 0.0, 1.0)

    def with_threshold_shift(self, shift: float) -> "CometRules":
        """Every liquidate collateral factor moved by `shift`; a borrow factor above the new one comes down to it.

        ValueError, naming the threshold, where a factor leaves [0, 1).
        """
        fields = ("liquidate_collateral_factor", "borrow_collateral_factor")
        return replace(self, collaterals=tuple(moved(c, shift, *fields) for c in self.collaterals)) if shift else self
