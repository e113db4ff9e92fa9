import numpy as np
import pytest

from riskengine.engine.replay import windows
from riskengine.errors import InputError

HOUR = 3600


def series(days=12, seed=1):
    seconds = np.arange(days * 24 + 1) * HOUR
    moves = np.random.default_rng(seed).normal(0, 0.01, (seconds.size - 1, 1))
    prices = 100 * np.exp(np.vstack([np.zeros((1, 1)), np.cumsum(moves, axis=0)]))
    return seconds, prices


def cut(seconds, prices, history=3):
    return windows(("BTC",), seconds, prices, 24, history, np.array([50.0]), 72.0)


def test_windows_do_not_overlap_and_start_at_the_reference():
    seconds, prices = series()
    found = cut(seconds, prices)
    assert found.paths.count == 9
    assert np.allclose(found.paths.spot_lanes[0], 50.0)
    assert np.array_equal(np.diff(found.starts), np.full(8, 24 * HOUR))
    first = prices[4 * 24, 0] / prices[3 * 24, 0]
    assert np.isclose(found.paths.spot_lanes[-1, 0, 0] / 50.0, first, rtol=1e-12)


def test_history_ends_where_the_window_starts():
    seconds, prices = series()
    found = cut(seconds, prices)
    assert np.array_equal(found.paths.history_spot_lanes[-1], found.paths.spot_lanes[0])
    ratio = found.paths.history_spot_lanes[0, 0, 0] / 50.0
    assert np.isclose(ratio, prices[0, 0] / prices[3 * 24, 0], rtol=1e-12)


def test_a_window_with_a_missing_bar_is_left_out_and_counted():
    seconds, prices = series()
    keep = np.ones(seconds.size, dtype=bool)
    keep[24 * 5 + 7] = False
    found = cut(seconds[keep], prices[keep])
    assert (found.paths.count, found.skipped, found.filled) == (8, 1, 1)


def test_the_future_does_not_reach_the_state():
    seconds, prices = series()
    changed = prices.copy()
    changed[24 * 6 + 1 :] *= 1.5
    before, after = cut(seconds, prices), cut(seconds, changed)
    assert np.array_equal(before.paths.variance_lanes[0, 0, :4], after.paths.variance_lanes[0, 0, :4])


def test_too_short_a_history_is_refused():
    with pytest.raises(InputError, match="at least 41 margin periods"):
        cut(*series(), history=40)


def test_a_period_off_the_bars_is_refused():
    seconds, prices = series()
    with pytest.raises(InputError, match="a step of"):
        windows(("BTC",), seconds, prices, 24.5, 3, np.array([50.0]), 72.0)


def test_the_state_is_the_realised_variance_less_its_jump_part():
    seconds, prices = series()
    plain = cut(seconds, prices)
    part = np.array([0.1])
    found = windows(("BTC",), seconds, prices, 24, 3, np.array([50.0]), 72.0, part)
    assert np.allclose(found.paths.variance_lanes, np.maximum(plain.paths.variance_lanes - 0.1, 0.0), rtol=1e-12)
    assert plain.floored == 0.0


def test_states_below_zero_are_counted():
    seconds, prices = series()
    found = windows(("BTC",), seconds, prices, 24, 3, np.array([50.0]), 72.0, np.array([1e3]))
    assert found.floored == 1.0 and not found.paths.variance_lanes.any()


def test_variance_of_steady_moves_is_exact():
    """With every squared return alike the weights do not matter, however few returns there are."""
    seconds = np.arange(24 * 6 + 1) * HOUR
    prices = 100 * np.exp(0.01 * (np.arange(seconds.size) % 2))[:, None]
    found = cut(seconds, prices)
    assert np.allclose(found.paths.variance_lanes, 1e-4 * 8760, rtol=1e-10)
