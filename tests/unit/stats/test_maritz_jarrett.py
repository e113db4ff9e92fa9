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


def exact_mean(n, m):
    """Mean squared estimate over samples of n uniforms: E U_(i) U_(j) = i (j + 1) / ((n + 1) (n + 2)) for i <= j."""
    from scipy.special import betainc

    weight = np.diff(betainc(m, n - m + 1, np.arange(n + 1) / n))
    rank = np.arange(1.0, n + 1)
    above = np.cumsum((weight * (rank + 1))[::-1])[::-1] - weight * (rank + 1)
    diagonal = rank * (rank + 1)
    products = 2 * (weight * rank) @ above + weight**2 @ diagonal
    return (weight @ diagonal - products) / ((n + 1) * (n + 2))


def test_against_its_exact_mean_for_a_uniform_law():
    n, m, runs = 2000, 1980, 400
    rng = np.random.default_rng(5)
    square = np.array([quantile_error(rng.random(n), 0.99) ** 2 for _ in range(runs)])
    # 3.9 standard errors: false once in 10,000
    assert abs(square.mean() - exact_mean(n, m)) < 3.9 * square.std() / np.sqrt(runs)


def test_bias_falls_with_the_root_of_the_tail():
    """The m-th of n is Beta(m, n - m + 1); the estimate of its variance is too large by 0.57 / sqrt(n (1 - level))."""
    for n in (2000, 8000, 32_000):
        m = n - n // 100
        bias = exact_mean(n, m) / (m * (n - m + 1) / ((n + 1) ** 2 * (n + 2))) - 1
        assert 0 < bias < 0.57 / np.sqrt(0.01 * n)
