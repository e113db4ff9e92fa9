"""`VenueTerms`: on what terms a venue holds and closes accounts of perpetuals and options."""

from dataclasses import dataclass, field

from riskengine.arrays import check_range
from riskengine.liquidation.dutch_auction import DutchAuction
from riskengine.liquidity.execution import Execution


@dataclass(frozen=True)
class VenueTerms:
    """Maintenance margin, and how an account below it is closed.

    Attributes
    ----------
    maintenance : dict of str to float
        Per asset: share of the notional of a perpetual.
    execution : Execution
    target : float
        A close restores equity to `target` times the requirement of what is left (>= 1).
    liquidation_fee : float
        Share of what is closed in the market that goes to the fund; of an option, of its underlying's notional.
    option_maintenance : float
        Requirement of a short option as a share of spot (of its mark, where that is more and it is a put); a long one
        requires its whole value: `riskengine.margin.deribit_standard`.
    auction : DutchAuction or None
        Accounts are auctioned instead of sold: bidders unwind by `execution`, the buffer is `target` - 1, and the
        fee is paid by bidders.

    Raises
    ------
    ValueError
        Also where closing a dollar costs more than the requirement it frees: then no close restores anything.
    """

    maintenance: dict[str, float]
    execution: Execution
    target: float = 1.1
    liquidation_fee: float = 0.005
    option_maintenance: float = 0.075
    auction: DutchAuction | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_range("target", self.target, 1.0, 10.0)
        check_range("liquidation_fee", self.liquidation_fee, 0.0, 1.0, open_high=True)
        check_range("option_maintenance", self.option_maintenance, 0.0, 0.1, open_low=True)
        for asset, rate in self.maintenance.items():
            check_range(f"maintenance of {asset}", rate, 0.0, 1.0, open_low=True, open_high=True)
            self._check_spent(f"maintenance of {asset}", rate, self.execution.first_slippage)
        if self.auction is not None and self.execution.maker is not None:
            raise ValueError(
                "execution must have no maker where accounts are auctioned: bidders unwind in book and pool"
            )
        if self.execution.options is not None:
            self._check_spent("option_maintenance", self.option_maintenance, self.execution.options.half_spread)

    def _check_spent(self, name: str, rate: float, slippage: float) -> None:
        spent = self.liquidation_fee + slippage
        if not spent < self.target * rate:
            raise ValueError(
                f"liquidation_fee and the slippage of the first dollar together must be below target times the {name} "
                f"({self.target * rate:.4g}), got {spent:.4g}"
            )
