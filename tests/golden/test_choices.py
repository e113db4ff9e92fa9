"""Published and independently computed figures for certified choice, fronts, sensitivities and tracking."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import qmc

from riskengine.stats.tracking import tracking
from riskengine.tune.certify import conformal_risk_control
from riskengine.tune.frontier import non_dominated
from riskengine.tune.sensitivity import morris, shapley_effects, shapley_from_explained, sobol_indices

CASES = {
    case["name"]: case
    for case in json.loads(Path(__file__).with_name("score_cases.json").read_text(encoding="utf-8"))["cases"]
}


def case(name):
    found = CASES[name]
    return found["inputs"], found["expected"], found["tolerance"]["abs"]


def test_conformal_risk_control():
    i, expected, tolerance = case("conformal_risk_control")
    for target, wanted in zip(i["target"], expected["chosen"], strict=True):
        found = conformal_risk_control(np.array(i["loss_matrix_rows"], dtype=float), target)
        np.testing.assert_allclose(found.risk, expected["risk_hat"], atol=tolerance)
        np.testing.assert_allclose(found.adjusted, expected["adjusted"], atol=tolerance)
        assert (None if found.chosen is None else i["collateral_factor"][found.chosen]) == wanted


def test_front():
    i, expected, _ = case("pareto_front")
    points = np.array(i["points"])
    assert points[non_dominated(points)].tolist() == expected["front"]


def test_tracking_error():
    i, expected, _ = case("tracking_error")
    found = tracking(i["portfolio"], i["benchmark"], i["periods_per_year"])
    for name, value in (
        ("te", found.error.value),
        ("te_annual", found.annual),
        ("rms", found.root_mean_square),
        ("tracking_difference", found.difference.value),
        ("residual_sd", found.residual),
        ("mad", found.mean_absolute),
        ("se_te", found.error.std_error),
        ("information_ratio_annual", found.information_ratio),
    ):
        assert value == pytest.approx(expected[name], rel=1e-10, abs=1e-12), name


def ishigami(u):
    x = np.pi * (2.0 * u - 1.0)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_sobol_indices_of_ishigami():
    """Within its own 99.99 % interval and within 0.01 of the analytic values, as the case asks."""
    _, expected, _ = case("ishigami_sobol_shapley")
    found = sobol_indices(ishigami, 3, 11, 8, 0.9999)
    for estimates, wanted in ((found.first, expected["S1"]), (found.total, expected["ST"])):
        for estimate, value in zip(estimates, wanted, strict=True):
            assert estimate.lower <= value <= estimate.upper
            assert estimate.value == pytest.approx(value, abs=0.01)
    assert found.variance.value == pytest.approx(expected["variance"], rel=0.01)


def test_shapley_effects_of_ishigami():
    """Exact from the closed variance shares; and by random orderings within its own 99.99 % interval."""
    i, expected, tolerance = case("ishigami_sobol_shapley")
    a, b, total = i["a"], i["b"], expected["variance"]
    one = 0.5 * (1 + b * np.pi**4 / 5) ** 2
    two, three = a * a / 8, b * b * np.pi**8 * (1 / 18 - 1 / 50)
    part = {(0,): one, (1,): two, (0, 2): one + three, (0, 1): one + two, (1, 2): two, (0, 1, 2): total}
    exact = shapley_from_explained(lambda group: part.get(group, 0.0) / total, 3)
    np.testing.assert_allclose(exact, expected["shapley"], atol=max(tolerance, 1e-9))

    found = shapley_effects(ishigami, np.eye(3), None, 10, 8, 0.9999)
    for estimate, value in zip(found, expected["shapley"], strict=True):
        assert estimate.lower <= value <= estimate.upper
    assert sum(e.value for e in found) == pytest.approx(1.0, abs=1e-12)


def test_morris_of_a_linear_function():
    i, expected, tolerance = case("morris_linear")
    found = morris(lambda x: x @ np.array([2.0, -3.0, 0.5]), 3, 10, i["levels"])
    np.testing.assert_allclose([e.value for e in found.mean], expected["mu"], atol=tolerance)
    np.testing.assert_allclose([e.value for e in found.absolute], expected["mu_star"], atol=tolerance)
    np.testing.assert_allclose(found.deviation, expected["sigma"], atol=tolerance)


def test_sobol_points_are_those_of_joe_and_kuo():
    """The sequence behind every design here, unscrambled."""
    i, expected, tolerance = case("sobol_sequence")
    np.testing.assert_allclose(qmc.Sobol(i["d"], scramble=False).random(i["n"]), expected, atol=tolerance)
