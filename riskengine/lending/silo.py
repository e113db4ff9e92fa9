"""Silo partial liquidation, exact integers: repay down to a target loan-to-value.

    x = (D - t C) / (1 - t - t f),  collateral = min(C, x + x f)

Everything is repaid where D >= C, where no repayment reaches the target, or where x exceeds 90 % of the debt.

Reference: ``PartialLiquidationLib`` (behaviour re-implemented).
"""

from riskengine.pricing.fixed_point import WAD

FULL_LIQUIDATION_ABOVE = 9 * WAD // 10


def max_repay_value(debt: int, collateral: int, target_ltv: int, fee: int) -> int:
    """Largest repayment, in the units of `debt`; `target_ltv` and `fee` are WAD."""
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
