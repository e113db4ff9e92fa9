"""Value at risk and expected shortfall of a sample of losses.

VaR is the quantile of the empirical law, inf{x : F_n(x) >= level} (`inverted_cdf`), the ceil(n level)-th smallest loss.
Its interval is a pair of order statistics with exact binomial coverage P(l <= Bin(n, level) <= u - 1), free of any
assumption on the law; where the sample is too short to bound the quantile, the bound is infinite (one-sided at 99 % it
takes 299 losses).  ES weighs the floor(n p) worst losses and a fraction of the next (Acerbi, Tasche 2002); its standard
error is that of the influence function, sd((L - VaR)+) / (p sqrt(n)); its interval holds asymptotically only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtri

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.estimate import Estimate
from riskengine.stats.asymptotic import asymptotic, influence
from riskengine.stats.proportion import check_confidence

_SLACK = 1e-9  # n * level within this of a whole number is one: 0.07 * 100 > 7 in floating point


@dataclass(frozen=True)
class Ranks:
    """Ranks (1 = smallest) of the order-statistic interval of a quantile.

    Attributes
    ----------
    point : int
        Rank of the estimate, ceil(n level).
    lower, upper : int
        Ranks of the bounds; 0 and n + 1 where the sample does not reach.
    coverage : float
        Exact coverage for a continuous law, at least the confidence asked for.
    """

    point: int
    lower: int
    upper: int
    coverage: float


def quantile_rank(n: int, level: float) -> int:
    """Rank (1 = smallest) of the `level` quantile of the empirical law of `n` values."""
    return min(n, max(1, math.ceil(n * level - _SLACK)))


def least_count(n: int, p: float, probability: float) -> int:
    """Smallest k with P(Bin(n, p) <= k) >= probability: the binomial quantile."""
    # the Cornish-Fisher guess is right more often than not: far fewer evaluations than halving all of 0 to n
    z = min(max(float(ndtri(probability)), -40.0), 40.0)
    guess = round(n * p + z * math.sqrt(n * p * (1.0 - p)) + (z * z - 1.0) * (1.0 - 2.0 * p) / 6.0)
    high = min(max(0, guess), n)
    low, step = high - 1, 1
    while low > -1 and bdtr(low, n, p) >= probability:
        low, high, step = max(-1, low - step), low, 2 * step
    while high < n and bdtr(high, n, p) < probability:
        low, high, step = high, min(n, high + step), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        if bdtr(middle, n, p) >= probability:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=4096)
def order_statistic_ranks(n: int, level: float, confidence: float) -> Ranks:
    """Equal-tailed exact ranks for the `level` quantile of `n` independent values."""
    check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    check_confidence(confidence)
    if n < 1:
        raise ValueError(f"losses must hold at least one value, got {n}")
    side = 0.5 * (1.0 - confidence)
    lower = least_count(n, level, side)
    upper = least_count(n, level, 1.0 - side) + 1
    below = float(bdtr(lower - 1, n, level)) if lower > 0 else 0.0
    return Ranks(quantile_rank(n, level), lower, upper, float(bdtr(upper - 1, n, level)) - below)


def order_statistic_bounds(ordered: Floats, levels: Sequence[float], confidence: float) -> tuple[Floats, Floats]:
    """Exact interval of the quantile from sorted lanes.

    Parameters
    ----------
    ordered : ndarray, shape (P, n)
        Each lane in ascending order.
    levels : sequence of float
    confidence : float

    Returns
    -------
    lower, upper : ndarray, shape (len(levels), P)
        Infinite where the sample cannot give them.
    """
    n = ordered.shape[1]
    lower, upper = np.full((2, len(levels), ordered.shape[0]), np.inf)
    lower *= -1.0
    for i, level in enumerate(levels):
        ranks = order_statistic_ranks(n, float(level), confidence)
        if ranks.lower >= 1:
            lower[i] = ordered[:, ranks.lower - 1]
        if ranks.upper <= n:
            upper[i] = ordered[:, ranks.upper - 1]
    return lower, upper


def needed_for_upper_bound(level: float, confidence: float) -> int:
    """Losses for the largest of them to bound the quantile from above: level^n <= 1 - confidence (Wilks 1941)."""
    return math.ceil(math.log(1.0 - confidence) / math.log(level) - _SLACK)


def reaches(n: int, level: float) -> bool:
    """Whether `n` losses have one beyond the quantile at `level` on average: n (1 - level) >= 1."""
    return n * (1.0 - level) >= 1.0 - _SLACK


def too_short(n: int, level: float, confidence: float) -> str:
    """What an order statistic of `n` losses cannot give at `level`, and what it would take; empty if nothing."""
    if not reaches(n, level):
        need = math.ceil(1.0 / (1.0 - level) - _SLACK)
        return f"refused: {n} losses reach level {1 - 1 / n:.5g}, {need} needed at {level:g} without a tail model"
    if order_statistic_ranks(n, level, confidence).upper > n:
        both, one = (needed_for_upper_bound(level, c) for c in (0.5 + 0.5 * confidence, confidence))
        return f"no upper bound from {n} losses: {both} needed, {one} for a one-sided one"
    return ""


def refuse_weights(weight: ArrayLike | None) -> None:
    """Raise ValueError for a weighted sample: order statistics and binomial counts need equal weights."""
    if weight is not None:
        raise ValueError("weight must be None: binomial and order-statistic methods do not hold for weighted samples")


def value_at_risk(
    losses: ArrayLike, levels: Sequence[float], confidence: float = 0.95, weight: ArrayLike | None = None
) -> tuple[Estimate, ...]:
    """VaR at each level from one partition of the sample.

    Parameters
    ----------
    losses : array_like, shape (n,)
        Independent losses, positive when money is lost.
    levels : sequence of float
        For example (0.95, 0.99).
    confidence : float
    weight : None
        Anything else is refused.

    Returns
    -------
    tuple of Estimate
        One per level.  `std_error` is NaN (the method gives an interval); `n_effective` counts the losses at or beyond
        the estimate's rank; `method` states the exact coverage.
    """
    refuse_weights(weight)
    sample = as_floats("losses", losses, 1)
    n = sample.size
    ranks = [order_statistic_ranks(n, float(level), confidence) for level in levels]
    wanted = sorted({r - 1 for rank in ranks for r in (rank.point, rank.lower, rank.upper) if 1 <= r <= n})
    ordered = np.partition(sample, wanted) if wanted else sample

    return quantile_estimates(ordered, 0, ranks, n, confidence)


def quantile_estimates(
    ordered: Floats, first: int, ranks: Sequence[Ranks], n: int, confidence: float
) -> tuple[Estimate, ...]:
    """VaR at each of `ranks` from an array that holds the order statistics asked for, rank `first` + 1 in its front."""

    def at(rank: int) -> float:
        return -math.inf if rank < 1 else math.inf if rank > n else float(ordered[rank - 1 - first])

    return tuple(
        Estimate(
            at(r.point),
            math.nan,
            at(r.lower),
            at(r.upper),
            confidence,
            n,
            float(n - r.point + 1),
            f"order statistics, exact coverage {r.coverage:.4f}",
        )
        for r in ranks
    )


def tail_weights(n: int, level: float) -> tuple[int, float]:
    """Whole number of worst losses in the tail, and the fraction of the next one: n (1 - level) = whole + fraction."""
    size = n * (1.0 - level)
    whole = math.floor(size + _SLACK)
    return whole, max(0.0, size - whole) if size - whole > _SLACK else 0.0


def expected_shortfall(
    losses: ArrayLike, level: float, confidence: float = 0.95, weight: ArrayLike | None = None
) -> Estimate:
    """Mean of the worst n (1 - level) losses, with the influence-function standard error.

    Returns
    -------
    Estimate
        `n_effective` is the number of tail losses n (1 - level).  Below 100 of them the bounds are infinite and
        `method` says why.
    """
    refuse_weights(weight)
    check_confidence(confidence)
    check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    sample = as_floats("losses", losses, 1)
    n = sample.size
    if n < 1:
        raise ValueError("losses must hold at least one value, got none")
    point = quantile_rank(n, level)
    whole, fraction = tail_weights(n, level)
    first = min(point - 1, n - whole - 1 if fraction else n - whole)
    tail = np.sort(np.partition(sample, first)[first:])
    value = mean_of_worst(tail, whole, fraction)
    excess = tail - tail[point - 1 - first]
    excess = excess[excess > 0]
    # influence of a unit: (L - VaR)+ / p; everything at or below the quantile contributes zero
    return asymptotic(value, influence(excess / (1.0 - level), n, hits=whole + fraction), confidence, "tail mean")


def mean_of_worst(ordered: Floats, whole: int, fraction: float) -> float:
    """Mean of the `whole` largest of a sorted tail and a `fraction` of the next."""
    total = float(ordered[ordered.size - whole :].sum()) if whole else 0.0
    if fraction:
        total += fraction * float(ordered[ordered.size - whole - 1])
    return total / (whole + fraction)
