"""Tilted sampling: what a proposal may be, which paths it moves, and the weights that go with them."""

from contextlib import nullcontext
from dataclasses import fields

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario import clock, tilting
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import CommonCoJumps
from riskengine.scenario.exponential_tilt import exponential_tilt
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.kou import Kou, KouCommonJumps, KouOwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.proposal import Proposal, Tilt, Tiltable
from riskengine.scenario.svcj import Svcj

PAIR = ((1.0, 0.8), (0.8, 1.0))
COMMON = CommonJumps(600.0, (-0.02, -0.03), (0.04, 0.05), 0.9)
OWN = OwnJumps((300.0, 0.0), (0.0, 0.01), (0.02, 0.03))
MERTON = Merton(("A", "B"), (10.0, 20.0), (0.0, 0.0), (0.5, 0.7), PAIR, COMMON, OWN)
BATES = Bates(
    ("A", "B"), (10.0, 20.0), (0.0, 0.0), (20.0, 20.0), (0.3, 0.5), (4.5, 5.8), (-0.4, 0.1), "stationary", PAIR,
    ((1.0, 1.0), (1.0, 1.0)), COMMON, OWN,
)  # fmt: skip
HESTON = Heston(*(getattr(BATES, f.name) for f in fields(Heston)))
KOU = Kou(
    ("A", "B"), (10.0, 20.0), (0.0, 0.0), (0.5, 0.7), PAIR,
    KouCommonJumps(600.0, (0.4, 0.3), (40.0, 30.0), (30.0, 25.0), 0.9),
    KouOwnJumps((300.0, 0.0), (0.5, 0.5), (50.0, 50.0), (40.0, 40.0)),
)  # fmt: skip
SVCJ = Svcj(
    *(getattr(BATES, f.name) for f in fields(Heston)),
    CommonCoJumps(600.0, (-0.02, -0.03), (0.04, 0.05), 0.7, variance_mean=(0.2, 0.3), slope=(0.0, 0.0)),
)
GRID = TimeGrid(3_600, 24)
KEYS = DrawKeys(11)
DOWN = Tilt(
    price=(-0.3, -0.1), intensity=(3.0, 2.0, 1.0), common_size=(-0.5, 0.3), own_size=(0.2, 0.0)
)  # fmt: skip


def mixture(world, hours=None):
    if world is HESTON:
        tilt = Tilt(price=(-0.3, -0.1), variance=(0.3, 0.0), initial=(0.7, 0.0))
        return Proposal((tilt, Tilt(price=(0.4, 0.2))), (0.4, 0.3), hours)
    if world is SVCJ:
        tilt = Tilt(price=(-0.3, -0.1), variance=(0.3, 0.0), intensity=(3.0, 1.0, 1.0))
        return Proposal((tilt, Tilt(price=(0.4, 0.2))), (0.4, 0.3), hours)
    tilt = DOWN if world in (MERTON, KOU) else Tilt(**vars(DOWN) | {"variance": (0.3, 0.0), "initial": (0.7, 0.0)})
    return Proposal((tilt, Tilt(price=(0.4, 0.2))), (0.4, 0.3), hours)


@pytest.mark.parametrize("world", [MERTON, BATES])
def test_paths_of_the_plain_component_are_plain_paths(world):
    proposal = mixture(world)
    plain, tilted = world.sample(GRID, 0, 2048, KEYS), world.sample(GRID, 0, 2048, KEYS, proposal)
    own = proposal.component(0, 2048) == 0
    assert plain.log_weight is None
    np.testing.assert_array_equal(tilted.spot_lanes[:, :, own], plain.spot_lanes[:, :, own])
    assert (tilted.spot_lanes[-1][:, ~own] != plain.spot_lanes[-1][:, ~own]).all()


