"""Kernels of tilted sampling: shift normals, stretch jump clocks, move jump sizes, and the likelihood of a mixture.

Path kernels hold one row per tilted quantity and lane, in the order of `riskengine.scenario.proposal.TiltSpace`:
normals, clocks, sizes.  Beside each row of shifts stands a row of sufficient statistics (sums of normals, arrivals,
sums of standardised sizes), which is all that the likelihood of any other tilt needs.  Where counts of arrivals are
given, a row for each clock comes after the sizes.  A plain run passes None.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.vecmath import exp, fma, log


@kernel
def load_lanes(rows, source, base, statistics):
    """Copy lanes ``base`` on of `source` (K, P) into `rows` (K, LANES), the last one repeated; clear `statistics`."""
    last = source.shape[1] - 1
    for k in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[k, i] = source[k, min(base + i, last)]
    statistics[:] = 0.0


@kernel
def shift_normals(z, shift, total):
    """Add the shift of each lane to its normal, and the shifted normal to its sum."""
    wide_vectors()
    for i in range(shift.size):
        value = z[i] + shift[i]
        z[i] = value
        total[i] += value


@kernel(inline=True)
def tilted_time(start, plain, multiplier, until):
    """Arrival time of a clock whose rate is `multiplier` times as large before `until`.

    `plain` is the arrival under the plain rate after `start`: the same exponential is spent at another speed.
    """
    wait = plain - start
    room = max(until - start, 0.0)
    spent = room * multiplier
    return start + wait / multiplier if wait <= spent else start + room + (wait - spent)


@kernel(inline=True)
def given_time(start, plain, rate, left, until):
    """Arrival time of a clock of which `left` more arrivals are known to fall between `start` and `until`.

    The first of k uniforms on an interval leaves U^(1/k) of it, and the exponential of the plain wait is -log U.  After
    the last of them the clock starts anew at `until`.
    """
    wait = plain - start
    inside = until - (until - start) * exp(-wait * rate / max(left, 1.0))
    return min(inside, until * (1.0 - 2.0**-52)) if left > 0.0 else until + wait


@kernel
def tilt_first_times(position, multiplier, until):
    """Turn plain first arrivals of a clock (LANES,) into tilted ones."""
    for i in range(position.size):
        position[i] = tilted_time(0.0, position[i], multiplier[i], until)


@kernel
def give_first_times(position, given, rate, until):
    """Turn plain first arrivals of a clock (LANES,) into those of `given` arrivals before `until`; -1 is no number."""
    for i in range(position.size):
        position[i] = position[i] if given[i] < 0.0 else given_time(0.0, position[i], rate, given[i], until)


@kernel
def tilt_times(later, time, lane, n, multiplier, until):
    """Turn the plain next arrivals of `n` listed lanes into tilted ones."""
    for i in range(n):
        later[i] = tilted_time(time[i], later[i], multiplier[lane[i]], until)


@kernel
def give_times(later, time, lane, number, n, given, rate, until):
    """Turn the plain next arrivals of `n` listed lanes, after ``number`` ones, into those of a given count."""
    for i in range(n):
        total = given[lane[i]]
        if total >= 0.0:
            # beyond `until` the clock is the plain one
            left = total - number[i] if time[i] < until else -1.0
            later[i] = later[i] if left < 0.0 else given_time(time[i], later[i], rate, left, until)


@kernel
def count_arrivals(time, lane, n, until, arrivals):
    """Count the arrivals before `until` of `n` listed lanes."""
    for i in range(n):
        if time[i] < until:
            arrivals[lane[i]] += 1.0


@kernel
def tilt_sizes(z, time, lane, n, low, high, until, shift, arrivals, total):
    """Move the standardised sizes (A, ROOM) of the arrivals before `until`, count them and sum their sizes.

    Parameters
    ----------
    z, time, lane, n
        Sizes, arrival times and lanes of `n` arrivals of one clock.
    low, high : int
        The clock moves assets ``low`` to ``high - 1``.
    until : float
        In steps.
    shift, total : ndarray, shape (A, LANES)
        Shift of each standardised size, and its sum so far.
    arrivals : ndarray, shape (LANES,)
        Arrivals so far.
    """
    for i in range(n):
        if time[i] < until:
            k = lane[i]
            arrivals[k] += 1.0
            for j in range(low, high):
                z[j, i] += shift[j, k]
                total[j, k] += z[j, i]


@kernel(scratch=True)
def mixture_log_weight(out, statistics, slope, offset, share, total, low, high):
    """log of plain density over mixture density of each path: -log sum_c share_c exp(slope_c . statistics - offset_c).

    The sum is over the components that can have drawn the path: `total` between `low` and `high`.

    Parameters
    ----------
    out : ndarray, shape (P,)
        Written.
    statistics : ndarray, shape (K, P)
    slope : ndarray, shape (C, K)
    offset, share : ndarray, shape (C,)
    total : ndarray, shape (P,)
        Arrivals of all clocks.
    low, high : ndarray, shape (C,)
    """
    wide_vectors()
    components = share.size
    value = np.empty((components, out.size))
    for c in range(components):
        for i in range(out.size):
            value[c, i] = -offset[c] if low[c] <= total[i] <= high[c] else -1e300
        for k in range(statistics.shape[0]):
            weight = slope[c, k]
            if weight != 0.0:
                for i in range(out.size):
                    value[c, i] = fma(weight, statistics[k, i], value[c, i])
    for i in range(out.size):
        largest = value[0, i]
        for c in range(1, components):
            largest = max(largest, value[c, i])
        total = 0.0
        for c in range(components):
            total += share[c] * exp(max(value[c, i] - largest, -700.0))
        out[i] = -(largest + log(total))
