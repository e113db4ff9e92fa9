"""Which loans fall below health 1 on a path, and when first: known ahead where nothing moves prices or balances.

Until its first breach a loan is what it was at the start, and no path is changed by it.  So where prices are given
(no feedback, borrowers who do nothing) a market need not look at a loan before that.  Lanes are taken in groups and
steps in segments; by the lowest and highest price of each token in a group and a segment,

    sum over tokens of max(w, 0) low + min(w, 0) high  >=  0   =>   safe,     w = collateral x threshold - debt,

first over the whole path, then for each segment, and only segments that may hold a breach are walked step by step.
Products and sums are taken in one order throughout and rounding is monotone, so a bound is never above what it bounds,
and the steps found are those of the walk, to the bit.  With interest the bound takes collateral at the segment's start
and debt at its end: indices do not fall.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.jit import kernel, wide_vectors
from riskengine.lending.due import GROUP, LESS, extremes, weigh

# steps of a segment, and loans that walk it together, so that its prices stay in the first cache
SEGMENT = 6
TILE = 32


@dataclass(frozen=True)
class FirstBreaches:
    """First steps at which loans are liquidatable.

    Attributes
    ----------
    wake : ndarray of int32, shape (L, G)
        Of each loan on any lane of each group of `due.GROUP`; the number of steps given where there is none.
    step : ndarray of int16, shape (L, P) or (0, P)
        Of each loan on each lane, likewise, where it was asked for.
    """

    wake: Ints
    step: Ints


def first_breaches(
    collateral: Floats,
    debt: Floats,
    threshold: Floats,
    indices: Floats,
    prices: Floats,
    lanes: bool = True,
    bounded: bool = True,
) -> FirstBreaches:
    """First step at which each loan is liquidatable.

    Parameters
    ----------
    collateral, debt : ndarray, shape (L, R)
        Balances in whole tokens.
    threshold : ndarray, shape (R,)
        Liquidation thresholds.
    indices : ndarray, shape (T, 2, R)
        Supply and borrow indices of each step, not falling.
    prices : ndarray, shape (T, R, P)
        Prices that the protocol sees, USD.
    lanes : bool
        Whether to keep the step of every lane.
    bounded : bool
        False walks every step of every loan: the same answer, for comparison.

    Raises
    ------
    ValueError
        For more than 32,767 steps.
    """
    steps, tokens, count = prices.shape
    if steps > np.iinfo(np.int16).max:
        raise ValueError(f"prices must be given at most at {np.iinfo(np.int16).max} steps, got {steps}")
    groups, segments = -(-count // GROUP), -(-steps // SEGMENT)
    wake = np.full((len(collateral), groups), steps, dtype=np.int32)
    step = np.empty((len(collateral) if lanes else 0, count), dtype=np.int16)
    bounds = np.empty((groups, segments + 1, 2, tokens))
    room = (
        np.empty((2, tokens)), np.empty((TILE, tokens)), np.empty(GROUP), np.empty((TILE, tokens), np.int64),
        np.empty((TILE, GROUP), np.int16), np.empty(TILE, np.int64),
    )  # fmt: skip
    moving = bool((indices[1:] != indices[0]).any())
    search(
        collateral, debt, threshold, indices, moving, np.ascontiguousarray(prices), bounds, bounded, wake, step, *room
    )
    return FirstBreaches(wake, step)


@kernel(inline=True)
def _net(loan, rows, count, collateral, debt, supply, borrow, threshold, out):
    """Weights of a loan's tokens as `find_due` has them, collateral at indices `supply` and debt at `borrow`."""
    for k in range(count):
        r = rows[k]
        held = collateral[loan, r] * supply[r] * threshold[r]
        out[k] = held - debt[loan, r] * borrow[r] * LESS


