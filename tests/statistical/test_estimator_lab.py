"""The estimator lab against what is known exactly: the normal law, order statistics, and the form of an estimator."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from riskengine.config.study import load_study, load_world
from riskengine.engine.blocks import plan
from riskengine.engine.estimator_lab import Bench
from riskengine.engine.questions import Exposure
from riskengine.estimator.ewma import EwmaEstimator
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.normal import NormalEstimator
from riskengine.random import DrawKeys
from riskengine.study.estimator_lab import EstimatorLab

Z = 4.8  # about 80 comparisons at a family-wise error of 1e-4
SIZES, LEVELS = (100, 250), (0.95, 0.99)


def figures(study):
    """(model, level or target, size, measure) -> Estimate of a finished lab."""
    lab = EstimatorLab(study)
    lab.prepare()
    for block in plan(study.replications):
        lab.block(block)
    where = [(r, r.parameters) for r in lab.rows()]
    return {
        (r.model, p.get("level", p.get("target")), p.get("sample_size"), r.measure, p["exposure"]): r.estimate
        for r, p in where
    }


@pytest.fixture(scope="module")
def study():
    base = load_study("calibration_lab").study
    return replace(
        base,
        worlds=(load_world("btc_eth_gbm"),),
        exposures=(Exposure("BTC", "long", "log"), Exposure("BTC", "short", "inverse")),
        estimators=(HistoricalEstimator(), NormalEstimator()),
        levels=LEVELS,
        sample_sizes=SIZES,
        replications=2048,
        limit_replications=16,
        criteria=(),
    )


@pytest.fixture(scope="module")
def found(study):
    return figures(study)


def close(estimate, value):
    assert abs(estimate.value - value) <= Z * estimate.std_error
    assert estimate.std_error > 0


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("level", LEVELS)
def test_plug_in_normal_on_a_normal_law(found, n, level):
    """Its breach probability is Student's, its interval is exact, and its form is right."""
    at = lambda measure: found["normal", level, n, measure, "BTC long log"]  # noqa: E731
    close(at("mean_breach_probability"), 1 - stdtr(n - 1, ndtri(level) / np.sqrt(1 + 1 / n)))
    coverage = at("interval_coverage")
    assert abs(coverage.value - 0.95) <= Z * np.sqrt(0.95 * 0.05 / coverage.n)
    close(at("model_error"), 0.0)
    close(at("finite_sample_bias"), at("relative_bias").value)
    rmse, bias, sd = (at(m).value for m in ("relative_rmse", "relative_bias", "relative_sd"))
    assert rmse**2 == pytest.approx(bias**2 + sd**2, rel=1e-9)
    assert at("capital_ratio").value == pytest.approx(1 + bias)


@pytest.mark.parametrize("n", SIZES)
def test_level_that_keeps_the_target_is_the_one_of_students_law(found, n):
    """t quantile times sqrt(1 + 1 / n) is the normal quantile whose mean breach probability is the target."""
    level = found["normal", 0.01, n, "calibrated_level", "BTC long log"]
    exact = ndtr(stdtrit(n - 1, 0.99) * np.sqrt(1 + 1 / n))
    width = Z / ndtri(0.975)
    assert (
        level.value - width * (level.value - level.lower) <= exact <= level.value + width * (level.upper - level.value)
    )
    assert level.upper - level.lower < 0.002


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("exposure", ["BTC long log", "BTC short inverse"])
def test_order_statistics_breach_as_often_as_their_rank_says(found, n, level, exposure):
    rank = int(np.ceil(n * level - 1e-9))
    close(found["historical", level, n, "mean_breach_probability", exposure], (n + 1 - rank) / (n + 1))
    assert found["historical", level, n, "refused", exposure].value == 0
    assert found["historical", level, n, "score_regret", exposure].value > 0


def test_regret_is_the_expected_score_beyond_that_of_the_truth(study):
    """By quadrature over the law, for one estimate on each side of the truth."""
    bench = Bench(study.worlds[0], 24.0, "automatic", DrawKeys(1))
    exposure, level = study.exposures[1], 0.99
    truths = bench.truth(exposure, np.array([level]))
    truth = float(truths.var.value[0])
    u = (np.arange(2_000_000) + 0.5) / 2_000_000
    z = ndtri(u)
    law = study.worlds[0].model.law("BTC", 24 / 8760)
    mean, variance = law.cumulants()[:2]
    loss = exposure.unit.loss(mean + np.sqrt(variance) * z)
    made = np.array([0.8, 1.3]) * truth
    score = lambda q: np.maximum(level * (loss - q), (level - 1) * (loss - q)).mean()  # noqa: E731
    regret, _ = bench.regrets(exposure, np.array([level]), truths, made[None], made[None])
    np.testing.assert_allclose(regret[0], [score(q) - score(truth) for q in made], rtol=2e-5)


def test_a_world_with_a_state_is_judged_given_its_state(study):
    """Samples are windows of history; the exact breach probability of a fixed estimate has the right mean."""
    world = load_world("btc_eth")
    bench = Bench(world, 24.0, "automatic", DrawKeys(5))
    assert bench.history
    exposure = Exposure("BTC")
    returns, states = bench.draw(30, 0, 1024, ("BTC",))
    again, _ = bench.draw(30, 512, 512, ("BTC",))
    np.testing.assert_array_equal(again["BTC"], returns["BTC"][:, 512:])
    levels = np.array([0.99])
    truth = bench.truth(exposure, levels)
    breach = bench.breach(exposure, np.full((1, 1024), truth.var.value[0]), states["BTC"])[0]
    assert breach.std() > 0.002
    assert abs(breach.mean() - 0.01) <= Z * breach.std() / 32
    assert not Bench(world, 24.0, "independent", DrawKeys(5)).history
    small = replace(
        study,
        worlds=(world,),
        exposures=(exposure,),
        estimators=(EwmaEstimator(0.9), HistoricalEstimator()),
        sample_sizes=(50,),
        replications=256,
        targets=(),
        limit_size=1000,
        limit_replications=2,
    )
    found = figures(small)
    assert found["ewma", 0.99, 50, "mean_breach_probability", "BTC long linear"].value < 0.05
    assert np.isfinite(found["historical", 0.95, 50, "relative_rmse", "BTC long linear"].value)
    # the truth moves with the state: its own scatter is in the tracking error, and an estimate that follows has less
    conditional = bench.conditional(exposure, np.array([0.99]), states["BTC"])
    given = bench.breach(exposure, conditional, states["BTC"])
    np.testing.assert_allclose(given, 0.01, rtol=1e-6)
    strays = found["historical", 0.99, 50, "log_tracking_error", "BTC long linear"]
    assert strays.value > np.log(conditional[0]).std() / 2
    assert found["ewma", 0.99, 50, "log_tracking_error", "BTC long linear"].std_error > 0
