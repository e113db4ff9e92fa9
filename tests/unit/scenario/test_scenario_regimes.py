"""The regime-switching world: what it refuses, kernels against their plain form, which bits depend on what."""

import dataclasses

import numpy as np
import pytest
from test_kernels import K0, K1, assert_same, both

from riskengine.config.build import Builder
from riskengine.config.dump import dump
from riskengine.config.reader import Tree
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel
from riskengine.scenario import clock, regimes
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.overlay import Overlay
from riskengine.scenario.regime_switching import _FORWARD, _HISTORY, RegimeSwitching

CALM, STRESS = ((1.0, 0.6), (0.6, 1.0)), ((1.0, 0.9), (0.9, 1.0))
WORLD = RegimeSwitching(
    ("BTC", "ETH"),
    (6e4, 3e3),
    ("calm", "stress", "panic"),
    ((-120.0, 120.0, 0.0), (300.0, -400.0, 100.0), (500.0, 250.0, -750.0)),
    (0.1, -0.2),
    ((0.4, 0.5), (1.2, 1.0), (2.0, 3.0)),
    (CALM, STRESS, STRESS),
    "stationary",
    CommonJumps(60.0, (-0.02, -0.03), (0.05, 0.04), 0.7),
    OwnJumps((80.0, 50.0), (0.01, 0.0), (0.03, 0.05)),
    (1.0, 3.0, 0.0),
)
GRID = TimeGrid(3600, 40, 86_400, 21)
KEYS = DrawKeys(9)


def test_role_and_shapes():
    assert isinstance(WORLD, ScenarioModel)
    assert WORLD.starts_stationary
    assert not dataclasses.replace(WORLD, initial_regime="panic").starts_stationary
    paths = WORLD.sample(GRID, 5, 130, KEYS)
    assert paths.spot_lanes.shape == paths.variance_lanes.shape == (41, 2, 130)
    assert paths.history_variance_lanes.shape == (22, 2, 130)
    assert (paths.history_spot_lanes[-1] == [[6e4], [3e3]]).all()
    # time 0 is one market: its regime is that in which the history ends
    assert np.array_equal(paths.variance_lanes[0], paths.history_variance_lanes[-1])
    assert not paths.failed.any()


def test_variances_are_those_of_one_regime():
    v = WORLD.sample(GRID, 0, 300, KEYS).variance_lanes
    regime = np.abs(v[:, :1] - np.array([[0.16], [1.44], [4.0]])).argmin(axis=1)
    np.testing.assert_allclose(v[:, 1], np.array([0.25, 1.0, 9.0])[regime], rtol=1e-14)
    np.testing.assert_allclose(v[:, 0], np.array([0.16, 1.44, 4.0])[regime], rtol=1e-14)


def test_bits_do_not_depend_on_blocks():
    whole = WORLD.sample(GRID, 0, 700, KEYS)
    for first, count in ((0, 300), (300, 400), (77, 1)):
        part = WORLD.sample(GRID, first, count, KEYS)
        for name in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[..., first : first + count])


def test_a_longer_grid_extends_a_shorter_one():
    long = WORLD.sample(TimeGrid(3600, 60), 0, 64, KEYS)
    short = WORLD.sample(TimeGrid(3600, 7), 0, 64, KEYS)
    assert np.array_equal(short.spot_lanes, long.spot_lanes[:8])
    assert np.array_equal(short.variance_lanes, long.variance_lanes[:8])


def test_the_chain_does_not_depend_on_the_step():
    """Changes happen in continuous time: hours and days see one chain, to the rounding of times."""
    fine = WORLD.sample(TimeGrid(3600, 240), 0, 300, KEYS).variance_lanes[::24]
    coarse = WORLD.sample(TimeGrid(86_400, 10), 0, 300, KEYS).variance_lanes
    assert np.array_equal(fine, coarse)
    assert (np.diff(fine[:, 0], axis=0) != 0.0).any()


def test_adding_an_asset_moves_no_draw_of_the_others():
    one = RegimeSwitching(
        ("BTC",), (6e4,), WORLD.regimes, WORLD.generator, (0.1,), ((0.4,), (1.2,), (2.0,)), ((1.0,),), "stationary",
        CommonJumps(60.0, (-0.02,), (0.05,)), OwnJumps((80.0,), (0.01,), (0.03,)), WORLD.pace,
    )  # fmt: skip
    a, b = WORLD.sample(GRID, 0, 200, KEYS), one.sample(GRID, 0, 200, KEYS)
    assert np.array_equal(a.spot_lanes[:, :1], b.spot_lanes)
    assert np.array_equal(a.variance_lanes[:, :1], b.variance_lanes)


