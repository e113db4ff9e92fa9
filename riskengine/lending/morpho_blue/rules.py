"""Parameters of Morpho Blue markets that lend one token: frozen records, checked once."""

from dataclasses import dataclass, field, replace

from riskengine.arrays import check_range
from riskengine.lending.listing import Token, check_listed, check_order, moved
from riskengine.roles import PriceOracle


@dataclass(frozen=True)
class IsolatedMarket(Token):
    """One market: its collateral token, and what Morpho is created with.

    Attributes
    ----------
    lltv : float
        Liquidation loan-to-value; the same number gates borrowing.
    utilisation : float
        At which the market stays during a run; the adaptive curve moves its rate by it.
    rate_at_target : float
        Borrow rate per year at 90 % utilisation, at the start.
    fee : float
        Share of borrowers' interest that the protocol takes; read where utilisation moves with the path.
    """

    lltv: float = 0.0
    utilisation: float = 0.9
    rate_at_target: float = 0.04
    fee: float = field(default=0.0, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_order(self.symbol, "zero", 0.0, "lltv", self.lltv)
        check_range(f"{self.symbol} utilisation", self.utilisation, 0.0, 1.0)
        check_range(f"{self.symbol} rate_at_target", self.rate_at_target, 0.001, 2.0)
        check_range(f"{self.symbol} fee", self.fee, 0.0, 0.25)


@dataclass(frozen=True)
class MorphoRules:
    """A dated set of markets.

    Attributes
    ----------
    name, as_of, source : str
        Markets, date of the parameters (ISO), where they were read.
    loan : Token
        The token that every market of the set lends.
    markets : tuple of IsolatedMarket
    oracle : PriceOracle
        Feed that the markets' oracles read.
    reference_spot : dict of str to float
        Prices (USD) of the market assets at `as_of`; data, not read by a run.
    """

    name: str
    as_of: str
    source: str
    loan: Token
    markets: tuple[IsolatedMarket, ...]
    oracle: PriceOracle
    reference_spot: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_listed(self.markets, self.loan)

    def with_threshold_shift(self, shift: float) -> "MorphoRules":
        """Every LLTV moved by `shift`, and with it the incentive factor, which is a function of it.

        ValueError, naming the threshold, where an LLTV leaves [0, 1).
        """
        return replace(self, markets=tuple(moved(m, shift, "lltv") for m in self.markets)) if shift else self
