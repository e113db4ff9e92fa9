"""Forecasts that came with their own returns: 4,527 days of an equity index at 2.5 %.

The hit rate stands on the data page; the other figures were computed with R 4.2.2: `rq` of quantreg (an exact linear
programme) in turns with `optim` (BFGS) for the lines of the ES regression, base R for the rest.
"""

import numpy as np
import pytest

from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.conditional_calibration import conditional_calibration
from riskengine.backtest.es_regression import es_regression, es_regression_intercept, fit_lines
from riskengine.backtest.expected_shortfall import mcneil_frey
from riskengine.backtest.kupiec import kupiec
from riskengine.data.records import forecast_record
from riskengine.score.fissler_ziegel import fz0_score

P = 0.025


@pytest.fixture
def forecasts(shared):
    return forecast_record(shared / "data" / "var_es_backtest_sp500.csv.gz", "r", "q", "e", 1 - P)


def test_breach_count(forecasts):
    """3.42 % of 4,527; likelihood ratio and exact binomial p-value."""
    hits = int((forecasts.losses > forecasts.var).sum())
    assert (forecasts.losses.size, hits) == (4527, 155)
    found = kupiec(hits, 4527, P)
    assert found.likelihood_ratio == pytest.approx(14.239433, abs=1e-6)
    assert found.p_value == pytest.approx(1.6096204e-4, rel=1e-6)
    assert binomial_test(hits, 4527, P).p_value == pytest.approx(1.632849181e-4, rel=1e-8)


def test_conditional_calibration(forecasts):
    found = conditional_calibration(forecasts.losses, forecasts.var, forecasts.es, P)
    assert found.statistic == pytest.approx(16.02870094, rel=1e-8)
    assert found.p_value == pytest.approx(3.3068296e-4, rel=1e-6)


def test_exceedance_residuals(forecasts):
    """Breaches are too many; they are not significantly deeper than ES says."""
    found = mcneil_frey(forecasts.losses, forecasts.var, forecasts.es)
    assert found.statistic == pytest.approx(1.229269586, rel=1e-8)
    assert 0.05 < found.p_value < 0.2


def test_intercept_regression(forecasts):
    found = es_regression_intercept(forecasts.losses, forecasts.es, P)
    assert found.statistic == pytest.approx(3.689226031, rel=1e-9)


def test_strict_regression(forecasts):
    """ES was too low by a third of a percent at every forecast, and the line is as steep as it should be."""
    loss, es = forecasts.losses, forecasts.es
    fit = fit_lines(loss, es, es, P)
    np.testing.assert_allclose(fit.var, [0.141152394, 0.798363160], atol=2e-5)
    np.testing.assert_allclose(fit.es, [0.332511545, 1.020457765], atol=2e-5)
    assert fit.score == pytest.approx(2.09651442234, abs=1e-9)
    assert fit.score - 1.0 < float(fz0_score(loss, forecasts.var, es, 1 - P).mean())
    assert max(es_regression(loss, es, P, covariance=c).p_value for c in ("null", "specified", "robust")) < 0.01


def test_auxiliary_regression_is_no_worse_than_alternating_steps(forecasts):
    """Turns of exact steps wander between kinks here: 2.112179503 is the best of 200 of them."""
    fit = fit_lines(forecasts.losses, forecasts.var, forecasts.es, P)
    assert 2.1120 < fit.score <= 2.112179503 + 1e-6
    np.testing.assert_allclose(fit.es, [0.341153573, 1.035162376], atol=0.05)
    assert es_regression(forecasts.losses, forecasts.es, P, forecasts.var).p_value < 0.01