@pytest.mark.parametrize("world", [MERTON, BATES, KOU, HESTON], ids=lambda w: w.kind)
@pytest.mark.parametrize("hours", [None, 11.0])
def test_weights_are_bounded_and_have_mean_one(world, hours):
    n = 16_384
    proposal = mixture(world, hours)
    weight = np.exp(world.sample(GRID, 0, n, KEYS, proposal).log_weight)
    assert 0.0 < weight.min()
    assert weight.max() < proposal.bound
    assert abs(weight.mean() - 1.0) < 4.5 * weight.std() / np.sqrt(n)


def test_a_tilt_ends_when_it_says_so():
    """Before the end prices differ from plain ones, after it their increments are the plain ones of other jumps."""
    world = Gbm(("A",), (1.0,), (0.0,), (0.5,), ((1.0,),))
    proposal = Proposal((Tilt(price=(-1.0,)),), (0.9,), 6.0)
    tilted, plain = (np.log(world.sample(GRID, 0, 1024, KEYS, *p).spot_lanes[:, 0]) for p in ((proposal,), ()))
    moved = proposal.component(0, 1024) == 1
    shift = np.diff(tilted - plain, axis=0)[:, moved]
    np.testing.assert_allclose(shift[:6], -0.5 * np.sqrt(GRID.dt), rtol=1e-9)
    np.testing.assert_allclose(shift[6:], 0.0, atol=1e-14)


def test_weight_of_a_gaussian_shift_is_the_written_out_ratio():
    world = Gbm(("A", "B"), (1.0, 1.0), (0.0, 0.0), (0.5, 0.7), PAIR)
    tilt = Tilt(price=(-0.4, 0.3))
    proposal = Proposal((tilt,), (0.75,))
    paths = world.sample(GRID, 0, 1024, KEYS, proposal)
    x = np.log(paths.spot_lanes[-1])
    sigma = np.array(world.volatility)
    whitened = (x + 0.5 * sigma[:, None] ** 2 * GRID.dt * 24) / (sigma[:, None] * np.sqrt(GRID.dt))
    sums = np.linalg.solve(np.linalg.cholesky(np.array(PAIR)), whitened)
    h = np.array(tilt.price)
    ratio = np.exp(h @ sums - 12.0 * h @ h)
    np.testing.assert_allclose(np.exp(-paths.log_weight), 0.25 + 0.75 * ratio, rtol=1e-9)


@pytest.mark.parametrize("world", [MERTON, BATES])
def test_statistics_count_what_the_path_did(world):
    """Arrivals are whole numbers, and as many as each component's own intensity makes them."""
    proposal = mixture(world)
    space = world.tilt_space(GRID)
    found = world.sample(GRID, 0, 1024, KEYS, proposal).tilt_statistics[space.sections["intensity"]]
    assert (found == np.round(found)).all()
    plain = proposal.component(0, 1024) == 0
    tilted = proposal.component(0, 1024) == 1
    expected = np.outer(space.arrivals[:2], [1.0, 1.0]) * [[1.0, 3.0], [1.0, 2.0]]
    for clock_, row in enumerate(found[:2]):
        for k, lanes in enumerate((plain, tilted)):
            mean = expected[clock_, k]
            assert abs(row[lanes].mean() - mean) < 4.5 * np.sqrt(mean / lanes.sum())
    assert (found[2] == 0.0).all()


@pytest.mark.parametrize("world", [MERTON, BATES])
def test_history_is_never_tilted(world):
    grid = TimeGrid(3_600, 6, 86_400, 5)
    proposal = Proposal((DOWN,), (0.7,))
    plain, tilted = world.sample(grid, 0, 300, KEYS), world.sample(grid, 0, 300, KEYS, proposal)
    np.testing.assert_array_equal(plain.history_spot_lanes, tilted.history_spot_lanes)
    if world is BATES:
        np.testing.assert_array_equal(plain.variance_lanes[0], tilted.variance_lanes[0])
        with pytest.raises(ValueError, match="initial must be empty.*history"):
            world.sample(grid, 0, 300, KEYS, mixture(world))


