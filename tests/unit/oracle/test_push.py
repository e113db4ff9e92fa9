"""Push oracle: exact sequences, the boundary, lanes against the exact rule, and the grid."""

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.oracle.osm import osm_history
from riskengine.oracle.push import PushOracle, exact_sequence

PRICES = [100, 99.8, 99.6, 99.49, 99.4, 99.2, 99.0, 98.985, 98.9, 98.9, 98.9, 98.9, 98.9, 98.95, 98.95]


def lanes_sequence(prices, step_seconds, deviation, heartbeat_seconds):
    oracle = PushOracle(deviation, heartbeat_seconds / 3600)
    table = np.array(prices, dtype=float)
    table = table[:, None, None] if table.ndim == 1 else table
    state = oracle.init(table[0], TimeGrid(step_seconds, len(prices) - 1))
    return np.stack([table[0]] + [oracle.step(state, spot, step_seconds).copy() for spot in table[1:]])


def test_golden_sequence():
    updates, reported = exact_sequence(PRICES, 60, 0.005, 360)
    assert updates == [0, 3, 7, 13]
    assert reported == [100, 100, 100, 99.49, 99.49, 99.49, 99.49] + [98.985] * 6 + [98.95] * 2
    assert lanes_sequence(PRICES, 60, 0.005, 360)[:, 0, 0].tolist() == reported


def test_a_move_of_exactly_the_threshold_publishes():
    # 100.5 / 100 - 1 is 0.00499999... in floating point
    assert exact_sequence([100, 100.5], 60, 0.005, 3600)[0] == [0, 1]
    assert lanes_sequence([100, 100.5], 60, 0.005, 3600)[1, 0, 0] == 100.5
    assert exact_sequence([100, 100.4999], 60, 0.005, 3600)[0] == [0]
    assert lanes_sequence([100, 100.4999], 60, 0.005, 3600)[1, 0, 0] == 100.0


def test_lanes_are_independent_and_exact():
    rng = np.random.default_rng(7)
    paths = np.round(100 * np.exp(np.cumsum(0.003 * rng.standard_normal((60, 2, 5)), axis=0)), 4)
    found = lanes_sequence(paths, 60, 0.005, 600)
    for a in range(2):
        for p in range(5):
            assert found[:, a, p].tolist() == exact_sequence(paths[:, a, p].tolist(), 60, 0.005, 600)[1]


def test_reported_price_is_never_off_by_the_deviation():
    rng = np.random.default_rng(8)
    paths = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal((200, 1, 8)), axis=0))
    found = lanes_sequence(paths, 3600, 0.01, 24 * 3600)
    assert (np.abs(paths / found - 1) < 0.01).all()
    assert (found != paths).any()


def test_zero_deviation_is_the_market_price():
    paths = np.array([100.0, 101.0, 101.0, 99.0])
    assert lanes_sequence(paths, 60, 0.0, 3600)[:, 0, 0].tolist() == paths.tolist()


def test_heartbeat_must_fall_on_the_grid():
    with pytest.raises(ValueError, match="oracle heartbeat must fall on the time grid.*would do"):
        PushOracle(0.005, 1.0).init(np.ones((1, 1)), TimeGrid(24 * 3600, 3))
    with pytest.raises(ValueError, match="deviation must lie in"):
        PushOracle(-0.1, 1.0)
    with pytest.raises(ValueError, match="heartbeat_hours must lie in"):
        PushOracle(0.1, 0.0)


def test_state_owns_its_prices():
    spot = np.full((1, 2), 100.0)
    state = PushOracle().init(spot, TimeGrid(3600, 2))
    PushOracle().step(state, 2 * spot, 3600.0)
    assert (spot == 100.0).all()


def test_osm_delays_one_to_two_hops():
    # the source falls at 4000; pokes at 3600, 7200 and 10800 carry it to `next` and then to `current`
    found = osm_history(3600, 0, 100, 100, [(0, 100), (4000, 80)], [3600, 5000, 7200, 10_800], 90)
    assert found.allowed == (True, False, True, True)
    assert found.current == (100, 100, 100, 80)
    assert found.next == (100, 100, 80, 80)
    assert (found.first_time_liquidatable, found.delay) == (10_800, 6_800)
    assert osm_history(3600, 0, 100, 100, [(0, 100)], [3600], 90).delay is None
