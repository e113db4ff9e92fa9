"""A study of rolling forecasts from a file to its report."""

import json

import numpy as np
import pytest

from riskengine.backtest.alternatives import clustered, independent
from riskengine.config.study import load_study
from riskengine.engine.rolling import rolling
from riskengine.errors import InputError, UsageError
from riskengine.estimator.filtered_historical import FilteredHistoricalEstimator
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.quantile_regression import QuantileRegressionEstimator
from riskengine.market.record import ForecastRecord, PriceRecord
from riskengine.report.render import write_reports
from riskengine.study.rolling_power import PowerTables
from riskengine.study.rolling_tests import NullTables, coverage

STUDY = """
kind: rolling_forecast
title: Two series
window: 100
levels: [0.95, 0.99]
estimators: [historical, normal, ewma]
least_days: 200
null_draws: 499
replicates: 99
"""


def record(name, seed, days=400, start=0):
    random = np.random.default_rng(seed)
    prices = 100 * np.exp(np.cumsum(0.02 * random.standard_t(5, days)))
    return PriceRecord(name, name, "", (start + np.arange(days)) * 86_400, prices, "f.csv", "0" * 64)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("rolling") / "two.yaml"
    file.write_text(STUDY)
    return load_study(file)


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    records = [record("A", 1, start=20_000), record("B", 2, 380, 20_010), record("C", 3, 150)]
    out = tmp_path_factory.mktemp("run")
    folders = []
    for workers in (1, 3):
        folder, result = study.study.run(
            study.resolved,
            study.name,
            out=out / str(workers),
            workers=workers,
            records=records,
            progress=None,
            command="",
        )
        folders.append(folder)
    return folders, result, records


def test_same_bytes_for_any_number_of_workers(run):
    folders, _, _ = run
    first, second = ((f / "result.json").read_bytes() for f in folders)
    assert first == second


def test_breaches_are_those_of_a_plain_loop(run):
    """Historical VaR at 95 % of A by hand: window 100, the 95th of 100."""
    folders, _, records = run
    losses = 1 - records[0].prices[1:] / records[0].prices[:-1]
    hits = [losses[t] > np.sort(losses[t - 100 : t])[94] for t in range(100, losses.size)]
    table = json.loads((folders[0] / "cells.json").read_text())
    cells = [dict(zip(table["columns"], r, strict=True)) for r in table["rows"]]
    own = {"series": "A", "side": "long", "level": 0.95, "estimator": "historical"}
    found = next(c for c in cells if own.items() <= c.items())
    assert (found["breaches"], found["days"]) == (sum(hits), len(hits))


def test_short_series_are_left_out_and_named(run):
    _, result, _ = run
    assert [s["series"] for s in result.head["series"]] == ["A", "B"]
    assert result.head["left_out"] == ["C: 49 forecasts from 149 returns and a window of 100, 200 asked for"]


def test_adjusted_p_values_are_no_smaller(run):
    folders, _, _ = run
    table = json.loads((folders[0] / "cells.json").read_text())
    cells = [dict(zip(table["columns"], r, strict=True)) for r in table["rows"]]
    assert len(cells) == 2 * 2 * 2 * 3
    for c in cells:
        assert c["coverage_p"] <= c["coverage_p_bh"] + 1e-9 <= c["coverage_p_holm"] + 2e-9
        assert 0 < c["binomial"] <= 1


def test_report_says_what_was_found(run):
    folders, _, _ = run
    write_reports(folders[0])
    text = (folders[0] / "report.md").read_text()
    assert "3 estimators on 2 real series" in text and "Left out: C" in text
    assert len((folders[0] / "tables" / "cells.csv").read_text().splitlines()) == 1 + 24
    html = (folders[0] / "report.html").read_text()
    assert html.count("<svg") >= 6 and "NOT FITTED" not in html


def test_no_series_long_enough(study):
    with pytest.raises(UsageError, match="at least one series must have 200 forecasts"):
        study.study.run(study.resolved, study.name, records=[record("C", 3, 150)])


