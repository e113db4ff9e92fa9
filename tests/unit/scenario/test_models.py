"""Worlds: what they refuse, and which bits depend on what."""

import dataclasses

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.special import bdtr, bdtrc, pdtrik

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import CommonCoJumps, OwnCoJumps
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import CommonJumps, OwnJumps, jump_table, mean_relative_jump
from riskengine.scenario.merton import Merton
from riskengine.scenario.svcj import Svcj

R = ((1.0, 0.6), (0.6, 1.0))
COMMON = CommonJumps(12.0, (-0.03, -0.04), (0.05, 0.06), 0.7)
OWN = OwnJumps((20.0, 15.0), (0.01, -0.01), (0.03, 0.04))
PAIR = {"assets": ("BTC", "ETH"), "spot": (6e4, 3e3), "drift": (0.1, -0.2), "correlation": R}
GBM = Gbm(**PAIR, volatility=(0.5, 0.7))
MERTON = Merton(**PAIR, volatility=(0.5, 0.7), jumps_common=COMMON, jumps_own=OWN)
MOVING = {
    **PAIR, "kappa": (5.0, 6.0), "theta": (0.3, 0.5), "xi": (1.5, 2.5), "rho": (-0.4, -0.5),
    "initial_variance": "stationary", "variance_correlation": ((1.0, 0.8), (0.8, 1.0)),
}  # fmt: skip
HESTON = Heston(**MOVING)
BATES = Bates(**MOVING, jumps_common=COMMON, jumps_own=OWN)
SVCJ = Svcj(
    **MOVING,
    jumps_common=CommonCoJumps(12.0, (-0.03, -0.04), (0.05, 0.06), 0.7, variance_mean=(0.3, 0.5), slope=(-0.1, 0.1)),
    jumps_own=OwnCoJumps((20.0, 15.0), (0.01, -0.01), (0.03, 0.04), variance_mean=(0.2, 0.0), slope=(-0.1, 0.0)),
)
WORLDS = [GBM, MERTON, HESTON, BATES, SVCJ]
GRID = TimeGrid(3600, 40, 86_400, 21)
KEYS = DrawKeys(9)


def same(a, b, part=slice(None)):
    return all(
        np.array_equal(getattr(a, n), getattr(b, n)[..., part])
        for n in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes")
        if getattr(a, n) is not None
    )


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_shapes_and_role(world):
    assert isinstance(world, ScenarioModel)
    paths = world.sample(GRID, 5, 130, KEYS)
    assert paths.spot_lanes.shape == (41, 2, 130) and paths.history_spot_lanes.shape == (22, 2, 130)
    assert paths.first_path == 5 and paths.assets == ("BTC", "ETH") and not paths.failed.any()
    assert (paths.spot_lanes[0] == [[6e4], [3e3]]).all() and (paths.history_spot_lanes[-1] == [[6e4], [3e3]]).all()
    if isinstance(world, Heston):
        assert (paths.variance_lanes >= 0.0).all()
        assert np.array_equal(paths.variance_lanes[0], paths.history_variance_lanes[-1])
    else:
        assert paths.variance_lanes is None


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_bits_do_not_depend_on_blocks(world):
    whole = world.sample(GRID, 0, 1024, KEYS)
    assert same(world.sample(GRID, 0, 300, KEYS), whole, slice(0, 300))
    assert same(world.sample(GRID, 300, 724, KEYS), whole, slice(300, 1024))
    assert same(world.sample(GRID, 77, 1, KEYS), whole, slice(77, 78))


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_a_longer_grid_extends_a_shorter_one(world):
    long = world.sample(TimeGrid(3600, 60), 0, 64, KEYS)
    short = world.sample(TimeGrid(3600, 7), 0, 64, KEYS)
    assert np.array_equal(short.spot_lanes, long.spot_lanes[:8])


@pytest.mark.parametrize("world", [GBM, MERTON], ids=lambda w: w.kind)
def test_forward_draws_do_not_depend_on_history(world):
    forward = [world.sample(TimeGrid(3600, 40, step, n), 0, 64, KEYS).spot_lanes for step, n in ((0, 0), (7200, 9))]
    assert np.array_equal(*forward)


