"""VaR and ES of the empirical law of sorted, possibly weighted, lanes: what the sample itself says about its tail.

VaR is the smallest loss with cumulative weight >= level (`inverted_cdf`) or a stated order statistic, ES the mean of
the worst share p = 1 - level of the weight.  The interval of VaR is the exact pair of order statistics, that of ES the
normal one with the influence-function error sqrt(sum w^2 (e - mean)^2), e = (L - VaR)+ / p, refused below 100 losses in
the tail.  With unequal weights n is the effective number 1 / sum w^2 and the pair holds only approximately.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from riskengine.arrays import Floats
from riskengine.estimator.tails import Tail, bounded
from riskengine.stats.asymptotic import MINIMUM_TAIL_HITS
from riskengine.stats.quantile import order_statistic_bounds, order_statistic_ranks, quantile_rank, too_short


def with_enough_hits(es: Tail, hits: Floats, reason: Callable[[int, int], str]) -> Tail:
    """`es` with its bounds withheld where it has fewer than 100 losses in the tail, as `asymptotic` does.

    Parameters
    ----------
    es : Tail
    hits : ndarray, broadcast to (L, P)
        Effective losses in the tail.
    reason : callable
        Other reasons, which come first.
    """
    hits = np.broadcast_to(hits, es.value.shape)
    few = hits < MINIMUM_TAIL_HITS

    def why(level: int, lane: int) -> str:
        first = reason(level, lane)
        if first.startswith("refused") or not few[level, lane]:
            return first if first.startswith("refused") else ""
        return f"interval refused: {hits[level, lane]:.4g} effective hits, {MINIMUM_TAIL_HITS} needed"

    lower, upper = np.where(few, -np.inf, es.lower), np.where(few, np.inf, es.upper)
    return replace(es, lower=lower, upper=upper, effective=hits, reason=why)


class TailMean(NamedTuple):
    """Mean of the worst share of sorted lanes, with the moments of its influence function; each (levels, P)."""

    value: Floats
    error: Floats
    skewness: Floats
    concentration: Floats


def tail_mean(ordered: Floats, levels: Floats) -> TailMean:
    """Mean of the worst share 1 - level of every lane.

    Parameters
    ----------
    ordered : ndarray, shape (P, n)
        Each lane in ascending order.
    levels : ndarray, shape (L,)
    """
    n = ordered.shape[1]
    out = np.empty((4, levels.size, ordered.shape[0]))
    for i, level in enumerate(levels):
        p, rank = 1.0 - float(level), quantile_rank(n, float(level))
        var = ordered[:, rank - 1]
        # losses at or below the quantile contribute nothing
        excess = ordered[:, rank:] - var[:, None]
        largest = excess[:, -1] if rank < n else np.zeros(var.size)
        unit = excess / np.where(largest > 0.0, largest, 1.0)[:, None]  # powers of tiny amounts stay representable
        total, squares = unit.sum(axis=1), np.square(unit).sum(axis=1)
        mean = total / n
        away = unit - mean[:, None]
        second = (np.square(away).sum(axis=1) + rank * mean**2) / n
        third = ((away**3).sum(axis=1) - rank * mean**3) / n
        out[0, i] = var + largest * mean / p
        out[1, i] = largest * np.sqrt(second / max(1, n - 1)) / p
        some = second > 1e-24
        out[2, i] = np.where(some, third / np.where(some, second, 1.0) ** 1.5, 0.0)
        out[3, i] = total**2 / np.where(squares > 0.0, squares, 1.0)
    return TailMean(*out)


def empirical_tails(
    ordered: Floats,
    levels: Floats,
    confidence: float,
    method: str,
    rank: Callable[[int, float], int] = quantile_rank,
    shortage: Callable[[int, float], str] | None = None,
) -> tuple[Tail, Tail]:
    """(VaR, ES) of sorted lanes of equal weight.

    Parameters
    ----------
    ordered : ndarray, shape (P, n)
    levels : ndarray, shape (L,)
    confidence : float
    method : str
    rank : callable
        Order statistic of VaR from n and the level; beyond n for none (VaR infinite, ES NaN).
    shortage : callable, optional
        Why n losses are too few for a level, for a `rank` with its own rule.
    """
    lanes, n = ordered.shape
    value = np.empty((levels.size, lanes))
    es, error, _, _ = tail_mean(ordered, levels)
    for i, level in enumerate(levels):
        r = rank(n, float(level))
        if r > n:
            value[i], es[i], error[i] = np.inf, np.nan, np.nan
            continue
        value[i] = ordered[:, r - 1]
        es[i] = np.maximum(es[i], value[i])
    lower, upper = order_statistic_bounds(ordered, levels, confidence)

    def reason(level: int, _lane: int) -> str:
        short = too_short(n, float(levels[level]), confidence)
        if shortage is None:
            return short
        return shortage(n, float(levels[level])) or ("" if short.startswith("refused") else short)

    hits = (n * (1 - levels))[:, None]
    nothing = np.full_like(value, np.nan)
    bounds = np.minimum(lower, value), np.maximum(upper, value)
    return (
        Tail(value, nothing, *bounds, hits, f"{method}, order statistics", reason),
        with_enough_hits(bounded(es, error, confidence, hits, f"{method}, clt"), hits, reason),
    )


def weighted_tails(
    ordered: Floats, weight: Floats, levels: Floats, confidence: float, method: str
) -> tuple[Tail, Tail]:
    """(VaR, ES) of sorted lanes with weights of their own.

    Parameters
    ----------
    ordered, weight : ndarray, shape (P, n)
        Losses in ascending order and their weights, which add to 1 on every lane and are the same numbers in another
        order on each.
    levels : ndarray, shape (L,)
    confidence : float
    method : str
    """
    effective = 1.0 / float(np.square(weight[0]).sum())
    count = max(1, int(effective + 1e-9))
    below = np.cumsum(weight, axis=1)

    def at(level: float) -> Floats:
        index = np.minimum((below < level - 1e-12).sum(axis=1), ordered.shape[1] - 1)
        return np.take_along_axis(ordered, index[:, None], axis=1)[:, 0]

    value, es, error = np.empty((3, levels.size, ordered.shape[0]))
    lower, upper = np.full((2, levels.size, ordered.shape[0]), np.inf)
    lower *= -1.0
    for i, level in enumerate(levels):
        p = 1.0 - float(level)
        value[i] = at(float(level))
        excess = np.maximum(ordered - value[i][:, None], 0.0)
        mean = (weight * excess).sum(axis=1)
        es[i] = value[i] + mean / p
        error[i] = np.sqrt(np.square(weight * (excess - mean[:, None])).sum(axis=1)) / p
        ranks = order_statistic_ranks(count, float(level), confidence)
        if ranks.lower >= 1:
            lower[i] = np.minimum(at(ranks.lower / count), value[i])
        if ranks.upper <= count:
            upper[i] = np.maximum(at(ranks.upper / count), value[i])

    def reason(level: int, _lane: int) -> str:
        found = too_short(count, float(levels[level]), confidence)
        return found.replace(" losses", " effective losses", 1)

    hits = (effective * (1 - levels))[:, None]
    nothing = np.full_like(value, np.nan)
    return (
        Tail(value, nothing, lower, upper, hits, f"{method}, order statistics of {effective:.4g} effective", reason),
        with_enough_hits(bounded(es, error, confidence, hits, f"{method}, clt"), hits, reason),
    )
