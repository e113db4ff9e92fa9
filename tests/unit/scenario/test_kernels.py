"""Compiled kernels against their plain-Python form."""

import dataclasses
from contextlib import nullcontext

import numpy as np

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario import clock, lanes, lognormal, qe, shared_draws, superpose
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import CommonCoJumps, OwnCoJumps
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import CommonJumps, OwnJumps, jump_table
from riskengine.scenario.lanes import FORWARD, HISTORY
from riskengine.scenario.svcj import Svcj

K0, K1 = DrawKeys(21).words()
COMMON = CommonJumps(90.0, (-0.03, -0.04), (0.05, 0.06), 0.7)
OWN = OwnJumps((70.0, 0.0), (0.01, -0.01), (0.03, 0.04))
WORLD = Bates(
    ("A", "B"), (10.0, 20.0), (0.1, -0.2), (5.0, 6.0), (0.3, 0.05), (1.5, 2.5), (-0.4, -0.5), (0.3, 0.02),
    ((1.0, 0.6), (0.6, 1.0)), ((1.0, 0.8), (0.8, 1.0)), COMMON, OWN,
)  # fmt: skip
SVCJ = Svcj(
    *(getattr(WORLD, f.name) for f in dataclasses.fields(Heston)),
    CommonCoJumps(90.0, (-0.03, -0.04), (0.05, 0.06), 0.7, variance_mean=(0.2, 0.3), slope=(-0.1, 0.2)),
    OwnCoJumps((70.0, 0.0), (0.01, -0.01), (0.03, 0.04), variance_mean=(0.0, 0.3), slope=(0.0, 0.0)),
)
TABLE = jump_table(2, COMMON, OWN)
RATE = TABLE.intensity / 365.0


def both(kernel, *arguments, stage=None):
    """Run a kernel compiled and plain on copies of the arguments; the two lists of arguments after it ran.

    `stage` replaces the compiler intrinsics that the kernel itself names, for its plain run only.
    """
    runs = []
    for function, context in ((kernel, nullcontext), (kernel.py_func, stage or nullcontext)):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        with context():
            runs.append((function(*copies), copies))
    return runs


def assert_same(runs, rtol=1e-13):
    (first, a), (second, b) = runs
    assert first == second
    for x, y in zip(a, b, strict=True):
        if isinstance(x, np.ndarray):
            np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-15)


def test_lognormal_block():
    mix = np.array([[0.02, 0.0], [0.01, 0.03]])
    for history, purposes in ((False, FORWARD), (True, HISTORY)):
        out, failed = np.zeros((6, 2, 130)), np.zeros(130, bool)
        assert_same(
            both(
                lognormal.lognormal_paths, out, failed, np.array([10.0, 20.0]), np.array([1e-3, -1e-3]), mix, RATE,
                TABLE.mean, TABLE.mix, 7, history, purposes, K0, K1,
            )
        )  # fmt: skip


def test_bates_block():
    out, failed = np.zeros((5, 2, 130)), np.zeros(130, bool)
    coefficients, table = WORLD._coefficients(1 / 365), TABLE
    state = np.repeat([[0.3], [0.02]], 130, axis=1)
    variance_mix, price_mix = WORLD._mixes
    for history, purposes in ((False, FORWARD), (True, HISTORY)):
        assert_same(
            both(
                qe.bates_paths, out, out, failed, np.array([10.0, 20.0]), state, coefficients, variance_mix, price_mix,
                RATE, table.mean, table.mix, 7, history, purposes, K0, K1, None,
            )
        )  # fmt: skip


def test_tilted_blocks():
    """The same with a row of shifts for each path, its statistics written beside the prices."""
    rng = np.random.default_rng(6)
    normals, clocks, sizes = rng.normal(0.0, 0.5, (4, 130)), rng.uniform(0.5, 3.0, (3, 130)), rng.normal(size=(4, 130))
    mix = np.array([[0.02, 0.0], [0.01, 0.03]])
    out, failed, spot = np.zeros((6, 2, 130)), np.zeros(130, bool), np.array([10.0, 20.0])
    tilt = np.concatenate([normals[:2], clocks, sizes])
    runs = both(
        lognormal.lognormal_paths, out, failed, spot, np.array([1e-3, -1e-3]), mix, RATE, TABLE.mean, TABLE.mix, 7,
        False, FORWARD, K0, K1, tilt, np.zeros_like(tilt), 3,
    )  # fmt: skip
    assert_same(runs)
    assert (runs[0][1][14][:2] != 0.0).all()
    assert runs[0][1][14][2].max() >= 1.0
    tilt = np.concatenate([normals, clocks, sizes])
    state = np.repeat([[0.3], [0.02]], 130, axis=1)
    assert_same(
        both(
            qe.bates_paths, out, out, failed, spot, state, WORLD._coefficients(1 / 365), *WORLD._mixes, RATE,
            TABLE.mean, TABLE.mix, 7, False, FORWARD, K0, K1, None, tilt, np.zeros_like(tilt), 3,
        )
    )  # fmt: skip


