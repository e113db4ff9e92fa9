"""The lab as a study: file to folder, faults, refusals, the same bits on any number of threads."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riskengine.config.dump import dump, to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.engine.blocks import Block
from riskengine.engine.estimator_lab import fit
from riskengine.errors import InputError
from riskengine.estimate import LaneFigure, LaneTails
from riskengine.estimator.ewma import EwmaEstimator
from riskengine.report.heat import Tile, heat
from riskengine.report.render import write_reports
from riskengine.study.estimator_lab import EstimatorLab, run_estimator_lab
from riskengine.study.lab_figures import Setting, cell_figures

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "config"))

from toys import WORLD  # noqa: E402

LAB = """\
kind: estimator_lab
title: A small lab
worlds: [world.yaml]
exposures:
  - {asset: BTC, side: long, contract: log}
  - {asset: ETH, side: short, contract: inverse}
horizon_hours: 24
levels: [0.95, 0.99]
sample_sizes: [50, 120]
estimators: [historical, {kind: ewma, decay: 0.9}, {kind: ewma, decay: 0.97}]
replications: 1200
seed: 11
limit_size: 1000
limit_replications: 2
"""


def written(folder, text=LAB):
    (folder / "world.yaml").write_text(WORLD)
    (folder / "lab.yaml").write_text(text)
    return folder / "lab.yaml"


def test_a_run_writes_the_same_bits_on_any_number_of_threads(tmp_path):
    loaded = load_study(written(tmp_path))
    assert loaded.study.labels == ("historical", "ewma (decay 0.9)", "ewma (decay 0.97)")
    assert study_of(loaded.resolved) == loaded.study
    seen = []
    for workers in (1, 2):
        out = tmp_path / f"run{workers}"
        run_estimator_lab(
            loaded.study, loaded.resolved, "lab", out, workers, lambda p: seen.append(p.done), "riskengine run lab"
        )
    one, two = ((tmp_path / f"run{w}" / "result.json").read_bytes() for w in (1, 2))
    assert one == two
    assert max(seen) == 1200
    content = json.loads(one)
    assert content["settings"]["samples"] == {"toy": "independent"}
    # 2 levels of both truths and exposures; 16 figures of VaR, 10 of ES, the joint score, and 3 of the search
    assert len(content["rows"]) == 8 + 2 * 3 * 2 * (2 * 27 + 3)


def test_tracking_of_a_truth_that_stands_still_is_that_of_the_estimate(tmp_path):
    """A world without a state: the logarithm scatters as the estimate does over its mean, and its mean is below the
    logarithm of the mean by half its variance, both to third order."""
    loaded = load_study(written(tmp_path))
    out, _ = run_estimator_lab(replace(loaded.study, replications=1_200), loaded.resolved, "lab", tmp_path / "run")
    rows = json.loads((out / "result.json").read_text())["rows"]
    known = {(str(r["parameters"]), r["measure"]): r["estimate"] for r in rows}
    checked = 0
    for (where, measure), found in known.items():
        if measure != "log_tracking_error" or found["value"] is None:
            continue
        bias, sd = (known[where, m]["value"] for m in ("relative_bias", "relative_sd"))
        difference = known[where, "log_tracking_difference"]["value"]
        assert found["lower"] < found["value"] < found["upper"]
        assert found["value"] == pytest.approx(sd / (1 + bias), rel=0.15)
        assert difference == pytest.approx(np.log1p(bias) - found["value"] ** 2 / 2, abs=0.3 * found["value"] ** 2)
        checked += 1
    assert checked >= 12


def test_the_report_shows_the_surface_the_rates_and_the_level(tmp_path):
    loaded = load_study(written(tmp_path))
    out, _ = run_estimator_lab(replace(loaded.study, replications=200), loaded.resolved, "lab", tmp_path / "run")
    (out / "study.yaml").write_text(to_yaml(loaded.resolved))
    write_reports(out)
    page = (out / "report.html").read_text()
    for said in (
        "Realised over nominal breach probability, toy, BTC long log",
        "Relative bias, %, toy, ETH short inverse",
        "Breach probability against nominal",
        "Capital against breach probability at 99 %",
        "What keeps a breach probability of 1 %",
        "EWMA (decay 0.9)",
        "Model error",
    ):
        assert said in page, said
    assert {f.name for f in (out / "tables").iterdir()} == {"estimator_lab.csv", "level_search.csv"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("levels: [0.95, 0.99]", "levels: [0.95, 1.2]", "level of levels must lie in"),
        ("[50, 120]", "[50, 50]", "sample_sizes must hold at least one number, each once"),
        ("[50, 120]", "[50, 5000]", "size of sample_sizes must lie in [2, 1000]"),
        ("replications: 1200", "replications: 5", "replications must lie in [100,"),
        ("asset: ETH", "asset: SOL", "exposures must be of assets of every world, got SOL"),
        ("worlds: [world.yaml]", "worlds: [october_2025]", "without a stress"),
        ("decay: 0.97", "decay: 0.9", "estimators must all differ"),
        ("contract: log", "contract: cubic", "contract"),
    ],
)
def test_faults_name_what_is_legal(tmp_path, old, new, said):
    assert old in LAB
    with pytest.raises(InputError) as caught:
        load_study(written(tmp_path, LAB.replace(old, new)))
    assert said in str(caught.value)


class Picky:
    """Refuses 99 % outright and every second sample."""

    kind = "picky"

    def fit_lanes(self, losses, level, confidence):
        if (np.asarray(level) >= 0.99).any():
            raise ValueError("level must lie below 0.99")
        value = np.repeat(losses.max(axis=0)[None], np.size(level), axis=0)
        value[:, ::2] = np.nan
        none = np.full_like(value, np.nan)
        return LaneTails(LaneFigure(value, none, none), LaneFigure(none, none, none))


def test_refusals_are_counted_and_left_out():
    losses = np.random.default_rng(1).standard_normal((30, 400)) + 3.0
    found = fit(Picky(), losses, np.array([0.95, 0.99]), 0.95)
    assert found.var_reasons == ("", "level must lie below 0.99")
    var = found.var
    assert np.isnan(var.value[1]).all()
    assert np.isfinite(var.value[0]).sum() == 200
    part = {"value": var.value, "lower": var.lower, "upper": var.upper}
    part |= {"breach": np.where(np.isnan(var.value), np.nan, 0.01), "regret": var.value * 0.1}
    cell = {k: v[0] for k, v in part.items()}
    figures = cell_figures(cell, {"value": np.full(4, 5.5)}, Setting(0.95, 0.95, 1000, 5.0))
    assert figures["refused"].value == 0.5
    assert figures["relative_bias"].n == 200
    assert figures["relative_bias"].value == pytest.approx(np.nanmean(var.value[0]) / 5.0 - 1)
    assert figures["model_error"].value == pytest.approx(0.1)
    assert "gives no interval" in figures["interval_coverage"].method
    at = Setting(0.99, 0.95, 1000, 5.0)
    none = cell_figures(
        {k: v[1] for k, v in part.items()}, {"value": np.full(4, np.nan)}, at, found.var_reasons[1:] * 2
    )
    assert none["refused"].value == 1.0
    assert "level must lie below 0.99" in none["relative_rmse"].method
    assert set(none) == set(figures)


def test_no_logarithm_of_a_breach_that_cannot_happen():
    cell = {"value": np.linspace(1, 2, 200), "lower": np.zeros(200), "upper": np.full(200, np.inf)}
    cell |= {"breach": np.r_[0.0, np.full(199, 0.01)], "regret": np.full(200, 0.1)}
    figures = cell_figures(cell, {"value": np.full(4, 1.5)}, Setting(0.99, 0.95, 1000, 1.5))
    assert "log of zero: 1 estimates" in figures["log10_breach_ratio"].method
    assert figures["unbounded_intervals"].value == 1.0
    assert np.isnan(figures["interval_width"].value)


def test_a_heat_map_writes_every_number_and_marks_what_is_missing():
    tiles = [Tile(0.95, 100, 0.0, "1.00"), Tile(0.99, 100, 3.0, "7.34"), Tile(0.99, 250, None, "refused")]
    figure = heat("h", "Title", [("One", tiles)], (str, str), ("level", "losses"), "said")
    for text in ("1.00", "7.34", "refused", "One"):
        assert f">{text}<" in figure.svg
    assert heat("h", "Title", [("None", [])], (str, str), ("level", "losses"), "") is None


def test_a_heat_map_of_twenty_levels_has_small_numbers_and_dashes():
    tiles = [Tile(i, 100, 0.1 * i, f"{i}.5") for i in range(19)] + [Tile(19, 100, None, "refused")]
    figure = heat("h", "Title", [("One", tiles), ("Two", tiles)], (str, str), ("level", "losses"), "said")
    assert ">18.5<" in figure.svg and "refused" not in figure.svg
    assert figure.caption == "Across: level. said"


def test_a_long_grid_shows_the_headline_level_and_names_the_file(tmp_path):
    levels = [round(0.9 + 0.0045 * i, 4) for i in range(20)] + [0.99]
    text = LAB.replace("[0.95, 0.99]", str(levels)).replace("[50, 120]", "[50, 80, 120, 200, 300]")
    loaded = load_study(written(tmp_path, text.replace("replications: 1200", "replications: 120")))
    out, _ = run_estimator_lab(loaded.study, loaded.resolved, "lab", tmp_path / "run")
    (out / "study.yaml").write_text(to_yaml(loaded.resolved))
    write_reports(out)
    page = (out / "report.html").read_text()
    assert "all levels are in tables/estimator_lab.csv" in page
    assert "Where the error comes from, at 99 %" in page
    assert page.count("<tr") < 500


def test_estimators_keep_their_settings_in_the_resolved_form(tmp_path):
    loaded = load_study(written(tmp_path), ("estimators.1.decay=0.8", "replications=300"))
    assert loaded.study.estimators[1] == EwmaEstimator(0.8)
    assert loaded.study.replications == 300
    assert dump(loaded.study) == loaded.resolved


def test_a_cell_of_shortfalls_counts_its_own_refusals():
    """Half the samples have no ES; the score of the pair is over those that have both."""
    value, es = np.linspace(1.0, 2.0, 400), np.linspace(1.5, 2.5, 400)
    es[::2] = np.nan
    wide = {"lower": value - 1, "upper": value + 1, "es_lower": es - 1, "es_upper": np.full(400, np.inf)}
    cell = {"value": value, "breach": np.full(400, 0.02), "regret": np.full(400, 0.1), "es": es} | wide
    cell["joint"] = np.where(np.isnan(es), np.nan, 0.25)
    at = Setting(0.99, 0.95, 1000, 1.5, 2.0)
    found = cell_figures(cell, {"value": np.full(4, 1.5), "es": np.full(4, 2.1)}, at)
    assert (found["refused"].value, found["es_refused"].value) == (0.0, 0.5)
    assert found["es_relative_bias"].value == pytest.approx(np.nanmean(es) / 2 - 1)
    assert found["es_relative_bias"].n == 200
    assert found["es_model_error"].value == pytest.approx(0.05)
    assert found["es_unbounded_intervals"].value == 1.0
    assert found["joint_score_regret"].value == pytest.approx(0.25)
    cell["joint"][1] = np.nan
    assert "1 samples left out" in cell_figures(cell, {"value": value, "es": es}, at)["joint_score_regret"].method
    none = cell_figures(cell, {"value": value, "es": es}, replace(at, truth=0.0, shortfall=np.nan), ("", ""))
    assert "not positive" in none["relative_bias"].method and "no table" in none["es_relative_sd"].method
    assert none["mean_breach_probability"].value == pytest.approx(0.02)


def test_a_standard_error_that_is_enough_takes_the_first_samples(tmp_path):
    """Fewer samples where they do; every series uses the first of the same draws."""
    text = LAB.replace("replications: 1200", "replications: 1200\nstandard_error: 0.012")
    study = load_study(written(tmp_path, text)).study
    lab = EstimatorLab(study)
    lab.prepare()
    assert min(lab.counts) == 256 < max(lab.counts) <= 1200
    for block in lab.blocks:
        lab.block(block)
    rows = [r for r in lab.rows() if r.measure in ("relative_bias", "es_relative_bias")]
    errors = [r.estimate.std_error for r in rows if r.estimate.n < 1200]
    assert max(errors) < 0.012 * 1.1
    assert {r.estimate.n for r in rows} == set(lab.counts)
    whole = EstimatorLab(replace(study, standard_error=None))
    whole.prepare()
    whole.block(Block(0, 0, 256))
    k = int(np.argmin(lab.counts))
    np.testing.assert_array_equal(lab._columns[k]["value"], whole._columns[k]["value"][:, :256])