def test_one_regime_is_the_diffusion_with_jumps():
    fields = {"assets": WORLD.assets, "spot": WORLD.spot, "drift": (0.1, -0.2)}
    jumps = {"jumps_common": WORLD.jumps_common, "jumps_own": WORLD.jumps_own}
    single = RegimeSwitching(
        **fields, regimes=("only",), generator=((0.0,),), volatility=((0.4, 0.5),), correlations=CALM, **jumps
    )
    merton = Merton(**fields, volatility=(0.4, 0.5), correlation=CALM, **jumps)
    a, b = single.sample(GRID, 0, 200, KEYS), merton.sample(GRID, 0, 200, KEYS)
    np.testing.assert_allclose(a.spot_lanes, b.spot_lanes, rtol=1e-13)
    np.testing.assert_allclose(a.history_spot_lanes, b.history_spot_lanes, rtol=1e-13)
    quiet = dataclasses.replace(single, jumps_common=None, jumps_own=None)
    gbm = Gbm(**fields, volatility=(0.4, 0.5), correlation=CALM)
    np.testing.assert_allclose(
        quiet.sample(GRID, 0, 200, KEYS).spot_lanes, gbm.sample(GRID, 0, 200, KEYS).spot_lanes, rtol=1e-13
    )


def test_pace_moves_jumps_and_no_regime():
    busy = dataclasses.replace(WORLD, pace=(2.0, 3.0, 9.0))
    a, b = WORLD.sample(GRID, 0, 200, KEYS), busy.sample(GRID, 0, 200, KEYS)
    assert np.array_equal(a.variance_lanes, b.variance_lanes)
    assert not np.array_equal(a.spot_lanes, b.spot_lanes)


def test_a_change_in_a_step_mixes_what_the_regimes_do():
    """One lane by hand: half a step in one regime, half in another."""
    c = WORLD._coefficients(1.0 / 365.0)
    shifts, loads, covariances, levels, _, _ = c
    share = np.array([0.5, 0.2, 0.3])
    shift, level = np.zeros((2, clock.LANES)), np.zeros((2, clock.LANES))
    load, speed = np.zeros((2, 2, clock.LANES)), np.zeros(clock.LANES)
    regimes.mix_lane(shift, load, level, speed, 7, 2, share, shifts, covariances, levels, WORLD._pace)
    np.testing.assert_allclose(shift[:, 7], share @ shifts, rtol=1e-14)
    np.testing.assert_allclose(load[:, :, 7] @ load[:, :, 7].T, np.tensordot(share, covariances, 1), rtol=1e-13)
    assert speed[7] == pytest.approx(0.5 * 1.0 + 0.2 * 3.0)
    np.testing.assert_array_equal(level[:, 7], levels[2])
    regimes.hold_lane(shift, load, level, speed, 7, 1, shifts, loads, levels, WORLD._pace)
    np.testing.assert_array_equal(load[:, :, 7], loads[1])


def test_block_matches_plain_python():
    table, out, failed = WORLD._jumps, np.zeros((4, 2, 40)), np.zeros(40, bool)
    for history, purposes in ((False, _FORWARD), (True, _HISTORY)):
        assert_same(
            both(
                regimes.regime_paths, out, out, failed, np.arange(40) % 3, np.array(WORLD.spot),
                *WORLD._coefficients(1.0 / 365.0), WORLD._pace, table.intensity / 365.0, table.size, table.mix, 7,
                history, purposes, K0, K1,
            )
        )  # fmt: skip


