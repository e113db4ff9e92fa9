"""Backtests on option chains from the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_files import call, write
from option_chains import series, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))
from test_run_chain_backtest import STUDY  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chains")
    write(folder)
    (folder / "s.yaml").write_text(STUDY)
    spots = 50_000 * np.exp(np.cumsum(np.random.default_rng(21).normal(0, 0.03, 40)))
    text = table([series("BTC", spots)])
    (folder / "c.csv").write_text(text)
    lines = text.splitlines()
    (folder / "three.csv").write_text("\n".join(lines[:4]) + "\n")
    (folder / "noindex.csv").write_text(text.replace("index_price", "idx"))
    (folder / "zero.csv").write_text("\n".join([*lines[:-1], lines[-1].rpartition(",")[0] + ",0"]) + "\n")
    stamps = 1_767_258_000 - 86_400 * np.arange(30, 0, -1)
    (folder / "p.csv").write_text("timestamp,BTC\n" + "\n".join(f"{t},{100 + t // 86_400 % 7}" for t in stamps) + "\n")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_a_run_from_a_csv_and_the_same_again(capsys, here):
    code, out, _ = call(capsys, "run", "s.yaml", "--data", "c.csv", "--out", "one")
    assert code == 0 and "Deribit standard" in out and "report:" in out
    result = json.loads((here / "one" / "result.json").read_text())
    assert result["command"] == "riskengine run s.yaml --data c.csv" and result["data"][0]["name"] == "c.csv"
    assert call(capsys, "run", "one/study.yaml", "--data", "c.csv", "--out", "two")[0] == 0
    assert json.loads((here / "two" / "result.json").read_text())["rows"] == result["rows"]
    assert call(capsys, "compare", "one", "two")[0] == 0
    assert call(capsys, "report", "one")[0] == 0


def test_prices_of_the_time_before_are_a_second_file(capsys, here):
    code, _, _ = call(capsys, "run", "s.yaml", "--data", "c.csv", "--data", "p.csv", "--out", "before")
    result = json.loads((here / "before" / "result.json").read_text())
    assert code == 0 and [d["name"] for d in result["data"]] == ["c.csv", "p.csv"]
    assert result["settings"]["margin_periods"] == 39


def test_dry_run_and_check(capsys, here):
    code, out, _ = call(capsys, "run", "s.yaml", "--data", "c.csv", "--dry-run")
    assert code == 0 and "snapshots: 40" in out and "nothing was run" in out
    assert call(capsys, "check", "s.yaml")[0] == 0
    assert "margin_chain_backtest" in call(capsys, "list", "studies")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs option chains: --data CHAINS"),
        (("--data", "none.csv"), "none.csv: no such file"),
        (("--data", "three.csv"), "at least 20 margin periods of 24 h to judge by, got 0 (1 snapshots have no expiry"),
        (("--data", "noindex.csv"), "columns index_price must be given"),
        (("--data", "zero.csv"), "index_price must be a positive number"),
        (("--data", "p.csv"), "columns underlying, expiry, strike"),
        (("--data", "c.csv", "--source", "x"), "without a price file as the second --data"),
        (("--data", "c.csv", "--data", "p.csv", "--data", "p.csv"), "once or twice"),
        (("--data", "c.csv", "--set", "assets=[ETH]"), "asset must be one of BTC, got 'ETH'"),
        (("--data", "c.csv", "--paths", "5"), "--paths must not be given"),
        (("--data", "c.csv", "--set", "least_days=1000"), "at least 1000 margin periods of 24 h to judge by, got 29"),
    ],
)
def test_bad_input_gets_one_clear_message(capsys, here, words, said):
    code, _, error = call(capsys, "run", "s.yaml", *words, "--out", "bad")
    assert code == 2 and said in error
    assert not (here / "bad").exists()
