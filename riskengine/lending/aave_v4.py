"""Aave v4 liquidation engine: a bonus that grows with ill health, and repayment up to a target health factor.

    bonus(HF) = max bonus                                          HF <= HF of max bonus
              = min + (max - min) (1 - HF) / (1 - HF of max)       above, min = 1 + (max - 1) * factor
    debt to target = debt (target - HF) / (target - bonus * collateral factor)

Reference: Aave v4 ``docs/features/LiquidationEngine.md``.
"""

from riskengine.arrays import check_range


def liquidation_bonus(health: float, health_for_max_bonus: float, max_bonus: float, bonus_factor: float) -> float:
    """Bonus (1.05 is 5 %) at `health` in [0, 1)."""
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
