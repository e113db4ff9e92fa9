"""Morpho's adaptive-curve interest rate model, exact integers (rates per second, WAD).

Target utilisation 0.9; err is the distance from it, scaled to [-1, 1].  The curve charges rate_at_target times
1 + 3 err above the target and 1 + 3/4 err below it; rate_at_target itself grows by exp(50 err t), t in years, within
[0.1 %, 200 %] a year.  The rate charged over an interval is the trapezoid (start + 2 middle + end) / 4.  The
exponential is a second-order Taylor step after range reduction by log 2.

Reference: Morpho ``AdaptiveCurveIrm`` and ``ExpLib`` (behaviour re-implemented).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import SECONDS_PER_YEAR, WAD, div_to_zero

TARGET = 9 * WAD // 10
STEEPNESS = 4 * WAD
SPEED = 50 * WAD // SECONDS_PER_YEAR
INITIAL_RATE = 4 * WAD // 100 // SECONDS_PER_YEAR
LOWEST_RATE = WAD // 1000 // SECONDS_PER_YEAR
HIGHEST_RATE = 2 * WAD // SECONDS_PER_YEAR

_LN2 = 693_147_180_559_945_309
_LN_SMALLEST = -41_446_531_673_892_822_312
_UPPER = 93_859_467_695_000_404_319
_UPPER_VALUE = 57_716_089_161_558_943_949_701_069_502_944_508_345_128_422_502_756_744_429_568


def _mul(a: int, b: int) -> int:
    return div_to_zero(a * b, WAD)


def wad_exp(x: int) -> int:
    """Approximate e**x, WAD in and out."""
    if x < _LN_SMALLEST:
        return 0
    if x >= _UPPER:
        return _UPPER_VALUE
    half = _LN2 // 2
    q = div_to_zero(x - half if x < 0 else x + half, _LN2)
    r = x - q * _LN2
    value = WAD + r + r * r // WAD // 2
    return value << q if q >= 0 else value >> -q


@dataclass(frozen=True)
class AdaptiveRate:
    """Rate charged over an interval and rate at target at its end, per second, WAD."""

    average_borrow_rate: int
    end_rate_at_target: int

    @property
    def end_rate_at_target_per_year(self) -> float:
        """Decimal per year."""
        return self.end_rate_at_target * SECONDS_PER_YEAR / WAD


def adaptive_rate(rate_at_target: int, utilisation: int, elapsed_seconds: int) -> AdaptiveRate:
    """Rates after `elapsed_seconds` at `utilisation` (WAD); `rate_at_target` 0 marks a market's first interaction."""
    scale = WAD - TARGET if utilisation > TARGET else TARGET
    err = div_to_zero((utilisation - TARGET) * WAD, scale)

    def moved(adaptation: int) -> int:
        return min(max(_mul(rate_at_target, wad_exp(adaptation)), LOWEST_RATE), HIGHEST_RATE)

    if rate_at_target == 0:
        average = end = INITIAL_RATE
    else:
        adaptation = _mul(SPEED, err) * elapsed_seconds
        if adaptation == 0:
            average = end = rate_at_target
        else:
            end = moved(adaptation)
            average = div_to_zero(rate_at_target + end + 2 * moved(div_to_zero(adaptation, 2)), 4)
    coefficient = WAD - WAD * WAD // STEEPNESS if err < 0 else STEEPNESS - WAD
    return AdaptiveRate(_mul(_mul(coefficient, err) + WAD, average), end)
