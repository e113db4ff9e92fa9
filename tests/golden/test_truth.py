"""Reference figures of the truth engine: options, first passage, quadratic forms, nested simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.law.bates import BatesLaw
from riskengine.law.first_passage import gbm_passage
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.nested import nested_bias, nested_normal_tail
from riskengine.law.options import OptionDesk
from riskengine.law.quadratic_form import QuadraticForm
from riskengine.pricing.greeks import black_scholes

CASES = {
    case["name"]: case
    for case in json.loads(Path(__file__).with_name("statistics.json").read_text(encoding="utf-8"))["cases"]
}


def case(name):
    found = CASES[name]
    return found["inputs"], found["expected"], found["tolerance"]


@pytest.mark.parametrize("name", ["merton_call_strip", "heston_fang_oosterlee", "bates_broadie_kaya_svj"])
def test_checked_calls(name):
    i, expected, tolerance = case(name)
    jumps = ()
    if "lam" in i:
        d = i["jump_std_log"]
        # where the relative jump is printed, reading it as the log mean is the trap
        mean = i.get("jump_mean_log", np.log1p(i.get("mean_relative_jump", 0.0)) - 0.5 * d * d)
        jumps = (NormalJump(i["lam"], mean, d),)
    found = []
    for t in np.atleast_1d(i["T"]).astype(float).tolist():
        drift = i["r"] - i["q"]
        if "v0" in i:
            law = BatesLaw(drift, i["kappa"], i["theta"], i["xi"], i["rho"], jumps, t, i["v0"])
        else:
            law = MertonLaw(drift, i["sigma"], jumps, t)
        found.append(OptionDesk(law, i["S"], np.exp(-i["r"] * t)).price(np.atleast_1d(i["K"]), 1))
    np.testing.assert_allclose(np.ravel(found), expected, atol=tolerance["abs"], rtol=0)


def test_first_passage():
    i, expected, tolerance = case("gbm_first_passage_liquidation")
    found = gbm_passage(i["barrier"] / i["S0"], i["mu"], i["sigma"], i["T"])
    assert float(found) == pytest.approx(expected, abs=tolerance["abs"])


def test_black_scholes():
    i, expected, tolerance = case("black_scholes_price_greeks")
    for row, wanted in zip(i["cases"], expected, strict=True):
        sign = {"call": 1, "put": -1}[row["type"]]
        found = black_scholes(row["S"], row["K"], row["T"], row["sigma"], sign, row["r"], row["q"])
        for name, value in wanted.items():
            # the printed prices of worthless options are met relatively too, down to 1e-35
            assert float(getattr(found, name)) == pytest.approx(value, abs=tolerance["abs"], rel=tolerance["rel"])


def test_quadratic_form():
    i, expected, tolerance = case("quadratic_form_tail")
    gamma = [2.0 * lam for lam, df in zip(i["lam"], i["df"], strict=True) for _ in range(df)]
    form = QuadraticForm(0.0, (0.0,) * len(gamma), tuple(gamma))
    # printed to four digits, computed to 1e-6; what stands in the case has more
    np.testing.assert_allclose(form.upper_tail(i["x"]), expected, atol=tolerance["abs"], rtol=0)
    np.testing.assert_allclose(form.lower_tail(i["x"]), 1 - form.upper_tail(i["x"]), rtol=1e-10)


def test_nested_simulation():
    i, expected, tolerance = case("nested_simulation_bias")
    for row, wanted in zip(i["cases"], expected, strict=True):
        u = row["u"]
        slope = -u * np.exp(-0.5 * u * u) / np.sqrt(2 * np.pi)
        exact = float(nested_normal_tail(u, row["eta"], row["N"]))
        assert exact == pytest.approx(wanted["exact_prob"], abs=tolerance["abs"])
        assert exact - 0.01 == pytest.approx(wanted["bias"], abs=tolerance["abs"])
        assert float(nested_bias(slope, row["eta"], row["N"])) == pytest.approx(
            wanted["gordy_juneja"], abs=tolerance["abs"]
        )
        assert u == pytest.approx(float(ndtri(0.99)), abs=1e-12)
