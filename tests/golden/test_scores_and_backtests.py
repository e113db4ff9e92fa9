"""Published and independently computed figures for scores and for backtests beyond counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtri, stdtrit
from scipy.stats import norm
from scipy.stats import t as student

from riskengine.backtest.e_process import e_statistics
from riskengine.backtest.expected_shortfall import z2
from riskengine.backtest.time_until_failure import time_until_failure
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.score.brier import brier, calibration_errors
from riskengine.score.crps import crps_law, crps_normal_mixture
from riskengine.score.fissler_ziegel import fz0_score
from riskengine.score.pinball import pinball_loss

CASES = {
    case["name"]: case
    for case in json.loads(Path(__file__).with_name("score_cases.json").read_text(encoding="utf-8"))["cases"]
}


def case(name):
    found = CASES[name]
    return found["inputs"], found["expected"], found["tolerance"]["abs"]


def test_pinball():
    i, expected, tolerance = case("pinball_loss")
    np.testing.assert_allclose(pinball_loss(i["y"], i["q"], i["tau"]), expected, atol=tolerance)


def test_fz0():
    """The case is in returns: r = -loss, v = -VaR, e = -ES."""
    i, expected, tolerance = case("fz0_loss")
    found = [float(fz0_score(-p["r"], -p["v"], -p["e"], 1 - p["alpha"])) for p in i["points"]]
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_crps_of_a_normal():
    i, expected, tolerance = case("crps_normal")
    found = [float(crps_normal_mixture(c["y"], 1.0, c["mu"], c["sigma"])) for c in i["cases"]]
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_crps_of_a_one_day_merton_law():
    i, expected, tolerance = case("crps_merton_exact")
    jump = NormalJump(i["lam"], i["jump_mean_log"], i["jump_std_log"])
    law = MertonLaw(i["mu"], i["sigma"], (jump,), i["T"])
    np.testing.assert_allclose(crps_law(i["y"], law.cdf, -1.5, 1.0), expected, atol=tolerance)


def test_brier():
    i, expected, tolerance = case("brier_murphy_decomposition")
    parts = brier(i["p"], i["o"])
    for name, value in (
        ("brier", parts.score),
        ("reliability", parts.reliability),
        ("resolution", parts.resolution),
        ("uncertainty", parts.uncertainty),
    ):
        assert value == pytest.approx(expected[name], abs=tolerance)
    ece, mce = calibration_errors(i["p"], i["o"], i["bins"])
    assert (ece, mce) == pytest.approx((expected["ece"], expected["mce"]), abs=tolerance)


def test_time_until_first_failure():
    i, expected, tolerance = case("tuff")
    for given, wanted in zip(i["cases"], expected, strict=True):
        found = time_until_failure(given["n"], given["p"], exact=False)
        assert (found.statistic, found.p_value) == pytest.approx((wanted["lr"], wanted["p_value"]), abs=tolerance)


def shortfall(law):
    """(VaR, ES, sampler) of a unit law at the case's 2.5 %."""
    if law == "normal":
        v = float(ndtri(0.975))
        return v, np.exp(-0.5 * v * v) / np.sqrt(2 * np.pi) / 0.025, lambda r, size: r.standard_normal(size)
    df = float(law[1:])
    v = float(stdtrit(df, 0.975))
    return v, quad(lambda p: stdtrit(df, 1 - p), 0, 0.025)[0] / 0.025, lambda r, size: r.standard_t(df, size)


@pytest.mark.parametrize("which", range(5))
def test_critical_values_of_z2(which):
    """Simulated quantile against the case within its tolerance and 4.5 standard errors of ours (by sectioning)."""
    i, expected, tolerance = case("acerbi_szekely_z2_critical")
    wanted, given = expected[which], i["cases"][which]
    n, sections = given["T"], 20
    replications = 10_000 if n > 1000 else 200_000 if given["level"] < 0.001 else 40_000
    v, e, draw = shortfall(given["law"])
    random = np.random.default_rng(31 + which)
    values = np.concatenate([
        1.0 - np.where(x > v, x / e, 0.0).sum(axis=1) / (n * i["alpha"])
        for x in (draw(random, (1000, n)) for _ in range(replications // 1000))
    ])  # fmt: skip
    found = float(np.quantile(values, given["level"]))
    parts = [np.quantile(part, given["level"]) for part in np.array_split(values, sections)]
    error = float(np.std(parts, ddof=1) / np.sqrt(sections))
    assert found == pytest.approx(wanted, abs=tolerance + 4.5 * error)


def test_z2_is_the_statistic_of_the_case():
    x, (v, e, _) = np.array([3.0, -1.0, 2.5, 0.2]), shortfall("normal")
    assert z2(x, v, e, 0.025) == pytest.approx(1 - (3.0 / e + 2.5 / e) / (4 * 0.025), abs=1e-12)


def test_means_of_e_statistics():
    i, expected, tolerance = case("e_statistic_means")
    for law in i["laws"]:
        v, e, _ = shortfall(law)
        density = norm().pdf if law == "normal" else student(float(law[1:])).pdf
        wanted = expected[law]
        for name, var, es in (
            ("at_truth", v, e),
            ("es_understated_10pct", v, 0.9 * e),
            ("var_and_es_understated_10pct", 0.9 * v, 0.9 * e),
        ):
            excess = lambda x, var=var, es=es, f=density: f(x) * float(e_statistics([x], var, 0.025, es)[0])  # noqa: E731
            mean = quad(excess, var, var + 5, epsabs=1e-12)[0] + quad(excess, var + 5, np.inf, epsabs=1e-12)[0]
            assert mean == pytest.approx(wanted[name], abs=tolerance)
