"""Lognormal diffusion with jumps, the kernel behind `gbm`, `merton` and `kou`.

    d log S_i = (drift_i - sigma_i^2 / 2 - sum of intensity * E[e^J - 1]) dt + sigma_i dW_i + dJ_i

Increments are exact at any step.  One Philox call serves two successive steps: step t reads the first or the second
normal of draw t // 2.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, fill_words, normals_from_words
from riskengine.scenario.clock import LANES, ROOM, WINDOW, any_jumps, fill_jumps, start_clocks
from riskengine.scenario.correlation import factor
from riskengine.scenario.jumps import Matrix, Vector, jump_table
from riskengine.scenario.lanes import FORWARD, HISTORY, anchor, write_lanes, write_prices
from riskengine.scenario.proposal import PLAIN, Proposal, TiltedLanes, TiltSpace
from riskengine.scenario.tilting import load_lanes, shift_normals
from riskengine.vecmath import fma


class SizeTable(Protocol):
    """Both jump components in the arrays of `riskengine.scenario.clock.fill_until`, and their compensator per year."""

    intensity: Floats
    size: Floats
    mix: Floats
    compensator: Floats


TableOf = Callable[[int, Any, Any], SizeTable]


@kernel
def _advance(x, z, jump, drift, weight):
    wide_vectors()
    for i in range(LANES):
        x[i] = fma(weight, z[i], x[i] + drift + jump[i])


@kernel
def _add(x, z, weight):
    wide_vectors()
    for i in range(LANES):
        x[i] = fma(weight, z[i], x[i])


@kernel(scratch=True)
def lognormal_paths(
    out, failed, spot, drift, mix, rate, jump_mean, jump_mix, first_path, history, purposes, k0, k1, tilt=None,
    statistics=None, tilt_steps=0,
):  # fmt: skip
    """Fill one block.

    Parameters
    ----------
    out : ndarray, shape (T + 1, A, P)
        Written: prices in USD.
    failed : ndarray of bool, shape (P,)
        Set where a price left the range of float64.
    spot : ndarray, shape (A,)
        Price at time 0.
    drift : ndarray, shape (A,)
        Mean of the log increment of one step without jumps.
    mix : ndarray, shape (A, A)
        Lower-triangular factor of the covariance of one step's log increments.
    rate, jump_mean, jump_mix
        As in `riskengine.scenario.clock.fill_jumps`.
    first_path : int
    history : bool
        The path ends, rather than starts, at `spot`.
    purposes : ndarray of int, shape (7,)
    k0, k1 : uint64
    tilt, statistics : ndarray, shape (K, P), or None
        Shifts of each path, and its sufficient statistics (written), in the rows of
        `riskengine.scenario.proposal.TiltSpace`; `tilt` has 1 + A rows more where counts of arrivals are given.  None
        where sampling is plain.
    tilt_steps : int
        Steps on which tilts act.
    """
    steps, assets, count = out.shape[0] - 1, out.shape[1], out.shape[2]
    x = np.empty((assets, LANES))
    z = np.empty((2, assets, LANES))
    a = np.empty(LANES, np.uint64)
    b = np.empty(LANES, np.uint64)
    bad = np.empty(LANES)
    jump = np.zeros((WINDOW, assets, LANES))
    position = np.empty((assets + 1, LANES))
    arrivals = np.empty((assets + 1, LANES), np.int64)
    whole = np.empty((2, ROOM), np.int64)
    real = np.empty((2 + assets, ROOM))
    words = np.empty((2, ROOM), np.uint64)
    until = np.float64(tilt_steps)
    if tilt is None:
        clock_tilt, clock_statistics = None, None
    else:
        lane_tilt = np.empty((tilt.shape[0], LANES))
        lane_statistics = np.empty((statistics.shape[0], LANES))
        clock_tilt, clock_statistics = lane_tilt[assets:], lane_statistics[assets:]
    jumps = any_jumps(rate)
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        path = first_path + base
        x[:] = 0.0
        bad[:] = 0.0
        for i in range(assets):
            out[0, i, base:end] = 0.0 if history else spot[i]
        if tilt is not None:
            load_lanes(lane_tilt, tilt, base, lane_statistics)
        start_clocks(position, arrivals, rate, path, purposes, k0, k1, words, clock_tilt, until)
        for t in range(steps):
            row = t % WINDOW
            if row == 0 and jumps:
                stop = min(t + WINDOW, steps)
                fill_jumps(
                    jump, position, arrivals, t, stop, rate, jump_mean, jump_mix, path, purposes, k0, k1,
                    whole, real, words, None, clock_tilt, clock_statistics, until,
                )  # fmt: skip
            half = t & 1
            if half == 0:
                for i in range(assets):
                    fill_words(a, b, path, t >> 1, purposes[0], i, k0, k1)
                    normals_from_words(a, b, z[0, i], z[1, i])
            if tilt is not None and t < tilt_steps:
                for i in range(assets):
                    shift_normals(z[half, i], lane_tilt[i], lane_statistics[i])
            for i in range(assets):
                _advance(x[i], z[half, 0], jump[row, i], drift[i], mix[i, 0])
                for j in range(1, i + 1):
                    _add(x[i], z[half, j], mix[i, j])
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


@lru_cache(maxsize=256)
def step_coefficients(
    drift: Vector, volatility: Vector, correlation: Matrix, common: Any, own: Any, table_of: TableOf, dt: float
) -> tuple[Floats, ...]:
    """Kernel arrays for steps of `dt` years; the same for every block, so computed once."""
    sigma = np.array(volatility)
    table = table_of(len(drift), common, own)
    step_drift = (np.array(drift) - 0.5 * sigma * sigma - table.compensator) * dt
    mix = np.sqrt(dt) * sigma[:, None] * factor(np.array(correlation))
    return step_drift, mix, table.intensity * dt, table.size, table.mix


def sample_lognormal(
    assets: tuple[str, ...],
    spot: Vector,
    drift: Vector,
    volatility: Vector,
    correlation: Matrix,
    common: Any,
    own: Any,
    grid: TimeGrid,
    first_path: int,
    count: int,
    keys: DrawKeys,
    table_of: TableOf = jump_table,
    proposal: Proposal | None = None,
) -> MarketPaths:
    """`MarketPaths` of paths ``first_path`` to ``first_path + count - 1``; the parameters of `Merton`.

    `table_of` makes the `SizeTable` of the common and the own component, whose records are hashable.  With a
    `proposal` paths are drawn from its mixture and carry ``log_weight``; the history stays plain.
    """
    k0, k1 = keys.words()
    start = np.array(spot)
    failed = np.zeros(count, dtype=bool)
    before = None
    if grid.history_steps:
        before = np.empty((grid.history_steps + 1, len(assets), count))
        coefficients = step_coefficients(drift, volatility, correlation, common, own, table_of, grid.history_dt)
        lognormal_paths(before, failed, start, *coefficients, first_path, True, HISTORY, k0, k1)
    out = np.empty((grid.steps + 1, len(assets), count))
    coefficients = step_coefficients(drift, volatility, correlation, common, own, table_of, grid.dt)
    lanes = PLAIN
    if proposal is not None:
        space = lognormal_tilt_space(correlation, common, own, grid, proposal.hours, table_of)
        lanes = TiltedLanes.start(space, proposal, first_path, count, keys)
    lognormal_paths(out, failed, start, *coefficients, first_path, False, FORWARD, k0, k1, *lanes.arrays)
    return MarketPaths(
        grid, assets, first_path, out, history_spot_lanes=before, failed=failed,
        log_weight=lanes.log_weight(), tilt_statistics=lanes.statistics,
    )  # fmt: skip


def lognormal_tilt_space(
    correlation: Matrix, common: Any, own: Any, grid: TimeGrid, hours: float | None, table_of: TableOf = jump_table
) -> TiltSpace:
    """What a tilt may move in a lognormal world; the parameters of `sample_lognormal`."""
    table = table_of(len(correlation), common, own)
    return TiltSpace.of(grid, hours, (factor(np.array(correlation)),), table, None)