@pytest.mark.parametrize("world", [MERTON, BATES])
def test_a_tilted_path_is_a_function_of_its_number(world):
    proposal = mixture(world)
    whole = world.sample(GRID, 0, 1500, KEYS, proposal)
    part = world.sample(GRID, 777, 300, KEYS, proposal)
    np.testing.assert_array_equal(part.spot_lanes, whole.spot_lanes[:, :, 777:1077])
    np.testing.assert_array_equal(part.log_weight, whole.log_weight[777:1077])


def test_components_are_in_exact_proportion():
    proposal = Proposal((Tilt(), Tilt(), Tilt()), (0.4, 0.299, 0.0004))
    for first in (0, 1024, 5 * 1024):
        counts = np.bincount(proposal.component(first, 1024), minlength=4) / 1024
        np.testing.assert_array_equal(counts, [proposal.plain_share, *proposal.shares])
    assert proposal.shares[2] == 1 / 1024
    # spread out, so that a short run is near its proportions too
    for start in range(0, 1024, 64):
        assert abs((proposal.component(start, 64) == 1).mean() - 0.4) < 0.05


def test_faults_of_a_proposal():
    with pytest.raises(ValueError, match="at least one tilt"):
        Proposal((), ())
    with pytest.raises(ValueError, match=r"leave at least 0\.04"):
        Proposal((Tilt(),), (0.97,))
    with pytest.raises(ValueError, match="hours must be positive"):
        Proposal((Tilt(),), (0.5,), -1.0)
    with pytest.raises(ValueError, match="intensity must hold numbers in .0, 1e.06., got -1"):
        Tilt(intensity=(-1.0, 1.0))
    with pytest.raises(ValueError, match="price must hold 2 numbers, got 1; tilt variance must be empty"):
        MERTON.sample(GRID, 0, 8, KEYS, Proposal((Tilt(price=(0.1,), variance=(0.1, 0.1)),), (0.5,)))
    with pytest.raises(ValueError, match="leave what does not move at 1"):
        MERTON.sample(GRID, 0, 8, KEYS, Proposal((Tilt(intensity=(1.0, 1.0, 2.0)),), (0.5,)))
    with pytest.raises(ValueError, match="hours of the proposal"):
        MERTON.sample(GRID, 0, 8, KEYS, Proposal((Tilt(),), (0.5,), 25.0))


@pytest.mark.parametrize("world", [KOU, HESTON, SVCJ], ids=lambda w: w.kind)
def test_weighted_tails_of_further_worlds_are_those_of_plain_paths(world):
    n, proposal = 32_768, mixture(world)
    plain, tilted = world.sample(GRID, 0, n, KEYS), world.sample(GRID, 0, n, KEYS, proposal)
    weight = np.exp(tilted.log_weight)
    for asset in range(2):
        a, b = (np.log(p.spot_lanes[-1, asset] / world.spot[asset]) for p in (plain, tilted))
        for sign in (-1.0, 1.0):
            level = np.quantile(sign * a, 0.98)
            hit = weight * (sign * b > level)
            assert abs(hit.mean() - 0.02) < 4.5 * np.hypot(hit.std(), np.sqrt(0.02 * 0.98)) / np.sqrt(n)


def test_sizes_of_jumps_that_move_variance_are_not_tilted():
    """Only when they come: their sizes, and the variance that earlier ones have left at time 0, stay plain."""
    space = SVCJ.tilt_space(GRID)
    assert not space.initial
    assert not space.moves[space.sections["common_size"]].any()
    with pytest.raises(ValueError, match="tilt common_size must leave what does not move at 0"):
        SVCJ.sample(GRID, 0, 8, KEYS, Proposal((Tilt(common_size=(0.1, 0.0)),), (0.5,)))


def test_a_tilt_and_its_row_are_the_same():
    space = BATES.tilt_space(GRID)
    tilt = mixture(BATES).tilts[0]
    assert space.tilt(space.row(tilt)) == tilt
    assert isinstance(BATES, Tiltable)


