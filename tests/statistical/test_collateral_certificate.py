"""The certificate of a collateral factor on a market with known risk: true, and not needlessly loose."""

import numpy as np
import pytest
from scipy.stats import binomtest, multivariate_normal, norm

from riskengine.lending.closed_form import twice_monitored_bad_debt
from riskengine.tune.certify import allowed_breaches
from riskengine.tune.one_loan import OneLoan

MARKET = OneLoan(tuple(np.round(np.arange(0.81, 0.9001, 0.001), 4).tolist()))
PATHS, TARGET, DELTA, REPLICATIONS = 4096, 0.005, 0.05, 100


@pytest.fixture(scope="module")
def chosen():
    """Places of the thresholds chosen."""
    return MARKET.choices(20231031, REPLICATIONS, PATHS, TARGET, DELTA)


def test_closed_form_is_the_bivariate_normal_one():
    sd, mean = 0.06, -0.5 * 0.06**2
    low, call = np.log(1.05 / 1.25), np.log(1.0 / (1.25 * 0.9))
    spread = [[sd**2, sd**2], [sd**2, 2 * sd**2]]
    both = multivariate_normal.cdf([call, low], [mean, 2 * mean], spread, abseps=1e-10, releps=1e-10)
    later = norm.cdf(low, 2 * mean, sd * np.sqrt(2)) - both
    found = twice_monitored_bad_debt(1250.0, 1000.0, 0.9, 0.05, 0.06, 1.0)
    assert found == pytest.approx(norm.cdf(low, mean, sd) + later, rel=1e-6)


def test_the_engine_has_the_closed_form_risk_and_is_monotone():
    losses = MARKET.losses(11, 0, 60_000)
    assert (np.diff(losses, axis=1) >= 0).all()
    for place in (0, 45, len(MARKET.risks) - 1):
        hits = int(losses[:, place].sum())
        assert binomtest(hits, len(losses), MARKET.risks[place]).pvalue > 1e-5


def test_violated_certificates_are_as_many_as_the_binomial_law_says_and_at_most_delta(chosen):
    risk = np.where(chosen >= 0, MARKET.risks[chosen], 0.0)
    exact = MARKET.violation(PATHS, TARGET, DELTA)
    # the share is not small for want of candidates: the first unsafe one is just above the target
    assert 0.5 * DELTA < exact <= DELTA
    assert binomtest(int((risk > TARGET).sum()), REPLICATIONS, exact).pvalue > 1e-4


def test_the_certificate_is_not_needlessly_loose(chosen):
    made = MARKET.risks[np.maximum(chosen, 0)]
    # with every real number a candidate the true risk of the choice is Beta(x + 1, n - x)
    allowed = allowed_breaches(PATHS, TARGET, DELTA)
    ideal = (allowed + 1) / (PATHS + 1)
    error = np.sqrt(allowed + 1) / PATHS / np.sqrt(REPLICATIONS)
    spacing = float(np.diff(MARKET.risks).max())
    assert ideal - spacing - 4 * error < made.mean() < ideal + 4 * error
