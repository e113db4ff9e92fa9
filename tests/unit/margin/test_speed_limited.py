"""A speed limit along a path: against the series function, in parts of a day, nested, and with one memory per path."""

import numpy as np
import pytest
from test_revaluation import SURFACE, _book, _paths

from riskengine.margin.filtered_historical_var import FilteredHistoricalVar
from riskengine.margin.greatest_of import GreatestOf
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.historical_var import HistoricalVar
from riskengine.margin.procyclicality import speed_limit
from riskengine.margin.speed_limited import SpeedLimited
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.pricing.valuation import snapshot

LEVELS = (0.9, 0.975)
FAST = FilteredHistoricalVar(LEVELS, decay=0.7)


def _series(model, paths, book, every=1):
    """Requirements of the last level along the paths, shape (T, K, P), asked as a desk asks."""
    state, out = model.init(book, SURFACE), []
    for step in range(0, paths.grid.steps + 1, every):
        hours = step * paths.grid.step_seconds / 3600.0
        now = snapshot(book, SURFACE, paths.spot_lanes[step], paths.variance_lanes[step], hours)
        state = model.step(state, paths, step)
        found = model.requirement(state, now)[-1]
        again = model.requirement(state, now)[-1]  # asking twice is asking once
        np.testing.assert_array_equal(found.initial, again.initial)
        out.append(np.stack([found.initial, found.maintenance]))
    return np.array(out)


def test_a_rise_limit_is_the_limit_on_a_series():
    book, paths = _book(), _paths(lanes=4, steps=12, seed=3)
    plain = _series(FAST, paths, book)
    limited = _series(SpeedLimited(FAST, 1.05, least=1e-9), paths, book)
    assert (limited < plain - 1e-9).any()  # it binds
    for part in range(2):
        for k in (1, 2):
            for p in range(4):
                expected = speed_limit(plain[:, part, k, p], 1, 1.05)
                np.testing.assert_allclose(limited[:, part, k, p], expected, rtol=1e-12)


def test_both_limits_hold_and_initial_stays_above_maintenance():
    book, paths = _book(), _paths(lanes=4, steps=12, seed=5)
    plain = _series(FAST, paths, book)
    limited = _series(SpeedLimited(FAST, 1.1, 1.03, least=0.5), paths, book)
    up, down = limited[1:] / np.maximum(limited[:-1], 0.5), limited[:-1] / np.maximum(limited[1:], 1e-300)
    assert up.max() <= 1.1 * (1 + 1e-12)
    assert down[limited[:-1] > 0].max() <= 1.03 * (1 + 1e-12)
    assert (limited > plain + 1e-9).any() and (limited < plain - 1e-9).any()
    assert (limited[:, 0] >= limited[:, 1]).all()
    np.testing.assert_array_equal(limited[0], plain[0])


def test_limits_are_per_day_whatever_the_step():
    """A grid that jumps once: after four hours in four steps the limit has let it rise by as much as in one step."""
    book = _book()
    steps, lanes = 8, 1
    spot = np.full((steps + 1, 2, lanes), 100.0) * np.array([1.0, 0.1])[:, None]
    spot[1:] *= 4.0
    paths = MarketPaths(TimeGrid(3_600, steps), ("BTC", "ETH"), 0, spot, np.full_like(spot, 0.4))
    model = SpeedLimited(GreeksGrid(), 1.3, least=1e-9)
    often, seldom = _series(model, paths, book), _series(model, paths, book, every=4)
    np.testing.assert_allclose(often[4, :, 2], seldom[1, :, 2], rtol=1e-12)
    np.testing.assert_allclose(often[:5, 0, 2, 0] / often[0, 0, 2, 0], 1.3 ** (np.arange(5) / 24.0), rtol=1e-12)


def test_memory_belongs_to_one_set_of_paths_and_works_inside_a_combination():
    book, paths, others = _book(), _paths(steps=6, seed=1), _paths(steps=6, seed=2)
    model = SpeedLimited(FAST, 1.01, least=1e-9)
    state = model.init(book, SURFACE)
    for source in (paths, others):
        now = snapshot(book, SURFACE, source.spot_lanes[0], source.variance_lanes[0], 0.0)
        state = model.step(state, source, 0)
        alone = FAST.requirement(FAST.step(FAST.init(book, SURFACE), source, 0), now)
        np.testing.assert_array_equal(model.requirement(state, now)[0].initial, alone[0].initial)
    floored = _series(GreatestOf((model, HistoricalVar(LEVELS))), paths, book)
    expected = np.maximum(_series(model, paths, book), _series(HistoricalVar(LEVELS), paths, book))
    np.testing.assert_array_equal(floored, expected)


def test_levels_are_those_of_the_model_and_faults_are_said():
    assert SpeedLimited(FAST).levels == LEVELS and SpeedLimited(GreeksGrid()).levels == ()
    assert SpeedLimited(FAST, levels=(0.99,)).model.levels == (0.99,)
    for bad, said in ({"rise": 0.9}, "rise"), ({"fall": 0.5}, "fall"), ({"least": 0.0}, "least"):
        with pytest.raises(ValueError, match=f"{said} must lie"):
            SpeedLimited(FAST, **bad)
