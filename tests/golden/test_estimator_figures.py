"""Published and independently computed figures for estimators of VaR and ES."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from riskengine.estimator.cornish_fisher import CornishFisherEstimator, is_monotone, quantile_terms
from riskengine.estimator.filtered_historical import ewma_variances, rescaled
from riskengine.estimator.harrell_davis import HarrellDavisEstimator
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.pot_gpd import PotGpdEstimator, tail_quantile, tail_shortfall
from riskengine.estimator.split_conformal import SplitConformalEstimator, conformal_rank
from riskengine.estimator.student_t import scale_of_deviation, shortfall_factor
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw

CASES = {
    case["name"]: case
    for file in ("estimator_cases.json", "statistics.json")
    for case in json.loads(Path(__file__).with_name(file).read_text(encoding="utf-8"))["cases"]
}


def case(name):
    found = CASES[name]
    return found["inputs"], found["expected"], found["tolerance"]["abs"]


def test_nine_definitions_of_the_quantile():
    i, expected, tolerance = case("hs_quantile_conventions")
    losses = np.array(i["losses"])
    assert len(expected) == 9
    for definition, value in expected.items():
        estimator = HistoricalEstimator(definition)
        assert estimator.fit(losses, i["alpha"])[0].value == pytest.approx(value, abs=tolerance)
        assert estimator.fit_lanes(losses[:, None], i["alpha"]).var.value[0] == pytest.approx(value, abs=tolerance)


def test_student_t_and_cornish_fisher():
    """The case is in returns: mean and skewness change sign."""
    i, expected, tolerance = case("parametric_var_es")
    mean, sd, level = -i["mu"], i["sd"], i["alpha"]
    scale = sd * scale_of_deviation(i["df"])
    assert mean + scale * stdtrit(i["df"], level) == pytest.approx(expected["t4_var"], abs=tolerance)
    assert mean + scale * shortfall_factor(i["df"], level) == pytest.approx(expected["t4_es"], abs=tolerance)
    skew = -i["skew"]
    w = quantile_terms(float(ndtri(level)), 1 - level) @ [1.0, skew, i["excess_kurtosis"], skew**2]
    assert mean + sd * w == pytest.approx(expected["cornish_fisher_var"], abs=tolerance)


def test_region_where_the_cornish_fisher_map_rises():
    i, expected, _ = case("cornish_fisher_monotone")
    skew, kurtosis = np.array(i["moments"]).T
    assert is_monotone(skew, kurtosis).tolist() == expected
    np.testing.assert_array_equal(is_monotone(-skew, kurtosis), expected)


def test_generalised_pareto_tail():
    i, expected, tolerance = case("gpd_pot_var_es")
    ratio = i["n"] * (1 - np.array(i["alpha"])) / i["n_exceed"]
    np.testing.assert_allclose(tail_quantile(i["u"], i["xi"], i["beta"], ratio), expected["var"], atol=tolerance)
    np.testing.assert_allclose(tail_shortfall(i["u"], i["xi"], i["beta"], ratio), expected["es"], atol=tolerance)


def test_split_conformal_threshold():
    i, expected, tolerance = case("split_conformal_quantile")
    scores = np.array(i["scores"])
    for alpha, wanted in zip(i["alpha"], expected, strict=True):
        found = SplitConformalEstimator().fit_lanes(scores[:, None], 1 - alpha).var.value[0]
        assert found == pytest.approx(float(wanted), abs=tolerance)
        assert (conformal_rank(scores.size, 1 - alpha) > scores.size) == (wanted == "inf")


def test_filtered_losses():
    i, expected, _ = case("ewma_and_fhs_scaling")
    losses = -np.array(i["returns"])[None, :]
    variance = ewma_variances(losses, i["lam"], i["sigma2_1"])
    np.testing.assert_allclose(variance[0], expected["sigma2"], rtol=1e-12)
    np.testing.assert_allclose(-rescaled(losses, variance)[0], expected["scaled_returns"], rtol=1e-12)


REPLICATIONS = {250: 3000, 1000: 1000}
ESTIMATORS = {
    "historical_linear": HistoricalEstimator("linear"),
    "harrell_davis": HarrellDavisEstimator(),
    "cornish_fisher": CornishFisherEstimator("formula"),
    "pot_gpd": PotGpdEstimator(),
}
# bias, sd and breach probability of every row; all together fail by chance once in 10,000
Z = float(ndtri(1 - 1e-4 / (2 * 3 * 16)))


@cache
def experiment():
    i = CASES["reference_experiment_merton"]["inputs"]
    jump = NormalJump(i["lam"], i["jump_mean_log"], i["jump_std_log"])
    return MertonLaw(i["mu"], i["sigma"], (jump,), i["T"])


@cache
def samples(n):
    law = experiment()
    jump, generator, shape = law.jumps[0], np.random.default_rng(20240301 + n), (n, REPLICATIONS[n])
    count = generator.poisson(jump.intensity * law.horizon, shape)
    sd = np.sqrt(law.sigma**2 * law.horizon + count * jump.sd**2)
    drift = (-0.5 * law.sigma**2 - jump.intensity * jump.relative_mean) * law.horizon
    return -(drift + count * jump.mean + sd * generator.standard_normal(shape))


@cache
def fitted(estimator, n):
    return ESTIMATORS[estimator].fit_lanes(samples(n), (0.99, 0.999)).var.value


def half_digit(printed):
    """Half a unit in the last digit shown."""
    return 0.5 * 10.0 ** Decimal(repr(printed)).as_tuple().exponent


@pytest.mark.parametrize(
    "row", CASES["reference_experiment_merton"]["expected"], ids=lambda r: f"{r['estimator']}-{r['n']}-{r['level']}"
)
def test_reference_experiment(row):
    law, level, n = experiment(), row["level"], row["n"]
    value = fitted(row["estimator"], n)[(0.99, 0.999).index(level)]
    kept = np.isfinite(value)
    assert (~kept).mean() < 0.01  # samples in which the Pareto likelihood has no maximum
    value = value[kept]
    truth = -float(law.quantile(1 - level))
    breach = law.cdf(-value)
    # both sides are simulated: Z standard errors of the difference, and half the last printed digit
    both = 1 / (1 / value.size + 1 / row["replications"])
    second, fourth = value.var(), ((value - value.mean()) ** 4).mean()
    allowed = {
        "bias_percent": 100 * value.std() / truth / np.sqrt(both),
        "sd": np.sqrt((fourth - second**2) / (4 * second * both)),
        "breach_percent": 100 * breach.std() / np.sqrt(both),
    }
    found = {"bias_percent": 100 * (value.mean() / truth - 1), "sd": value.std(), "breach_percent": 100 * breach.mean()}
    if (row["estimator"], n, level) == ("pot_gpd", 250, 0.999):
        # 25 excesses: the estimates have no finite fourth moment (their sd over blocks of 2,500 ranges from 0.064 to
        # 0.091 with the fit that scipy also finds), so that the printed sd of 0.096 has no standard error
        assert 0.06 < found.pop("sd") < 0.11
    for name, figure in found.items():
        assert figure == pytest.approx(row[name], abs=Z * allowed[name] + half_digit(row[name])), name
