"""`Keeper`: who liquidates, how late, and for what; `LiquidationEvents`: what a step of a market reports."""

from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
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
    capital_usd : float or None
        What all keepers of the market together have to pay debt and gas with; None is as much as they need, as from
        flash loans.  Calls stop, or are smaller, where it is used up.
    recycling_hours : float
        Time after which what a call spent is there again, a whole number of grid steps; 0 is the next step.
    """

    delay_hours: float = 0.0
    gas_usd: float = 50.0
    calls_per_step: int = 8
    capital_usd: float | None = field(default=None, metadata={"written": "unless empty"})
    recycling_hours: float = field(default=0.0, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_range("delay_hours", self.delay_hours, 0.0, 8760.0)
        check_range("gas_usd", self.gas_usd, 0.0, 1e9)
        check_range("calls_per_step", self.calls_per_step, 1, 1000)
        if self.capital_usd is not None:
            check_range("capital_usd", self.capital_usd, 0.0, 1e15, open_low=True)
        check_range("recycling_hours", self.recycling_hours, 0.0, 8760.0)
        if self.recycling_hours and self.capital_usd is None:
            raise ValueError(f"recycling_hours must be 0 without capital_usd, got {self.recycling_hours:g}")

    def capital(self, paths: int, grid: TimeGrid) -> "Capital | None":
        """What keepers have at time 0; None without a limit."""
        if self.capital_usd is None:
            return None
        steps = max(1, grid.index("recycling time", self.recycling_hours))
        return Capital(np.full(paths, self.capital_usd), np.zeros((steps, paths)))


@dataclass
class Capital:
    """Keepers' capital on its way: `free` (P,) USD now, and `bound` (S, P), what each of the last S steps spent."""

    free: Floats
    bound: Floats

    def at(self, last: int, step: int) -> Floats:
        """What is free at `step`, where `last` was the step before."""
        for s in range(last + 1, step + 1):
            slot = s % len(self.bound)
            self.free += self.bound[slot]
            self.bound[slot] = 0.0
        return self.free

    def spend(self, step: int, left: Floats) -> None:
        """Of what was free at `step`, `left` is."""
        self.bound[step % len(self.bound)] = self.free - left
        self.free = left.copy()


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
