"""Rolling forecasts from the command line."""

import json

import pytest
from cli_files import call, write

STUDY = """
kind: rolling_forecast
title: Two
window: 30
levels: [0.9]
estimators: [historical]
least_days: 50
null_draws: 99
replicates: 99
"""
GIVEN = "kind: rolling_forecast\ntitle: G\nwindow: 30\nforecasts: {returns: r, var: q, es: e, level: 0.9}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rolling")
    write(folder)
    (folder / "s.yaml").write_text(STUDY)
    (folder / "g.yaml").write_text(GIVEN)
    for name in ("BTC", "ETH"):
        lines = [f"{86_400 * (20_000 + d)},{name},{100 + (d * 37 % 23)}" for d in range(120)]
        (folder / f"{name}.csv").write_text("timestamp,symbol,close\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_dry_run_names_the_series(capsys, here):
    code, out, _ = call(capsys, "run", "s.yaml", "--data", "BTC.csv", "--data", "ETH.csv", "--dry-run")
    assert code == 0 and "series: BTC, ETH" in out and "world" not in out


def test_a_run_of_two_files_and_the_same_again(capsys, here):
    data = ("--data", "BTC.csv", "--data", "ETH.csv")
    code, out, _ = call(capsys, "run", "s.yaml", *data, "--out", "one")
    assert code == 0 and "Historical 90 %" in out
    result = json.loads((here / "one" / "result.json").read_text())
    assert result["command"] == "riskengine run s.yaml --data BTC.csv --data ETH.csv"
    assert [d["name"] for d in result["data"]] == ["BTC.csv", "ETH.csv"] and "world" not in result
    assert call(capsys, "run", "one/study.yaml", *data, "--out", "two")[0] == 0
    assert json.loads((here / "two" / "result.json").read_text())["rows"] == result["rows"]
    code, out, _ = call(capsys, "compare", "one", "two")
    assert code == 0
    assert call(capsys, "report", "one")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "s.yaml"), "a study of rolling forecasts needs prices: --data FILE"),
        (("run", "s.yaml", "--data", "BTC.csv", "--resume"), "--resume must not be given"),
        (("run", "s.yaml", "--data", "BTC.csv", "--set", "series=[BTX]"), "series must be one of BTC, got 'BTX'"),
        (("run", "s.yaml", "--data", "BTC.csv", "--set", "horizon_hours=36"), "horizon_hours must be a whole multiple"),
        (("run", "s.yaml", "--data", "BTC.csv", "--set", "window=500"), "at least one series must have 50 forecasts"),
        (("run", "g.yaml", "--data", "BTC.csv", "--start", "2024-01-01"), "--source, --start and --end must not"),
        (("run", "g.yaml", "--data", "BTC.csv"), "column 'r' must be in the file"),
        (("run", "backtest.yaml", "--data", "BTC.csv", "--data", "ETH.csv"), "--data must be given once for a backt"),
    ],
)
def test_faults(capsys, here, words, said):
    code, _, error = call(capsys, *words)
    assert code == 2 and said in error


def test_check_and_list(capsys, here):
    assert call(capsys, "check", "s.yaml", "g.yaml")[0] == 0
    out = call(capsys, "list", "studies")[1]
    assert "calibration_real" in out and "judge_forecasts" in out


def test_settings_of_a_file_that_is_not_given(capsys, here):
    said = "files must name files given by --data (BTC.csv), got 'BTX.csv'; did you mean 'BTC.csv'"
    (here / "f.yaml").write_text(STUDY + "files: {BTX.csv: {window: 20}}\n")
    code, _, error = call(capsys, "run", "f.yaml", "--data", "BTC.csv")
    assert code == 2 and said in error
    (here / "f.yaml").write_text(STUDY + "files: {BTC.csv: {window: 20, returns: {BTX: {log: true}}}}\n")
    code, _, error = call(capsys, "run", "f.yaml", "--data", "BTC.csv")
    assert code == 2 and "returns must name series of the file (BTC), got 'BTX'" in error
