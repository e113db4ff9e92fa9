"""Compound v3 (Comet) rates, exact integers: supply and borrow each have a kink of their own.

Annual parameters (WAD) are rounded down to per-second ones when the market is created, and the rate is

    base + slope_low min(u, kink) + slope_high max(u - kink, 0),   each product rounded down.
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import SECONDS_PER_YEAR, check_integers, wad_mul_floor


@dataclass(frozen=True)
class CometCurve:
    """One side's curve: kink and annual base, slope below and slope above it, WAD."""

    kink: int
    base: int
    slope_low: int
    slope_high: int

    def per_second(self, utilisation: int, seconds_per_year: int = SECONDS_PER_YEAR) -> int:
        """Rate per second (WAD) at `utilisation` (WAD)."""
        check_integers(1, seconds_per_year=seconds_per_year)
        check_integers(utilisation=utilisation)
        base, low, high = (v // seconds_per_year for v in (self.base, self.slope_low, self.slope_high))
        below = wad_mul_floor(low, min(utilisation, self.kink))
        return base + below + wad_mul_floor(high, max(utilisation - self.kink, 0))
