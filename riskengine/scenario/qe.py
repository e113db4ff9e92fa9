"""Heston variance by Andersen's quadratic-exponential scheme with martingale correction: the kernels.

The conditional law of the next variance is replaced by one with the same mean m and variance s^2, psi = s^2 / m^2:
quadratic a (b + Z)^2 for psi <= 1.5, else a point mass at zero with an exponential tail.  The log-price then moves by

    -log M + (drift) dt - K3 v / 2 + K2 v' + sqrt(K3 (v + v')) Z,     M = E[exp(A v') | v],  A = K2 + K3 / 2

with gamma1 = gamma2 = 1/2, so that E[S_T] is exact at any step (Andersen's K0* and K1, written out: K1 cancels).
Reference: Andersen, Journal of Computational Finance 11:3 (2008), 1-42, sections 3.2 and 4.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import fill_words, normals_from_words
from riskengine.scenario.clock import LANES, ROOM, WINDOW, any_jumps, fill_jumps, start_clocks
from riskengine.scenario.lanes import anchor, mix_lanes, write_lanes, write_prices
from riskengine.scenario.qe_lane import NEAR, exponential_lane, near_lane, near_top, near_two_atanh, quadratic_lane
from riskengine.scenario.tilting import load_lanes, shift_normals
from riskengine.vecmath import fma, root

# columns of the coefficient table, one row per asset
DECAY, PULL, SPREAD, NOISE, TILT, K2, K3, SHIFT = range(8)
_GROUP = 32  # lanes that take the exponential branch together


@kernel
def quadratic_step(v, z, following, correction, c, spare):
    """Next variance by the quadratic branch, and -log M; returns how many lanes need the exponential branch.

    Parameters
    ----------
    v, z : ndarray, shape (LANES,)
        Variance per year, and the normal that drives it.
    following, correction : ndarray, shape (LANES,)
        Written: next variance and -log M (NaN where M is infinite).
    c : ndarray, shape (8,)
        Row of `coefficients`.
    spare : ndarray, shape (3, LANES)
        Scratch.
    """
    wide_vectors()
    decay, pull, spread, noise, tilt = c[DECAY], c[PULL], c[SPREAD], c[NOISE], c[TILT]
    wide = 0
    # 2 A a <= A s^2 / m, and s^2 / m is largest at large variance: no lane can leave the short form's range
    if abs(tilt) * spread < NEAR * decay:
        # in three loops: one chain through two roots, a division and a logarithm leaves the units idle
        for i in range(v.size):
            m = fma(v[i], decay, pull)
            s2 = fma(v[i], spread, noise)
            wide += np.int64(1) if s2 > 1.5 * (m * m) else np.int64(0)
            spare[0, i] = m
            spare[1, i], spare[2, i] = near_top(m, s2)
        for i in range(v.size):
            following[i], spare[0, i], spare[1, i] = near_lane(spare[0, i], spare[1, i], spare[2, i], z[i], tilt)
        for i in range(v.size):
            correction[i] = fma(0.5, near_two_atanh(spare[0, i]), spare[1, i])
    else:
        for i in range(v.size):
            m = fma(v[i], decay, pull)
            s2 = fma(v[i], spread, noise)
            wide += np.int64(1) if s2 > 1.5 * (m * m) else np.int64(0)
            following[i], correction[i] = quadratic_lane(m, s2, z[i], tilt)
    return wide


@kernel
def exponential_lanes(v, c):
    """How many lanes need the exponential branch; parameters as in `quadratic_step`."""
    wide_vectors()
    wide = 0
    for i in range(v.size):
        m = fma(v[i], c[DECAY], c[PULL])
        wide += np.int64(1) if fma(v[i], c[SPREAD], c[NOISE]) > 1.5 * (m * m) else np.int64(0)
    return wide


@kernel
def exponential_step(v, z, following, correction, c):
    """Overwrite the lanes with psi > 1.5 by the exponential branch; U = N(z).  Parameters as in `quadratic_step`."""
    wide_vectors()
    decay, pull, spread, noise, tilt = c[DECAY], c[PULL], c[SPREAD], c[NOISE], c[TILT]
    for i in range(v.size):
        m = fma(v[i], decay, pull)
        s2 = fma(v[i], spread, noise)
        value, log_m = exponential_lane(m, s2, z[i], tilt)
        here = s2 > 1.5 * (m * m)
        following[i] = value if here else following[i]
        correction[i] = log_m if here else correction[i]


@kernel
def variance_step(v, z, following, correction, c, spare):
    """Next variance and -log M of every lane, each by the branch that its psi asks for; as in `quadratic_step`."""
    if quadratic_step(v, z, following, correction, c, spare) > 0:
        for g in range(0, LANES, _GROUP):
            h = g + _GROUP
            if exponential_lanes(v[g:h], c) > 0:
                exponential_step(v[g:h], z[g:h], following[g:h], correction[g:h], c)


@kernel
def price_step(x, v, following, z, correction, jump, c):
    """Move the log-price by one step and the variance to its next value."""
    wide_vectors()
    k2, k3, shift = c[K2], c[K3], c[SHIFT]
    for i in range(x.size):
        before = v[i]
        after = following[i]
        v[i] = after
        level = x[i] + shift + correction[i] + jump[i]
        level = fma(k2, after, fma(-0.5 * k3, before, level))
        x[i] = fma(root(k3 * (before + after)), z[i], level)


@kernel
def jump_price_step(x, v, following, z, correction, jump, added, spread, c):
    """`price_step` where jumps also add `added` to variance and `spread` to the price's variance in this step."""
    wide_vectors()
    k2, k3, shift = c[K2], c[K3], c[SHIFT]
    for i in range(x.size):
        before = v[i]
        after = following[i]
        v[i] = after + added[i]
        level = x[i] + shift + correction[i] + jump[i]
        level = fma(k2, after, fma(-0.5 * k3, before, level))
        x[i] = fma(root(fma(k3, before + after, spread[i])), z[i], level)


