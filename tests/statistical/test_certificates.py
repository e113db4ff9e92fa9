"""Certificates keep their promise: the shipped experiment against theory, and bets on losses that are no breaches."""

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.blocks import plan
from riskengine.tune.certify import Bets, certify, hoeffding_bentkus_upper
from riskengine.tune.experiment import Experiment

# family of 40 comparisons at 1e-4 in all: two-sided normal quantile of 1e-4 / 40
Z = 4.71


def test_the_shipped_experiment_is_as_theory_says():
    """One-day Merton, target 1 %, delta 5 %, up to 10^4 losses, 1,000 choices of every rule.

    Mean true risk (x + 1) / (n + 1), violations P(Bin(n, 1 %) <= x): at 10^4 losses 0.84 % and 4.6 % certified,
    1.01 % and 53 % by point estimate.
    """
    study = load_study("calibration_certificate").study
    experiment = Experiment(study)
    experiment.bench.prepare()
    for block in plan(study.replications):
        experiment.block(block)
    rows = {(r.parameters["rule"], r.parameters["sample_size"], r.parameters["source"], r.measure): r.estimate
            for r in experiment.rows()}  # fmt: skip
    compared = 0
    for (rule, n), risk in experiment.risks.items():
        mean, share = (rows[rule, n, "theory", m].value for m in ("mean_true_risk", "violation_share"))
        sd = np.sqrt(mean * (1 - mean) / (n + 2))
        assert abs(risk.mean() - mean) < Z * sd / np.sqrt(risk.size), (rule, n)
        error = np.sqrt(share * (1 - share) / risk.size)
        # few violations are no normal variate: their count may be two more
        assert abs((risk > 0.01).mean() - share) < Z * error + 2 / risk.size, (rule, n)
        compared += 1
    assert compared == 18
    assert rows["certified", 10_000, "theory", "violation_share"].value == pytest.approx(0.0455, abs=1e-4)
    assert rows["certified", 10_000, "theory", "mean_true_risk"].value == pytest.approx(0.0084, abs=1e-5)
    assert rows["point_estimate", 10_000, "measured", "violation_share"].value == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("accounts", [1, 20])
def test_bets_are_p_values_at_the_target_itself(accounts):
    """Shares of accounts that breach with one common shock, mean exactly the target: P(p <= delta) <= delta."""
    random, target, delta, times = np.random.default_rng(31), 0.05, 0.1, 600
    wrong = 0
    for _ in range(times):
        shock = random.random(400) < 0.1
        share = random.binomial(accounts, 0.5, 400) / accounts * shock
        wrong += Bets(share, delta).p_value(target) <= delta
    assert wrong / times <= delta + Z * np.sqrt(delta * (1 - delta) / times)
    assert wrong > 0


def test_bets_certify_more_than_a_bound_that_knows_no_variance():
    """Shares of mean 0.9 % and standard deviation 0.9 %: both bounds hold, the bet's is far nearer."""
    random, n = np.random.default_rng(5), 10_000
    share = random.binomial(100, 0.009, n) / 100
    bets = Bets(share, 0.05)
    wide = hoeffding_bentkus_upper(float(share.mean()), n, 0.95)
    assert 0.009 < bets.upper() < 0.0095 < 0.0105 < wide
    assert bets.p_value(bets.upper() * 1.0001) <= 0.05 <= bets.p_value(bets.upper() * 0.9999)
    assert certify(share[:, None], 0.01, 0.05, "betting").chosen == 0
    assert certify(share[:, None], 0.01, 0.05).chosen is None
    with pytest.raises(ValueError, match="must be 0 or 1 under clopper-pearson"):
        certify(share[:, None], 0.01, 0.05, "clopper-pearson")
    with pytest.raises(ValueError, match="method must be one of"):
        certify(share[:, None], 0.01, 0.05, "bayes")
