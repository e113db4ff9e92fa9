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
from riskengine.scenario.tilting import load_lanes, shift_normals
from riskengine.vecmath import bits_float, float_bits, fma, log, normal_cdf, root

# columns of the coefficient table, one row per asset
DECAY, PULL, SPREAD, NOISE, TILT, K2, K3, SHIFT = range(8)
_GROUP = 32  # lanes that take the exponential branch together
_LOG2 = 0.6931471805599453


@kernel(inline=True)
def two_atanh(t):
    """log((1 + t) / (1 - t)); relative error 5e-16 for abs(t) < 0.17, 3e-14 at 0.21 (coefficients from fdlibm)."""
    y = t * t
    r = fma(y, 1.479819860510658591e-01, 1.531383769920937332e-01)
    r = fma(y, r, 1.818357216161805012e-01)
    r = fma(y, r, 2.222219843214978396e-01)
    r = fma(y, r, 2.857142874366239149e-01)
    r = fma(y, r, 3.999999999940941908e-01)
    r = fma(y, r, 6.666666666666735130e-01)
    return fma(t * y, r, 2.0 * t)


@kernel
def quadratic_step(v, z, following, correction, c):
    """Next variance by the quadratic branch, and -log M; returns how many lanes need the exponential branch.

    Parameters
    ----------
    v, z : ndarray, shape (LANES,)
        Variance per year, and the normal that drives it.
    following, correction : ndarray, shape (LANES,)
        Written: next variance and -log M (NaN where M is infinite).
    c : ndarray, shape (8,)
        Row of `coefficients`.
    """
    wide_vectors()
    decay, pull, spread, noise, tilt = c[DECAY], c[PULL], c[SPREAD], c[NOISE], c[TILT]
    wide = 0
    for i in range(v.size):
        m = fma(v[i], decay, pull)
        s2 = fma(v[i], spread, noise)
        limit = 1.5 * m * m
        wide += np.int64(1) if s2 > limit else np.int64(0)
        s = min(s2, limit)
        # b^2 = top / s, 1 + b^2 = whole / s, 1 - 2 A a = shrunk / whole
        twice = 2.0 * m * m
        top = twice - s + root(twice * (twice - s))
        whole = s + top
        shrunk = fma(-2.0 * tilt * m, s, whole)
        # log(shrunk / whole) = k log 2 + 2 atanh(t), t = (near - whole) / (near + whole), |t| < 0.21
        k = (float_bits(shrunk) - float_bits(whole) + np.int64(1 << 51)) >> np.int64(52)
        near = bits_float(float_bits(shrunk) - (k << np.int64(52)))
        # the three divisors share one division
        first = s * whole
        third = near + whole
        inverse = 1.0 / (first * (shrunk * third))
        bz = fma(z[i], s, root(top * s))
        following[i] = m * bz * bz * (inverse * (shrunk * third))
        t = (near - whole) * (inverse * (first * shrunk))
        log_q = fma(np.float64(k), _LOG2, two_atanh(t))
        value = fma(0.5, log_q, -(tilt * top * m) * (inverse * (first * third)))
        correction[i] = value if shrunk > 0.0 else np.nan
    return wide


@kernel
def exponential_lanes(v, c):
    """How many lanes need the exponential branch; parameters as in `quadratic_step`."""
    wide_vectors()
    wide = 0
    for i in range(v.size):
        m = fma(v[i], c[DECAY], c[PULL])
        wide += np.int64(1) if fma(v[i], c[SPREAD], c[NOISE]) > 1.5 * m * m else np.int64(0)
    return wide


@kernel
def exponential_step(v, z, following, correction, c):
    """Overwrite the lanes with psi > 1.5 by the exponential branch; U = N(z).  Parameters as in `quadratic_step`."""
    wide_vectors()
    decay, pull, spread, noise, tilt = c[DECAY], c[PULL], c[SPREAD], c[NOISE], c[TILT]
    for i in range(v.size):
        m = fma(v[i], decay, pull)
        s2 = fma(v[i], spread, noise)
        mm = m * m
        # p = (s2 - mm) / total, 1 - p = 2 mm / total, beta = 2 m / total, beta - A = room / total
        total = s2 + mm
        room = 2.0 * m - tilt * total
        inverse = 1.0 / (total * room * m)
        beyond = 2.0 * mm * (inverse * room * m) / normal_cdf(-z[i])
        value = log(max(beyond, 1.0)) * (0.5 * total * total * room * inverse)
        moment = fma(s2 - mm, room, 4.0 * m * mm) * (inverse * m)
        here = s2 > 1.5 * mm
        following[i] = value if here else following[i]
        value = -log(max(moment, 1e-300))
        value = value if room > 0.0 else np.nan
        correction[i] = value if here else correction[i]


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
def bates_paths(
    out, variance, failed, spot, initial, c, variance_mix, price_mix, rate, jump_mean, jump_mix, first_path, history,
    purposes, k0, k1, tilt, statistics, tilt_steps,
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
        As `riskengine.scenario.bates` computes them.
    variance_mix, price_mix : ndarray, shape (A, A)
        Lower-triangular factors of the correlations of variance shocks and of residual price shocks.
    rate, jump_mean, jump_mix, first_path, history, purposes, k0, k1, tilt, statistics, tilt_steps
        As in `riskengine.scenario.lognormal.lognormal_paths`.
    """
    steps, assets, count = out.shape[0] - 1, out.shape[1], out.shape[2]
    x = np.empty((assets, LANES))
    v = np.empty((assets, LANES))
    z = np.empty((2, assets, LANES))
    following = np.empty(LANES)
    correction = np.empty(LANES)
    a = np.empty(LANES, np.uint64)
    b = np.empty(LANES, np.uint64)
    bad = np.empty(LANES)
    jump = np.zeros((WINDOW, assets, LANES))
    position = np.empty((assets + 1, LANES))
    arrivals = np.empty((assets + 1, LANES), np.int64)
    whole = np.empty((3, ROOM), np.int64)
    real = np.empty((2 + assets, ROOM))
    words = np.empty((2, ROOM), np.uint64)
    until = np.float64(tilt_steps)
    if tilt is None:
        clock_tilt, clock_statistics = None, None
    else:
        lane_tilt = np.empty((tilt.shape[0], LANES))
        lane_statistics = np.empty((tilt.shape[0], LANES))
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
                    whole, real, words, clock_tilt, clock_statistics, until,
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
                if quadratic_step(v[i], z[0, i], following, correction, c[i]) > 0:
                    for g in range(0, LANES, _GROUP):
                        h = g + _GROUP
                        if exponential_lanes(v[i, g:h], c[i]) > 0:
                            exponential_step(v[i, g:h], z[0, i, g:h], following[g:h], correction[g:h], c[i])
                price_step(x[i], v[i], following, z[1, i], correction, jump[row, i], c[i])
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
            for k in range(tilt.shape[0]):
                write_lanes(statistics[k, base:end], lane_statistics[k])
