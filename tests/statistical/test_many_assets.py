"""Worlds of 1, 3, 6 and 20 assets: every covariance of the horizon's log-returns against its closed form."""

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton

PATHS, YEARS = 20_000, 30 / 365
GRID = TimeGrid(86_400, 30)
COUNTS = (1, 3, 6, 20)
# pairs over all counts and the three models, family-wise 1e-4
Z = float(ndtri(1 - 1e-4 / (3 * sum(n * (n + 1) // 2 for n in COUNTS)) / 2))


def parts(count):
    """Names, volatilities and a correlation matrix with all entries different."""
    names = tuple(f"A{i}" for i in range(count))
    volatility = np.linspace(0.3, 1.1, count)
    loading = np.linspace(0.3, 0.95, count)
    correlation = np.outer(loading, loading)
    np.fill_diagonal(correlation, 1.0)
    return names, volatility, correlation


def jumps(count):
    mean, sd = np.linspace(-0.05, 0.02, count), np.linspace(0.03, 0.08, count)
    common = CommonJumps(15.0, tuple(mean), tuple(sd), 0.6)
    own = OwnJumps(tuple(np.linspace(5.0, 40.0, count)), tuple(-mean), tuple(sd[::-1]))
    sizes = np.full((count, count), 0.6) + 0.4 * np.eye(count)
    per_year = 15.0 * (np.outer(mean, mean) + np.outer(sd, sd) * sizes)
    per_year += np.diag(np.array(own.intensity) * (mean**2 + sd[::-1] ** 2))
    return common, own, per_year


def assert_covariance(model, expected):
    paths = model.sample(GRID, 0, PATHS, DrawKeys(2024))
    assert not paths.failed.any()
    x = np.log(paths.spot_lanes[-1] / paths.spot_lanes[0])
    x -= x.mean(axis=1, keepdims=True)
    for i in range(len(x)):
        for j in range(i + 1):
            product = x[i] * x[j]
            assert abs(product.mean() - expected[i, j]) < Z * product.std() / np.sqrt(PATHS), (i, j)


@pytest.mark.parametrize("count", COUNTS)
def test_gbm(count):
    names, volatility, correlation = parts(count)
    one, zero = (1.0,) * count, (0.0,) * count
    model = Gbm(names, one, zero, tuple(volatility), correlation.tolist())
    assert_covariance(model, np.outer(volatility, volatility) * correlation * YEARS)


@pytest.mark.parametrize("count", COUNTS)
def test_merton(count):
    names, volatility, correlation = parts(count)
    common, own, per_year = jumps(count)
    one, zero = (1.0,) * count, (0.0,) * count
    model = Merton(names, one, zero, tuple(volatility), correlation.tolist(), common, own)
    assert_covariance(model, (np.outer(volatility, volatility) * correlation + per_year) * YEARS)


@pytest.mark.parametrize("count", COUNTS)
def test_bates_with_one_variance_motion(count):
    """One variance V for all, rho = 0: Cov = R E[int V] + Var(int V) / 4, V a stationary square-root process."""
    names, _, correlation = parts(count)
    common, own, per_year = jumps(count)
    kappa, theta, xi = 6.0, 0.4, 1.5
    one, zero = (1.0,) * count, (0.0,) * count
    model = Bates(
        names, one, zero, (kappa,) * count, (theta,) * count, (xi,) * count, zero, "stationary", correlation.tolist(),
        np.ones((count, count)).tolist(), common, own,
    )  # fmt: skip
    integral = theta * xi**2 / kappa**2 * (YEARS + np.expm1(-kappa * YEARS) / kappa)
    assert_covariance(model, (correlation * theta + per_year) * YEARS + 0.25 * integral)


def test_a_block_of_twenty_assets_fits_in_memory_and_first_assets_do_not_move():
    """An asset added at the end moves no draw of those before it: factor and counters are ordered."""
    names, volatility, correlation = parts(20)
    large = Gbm(names, (1.0,) * 20, (0.0,) * 20, tuple(volatility), correlation.tolist())
    small = Gbm(
        names[:6], (1.0,) * 6, (0.0,) * 6, tuple(volatility[:6]), correlation[:6, :6].tolist()
    )  # fmt: skip
    one, two = (m.sample(GRID, 0, 1_024, DrawKeys(1)).spot_lanes for m in (large, small))
    np.testing.assert_array_equal(one[:, :6], two)
    assert one.nbytes == 31 * 20 * 1_024 * 8
