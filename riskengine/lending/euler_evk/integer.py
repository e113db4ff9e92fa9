"""Euler v2 (EVK): the discount grows with insolvency, no close factor; exact integers.

Health score = collateral value times liquidation LTV over debt value; the liquidator's discount factor is
max(score, 1 - largest discount).  Repaying everything yields debt / factor of collateral, or all of it.

Reference: EVK ``Liquidation`` module (behaviour re-implemented).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import (
    BPS,
    WAD,
    check_integers,
    mul_div_ceil,
    mul_div_floor,
    wad_div_floor,
    wad_mul_floor,
)

# below this liability value (unit of account, raw) what is left of a debt is not socialised
MIN_SOCIALISED_VALUE = 10**6


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
    check_integers(1, debt_value=debt_value)
    check_integers(0, BPS, liquidation_ltv_bps=liquidation_ltv_bps)
    check_integers(0, BPS - 1, max_liquidation_discount_bps=max_liquidation_discount_bps)
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


@dataclass(frozen=True)
class EulerCall:
    """What one call did, raw units: repaid, collateral taken, debt socialised to depositors, debt left."""

    repaid: int
    taken: int
    socialised: int
    debt_left: int


def liquidation_call(
    limit: EulerLiquidation,
    collateral_balance: int,
    debt: int,
    debt_value: int,
    other_collateral: bool = False,
    desired_repay: int | None = None,
) -> EulerCall:
    """One ``liquidate`` within the `limit` that `max_liquidation` found.

    Parameters
    ----------
    limit : EulerLiquidation
    collateral_balance, debt, debt_value : int
        As given to `max_liquidation`.
    other_collateral : bool
        Whether the account holds any other collateral: then nothing is socialised.
    desired_repay : int, optional
        None is as much as allowed.  ValueError above that, as the contract reverts.
    """
    repaid, taken = limit.max_repay, limit.max_yield
    if desired_repay is not None:
        if desired_repay > limit.max_repay:
            raise ValueError(f"desired_repay must be at most {limit.max_repay}, got {desired_repay}")
        if limit.max_repay > 0:
            repaid, taken = desired_repay, mul_div_floor(desired_repay, limit.max_yield, limit.max_repay)
    empty = taken == collateral_balance and not other_collateral
    socialised = debt - repaid if empty and debt_value >= MIN_SOCIALISED_VALUE else 0
    return EulerCall(repaid, taken, socialised, debt - repaid - socialised)


def repay_to_health(adjusted_value: int, debt_value: int, liquidation_ltv_bps: int, discount_factor: int) -> int | None:
    """Value whose repayment brings the score of an unhealthy account to 1; None where no repayment can.

    Repaying x takes x / factor of collateral, which counted for x LTV / factor: the gap D - A closes by
    x (1 - LTV / factor).
    """
    kept = WAD - mul_div_ceil(liquidation_ltv_bps * WAD, WAD, BPS * discount_factor)
    return mul_div_ceil(debt_value - adjusted_value, WAD, kept) if kept > 0 else None
