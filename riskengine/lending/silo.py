"""Silo partial liquidation, exact integers: repay down to a target loan-to-value.

    x = (D - t C) / (1 - t - t f),  collateral = min(C, x + x f)

Everything is repaid where D >= C, where no repayment reaches the target, or where x exceeds 90 % of the debt.  An
insolvent account may be repaid in any part.

Reference: ``PartialLiquidationLib`` (behaviour re-implemented).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import WAD, check_integers, mul_div_ceil, mul_div_floor

FULL_LIQUIDATION_ABOVE = 9 * WAD // 10
# shares and assets are converted twice on the way to the liquidator, a unit lost each time
UNDERESTIMATION = 2


def max_repay_value(debt: int, collateral: int, target_ltv: int, fee: int) -> int:
    """Largest repayment, in the units of `debt`; `target_ltv` and `fee` are WAD."""
    check_integers(debt=debt, collateral=collateral, fee=fee)
    check_integers(0, WAD, target_ltv=target_ltv)
    if debt == 0 or fee >= WAD:
        return 0
    if debt >= collateral or target_ltv == 0:
        return debt
    if target_ltv * collateral >= debt * WAD:
        return 0
    divider = target_ltv + target_ltv * fee // WAD
    if divider >= WAD:
        return debt
    repay = (debt * WAD - target_ltv * collateral) // (WAD - divider)
    return debt if repay > debt or repay * WAD // debt > FULL_LIQUIDATION_ABOVE else repay


def max_liquidation(debt: int, collateral: int, target_ltv: int, fee: int) -> tuple[int, int]:
    """(debt to repay, collateral to take), values in the same units."""
    repay = max_repay_value(debt, collateral, target_ltv, fee)
    return repay, min(collateral, repay + repay * fee // WAD)


@dataclass(frozen=True)
class SiloAccount:
    """Collateral and debt of an account: raw units, and their values in one unit of account."""

    collateral: int
    collateral_value: int
    debt: int
    debt_value: int

    def __post_init__(self) -> None:
        if min(self.collateral_value, self.debt, self.debt_value) <= 0:
            raise ValueError(
                "collateral_value, debt and debt_value must be positive, "
                f"got {self.collateral_value}, {self.debt}, {self.debt_value}"
            )


def largest_call(account: SiloAccount, target_ltv: int, fee: int) -> tuple[int, int]:
    """(debt to repay, collateral that the liquidator can count on), raw units."""
    repay, taken = max_liquidation(account.debt_value, account.collateral_value, target_ltv, fee)
    collateral = mul_div_floor(taken, account.collateral, account.collateral_value)
    return mul_div_floor(repay, account.debt, account.debt_value), max(0, collateral - UNDERESTIMATION)


@dataclass(frozen=True)
class SiloCall:
    """One call: debt repaid and collateral taken, raw units, and loan-to-value after it (WAD; 0 with nothing left)."""

    repaid: int
    taken: int
    ltv_after: int


def call(account: SiloAccount, cover: int, target_ltv: int, fee: int) -> SiloCall:
    """Liquidate with an offer of `cover` debt, raw units."""
    a = account
    limit = max_repay_value(a.debt_value, a.collateral_value, target_ltv, fee)
    if a.debt_value >= a.collateral_value:
        repaid = min(cover, a.debt)
    elif limit == a.debt_value:
        repaid = a.debt
    else:
        repaid = min(cover, mul_div_floor(limit, a.debt, a.debt_value))
    value = mul_div_floor(repaid, a.debt_value, a.debt)
    taken = min(a.collateral_value, value + value * fee // WAD)
    left, owed = a.collateral_value - taken, a.debt_value - value
    ltv = mul_div_ceil(owed, WAD, left) if left > 0 and owed > 0 else 0
    return SiloCall(repaid, mul_div_floor(taken, a.collateral, a.collateral_value), ltv)
