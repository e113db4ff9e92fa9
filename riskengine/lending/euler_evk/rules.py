"""Parameters of an Euler v2 vault that lends one token: frozen records, checked once."""

from dataclasses import dataclass, field, replace

from riskengine.arrays import check_range
from riskengine.lending.listing import Token, check_listed, check_order, moved
from riskengine.rates.linear_kink import LinearKink
from riskengine.roles import PriceOracle


@dataclass(frozen=True)
class EulerCollateral(Token):
    """A collateral that the vault accepts.

    Attributes
    ----------
    borrow_ltv : float
        Gates borrowing.
    liquidation_ltv : float
        Gates liquidation; at least the borrow LTV.
    """

    borrow_ltv: float = 0.0
    liquidation_ltv: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_order(self.symbol, "borrow_ltv", self.borrow_ltv, "liquidation_ltv", self.liquidation_ltv)


@dataclass(frozen=True)
class EulerRules:
    """A dated parameter set of one borrowing vault.

    Attributes
    ----------
    name, as_of, source : str
        Vault, date of the parameters (ISO), where they were read.
    loan : Token
        The token that the vault lends.
    collaterals : tuple of EulerCollateral
        Held in escrow: they earn nothing.
    max_liquidation_discount : float
        Largest discount that ill health can bring a liquidator.
    rates : LinearKink
        Per second, in the contract's integers.
    utilisation : float
        At which the vault stays during a run; sets the rate that accrues.
    oracle : PriceOracle
    interest_fee : float
        Share of borrowers' interest that the protocol takes; read where utilisation moves with the path.
    reference_spot : dict of str to float
        Prices (USD) of the market assets at `as_of`; data, not read by a run.
    """

    name: str
    as_of: str
    source: str
    loan: Token
    collaterals: tuple[EulerCollateral, ...]
    max_liquidation_discount: float
    rates: LinearKink
    oracle: PriceOracle
    utilisation: float = 0.0
    interest_fee: float = field(default=0.0, metadata={"written": "unless empty"})
    reference_spot: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_listed(self.collaterals, self.loan)
        check_range("max_liquidation_discount", self.max_liquidation_discount, 0.0, 1.0, open_high=True)
        check_range("utilisation", self.utilisation, 0.0, 1.0)
        check_range("interest_fee", self.interest_fee, 0.0, 1.0)

    def with_threshold_shift(self, shift: float) -> "EulerRules":
        """Every liquidation LTV moved by `shift`; a borrow LTV above the new one comes down to it.

        ValueError, naming the threshold, where one leaves [0, 1).
        """
        fields = ("liquidation_ltv", "borrow_ltv")
        return replace(self, collaterals=tuple(moved(c, shift, *fields) for c in self.collaterals)) if shift else self
