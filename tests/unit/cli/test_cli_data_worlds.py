"""Worlds made of data and repaired matrices from the command line, as a user meets them."""

import json
import sys
from pathlib import Path

import pytest
from cli_files import WORLD, call, write

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "config"))

from data_toys import BLOCKS, FILTERED, HISTORY, PATHS, PLAIN, folder_with, prices  # noqa: E402


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("model", [BLOCKS, FILTERED, HISTORY, PATHS], ids=["blocks", "filtered", "history", "paths"])
def test_check_and_run(capsys, here, model):
    folder_with(here, model, study=PLAIN.replace("paths: 64", "paths: 12"))
    assert call(capsys, "check", "world.yaml", "study.yaml")[:2] == (
        0, "world.yaml: in order (world)\nstudy.yaml: in order (study)\n",
    )  # fmt: skip
    code, out, err = call(capsys, "run", "study.yaml", "--out", "r", "--json")
    assert code == 0, err
    result = json.loads(out)["result"]
    assert result["world"]["stamp"] == "DATA"
    (named,) = result["data"]
    assert named["name"] == ("p.npz" if model is PATHS else "p.csv")
    assert json.loads((here / "r" / "manifest.json").read_text())["data_sha256"] == [named["sha256"]]
    report = (here / "r" / "report.md").read_text()
    assert "Paths of this world are made of data" in report
    assert named["sha256"][:12] in report


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        (
            BLOCKS.replace("p.csv", "q.csv"),
            None,
            "q.csv: no such file, beside the file that names it or in the working directory",
        ),
        (BLOCKS, prices(missing=(40,)), "1 after 2021-01-02T15:00"),
        (BLOCKS.replace("12", "900"), None, "block_hours must not exceed the 799 h of data, got 900"),
        (BLOCKS.replace("ETH", "DOGE"), None, "one column of DOGE, must be given"),
        (BLOCKS, prices(step=5 * 3600), "must be a whole multiple of the data's step of 5 h, got 24 h; 25 h would do"),
        (HISTORY, None, "paths must lie in [2, 29], got 64"),
    ],
)
def test_bad_data_end_in_one_message(capsys, here, model, text, message):
    folder_with(here, model, text, study=PLAIN.replace("horizon_hours: 48", "horizon_hours: 24"))
    code, out, err = call(capsys, "run", "study.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (here / "runs").exists()


def test_a_repair_is_said_by_check_run_and_report(capsys, here):
    singular = WORLD.replace("[[1, 0.8], [0.8, 1]]", "[[1, 1], [1, 1]]")
    write(here, world=singular, study=PLAIN)
    said = "warning: world.yaml:10: model.correlation: correlation must be positive semidefinite"
    code, out, err = call(capsys, "check", "world.yaml")
    assert (code, out) == (0, "world.yaml: in order (world)\n")
    assert said.split(":")[0] in err and "model.correlation: correlation must be positive semidefinite" in err
    code, out, err = call(capsys, "run", "study.yaml", "--out", "r")
    assert code == 0
    assert err.count("the nearest valid matrix is used instead, moved by") == 1
    assert "Repaired when it was read: correlation must be" in (here / "r" / "report.md").read_text().replace("\\", "")
    assert json.loads((here / "r" / "result.json").read_text())["world"]["repairs"]


def test_a_filter_is_fitted_and_its_world_runs(capsys, here):
    folder_with(here, BLOCKS, prices(1_500))
    (here / "worlds").mkdir()
    arguments = ("fit", "volatility", "p.csv", "--assets", "BTC,ETH", "--out", "worlds/w.yaml", "--spot", "34500,1810")
    code, out, err = call(capsys, *arguments)
    assert code == 0, err
    assert "alpha[BTC]" in out
    assert "volatility at the end of the data BTC" in out
    text = (here / "worlds" / "w.yaml").read_text()
    assert "file: ../p.csv" in text
    assert "riskengine fit volatility p.csv --assets BTC,ETH --filter garch --likelihood t --long-run sample" in text
    assert call(capsys, "check", "worlds/w.yaml")[0] == 0
    assert call(capsys, "run", "study.yaml", "--set", "world=worlds/w.yaml", "--dry-run")[0] == 0
    code, out, err = call(capsys, *arguments, "--filter", "ewma", "--decay", "0.94", "--step-hours", "6", "--json")
    assert (code, json.loads(out)["filter"]) == (0, {"kind": "ewma", "decay": 0.94})
    for wrong, message in (
        (("--decay", "0.9"), "--decay must be given for an EWMA and for nothing else"),
        (("--step-hours", "1.5"), "step_hours must be a whole multiple"),
        (("--end", "2021-01-10"), "at least 500 returns to fit a GARCH filter, got 215"),
    ):
        code, out, err = call(capsys, *arguments, *wrong)
        assert (code, out) == (2, "")
        assert message in err
