"""Aave v4 liquidation engine: a bonus that grows with ill health, and repayment up to a target health factor.

    bonus(HF) = max bonus                                          HF <= HF of max bonus
              = min + (max - min) (1 - HF) / (1 - HF of max)       above, min = 1 + (max - 1) * factor
    debt to target = debt (target - HF) / (target - bonus * collateral factor)

There is no close factor.  A call that would leave less than 1,000 of a reserve's debt takes all of it, one that would
leave less than 1,000 of its collateral takes all of that, and an offer too small for either reverts.  The protocol's
fee is a share of the bonus.

The two functions in floats are the formulas; `liquidation_amounts` is the contract in integers: balances raw, prices
1e8, percentages basis points, health WAD, values of debt 1e26.

Reference: Aave v4 ``docs/features/LiquidationEngine.md`` and ``LiquidationLogic`` at commit 0051c6e (behaviour
re-implemented).
"""

from dataclasses import dataclass

from riskengine.arrays import check_range
from riskengine.pricing.fixed_point import (
    BPS,
    WAD,
    check_integers,
    mul_div_ceil,
    mul_div_floor,
    percent_mul_ceil,
    percent_mul_floor,
)

DUST = 1_000 * 10**26


def liquidation_bonus(health: float, health_for_max_bonus: float, max_bonus: float, bonus_factor: float) -> float:
    """Bonus (1.05 is 5 %) at `health` in [0, 1)."""
    check_range("health", health, 0.0, float("inf"))
    check_range("max_bonus", max_bonus, 1.0, 10.0)
    check_range("health_for_max_bonus", health_for_max_bonus, 0.0, 1.0, open_high=True)
    check_range("bonus_factor", bonus_factor, 0.0, 1.0)
    if health <= health_for_max_bonus:
        return max_bonus
    least = (max_bonus - 1.0) * bonus_factor + 1.0
    return least + (max_bonus - least) * (1.0 - health) / (1.0 - health_for_max_bonus)


def debt_to_target(debt: float, health: float, target: float, bonus: float, collateral_factor: float) -> float:
    """Debt whose repayment brings `health` to `target`; ValueError where no repayment can."""
    if bonus * collateral_factor >= target:
        raise ValueError(
            f"bonus times collateral_factor must be below target {target:g}, got {bonus * collateral_factor:g}"
        )
    return debt * (target - health) / (target - bonus * collateral_factor)


@dataclass(frozen=True)
class SpokeTerms:
    """What a market sets for all its reserves: target health and health of the largest bonus (WAD), share of that bonus
    paid at health 1 (basis points)."""

    target_health: int
    health_for_max_bonus: int
    bonus_factor_bps: int

    def __post_init__(self) -> None:
        faults = []
        if self.target_health < WAD:
            faults.append(f"target_health must be at least {WAD}, got {self.target_health}")
        if not 0 <= self.health_for_max_bonus < WAD:
            faults.append(f"health_for_max_bonus must lie in [0, {WAD}), got {self.health_for_max_bonus}")
        if not 0 <= self.bonus_factor_bps <= BPS:
            faults.append(f"bonus_factor_bps must lie in [0, {BPS}], got {self.bonus_factor_bps}")
        if faults:
            raise ValueError("; ".join(faults))

    def bonus_bps(self, health: int, max_bonus_bps: int) -> int:
        """Bonus at `health` (WAD), basis points, each product rounded down."""
        if health <= self.health_for_max_bonus:
            return max_bonus_bps
        least = percent_mul_floor(max_bonus_bps - BPS, self.bonus_factor_bps) + BPS
        return least + mul_div_floor(max_bonus_bps - least, WAD - health, WAD - self.health_for_max_bonus)


