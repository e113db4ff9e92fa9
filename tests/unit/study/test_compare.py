"""Two runs side by side: what counts as moved, and runs that cannot be compared."""

import json

import pytest

from riskengine.cli.main import main
from riskengine.errors import UsageError
from riskengine.study.compare import compare_runs
from riskengine.study.folder import RunFolder


def run(folder, kind="calibration", **estimate):
    estimate = {"value": 1.0, "std_error": None, "lower": 0.5, "upper": 1.5} | estimate
    row = {"section": "margin", "model": "m", "parameters": {}, "measure": "bad_debt_p99", "unit": "USD"}
    row["estimate"] = estimate
    folder.mkdir()
    result = {"schema": "riskengine-result/1", "study": {"kind": kind}, "rows": [row]}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"value": 1.2, "lower": 0.7, "upper": 1.7}, False),
        ({"value": 3.0, "lower": 1.6, "upper": None}, True),
        ({"value": 3.0, "lower": None, "upper": None}, False),
    ],
)
def test_a_figure_with_an_interval_only_has_moved_where_the_intervals_are_apart(tmp_path, change, moved):
    before, after = run(tmp_path / "a"), run(tmp_path / "b", **change)
    assert [c.moved for c in compare_runs(before, after)] == [moved]


def test_three_standard_errors(tmp_path):
    before = run(tmp_path / "a", std_error=0.3)
    assert not compare_runs(before, run(tmp_path / "b", value=2.0, std_error=0.3))[0].moved
    assert compare_runs(before, run(tmp_path / "c", value=3.0, std_error=0.3))[0].moved


def test_runs_of_two_kinds_of_study_are_refused(tmp_path):
    with pytest.raises(UsageError, match="one kind of study, got calibration and backtest"):
        compare_runs(run(tmp_path / "a"), run(tmp_path / "b", kind="backtest"))


def test_a_folder_with_other_files_is_no_place_for_a_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="one that holds a run, got other files"):
        RunFolder.open("study", {"a": 1}, tmp_path, False)
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.tex"]


def test_figures_of_one_run_only_are_counted_and_not_listed(tmp_path, capsys):
    before, after = run(tmp_path / "a", std_error=0.1), run(tmp_path / "b", std_error=0.1, value=2.0)
    result = json.loads((after / "result.json").read_text())
    result["rows"].append(result["rows"][0] | {"model": "historical_var", "measure": "insolvency"})
    (after / "result.json").write_text(json.dumps(result))
    assert [(c.common, c.moved) for c in compare_runs(before, after)] == [(True, True), (False, False)]
    assert main(["compare", str(before), str(after)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["1 of 1 figures moved", "1 figure is only in the run after: Historical VaR"]
    assert lines[1].split()[-1] == "+7.1"
