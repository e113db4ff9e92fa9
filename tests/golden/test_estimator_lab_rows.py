"""The reference experiment on estimators, by the lab itself: rows within three of its own standard errors."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from riskengine import registry
from riskengine.config.study import load_study
from riskengine.engine.blocks import plan
from riskengine.study.estimator_lab import EstimatorLab

CASE = next(
    c
    for c in json.loads((Path(__file__).parent / "statistics.json").read_text())["cases"]
    if c["name"] == "estimator_lab_merton_n250"
)
# rows of the same experiment for other estimators, as printed: relative bias, sd, mean breach probability
FURTHER = {
    ("harrell_davis", 250, 0.99): (0.079, 0.0194, 0.0095),
    ("harrell_davis", 1000, 0.99): (0.022, 0.0099, 0.0098),
    ("harrell_davis", 250, 0.999): (-0.16, 0.037, 0.0042),
    ("harrell_davis", 1000, 0.999): (0.008, 0.027, 0.0013),
    ("pot_gpd", 250, 0.99): (-0.023, 0.0144, 0.0120),
    ("pot_gpd", 1000, 0.99): (-0.018, 0.0069, 0.0108),
    ("pot_gpd", 1000, 0.999): (0.008, 0.029, 0.0014),
}
REFERENCE = {
    (r["estimator"], r["n"], r["level"]): (e["bias"], e["sd"], e["breach"])
    for r, e in zip(CASE["inputs"]["rows"], CASE["expected"], strict=True)
} | {k: v for k, v in FURTHER.items() if k[0] in registry.kinds("estimators")}


@pytest.fixture(scope="module")
def found():
    study = load_study("calibration_lab").study
    kinds = list(dict.fromkeys(k for k, _, _ in REFERENCE))
    study = replace(
        study,
        estimators=tuple(registry.load("estimators", k)() for k in kinds),
        levels=(0.99, 0.999),
        sample_sizes=(250, 1000),
        targets=(),
        limit_size=1000,
        limit_replications=2,
    )
    lab = EstimatorLab(study)
    lab.prepare()
    for block in plan(study.replications):
        lab.block(block)
    return {
        (r.model, r.parameters.get("sample_size"), r.parameters["level"], r.measure): r.estimate for r in lab.rows()
    }


def test_the_truth_is_the_one_printed(found):
    assert found["", None, 0.99, "true_quantile"].value == pytest.approx(0.10062, abs=5e-6)
    assert found["", None, 0.999, "true_quantile"].value == pytest.approx(0.17567, abs=5e-6)


@pytest.mark.parametrize(("estimator", "n", "level"), REFERENCE)
def test_rows_of_the_reference_experiment(found, estimator, n, level):
    """Both sides are simulated: three standard errors of their difference, and half the last printed digit."""
    printed = REFERENCE[estimator, n, level]
    truth = found["", None, level, "true_quantile"].value
    measures = (("relative_bias", 1.0), ("relative_sd", truth), ("mean_breach_probability", 1.0))
    # the printed rows are of 6,000 samples, of 2,500 for pot_gpd
    more = (1.0 + (6000 / 2500 if estimator == "pot_gpd" else 1.0)) ** 0.5
    for wanted, (measure, unit) in zip(printed, measures, strict=True):
        figure = found[estimator, n, level, measure]
        digits = len(f"{wanted:.10f}".rstrip("0").partition(".")[2])
        allowed = 3 * more * figure.std_error * unit + 0.5 * 10.0**-digits
        assert abs(figure.value * unit - wanted) <= allowed, measure