def test_given_forecasts_are_judged_beside_estimators(tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text(
        "kind: rolling_forecast\ntitle: Given\nwindow: 100\nestimators: [ewma]\nnull_draws: 199\nreplicates: 99\n"
        "forecasts: {returns: r, var: q, es: e, level: 0.975}\n"
    )
    random = np.random.default_rng(4)
    loss = random.standard_normal(700)
    made = ForecastRecord("f", loss, np.full(700, 1.96), np.full(700, 2.338), 0.975, "f.csv", "1" * 64)
    loaded = load_study(file)
    folder, result = loaded.study.run(loaded.resolved, loaded.name, out=tmp_path / "o", records=[made], command="")
    given = next(r for r in result.rows if (r.model, r.measure) == ("given", "breach_rate"))
    assert given.estimate.value == (loss[100:] > 1.96).mean()
    assert json.loads((folder / "manifest.json").read_text())["data_sha256"] == ["1" * 64]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("benchmark: historcal", "benchmark must be one of historical, normal, ewma, got 'historcal'; did you mean"),
        ("refit: {caviar: 5}", "refit must name estimators of the study"),
        ("sides: [long, long]", "sides must all differ"),
        ("rate_multiple: 1.0", "rate_multiple must lie in"),
        ("horizon_hours: 0.0001", "whole number of seconds"),
        ("forecasts: {returns: r, var: q, es: e, level: 0.9}", "levels must be that of the forecasts"),
    ],
)
def test_faults(change, said, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(STUDY + change + "\n")
    with pytest.raises(InputError) as raised:
        load_study(file)
    assert said in str(raised.value)


def test_forecasts_are_single_fits():
    losses = np.random.default_rng(7).standard_t(4, 320)
    levels = np.array([0.95, 0.975])
    for estimator in (HistoricalEstimator(), FilteredHistoricalEstimator()):
        made = rolling(estimator, losses, 250, 260, levels, 0.95)
        for t in (0, 17, 59):
            for i, level in enumerate(levels):
                var, es = estimator.fit(losses[10 + t : 260 + t], level)
                assert (made.var[i, t], made.es[i, t]) == pytest.approx((var.value, es.value), rel=1e-12)


def test_a_forecast_sees_no_future_and_is_held():
    losses = np.random.default_rng(7).standard_t(4, 320)
    levels = np.array([0.95])
    changed = losses.copy()
    changed[300:] = 50.0
    first, second = (rolling(HistoricalEstimator(), x, 250, 250, levels, 0.95).var[0] for x in (losses, changed))
    assert (first[:51] == second[:51]).all() and (first[51:] != second[51:]).any()
    held = rolling(HistoricalEstimator(), losses, 250, 250, levels, 0.95, refit=7).var[0]
    assert (held == first[np.arange(70) // 7 * 7]).all()


def test_levels_beyond_a_window_are_refused_with_what_it_takes():
    losses = np.random.default_rng(7).standard_t(4, 320)
    for estimator in (HistoricalEstimator(), QuantileRegressionEstimator()):
        made = rolling(estimator, losses, 250, 250, np.array([0.95, 0.999]), 0.95)
        assert np.isfinite(made.var[0]).all() and np.isnan(made.var[1]).all()
        assert made.reasons[0] == "" and "250" in made.reasons[1]


def test_drawn_histories_have_the_stated_rate_and_clusters():
    random = np.random.default_rng(3)
    b, c = independent(1000, 0.02, 4000, random), clustered(1000, 0.02, 0.3, 4000, random)
    for lanes, inflation in ((b, 1.0), (c, 1.3 / 0.7)):
        error = np.sqrt(0.02 * 0.98 * inflation / (1000 * 4000))
        assert lanes.count.mean() / 1000 == pytest.approx(0.02, abs=4.5 * error + 0.3 * 0.02 / 1000)
    pairs = ((c.at[1:] - c.at[:-1] == 1) & c.mask[1:]).sum() / c.count.sum()
    assert pairs == pytest.approx(0.3, abs=0.01)


def test_coverage_family_keeps_its_size():
    """Independent breaches at the nominal rate: the family rejects at most 5 % plus 4.5 standard errors of 200."""
    tables = NullTables(5, 499, 0.05)
    random = np.random.default_rng(9)
    rejected = [coverage(random.random(500) < 0.05, 0.05, tables)[0].p_value <= 0.05 for _ in range(200)]
    assert np.mean(rejected) <= 0.05 + 4.5 * np.sqrt(0.05 * 0.95 / 200)
    power = PowerTables(tables, 2.0, 0.2, 0.95).coverage(500, 0.05)
    assert power["kupiec_exact"].rate.value > 0.9 and power["christoffersen"].clusters.value > 0.5


def test_settings_of_single_files_and_windows_by_length(tmp_path):
    """A long series takes the window, a short one half of its returns, a file its own window and horizon."""
    file = tmp_path / "many.yaml"
    file.write_text(
        STUDY.replace("least_days: 200", "least_days: 60").replace("[historical, normal, ewma]", "[historical, normal]")
        + "shortest_window: 40\nfiles:\n  g.csv: {window: 50, horizon_hours: 48, gaps: bridge}\n"
    )
    loaded = load_study(file)
    other = record("D", 5, 401)
    other = PriceRecord("D", "D", "", other.seconds, other.prices, "g.csv", "1" * 64)
    records = [record("A", 1, 400), record("B", 2, 131), record("C", 3, 100), other]
    _, result = loaded.study.run(loaded.resolved, "m", out=tmp_path / "o", records=records, command="")
    said = {s["series"]: (s["horizon_hours"], s["window"], s["forecasts"]) for s in result.head["series"]}
    assert said == {"A": (24.0, 100, 299), "B": (24.0, 65, 65), "D": (48.0, 50, 150)}
    assert result.head["left_out"] == ["C: 50 forecasts from 99 returns and a window of 49, 60 asked for"]
    assert "half of the returns of a short series: B 65, D 50." in result.head["assumptions"][1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("shortest_window: 101", "shortest_window must lie in"),
        ("files: {f.csv: {window: 5}}", "window must lie in"),
        ("files: {f.csv: {horizon_hours: 0.0001}}", "horizon_hours must be a whole number of seconds"),
        ("files: {f.csv: {returns: {X: {log: true, unit: 0}}}}", "unit must lie in"),
        ("files: {f.csv: {ordinal: {X: -1}}}", "hours of ordinal must lie in"),
        ("files: {f.csv: {gap: skip}}", "unknown key; did you mean"),
    ],
)
def test_faults_of_files(change, said, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(STUDY + change + "\n")
    with pytest.raises(InputError) as raised:
        load_study(file)
    assert said in str(raised.value)
