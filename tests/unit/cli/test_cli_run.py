"""From a study to a run folder and back, by the command line alone."""

import json

import pytest
from cli_files import STUDY, call, prices, write


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    write(folder)
    (folder / "p.csv").write_text(prices(60))
    return folder


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project)
    return project


def test_a_run_prints_a_table_and_where_the_report_is(capsys, here):
    code, out, _ = call(capsys, "run", "study.yaml", "--out", "one", "--workers", "1")
    assert code == 0
    assert out.splitlines()[0] == "A small question"
    assert out.splitlines()[-1] == "report: one/report.html"
    assert {"study.yaml", "manifest.json", "result.json", "report.html", "report.md", "timing.json"} <= {
        f.name for f in (here / "one").iterdir()
    }


def test_the_stored_study_gives_the_same_run_again(capsys, here):
    call(capsys, "run", "study.yaml", "--out", "first", "--workers", "2")
    code, out, _ = call(capsys, "run", "first/study.yaml", "--out", "again", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["run"], found["exit_code"]) == ("again", 0)
    same = [json.loads((here / f / "result.json").read_text())["rows"] for f in ("first", "again")]
    assert same[0] == same[1] == found["result"]["rows"]
    code, out, _ = call(capsys, "compare", "first", "again")
    assert (code, out.splitlines()[-1]) == (0, f"0 of {len(same[0])} figures moved")
    code, out, _ = call(capsys, "compare", "first", "again", "--json", "--all")
    found = json.loads(out)
    assert (found["moved"], len(found["figures"])) == (0, len(same[0]))


def test_resume_takes_up_what_is_there_and_reports_have_the_same_bytes(capsys, here):
    call(capsys, "run", "study.yaml", "--out", "r")
    files = ("result.json", "report.html", "report.md")
    before = {name: (here / "r" / name).read_bytes() for name in files}
    code, _, _ = call(capsys, "run", "study.yaml", "--out", "r", "--resume")
    assert code == 0
    (here / "r" / "report.md").unlink()
    code, out, _ = call(capsys, "report", "r", "--to", "md,html,json")
    assert code == 0
    assert sorted(out.splitlines()) == ["r/report.html", "r/report.md", "r/result.json"]
    assert {name: (here / "r" / name).read_bytes() for name in files} == before
    assert json.loads(call(capsys, "report", "r", "--to", "md", "--json")[1]) == ["r/report.md"]


@pytest.mark.parametrize(("limit", "sense", "code"), [(2.0, "at_most", 0), (0.9, "at_least", 3), (0.05, "at_most", 4)])
def test_declared_criteria_decide_the_exit_code(capsys, here, limit, sense, code):
    where = "{model: historical_var, level: 0.95}"
    criterion = f"criteria: [{{measure: initial_margin_breach, limit: {limit}, sense: {sense}, where: {where}}}]\n"
    (here / "criterion.yaml").write_text(STUDY + criterion)
    assert call(capsys, "run", "criterion.yaml", "--out", f"c{code}")[0] == code


def test_a_backtest_replays_prices(capsys, here):
    code, out, _ = call(capsys, "run", "backtest.yaml", "--data", "p.csv", "--out", "bt")
    assert code == 0
    assert "backtest" in out and "report: bt/report.html" in out
    result = json.loads((here / "bt" / "result.json").read_text())
    assert result["command"] == "riskengine run backtest.yaml --data p.csv"
    assert result["settings"]["windows"] == 49
    assert {r["measure"] for r in result["rows"]} >= {"breach_rate", "kupiec_p", "binomial_p"}


def test_margin_of_a_portfolio_is_explained(capsys, here):
    common = ("margin", "--portfolio", "book.yaml", "--world", "world.yaml", "--windows", "50")
    code, out, _ = call(
        capsys, *common, "--model", "derive_pmrm_v2", "--model", "ewma_var", "--level", "0.99", "--explain"
    )
    assert code == 0
    assert "long_perp" in out and "binding scenario" in out
    code, out, _ = call(capsys, *common, "--all", "--level", "0.99", "--json")
    rows = json.loads(out)["requirements"]
    assert {(r["model"], r["level"]) for r in rows} == {
        ("derive_pmrm_v2", None),
        ("historical_var", 0.99),
        ("deribit_portfolio", None),
        ("deribit_standard", None),
        ("greeks_grid", None),
        ("filtered_historical_var", 0.99),
        ("ewma_var", 0.99),
        ("model_monte_carlo_var", 0.99),
    }
    assert all(("std_error" in r) == (r["model"] == "model_monte_carlo_var") for r in rows)
    for row in rows:
        assert row["initial"] >= row["maintenance"] >= 0
        if row["level"] is not None and "std_error" not in row:  # what reads a window is as sure as its window
            assert row["initial_p5"] <= row["initial"] <= row["initial_p95"]


