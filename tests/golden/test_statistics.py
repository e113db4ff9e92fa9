"""Published and independently computed figures for laws, estimates, estimators and backtests."""

import json
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln, ndtr, ndtri, stdtr

from riskengine.backtest.christoffersen import christoffersen_counts
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.traffic_light import traffic_light
from riskengine.estimator.ewma import ewma_variance
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.normal import NormalEstimator, shortfall_factor
from riskengine.exposure.health_factor import HealthFactorExposure
from riskengine.law.bates import BatesLaw
from riskengine.law.inversion import checked_cdf
from riskengine.law.jump import NormalJump
from riskengine.law.kou import DoubleExponentialJump, KouLaw
from riskengine.law.merton import MertonLaw
from riskengine.market.grid import TimeGrid
from riskengine.pricing.svi import svi_jump_wings
from riskengine.random import DrawKeys
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.proposal import Proposal, Tilt
from riskengine.scenario.variance_filter import EwmaFilter, GarchFilter, Recursion, backcast
from riskengine.stats.proportion import clopper_pearson_upper
from riskengine.stats.quantile import expected_shortfall, order_statistic_ranks, value_at_risk

CASES = {
    case["name"]: case
    for case in json.loads(Path(__file__).with_name("statistics.json").read_text(encoding="utf-8"))["cases"]
}


NODE, WEIGHT = np.polynomial.legendre.leggauss(200)
# figures compared with simulated ones: 4 historical and 2 normal rows of 3 each, family-wise 1e-4
Z = float(ndtri(1 - 1e-4 / 18 / 2))
REPLICATIONS = 6000  # of the reference experiment


def case(name):
    found = CASES[name]
    return found["inputs"], found["expected"], found["tolerance"]


def merton(inputs, drift=0.0):
    jump = NormalJump(inputs["lam"], inputs["jump_mean_log"], inputs["jump_std_log"])
    return MertonLaw(drift, inputs["sigma"], (jump,), inputs["T"])


ONE_DAY = merton(CASES["merton_1d_cdf"]["inputs"])


def call(law, strike, spot, rate, horizon):
    """Call by parity from the put: the direct coefficients lose digits on wide windows."""
    strike = np.atleast_1d(np.asarray(strike, dtype=float))
    k = np.log(strike / spot)
    put = np.exp(-rate * horizon) * (strike * law.cdf(k) - spot * law.lower_expectation(k))
    return put + spot - strike * np.exp(-rate * horizon)


def test_merton_calls():
    i, expected, tolerance = case("merton_call_strip")
    law = merton(i, i["r"])
    np.testing.assert_allclose(call(law, i["K"], i["S"], i["r"], i["T"]), expected, atol=tolerance["abs"], rtol=0)


def test_merton_cdf_by_mixture_and_by_inversion():
    i, expected, tolerance = case("merton_1d_cdf")
    c1, c2 = ONE_DAY.cumulants()[:2]
    inverted = checked_cdf(ONE_DAY.characteristic, ONE_DAY.log_mgf, np.array(i["x"]), c1, np.sqrt(c2))
    for value in (ONE_DAY.cdf(i["x"]), inverted):
        np.testing.assert_allclose(value, expected, rtol=tolerance["rel"], atol=tolerance["abs"])


def test_merton_cumulants():
    i, expected, tolerance = case("merton_cumulants")
    np.testing.assert_allclose(merton(i, i["r"]).cumulants(), expected, atol=tolerance["abs"], rtol=0)


def kou(inputs):
    jump = DoubleExponentialJump(inputs["lam"], inputs["p_up"], inputs["eta_up"], inputs["eta_down"])
    return KouLaw(inputs["r"], inputs["sigma"], (jump,), inputs["T"])


def test_kou_calls():
    i, expected, tolerance = case("kou_call_strip")
    np.testing.assert_allclose(call(kou(i), i["K"], i["S"], i["r"], i["T"]), expected, atol=tolerance["abs"], rtol=0)


def test_kou_characteristic_function():
    i, expected, tolerance = case("kou_characteristic_function")
    found = kou(i).characteristic(i["u"])
    np.testing.assert_allclose(np.stack([found.real, found.imag], axis=1), expected, atol=tolerance["abs"], rtol=0)


def test_merton_log_likelihood():
    i, expected, tolerance = case("merton_loglik")
    law = merton(i | {"T": i["dt"]}, i["mu"])
    assert np.log(law.pdf(i["returns"])).sum() == pytest.approx(expected, abs=tolerance["abs"])


