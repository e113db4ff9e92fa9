"""Jump times by one exponential clock per path, scattered into a buffer of steps x assets x lanes.

A uniform per step asks every step of every path whether it jumps; a clock draws only as often as there are jumps.
Arrival n of a path is a pure function of (path, n): its waiting time is -log(U) / intensity, so another intensity
moves that path's arrivals closer or further and touches no other draw.  The law is exact for any step length.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import draw, fill_words
from riskengine.scenario.tilting import tilt_first_times, tilt_sizes, tilt_times
from riskengine.vecmath import fma, log, root, sincos_turn, uniform

LANES = 256  # paths handled together: a chunk's arrays stay in the first-level cache
WINDOW = 16  # steps whose jumps are scattered at once: 16 KB per asset
_BATCH = 16  # arrivals are drawn in whole batches of two wide vectors
ROOM = LANES + _BATCH


@kernel
def _words(a, b, path, number, n, purpose, asset, k0, k1):
    wide_vectors()
    for i in range(n):
        a[i], b[i] = draw(path[i], number[i], purpose, asset, k0, k1)


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
def _scatter(
    buffer, position, arrivals, start, stop, inverse_rate, mean, mix, low, high, first_path, purpose, sizes, asset,
    k0, k1, whole, real, words, clock, tilt, statistics, until,
):  # fmt: skip
    """Add the jumps of one clock in steps ``start`` to ``stop - 1`` for assets ``low`` to ``high - 1``."""
    lane, path, number = whole[0], whole[1], whole[2]
    time, later, z = real[0], real[1], real[2:]
    a, b = words[0], words[1]
    limit = np.float64(stop)
    one, none = np.uint64(1), np.uint64(0)
    # unsigned indices: a signed one is tested for Python's counting from the end
    n = none
    for i in range(LANES):
        lane[n] = i
        path[n] = first_path + i
        number[n] = arrivals[i]
        time[n] = position[i]
        n += one if position[i] < limit else none
    left = np.int64(n)
    while left > 0:
        # whole batches: what lies beyond `left` is drawn and not used, which is cheaper than a scalar remainder
        full = (left + _BATCH - 1) // _BATCH * _BATCH
        for i in range(left, full):
            path[i] = first_path
            number[i] = 0
            time[i] = 0.0
        for j in range(low, high):
            _words(a, b, path, number, full, sizes, j, k0, k1)
            _normals(a, b, z[j], full)
        if tilt is not None:
            row = 1 + buffer.shape[1] * (1 if clock == 0 else 2)  # of the shifts of its sizes
            tilt_sizes(z, time, lane, left, low, high, until, tilt[row:], statistics[clock], statistics[row:])
        for j in range(low, high):
            for i in range(left):
                jump = mean[j]
                for m in range(low, j + 1):
                    jump += mix[j, m] * z[m, i]
                buffer[np.uint64(np.int64(time[i]) - start), np.uint64(j), np.uint64(lane[i])] += jump
        for i in range(full):
            number[i] += 1
        _words(a, b, path, number, full, purpose, asset, k0, k1)
        _advance(a, later, time, full, inverse_rate)
        if tilt is not None:
            tilt_times(later, time, lane, left, tilt[clock], until)
        kept = none
        for i in range(left):
            k = np.uint64(lane[i])
            t = later[i]
            position[k] = t
            arrivals[k] = number[i]
            lane[kept] = lane[i]
            path[kept] = path[i]
            number[kept] = number[i]
            time[kept] = t
            kept += one if t < limit else none
        left = np.int64(kept)


@kernel(inline=True)
def any_jumps(rate):
    """Whether any clock rings."""
    found = False
    for c in range(rate.size):
        found = found or rate[c] > 0.0
    return found


@kernel
def start_clocks(position, arrivals, rate, first_path, purposes, k0, k1, words, tilt, until):
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
    purposes : ndarray of int, shape (5,)
        Purposes of diffusion, own time, own size, common time and common size.
    words : ndarray of uint64, shape (2, ROOM)
        Scratch.
    tilt : ndarray, shape (1 + 3 A, LANES), or None
        Factor on each clock's rate, then shifts of the common and the own sizes; None where sampling is plain.
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
            arrivals[c] = 0


@kernel
def fill_jumps(
    buffer, position, arrivals, start, stop, rate, mean, mix, first_path, purposes, k0, k1, whole, real, words,
    tilt, statistics, until,
):  # fmt: skip
    """Sum of log jumps of each lane in steps ``start`` to ``stop - 1``; advances the clocks.

    Parameters
    ----------
    buffer : ndarray, shape (WINDOW, A, LANES)
        Written: sum of log jumps in each step.
    position, arrivals, rate, first_path, purposes
        As in `start_clocks`.
    start, stop : int
        At most WINDOW steps.
    mean : ndarray, shape (2, A)
        Mean log jump of the common and the own component.
    mix : ndarray, shape (2, A, A)
        Factor from normals to sizes, likewise.
    whole, real, words : ndarray of int64 (3, ROOM), of float64 (2 + A, ROOM), of uint64 (2, ROOM)
        Scratch.
    tilt, until
        As in `start_clocks`.
    statistics : ndarray, of the shape of `tilt`
        Written: arrivals of each clock and sums of standardised sizes, up to ``until``.
    """
    buffer[:] = 0.0
    assets = buffer.shape[1]
    for c in range(rate.size):
        if rate[c] > 0.0:
            common = c == 0
            _scatter(
                buffer, position[c], arrivals[c], start, stop, 1.0 / rate[c],
                mean[0 if common else 1], mix[0 if common else 1], max(c - 1, 0), assets if common else c,
                first_path, purposes[3 if common else 1], purposes[4 if common else 2], max(c - 1, 0),
                k0, k1, whole, real, words, c, tilt, statistics, until,
            )  # fmt: skip