@kernel(inline=True)
def _bound(count, rows, weight, extreme):
    """Least sum of products of `weight` with prices between ``extreme[0]`` and ``extreme[1]``, in the walk's order."""
    total = 0.0
    for k in range(count):
        product = weight[k] * extreme[0 if weight[k] > 0.0 else 1, rows[k]]
        total = product if k == 0 else total + product
    return total


@kernel(inline=True)
def _envelopes(prices, low, width, out):
    """Lowest and highest prices of lanes from `low` on in every segment and, last, on the whole path; (S + 1, 2, R)."""
    segments = out.shape[0] - 1
    for s in range(segments + 1):
        for r in range(prices.shape[1]):
            out[s, 0, r] = np.inf
            out[s, 1, r] = -np.inf
    for s in range(segments):
        for t in range(s * SEGMENT, min(prices.shape[0], (s + 1) * SEGMENT)):
            extremes(prices[t], low, width, out[s])
        for r in range(prices.shape[1]):
            out[segments, 0, r] = min(out[segments, 0, r], out[s, 0, r])
            out[segments, 1, r] = max(out[segments, 1, r], out[s, 1, r])


@kernel
def search(
    collateral, debt, threshold, indices, moving, prices, bounds, bounded, wake, step, weight, fixed, surplus, rows,
    met, count,
):  # fmt: skip
    """Fill `wake` and, unless it is empty, `step`; the arrays from `weight` on are room to work in.

    `bounds` (G, S + 1, 2, R) receives the envelope of every segment and, last, that of the whole path.
    """
    wide_vectors()
    steps, tokens, lanes = prices.shape
    segments = bounds.shape[1] - 1
    for g in range(bounds.shape[0]):
        low = g * GROUP
        width = min(lanes, low + GROUP) - low
        _envelopes(prices, low, width, bounds[g])
        for start in range(0, collateral.shape[0], TILE):
            tile = min(collateral.shape[0] - start, TILE)
            for i in range(tile):
                loan = start + i
                count[i] = 0
                for r in range(tokens):
                    if collateral[loan, r] * threshold[r] != 0.0 or debt[loan, r] != 0.0:
                        rows[i, count[i]] = r
                        count[i] += 1
                if count[i] > 0:
                    own = fixed[i]
                    _net(
                        loan, rows[i], count[i], collateral, debt, indices[0, 0], indices[steps - 1, 1], threshold, own
                    )
                    if bounded and _bound(count[i], rows[i], own, bounds[g, segments]) >= 0.0:
                        count[i] = 0
                if count[i] > 0 and step.shape[0] > 0:
                    for p in range(width):
                        met[i, p] = np.int16(steps)
            # with the step of every lane backwards, so that the last one noted is the first; else up to the first
            back = step.shape[0] > 0
            for j in range(segments):
                s = segments - 1 - j if back else j
                first, last = s * SEGMENT, min(steps, (s + 1) * SEGMENT)
                for i in range(tile):
                    loan = start + i
                    if count[i] == 0 or (not back and wake[loan, g] < steps):
                        continue
                    n, own, at = count[i], fixed[i], rows[i]
                    if moving:
                        own = weight[0]
                        _net(loan, at, n, collateral, debt, indices[first, 0], indices[last - 1, 1], threshold, own)
                    if bounded and _bound(n, at, own, bounds[g, s]) >= 0.0:
                        continue
                    for k in range(last - first):
                        t = last - 1 - k if back else first + k
                        if moving:
                            own = weight[1]
                            _net(loan, at, n, collateral, debt, indices[t, 0], indices[t, 1], threshold, own)
                        if weigh(n, at, own, prices[t], low, width, surplus) > 0:
                            wake[loan, g] = min(wake[loan, g], t)
                            if back:
                                found, now = met[i], np.int16(t)
                                for p in range(width):
                                    found[p] = now if surplus[p] < 0.0 else found[p]
            if back:
                for i in range(tile):
                    out = step[start + i, low : low + width]
                    found = met[i]
                    for p in range(width):
                        out[p] = found[p] if count[i] > 0 else np.int16(steps)
