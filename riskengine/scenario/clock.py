"""Jump times by one exponential clock per path, scattered into a buffer of steps x assets x lanes.

A uniform per step asks every step of every path whether it jumps; a clock draws only as often as there are jumps.
Arrival n of a path is a pure function of (path, n): its waiting time is -log(U) / intensity, so another intensity
moves that path's arrivals closer or further and touches no other draw.  The law is exact for any step length.

A size is a monotone function of a standard normal: m + s z is a normal size (Merton), Q(N(z)) with the quantile Q of
the double-exponential law is Kou's.  Which of the two is compiled in follows from the number of axes of the array of
size parameters, so neither pays for the other.  Sizes of one common arrival mix their normals: a Gaussian copula.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import fill_words
from riskengine.random import scattered_words as _words
from riskengine.scenario.lanes import mix_lanes
from riskengine.scenario.superpose import superpose_jumps
from riskengine.scenario.tilting import (
    count_arrivals,
    give_first_times,
    give_times,
    tilt_first_times,
    tilt_sizes,
    tilt_times,
)
from riskengine.vecmath import fma, log, normal_cdf, root, sincos_turn, uniform

LANES = 512  # paths handled together: a chunk's arrays stay in the first-level cache
WINDOW = 16  # steps whose jumps are scattered at once: 64 KB per asset
_BATCH = 16  # arrivals are drawn in whole batches of two wide vectors
ROOM = LANES + _BATCH
# columns of double-exponential sizes: down where N(z) < SPLIT; log of N(z) / q and of N(-z) / p, times 1/rate
SPLIT, PER_DOWN, PER_UP, REACH_DOWN, REACH_UP = range(5)


@kernel
def _normals(a, b, z, n):
    wide_vectors()
    for i in range(n):
        _, c = sincos_turn(uniform(b[i]))
        z[i] = root(-2.0 * log(uniform(a[i]))) * c


@kernel
def _advance(a, time, start, n, inverse_rate):
    wide_vectors()
    for i in range(n):
        time[i] = fma(-log(uniform(a[i])), inverse_rate, start[i])


@kernel
def _double_exponential(z, n, c):
    """Replace normals by log jumps of the double-exponential law with columns ``c`` (5,): its quantile at N(z)."""
    wide_vectors()
    for i in range(n):
        # the smaller of the two tails keeps its digits
        tail = normal_cdf(-abs(z[i]))
        below = tail if z[i] < 0.0 else 1.0 - tail
        above = 1.0 - tail if z[i] < 0.0 else tail
        down = below < c[SPLIT]
        share = below * c[PER_DOWN] if down else above * c[PER_UP]
        z[i] = log(share) * (c[REACH_DOWN] if down else -c[REACH_UP])


@kernel
def _scatter(
    buffer, position, arrivals, start, limit, inverse_rate, size, mix, low, high, first_path, purpose, sizes, asset,
    k0, k1, whole, real, words, common=False, purposes=None, marks=None, clock=0, tilt=None, statistics=None, until=0.0,
):  # fmt: skip
    """Add the jumps of one clock before each lane's ``limit`` (LANES,) for assets ``low`` to ``high - 1``."""
    lane, number = whole[0], whole[1]
    time, later, z = real[0], real[1], real[2:]
    a, b = words[0], words[1]
    last = buffer.shape[0] - 1
    one, none = np.uint64(1), np.uint64(0)
    # unsigned indices: a signed one is tested for Python's counting from the end
    n = none
    for i in range(LANES):
        lane[n] = i
        n += one if position[i] < limit[i] else none
    left = np.int64(n)
    for i in range(left):
        k = np.uint64(lane[i])
        number[i] = arrivals[k]
        time[i] = position[k]
    while left > 0:
        # whole batches: what lies beyond `left` is drawn and not used, which is cheaper than a scalar remainder
        full = (left + _BATCH - 1) // _BATCH * _BATCH
        for i in range(left, full):
            lane[i] = 0
            number[i] = 0
            time[i] = 0.0
        if marks is not None:
            superpose_jumps(
                buffer, first_path, lane, number, time, left, full, start, size, mix, low, high, sizes,
                purposes[6 if common else 5], common, k0, k1, z, words, marks,
            )  # fmt: skip
            if tilt is not None:
                count_arrivals(time, lane, left, until, statistics[clock])
        else:
            for j in range(low, high):
                _words(a, b, first_path, lane, number, full, sizes, j, k0, k1)
                _normals(a, b, z[j], full)
            if tilt is not None:
                first = 1 + size.shape[0] * (1 if clock == 0 else 2)  # row of the shifts of its sizes
                tilt_sizes(z, time, lane, left, low, high, until, tilt[first:], statistics[clock], statistics[first:])
            if size.ndim == 1:
                for j in range(low, high):
                    for i in range(left):
                        jump = size[j]
                        for m in range(low, j + 1):
                            jump += mix[j, m] * z[m, i]
                        row = min(np.int64(time[i]) - start, last)
                        buffer[np.uint64(row), np.uint64(j), np.uint64(lane[i])] += jump
            else:
                mix_lanes(z[low:high, :full], mix[low:high, low:high])
                for j in range(low, high):
                    _double_exponential(z[j], full, size[j])
                    for i in range(left):
                        row = min(np.int64(time[i]) - start, last)
                        buffer[np.uint64(row), np.uint64(j), np.uint64(lane[i])] += z[j, i]
        for i in range(full):
            number[i] += 1
        _words(a, b, first_path, lane, number, full, purpose, asset, k0, k1)
        _advance(a, later, time, full, inverse_rate)
        if tilt is not None:
            tilt_times(later, time, lane, left, tilt[clock], until)
            if tilt.shape[0] > statistics.shape[0]:
                given = tilt[statistics.shape[0] + clock]
                give_times(later, time, lane, number, left, given, 1.0 / inverse_rate, until)
        kept = none
        for i in range(left):
            k = np.uint64(lane[i])
            t = later[i]
            position[k] = t
            arrivals[k] = number[i]
            lane[kept] = lane[i]
            number[kept] = number[i]
            time[kept] = t
            kept += one if t < limit[k] else none
        left = np.int64(kept)