@pytest.mark.parametrize("name", ["heston_fang_oosterlee", "bates_broadie_kaya_svj"])
def test_bates_calls(name):
    i, expected, tolerance = case(name)
    jumps = ()
    if "lam" in i:
        d = i["jump_std_log"]
        # -12 % is the mean RELATIVE jump; read as a log mean the at-the-money call is 20.0337
        jumps = (NormalJump(i["lam"], np.log1p(i["mean_relative_jump"]) - 0.5 * d * d, d),)
    found = [
        call(BatesLaw(i["r"], i["kappa"], i["theta"], i["xi"], i["rho"], jumps, t, i["v0"]), i["K"], i["S"], i["r"], t)
        for t in np.atleast_1d(i["T"]).astype(float).tolist()
    ]
    np.testing.assert_allclose(np.ravel(found), expected, atol=tolerance["abs"], rtol=0)


def test_empirical_var_is_the_inverted_cdf():
    i, expected, _ = case("hs_quantile_conventions")
    assert value_at_risk(i["losses"], (i["alpha"],))[0].value == expected["inverted_cdf"]
    assert HistoricalEstimator().fit(i["losses"], i["alpha"])[0].value == expected["inverted_cdf"]


def test_empirical_expected_shortfall():
    i, expected, tolerance = case("hs_expected_shortfall")
    for level in i["alpha"]:
        wanted = pytest.approx(expected[str(level)], abs=tolerance["abs"])
        assert expected_shortfall(i["losses"], level).value == wanted
        assert HistoricalEstimator().fit(i["losses"], level)[1].value == wanted


def test_ewma_recursion():
    i, expected, tolerance = case("ewma_and_fhs_scaling")
    found = [ewma_variance(i["returns"][:t], i["lam"], i["sigma2_1"]) for t in range(len(i["returns"]) + 1)]
    np.testing.assert_allclose(found, expected["sigma2"], rtol=tolerance["rel"], atol=tolerance["abs"])


def test_parametric_normal():
    i, expected, tolerance = case("parametric_var_es")
    # a sample with exactly these moments; VaR is the loss, so the mean return enters with a minus sign
    shape = np.array([-1.0, 1.0, -1.0, 1.0])
    losses = -i["mu"] + i["sd"] * shape / shape.std(ddof=1)
    var, es = NormalEstimator().fit(losses, i["alpha"])
    assert var.value == pytest.approx(expected["normal_var"], abs=tolerance["abs"])
    assert es.value == pytest.approx(expected["normal_es"], abs=tolerance["abs"])
    assert shortfall_factor(i["alpha"]) == pytest.approx(2.6652142203458045, abs=1e-12)


