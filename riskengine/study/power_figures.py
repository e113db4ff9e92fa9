"""Figures of a power study: shares of rejections, exact where counts can be enumerated, and what can be detected."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.backtest.battery import ENUMERATED, Way, count_p_values, first_breach_p_values
from riskengine.backtest.binomial import binomial_log_pmf
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.stats.proportion import clopper_pearson

MONTHS = 240  # the longest backtest that is looked at
_ENUMERATED = "exact by enumeration"


def is_enumerated(way: Way) -> bool:
    """Whether size and power against independent breaches are sums over counts."""
    return way[0] in ENUMERATED and way[1] != "simulated"


@lru_cache(maxsize=4096)
def exact_rejection(way: Way, n: int, tail_prob: float, rate: float, level: float) -> float:
    """Probability that a test of the count, or of the first breach, rejects `n` independent days at breach `rate`."""
    if way[0] == "time_until_failure":
        rejected = first_breach_p_values(n, tail_prob) <= level
        day = np.arange(n)
        weight = np.append(rate * np.exp(day * np.log1p(-rate)), math.exp(n * math.log1p(-rate)))
    else:
        rejected = count_p_values(n, tail_prob)[way] <= level
        weight = np.exp(binomial_log_pmf(np.arange(n + 1), n, rate))
    return float(weight[rejected].sum())


def rejections(p_values: Floats, level: float, confidence: float) -> Estimate:
    """Share of histories on which a test rejects, with its Clopper-Pearson interval."""
    if p_values.size == 0:
        return undetermined(0, "the estimator refuses a forecast in every history")
    return clopper_pearson(int((p_values <= level).sum()), p_values.size, confidence)


def enumerated(value: float) -> Estimate:
    """A probability that is a sum over counts."""
    return exact(min(value, 1.0), _ENUMERATED)


def _reaches(at: Sequence[float], curve: Sequence[float], target: float, floor: float) -> float:
    """First point where `curve`, straight between knots in normal scores, is at least `target`.

    Minus infinity where it is from the start, infinity where it never is.
    """
    score = ndtri(np.clip(curve, floor, 1.0 - floor))
    wanted = float(ndtri(target))
    if score[0] >= wanted:
        return -math.inf
    for i in range(1, len(at)):
        if score[i] >= wanted:
            return at[i - 1] + (at[i] - at[i - 1]) * (wanted - score[i - 1]) / (score[i] - score[i - 1])
    return math.inf


def detection(
    at: Sequence[float], power: Sequence[Estimate], target: float, back: Callable[[float], float], what: str
) -> Estimate:
    """Where a curve of simulated powers reaches `target`.

    Parameters
    ----------
    at : sequence of float
        Increasing; on a scale on which normal scores of the power are nearly straight.
    power : sequence of Estimate
    target : float
    back : callable
        From that scale to the figure's own.
    what : str
        For the reason where it is not reached: "times the rate".

    Returns
    -------
    Estimate
        The interval ends where the curves of the upper and of the lower bounds reach the target.
    """
    n = max(e.n for e in power)
    floor = 0.5 / n
    value, lower, upper = (
        _reaches(at, [getattr(e, name) for e in power], target, floor) for name in ("value", "upper", "lower")
    )
    if not math.isfinite(value):
        side, end = ("more", at[-1]) if value > 0 else ("less", at[0])
        return undetermined(n, f"{side} than {back(end):.3g} {what}")
    low = back(lower) if math.isfinite(lower) else -math.inf
    high = back(upper) if math.isfinite(upper) else math.inf
    confidence = max(e.confidence for e in power if e.confidence < 1.0)
    method = "interpolation of simulated powers in normal scores"
    return Estimate(back(value), math.nan, low, high, confidence, n, float(n), method)


def exact_multiple(way: Way, n: int, tail_prob: float, level: float, target: float) -> Estimate:
    """Smallest multiple of the breach rate, above 1, that a count test finds with power `target`: a root."""
    from scipy.optimize import brentq

    def short(multiple: float) -> float:
        return exact_rejection(way, n, tail_prob, multiple * tail_prob, level) - target

    # above the rate at which the upper side takes over, power only rises
    grid = np.geomspace(1.0, min(100.0, 0.9 / tail_prob), 200)
    found = next((i for i in range(1, grid.size) if short(grid[i]) >= 0.0), None)
    if found is None:
        return undetermined(0, f"more than {grid[-1]:.3g} times the rate")
    return exact(brentq(short, grid[found - 1], grid[found], xtol=1e-10), f"{_ENUMERATED}, root")


def exact_months(
    way: Way, tail_prob: float, multiple: float, level: float, target: float, days_a_month: float
) -> Estimate:
    """Whole months of days after which a count test has power `target` in every later month looked at.

    Power of a count test is a saw: a day more can cost some, so one month that reaches the target is not enough.
    """
    enough = 0
    for month in range(1, MONTHS + 1):
        n = max(1, round(month * days_a_month))
        if exact_rejection(way, n, tail_prob, multiple * tail_prob, level) < target:
            enough = month
    if enough == MONTHS:
        return undetermined(0, f"more than {MONTHS} months")
    return exact(enough + 1.0, f"{_ENUMERATED} of every month")


def some_rejection(size: float, tests: int) -> Estimate:
    """Chance that at least one of independent tests of true `size` rejects."""
    return exact(-math.expm1(tests * math.log1p(-size)), f"{_ENUMERATED}, independent tests")
