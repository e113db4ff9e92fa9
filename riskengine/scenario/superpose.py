"""Jumps of variance inside a step, by superposition: the kernels.

A square-root variance is a branching process: started from v + z it is the sum of one started from v and of an
independent one started from z that reverts to nothing,

    dU = -kappa U dt + xi sqrt(U) dV,   U_0 = z.

So what a jump at time s does until the end t + dt of its step depends on nothing else in the step.  With
h = t + dt - s left of the step, U_h is drawn by the quadratic-exponential scheme from its exact mean z e^{-kappa h} and
variance z (xi^2 / kappa) e^{-kappa h} (1 - e^{-kappa h}), the integral of U over h is taken as (z + U_h) h / 2, and the
log-price moves by the jump itself and by

    -log M - K3(h) z / 2 + K2(h) U_h,     with K3(h) (z + U_h) more under the root of the step's price normal,

K2, K3 and M as in `riskengine.scenario.qe` for a step of h.  E[S_T] stays exact.  References: Duffie, Pan, Singleton,
Econometrica 68 (2000), 1343-1376 (the model); Kawazu, Watanabe, Theory Prob. Appl. 16 (1971), 36-54 (branching).
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import scattered_words
from riskengine.scenario.qe_lane import exponential_lane, quadratic_lane
from riskengine.vecmath import exp, fma, log, root, sincos_turn, uniform

# columns of the table of marks, one row per component (common, own) and asset
EXTENT, SLOPE, REVERSION, WIDTH, PULL2, TILT2, TILT3 = range(7)


@kernel
def normal_pairs(a, b, z, g, n):
    """Two independent standard normals from each pair of words."""
    wide_vectors()
    for i in range(n):
        s, c = sincos_turn(uniform(b[i]))
        r = root(-2.0 * log(uniform(a[i])))
        z[i] = r * c
        g[i] = r * s


@kernel
def exponentials(a, out, n):
    """One standard exponential from each word."""
    wide_vectors()
    for i in range(n):
        out[i] = -log(uniform(a[i]))


@kernel
def grow(time, extent, driver, grown, moved, spread, n, mark):
    """What jumps of variance have become at the end of their step.

    Parameters
    ----------
    time : ndarray, shape (n,) or more
        Arrival in steps; its fraction is the part of the step that has gone.
    extent, driver : ndarray
        Standard exponential that gives the size, and the normal that drives the added variance.
    grown, moved, spread : ndarray
        Written: U_h; what the log-price moves by beside the jump's own mean and normal; variance under the root.
    n : int
    mark : ndarray, shape (7,)
        Mean variance jump; log-price per unit of it; kappa dt; xi^2 / kappa; rho / xi; dt (kappa rho / xi - 1/2) / 2;
        dt (1 - rho^2) / 2.
    """
    wide_vectors()
    size, slope, reversion, width = mark[EXTENT], mark[SLOPE], mark[REVERSION], mark[WIDTH]
    pull, tilt2, tilt3 = mark[PULL2], mark[TILT2], mark[TILT3]
    for i in range(n):
        jump = size * extent[i]
        left = np.floor(time[i]) + 1.0 - time[i]
        y = reversion * left
        decay = exp(-y)
        # 1 - e^-y without cancellation
        gone = y * fma(y, fma(y, fma(y, -1.0 / 24.0, 1.0 / 6.0), -0.5), 1.0) if y < 1e-3 else 1.0 - decay
        mean = jump * decay
        square = mean * (width * gone)
        k2 = fma(tilt2, left, pull)
        k3 = tilt3 * left
        tilt = fma(0.5, k3, k2)
        near, near_log = quadratic_lane(mean, square, driver[i], tilt)
        far, far_log = exponential_lane(mean, square, driver[i], tilt)
        wide = square > 1.5 * (mean * mean)
        after = far if wide else near
        log_m = far_log if wide else near_log
        grown[i] = after
        moved[i] = fma(slope, jump, log_m) + fma(k2, after, -0.5 * k3 * jump)
        spread[i] = k3 * (jump + after)


@kernel
def superpose_jumps(
    buffer, first_path, lane, number, time, left, full, start, mean, mix, low, high, sizes, extents, common, k0, k1,
    real, words, marks,
):  # fmt: skip
    """Add one batch of arrivals of one clock, for assets ``low`` to ``high - 1``.

    Parameters
    ----------
    buffer : ndarray, shape (WINDOW, 3 A, LANES)
        Added to: log jumps, variance at the end of the step, variance under the root of the step's price normal.
    first_path : int
        Path of lane 0.
    lane, number, time : ndarray
        Of each arrival: its lane, its number on its clock, and its time in steps.
    left, full : int
        Arrivals, and arrivals with the filling of the last vector.
    start : int
        Step of the buffer's first row.
    mean, mix : ndarray, shape (A,) and (A, A)
        Mean log jump, and factor from normals to sizes.
    low, high : int
        All assets for the common clock, which has one variance-jump draw for all of them; one asset for its own.
    sizes, extents : int
        Purposes of the normals and of the variance jump.
    common : bool
        Whether this is the common clock.
    real, words : ndarray of float64 (5 + 2 A, ROOM), of uint64 (2, ROOM)
        Scratch.
    marks : tuple of ndarray
        Table (2, A, 7) of `grow` for the common and the own component, and the factor (A, A) of the correlation of
        variance motions.
    """
    assets = mean.size
    a, b = words[0], words[1]
    z, g = real[:assets], real[assets : 2 * assets]
    rest = real[2 * assets :]
    extent, driver, grown, moved, spread = rest[0], rest[1], rest[2], rest[3], rest[4]
    table, motion = marks[0][0 if common else 1], marks[1]
    scattered_words(a, b, first_path, lane, number, full, extents, 0 if common else low, k0, k1)
    exponentials(a, extent, full)
    for j in range(low, high):
        scattered_words(a, b, first_path, lane, number, full, sizes, j, k0, k1)
        normal_pairs(a, b, z[j], g[j], full)
    for j in range(low, high):
        with_variance = table[j, EXTENT] > 0.0
        if with_variance:
            for i in range(full):
                driver[i] = motion[j, j] * g[j, i] if common else g[j, i]
            if common:
                for m in range(j):
                    for i in range(full):
                        driver[i] = fma(motion[j, m], g[m, i], driver[i])
            grow(time, extent, driver, grown, moved, spread, full, table[j])
        for i in range(left):
            jump = mean[j]
            for m in range(low, j + 1):
                jump += mix[j, m] * z[m, i]
            row, column = np.uint64(np.int64(time[i]) - start), np.uint64(lane[i])
            if with_variance:
                jump += moved[i]
                buffer[row, np.uint64(assets + j), column] += grown[i]
                buffer[row, np.uint64(2 * assets + j), column] += spread[i]
            buffer[row, np.uint64(j), column] += jump