@pytest.mark.parametrize("law", ["normal", "t4"])
def test_influence_function_error_of_expected_shortfall(law):
    i, expected, tolerance = case("asymptotic_se_var_es")
    n, level, figures = 100_000, i["alpha"], expected[law]
    density = {
        "normal": lambda x: np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi),
        "t4": lambda x: 0.375 * (1 + 0.25 * x * x) ** -2.5,
    }[law]
    moments = [
        quad(lambda x, k=k: x**k * density(x), figures["var"], np.inf, epsabs=1e-13, epsrel=1e-12)[0] for k in (0, 1, 2)
    ]
    assert moments[0] == pytest.approx(1 - level, rel=1e-9)
    mean, sd = moments[1] / moments[0], np.sqrt(moments[2] / moments[0] - (moments[1] / moments[0]) ** 2)
    # figure and error see a tail through its mean and variance alone: three quarters of the tail at one point and a
    # quarter at another have both exactly, so what is compared carries no error of sampling
    tail = 1000
    low, high = mean - sd / np.sqrt(3), mean + sd * np.sqrt(3)
    sample = np.full(n, figures["var"])
    sample[:tail] = np.repeat([low, high], [3 * tail // 4, tail // 4])
    assert low > figures["var"]
    es = expected_shortfall(sample, level)
    assert es.value == pytest.approx(figures["es"], abs=tolerance["abs"])
    assert es.std_error * np.sqrt((n - 1) / i["n"]) == pytest.approx(figures["se_es"], abs=tolerance["abs"])
    assert stdtr(4, expected["t4"]["var"]) == pytest.approx(level, abs=1e-12)


def test_kupiec():
    i, expected, tolerance = case("kupiec_pof")
    for row, wanted in zip(i["cases"], expected, strict=True):
        found = kupiec(row["x"], row["n"], row["p"])
        assert found.likelihood_ratio == pytest.approx(wanted["lr"], abs=tolerance["abs"], rel=tolerance["rel"])
        assert found.p_value == pytest.approx(wanted["p_value"], abs=tolerance["abs"], rel=tolerance["rel"])


def test_kupiec_region():
    i, expected, _ = case("kupiec_nonrejection_region")
    for row, wanted in zip(i["cases"], expected, strict=True):
        kept = [x for x in range(100) if kupiec(x, row["n"], row["p"]).p_value > 0.05]
        assert [kept[0], kept[-1]] == wanted


def test_christoffersen():
    i, expected, tolerance = case("christoffersen_matlab_counts")
    n01, n11 = i["n01"], i["n11"]
    found = christoffersen_counts(i["n00"], n01, i["n10"], n11, i["p"], hits=n01 + n11, n=i["observations"])
    approx = partial(pytest.approx, abs=tolerance["abs"])
    assert found.likelihood_ratio_independence == approx(expected["lr_ind"])
    assert found.p_value_independence == approx(expected["p_ind"])
    assert found.likelihood_ratio_coverage == approx(expected["lr_cc"])
    assert found.p_value_coverage == approx(expected["p_cc"])


def test_traffic_light():
    i, expected, tolerance = case("basel_traffic_light")
    found = [traffic_light(x, i["n"], i["p"]).cumulative_probability for x in range(len(expected["cum_prob"]))]
    np.testing.assert_allclose(found, expected["cum_prob"], atol=tolerance["abs"], rtol=0)
    for row, zone in zip(i["zone_cases"], expected["zones"], strict=True):
        light = traffic_light(0, row["n"], row["p"])
        assert {"yellow_from": light.yellow_from, "red_from": light.red_from} == zone


def test_clopper_pearson_certificate():
    i, expected, tolerance = case("clopper_pearson_upper")
    found = [clopper_pearson_upper(row["k"], row["n"], row["conf"]).upper for row in i["cases"]]
    np.testing.assert_allclose(found, expected, atol=tolerance["abs"], rtol=0)


def test_wilks_sample_size():
    i, expected, _ = case("wilks_tolerance_sample_size")
    for row, n in zip(i["cases"], expected, strict=True):
        # a one-sided bound is the upper end of a two-sided one at twice the error
        two_sided = 2 * row["conf"] - 1
        assert order_statistic_ranks(n, row["p"], two_sided).upper == n
        assert order_statistic_ranks(n - 1, row["p"], two_sided).upper == n  # one beyond the sample: no bound


def test_normal_var_under_merton():
    i, expected, tolerance = case("normal_var_breach_under_merton")
    c1, c2 = ONE_DAY.cumulants()[:2]
    for level in i["alpha"]:
        wanted = expected[str(level)]
        var = -c1 + ndtri(level) * np.sqrt(c2)
        assert var == pytest.approx(wanted["normal_var"], abs=tolerance["abs"])
        assert -float(ONE_DAY.quantile(1 - level)) == pytest.approx(wanted["true_var"], abs=tolerance["abs"])
        assert float(ONE_DAY.cdf(-var)) == pytest.approx(wanted["true_breach_prob"], abs=tolerance["abs"])


def order_statistic(n, k):
    """Nodes u and masses of the law of the k-th smallest of n uniforms: Beta(k, n + 1 - k)."""
    centre, sd = k / (n + 1), np.sqrt(k * (n + 1 - k) / (n + 1) ** 2 / (n + 2))
    # the law of the largest has an exponential tail: e^-40 is left out
    low, high = max(1e-9, centre - 40 * sd), min(1 - 1e-9, centre + 40 * sd)
    u = 0.5 * (high + low) + 0.5 * (high - low) * NODE
    density = np.exp((k - 1) * np.log(u) + (n - k) * np.log1p(-u) - betaln(k, n + 1 - k))
    return u, 0.5 * (high - low) * WEIGHT * density


def log_loss_quantile(u):
    return -ONE_DAY.quantile(1 - u)


def half_digit(printed):
    """Half a unit in the last digit shown."""
    return 0.5 * 10.0 ** Decimal(repr(printed)).as_tuple().exponent


def sd_error(second, fourth, n):
    """Standard error of a standard deviation over `n` values, from the central moments of their law."""
    return np.sqrt((fourth - second**2) / (4 * second * n))


def test_historical_simulation_has_the_exact_bias_printed():
    i, expected, _ = case("estimator_lab_merton_n250")
    for row, wanted in zip(i["rows"], expected, strict=True):
        if row["estimator"] != "historical":
            continue
        n, level = row["n"], row["level"]
        k = order_statistic_ranks(n, level, 0.95).point
        truth = float(log_loss_quantile(level))
        u, mass = order_statistic(n, k)
        value = log_loss_quantile(u)
        mean, breach = mass @ value, mass @ (1 - u)
        second, fourth = (mass @ (value - mean) ** m for m in (2, 4))
        breach_sd = np.sqrt(mass @ (1 - u - breach) ** 2)
        # ours is exact: allowed are Z standard errors of the printed simulation and half its last digit
        allowed = {
            "bias": Z * np.sqrt(second / REPLICATIONS) / truth,
            "sd": Z * sd_error(second, fourth, REPLICATIONS),
            "breach": Z * breach_sd / np.sqrt(REPLICATIONS),
        }
        for name, found in (("bias", mean / truth - 1), ("sd", np.sqrt(second)), ("breach", breach)):
            assert found == pytest.approx(wanted[name], abs=allowed[name] + half_digit(wanted[name]))
        assert breach == pytest.approx((n + 1 - k) / (n + 1), rel=1e-9)


def test_empirical_shortfall_has_the_exact_bias_printed():
    i, expected, tolerance = case("hs_es_estimator_exact_bias_merton")
    n, p = i["n"], 1 - i["level"]
    worst = [mass @ log_loss_quantile(u) for u, mass in (order_statistic(n, k) for k in (250, 249, 248))]
    truth = quad(lambda u: float(log_loss_quantile(u)), 1 - p, 1 - 1e-12, epsabs=1e-10, limit=200)[0] / p
    assert truth == pytest.approx(expected["es"], abs=tolerance["abs"])
    assert (worst[0] + worst[1] + 0.5 * worst[2]) / 2.5 - truth == pytest.approx(expected["bias"], abs=tolerance["abs"])


def test_plug_in_normal_reproduces_the_reference_experiment():
    i, expected, _ = case("estimator_lab_merton_n250")
    generator = np.random.default_rng(20240229)
    replications = 3000
    for row, wanted in zip(i["rows"], expected, strict=True):
        if row["estimator"] != "normal" or row["level"] != 0.99:
            continue
        n = row["n"]
        jump = ONE_DAY.jumps[0]
        count = generator.poisson(jump.intensity * ONE_DAY.horizon, (n, replications))
        sd = np.sqrt(ONE_DAY.sigma**2 * ONE_DAY.horizon + count * jump.sd**2)
        drift = (-0.5 * ONE_DAY.sigma**2 - jump.intensity * jump.relative_mean) * ONE_DAY.horizon
        losses = -(drift + count * jump.mean + sd * generator.standard_normal((n, replications)))
        value = NormalEstimator().fit_lanes(losses, row["level"]).var.value
        truth = float(log_loss_quantile(row["level"]))
        breach = ONE_DAY.cdf(-value)
        # both sides are simulated: Z standard errors of the difference, and half the last printed digit
        both = 1 / (1 / replications + 1 / REPLICATIONS)
        fourth = ((value - value.mean()) ** 4).mean()
        allowed = {
            "bias": Z * value.std() / truth / np.sqrt(both),
            "sd": Z * sd_error(value.var(), fourth, both),
            "breach": Z * breach.std() / np.sqrt(both),
        }
        figures = (("bias", value.mean() / truth - 1), ("sd", value.std()), ("breach", breach.mean()))
        for name, found in figures:
            assert found == pytest.approx(wanted[name], abs=allowed[name] + half_digit(wanted[name])), name


def test_garch_filter_has_the_published_likelihood_and_forecast():
    i, expected, tolerance = case("garch11_loglik_and_forecast")
    e = np.array(i["returns"])[:, None]
    step = Recursion.of(GarchFilter("garch", (i["omega"],), (i["alpha"],), (i["beta"],)), 1)
    # the case states where its recursion starts, and that this is arch's backcast moved on by one step
    assert step.omega + step.persistence * backcast(e) == pytest.approx(i["h1"], rel=1e-12)
    h = step.filter(e, np.zeros(e.size, dtype=np.int64))[:, 0]
    loglik = -0.5 * (np.log(2 * np.pi) + np.log(h[:-1]) + e[:, 0] ** 2 / h[:-1]).sum()
    assert loglik == pytest.approx(expected["loglik"], abs=tolerance["abs"])
    assert h[-1] == pytest.approx(expected["h_next"], abs=tolerance["abs"])


def test_garch_forecasts_have_the_published_term_structure():
    i, expected, tolerance = case("garch_term_structure")
    step = Recursion.of(GarchFilter("garch", (i["omega"],), (i["alpha"],), (i["beta"],)), 1)
    ahead = step.forecast(np.array([i["h1"]]), i["horizon"])[:, 0]
    assert ahead == pytest.approx(expected["path"], abs=tolerance["abs"])
    assert ahead.sum() == pytest.approx(expected["total"], abs=tolerance["abs"])
    assert step.long_run[0] == pytest.approx(expected["unconditional"], abs=tolerance["abs"])
    assert np.log(0.5) / np.log(step.persistence[0]) == pytest.approx(expected["half_life"], abs=tolerance["abs"])


def test_ewma_filter_has_the_published_variances_and_scaled_returns():
    i, expected, tolerance = case("ewma_and_fhs_scaling")
    e = np.array(i["returns"])[:, None]
    step = Recursion.of(EwmaFilter("ewma", i["lam"]), 1)
    h = step.filter(e, np.zeros(e.size, dtype=np.int64), np.array([i["sigma2_1"]]))[:, 0]
    assert h == pytest.approx(expected["sigma2"], rel=tolerance["rel"])
    scaled = e[:, 0] * np.sqrt(h[-1] / h[:-1])
    assert scaled == pytest.approx(expected["scaled_returns"], rel=tolerance["rel"], abs=tolerance["abs"])


def test_second_moment_of_a_normal_shift():
    """The engine's weights of a shifted normal have the closed-form second moment on the tail."""
    inputs, expected, tolerance = case("importance_sampling_normal_tail")
    world, grid = Gbm(("A",), (1.0,), (0.0,), (1.0,), ((1.0,),)), TimeGrid(31_536_000, 1)
    n = 65_536
    for wanted, i in zip(expected, inputs["cases"], strict=True):
        c, mu = i["c"], i["mu"]
        assert float(ndtr(-c)) == pytest.approx(wanted["prob"], **tolerance)
        space = world.tilt_space(grid)
        slope, offset = space.likelihood(space.row(Tilt(price=(mu,)))[None])
        # E_P[1{z > c} dP/dQ] = E_P[1{z > c} e^{offset - slope z}]: a normal shifted the other way
        second = float(np.exp(offset[0] + 0.5 * slope[0, 0] ** 2) * ndtr(-c - slope[0, 0]))
        assert second == pytest.approx(wanted["second_moment"], **tolerance)
        relative = np.sqrt(second / wanted["prob"] ** 2 - 1.0)
        assert relative == pytest.approx(wanted["rel_sd_per_sample"], **tolerance)
        if mu == 0:
            continue
        proposal = Proposal((Tilt(price=(mu,)),), (0.95,))
        paths = world.sample(grid, 0, n, DrawKeys(8), proposal)
        z = np.log(paths.spot_lanes[-1, 0]) + 0.5
        own = proposal.component(0, n) == 1
        ratio = (np.exp(-paths.log_weight[own]) - proposal.plain_share) / proposal.shares[0]
        found = np.where(z[own] > c, 1.0 / np.maximum(ratio, 1e-9), 0.0)
        assert abs((found**2).mean() - second) < Z * (found**2).std() / np.sqrt(own.sum())
        assert abs(found.mean() - wanted["prob"]) < Z * found.std() / np.sqrt(own.sum())


def test_health_factor_and_liquidation_price():
    i, expected, tolerance = case("health_factor_liquidation_price")
    collateral = i["collateral"] * i["price"]
    position = HealthFactorExposure("ETH", collateral, i["debt"], i["liquidation_threshold"]).position(None, None, 24.0)
    now = position.cover * position.threshold
    assert now == pytest.approx(expected["health_factor"], abs=tolerance["abs"])
    # the log-return at which the fall takes the health factor to one
    (_, (end,)) = position.worse(now - 1.0)
    assert end == pytest.approx(expected["log_distance"], abs=tolerance["abs"])
    assert i["price"] * np.exp(end) == pytest.approx(expected["liquidation_price"], abs=1e-9)


def test_raw_svi_in_jump_wings():
    i, expected, tolerance = case("svi_raw_to_jump_wings")
    found = svi_jump_wings(i["a"], i["b"], i["rho"], i["m"], i["sigma"], tau=i["t"])
    assert found == pytest.approx(tuple(expected.values()), abs=tolerance["abs"])