def test_stages(plain):
    rng = np.random.default_rng(3)
    x, z, jump = rng.normal(size=(3, clock.LANES))
    v = rng.uniform(0.0, 0.5, clock.LANES)
    following, correction = np.abs(x), 0.01 * z
    c = WORLD._coefficients(1 / 365)[1]
    assert_same(both(lognormal._advance, x, z, jump, 0.1, 0.2, stage=plain), 1e-12)
    assert_same(both(lognormal._add, x, z, 0.2, stage=plain), 1e-12)
    assert_same(both(lanes.mix_lanes, np.array([x, z]), np.array([[1.0, 0.0], [0.6, 0.8]]), stage=plain), 1e-12)
    assert_same(both(lanes.write_prices, np.empty(100), 500.0 * x, np.zeros(clock.LANES), 3.0, stage=plain))
    assert_same(both(lanes.write_lanes, np.empty(100), x, stage=plain))
    assert_same(both(lanes.anchor, rng.normal(size=(3, 100)), np.zeros(clock.LANES), 3.0, stage=plain))
    assert_same(both(qe.quadratic_step, v, z, following, correction, c, np.empty((3, v.size)), stage=plain), 1e-11)
    assert_same(both(qe.exponential_step, v, z, following, correction, c, stage=plain), 1e-11)
    assert_same(both(qe.exponential_lanes, v, c, stage=plain))
    assert_same(both(qe.price_step, x, v, following, z, correction, jump, c, stage=plain), 1e-12)


def test_clock_stages(plain):
    position, arrivals = np.zeros((3, clock.LANES)), np.zeros((3, clock.LANES), np.int64)
    whole, real = np.zeros((2, clock.ROOM), np.int64), np.zeros((4, clock.ROOM))
    words = np.zeros((2, clock.ROOM), np.uint64)
    runs = both(clock.start_clocks, position, arrivals, RATE, 7, FORWARD, K0, K1, words)
    assert_same(runs)
    position, arrivals = runs[0][1][:2]
    buffer = np.zeros((clock.WINDOW, 2, clock.LANES))
    runs = both(
        clock.fill_jumps, buffer, position, arrivals, 0, 16, RATE, TABLE.mean, TABLE.mix, 7, FORWARD, K0, K1, whole,
        real, words,
    )  # fmt: skip
    for compiled, plain_python in zip(runs[0][1][:3], runs[1][1][:3], strict=True):
        np.testing.assert_allclose(compiled, plain_python, rtol=1e-13, atol=1e-16)
    assert_same(both(clock._normals, *words, real[0], 5, stage=plain))
    assert_same(both(clock._advance, words[0], real[0], real[1], 5, 0.3, stage=plain), 1e-12)
    assert_same(
        both(
            clock._scatter, buffer, position[0], arrivals[0], 0, np.full(clock.LANES, 16.0), 1.0 / RATE[0],
            TABLE.mean[0], TABLE.mix[0], 0, 2, 7, FORWARD[3], FORWARD[4], 0, K0, K1, whole, real, words,
        )
    )  # fmt: skip


def test_variance_jumps(plain):
    """Superposition of one batch of arrivals, and the price step that takes it up."""
    rng = np.random.default_rng(5)
    n = 16
    time, extent, driver = 3.0 + rng.uniform(0.0, 1.0, n), rng.exponential(size=n), rng.normal(size=n)
    mark = SVCJ._marks(1 / 12)[0][0, 1]
    blank = np.zeros(n)
    assert_same(both(superpose.grow, time, extent, driver, blank, blank, blank, n, mark, stage=plain), 1e-11)
    words = rng.integers(0, 2**63, (2, n)).astype(np.uint64)
    assert_same(both(superpose.normal_pairs, *words, blank, blank, n, stage=plain))
    assert_same(both(superpose.exponentials, words[0], blank, n, stage=plain))
    x, z, jump, added, spread = rng.exponential(size=(5, clock.LANES))
    v, c = rng.uniform(0.0, 0.5, clock.LANES), WORLD._coefficients(1 / 365)[1]
    assert_same(both(qe.jump_price_step, x, v, z, z, z, jump, added, spread, c, stage=plain), 1e-12)
    table = SVCJ._jumps
    buffer, lane = np.zeros((clock.WINDOW, 6, clock.LANES)), np.arange(n)
    real, scratch = np.zeros((9, clock.ROOM)), np.zeros((2, clock.ROOM), np.uint64)
    for common, low, high in ((True, 0, 2), (False, 1, 2)):
        assert_same(
            both(
                superpose.superpose_jumps, buffer, 7, lane, lane, time, n, n, 0, table.mean[0], table.mix[0], low, high,
                2, 10, common, K0, K1, real, scratch, SVCJ._marks(1 / 12), stage=plain,
            ),
            1e-11,
        )  # fmt: skip


