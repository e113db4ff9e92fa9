"""Worlds that replay: windows of real prices, and the user's own paths."""

import dataclasses

import numpy as np
import pytest

from riskengine.engine.replay import windows
from riskengine.market.grid import TimeGrid
from riskengine.market.recorded import PathSet
from riskengine.market.series import PriceSeries
from riskengine.random import DrawKeys
from riskengine.scenario.history import HistoryWindows
from riskengine.scenario.paths_file import RecordedPaths

HOUR = 3600
KEYS = DrawKeys(1)


def series(bars=500, missing=()):
    moves = np.random.default_rng(2).normal(0.0, 0.01, (bars, 2))
    keep = np.setdiff1d(np.arange(bars), missing)
    return PriceSeries(("A", "B"), HOUR * keep, np.exp(np.cumsum(moves, axis=0))[keep], HOUR)


def history(prices, **more):
    return HistoryWindows(("A", "B"), (50.0, 7.0), prices, **more)


def test_windows_follow_each_other_and_are_the_prices_scaled():
    data = series()
    grid = TimeGrid(2 * HOUR, 12, 24 * HOUR, 3)
    world = history(data)
    assert world.path_limit(grid) == 500 // 24 - 3
    paths = world.sample(grid, 0, world.path_limit(grid), KEYS)
    for p in (0, 5, paths.count - 1):
        start = 72 + 24 * p
        at = data.prices[start : start + 25 : 2] / data.prices[start] * np.array([50.0, 7.0])
        np.testing.assert_allclose(paths.spot_lanes[:, :, p], at, rtol=1e-14)
        back = data.prices[start - 72 : start + 1 : 24] / data.prices[start] * np.array([50.0, 7.0])
        np.testing.assert_allclose(paths.history_spot_lanes[:, :, p], back, rtol=1e-14)
    # what the windows gain one after the other is what the prices gain: none overlaps, none is left out
    gained = np.prod(paths.spot_lanes[-1, 0] / paths.spot_lanes[0, 0])
    assert gained == pytest.approx(data.prices[72 + 24 * paths.count, 0] / data.prices[72, 0], rel=1e-12)


def test_windows_are_those_of_the_backtest():
    data = series(missing=(100, 101, 300))
    grid = TimeGrid(HOUR, 24, 24 * HOUR, 2)
    world = history(data, variance_half_life_hours=72.0)
    limit = world.path_limit(grid)
    ours = world.sample(grid, 0, limit, KEYS)
    theirs = windows(data.assets, data.seconds, data.prices, 24.0, 2, np.array(world.spot), 72.0)
    assert theirs.skipped == 2
    assert theirs.paths.count == limit == 500 // 24 - 2 - 2
    for name in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs.paths, name))
    assert world.has_variance
    assert not history(data).has_variance