@kernel(scratch=True)
def bates_paths(
    out, variance, failed, spot, initial, c, variance_mix, price_mix, rate, jump_mean, jump_mix, first_path, history,
    purposes, k0, k1, marks, tilt=None, statistics=None, tilt_steps=0,
):  # fmt: skip
    """Fill one block.

    Parameters
    ----------
    out, variance : ndarray, shape (T + 1, A, P)
        Written: prices in USD, variance per year.
    failed : ndarray of bool, shape (P,)
        Set where a price left the range of float64 or the martingale correction does not exist at this step.
    spot : ndarray, shape (A,)
        Price at time 0.
    initial : ndarray, shape (A, P)
        Variance at the start.
    c : ndarray, shape (A, 8)
        As `riskengine.scenario.heston` computes them.
    variance_mix, price_mix : ndarray, shape (A, A)
        Lower-triangular factors of the correlations of variance shocks and of residual price shocks.
    rate, jump_mean, jump_mix, first_path, history, purposes, k0, k1
        As in `riskengine.scenario.lognormal.lognormal_paths`.
    marks : tuple of ndarray, or None
        What jumps do to variance, as in `riskengine.scenario.superpose`.
    tilt, statistics, tilt_steps
        As in `riskengine.scenario.lognormal.lognormal_paths`.
    """
    steps, assets, count = out.shape[0] - 1, out.shape[1], out.shape[2]
    x = np.empty((assets, LANES))
    v = np.empty((assets, LANES))
    z = np.empty((2, assets, LANES))
    following = np.empty(LANES)
    correction = np.empty(LANES)
    spare = np.empty((3, LANES))
    a = np.empty(LANES, np.uint64)
    b = np.empty(LANES, np.uint64)
    bad = np.empty(LANES)
    jump = np.zeros((WINDOW, assets if marks is None else 3 * assets, LANES))
    position = np.empty((assets + 1, LANES))
    arrivals = np.empty((assets + 1, LANES), np.int64)
    whole = np.empty((2, ROOM), np.int64)
    real = np.empty((2 + assets if marks is None else 7 + 2 * assets, ROOM))
    words = np.empty((2, ROOM), np.uint64)
    until = np.float64(tilt_steps)
    if tilt is None:
        clock_tilt, clock_statistics = None, None
    else:
        lane_tilt = np.empty((tilt.shape[0], LANES))
        lane_statistics = np.empty((statistics.shape[0], LANES))
        clock_tilt, clock_statistics = lane_tilt[2 * assets :], lane_statistics[2 * assets :]
    jumps = any_jumps(rate)
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        path = first_path + base
        x[:] = 0.0
        bad[:] = 0.0
        for i in range(assets):
            out[0, i, base:end] = 0.0 if history else spot[i]
            # lanes beyond the block are computed and not kept; they need a legal variance
            for k in range(LANES):
                v[i, k] = initial[i, min(base + k, count - 1)]
            write_lanes(variance[0, i, base:end], v[i])
        if tilt is not None:
            load_lanes(lane_tilt, tilt, base, lane_statistics)
        start_clocks(position, arrivals, rate, path, purposes, k0, k1, words, clock_tilt, until)
        for t in range(steps):
            row = t % WINDOW
            if row == 0 and jumps:
                stop = min(t + WINDOW, steps)
                fill_jumps(
                    jump, position, arrivals, t, stop, rate, jump_mean, jump_mix, path, purposes, k0, k1,
                    whole, real, words, marks, clock_tilt, clock_statistics, until,
                )  # fmt: skip
            for i in range(assets):
                fill_words(a, b, path, t, purposes[0], i, k0, k1)
                normals_from_words(a, b, z[0, i], z[1, i])
            if tilt is not None and t < tilt_steps:
                for i in range(assets):
                    shift_normals(z[0, i], lane_tilt[i], lane_statistics[i])
                    shift_normals(z[1, i], lane_tilt[assets + i], lane_statistics[assets + i])
            if assets > 1:
                mix_lanes(z[0], variance_mix)
                mix_lanes(z[1], price_mix)
            for i in range(assets):
                variance_step(v[i], z[0, i], following, correction, c[i], spare)
                if marks is None:
                    price_step(x[i], v[i], following, z[1, i], correction, jump[row, i], c[i])
                else:
                    jump_price_step(
                        x[i], v[i], following, z[1, i], correction, jump[row, i], jump[row, assets + i],
                        jump[row, 2 * assets + i], c[i],
                    )  # fmt: skip
                write_lanes(variance[t + 1, i, base:end], v[i])
                if history:
                    write_lanes(out[t + 1, i, base:end], x[i])
                else:
                    write_prices(out[t + 1, i, base:end], x[i], bad, spot[i])
        if history:
            for i in range(assets):
                anchor(out[:, i, base:end], bad, spot[i])
        for i in range(base, end):
            failed[i] = failed[i] or bad[i - base] != 0.0
        if tilt is not None:
            for k in range(statistics.shape[0]):
                write_lanes(statistics[k, base:end], lane_statistics[k])
