"""Root search over levels on common draws, against estimators whose breach probability is known."""

import numpy as np
import pytest

from riskengine.study.level_search import Sums, fine_levels, level_figures, wide_levels


def search(g, target, spread=0.0, lanes=400, truth=1.0, confidence=0.95):
    """Figures for an estimator that breaches with probability g(level), up to noise of relative size `spread`."""
    noise = 1.0 + spread * np.linspace(-1, 1, lanes)
    fine = fine_levels(target, g(wide_levels(target))[:, None] * noise)
    breach = g(fine)[:, None] * noise
    sums = Sums.of(np.log(1 / breach[:, :150]), breach[:, :150])
    sums.add(Sums.of(np.log(1 / breach[:, 150:]), breach[:, 150:]))
    return fine, level_figures(fine, sums, target, truth, confidence)


@pytest.mark.parametrize("target", [0.05, 0.01, 0.001])
def test_finds_the_level_of_a_smooth_curve(target):
    fine, found = search(lambda a: 1.7 * (1 - a) ** 0.9, target, spread=0.2)
    root = 1 - (target / 1.7) ** (1 / 0.9)
    level = found["calibrated_level"]
    assert level.lower < root <= level.value <= level.upper
    assert (1 - root) / (1 - level.value) < 1.03
    assert fine[0] < root < fine[-1]
    assert found["calibrated_breach"].value <= target
    assert found["calibrated_breach"].value == pytest.approx(target, rel=0.03)


def test_an_order_statistic_takes_the_step_that_keeps_the_target():
    n = 250
    _, found = search(lambda a: (n + 1 - np.ceil(n * a - 1e-9)) / (n + 1), 0.01)
    assert found["calibrated_breach"].value == pytest.approx(2 / 251)
    assert 0.992 < found["calibrated_level"].value < 0.9922
    assert found["calibrated_level"].lower <= 0.992 < found["calibrated_level"].upper
    assert found["calibrated_level"].std_error > 0


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        (lambda a: 0.02 + 0 * a, "no level up to"),
        (lambda a: 0.001 + 0 * a, "kept at"),
        (lambda a: np.nan * a, "refused"),
    ],
)
def test_says_why_there_is_no_level(curve, reason):
    _, found = search(curve, 0.01)
    assert np.isnan(found["calibrated_level"].value)
    assert reason in found["calibrated_level"].method
