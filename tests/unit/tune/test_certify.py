"""Certified choices: what is promised holds over many repetitions, is not needlessly loose, is refused where void."""

import numpy as np
import pytest
from scipy.special import bdtr, betainc

from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.tune.certify import (
    Certificate,
    binomial_p_value,
    certified_margin,
    certify,
    conformal_risk_control,
    hoeffding_bentkus_p_value,
    hoeffding_bentkus_upper,
    scenario_sample_size,
    worst_case,
)

DAY = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)


def test_hoeffding_bentkus_is_a_p_value():
    """For binary losses at the target itself P(p <= d) <= d, exactly by enumeration; the bound inverts it."""
    n, target = 500, 0.02
    hits = np.arange(n + 1)
    p = np.array([hoeffding_bentkus_p_value(k / n, n, target) for k in hits])
    pmf = np.diff(np.concatenate([[0.0], bdtr(hits, n, target)]))
    for delta in (0.01, 0.05, 0.2):
        assert pmf[p <= delta].sum() <= delta
    upper = hoeffding_bentkus_upper(0.004, n, 0.95)
    assert (
        hoeffding_bentkus_p_value(0.004, n, upper * 1.0001)
        <= 0.05
        <= hoeffding_bentkus_p_value(0.004, n, upper * 0.9999)
    )


def test_fixed_sequence_stops_at_the_first_that_does_not_pass():
    n = 2000
    losses = np.zeros((n, 4))
    for c, hits in enumerate((0, 5, 60, 8)):
        losses[:hits, c] = 1.0
    found = certify(losses, 0.01, 0.05)
    assert found.chosen == 1
    assert np.isnan(found.upper[3])
    assert found.upper[1] < 0.01 < found.upper[2]
    assert certify(np.ones((50, 2)), 0.01, 0.05).chosen is None
    shares = certify(losses * 0.5, 0.01, 0.05)
    assert "bentkus" in shares.method
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        certify(losses * 3, 0.01, 0.05)


def test_the_certificate_is_true_and_not_loose():
    """One-day Merton law, target 1 %, delta 5 %, n = 10,000, 1,000 seeds.

    The true breach probability of the choice is Beta(x + 1, n - x): mean (x + 1) / (n + 1), violated with probability
    P(Bin(n, 1 %) <= x) <= 5 %, both within 4.5 standard errors.
    """
    n, target, delta, seeds = 10_000, 0.01, 0.05, 1_000
    random = np.random.default_rng(2026)
    truth, allowed = np.empty(seeds), 0
    for s in range(seeds):
        # the law enters through its quantile transform only, so uniforms say it all
        u = random.random(n)
        margin, allowed = certified_margin(u, target, delta)
        truth[s] = 1.0 - margin
    violated = float(bdtr(allowed, n, target))
    assert violated <= delta < float(bdtr(allowed + 1, n, target))
    assert (truth > target).mean() == pytest.approx(violated, abs=4.5 * np.sqrt(violated * (1 - violated) / seeds))
    mean = (allowed + 1) / (n + 1)
    sd = np.sqrt(mean * (1 - mean) / (n + 2))
    assert truth.mean() == pytest.approx(mean, abs=4.5 * sd / np.sqrt(seeds))
    assert mean > 0.8 * target
    assert 1.0 - betainc(allowed + 1, n - allowed, target) == pytest.approx(violated, rel=1e-9)


def test_a_certified_margin_of_real_losses():
    """The same through the law itself: exact breach probability of the chosen margin."""
    x = -np.expm1(DAY.quantile(np.random.default_rng(5).random(10_000)))
    margin, allowed = certified_margin(x, 0.01, 0.05)
    assert (x > margin).sum() == allowed
    assert float(DAY.cdf(np.log1p(-margin))) < 0.011
    with pytest.raises(ValueError, match="at least 299"):
        certified_margin(x[:250], 0.01, 0.05)


def test_common_grid_certificate_keeps_its_level():
    """Grid of multipliers on common paths, 400 repetitions: share of wrong certificates at most delta."""
    random, wrong = np.random.default_rng(8), 0
    grid = np.linspace(0.995, 0.985, 21)  # nominal coverage from safe to risky, true risk 1 - grid
    for _ in range(400):
        u = random.random(3000)
        found = certify((u[:, None] > grid).astype(float), 0.01, 0.1)
        wrong += found.chosen is not None and 1 - grid[found.chosen] > 0.01 + 1e-12
    assert wrong / 400 <= 0.1 + 4.5 * np.sqrt(0.1 * 0.9 / 400)


def test_conformal_risk_control_is_refused_where_losses_fall():
    """The Aave counter-example: a higher threshold can leave less bad debt under a partial close factor."""
    with pytest.raises(ValueError, match=r"must not fall.*path 1 at candidates 0 and 1.*fixed-sequence"):
        conformal_risk_control([[0.0, 0.1], [0.36, 0.0]], 0.1)
    with pytest.raises(ValueError, match="at most 1"):
        conformal_risk_control([[0.0, 2.0]], 0.1)


def test_scenario_sample_size():
    """Smallest N with P(Bin(N, target) <= d - 1) <= delta; one variable is the zero-failure run."""
    assert scenario_sample_size(1, 0.05, 0.05) == 59
    for d in (2, 5, 20):
        n = scenario_sample_size(d, 0.01, 1e-3)
        assert bdtr(d - 1, n, 0.01) <= 1e-3 < bdtr(d - 1, n - 1, 0.01)


def test_worst_case_over_worlds():
    def made(chosen):
        return Certificate(chosen, np.zeros(3), 0.01, 0.05, "")

    assert worst_case([made(2), made(1)]) == 1
    assert worst_case([made(2), made(None)]) is None
    with pytest.raises(ValueError, match="at least one"):
        worst_case([])


def test_binomial_p_value_refuses_weights():
    assert binomial_p_value(3, 1000, 0.01) == pytest.approx(float(bdtr(3, 1000, 0.01)))
    with pytest.raises(ValueError, match="weighted"):
        binomial_p_value(3.4, 1000, 0.01)
