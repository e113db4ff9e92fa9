"""`Keeper`: who liquidates, how late, and for what; `LiquidationEvents`: what a step of a market reports."""

from dataclasses import dataclass

from riskengine.arrays import Floats, check_range
from riskengine.roles import LendingEvents


@dataclass(frozen=True)
class Keeper:
    """Liquidators of a market: late by a stated delay, and only for profit.

    A loan that is liquidatable on the protocol's oracle at step t is called at t + delay if it still is.  Each call
    repays the largest amount that the rules allow and that does not lose money: collateral received, sold at the
    market price after slippage, minus debt bought at the market price, minus gas.

    Attributes
    ----------
    delay_hours : float
        From health factor below 1 on the oracle to inclusion; a whole number of grid steps.
    gas_usd : float
        Cost of one call.
    calls_per_step : int
        Most calls on one loan within one step.
    """

    delay_hours: float = 0.0
    gas_usd: float = 50.0
    calls_per_step: int = 8

    def __post_init__(self) -> None:
        check_range("delay_hours", self.delay_hours, 0.0, 8760.0)
        check_range("gas_usd", self.gas_usd, 0.0, 1e9)
        check_range("calls_per_step", self.calls_per_step, 1, 1000)


@dataclass(frozen=True)
class LiquidationEvents(LendingEvents):
    """`LendingEvents` with what keepers and first-time liquidations add; USD at the protocol's oracle prices.

    Attributes
    ----------
    liquidated_loans : ndarray, shape (P,)
        Loans liquidated for the first time: summed over steps, distinct loans.
    seized_usd : ndarray, shape (P,)
        Collateral seized, liquidator's and treasury's share together.
    keeper_profit_usd : ndarray, shape (P,)
        Liquidators' profit after slippage and gas, at market prices.
    returned_usd : ndarray, shape (P,)
        What is credited back to borrowers out of the collateral seized; what they lose is seized less repaid less this.
    """

    liquidated_loans: Floats
    seized_usd: Floats
    keeper_profit_usd: Floats
    returned_usd: Floats
