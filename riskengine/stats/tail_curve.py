"""VaR and expected shortfall at many levels, with their intervals, from one sorted tail.

`riskengine.stats.quantile` partitions the sample for each figure and sums each tail anew.  Here the tail of the lowest
level is cut out and sorted once.  The interval of ES asks for the first three moments of the excess at each level;
tails are nested, so central moments of the stretches between successive levels are merged from the deepest on,

    M2 = M2a + M2b + d^2 na nb / n,
    M3 = M3a + M3b + d^3 na nb (na - nb) / n^2 + 3 d (na M2b - nb M2a) / n,    d = mean_b - mean_a,

and then with the losses short of the level, whose excess is zero.  Central moments are merged rather than powers
summed, because differences of sums of powers lose all digits where a tail is narrow and far out.

Reference: Chan, Golub, LeVeque, American Statistician 37 (1983), 242-247; third moment: Pebay, Sandia report
SAND2008-6212 (2008).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats
from riskengine.estimate import Estimate
from riskengine.jit import kernel
from riskengine.stats.asymptotic import Influence, asymptotic
from riskengine.stats.quantile import (
    mean_of_worst,
    order_statistic_ranks,
    quantile_estimates,
    refuse_weights,
    tail_weights,
)

_PROBE = 4096  # losses that say roughly where a tail begins

Moments = tuple[int, float, float, float]  # count, mean, sums of squares and of cubes about it


def tail_curve(
    losses: ArrayLike, levels: Sequence[float], confidence: float = 0.95, weight: ArrayLike | None = None
) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...]]:
    """VaR and ES at every level.

    Parameters
    ----------
    losses : array_like, shape (n,)
        Independent losses, positive when money is lost.
    levels : sequence of float
        In any order.
    confidence : float
    weight : None
        Anything else is refused.

    Returns
    -------
    var, es : tuple of Estimate
        One per level: what `value_at_risk` gives, to the bit, and what `expected_shortfall` gives, the value to the
        bit and its error and bounds to rounding.
    """
    refuse_weights(weight)
    sample = as_floats("losses", losses, 1)
    n = sample.size
    ranks = [order_statistic_ranks(n, float(level), confidence) for level in levels]
    if not ranks:
        return (), ()
    sizes = [tail_weights(n, float(level)) for level in levels]
    lowest = min(min(max(r.lower, 1), r.point) for r in ranks)
    first = max(0, min(lowest - 1, n - 1 - max(whole for whole, _ in sizes)))
    tail = _sorted_tail(sample, first)
    starts = [r.point - 1 - first for r in ranks]
    excess = _excess_moments(tail, sorted(set(starts)))
    shortfalls = []
    for level, start, (whole, fraction) in zip(levels, starts, sizes, strict=True):
        largest = float(tail[-1] - tail[start]) / (1.0 - float(level))
        found = _influence(excess[start], largest, n, whole + fraction)
        shortfalls.append(asymptotic(mean_of_worst(tail, whole, fraction), found, confidence, "tail mean"))
    return quantile_estimates(tail, first, ranks, n, confidence), tuple(shortfalls)


@kernel
def _copy_above(x, threshold, out):
    """Copy what lies above `threshold` to the front of ``out``, one longer than ``x``; returns how many."""
    kept, one, none = np.uint64(0), np.uint64(1), np.uint64(0)
    for i in range(x.size):
        # written either way: a branch would be mispredicted at every loss of the tail
        out[kept] = x[i]
        kept += one if x[i] > threshold else none
    return np.int64(kept)


def _sorted_tail(sample: Floats, first: int) -> Floats:
    """``np.sort(sample)[first:]``; a long sample is cut above a value that a probe says lies short of the tail."""
    n, wanted = sample.size, sample.size - first
    if n >= 16 * _PROBE and 4 * wanted < n:
        probe = np.sort(sample[:: n // _PROBE])
        hits = wanted / n * probe.size
        threshold = probe[probe.size - 1 - math.ceil(hits + 5.0 * math.sqrt(hits))]
        room = np.empty(n + 1)
        kept = _copy_above(sample, threshold, room)
        # a probe can mislead where losses are periodic
        if kept >= wanted:
            sample, first = room[:kept], kept - wanted
    return np.sort(np.partition(sample, first)[first:])


def _excess_moments(tail: Floats, starts: list[int]) -> dict[int, Moments]:
    """`Moments` of the excess of ``tail[start:]`` over its first value, in units of the largest excess.

    For each of the increasing `starts`; all zero where the tail is one value.
    """
    wide = tail[starts[0] :]
    wide = (wide - wide[0]) / (float(wide[-1] - wide[0]) or 1.0)  # powers of tiny or huge amounts stay representable
    cut = np.array(starts) - starts[0]
    length = np.diff(cut, append=wide.size)
    mean = np.add.reduceat(wide, cut) / length
    deviation = wide - np.repeat(mean, length)
    square = deviation * deviation
    second, third = np.add.reduceat(square, cut), np.add.reduceat(square * deviation, cut)
    stretches = zip(starts, cut.tolist(), length.tolist(), mean.tolist(), second.tolist(), third.tolist(), strict=True)
    out: dict[int, Moments] = {}
    merged: Moments = (0, 0.0, 0.0, 0.0)
    for start, position, *stretch in reversed(list(stretches)):
        merged = _merge(merged, tuple(stretch))
        count, centre, squares, cubes = merged
        base, top = float(wide[position]), float(wide[-1] - wide[position]) or 1.0
        out[start] = count, (centre - base) / top, squares / top**2, cubes / top**3
    return out


def _influence(excess: Moments, largest: float, n: int, hits: float) -> Influence:
    """Moments of the contributions (L - VaR)+ / p, the largest of which is `largest`, of all n losses."""
    count, mean, squares, _ = excess
    if mean <= 0.0:
        return Influence(n, hits, 0.0, 0.0, 0.0)
    concentration = (count * mean) ** 2 / (squares + count * mean * mean)
    _, _, second, third = _merge(excess, (n - count, 0.0, 0.0, 0.0))
    second, third = second / n, third / n
    error = largest * math.sqrt(second / max(1, n - 1))
    return Influence(n, hits, concentration, error, third / second**1.5 if second > 1e-24 else 0.0)


def _merge(a: Moments, b: Moments) -> Moments:
    """`Moments` of two samples together."""
    (na, mean, a2, a3), (nb, other, b2, b3) = a, b
    n, d = na + nb, other - mean
    share = na * nb / n
    return (
        n,
        mean + d * nb / n,
        a2 + b2 + d * d * share,
        a3 + b3 + d**3 * share * (na - nb) / n + 3.0 * d * (na * b2 - nb * a2) / n,
    )
