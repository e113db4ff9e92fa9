"""Regime-switching diffusion with jumps: the kernels.

Given the chain, the log increment of a step in which regime k holds for the share w_k of the time is normal with mean
sum w_k m_k and covariance sum w_k C_k: the shares are exact, so increments are exact at any step.  Most lanes keep
their regime over a step and read the factor of its covariance; where the chain moves, the covariances are mixed and
factored anew, lane by lane.  Jumps run on a clock whose time passes at the pace of the regime.

Change n of a path's chain is a pure function of (path, n): one draw picks the regime that is entered (second word) and
how long it holds (first word).
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import draw, fill_words, normals_from_words
from riskengine.scenario.clock import LANES, ROOM, any_jumps, fill_until, start_clocks
from riskengine.scenario.lanes import anchor, write_lanes, write_prices
from riskengine.vecmath import fma, log, root, uniform


@kernel
def first_changes(ring, regime, hold, first_path, purpose, k0, k1, words):
    """Time in steps at which each lane first leaves its regime."""
    wide_vectors()
    fill_words(words[0, :LANES], words[1, :LANES], first_path, 0, purpose, 0, k0, k1)
    for i in range(LANES):
        ring[i] = -log(uniform(words[0, i])) * hold[regime[i]]


@kernel
def walk(share, regime, ring, changes, lane, step, path, hold, pick, purpose, k0, k1):
    """Follow the chain of one lane through step ``step``.

    Parameters
    ----------
    share : ndarray, shape (K,)
        Written: share of the step spent in each regime.
    regime, ring, changes : ndarray, shape (LANES,)
        Moved on: regime, time of its end in steps, number of changes so far.
    lane, step, path : int
    hold : ndarray, shape (K,)
        Mean time in each regime, in steps; infinite where it is never left.
    pick : ndarray, shape (K, K)
        Cumulative probabilities of the regime that follows each.
    purpose, k0, k1
    """
    now, end = np.float64(step), step + 1.0
    share[:] = 0.0
    k = regime[lane]
    while ring[lane] < end:
        share[k] += ring[lane] - now
        now = ring[lane]
        changes[lane] += 1
        a, b = draw(path, changes[lane], purpose, 0, k0, k1)
        u = uniform(b)
        entered = 0
        for j in range(pick.shape[1]):
            entered += 1 if u >= pick[k, j] else 0
        k = entered
        ring[lane] = fma(-log(uniform(a)), hold[k], now)
    share[k] += end - now
    regime[lane] = k


@kernel
def hold_lane(shift, load, level, speed, lane, k, shifts, loads, levels, pace):
    """Set one lane to regime ``k`` for whole steps: means, factor, variances and pace; arrays as in `mix_lane`."""
    for i in range(shift.shape[0]):
        shift[i, lane] = shifts[k, i]
        level[i, lane] = levels[k, i]
        for j in range(i + 1):
            load[i, j, lane] = loads[k, i, j]
    speed[lane] = pace[k]


@kernel
def mix_lane(shift, load, level, speed, lane, k, share, shifts, covariances, levels, pace):
    """Set one lane to a step that the regimes share, and its variances to those of ``k``, in which it ends.

    Parameters
    ----------
    shift, level : ndarray, shape (A, LANES)
        Written: mean of the log increment, variance per year.
    load : ndarray, shape (A, A, LANES)
        Written: lower-triangular factor of the covariance.
    speed : ndarray, shape (LANES,)
        Written: time that passes on the clock of the jumps.
    lane, k : int
    share, pace : ndarray, shape (K,)
    shifts, levels : ndarray, shape (K, A)
    covariances : ndarray, shape (K, A, A)
    """
    regimes, assets = shifts.shape
    total = 0.0
    for r in range(regimes):
        total += share[r] * pace[r]
    speed[lane] = total
    for i in range(assets):
        level[i, lane] = levels[k, i]
        total = 0.0
        for r in range(regimes):
            total += share[r] * shifts[r, i]
        shift[i, lane] = total
        for j in range(i + 1):
            total = 0.0
            for r in range(regimes):
                total += share[r] * covariances[r, i, j]
            for m in range(j):
                total -= load[i, m, lane] * load[j, m, lane]
            load[i, j, lane] = root(total) if i == j else total / load[j, j, lane]


@kernel
def _advance(x, z, jump, shift, weight):
    wide_vectors()
    for i in range(LANES):
        x[i] = fma(weight[i], z[i], x[i] + shift[i] + jump[i])


@kernel
def _add(x, z, weight):
    wide_vectors()
    for i in range(LANES):
        x[i] = fma(weight[i], z[i], x[i])


@kernel
def _leaving(lane, ring, end):
    """Write the lanes whose regime ends before ``end``; returns how many."""
    one, none = np.uint64(1), np.uint64(0)
    n = none
    for i in range(LANES):
        lane[n] = i
        n += one if ring[i] < end else none
    return np.int64(n)


@kernel(scratch=True)
def regime_paths(
    out, variance, failed, state, spot, shifts, loads, covariances, levels, hold, pick, pace, rate, size, jump_mix,
    first_path, history, purposes, k0, k1,
):  # fmt: skip
    """Fill one block.

    Parameters
    ----------
    out, variance : ndarray, shape (T + 1, A, P)
        Written: prices in USD, diffusive variance per year.
    failed : ndarray of bool, shape (P,)
        Set where a price left the range of float64.
    state : ndarray of int64, shape (P,)
        Regime at the start; written: regime at the end.
    spot : ndarray, shape (A,)
        Price at time 0.
    shifts : ndarray, shape (K, A)
        Mean of the log increment of a step without jumps, by regime.
    loads, covariances : ndarray, shape (K, A, A)
        Covariance of a step's log increments and its lower-triangular factor.
    levels : ndarray, shape (K, A)
        Variance per year.
    hold, pick
        As in `walk`.
    pace : ndarray, shape (K,)
        Factor on the intensities of the jumps.
    rate, size, jump_mix, first_path, history, k0, k1
        As in `riskengine.scenario.lognormal.lognormal_paths`; rates are those at pace 1.
    purposes : ndarray of int, shape (6,)
        As there, then the purpose of the chain.
    """
    steps, assets, count = out.shape[0] - 1, out.shape[1], out.shape[2]
    x = np.empty((assets, LANES))
    z = np.empty((2, assets, LANES))
    bad = np.empty(LANES)
    regime, changes = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    lane = np.empty(LANES, np.int64)
    ring, speed, limit = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    share = np.empty(hold.size)
    shift, level = np.empty((assets, LANES)), np.empty((assets, LANES))
    load = np.empty((assets, assets, LANES))
    jump = np.zeros((1, assets, LANES))
    position = np.empty((assets + 1, LANES))
    arrivals = np.empty((assets + 1, LANES), np.int64)
    whole = np.empty((3, ROOM), np.int64)
    real = np.empty((2 + assets, ROOM))
    words = np.empty((2, ROOM), np.uint64)
    jumps = any_jumps(rate)
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        path = first_path + base
        x[:] = 0.0
        bad[:] = 0.0
        limit[:] = 0.0
        changes[:] = 0
        for k in range(LANES):
            # lanes beyond the block are computed and not kept; they need a legal regime
            regime[k] = state[min(base + k, count - 1)]
            hold_lane(shift, load, level, speed, k, regime[k], shifts, loads, levels, pace)
        first_changes(ring, regime, hold, path, purposes[5], k0, k1, words)
        start_clocks(position, arrivals, rate, path, purposes, k0, k1, words)
        for i in range(assets):
            out[0, i, base:end] = 0.0 if history else spot[i]
            write_lanes(variance[0, i, base:end], level[i])
        mixed = 0
        for t in range(steps):
            for n in range(mixed):
                k = lane[n]
                hold_lane(shift, load, level, speed, k, regime[k], shifts, loads, levels, pace)
            mixed = _leaving(lane, ring, t + 1.0)
            for n in range(mixed):
                k = lane[n]
                walk(share, regime, ring, changes, k, t, path + k, hold, pick, purposes[5], k0, k1)
                mix_lane(shift, load, level, speed, k, regime[k], share, shifts, covariances, levels, pace)
            if jumps:
                for i in range(LANES):
                    limit[i] += speed[i]
                fill_until(
                    jump, position, arrivals, 0, limit, rate, size, jump_mix, path, purposes, k0, k1, whole, real,
                    words,
                )  # fmt: skip
            half = t & 1
            if half == 0:
                for i in range(assets):
                    fill_words(words[0, :LANES], words[1, :LANES], path, t >> 1, purposes[0], i, k0, k1)
                    normals_from_words(words[0, :LANES], words[1, :LANES], z[0, i], z[1, i])
            for i in range(assets):
                _advance(x[i], z[half, 0], jump[0, i], shift[i], load[i, 0])
                for j in range(1, i + 1):
                    _add(x[i], z[half, j], load[i, j])
                write_lanes(variance[t + 1, i, base:end], level[i])
                if history:
                    write_lanes(out[t + 1, i, base:end], x[i])
                else:
                    write_prices(out[t + 1, i, base:end], x[i], bad, spot[i])
        if history:
            for i in range(assets):
                anchor(out[:, i, base:end], bad, spot[i])
        for i in range(base, end):
            failed[i] = failed[i] or bad[i - base] != 0.0
            state[i] = regime[i - base]