def test_stages_match_plain_python(plain):
    lanes = clock.LANES
    rng = np.random.default_rng(3)
    shifts, loads, covariances, levels, hold, pick = WORLD._coefficients(5.0 / 365.0)
    pace, share = WORLD._pace, np.array([0.5, 0.2, 0.3])
    x, z, jump, shift = rng.normal(size=(4, lanes))
    regime, changes = rng.integers(0, 3, lanes), np.zeros(lanes, np.int64)
    words = np.zeros((2, clock.ROOM), np.uint64)
    runs = both(regimes.first_changes, np.zeros(lanes), regime, hold, 7, 7, K0, K1, words, stage=plain)
    assert_same(runs, 1e-12)
    ring = runs[0][1][0]
    for lane in ring.argsort()[:5]:
        assert_same(
            both(regimes.walk, share, regime, ring, changes, lane, 0, 7 + lane, hold, pick, 7, K0, K1, stage=plain),
            1e-12,
        )
    state = np.zeros((2, lanes)), np.zeros((2, 2, lanes)), np.zeros((2, lanes)), np.zeros(lanes)
    assert_same(both(regimes.hold_lane, *state, 3, 1, shifts, loads, levels, pace))
    assert_same(both(regimes.mix_lane, *state, 3, 1, share, shifts, covariances, levels, pace, stage=plain))
    assert_same(both(regimes._advance, x, z, jump, shift, z, stage=plain), 1e-12)
    assert_same(both(regimes._add, x, z, jump, stage=plain), 1e-12)
    (found, (lane, *_)), (want, (other, *_)) = both(regimes._leaving, np.zeros(lanes, np.int64), ring, 1.0)
    assert found == want == (ring < 1.0).sum() > 0
    assert np.array_equal(lane[:found], other[:found])


def bad(**change):
    with pytest.raises(ValueError) as found:
        dataclasses.replace(WORLD, **change)
    return str(found.value)


def test_every_fault_in_one_message():
    message = bad(
        generator=((-1.0, 2.0, 0.0), (-5.0, 5.0, 0.0), (0.0, 0.0, 0.0)),
        volatility=((0.4, 0.5), (-1.2, 1.0)),
        initial_regime="crash",
        drift=((1.0, 2.0), (3.0,), (1.0, 2.0)),
        correlations=(CALM, ((1.0, 2.0), (2.0, 1.0)), STRESS),
        pace=(1.0, -1.0, 0.0),
    )
    for part in (
        "initial_regime must be one of calm, stress, panic, stationary, got 'crash'",
        "generator must hold rates in [0, 100000] off its diagonal, got -5 at (1, 0)",
        "generator must have rows that sum to 0, got 1 in row 0",
        "drift in stress must hold 2 numbers, one per asset, got 1",
        "volatility must hold 3 entries, one per regime",
        "correlations in stress must hold numbers in [-1, 1], got 2.0 at (0, 1)",
        "pace must hold numbers in [0, inf), got -1.0",
    ):
        assert part in message


def test_what_else_is_refused():
    assert "lead to one class of regimes for a stationary start" in bad(generator=((0.0,) * 3,) * 3)
    assert "volatility of BTC must differ between regimes" in bad(volatility=((0.4, 0.5), (0.4, 1.0), (2.0, 3.0)))
    assert "regimes must hold distinct" in bad(regimes=("a", "a", "stationary"))
    assert "generator must hold 3 rows of 3 rates" in bad(generator="often")
    assert "jumps_own must hold 2 numbers" in bad(jumps_own=OwnJumps((1.0,), (0.0,), (0.1,)))
    # without a stationary start a regime may be final
    last = dataclasses.replace(WORLD, generator=((0.0,) * 3,) * 3, initial_regime="stress")
    v = last.sample(GRID, 0, 50, KEYS).variance_lanes[:, 0]
    np.testing.assert_allclose(v, 1.44)


def test_law_of_a_regime():
    assert WORLD.law("BTC", 0.01, 1.44).weight == (0.0, 1.0, 0.0)
    assert WORLD.law("ETH", 0.01, 9.0).weight == (0.0, 0.0, 1.0)
    assert dataclasses.replace(WORLD, initial_regime="panic").law("BTC", 0.01).weight == (0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"variance must be that of a regime, 0\.16, 1\.44, 4, got 0\.3"):
        WORLD.law("BTC", 0.01, 0.3)


def test_an_overlay_that_raises_one_correlation_is_refused():
    with pytest.raises(ValueError, match="one `correlation` for all times, got kind regime_switching"):
        Overlay(at_hours=2.0, correlation=0.95).check(WORLD)


def test_record_from_a_file_and_back():
    plain = dump(WORLD)
    builder = Builder(Tree(plain, "world.yaml"))
    assert builder.done(builder.build(ScenarioModel)) == WORLD
    short = plain | {"drift": [0.1, -0.2], "correlations": [[1.0, 0.6], [0.6, 1.0]], "pace": None}
    builder = Builder(Tree(short, "world.yaml"))
    built = builder.done(builder.build(ScenarioModel))
    assert built.drift == ((0.1, -0.2),) * 3
    assert built.correlations == (CALM,) * 3