@pytest.mark.parametrize("move", [-0.15, 0.1])
def test_exponential_tilt_centres_the_return(move):
    tilt, theta = exponential_tilt(MERTON, GRID, "B", move)
    proposal = Proposal((tilt,), (0.9,))
    paths = MERTON.sample(GRID, 0, 8192, KEYS, proposal)
    own = proposal.component(0, 8192) == 1
    x = np.log(paths.spot_lanes[-1, 1] / 20.0)
    assert abs(x[own].mean() - move) < 4.5 * x[own].std() / np.sqrt(own.sum())
    # and its likelihood ratio is e^{theta X - K(theta)}: linear in the return of B alone
    ratio = (np.exp(-paths.log_weight) - proposal.plain_share) / proposal.shares[0]
    expected = np.exp(theta * x) / MERTON.law("B", 24 / 8760).expectation(theta)
    np.testing.assert_allclose(ratio[own], expected[own], rtol=1e-9)


def test_kernels_against_plain_python(plain, monkeypatch):
    rng = np.random.default_rng(4)
    lanes = clock.LANES
    for name, function in (("fma", lambda a, b, c: a * b + c), ("wide_vectors", lambda: None)):
        monkeypatch.setattr(tilting, name, function)
    source = rng.normal(size=(3, 100))
    jobs = [
        (tilting.load_lanes, (np.zeros((3, lanes)), source, 40, np.ones((3, lanes)))),
        (tilting.shift_normals, (rng.normal(size=lanes), rng.normal(size=lanes), np.ones(lanes))),
        (tilting.tilt_first_times, (rng.exponential(size=lanes), rng.uniform(0.2, 5.0, lanes), 0.7)),
        (
            tilting.tilt_times,
            (rng.uniform(1, 2, 8), rng.uniform(0, 1, 8), np.arange(8), 6, rng.uniform(0.2, 5.0, lanes), 0.9),
        ),
        (
            tilting.tilt_sizes,
            (
                rng.normal(size=(2, 20)), rng.uniform(0, 2, 20), np.arange(20), 15, 0, 2, 1.0,
                rng.normal(size=(2, lanes)), np.zeros(lanes), np.zeros((2, lanes)),
            ),
        ),
        (
            tilting.mixture_log_weight,
            (
                np.empty(50), rng.normal(size=(4, 50)), rng.normal(size=(3, 4)), rng.normal(size=3), np.full(3, 1 / 3),
                rng.integers(0, 4, 50).astype(float), np.array([0.0, 1.0, 2.0]), np.array([np.inf, 1.0, np.inf]),
            ),
        ),
        (
            tilting.give_first_times,
            (rng.exponential(size=lanes), rng.integers(-1, 3, lanes).astype(float), 1.3, 0.7),
        ),
        (
            tilting.give_times,
            (
                rng.uniform(1, 2, 8), rng.uniform(0, 1, 8), np.arange(8), np.ones(8, np.int64), 6,
                rng.integers(-1, 4, lanes).astype(float), 1.3, 0.9,
            ),
        ),
        (tilting.count_arrivals, (rng.uniform(0, 2, 8), np.arange(8), 6, 1.0, np.zeros(lanes))),
    ]  # fmt: skip
    for kernel, arguments in jobs:
        runs = []
        for function, context in ((kernel, nullcontext), (kernel.py_func, plain)):
            copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
            with context():
                function(*copies)
            runs.append(copies)
        for a, b in zip(*runs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_tilted_time_spends_the_same_exponential():
    for start, plain_time, factor, until in ((0.0, 2.0, 4.0, 10.0), (0.0, 8.0, 4.0, 1.0), (3.0, 5.0, 0.5, 2.0)):
        found = tilting.tilted_time.py_func(start, plain_time, factor, until)
        inside = max(0.0, min(found, until) - start)
        assert inside * factor + (found - start - inside) == pytest.approx(plain_time - start)