@kernel(inline=True)
def any_jumps(rate):
    """Whether any clock rings."""
    found = False
    for c in range(rate.size):
        found = found or rate[c] > 0.0
    return found


@kernel
def start_clocks(position, arrivals, rate, first_path, purposes, k0, k1, words, tilt=None, until=0.0):
    """Time of the first arrival of each clock and lane, in steps.

    Parameters
    ----------
    position : ndarray, shape (1 + A, LANES)
        Written: time of the next arrival, in steps.
    arrivals : ndarray of int, shape (1 + A, LANES)
        Written: number of arrivals so far.
    rate : ndarray, shape (1 + A,)
        Arrivals per step: the common clock, then each asset's own; 0 for a clock that never rings.
    first_path : int
        Path of lane 0.
    purposes : ndarray of int, shape (7,)
        Purposes of diffusion; of own time, own size, common time, common size; of own and common variance jump.
    words : ndarray of uint64, shape (2, ROOM)
        Scratch.
    tilt : ndarray, shape (1 + 3 A, LANES) or (2 + 4 A, LANES), or None
        Factor on each clock's rate, shifts of the common and the own sizes, and, where counts are given, the arrivals
        of each clock before ``until`` (-1: not given); None where sampling is plain.
    until : float
        Step up to which tilts act.
    """
    for c in range(rate.size):
        if rate[c] > 0.0:
            purpose = purposes[3] if c == 0 else purposes[1]
            fill_words(words[0, :LANES], words[1, :LANES], first_path, 0, purpose, max(c - 1, 0), k0, k1)
            position[c] = 0.0
            _advance(words[0], position[c], position[c], LANES, 1.0 / rate[c])
            if tilt is not None:
                tilt_first_times(position[c], tilt[c], until)
                if tilt.shape[0] > 3 * rate.size - 2:
                    give_first_times(position[c], tilt[3 * rate.size - 2 + c], rate[c], until)
            arrivals[c] = 0


@kernel
def fill_until(
    buffer, position, arrivals, start, limit, rate, size, mix, first_path, purposes, k0, k1, whole, real, words,
    marks=None, tilt=None, statistics=None, until=0.0,
):  # fmt: skip
    """Sum of log jumps of each lane from time ``start`` to its own ``limit``; advances the clocks.

    Parameters
    ----------
    buffer : ndarray, shape (steps, A, LANES)
        Written: sum of log jumps in each unit of time from ``start`` on; the last row takes all that is left.  With
        `marks` (steps, 3 A, LANES), as `superpose_jumps` writes it.
    position, arrivals, rate, first_path, purposes
        As in `start_clocks`.
    start : int
    limit : ndarray, shape (LANES,)
        Time up to which each lane is filled.
    size : ndarray, shape (2, A) or (2, A, 5)
        Sizes of the common and the own component: means of normal log jumps, or, with a third axis, the columns
        ``SPLIT`` to ``REACH_UP`` of double-exponential ones.
    mix : ndarray, shape (2, A, A)
        Lower-triangular factor from independent normals to those that make the sizes, likewise.
    whole, real, words : ndarray of int64 (2, ROOM), of float64 (2 + A, ROOM), of uint64 (2, ROOM)
        Scratch; with `marks` float64 is (7 + 2 A, ROOM).
    marks : tuple of ndarray, or None
        What jumps do to variance, as in `riskengine.scenario.superpose`; None where they move prices alone.
    tilt, until
        As in `start_clocks`; with `marks` no size is shifted.
    statistics : ndarray, shape (1 + 3 A, LANES)
        Written: arrivals of each clock and sums of standardised sizes, up to ``until``; with `marks` arrivals alone.
    """
    buffer[:] = 0.0
    assets = size.shape[1]
    for c in range(rate.size):
        if rate[c] > 0.0:
            common = c == 0
            _scatter(
                buffer, position[c], arrivals[c], start, limit, 1.0 / rate[c],
                size[0 if common else 1], mix[0 if common else 1], max(c - 1, 0), assets if common else c,
                first_path, purposes[3 if common else 1], purposes[4 if common else 2], max(c - 1, 0),
                k0, k1, whole, real, words, common, purposes, marks, c, tilt, statistics, until,
            )  # fmt: skip


@kernel(scratch=True)
def fill_jumps(
    buffer, position, arrivals, start, stop, rate, size, mix, first_path, purposes, k0, k1, whole, real, words,
    marks=None, tilt=None, statistics=None, until=0.0,
):  # fmt: skip
    """Sum of log jumps of every lane in steps ``start`` to ``stop - 1``, at most WINDOW; else as `fill_until`."""
    limit = np.full(LANES, np.float64(stop))
    fill_until(
        buffer, position, arrivals, start, limit, rate, size, mix, first_path, purposes, k0, k1, whole, real, words,
        marks, tilt, statistics, until,
    )  # fmt: skip
