"""Two-slope interest rates (Aave v3, ``DefaultReserveInterestRateStrategyV2``), exact and floating.

With utilisation u = debt / (debt + liquidity) and optimum u*:

    u <= u*:  r = base + slope1 u / u*
    u >  u*:  r = base + slope1 + slope2 (u - u*) / (1 - u*)

Suppliers earn r * debt / (debt + liquidity + unbacked) * (1 - reserve factor).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.pricing.fixed_point import (
    BPS,
    RAY,
    check_integers,
    compounded_interest,
    linear_interest,
    percent_mul_half_up,
    ray_div_half_up,
    ray_mul_half_up,
)

_RAY_PER_BPS = RAY // BPS


@dataclass(frozen=True)
class TwoSlope:
    """Parameters of one reserve's curve, decimals per year.

    Attributes
    ----------
    optimal_usage : float
        Kink u*, in [0.01, 0.99].
    base, slope1, slope2 : float
        Rate at u = 0, its rise up to the kink, its rise from the kink to u = 1.
    reserve_factor : float
        Share of borrowers' interest that goes to the treasury.
    """

    optimal_usage: float
    base: float
    slope1: float
    slope2: float
    reserve_factor: float = 0.0

    def __post_init__(self) -> None:
        check_range("optimal_usage", self.optimal_usage, 0.01, 0.99)
        for name in ("base", "slope1", "slope2"):
            check_range(name, getattr(self, name), 0.0, 10.0)
        check_range("highest rate base + slope1 + slope2", self.base + self.slope1 + self.slope2, 0.0, 10.0)
        check_range("reserve_factor", self.reserve_factor, 0.0, 1.0)

    def borrow_rate(self, utilisation: "Floats | float") -> "Floats | float":
        """Borrow rate per year at `utilisation` in [0, 1], same shape."""
        u = np.asarray(utilisation, dtype=np.float64)
        below = self.base + self.slope1 * u / self.optimal_usage
        above = self.base + self.slope1 + self.slope2 * (u - self.optimal_usage) / (1.0 - self.optimal_usage)
        return np.where(u <= self.optimal_usage, below, above)[()]

    def supply_rate(self, utilisation: "Floats | float") -> "Floats | float":
        """Supply rate per year at `utilisation` in [0, 1], same shape (nothing unbacked)."""
        return self.borrow_rate(utilisation) * utilisation * (1.0 - self.reserve_factor)


def growth(rate: float, years: float) -> tuple[float, float]:
    """Factors of the borrow index (three-term compounding) and of a supply index (linear) over `years`."""
    x = rate * years
    return 1.0 + x + x * x / 2.0 + x * x * x / 6.0, 1.0 + x


@dataclass(frozen=True)
class ExactRates:
    """Rates (RAY per year) and one-interval index factors (RAY)."""

    borrow_rate: int
    liquidity_rate: int
    borrow_index_factor: int
    supply_index_factor: int


def exact_rates(
    optimal_usage_bps: int,
    base_bps: int,
    slope1_bps: int,
    slope2_bps: int,
    reserve_factor_bps: int,
    total_debt: int,
    available_liquidity: int,
    unbacked: int = 0,
    elapsed_seconds: int = 0,
) -> ExactRates:
    """The contract's integers: rates from balances (raw units), and what the indices grow by in `elapsed_seconds`.

    `unbacked` is the reserve's deficit; it dilutes suppliers only.  ValueError outside the contract's bounds.
    """
    check_integers(100, 9_900, optimal_usage_bps=optimal_usage_bps)
    check_integers(0, BPS, reserve_factor_bps=reserve_factor_bps)
    check_integers(total_debt=total_debt, available_liquidity=available_liquidity, unbacked=unbacked)
    check_integers(elapsed_seconds=elapsed_seconds)
    base, slope1, slope2, optimal = (v * _RAY_PER_BPS for v in (base_bps, slope1_bps, slope2_bps, optimal_usage_bps))
    borrow, liquidity = base, 0
    if total_debt:
        backed = available_liquidity + total_debt
        usage = ray_div_half_up(total_debt, backed)
        if usage > optimal:
            excess = ray_div_half_up(usage - optimal, RAY - optimal)
            borrow += slope1 + ray_mul_half_up(slope2, excess)
        else:
            borrow += ray_div_half_up(ray_mul_half_up(slope1, usage), optimal)
        supply_usage = ray_div_half_up(total_debt, backed + unbacked)
        liquidity = percent_mul_half_up(ray_mul_half_up(borrow, supply_usage), BPS - reserve_factor_bps)
    return ExactRates(
        borrow,
        liquidity,
        compounded_interest(borrow, elapsed_seconds),
        linear_interest(liquidity, elapsed_seconds),
    )
