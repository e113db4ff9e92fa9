"""Filtered bootstrap: the recursion against `arch`, and paths read back row by row."""

import dataclasses

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.market.grid import TimeGrid
from riskengine.market.series import PriceSeries
from riskengine.random import DrawKeys
from riskengine.scenario.filtered_bootstrap import FilteredBootstrap
from riskengine.scenario.variance_filter import EwmaFilter, GarchFilter, Recursion

HOUR = 3600
PER_YEAR = 8760
GARCH = GarchFilter("garch", (2e-6, 1e-6), (0.06, 0.04), (0.90, 0.93))
Z = float(ndtri(1 - 1e-4 / 30 / 2))  # thirty figures in this file, family-wise 1e-4


def data(seed=1, bars=1_500, gap=True):
    rng = np.random.default_rng(seed)
    shared = rng.standard_t(6, (bars, 1))
    moves = 0.005 * (0.8 * shared + 0.6 * rng.standard_t(6, (bars, 2)))
    seconds = HOUR * (np.arange(bars) + (4 if gap else 0) * (np.arange(bars) > 700))
    return PriceSeries(("A", "B"), seconds, np.exp(np.cumsum(moves, axis=0)), HOUR)


WORLD = FilteredBootstrap(("A", "B"), (10.0, 20.0), data(), GARCH, "last", (0.2, -0.1))


@pytest.mark.parametrize("chosen", [GARCH, EwmaFilter("ewma", 0.94)])
def test_the_filter_is_that_of_arch(chosen):
    univariate = pytest.importorskip("arch.univariate")
    series = data(gap=False)
    e = series.returns - series.returns.mean(axis=0)
    step = Recursion.of(chosen, 2)
    found = step.filter(e, np.zeros(e.shape[0], dtype=np.int64))
    for j in range(2):
        model = univariate.ZeroMean(100 * e[:, j], volatility=univariate.GARCH(), rescale=False)
        # arch wants a positive constant: 1e-300 is nothing beside any variance
        fixed = model.fix([max(1e4 * step.omega[j], 1e-300), step.alpha[j], step.beta[j]])
        np.testing.assert_allclose(found[:-1, j], (fixed.conditional_volatility / 100) ** 2, rtol=1e-10)
        ahead = fixed.forecast(horizon=12, reindex=False).variance.to_numpy()[0] / 1e4
        np.testing.assert_allclose(step.forecast(found[-1], 12)[:, j], ahead, rtol=1e-10)


def test_the_filter_does_not_look_ahead_and_forecasts_over_a_gap():
    series = data()
    changed = series.prices.copy()
    changed[1_000:] *= 1.2
    other = dataclasses.replace(series, prices=changed, sha256="")
    one, two = (
        Recursion.of(GARCH, 2).filter(s.returns, np.zeros(s.return_ends.size, dtype=np.int64)) for s in (series, other)
    )
    row = int(np.searchsorted(series.return_ends, 1_000))
    np.testing.assert_array_equal(one[: row + 1], two[: row + 1])
    assert (one[row + 1] != two[row + 1]).all()
    # bar 700 ends a stretch, bar 701 lies 5 h later: five returns of which none is known
    before, after = (WORLD.filtered[int(np.searchsorted(series.return_ends, bar))] for bar in (700, 702))
    e = series.returns[int(np.searchsorted(series.return_ends, 700))] - series.returns.mean(axis=0)
    following = WORLD.recursion.omega + WORLD.recursion.alpha * e**2 + WORLD.recursion.beta * before
    np.testing.assert_allclose(after, WORLD.recursion.forecast(following, 6)[-1], rtol=1e-12)


