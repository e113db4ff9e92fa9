import numpy as np

from riskengine.engine.loop import Impact, run_loop
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths


class Recorder:
    """Sells `size` coins at step 1 and remembers the prices it saw."""

    def __init__(self, size=0.0):
        self.size, self.seen = size, []

    def step(self, step, spot):
        self.seen.append(spot.copy())
        return np.full_like(spot, self.size) if step == 1 and self.size else None


def paths():
    spot = np.linspace(90.0, 110.0, 4 * 2).reshape(4, 1, 2)
    return MarketPaths(TimeGrid(3600, 3), ("BTC",), 0, spot)


def test_without_feedback_everyone_sees_the_exogenous_prices():
    block, seller = paths(), Recorder(5.0)
    run_loop(block, [seller])
    assert np.array_equal(np.array(seller.seen), block.spot_lanes)


def test_a_sale_shocks_the_neighbour_and_decays():
    block, seller, neighbour = paths(), Recorder(5.0), Recorder()
    run_loop(block, [seller, neighbour], Impact(np.array([1000.0]), half_life=1.0))
    ratio = np.array(neighbour.seen) / block.spot_lanes
    assert np.array_equal(ratio[:2], np.ones((2, 1, 2)))
    sold_usd = 5.0 * block.spot_lanes[1]
    assert np.allclose(np.log(ratio[2]), -0.01 * sold_usd / 1000.0 / 2, rtol=1e-12)
    assert np.allclose(np.log(ratio[3]), -0.01 * sold_usd / 1000.0 / 4, rtol=1e-12)


def test_feedback_with_nothing_sold_changes_nothing():
    block, quiet = paths(), Recorder()
    run_loop(block, [quiet], Impact(np.array([1000.0]), half_life=1.0))
    assert np.array_equal(np.array(quiet.seen), block.spot_lanes)
