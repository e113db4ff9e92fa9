"""Forecast laws on a grid of levels: transforms, draws, histograms."""

import numpy as np
import pytest
from scipy.stats import norm

from riskengine.study.rolling_law import (
    BINS,
    GRID,
    LAW_TESTS,
    drawn_from,
    even_error,
    histogram,
    law_tests,
    loss_at,
    survival_of,
    unevenness,
)

N = 1500
LAW = np.repeat(norm.ppf(GRID)[:, None], N, axis=1)
VAR, ES = norm.ppf(0.975), norm.pdf(norm.ppf(0.975)) / 0.025


def draws(seed, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(N)


def test_survival_is_that_of_the_law_between_grid_points():
    loss = np.linspace(norm.ppf(0.951), norm.ppf(0.9974), N)
    np.testing.assert_allclose(survival_of(loss, LAW), norm.sf(loss), rtol=0.01)
    np.testing.assert_allclose(survival_of(norm.ppf(GRID[9:]), LAW[:, :9]), 1 - GRID[9:], rtol=1e-9)
    assert (survival_of(np.full(N, 0.5), LAW) == 1.0).all()


def test_loss_at_is_the_inverse():
    p = np.random.default_rng(2).uniform(1e-4, 0.05, N)
    np.testing.assert_allclose(survival_of(loss_at(p, LAW), LAW), p, rtol=1e-9)


def test_draws_breach_as_often_as_the_law_says():
    draw, random = drawn_from(LAW, 0.025), np.random.default_rng(3)
    losses = np.concatenate([draw(random) for _ in range(40)])
    assert (losses > VAR).mean() == pytest.approx(0.025, abs=4.5 * np.sqrt(0.025 * 0.975 / losses.size))
    assert losses[losses > VAR].mean() == pytest.approx(ES, abs=0.08)


def test_a_right_law_is_even_and_a_narrow_one_is_not():
    right, narrow = histogram(LAW, LAW, draws(4)), histogram(LAW, LAW, draws(4, 1.4))
    assert right.sum() == narrow.sum() == N and right.size == BINS
    mean = even_error(N, 1)
    assert unevenness(right) < 1.6 * mean and unevenness(narrow) > 2.5 * mean
    assert narrow[0] > 1.5 * N / BINS < narrow[-1]


def test_bias_of_unevenness_is_that_of_a_multinomial():
    """Twenty bins of n days: half the sum of absolute deviations has mean about 10 sqrt(2 p (1 - p) / (pi n))."""
    expected = 10 * np.sqrt(2 * 0.05 * 0.95 / (np.pi * 4000))
    assert even_error(4000, 3) == pytest.approx(expected, rel=0.06)


def test_tests_accept_the_law_and_see_a_narrow_one():
    right = law_tests(draws(5), np.full(N, ES), LAW, 0.025, 199, 1)
    narrow = law_tests(draws(5, 1.4), np.full(N, ES), LAW, 0.025, 199, 1)
    assert set(right) == set(narrow) == set(LAW_TESTS)
    assert min(t.p_value for t in right.values()) > 0.01
    assert all(narrow[name].p_value < 0.01 for name in ("du_escanciano", "berkowitz_tail", "z2"))
