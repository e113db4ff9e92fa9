"""The regression test of expected shortfall: fit against a second method, size, power, refusals."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.stats import norm

from riskengine.backtest.es_regression import es_regression, es_regression_intercept, fit_lines, mean_score
from riskengine.score.fissler_ziegel import fz0_score

P = 0.025
VAR = float(-norm.ppf(P))
ES = float(norm.pdf(VAR) / P)


def history(n, seed, factor=1.0):
    """Normal losses of moving volatility, VaR and ES forecasts times `factor`."""
    random = np.random.default_rng(seed)
    scale = np.exp(0.4 * np.sin(np.arange(n) / 40.0))
    return random.standard_normal(n) * scale, factor * VAR * scale, factor * ES * scale


def test_objective_is_the_score():
    loss, _, es = history(500, 1)
    lines = np.array([0.1, 0.7, 0.2, 0.9])
    var, shortfall = lines[0] + lines[1] * es, lines[2] + lines[3] * es
    expected = float(fz0_score(loss, var, shortfall, 1 - P).mean()) + 1.0
    assert mean_score(loss, es, es, lines, P) == pytest.approx(expected, rel=1e-12)


def alternating(loss, x, z, start):
    """The same minimum by turns: weighted quantile regression as a linear programme, then the smooth part."""
    b, g, n = start[:2].copy(), start[2:].copy(), loss.size
    columns = np.column_stack([np.ones(n), x])
    for _ in range(40):
        weight = 1.0 / (g[0] + g[1] * z)
        # min sum w (u+ (1 - p) + u- p) with loss - v = u+ - u-
        cost = np.concatenate([np.zeros(2), (1 - P) * weight, P * weight])
        equal = np.hstack([columns, np.eye(n), -np.eye(n)])
        bounds = [(None, None)] * 2 + [(0, None)] * (2 * n)
        b = linprog(cost, A_eq=equal, b_eq=loss, bounds=bounds, method="highs").x[:2]
        a = columns @ b + np.maximum(loss - columns @ b, 0.0) / P
        found = minimize(lambda c, a=a: float((a / (c[0] + c[1] * z) + np.log(c[0] + c[1] * z)).mean()), g,
                         method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14})  # fmt: skip
        moved = np.abs(found.x - g).max()
        g = found.x
        if moved < 1e-9:
            break
    return np.concatenate([b, g])


@pytest.mark.parametrize("auxiliary", [False, True])
def test_fit_reaches_what_alternating_exact_steps_reach(auxiliary):
    loss, var, es = history(400, 3)
    x = 0.3 + var + 0.1 * np.cos(np.arange(400)) if auxiliary else es
    fit = fit_lines(loss, x, es, P)
    other = alternating(loss, x, es, np.concatenate([fit.var, fit.es]) * np.array([1.1, 0.9, 1.1, 0.95]))
    reached = mean_score(loss, x, es, np.concatenate([fit.var, fit.es]), P)
    assert reached <= mean_score(loss, x, es, other, P) + 1e-7
    assert fit.score == pytest.approx(reached, abs=1e-9)


def test_coefficients_follow_units():
    loss, _, es = history(1000, 5)
    one, other = fit_lines(loss, es, es, P), fit_lines(100 * loss, 100 * es, 100 * es, P)
    np.testing.assert_allclose(other.es, one.es * np.array([100.0, 1.0]), rtol=2e-3)


def test_size_is_near_nominal_and_understatement_is_seen():
    """Rejections of right forecasts: at most 5 % plus 4.5 standard errors of 60 histories; of ES 25 % too low: most."""
    right = [es_regression(*take(history(1000, 100 + i)), P).p_value for i in range(60)]
    wrong = [es_regression(*take(history(1000, 300 + i, 0.75)), P).p_value for i in range(20)]
    assert np.mean(np.array(right) < 0.05) <= 0.05 + 4.5 * np.sqrt(0.05 * 0.95 / 60)
    assert np.mean(np.array(wrong) < 0.05) > 0.6


def take(made):
    loss, _, es = made
    return loss, es


def test_intercept_is_the_closed_solution():
    loss, _, es = history(800, 8, 0.8)
    gap = np.sort(loss - es)
    worst = gap[-20:]  # 800 days at 2.5 %
    found = es_regression_intercept(loss, es, P)
    v = gap[-21]
    a = v + np.maximum(loss - es - v, 0.0) / P
    assert a.mean() == pytest.approx(worst.mean(), rel=1e-12)
    assert found.statistic == pytest.approx(worst.mean() / (a.std() / np.sqrt(800)), rel=1e-12)
    assert es_regression_intercept(loss, es, P, two_sided=False).p_value == pytest.approx(found.p_value / 2)


def test_covariances_agree_on_a_long_history():
    """Every covariance estimates the same thing where the lines are right."""
    loss, var, es = history(20_000, 13)
    values = [es_regression(loss, es, P, covariance=c).statistic for c in ("null", "specified", "robust")]
    assert max(values) < 1.35 * min(values) + 0.5


def test_bootstrap_ranks_the_statistic():
    """Half the right ES is rejected; the right one has an ordinary p-value."""
    p_values = []
    for factor in (0.5, 1.0):
        loss, _, es = history(600, 21, factor)
        found = es_regression(loss, es, P, covariance="bootstrap", replicates=99)
        assert "99 draws" in found.method
        p_values.append(found.p_value)
    assert p_values[0] < 0.5 * p_values[1]


def test_refusals():
    loss, var, es = history(300, 2)
    assert "400 losses" in es_regression(loss, es, P).method
    loss, var, es = history(500, 2)
    assert "move" in es_regression(loss, np.full(500, 2.0), P).method
    with pytest.raises(ValueError, match="positive"):
        es_regression(loss, -es, P)
    with pytest.raises(ValueError, match="tail_prob"):
        es_regression(loss, es, 0.9)
