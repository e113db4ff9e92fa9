"""Euler v2 (EVK): the discount grows with insolvency, no close factor; exact integers.

Health score = collateral value times liquidation LTV over debt value; the liquidator's discount factor is
max(score, 1 - largest discount).  Repaying everything yields debt / factor of collateral, or all of it.

Reference: EVK ``Liquidation`` module (behaviour re-implemented).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import BPS, WAD, mul_div_floor, wad_div_floor, wad_mul_floor


@dataclass(frozen=True)
class EulerLiquidation:
    """Largest liquidation: score and discount factor (WAD), repayment and collateral (raw units)."""

    health_score: int
    discount_factor: int
    max_repay: int
    max_yield: int


def max_liquidation(
    collateral_balance: int,
    collateral_value: int,
    liquidation_ltv_bps: int,
    debt: int,
    debt_value: int,
    max_liquidation_discount_bps: int,
    other_adjusted_value: int = 0,
) -> EulerLiquidation:
    """What one call on a collateral may repay and take.

    Parameters
    ----------
    collateral_balance, debt : int
        Raw units.
    collateral_value, debt_value : int
        Unit of account.
    liquidation_ltv_bps, max_liquidation_discount_bps : int
    other_adjusted_value : int
        Value of the account's other collaterals, each already times its liquidation LTV.
    """
    adjusted = mul_div_floor(collateral_value, liquidation_ltv_bps, BPS) + other_adjusted_value
    score = wad_div_floor(adjusted, debt_value)
    factor = max(score, WAD - mul_div_floor(max_liquidation_discount_bps, WAD, BPS))
    if adjusted > debt_value:
        return EulerLiquidation(score, factor, 0, 0)
    if collateral_value == 0:
        # worthless collateral may be taken for nothing
        return EulerLiquidation(score, factor, 0, collateral_balance)
    repay_value, yield_value = debt_value, wad_div_floor(debt_value, factor)
    if collateral_value < yield_value:
        repay_value, yield_value = wad_mul_floor(collateral_value, factor), collateral_value
    return EulerLiquidation(
        score,
        factor,
        mul_div_floor(repay_value, debt, debt_value),
        mul_div_floor(yield_value, collateral_balance, collateral_value),
    )
