"""A stress laid over paths: every part against its equation, and nothing else moved."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps
from riskengine.scenario.overlay import BasisShock, Move, OracleFreeze, Overlay, Surge

GRID = TimeGrid(3_600, 48, 86_400, 3)
KEYS = DrawKeys(5)
R = ((1.0, 0.6), (0.6, 1.0))
MODEL = Bates(
    ("A", "B"), (100.0, 10.0), (0.0, 0.0), (20.0, 20.0), (0.3, 0.5), (4.0, 5.0), (-0.3, 0.1), "stationary", R,
    ((1.0, 1.0), (1.0, 1.0)), CommonJumps(40.0, (0.0, -0.01), (0.03, 0.04), 0.9),
)  # fmt: skip
CALM = MODEL.sample(GRID, 0, 300, KEYS)
HOURS = np.arange(49)


def log_ratio(paths: MarketPaths) -> np.ndarray:
    return np.log(paths.spot_lanes / CALM.spot_lanes)


def test_an_empty_overlay_changes_no_bit():
    same = Overlay(3.0).apply(CALM, MODEL)
    np.testing.assert_array_equal(same.spot_lanes, CALM.spot_lanes)
    np.testing.assert_array_equal(same.variance_lanes, CALM.variance_lanes)
    assert same.depth_lanes is None
    assert same.basis_lanes is None
    assert same.oracle_lanes is None


def test_a_move_is_added_to_the_log_price_and_recovers():
    move = Move(-0.4, 10.0, worst_hour=-0.1, recovers=0.5, half_life_hours=6.0)
    moved = log_ratio(Overlay(4.0, {"A": move}).apply(CALM, MODEL))
    np.testing.assert_allclose(moved[:, 1], 0.0, atol=1e-15)
    one = moved[:, 0, 0]
    np.testing.assert_allclose(moved[:, 0], np.repeat(one[:, None], 300, axis=1), atol=1e-12)
    np.testing.assert_allclose(one[:5], 0.0, atol=1e-12)
    assert one[14] == pytest.approx(np.log(0.6), abs=1e-12)
    assert one[20] == pytest.approx(np.log(0.6) * (1 - 0.5 * 0.5), abs=1e-12)
    # the worst hour is one whole hour in the middle, the rest is even over the other nine
    steps = np.diff(one[4:15])
    wanted = np.full(10, (np.log(0.6) - np.log(0.9)) / 9.0)
    wanted[4] = np.log(0.9)
    np.testing.assert_allclose(steps, wanted, atol=1e-12)


def test_a_step_of_four_hours_sums_its_hours():
    move = Move(-0.4, 24.0, worst_hour=-0.1)
    np.testing.assert_allclose(move.log_path(np.arange(0, 49, 4.0)), move.log_path(np.arange(49.0))[::4], atol=1e-14)
    whole = Move(-0.1, 1.0, worst_hour=-0.1).log_path(np.array([0.0, 0.5, 1.0, 2.0]))
    np.testing.assert_allclose(whole, np.log(0.9) * np.array([0.0, 0.5, 1.0, 1.0]), atol=1e-14)


def test_a_surge_scales_increments_and_the_state_of_the_surface():
    found = Overlay(2.0, variance=Surge(9.0, 12.0), implied=Surge(4.0, 24.0)).apply(CALM, MODEL)
    step, calm = (np.diff(np.log(p.spot_lanes), axis=0) for p in (found, CALM))
    after = np.maximum(HOURS - 2, 0)
    factor = np.where(HOURS >= 2, 1 + 8 * 0.5 ** (after / 12), 1.0)[:-1]
    np.testing.assert_allclose(step, calm * np.sqrt(factor)[:, None, None], atol=1e-13)
    state = np.where(HOURS >= 2, 1 + 3 * 0.5 ** (after / 24), 1.0)
    np.testing.assert_allclose(found.variance_lanes, CALM.variance_lanes * state[:, None, None], rtol=1e-12)
    alone = Overlay(2.0, variance=Surge(9.0, 12.0)).apply(CALM, MODEL)
    state = np.where(HOURS >= 2, 1 + 8 * 0.5 ** (after / 12), 1.0)
    np.testing.assert_allclose(alone.variance_lanes, CALM.variance_lanes * state[:, None, None], rtol=1e-12)
    np.testing.assert_array_equal(found.history_spot_lanes, CALM.history_spot_lanes)


@pytest.mark.parametrize("target", [0.3, 0.9, 1.0])
def test_correlation_is_raised_and_never_lowered(target):
    """Diffusion only, where the correlation of increments is the model's: 0.6 becomes max(0.6, target) on 48 x 4,000
    increments, standard error (1 - r^2) / sqrt(n) <= 0.0015; variances stay."""
    model = Gbm(("A", "B"), (100.0, 10.0), (0.0, 0.0), (0.5, 0.9), R)
    calm = model.sample(GRID, 0, 4_000, KEYS)
    found = Overlay(0.0, correlation=target).apply(calm, model)
    x, y = np.diff(np.log(found.spot_lanes), axis=0).transpose(1, 0, 2).reshape(2, -1)
    wanted = max(0.6, target)
    error = (1 - wanted**2) / np.sqrt(x.size)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(wanted, abs=4.5 * error + 1e-3 * (target == 1.0))
    assert np.sqrt(x.var() * 8760) == pytest.approx(0.5, rel=4.5 / np.sqrt(2 * x.size))
    assert np.sqrt(y.var() * 8760) == pytest.approx(0.9, rel=4.5 / np.sqrt(2 * x.size))


def test_depth_basis_and_a_frozen_oracle():
    overlay = Overlay(
        6.0,
        {"B": Move(-0.5, 4.0)},
        depth=Surge(0.2, 6.0),
        basis={"A": BasisShock(-0.01, 3.0)},
        oracle_freeze=OracleFreeze(("B",), 1.0, 5.0),
    )
    found = overlay.apply(CALM, MODEL)
    assert found.depth_lanes[5].min() == 1.0
    np.testing.assert_allclose(found.depth_lanes[6], 0.2)
    np.testing.assert_allclose(found.depth_lanes[12], 0.6)
    np.testing.assert_allclose(found.basis_lanes[9, 0], -0.005)
    np.testing.assert_array_equal(found.basis_lanes[:, 1], np.zeros((49, 300)))
    np.testing.assert_array_equal(found.oracle_lanes[:, 0], found.spot_lanes[:, 0])
    np.testing.assert_array_equal(found.oracle_lanes[7:13, 1], np.repeat(found.spot_lanes[7:8, 1], 6, axis=0))
    np.testing.assert_array_equal(found.oracle_lanes[13:, 1], found.spot_lanes[13:, 1])


def test_a_feed_of_the_world_keeps_its_distance_to_the_market():
    fed = replace(CALM, oracle_lanes=CALM.spot_lanes * 1.01)
    found = Overlay(6.0, {"B": Move(-0.5, 4.0)}).apply(fed, MODEL)
    np.testing.assert_allclose(found.oracle_lanes, found.spot_lanes * 1.01, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Move(-1.0, 4.0), r"move must lie in \(-1"),
        (lambda: Move(-0.1, 4.0, worst_hour=-0.2), "part of the move"),
        (lambda: Move(-0.1, 4.0, worst_hour=0.05), "same sign"),
        (lambda: Move(-0.1, 0.5, worst_hour=-0.05), "more than one hour"),
        (lambda: Move(-0.1, 1.0, worst_hour=-0.05), "all of it"),
        (
            lambda: Overlay(0.0, implied=Surge(2.0, 4.0)).check(Gbm(("A",), (1.0,), (0.0,), (0.5,), ((1.0,),))),
            "variance state, got kind gbm",
        ),
        (lambda: Surge(0.0, 4.0), "multiple"),
        (lambda: OracleFreeze((), 0.0, 1.0), "at least one oracle"),
        (lambda: Overlay(0.0, {"X": Move(-0.1, 1.0)}, basis={"Y": BasisShock(0.1, 1.0)}).check(MODEL), "'X'.*'Y'"),
        (lambda: Overlay(0.5).apply(CALM, MODEL), "at_hours must fall on the time grid"),
    ],
)
def test_bad_overlays_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_no_correlation_to_raise():
    class Bare:
        kind, assets = "bare", ("A",)

    with pytest.raises(ValueError, match="one `correlation` for all times, got kind bare"):
        Overlay(0.0, correlation=0.9).check(Bare())