@pytest.mark.parametrize("history", [0, 40])
def test_a_path_is_the_recursion_on_whole_rows_of_residuals(history):
    grid = TimeGrid(HOUR, 30, HOUR if history else 0, history)
    start = np.array([0.21, 0.34])
    paths = dataclasses.replace(WORLD, initial_variance=tuple(start)).sample(grid, 250, 300, DrawKeys(2))
    parts = [(paths.spot_lanes, paths.variance_lanes)]
    if history:
        parts.insert(0, (paths.history_spot_lanes, paths.history_variance_lanes))
        np.testing.assert_array_equal(paths.history_variance_lanes[-1], paths.variance_lanes[0])
    np.testing.assert_allclose(parts[0][1][0], np.repeat(start[:, None], 300, axis=1), rtol=1e-12)
    order = np.argsort(WORLD.residuals[0])
    between = 0.5 * (WORLD.residuals[0][order][1:] + WORLD.residuals[0][order][:-1])
    drift, r = np.array(WORLD.log_drift)[:, None] / PER_YEAR, WORLD.recursion
    for spot, variance in parts:
        e = np.diff(np.log(spot), axis=0) - drift
        h = variance[:-1] / PER_YEAR
        expected = r.omega[:, None] + r.alpha[:, None] * e**2 + r.beta[:, None] * h
        np.testing.assert_allclose(variance[1:] / PER_YEAR, expected, rtol=1e-10)
        z = e / np.sqrt(h)
        chosen = order[np.searchsorted(between, z[:, 0])]  # the row whose residual is nearest
        np.testing.assert_allclose(z[:, 0], WORLD.residuals[0][chosen], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(z[:, 1], WORLD.residuals[1][chosen], rtol=1e-6, atol=1e-8)
    assert len(set(chosen.ravel())) > 1_000  # rows differ between paths and steps


def test_from_the_last_bar_the_history_is_the_real_one():
    grid = TimeGrid(HOUR, 3, 24 * HOUR, 20)
    paths = WORLD.sample(grid, 0, 5, DrawKeys(2))
    regular = WORLD.prices.regular[1][::-1][: 20 * 24 + 1 : 24][::-1]
    expected = regular / regular[-1] * np.array(WORLD.spot)
    for p in (0, 4):
        np.testing.assert_allclose(paths.history_spot_lanes[:, :, p], expected, rtol=1e-14)
    now = np.repeat(WORLD.filtered[-1][:, None] * PER_YEAR, 5, axis=1)
    np.testing.assert_allclose(paths.variance_lanes[0], now, rtol=1e-14)
    np.testing.assert_array_equal(paths.history_variance_lanes[-1], paths.variance_lanes[0])
    # a day earlier: the variance that was known then, from the returns up to that bar
    ended = WORLD.prices.seconds[WORLD.prices.return_ends] <= WORLD.prices.seconds[-1] - 24 * HOUR
    np.testing.assert_allclose(
        paths.history_variance_lanes[-2, :, 0], WORLD.filtered[ended.sum()] * PER_YEAR, rtol=1e-14
    )
    alone = WORLD.sample(TimeGrid(HOUR, 3), 0, 5, DrawKeys(2))
    np.testing.assert_array_equal(alone.spot_lanes, paths.spot_lanes)
    with pytest.raises(ValueError, match=r"must hold the 2400 h of real history before time 0 .* got 1503 h"):
        WORLD.path_limit(TimeGrid(HOUR, 3, 24 * HOUR, 100))


def test_residuals_have_mean_zero_and_mean_square_one_and_keep_their_correlation():
    z = WORLD.residuals
    np.testing.assert_allclose(z.mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose((z * z).mean(axis=1), 1.0, rtol=1e-12)
    returns = WORLD.prices.returns
    raw = (returns - returns.mean(axis=0)) / np.sqrt(WORLD.filtered[:-1])
    assert np.corrcoef(z)[0, 1] == pytest.approx(np.corrcoef(raw.T)[0, 1], rel=1e-12)


def test_moments_of_paths_are_those_of_the_recursion():
    """Mean variance follows the forecast; log-drift is the stated one; shocks of a step keep their correlation."""
    count, steps = 30_000, 48
    paths = WORLD.sample(TimeGrid(HOUR, steps), 0, count, DrawKeys(4))
    forecast = WORLD.recursion.forecast(WORLD.filtered[-1], steps + 1) * PER_YEAR
    for t in (1, 10, steps):
        found = paths.variance_lanes[t]
        error = found.std(axis=1) / np.sqrt(count)
        assert (np.abs(found.mean(axis=1) - forecast[t]) < Z * error + 1e-12 * forecast[t]).all()
    x = np.log(paths.spot_lanes[-1] / paths.spot_lanes[0])
    mean = np.array(WORLD.log_drift) * steps / PER_YEAR
    assert (np.abs(x.mean(axis=1) - mean) < Z * x.std(axis=1) / np.sqrt(count)).all()
    square = (x - mean[:, None]) ** 2
    variance = forecast[:steps].sum(axis=0) / PER_YEAR  # shocks of different steps are uncorrelated
    assert (np.abs(square.mean(axis=1) - variance) < Z * square.std(axis=1) / np.sqrt(count)).all()


def test_the_stationary_start_is_one():
    """Its mean is the long-run variance, and it stays where it is along a history and a path."""
    world = dataclasses.replace(WORLD, initial_variance="stationary")
    paths = world.sample(TimeGrid(6 * HOUR, 8, 24 * HOUR, 3), 0, 20_000, DrawKeys(5))
    long_run = world.recursion.long_run * PER_YEAR
    for lanes in (paths.history_variance_lanes[0], paths.variance_lanes[0], paths.variance_lanes[-1]):
        error = lanes.std(axis=1) / np.sqrt(lanes.shape[1])
        assert (np.abs(lanes.mean(axis=1) - long_run) < Z * error + 1e-4 * long_run).all()
    assert world.starts_stationary
    assert not WORLD.starts_stationary


def test_a_coarser_grid_shows_the_same_path():
    fine = WORLD.sample(TimeGrid(HOUR, 24), 3, 100, DrawKeys(6))
    coarse = WORLD.sample(TimeGrid(3 * HOUR, 8), 3, 100, DrawKeys(6))
    np.testing.assert_array_equal(coarse.spot_lanes, fine.spot_lanes[::3])
    np.testing.assert_array_equal(coarse.variance_lanes, fine.variance_lanes[::3])


def test_a_variance_that_explodes_marks_its_path():
    wild = dataclasses.replace(WORLD, filter=GarchFilter("garch", (1e-6, 1e-6), (1.4, 1.4), (0.9, 0.9)))
    paths = wild.sample(TimeGrid(HOUR, 400), 0, 64, DrawKeys(7))
    assert paths.failed.any()
    good = ~paths.failed
    assert np.isfinite(paths.spot_lanes[:, :, good]).all()
    assert (paths.variance_lanes[:, :, good] < 1e8).all()


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match=r"omega must hold numbers in \(0, inf\), got 0\.0"):
        GarchFilter("garch", (0.0,), (0.1,), (0.8,))
    with pytest.raises(ValueError, match=r"alpha must hold numbers in \[0, 1\.5\), got -0\.1"):
        GarchFilter("garch", (1e-6,), (-0.1,), (0.8,))
    with pytest.raises(ValueError, match=r"decay must lie in \(0, 1\), got 1\.0"):
        EwmaFilter("ewma", 1.0)
    with pytest.raises(ValueError, match="filter must hold 2 numbers, one per asset, got 1"):
        dataclasses.replace(WORLD, filter=GarchFilter("garch", (1e-6,), (0.1,), (0.8,)))
    with pytest.raises(ValueError, match="initial_variance must not be stationary where alpha"):
        dataclasses.replace(WORLD, filter=EwmaFilter("ewma", 0.97), initial_variance="stationary")
    with pytest.raises(ValueError, match="at least 100 returns that bridge no gap, got 49"):
        dataclasses.replace(WORLD, prices=data(bars=50, gap=False))