def test_an_unwritable_folder_is_refused_before_anything_runs(capsys, here):
    code, _, err = call(capsys, "run", "study.yaml", "--out", "p.csv/x")
    assert code == 2
    assert "output folder must be writable" in err


def test_a_fit_writes_a_world_that_can_be_run(capsys, here):
    import numpy as np

    moves = np.random.default_rng(1).normal(0.0, 0.006, (10_500, 2)) @ np.array([[1.0, 0.8], [0.0, 0.9]])
    paths = np.array([34500.0, 1810.0]) * np.exp(moves.cumsum(axis=0))
    rows = [f"{1609459200 + 3600 * i},{a!r},{b!r}" for i, (a, b) in enumerate(paths.tolist()) if i != 5000]
    (here / "hourly.csv").write_text("timestamp,BTC,ETH\n" + "\n".join(rows) + "\n")
    options = ("--assets", "BTC,ETH", "--spot", "34500,1810", "--out", "fitted.yaml")
    code, out, _ = call(capsys, "fit", "returns", "hourly.csv", "--model", "gbm", *options)
    assert code == 0
    assert "volatility[BTC]" in out and "standard error" in out
    assert out.splitlines()[-1].startswith("fitted.yaml: ")
    text = (here / "fitted.yaml").read_text()
    assert "riskengine fit returns hourly.csv --model gbm --assets BTC,ETH --spot 34500,1810 --out fitted.yaml" in text
    assert call(capsys, "check", "fitted.yaml")[:2] == (0, "fitted.yaml: in order (world)\n")
    plan = json.loads(call(capsys, "run", "study.yaml", "--set", "world=fitted.yaml", "--dry-run", "--json")[1])
    assert plan["world"] == "fitted"


def test_estimator_lab_plan_check_and_refusals(tmp_path, capsys):
    code, out, _ = call(capsys, "run", "calibration_lab", "--dry-run", "--json", "--set", "replications=200")
    plan = json.loads(out)
    assert code == 0
    assert plan["kind"] == "estimator_lab"
    assert plan["replications"] == 200
    assert plan["world"] == "merton_day"
    assert call(capsys, "run", "calibration_lab", "--resume", "--dry-run")[0] == 2
    assert call(capsys, "run", "calibration_lab", "--data", "p.csv", "--dry-run")[0] == 2
    assert "an estimator lab" in call(capsys, "reverse", "calibration_lab")[2]


def test_tune_runs_choices_only_and_says_them(tmp_path, capsys):
    small = ("--set", "sample_sizes=[400]", "--set", "replications=100", "--out", str(tmp_path / "run"))
    code, out, _ = call(capsys, "tune", "calibration_certificate", *small)
    assert code == 0
    assert "From 400 losses a margin certified for a breach probability of 1 %" in out
    assert "riskengine tune calibration_certificate" in (tmp_path / "run" / "report.md").read_text()
    code, _, said = call(capsys, "tune", "quickstart", "--dry-run")
    assert code == 2
    assert "must ask for a choice, got a calibration study: riskengine run runs it" in said
    plan = json.loads(call(capsys, "tune", "choose_margin", "--dry-run", "--json", "--paths", "2048")[1])
    assert plan["candidates"]["historical_var level"] == [0.9975, 0.995, 0.9925, 0.99, 0.985, 0.98]
    assert plan["paths"] == 10 * 2048
    assert "299" in call(capsys, "tune", "choose_margin", "--paths", "100", "--dry-run")[2]
    assert call(capsys, "tune", "choose_margin", "--data", "p.csv")[0] == 2


def test_a_number_that_a_kind_does_not_have_is_refused_by_its_name(capsys, here):
    code, _, said = call(capsys, "run", "calibration_power", "--paths", "100", "--dry-run")
    assert code == 2 and "--paths must not be given for a study of backtests" in said and "replications" in said
    code, _, said = call(capsys, "run", "backtest", "--seed", "4", "--data", "x.csv", "--dry-run")
    assert code == 2 and "--seed must not be given for a backtest, which has no seed" in said