def without(world, index):
    """The world without its last asset, to compare what is left."""
    fields = {}
    for f in dataclasses.fields(world):
        value = getattr(world, f.name)
        if f.name in ("correlation", "variance_correlation"):
            value = tuple(row[:index] for row in value[:index])
        elif isinstance(value, tuple):
            value = value[:index]
        elif isinstance(value, (CommonJumps, OwnJumps)):
            parts = {n: getattr(value, n) for n in value.__dataclass_fields__}
            value = type(value)(**{n: v[:index] if isinstance(v, tuple) else v for n, v in parts.items()})
        fields[f.name] = value
    return type(world)(**fields)


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_adding_an_asset_moves_no_draw_of_the_others(world):
    both, one = world.sample(GRID, 0, 200, KEYS), without(world, 1).sample(GRID, 0, 200, KEYS)
    assert np.array_equal(both.spot_lanes[:, :1], one.spot_lanes)
    assert np.array_equal(both.history_spot_lanes[:, :1], one.history_spot_lanes)


def test_a_component_of_size_zero_moves_no_bit():
    nothing = CommonJumps(500.0, (0.0, 0.0), (0.0, 0.0))
    assert same(
        dataclasses.replace(MERTON, jumps_common=nothing).sample(GRID, 0, 200, KEYS),
        dataclasses.replace(MERTON, jumps_common=None).sample(GRID, 0, 200, KEYS),
    )


def test_an_intensity_moves_its_own_component_only():
    base = dataclasses.replace(MERTON, jumps_common=None, jumps_own=OwnJumps((5.0, 5.0), (0.0, 0.0), (0.05, 0.05)))
    more = dataclasses.replace(base, jumps_own=OwnJumps((9.0, 5.0), (0.0, 0.0), (0.05, 0.05)))
    grid = TimeGrid(3600, 240)
    paths = 4000
    a, b = base.sample(grid, 0, paths, KEYS).spot_lanes, more.sample(grid, 0, paths, KEYS).spot_lanes
    assert np.array_equal(a[:, 1], b[:, 1])
    # of the asset itself only the compensated drift moves until the first jump: the diffusion is the same draw
    step = 4.0 * mean_relative_jump(0.0, 0.05) * grid.dt
    moved = np.diff(np.log(a[:, 0] / b[:, 0]), axis=0) - step
    quiet = np.abs(moved) < 1e-12
    # a path without a jump in the busier world has none in the other: a binomial count of Poisson zeros, and steps that
    # are not quiet are no more than the jumps of both; three comparisons, family-wise 1e-4
    years, alpha = 240 / 8760, 1e-4 / 3
    silent, p = int(quiet.all(axis=0).sum()), np.exp(-9.0 * years)
    assert min(bdtr(silent, paths, p), bdtrc(silent - 1, paths, p)) > alpha / 2
    assert (~quiet).sum() <= sum(pdtrik(1 - alpha, paths * years * rate) for rate in (9.0, 5.0))


def test_common_jumps_hit_all_assets_at_once():
    world = Merton(
        **PAIR, volatility=(1e-6, 1e-6), jumps_common=CommonJumps(50.0, (-0.1, -0.2), (0.01, 0.02), 0.9)
    )  # fmt: skip
    moves = np.diff(np.log(world.sample(TimeGrid(3600, 200), 0, 100, KEYS).spot_lanes), axis=0)
    hit = moves < -0.03
    assert hit[:, 0].any() and np.array_equal(hit[:, 0], hit[:, 1])


def test_history_has_draws_of_its_own():
    paths = GBM.sample(TimeGrid(3600, 20, 3600, 20), 0, 200, KEYS)
    before = np.diff(np.log(paths.history_spot_lanes), axis=0).ravel()
    after = np.diff(np.log(paths.spot_lanes), axis=0).ravel()
    # 8,000 independent pairs: the correlation has standard error 0.011
    assert abs(np.corrcoef(before, after)[0, 1]) < 5 / np.sqrt(before.size)


def test_common_random_numbers_and_groups():
    a = GBM.sample(GRID, 0, 50, KEYS)
    assert same(a, GBM.sample(GRID, 0, 50, DrawKeys(9, 0)))
    assert not same(a, GBM.sample(GRID, 0, 50, DrawKeys(9, 1)))
    assert not same(a, GBM.sample(GRID, 0, 50, DrawKeys(10)))


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_records_are_read_from_plain_data(world):
    adapter = TypeAdapter(type(world))
    plain = adapter.dump_python(world, mode="json")
    assert adapter.validate_python(plain) == world
    assert hash(adapter.validate_python(plain)) == hash(world)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"volatility": (-0.5, 0.7)}, r"volatility must hold numbers in \(0, inf\), got -0\.5"),
        ({"volatility": (0.5,)}, "volatility must hold 2 numbers, one per asset, got 1"),
        ({"volatility": (0.5, float("nan"))}, "volatility must hold numbers in"),
        ({"spot": (0.0, 1.0)}, r"spot must hold numbers in \(0, inf\), got 0\.0"),
        ({"assets": ("BTC", "BTC")}, "assets must hold distinct"),
        ({"correlation": ((1.0, 1.5), (1.5, 1.0))}, r"correlation must hold numbers in \[-1, 1\], got 1\.5 at"),
        ({"jumps_own": OwnJumps((1.0,), (0.0,), (0.1,))}, "jumps_own must hold 2 numbers"),
    ],
)
def test_bad_parameters_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MERTON, **change)


