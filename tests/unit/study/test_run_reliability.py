"""Forecast probabilities as a study: scores against references, the same bits on any number of threads, faults."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from riskengine.config.dump import to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.engine.blocks import Block
from riskengine.errors import InputError
from riskengine.report.render import write_reports
from riskengine.score.brier import brier, calibration_errors, consistency, equal_count_error
from riskengine.score.crps import crps_law, crps_normal_mixture
from riskengine.study.reliability import Reliability, crps_lanes, run_reliability

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "config"))

from toys import WORLD  # noqa: E402

ASKED = """\
kind: probability_calibration
title: A small study of forecasts
world: btc
exposure: {asset: BTC, side: long, contract: linear}
horizon_hours: 24
step_hours: 4
levels: [0.7, 0.8]
history_windows: 60
replications: 1024
perfect: 50
seed: 3
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    file = tmp_path_factory.mktemp("asked") / "asked.yaml"
    file.write_text(ASKED)
    return load_study(file)


@pytest.fixture(scope="module")
def runs(loaded, tmp_path_factory):
    out = tmp_path_factory.mktemp("reliability")
    made = [
        run_reliability(loaded.study, loaded.resolved, "asked", out / f"run{w}", w, command="riskengine run asked")[0]
        for w in (1, 2)
    ]
    (made[0] / "study.yaml").write_text(to_yaml(loaded.resolved))
    return made


def figures(folder, name, level):
    rows = json.loads((folder / "result.json").read_text())["rows"]
    own = [r for r in rows if r["model"] == name and r["parameters"].get("level") == level]
    return {r["measure"]: r["estimate"] for r in own}


def test_the_same_bits_on_any_number_of_threads(loaded, runs):
    one, two = ((run / "result.json").read_bytes() for run in runs)
    assert one == two
    assert study_of(loaded.resolved) == loaded.study


@pytest.mark.parametrize("level", [0.7, 0.8])
def test_who_knows_the_state_is_kept_and_who_estimates_it_is_not(runs, level):
    """The conditional law is the truth: no evidence against it, and a better score than the unconditional law, which is
    kept too but tells no day from another."""
    known, whole = (figures(runs[0], n, level) for n in ("conditional law", "unconditional law"))
    for found in (known, whole):
        assert found["miscalibration_p"]["value"] > 1e-3 and found["calibration_error_p"]["value"] > 1e-3
        assert found["event_rate"]["lower"] < found["mean_forecast"]["value"] < found["event_rate"]["upper"]
        parts = found["miscalibration"]["value"] - found["discrimination"]["value"] + found["uncertainty"]["value"]
        assert parts == pytest.approx(found["brier_score"]["value"], abs=1e-12)
    assert whole["mean_forecast"]["value"] == pytest.approx(1.0 - level, abs=1e-9)
    assert whole["discrimination"]["value"] == 0.0 and whole["brier_excess"]["lower"] > 0.0
    assert known["discrimination"]["value"] > 0.0
    # a normal law has the tails wrong: its PIT is not flat, which the error of 0.95 shows in 1,024 histories
    rows = json.loads((runs[0] / "result.json").read_text())["rows"]
    pit = {
        n: [r["estimate"] for r in rows if r["measure"] == "pit_share" and r["model"] == n] for n in ("EWMA normal",)
    }
    assert any(e["lower"] > 0.1 for e in pit["EWMA normal"])


def test_pit_of_the_exact_law_is_uniform(loaded):
    from scipy.stats import kstest

    made = Reliability(loaded.study)
    made.prepare()
    made.block(Block(0, 0, 1024))
    for k, name in enumerate(made.names[:2]):
        assert kstest(made.pit[k], "uniform").pvalue > 1e-4, name
    np.testing.assert_allclose(made.probability[0, 1], 0.3, atol=1e-9)
    assert not made.failed.any()


def test_crps_of_lanes_is_the_closed_form():
    y, sd = np.array([-0.3, 0.0, 0.02, 0.9]), np.array([0.1, 0.2, 0.05, 0.3])

    def cdf(x):
        return ndtr(x / sd)

    found = crps_lanes(cdf, y, -3.0, 3.0)
    wanted = [crps_normal_mixture(a, 1.0, 0.0, s) for a, s in zip(y, sd, strict=True)]
    np.testing.assert_allclose(found, np.ravel(wanted), atol=1e-9)
    tail = crps_lanes(cdf, y, -3.0, 3.0, 0.1)
    wanted = [crps_law(a, lambda x, s=s: ndtr(x / s), -3.0, 3.0, 0.1) for a, s in zip(y, sd, strict=True)]
    np.testing.assert_allclose(tail, np.ravel(wanted), atol=1e-9)


def test_errors_by_equal_counts_and_what_a_perfect_forecast_shows():
    random = np.random.default_rng(5)
    p = random.random(4000)
    o = (random.random(4000) < p).astype(float)
    # on uniform forecasts bins of equal counts are nearly those of equal widths
    assert equal_count_error(p, o, 10) == pytest.approx(calibration_errors(p, o, 10)[0], abs=5e-3)
    assert equal_count_error(np.full(4, 0.25), np.array([1.0, 0, 0, 0]), 1) == pytest.approx(0.0)
    perfect = consistency(p, 10, 200)
    assert perfect.ece.min() > 0.0 and perfect.miscalibration.min() > 0.0
    seen = brier(p, o).miscalibration
    assert np.quantile(perfect.miscalibration, 1e-3) < seen < perfect.miscalibration.max() * 1.5
    assert brier(np.sqrt(p), o).miscalibration > perfect.miscalibration.max()
    inside = np.mean((perfect.lower <= p) & (p <= perfect.upper))
    assert inside > 0.95
    with pytest.raises(ValueError, match="bins must lie between"):
        equal_count_error(p, o, 5000)


def test_the_report_shows_diagrams_and_says_which_are_kept(runs):
    write_reports(runs[0])
    page = (runs[0] / "report.html").read_text()
    assert "Are forecast probabilities kept?" in page and page.count("<svg") >= 3
    assert "a perfect forecast" in page and "no evidence against it" in page


def test_a_score_that_few_events_carry_has_no_interval(loaded, tmp_path):
    study = replace(loaded.study, levels=(0.99,), replications=400)
    _, result = run_reliability(study, loaded.resolved, "asked", tmp_path / "run", 1)
    found = {r.measure: r.estimate for r in result.rows if r.model == "EWMA normal"}
    for measure in ("brier_score", "brier_excess"):
        assert np.isfinite(found[measure].value) and np.isinf(found[measure].upper)
        assert "100 needed" in found[measure].method


def test_a_world_without_a_state_has_two_forecasts(tmp_path):
    file = tmp_path / "asked.yaml"
    file.write_text(ASKED.replace("world: btc", "world: merton_day"))
    assert Reliability(load_study(file).study).names == ("unconditional law", "EWMA normal")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("asset: BTC", "asset: BTX", "asset must be one of BTC, got 'BTX'"),
        ("world: btc", "world: may_2021", "and no stress"),
        ("step_hours: 4", "step_hours: 5", "horizon_hours"),
        ("levels: [0.7, 0.8]", "levels: [0.9, 0.9]", "each once"),
        ("replications: 1024", "replications: 20", "replications"),
    ],
)
def test_each_fault_has_one_clear_message(tmp_path, old, new, says):
    (tmp_path / "world.yaml").write_text(WORLD)
    file = tmp_path / "asked.yaml"
    file.write_text(ASKED.replace(old, new))
    with pytest.raises(InputError, match=says):
        load_study(file)
