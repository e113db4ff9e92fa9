"""Scores against closed forms, brute force and their own identities."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from riskengine.score.brier import brier, calibration_errors, ece_bias, recalibrated
from riskengine.score.compare import diebold_mariano, murphy_diagram
from riskengine.score.crps import crps_law, crps_normal_mixture, crps_sample
from riskengine.score.fissler_ziegel import fz0_score
from riskengine.score.pinball import pinball_loss, pinball_regret
from riskengine.score.quantile_calibration import quantile_calibration, recalibrated_quantile

RNG = np.random.default_rng(20)


def test_pinball_regret_is_the_excess_of_the_expected_loss():
    """E S(q) of a normal outcome by quadrature at three forecasts; the truth has none."""
    truth = float(ndtri(0.99))
    forecast = np.array([truth, 2.0, 3.0])

    def expected(q):
        density = lambda y: np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi) * pinball_loss(y, q, 0.99)  # noqa: E731
        return quad(density, -12, q, epsabs=1e-14)[0] + quad(density, q, 12, epsabs=1e-14)[0]

    wanted = [expected(q) - expected(truth) for q in forecast]
    np.testing.assert_allclose(pinball_regret(ndtr, truth, forecast, 0.99), wanted, atol=1e-12)


def test_fz0_is_minimal_at_the_truth_and_of_degree_zero():
    """Normal law at 97.5 %: 10 % errors cost 0.006 (ES) and 0.030 (both), as the reference states, by quadrature."""
    v = float(ndtri(0.975))
    e = np.exp(-0.5 * v * v) / np.sqrt(2 * np.pi) / 0.025

    def mean(var, es):
        density = lambda x: np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * float(fz0_score(x, var, es, 0.975))  # noqa: E731
        return quad(density, -12, var, epsabs=1e-13)[0] + quad(density, var, 12, epsabs=1e-13)[0]

    best = mean(v, e)
    for c in (0.9, 1.1):  # an error of ES alone costs 1 / c + log c - 1
        assert mean(v, c * e) - best == pytest.approx(1 / c + np.log(c) - 1, abs=1e-7)
    assert mean(0.9 * v, 0.9 * e) - best == pytest.approx(0.030, abs=5e-4)
    for var, es in ((1.05 * v, e), (0.95 * v, e), (v, 1.05 * e), (v, 0.97 * e)):
        assert mean(var, es) > best
    x = RNG.standard_normal(50)
    np.testing.assert_allclose(
        fz0_score(3 * x, 3 * v, 3 * e, 0.975) - fz0_score(x, v, e, 0.975), np.log(3.0), atol=1e-12
    )
    with pytest.raises(ValueError, match="0 < VaR <= ES"):
        fz0_score(1.0, 2.0, 1.5, 0.975)


def test_crps_of_a_law_a_mixture_and_a_sample_agree():
    weight, mean, sd = np.array([0.7, 0.3]), np.array([0.0, -0.5]), np.array([0.2, 0.6])
    y = np.array([-2.0, -0.3, 0.0, 0.4])

    def cdf(x):
        return (weight * ndtr((np.asarray(x)[..., None] - mean) / sd)).sum(axis=-1)

    closed = crps_normal_mixture(y, weight, mean, sd)
    np.testing.assert_allclose(crps_law(y, cdf, -6.0, 4.0), closed, rtol=1e-9)
    n = 40_000
    part = RNG.random(n) < weight[0]
    sample = np.where(part, RNG.normal(mean[0], sd[0], n), RNG.normal(mean[1], sd[1], n))
    # |X - y| has a standard deviation below 0.6, the spread term a smaller one
    np.testing.assert_allclose(crps_sample(y, sample), closed, atol=4.5 * 0.6 / np.sqrt(n))


def test_an_outcome_beyond_the_window_costs_its_distance():
    inside, outside = crps_law(np.array([9.0, 12.0, 30.0, -12.0]), ndtr, -10.0, 10.0), np.array([9.0, 12.0, 30.0, 12.0])
    np.testing.assert_allclose(inside, outside - 1 / np.sqrt(np.pi), rtol=1e-9)
    assert crps_law(np.array([-12.0]), ndtr, -10.0, 10.0, threshold=0.0) == crps_law(
        np.array([-1.0]), ndtr, -10.0, 10.0, threshold=0.0
    )


def test_crps_of_a_sample_is_its_definition():
    x, y = RNG.standard_normal(7), np.array([-0.2, 0.9])
    pairs = np.abs(np.subtract.outer(x, x))
    for fair, count in ((True, 42), (False, 49)):
        wanted = np.abs(x[:, None] - y).mean(axis=0) - 0.5 * pairs.sum() / count
        np.testing.assert_allclose(crps_sample(y, x, fair=fair), wanted, atol=1e-14)


def test_tail_weighted_crps_is_that_of_the_chained_outcome():
    """Weight 1{x > t}: the integral from t on; an outcome below t is as good as t."""
    found = crps_law(np.array([-1.0, 0.2, 1.0]), ndtr, -9.0, 9.0, threshold=0.5)
    wanted = [
        quad(lambda x, y=y: (ndtr(x) - (y <= x)) ** 2, 0.5, 9.0, points=[max(y, 0.5)])[0] for y in (-1.0, 0.2, 1.0)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-7)
    assert found[0] == found[1]


def test_parts_of_a_brier_score_add_up_and_are_not_negative():
    p = np.round(RNG.random(300), 1)
    o = (RNG.random(300) < 0.3 + 0.4 * p).astype(float)
    parts = brier(p, o)
    assert parts.score == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty, abs=1e-14)
    assert parts.score == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty, abs=1e-14)
    assert min(parts.reliability, parts.resolution, parts.miscalibration, parts.discrimination) >= 0
    better = recalibrated(p, o)
    assert (np.diff(better[np.argsort(p, kind="stable")]) >= 0).all()
    assert brier(better, o).miscalibration == pytest.approx(0.0, abs=1e-14)
    with pytest.raises(ValueError, match="0 or 1"):
        brier([0.5], [0.4])


def test_calibration_error_of_a_perfect_forecast_is_not_zero():
    p = RNG.random(200)
    mean, sd = ece_bias(p, 10, 200)
    assert 0.03 < mean < 0.12
    assert sd > 0
    found = [calibration_errors(p, RNG.random(200) < p, 10)[0] for _ in range(200)]
    assert np.mean(found) == pytest.approx(mean, abs=4.5 * sd * np.sqrt(2 / 200))


def test_isotonic_quantile_regression_is_optimal():
    """Brute force over all non-decreasing functions with values among the outcomes, six forecasts."""
    q, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([0.3, 2.0, 0.9, 0.8, 3.0, 1.0])
    for level in (0.5, 0.8):
        best = min(pinball_loss(y, np.array(c), level).sum() for c in combinations_with_replacement(np.sort(y), y.size))
        fitted = recalibrated_quantile(q, y, level)
        assert (np.diff(fitted) >= 0).all()
        assert pinball_loss(y, fitted, level).sum() == pytest.approx(best, abs=1e-12)


def test_parts_of_a_pinball_loss():
    q = RNG.gamma(2.0, 1.0, 400)
    y = q * RNG.gamma(1.0, 0.4, 400)
    parts = quantile_calibration(q, y, 0.9)
    assert parts.score == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty, abs=1e-14)
    assert min(parts.miscalibration, parts.discrimination) >= 0
    again = quantile_calibration(recalibrated_quantile(q, y, 0.9), y, 0.9)
    assert again.miscalibration == pytest.approx(0.0, abs=1e-12)
    # equal forecasts are one pool
    tied = recalibrated_quantile(np.array([1.0, 1.0, 1.0, 2.0]), np.array([3.0, 1.0, 2.0, 9.0]), 0.5)
    assert tied.tolist() == [2.0, 2.0, 2.0, 9.0]


def test_diebold_mariano_has_its_size_and_sees_a_difference():
    """Equal forecasts with MA(1) score differences: 400 samples of 300, rejections at 5 % within their error."""
    hits = 0
    for _ in range(400):
        e = RNG.standard_normal(301)
        d = e[1:] + 0.5 * e[:-1]
        hits += diebold_mariano(d, np.zeros(300)).p_value <= 0.05
    assert hits / 400 == pytest.approx(0.05, abs=4.5 * np.sqrt(0.05 * 0.95 / 400) + 0.015)
    found = diebold_mariano(RNG.standard_normal(300) - 0.5, np.zeros(300))
    assert found.difference < 0
    assert found.p_value < 1e-6
    assert diebold_mariano(np.ones(20), np.ones(20)).p_value == 1.0


def test_area_of_a_murphy_diagram_is_the_mean_pinball_loss():
    q, y = RNG.standard_normal(40) + 1.0, RNG.standard_normal(40)
    grid = np.linspace(-6, 6, 120_001)
    area = murphy_diagram(q, y, 0.9, grid).sum() * (grid[1] - grid[0])
    assert area == pytest.approx(float(pinball_loss(y, q, 0.9).mean()), abs=2e-4)
    assert (murphy_diagram(q, y, 0.9, grid[::1000]) >= 0).all()