def test_all_faults_are_named_at_once():
    with pytest.raises(ValueError, match="spot must hold.*; drift must hold.*; volatility must hold"):
        dataclasses.replace(MERTON, spot=(1.0,), drift=(0.0, float("inf")), volatility=(0.0, 1.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rho": (-1.0, 0.0)}, r"rho must hold numbers in \(-1, 1\), got -1\.0"),
        ({"kappa": (0.0, 1.0)}, "kappa must hold"),
        ({"xi": (1.0, -1.0)}, "xi must hold"),
        ({"initial_variance": (0.1, -0.1)}, r"initial_variance must hold numbers in \[0, inf\)"),
        ({"variance_correlation": ((1.0, 0.5), (0.4, 1.0))}, "variance_correlation must be symmetric"),
        # both prices follow opposite sides of one variance motion and yet are to move together
        ({"rho": (-0.9, 0.9)}, r"residual correlation implied by .* must hold numbers in \[-1, 1\], got 6\.5"),
    ],
)
def test_bad_variance_parameters_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(BATES, **change)


def test_bad_jumps_are_refused():
    with pytest.raises(ValueError, match=r"common jump intensity must hold a number in \[0, inf\), got -1"):
        CommonJumps(-1.0, (0.0,), (0.1,))
    with pytest.raises(ValueError, match="common jump sd must hold 2 numbers"):
        CommonJumps(1.0, (0.0, 0.0), (0.1,))
    with pytest.raises(ValueError, match=r"jump size correlation must hold numbers in \[-1, 1\]"):
        CommonJumps(1.0, (0.0, 0.0), (0.1, 0.1), 1.5)
    with pytest.raises(ValueError, match=r"own jump sd must hold numbers in \[0, inf\), got -0\.1"):
        OwnJumps((1.0,), (0.0,), (-0.1,))


def test_a_single_number_where_one_per_asset_is_due_is_refused():
    with pytest.raises(ValueError, match=r"own jump intensity must hold 1 numbers, one per asset, got 5\.0"):
        OwnJumps(5.0, (0.0,), (0.1,))
    with pytest.raises(ValueError, match="common jump intensity must hold a number"):
        CommonJumps("often", (0.0,), (0.1,))
    with pytest.raises(ValueError, match="initial_variance must hold 2 numbers, one per asset, got 'fixed'"):
        dataclasses.replace(BATES, initial_variance="fixed")


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_the_law_of_an_unknown_asset_is_refused(world):
    with pytest.raises(ValueError, match="asset must be one of BTC, ETH, got 'DOGE'"):
        world.law("DOGE", 0.1)


def test_compensator_is_the_mean_relative_jump():
    # Broadie and Kaya (2006): a mean relative jump of -12 % with log sd 0.15 has log mean log(0.88) - 0.15^2 / 2
    assert mean_relative_jump(np.log(0.88) - 0.5 * 0.15**2, 0.15) == pytest.approx(-0.12, abs=1e-15)
    table = jump_table(2, COMMON, OWN)
    for i in range(2):
        want = 12.0 * mean_relative_jump(COMMON.mean[i], COMMON.sd[i])
        want += OWN.intensity[i] * mean_relative_jump(OWN.mean[i], OWN.sd[i])
        assert table.compensator[i] == pytest.approx(want, rel=1e-14)


def test_a_price_out_of_range_marks_the_path_and_no_other():
    wild = Gbm(("X",), (1.0,), (0.0,), (130.0,), ((1.0,),))
    paths = wild.sample(TimeGrid(86_400, 30), 0, 500, KEYS)
    logs = np.log(paths.spot_lanes[:, 0])
    assert 0 < paths.failed.sum() < 500
    assert np.array_equal(paths.failed, (np.abs(logs) >= 699.9).any(axis=0))


def test_a_correction_that_does_not_exist_marks_the_path():
    # E[exp(A v')] is infinite where variance can be too large for the step: positive rho, steps of five years
    world = Bates(
        ("X",), (1.0,), (0.0,), (10.0,), (1.0,), (20.0,), (0.5,), (1.0,), ((1.0,),), ((1.0,),)
    )  # fmt: skip
    assert world.sample(TimeGrid(5 * 31_536_000, 3), 0, 200, KEYS).failed.all()
    assert not world.sample(TimeGrid(86_400, 3), 0, 200, KEYS).failed.any()
