"""Forecast laws on a grid of levels: transforms, draws, histograms."""

import numpy as np
import pytest
from scipy.stats import norm

from riskengine.backtest.expected_shortfall import acerbi_szekely, expected_worst, z3
from riskengine.score.crps import crps_law
from riskengine.score.pinball import pinball_loss
from riskengine.study.rolling_law import (
    BINS,
    GRID,
    LAW_TESTS,
    even_error,
    expected_weights,
    histogram,
    law_of,
    law_tests,
    loss_at,
    mean_weights,
    rank_test,
    ratio_tests,
    smallest_uniforms,
    survival_of,
    unevenness,
)
from riskengine.study.rolling_scores import quantile_crps

N = 1500
VAR, ES = norm.ppf(0.975), norm.pdf(norm.ppf(0.975)) / 0.025
QUANTILES = np.repeat(norm.ppf(GRID)[:, None], N, axis=1)
LAW = law_of(QUANTILES, np.full(N, ES), 0.025)


def draws(seed, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(N)


def test_survival_is_that_of_the_law_between_grid_points():
    loss = np.linspace(norm.ppf(0.951), norm.ppf(0.9974), N)
    np.testing.assert_allclose(survival_of(loss, LAW), norm.sf(loss), rtol=0.01)
    np.testing.assert_allclose(survival_of(norm.ppf(GRID[9:]), LAW[:, :9]), 1 - GRID[9:], rtol=1e-9)
    assert (survival_of(np.full(N, 0.1), LAW) == 1.0).all()


def test_mean_beyond_var_is_the_forecast_es():
    """At every level, of a heavy tail that the last quantile says little of; by a fine sum in the tail probability."""
    for p in (0.05, 0.025, 0.01, 0.001):
        law = law_of(QUANTILES[:, :1], np.array([4.0]), p)
        s = p * (np.arange(400_000) + 0.5) / 400_000
        assert loss_at(s, law, np.zeros(s.size, dtype=np.int64)).mean() == pytest.approx(4.0, rel=1e-4)


def test_tail_falls_no_faster_than_since_the_95_percent_quantile():
    """An empirical law whose two largest losses tie, and an ES that is the largest loss: a loss beyond is possible."""
    tied = QUANTILES[:, :1].copy()
    tied[-3:] = tied[-3]
    law = law_of(tied, tied[-1], 0.01)
    rate = (tied[-1, 0] - norm.ppf(0.95)) / np.log(0.05 / 0.0025)
    assert law[-1, 0] - law[-2, 0] == pytest.approx(rate, rel=1e-12)
    assert survival_of(tied[-1] + 2 * rate, law)[0] == pytest.approx(0.0025 * np.exp(-2), rel=1e-9)


def test_a_series_that_stands_still_has_no_survival_beyond_zero():
    """Quantiles of zero, as of a stablecoin whose price is rounded: no overflow, and a loss is impossible."""
    law = law_of(np.zeros((GRID.size, 3)), np.zeros(3), 0.01)
    assert survival_of(np.array([0.0, 1e-3, -1e-3]), law).tolist() == [pytest.approx(0.0025), 0.0, 1.0]


def test_loss_at_is_the_inverse():
    p = np.random.default_rng(2).uniform(1e-4, 0.05, N)
    np.testing.assert_allclose(survival_of(loss_at(p, LAW), LAW), p, rtol=1e-9)


def moving(seed, wide=1.0):
    """Laws whose scale moves, losses `wide` times as large as they say, and the forecasts of ES and VaR."""
    random = np.random.default_rng(seed)
    scale = np.exp(0.5 * random.standard_normal(N))
    return wide * scale * random.standard_normal(N), LAW * scale, ES * scale, VAR * scale


def test_ratios_are_those_of_the_plain_simulation():
    """Z1 and Z2: the statistic of `acerbi_szekely`, and its p-value from 999 draws of the day's law one at a time."""
    loss, law, es, _ = moving(3, 1.1)
    own = loss_at(np.full(N, 0.025), law)

    def draw(random):
        out = np.full(N, -np.inf)
        days = np.flatnonzero(random.random(N) < 0.025)
        out[days] = loss_at(0.025 * (1.0 - random.random(days.size)), law, days)
        return out

    found = ratio_tests(loss, own, es, law, 0.025, 4999, 1)
    for which in (1, 2):
        plain = acerbi_szekely(loss, own, es, 0.025, draw, which, 999, 2)
        mine = found[f"z{which}"]
        assert mine.statistic == pytest.approx(plain.statistic, abs=1e-12)
        p = plain.p_value
        assert mine.p_value == pytest.approx(p, abs=4.5 * np.sqrt(p * (1 - p) * (1 / 999 + 1 / 4999)))


def test_z3_is_the_formula_day_by_day():
    """On each day's law the mean of the worst ranks of all days, over its expectation by a million order statistics."""
    loss, law, _, _ = moving(4)
    survival = survival_of(loss, law)
    worst = 37
    seen = np.sort(survival)[:worst]
    drawn = smallest_uniforms(N, worst, 20_000, np.random.default_rng(5))
    ratios = []
    for t in (0, 11, 702):  # the scale cancels: every day says the same
        own = np.repeat(law[:, t : t + 1], 20_000, axis=1)
        expected = np.mean([loss_at(drawn[k], own) for k in range(worst)])
        ratios.append(loss_at(seen, own[:, :worst]).mean() / expected)
    assert 1.0 - rank_test(survival, law, 0.025, 99, 1).statistic == pytest.approx(np.mean(ratios), rel=2e-3)


def test_z3_weighs_days_as_the_formula_does():
    """Laws of two shapes: the mean over days of ratios, each by its own quantiles."""
    random = np.random.default_rng(6)
    law = LAW + np.where(random.random(N) < 0.5, 0.0, 1.0) * LAW**2
    survival = random.random(N)
    seen, worst = np.sort(survival)[:37], 37
    ratio = [
        loss_at(seen, np.repeat(law[:, t : t + 1], worst, axis=1)).mean() / (expected_weights(N, worst) @ law[:, t])
        for t in range(N)
    ]
    assert rank_test(survival, law, 0.025, 99, 1).statistic == pytest.approx(1.0 - np.mean(ratio), abs=1e-12)


def test_expected_worst_losses_are_those_of_beta_order_statistics():
    """Within what the grid leaves between its quantiles of the exact normal law, and of drawn ones in 4.5 errors."""
    weights = expected_weights(N, 37)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights @ LAW[:, 0] == pytest.approx(expected_worst(N, 37, norm.ppf), rel=5e-3)
    drawn = mean_weights(smallest_uniforms(N, 37, 4_000, np.random.default_rng(7)))
    error = drawn.std(axis=1) / np.sqrt(4_000)
    assert (np.abs(drawn.mean(axis=1) - weights) <= 4.5 * error + 1e-9).all()


def test_z3_of_one_law_is_the_exact_one_within_the_grid():
    loss = draws(8)
    exact = z3(norm.cdf(loss), norm.ppf, 0.025)
    assert rank_test(survival_of(loss, LAW), LAW, 0.025, 99, 1).statistic == pytest.approx(exact, abs=0.01)


def test_z3_keeps_its_size_and_sees_a_thin_tail():
    """On moving laws: at most 5 % rejected plus 4.5 errors of 300 when they are right, most at 1.3 times."""

    def rejected(wide):
        found = []
        for k in range(300):
            loss, law, _, _ = moving(1_000 + k, wide)
            found.append(rank_test(survival_of(loss, law), law, 0.025, 199, k).p_value <= 0.05)
        return np.mean(found)

    assert abs(rejected(1.0) - 0.05) <= 4.5 * np.sqrt(0.05 * 0.95 / 300)
    assert rejected(1.3) > 0.9


def test_z3_is_not_formed_where_the_worst_days_are_expected_to_gain():
    found = rank_test(np.linspace(0.01, 1, N), LAW - 10.0, 0.025, 99, 1)
    assert np.isnan(found.statistic) and found.p_value == 1.0


def test_a_right_law_is_even_and_a_narrow_one_is_not():
    right, narrow = histogram(QUANTILES, QUANTILES, draws(4)), histogram(QUANTILES, QUANTILES, draws(4, 1.4))
    assert right.sum() == narrow.sum() == N and right.size == BINS
    mean = even_error(N, 1)
    assert unevenness(right) < 1.6 * mean and unevenness(narrow) > 2.5 * mean
    assert narrow[0] > 1.5 * N / BINS < narrow[-1]


def test_bias_of_unevenness_is_that_of_a_multinomial():
    """Twenty bins of n days: half the sum of absolute deviations has mean about 10 sqrt(2 p (1 - p) / (pi n))."""
    expected = 10 * np.sqrt(2 * 0.05 * 0.95 / (np.pi * 4000))
    assert even_error(4000, 3) == pytest.approx(expected, rel=0.06)


def test_tests_accept_the_law_and_see_a_narrow_one():
    right = law_tests(draws(5), np.full(N, ES), QUANTILES, 0.025, 199, 1)
    narrow = law_tests(draws(5, 1.4), np.full(N, ES), QUANTILES, 0.025, 199, 1)
    assert set(right) == set(narrow) == set(LAW_TESTS)
    assert min(t.p_value for t in right.values()) > 0.01
    assert all(narrow[name].p_value < 0.01 for name in ("du_escanciano", "berkowitz_tail", "z2"))


def test_crps_from_quantiles():
    """A fine grid gives the CRPS by quadrature of the law; that of the tail is the integral of pinball losses."""
    loss = np.array([-1.3, 0.0, 0.4, 2.1, 3.7])
    levels = (np.arange(20_000) + 0.5) / 20_000
    quantiles = np.repeat(norm.ppf(levels)[:, None], loss.size, axis=1)
    np.testing.assert_allclose(quantile_crps(loss, quantiles, levels), crps_law(loss, norm.cdf, -9, 9), rtol=1e-3)
    tail = levels >= 0.95
    by_pinball = [0.1 * np.mean([pinball_loss(y, norm.ppf(a), a) for a in levels[tail]]) for y in loss]
    np.testing.assert_allclose(quantile_crps(loss, quantiles[tail], levels[tail]), by_pinball, rtol=2e-3)


def test_crps_on_the_grid_of_the_study_is_proper():
    """Mean over many normal losses: the right law scores best, alone and in the tail, and near 1 / sqrt(pi)."""
    loss = np.random.default_rng(12).standard_normal(200_000)
    levels = np.concatenate([1.0 - GRID[::-1], GRID])

    def scores(scale):
        whole, tail = scale * norm.ppf(levels)[:, None], scale * norm.ppf(GRID[8:])[:, None]
        return quantile_crps(loss, whole, levels).mean(), quantile_crps(loss, tail, GRID[8:]).mean()

    right, narrow, wide = scores(1.0), scores(0.9), scores(1.1)
    assert right[0] == pytest.approx(1 / np.sqrt(np.pi), rel=0.03)
    assert all(right[i] < min(narrow[i], wide[i]) for i in (0, 1))
