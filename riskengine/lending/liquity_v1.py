"""Liquity v1 liquidation, exact integers: stability pool first, the rest redistributed.

Gas compensation is 1/200 of the collateral.  In recovery mode (system below 150 %) a vault between 110 % and the
system's ratio is closed only against a pool that covers it, at no more than 110 % of its debt in collateral.
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import WAD, check_integers

GAS_COMPENSATION_DIVISOR = 200
MINIMUM_RATIO = 110 * WAD // 100


@dataclass(frozen=True)
class LiquityLiquidation:
    """Where a vault's debt and collateral go, raw units."""

    gas_compensation: int
    debt_offset: int
    collateral_to_pool: int
    debt_redistributed: int
    collateral_redistributed: int
    collateral_surplus: int = 0


def liquidate(
    debt: int, collateral: int, stability_pool: int, divisor: int = GAS_COMPENSATION_DIVISOR
) -> LiquityLiquidation:
    """Normal mode: the pool takes what it can, pro rata; other vaults take the rest."""
    check_integers(1, debt=debt, divisor=divisor)
    check_integers(collateral=collateral, stability_pool=stability_pool)
    compensation = collateral // divisor
    rest = collateral - compensation
    offset = min(debt, stability_pool)
    to_pool = rest * offset // debt
    return LiquityLiquidation(compensation, offset, to_pool, debt - offset, rest - to_pool)


def liquidate_capped(
    debt: int, collateral: int, price: int, divisor: int = GAS_COMPENSATION_DIVISOR
) -> LiquityLiquidation:
    """Recovery mode, vault above 110 %: the pool takes 110 % of the debt in collateral, the owner keeps the surplus.

    `price` is USD per coin, WAD; the pool is taken to cover the debt.
    """
    check_integers(1, debt=debt, price=price, divisor=divisor)
    capped = min(collateral, debt * MINIMUM_RATIO // price)
    compensation = capped // divisor
    return LiquityLiquidation(compensation, debt, capped - compensation, 0, 0, collateral - capped)
