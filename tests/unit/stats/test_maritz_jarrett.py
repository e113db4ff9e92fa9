import numpy as np
import pytest

from riskengine.stats.maritz_jarrett import quantile_error


def test_weights_are_those_of_the_beta_law():
    """Small enough to sum all weights: E L and E L^2 under Beta(m, n - m + 1)."""
    from scipy.special import betainc

    x = np.sort(np.random.default_rng(3).normal(size=40))
    m = 38
    weight = np.diff(betainc(m, 40 - m + 1, np.arange(41) / 40))
    expected = np.sqrt(weight @ x**2 - (weight @ x) ** 2)
    assert quantile_error(x, 0.95) == pytest.approx(expected, rel=1e-10)


def test_scale_and_shift():
    x = np.random.default_rng(4).exponential(size=3000)
    error = quantile_error(x, 0.99)
    assert quantile_error(5 * x + 1e6, 0.99) == pytest.approx(5 * error, rel=1e-6)


def test_against_the_exact_error_of_a_uniform_quantile():
    """The m-th of n uniforms is Beta(m, n - m + 1); the mean estimate over samples meets its standard deviation."""
    n, level, runs = 2000, 0.99, 400
    m = 1980
    exact = np.sqrt(m * (n - m + 1) / ((n + 1) ** 2 * (n + 2)))
    rng = np.random.default_rng(5)
    found = np.array([quantile_error(rng.random(n), level) for _ in range(runs)])
    # the estimator is consistent, not unbiased: its own bias is of order 1/(n (1 - level)) = 5 %
    assert abs(found.mean() / exact - 1) < 0.05 + 4 * found.std() / exact / np.sqrt(runs)