@dataclass(frozen=True)
class CollateralReserve:
    """Collateral that is called: raw balance, price 1e8, raw units in a token, factor, largest bonus and fee in basis
    points."""

    balance: int
    price: int
    unit: int
    collateral_factor_bps: int
    max_bonus_bps: int
    fee_bps: int

    def __post_init__(self) -> None:
        check_integers(balance=self.balance)
        check_integers(1, price=self.price, unit=self.unit)
        check_integers(0, BPS, fee_bps=self.fee_bps)
        worst = percent_mul_ceil(self.max_bonus_bps, self.collateral_factor_bps)
        if self.max_bonus_bps < BPS or worst >= BPS:
            raise ValueError(
                f"max_bonus_bps must be at least {BPS} and times collateral_factor_bps below {BPS}, "
                f"got {self.max_bonus_bps} and {worst}"
            )


@dataclass(frozen=True)
class DebtReserve:
    """Debt that is called: raw balance, price 1e8, raw units in a token."""

    balance: int
    price: int
    unit: int

    def __post_init__(self) -> None:
        check_integers(balance=self.balance)
        check_integers(1, price=self.price, unit=self.unit)


@dataclass(frozen=True)
class SpokeLiquidation:
    """Outcome of one call.

    Attributes
    ----------
    bonus_bps : int
    debt_to_target : int
        Raw units that would bring the account to the target.
    debt_liquidated, collateral_liquidated, collateral_to_liquidator, fee : int
        Raw units; the fee is what of the collateral goes to the treasury.
    deficit : bool
        Whether what is left of the account's debt is reported as deficit.
    reverts : str or None
        Name of the contract's error; the amounts are then what the call would have had to cover.
    """

    bonus_bps: int
    debt_to_target: int
    debt_liquidated: int
    collateral_liquidated: int
    collateral_to_liquidator: int
    fee: int
    deficit: bool
    reverts: str | None = None


def _value(amount: int, price: int, unit: int) -> int:
    return mul_div_floor(amount, price * WAD, unit)


def liquidation_amounts(
    terms: SpokeTerms,
    health: int,
    total_debt_value: int,
    collateral: CollateralReserve,
    debt: DebtReserve,
    cover: int | None = None,
    other_collateral: bool = False,
    other_debt: bool = False,
) -> SpokeLiquidation:
    """One ``liquidationCall``.

    Parameters
    ----------
    terms : SpokeTerms
    health : int
        Of the account, WAD.
    total_debt_value : int
        Of the account in all reserves, 1e26.
    collateral, debt : CollateralReserve, DebtReserve
        The pair called.
    cover : int, optional
        Debt offered, raw units; None is as much as it takes.
    other_collateral, other_debt : bool
        Whether the account holds or owes anything in another reserve: no deficit with the first, and one even where
        this reserve's debt is gone with the second.
    """
    if health >= WAD:
        return SpokeLiquidation(0, 0, 0, 0, 0, 0, False, "HealthFactorNotBelowThreshold")
    bonus = terms.bonus_bps(health, collateral.max_bonus_bps)
    kept = terms.target_health - percent_mul_ceil(bonus * WAD // BPS, collateral.collateral_factor_bps)
    gap = terms.target_health - health
    needed = mul_div_ceil(total_debt_value, debt.unit * gap, kept * debt.price * WAD)
    amount = min(needed, debt.balance if cover is None else min(cover, debt.balance))
    if amount < debt.balance and _value(debt.balance - amount, debt.price, debt.unit) < DUST:
        amount = debt.balance

    rate = debt.price * collateral.unit * bonus, debt.unit * collateral.price * BPS
    seized = mul_div_floor(amount, *rate)
    left = collateral.balance - seized
    dusty = left > 0 and _value(left, collateral.price, collateral.unit) < DUST
    if left < 0 or (dusty and amount < debt.balance):
        seized = collateral.balance
        amount = mul_div_ceil(seized, *rate[::-1])
    fee = mul_div_floor(seized, collateral.fee_bps * (bonus - BPS), bonus * BPS)

    error = "MustNotLeaveDust" if cover is not None and cover < amount else None
    empty = error is None and seized == collateral.balance and not other_collateral
    deficit = empty and (amount < debt.balance or other_debt)
    return SpokeLiquidation(bonus, needed, amount, seized, seized - fee, fee, deficit, error)