def test_what_a_history_cannot_give_is_refused():
    world = history(series())
    with pytest.raises(ValueError, match=r"must be a whole multiple of the data's step of 1 h, got 0\.5 h; 1 h would"):
        world.path_limit(TimeGrid(HOUR // 2, 4))
    with pytest.raises(ValueError, match="among the 20 windows of the data, got 19 to 20"):
        world.sample(TimeGrid(HOUR, 24), 19, 2, KEYS)
    assert world.path_limit(TimeGrid(HOUR, 600)) == 0
    with pytest.raises(ValueError, match="variance_half_life_hours must hold numbers in"):
        history(series(), variance_half_life_hours=0.0)


def test_series_that_are_none_are_refused_and_thinning_keeps_full_multiples():
    with pytest.raises(ValueError, match="increasing by whole steps of 3600 s"):
        PriceSeries(("A",), [0, 3600, 5400], [[1.0], [1.0], [1.0]], 3600)
    with pytest.raises(ValueError, match="prices must be positive"):
        PriceSeries(("A",), [0, 3600], [[1.0], [0.0]], 3600)
    data = series(missing=(24,))
    daily = data.thinned(24 * HOUR)
    np.testing.assert_array_equal(daily.seconds // (24 * HOUR), [0, *range(2, 21)])
    assert daily.return_ends.tolist() == list(range(2, 20))
    assert (data.thinned(HOUR) is data, data == series(missing=(24,)), data == series()) == (True, True, False)
    with pytest.raises(ValueError, match="at least two bars, got 1"):
        data.thinned(1_000 * HOUR)


def given(paths=6, steps=8, seed=3):
    rng = np.random.default_rng(seed)
    walk = np.concatenate([np.zeros((1, paths, 2)), np.cumsum(rng.normal(0, 0.01, (steps, paths, 2)), axis=0)])
    back = np.concatenate([np.cumsum(rng.normal(0, 0.01, (4, paths, 2)), axis=0), np.zeros((1, paths, 2))])
    spot = np.array([50.0, 7.0])
    return PathSet(
        ("A", "B"), spot * np.exp(walk), HOUR, np.full(walk.shape, 0.3), spot * np.exp(back), np.full(back.shape, 0.3),
        2 * HOUR,
    )  # fmt: skip


def test_recorded_paths_are_handed_out_as_they_are():
    world = RecordedPaths(("A", "B"), given())
    assert world.spot == (50.0, 7.0)
    found = world.sample(TimeGrid(2 * HOUR, 3, 4 * HOUR, 2), 2, 3, KEYS)
    np.testing.assert_allclose(found.spot, world.paths.spot[:7:2, 2:5], rtol=1e-15)
    np.testing.assert_allclose(found.history_spot_lanes.transpose(0, 2, 1), world.paths.history_spot[::2, 2:5])
    assert found.variance_lanes.shape == (4, 2, 3)
    assert world.has_variance


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (TimeGrid(HOUR, 9), "horizon must lie within the 8 h of the paths, got 9 h"),
        (TimeGrid(1_800, 9), "must be a whole multiple of the data's step of 1 h"),
        (TimeGrid(HOUR, 4, HOUR, 4), "history step must be a whole multiple of the data's step of 2 h, got 1 h"),
        (TimeGrid(HOUR, 4, 2 * HOUR, 5), "paths must hold a history of 10 h before time 0, got 8 h"),
    ],
)
def test_a_grid_that_recorded_paths_do_not_fit_is_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        RecordedPaths(("A", "B"), given()).path_limit(grid)


def test_recorded_paths_without_a_history_are_refused_where_one_is_asked_for():
    short = dataclasses.replace(
        given(), history_spot=None, history_variance=None, history_step_seconds=0, variance=None, sha256=""
    )
    with pytest.raises(ValueError, match="paths must hold a history of 2 h before time 0, got none"):
        RecordedPaths(("A", "B"), short).path_limit(TimeGrid(HOUR, 4, 2 * HOUR, 1))
    with pytest.raises(ValueError, match="paths must be of A, got A, B"):
        RecordedPaths(("A",), short)


def test_every_fault_of_a_path_set_is_named_at_once():
    good = given()
    spot = good.spot.copy()
    spot[3, 1, 0], spot[4, 0, 1] = np.nan, -1.0
    variance = np.full(spot.shape, -0.1)
    with pytest.raises(
        ValueError, match="spot must be finite and positive, got nan at step 3, path 1, asset A"
    ) as told:
        PathSet(("A", "B"), spot, 0, variance, history_step_seconds=5)
    for part in ("and 1 more", "variance must be finite and not negative", "step must be a positive", "history must"):
        assert part in str(told.value)
    moved = good.spot.copy()
    moved[0, 2, 1] = 8.0
    with pytest.raises(ValueError, match="paths of B must all start at one price, got 7 on path 0 and 8 on path 2"):
        PathSet(("A", "B"), moved, HOUR)
    with pytest.raises(ValueError, match="history_spot must end where spot starts"):
        PathSet(("A", "B"), good.spot, HOUR, history_spot=good.history_spot * 1.01, history_step_seconds=HOUR)
    with pytest.raises(ValueError, match=r"spot must have shape \(times, 6, 3\) .* got \(9, 6, 2\)"):
        PathSet(("A", "B", "C"), good.spot, HOUR)
    assert good == given()
    assert good != given(seed=4)
    assert good.sha256 != given(seed=4).sha256
