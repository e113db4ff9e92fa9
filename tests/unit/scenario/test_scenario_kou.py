"""The double-exponential world: what it refuses, kernels against their plain form, which bits depend on what."""

import dataclasses

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.special import ndtr
from test_kernels import K0, K1, assert_same, both

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel
from riskengine.scenario import clock, lognormal
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps
from riskengine.scenario.kou import Kou, KouCommonJumps, KouOwnJumps, kou_table
from riskengine.scenario.lanes import FORWARD, HISTORY
from riskengine.scenario.merton import Merton

PAIR = {
    "assets": ("BTC", "ETH"),
    "spot": (6e4, 3e3),
    "drift": (0.1, -0.2),
    "volatility": (0.5, 0.7),
    "correlation": ((1.0, 0.6), (0.6, 1.0)),
}
COMMON = KouCommonJumps(90.0, (0.4, 0.3), (25.0, 30.0), (20.0, 15.0), 0.7)
OWN = KouOwnJumps((70.0, 0.0), (0.5, 0.0), (30.0, 40.0), (25.0, 20.0))
WORLD = Kou(**PAIR, jumps_common=COMMON, jumps_own=OWN)
TABLE = kou_table(2, COMMON, OWN)
RATE = TABLE.intensity / 365.0
GRID = TimeGrid(3600, 40, 86_400, 21)
KEYS = DrawKeys(9)


def test_role_and_shapes():
    assert isinstance(WORLD, ScenarioModel)
    paths = WORLD.sample(GRID, 5, 130, KEYS)
    assert paths.spot_lanes.shape == (41, 2, 130)
    assert paths.history_spot_lanes.shape == (22, 2, 130)
    assert paths.variance_lanes is None
    assert not paths.failed.any()


def test_size_is_the_quantile_at_the_normal():
    z = np.array([-8.2, -5.0, -1.0, -0.3, -0.2, 0.0, 0.2, 1.0, 5.0, 8.2])
    for column, (up, eta_up, eta_down) in enumerate(((0.4, 25.0, 20.0), (0.3, 30.0, 15.0))):
        found = z.copy()
        clock._double_exponential(found, z.size, TABLE.size[0, column])
        low, high, down = ndtr(z), ndtr(-z), 1.0 - up
        with np.errstate(divide="ignore"):
            want = np.where(low < down, np.log(low / down) / eta_down, -np.log(high / up) / eta_up)
        np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-15)
        assert (np.diff(found) > 0.0).all()


@pytest.mark.parametrize(("up", "sign"), [(0.0, -1.0), (1.0, 1.0)])
def test_one_sided_sizes(up, sign):
    columns = kou_table(1, KouCommonJumps(1.0, (up,), (3.0,), (2.0,)), None).size[0, 0]
    z = np.linspace(-8.3, 8.3, 500)
    clock._double_exponential(z, z.size, columns)
    assert np.isfinite(z).all()
    assert (sign * z >= 0.0).all()


def test_block_matches_plain_python():
    mix = np.array([[0.02, 0.0], [0.01, 0.03]])
    for history, purposes in ((False, FORWARD), (True, HISTORY)):
        out, failed = np.zeros((6, 2, 130)), np.zeros(130, bool)
        assert_same(
            both(
                lognormal.lognormal_paths, out, failed, np.array([10.0, 20.0]), np.array([1e-3, -1e-3]), mix, RATE,
                TABLE.size, TABLE.mix, 7, history, purposes, K0, K1,
            )
        )  # fmt: skip


def test_clock_matches_plain_python(plain):
    position, arrivals = np.zeros((3, clock.LANES)), np.zeros((3, clock.LANES), np.int64)
    whole, real = np.zeros((3, clock.ROOM), np.int64), np.zeros((4, clock.ROOM))
    words = np.zeros((2, clock.ROOM), np.uint64)
    clock.start_clocks(position, arrivals, RATE, 7, FORWARD, K0, K1, words)
    buffer = np.zeros((clock.WINDOW, 2, clock.LANES))
    limit = np.full(clock.LANES, 16.0)
    for kernel, until in ((clock.fill_jumps, 16), (clock.fill_until, limit)):
        runs = both(
            kernel, buffer, position, arrivals, 0, until, RATE, TABLE.size, TABLE.mix, 7, FORWARD, K0, K1, whole, real,
            words,
        )  # fmt: skip
        for compiled, plain_python in zip(runs[0][1][:3], runs[1][1][:3], strict=True):
            np.testing.assert_allclose(compiled, plain_python, rtol=1e-13, atol=1e-16)
        assert np.abs(runs[0][1][0]).max() > 0.0
    assert_same(
        both(
            clock._scatter, buffer, position[0], arrivals[0], 0, limit, 1.0 / RATE[0], TABLE.size[0], TABLE.mix[0], 0,
            2, 7, FORWARD[3], FORWARD[4], 0, K0, K1, whole, real, words,
        )
    )  # fmt: skip
    z = np.linspace(-8.0, 8.0, 40)
    assert_same(both(clock._double_exponential, z, z.size, TABLE.size[0, 0], stage=plain), 1e-12)


