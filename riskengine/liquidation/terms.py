"""`LiquidationTerms`: on what terms an under-margined account is closed."""

from dataclasses import dataclass

from riskengine.arrays import check_range
from riskengine.pricing.valuation import CostRates


@dataclass(frozen=True)
class LiquidationTerms:
    """How an under-margined account is closed.

    Attributes
    ----------
    target : float
        The close restores equity to `target` times the maintenance requirement of what is left (>= 1).
    costs : CostRates
        What closing costs.
    insurance_fund : float
        Size of the fund at the start, as a share of the total initial requirement.
    """

    target: float = 1.1
    costs: CostRates = CostRates()
    insurance_fund: float = 0.05

    def __post_init__(self) -> None:
        check_range("target", self.target, 1.0, 10.0)
        check_range("insurance_fund", self.insurance_fund, 0.0, 10.0)
