"""The lab as a study: file to folder, faults, refusals, the same bits on any number of threads."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riskengine.config.dump import dump, to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.engine.estimator_lab import fit
from riskengine.errors import InputError
from riskengine.estimator.ewma import EwmaEstimator
from riskengine.report.heat import Tile, heat
from riskengine.report.render import write_reports
from riskengine.study.estimator_lab import cell_figures, run_estimator_lab

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
    # 2 levels of truth and exposures, and 15 or 3 figures of each cell
    assert len(content["rows"]) == 4 + 2 * 3 * 2 * (2 * 14 + 3)


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
        return value, value * np.nan, value * np.nan


def test_refusals_are_counted_and_left_out():
    losses = np.random.default_rng(1).standard_normal((30, 400)) + 3.0
    found = fit(Picky(), losses, np.array([0.95, 0.99]), 0.95)
    assert found.reason == "level must lie below 0.99"
    assert np.isnan(found.value[1]).all()
    assert np.isfinite(found.value[0]).sum() == 200
    part = {"value": found.value, "lower": found.lower, "upper": found.upper}
    part |= {"breach": np.where(np.isnan(found.value), np.nan, 0.01), "regret": found.value * 0.1}
    cell = {k: v[0] for k, v in part.items()}
    figures = cell_figures(cell, np.full(4, 5.5), 5.0, 0.95, "", 0.95, 1000)
    assert figures["refused"].value == 0.5
    assert figures["relative_bias"].n == 200
    assert figures["relative_bias"].value == pytest.approx(np.nanmean(found.value[0]) / 5.0 - 1)
    assert figures["model_error"].value == pytest.approx(0.1)
    assert "gives no interval" in figures["interval_coverage"].method
    none = cell_figures({k: v[1] for k, v in part.items()}, np.full(4, np.nan), 5.0, 0.99, found.reason, 0.95, 1000)
    assert none["refused"].value == 1.0
    assert "level must lie below 0.99" in none["relative_rmse"].method
    assert set(none) == set(figures)


def test_no_logarithm_of_a_breach_that_cannot_happen():
    cell = {"value": np.linspace(1, 2, 200), "lower": np.zeros(200), "upper": np.full(200, np.inf)}
    cell |= {"breach": np.r_[0.0, np.full(199, 0.01)], "regret": np.full(200, 0.1)}
    figures = cell_figures(cell, np.full(4, 1.5), 1.5, 0.99, "", 0.95, 1000)
    assert "log of zero: 1 estimates" in figures["log10_breach_ratio"].method
    assert figures["unbounded_intervals"].value == 1.0
    assert np.isnan(figures["interval_width"].value)


def test_a_heat_map_writes_every_number_and_marks_what_is_missing():
    tiles = [Tile(0.95, 100, 0.0, "1.00"), Tile(0.99, 100, 3.0, "7.34"), Tile(0.99, 250, None, "refused")]
    figure = heat("h", "Title", [("One", tiles)], (str, str), ("level", "losses"), "said")
    for text in ("1.00", "7.34", "refused", "One"):
        assert f">{text}<" in figure.svg
    assert heat("h", "Title", [("None", [])], (str, str), ("level", "losses"), "") is None


def test_estimators_keep_their_settings_in_the_resolved_form(tmp_path):
    loaded = load_study(written(tmp_path), ("estimators.1.decay=0.8", "replications=300"))
    assert loaded.study.estimators[1] == EwmaEstimator(0.8)
    assert loaded.study.replications == 300
    assert dump(loaded.study) == loaded.resolved