def test_without_jumps_the_bits_are_those_of_the_diffusion():
    quiet = dataclasses.replace(WORLD, jumps_common=None, jumps_own=None).sample(GRID, 0, 200, KEYS)
    plain = Gbm(**PAIR).sample(GRID, 0, 200, KEYS)
    assert np.array_equal(quiet.spot_lanes, plain.spot_lanes)
    assert np.array_equal(quiet.history_spot_lanes, plain.history_spot_lanes)


def test_adding_an_asset_moves_no_draw_of_the_others():
    one = Kou(
        ("BTC",), (6e4,), (0.1,), (0.5,), ((1.0,),), KouCommonJumps(90.0, (0.4,), (25.0,), (20.0,)),
        KouOwnJumps((70.0,), (0.5,), (30.0,), (25.0,)),
    )  # fmt: skip
    assert np.array_equal(WORLD.sample(GRID, 0, 200, KEYS).spot_lanes[:, :1], one.sample(GRID, 0, 200, KEYS).spot_lanes)


def test_arrivals_are_those_of_the_normal_jumps():
    """Another size law moves no arrival: a world of normal jumps and this one jump in the same steps."""
    sigma = {"volatility": (1e-9, 1e-9), "drift": (0.0, 0.0)}
    kou = dataclasses.replace(WORLD, **sigma, jumps_own=None)
    merton = Merton(**(PAIR | sigma), jumps_common=CommonJumps(90.0, (0.1, 0.1), (0.0, 0.0)))

    def jumped(world):
        steps = np.diff(np.log(world.sample(TimeGrid(3600, 60), 0, 300, KEYS).spot_lanes), axis=0)
        return np.abs(steps - np.median(steps, axis=(0, 2), keepdims=True)) > 1e-7

    assert jumped(merton).any()
    assert np.array_equal(jumped(kou), jumped(merton))


def test_every_fault_of_a_record_in_one_message():
    with pytest.raises(ValueError) as found:
        KouOwnJumps((-1.0, 2e6), (1.2, 0.5), (0.9, 2.0), (1.0, 0.0))
    for part in (
        "own jump up_share must hold probabilities in [0, 1], got 1.2",
        "own jump eta_up must hold numbers in (1, inf), got 0.9: E[e^J], and with it the compensator, is infinite",
        "own jump eta_down must hold numbers in (0, inf), got 0.0",
        "own jump intensity must hold numbers in [0, inf), got -1.0",
        "own jump intensity must lie in [0, 100000], got 2e+06",
    ):
        assert part in str(found.value)
    with pytest.raises(ValueError) as found:
        KouCommonJumps(-1.0, (0.4, 0.4), (1.0, 3.0), (2.0,), 1.5)
    for part in (
        "common jump intensity must hold numbers in [0, inf), got -1",
        "compensator, is infinite",
        "common jump eta_down must hold 2 numbers, one per asset, got 1",
        "jump size correlation must hold numbers in [-1, 1], got 1.5 at (0, 1)",
    ):
        assert part in str(found.value)


def test_a_world_with_jumps_of_other_assets_is_refused():
    with pytest.raises(
        ValueError, match="volatility must hold .*jumps_common must hold 1 numbers, one per asset, got 2"
    ):
        Kou(("X",), (1.0,), (0.0,), (-0.1,), ((1.0,),), COMMON)
    with pytest.raises(ValueError, match="asset must be one of BTC, ETH, got 'DOGE'"):
        WORLD.law("DOGE", 0.1)


def test_record_from_plain_values():
    built = TypeAdapter(Kou).validate_python(
        PAIR
        | {
            "jumps_common": {
                "intensity": 90.0,
                "up_share": [0.4, 0.3],
                "eta_up": [25.0, 30.0],
                "eta_down": [20.0, 15.0],
                "correlation": 0.7,
            }
        }
    )
    assert built == dataclasses.replace(WORLD, jumps_own=None)
    assert hash(built) == hash(dataclasses.replace(WORLD, jumps_own=None))
