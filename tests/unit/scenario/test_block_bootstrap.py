"""Block bootstrap on data whose every return tells which row it is, so that a path can be read back row by row."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import chi2

from riskengine.market.grid import TimeGrid
from riskengine.market.series import PriceSeries
from riskengine.random import DrawKeys
from riskengine.scenario.block_bootstrap import BlockBootstrap
from riskengine.scenario.block_length import stationary_block_length

HOUR = 3600
UNIT = 1e-7
Z = float(ndtri(1 - 1e-4 / 8 / 2))  # eight figures in this file, family-wise 1e-4


def labelled(stretches):
    """Two assets; return number n (from 1, none bridges a gap) is n units for the first and minus n for the second."""
    seconds, logs, n, hour, level = [], [], 0, 0, 0.0
    for bars in stretches:
        for bar in range(bars):
            if bar:
                n += 1
                level += n * UNIT
            seconds.append(hour * HOUR)
            logs.append((level, -level))
            hour += 1
        hour += 5
    return PriceSeries(("A", "B"), np.array(seconds), np.exp(np.array(logs)), HOUR)


def rows_of(paths):
    """Row numbers (from 0) of every step, shape (T, P), from paths on the step of the data."""
    moves = np.diff(np.log(paths), axis=0) / UNIT
    rows = np.rint(moves[:, 0])
    np.testing.assert_allclose(moves[:, 0], rows, atol=1e-4)
    np.testing.assert_allclose(moves[:, 1], -rows, atol=1e-4)
    return rows.astype(np.int64) - 1


def world(data, block, **more):
    return BlockBootstrap(("A", "B"), (1.0, 1.0), data, block, **more)


def test_every_step_is_a_row_of_the_data_and_blocks_have_geometric_lengths():
    data, block, steps, paths = labelled([400]), 8.0, 300, 400
    rows = rows_of(world(data, block).sample(TimeGrid(HOUR, steps), 0, paths, DrawKeys(3)).spot_lanes)
    count = data.return_ends.size
    goes_on = (np.diff(rows, axis=0) % count) == 1
    keep = 1 - 1 / block + 1 / (block * count)  # a new block may begin with the very next row
    trials = goes_on.size
    assert abs(goes_on.mean() - keep) < Z * np.sqrt(keep * (1 - keep) / trials)
    # a length is seen whole where it begins and ends inside the path; those that begin early are not cut by its end
    lengths = []
    for path in goes_on.T:
        ends = np.flatnonzero(~path)
        begins = ends[:-1][ends[:-1] < steps - 150]
        lengths.extend(np.diff(ends)[: begins.size])
    lengths = np.array(lengths)
    top = 40
    observed = np.bincount(np.minimum(lengths, top), minlength=top + 1)[1:]
    share = keep ** np.arange(top) * (1 - keep)
    share[-1] = keep ** (top - 1)
    expected = share * lengths.size
    assert ((observed - expected) ** 2 / expected).sum() < chi2.isf(1e-5, top - 1)


@pytest.mark.parametrize("step", [0, 60])
def test_with_gaps_every_row_is_as_likely_at_every_step(step):
    data = labelled([5, 2, 60, 1, 31])
    rows = rows_of(world(data, 10.0).sample(TimeGrid(HOUR, step + 1), 0, 40_000, DrawKeys(5)).spot_lanes)[step]
    counts = np.bincount(rows, minlength=data.return_ends.size)
    assert counts.size == 4 + 1 + 59 + 30
    expected = rows.size / counts.size
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-5, counts.size - 1)


def test_the_two_sides_of_a_gap_are_not_put_together():
    """The row after the last of a stretch is the first of any stretch, each alike, or of a new block."""
    data = labelled([30, 30, 30, 30])
    rows = rows_of(world(data, 50.0).sample(TimeGrid(HOUR, 200), 0, 3_000, DrawKeys(6)).spot_lanes)
    at_end = rows[:-1] == 28  # the last row of the first stretch
    follows = (rows[1:] == 29)[at_end]
    chance = (1 - 1 / 50) / 4 + 1 / (50 * 116)
    assert abs(follows.mean() - chance) < Z * np.sqrt(chance / follows.size)


def test_a_block_goes_on_from_the_history_into_the_path():
    data, paths = labelled([500]), 4_000
    found = world(data, 20.0).sample(TimeGrid(HOUR, 2, HOUR, 3), 0, paths, DrawKeys(8))
    before, after = rows_of(found.history_spot_lanes)[-1], rows_of(found.spot_lanes)[0]
    keep = 1 - 1 / 20 + 1 / (20 * 499)
    assert abs(((after - before) % 499 == 1).mean() - keep) < Z * np.sqrt(keep * (1 - keep) / paths)


def test_a_coarser_grid_shows_the_same_path():
    data = labelled([100, 3, 50])
    fine = world(data, 7.0).sample(TimeGrid(HOUR, 24), 5, 300, DrawKeys(9)).spot_lanes
    coarse = world(data, 7.0).sample(TimeGrid(4 * HOUR, 6), 5, 300, DrawKeys(9)).spot_lanes
    np.testing.assert_allclose(coarse, fine[::4], rtol=1e-12)


def test_squares_keep_their_dependence_and_returns_their_law():
    """E[f(row_t) f(row_t+k)] is exactly (1 - 1/b)^k times the circular autocovariance of f, and nothing at b = 1."""
    rng = np.random.default_rng(12)
    log_variance = np.zeros(3_000)
    for i in range(1, log_variance.size):
        log_variance[i] = 0.97 * log_variance[i - 1] + 0.25 * rng.normal()
    moves = 0.01 * np.exp(0.5 * log_variance) * rng.standard_normal(log_variance.size)
    prices = np.exp(np.concatenate([[0.0], np.cumsum(moves)]))[:, None]
    data = PriceSeries(("A",), HOUR * np.arange(prices.size), prices, HOUR)
    lag, square = 3, moves**2 - (moves**2).mean()
    circular = (square * np.roll(square, -lag)).mean()
    for block in (1.0, 40.0):
        model = BlockBootstrap(("A",), (1.0,), data, block)
        found = np.diff(np.log(model.sample(TimeGrid(HOUR, 120), 0, 4_000, DrawKeys(10)).spot_lanes[:, 0]), axis=0)
        each = found**2 - (moves**2).mean()
        product = (each[:-lag] * each[lag:]).mean(axis=0)
        error = product.std() / np.sqrt(product.size)
        assert abs(product.mean() - (1 - 1 / block) ** lag * circular) < Z * error
    assert circular > 20 * error  # there is dependence to keep
    # Dvoretzky-Kiefer-Wolfowitz bound on the distance of the sampled marginal from that of the data
    grid = np.sort(moves)
    sampled = np.searchsorted(np.sort(found[60]), grid, side="right") / found.shape[1]
    assert np.abs(sampled - np.arange(1, grid.size + 1) / grid.size).max() < np.sqrt(np.log(2 / 1e-5) / 2 / 4_000)


@pytest.mark.parametrize(("drift", "mean"), [((0.5, -0.3), (0.5, -0.3)), ("sample", None)])
def test_the_mean_log_return_is_the_stated_one(drift, mean):
    rng = np.random.default_rng(4)
    moves = 1e-3 * rng.standard_normal((400, 2)) + 2e-4
    data = PriceSeries(("A", "B"), HOUR * np.arange(400), np.exp(np.cumsum(moves, axis=0)), HOUR)
    grid = TimeGrid(2 * HOUR, 48)
    mean = data.returns.mean(axis=0) * 8760 if mean is None else np.array(mean)
    found = np.log(world(data, 12.0, log_drift=drift).sample(grid, 0, 20_000, DrawKeys(11)).spot_lanes[-1])
    error = found.std(axis=1) / np.sqrt(found.shape[1])
    assert (np.abs(found.mean(axis=1) - mean * 96 / 8760) < Z * error).all()


def test_what_cannot_be_resampled_is_refused():
    data = labelled([50])
    with pytest.raises(ValueError, match=r"block_hours must hold a number in \[1, inf\), got 0\.5"):
        world(data, 0.5)
    with pytest.raises(ValueError, match="block_hours must not exceed the 49 h of data, got 50"):
        world(data, 50.0)
    with pytest.raises(ValueError, match="prices must be of B, A, got A, B"):
        BlockBootstrap(("B", "A"), (1.0, 1.0), data, 5.0)
    with pytest.raises(ValueError, match=r"step_hours must be a whole multiple of the data's step of 1 h, got 1\.5 h"):
        world(data, 5.0).sample(TimeGrid(5_400, 4), 0, 2, DrawKeys(1))
    with pytest.raises(ValueError, match="prices must hold at least 2 returns that bridge no gap, got 1"):
        world(labelled([2, 1, 1]), 1.0)


def test_block_length_is_that_of_an_independent_implementation():
    """`arch.bootstrap.optimal_block_length`, which does not keep it at one step or more."""
    bootstrap = pytest.importorskip("arch.bootstrap")
    rng = np.random.default_rng(3)
    for count in (40, 300, 4_000):
        for memory in (0.0, 0.4, 0.95):
            x = rng.normal(size=count)
            for i in range(1, count):
                x[i] += memory * x[i - 1]
            wanted = float(bootstrap.optimal_block_length(x).stationary.iloc[0])
            assert stationary_block_length(x) == pytest.approx(max(1.0, wanted), rel=1e-9)
    with pytest.raises(ValueError, match="30 or more values that vary"):
        stationary_block_length(np.ones(100))


def test_auto_takes_the_longest_need_of_returns_and_their_size():
    rng = np.random.default_rng(5)
    size = np.repeat(np.exp(rng.normal(size=60)), 50)
    prices = np.exp(0.01 * np.cumsum(size * rng.standard_normal(3_000)))[:, None]
    data = PriceSeries(("A",), HOUR * np.arange(3_000), prices, HOUR)
    model = BlockBootstrap(("A",), (1.0,), data)
    assert model.block_steps == stationary_block_length(np.abs(data.returns[:, 0]))
    assert model.block_steps > 3 * stationary_block_length(data.returns[:, 0])