def test_svcj_block():
    out, failed = np.zeros((5, 2, 130)), np.zeros(130, bool)
    table, state = SVCJ._jumps, np.repeat([[0.3], [0.02]], 130, axis=1)
    assert_same(
        both(
            qe.bates_paths, out, out, failed, np.array([10.0, 20.0]), state, SVCJ._coefficients(1 / 365),
            *SVCJ._mixes, table.intensity / 365.0, table.mean, table.mix, 7, False, FORWARD, K0, K1,
            SVCJ._marks(1 / 365),
        )
    )  # fmt: skip


def test_grids_of_parameter_sets():
    """Two sets each, the second with more arrivals on its clock than are tabulated."""
    rate = np.stack([RATE, 60.0 * RATE])
    jumps = [np.stack([x, 0.1 * x]) for x in (TABLE.mean, TABLE.mix)]
    spot, failed = np.array([[10.0, 20.0]] * 2), np.zeros((2, 40), bool)
    mix = np.array([[[0.02, 0.0], [0.01, 0.03]]] * 2)
    assert_same(
        both(
            shared_draws.lognormal_grid, np.zeros((2, 6, 2, 40)), failed, spot, np.array([[1e-3, -1e-3]] * 2), mix,
            rate, *jumps, 7, False, FORWARD, K0, K1,
        )
    )  # fmt: skip
    out, state = np.zeros((2, 4, 2, 40)), np.full((2, 2, 40), 0.2)
    mixes = [np.stack([m, m]) for m in WORLD._mixes]
    c = np.stack([WORLD._coefficients(1 / 365)] * 2)
    assert_same(
        both(
            shared_draws.bates_grid, out, out, failed, spot, state, c, *mixes, rate, *jumps, 7, True, HISTORY, K0, K1
        )
    )  # fmt: skip


def test_a_clock_of_the_grid(plain):
    """Arrivals from the table and beyond it, compiled and plain."""
    waits, sizes = np.zeros((3, shared_draws._ROWS, clock.LANES)), np.zeros((2, 2, shared_draws._ROWS, clock.LANES))
    position, arrivals = np.zeros((1, 3, clock.LANES)), np.zeros((1, 3, clock.LANES), np.int64)
    known, spare = np.zeros(3, np.int64), np.zeros(clock.LANES)
    a, b = np.zeros((2, clock.LANES), np.uint64)
    rate = RATE[None] * 200.0
    runs = both(
        shared_draws._start_shared, position, arrivals, rate, waits, sizes, known, 7, FORWARD, K0, K1, a, b, spare,
        stage=plain,
    )  # fmt: skip
    assert_same(runs)
    position, arrivals, _, waits, sizes, known = runs[0][1][:6]
    lane, buffer = np.zeros(clock.LANES + 1, np.uint64), np.zeros((1, 2, clock.LANES))
    runs = both(
        shared_draws._fill_shared, buffer, position[0], arrivals[0], 0, 1, rate[0], TABLE.mean, TABLE.mix, waits, sizes,
        known, 7, FORWARD, K0, K1, lane, a, b, spare,
    )  # fmt: skip
    assert_same(runs)
    assert runs[0][1][2].max() > shared_draws._ROWS > runs[0][1][2][0].min()
    # what is drawn beyond the table is what would stand in it
    waits, sizes = runs[0][1][8:10]
    for number in (0, 5):
        assert shared_draws._wait(7 + 3, number, FORWARD[3], 0, K0, K1) == waits[0, number, 3]
        assert shared_draws._size(7 + 3, number, FORWARD[4], 1, K0, K1) == sizes[0, 1, number, 3]


def test_windows_of_jumps_join_up():
    """A jump lands in the same step whatever windows the steps are read in: a price path has no seam at step 16."""
    world = dataclasses.replace(WORLD, jumps_own=None)
    a = world.sample(TimeGrid(86_400, 33), 0, 100, DrawKeys(1)).spot_lanes
    b = world.sample(TimeGrid(86_400, 16), 0, 100, DrawKeys(1)).spot_lanes
    assert np.array_equal(a[:17], b)
