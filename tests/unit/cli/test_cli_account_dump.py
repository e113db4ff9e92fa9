"""Studies on a borrower book that is described by its format and given by --data."""

import json
import re

import numpy as np
import pytest
from cli_files import call

from riskengine.config.study import load_study, study_of
from riskengine.errors import UsageError

BOOK = """account_id,collateral_value,debt_value,liq_threshold,health_factor,weth_collateral_value,eth_debt_value
near,1000000,820000,0.83,1.0121951219512195,1000000,0
emode,500000,463000,0.93,1.0043196544276458,0,463000
safe,100000,20000,0.78,3.9,0,0
"""
SMALL = ("--paths", "64", "--set", "horizon_hours=24")


@pytest.fixture
def book(tmp_path):
    file = tmp_path / "accounts.csv"
    file.write_text(BOOK, encoding="utf-8")
    return str(file)


def test_a_study_that_describes_its_book_asks_for_the_file(capsys):
    for rest in ((), ("--dry-run",)):
        code, _, err = call(capsys, "run", "lending_linea", *rest)
        assert code == 2 and "needs its file: --data FILE" in err
    with pytest.raises(UsageError, match="--data FILE"):
        loaded = load_study("lending_linea")
        loaded.study.run(loaded.resolved, "x")


def test_one_file_too_many_is_refused(capsys, book):
    code, _, err = call(capsys, "run", "lending_linea", "--data", book, "--data", book)
    assert code == 2 and "--data must not be given for a study on simulated paths" in err


def test_faults_of_the_file_are_told_with_their_lines(capsys, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text(BOOK.replace("820000,0.83", "-1,0.83").replace("20000,0.78", "20000,much"), encoding="utf-8")
    code, _, err = call(capsys, "run", "lending_linea", "--data", str(file), "--dry-run")
    assert code == 2 and "bad.csv:2: debt_value must be" in err and "bad.csv:4: liq_threshold must be" in err


def test_a_run_says_who_pays_and_keeps_no_account(capsys, tmp_path, book, monkeypatch):
    assert "3 in accounts.csv" in call(capsys, "run", "lending_linea", "--data", book, "--dry-run")[1]
    out = tmp_path / "run"
    code, text, _ = call(capsys, "run", "lending_linea", "--data", book, *SMALL, "--out", str(out), "--json")
    assert code == 0
    rows = [r for r in json.loads(text)["result"]["rows"] if r["section"] == "lending"]
    at_once = {
        r["parameters"]["threshold_shift"]: r["estimate"] for r in rows if r["measure"] == "liquidatable_at_start"
    }
    # health 1.0122 and 1.0043: a cut of a point reaches the e-mode account, two points both
    assert {shift: e["value"] for shift, e in at_once.items()} == {
        0.0: 0.0,
        0.01: 0.0,
        -0.01: 1.0,
        -0.02: 2.0,
        -0.03: 2.0,
    }
    assert all(e["lower"] == e["value"] == e["upper"] for e in at_once.values())
    assert {"supplier_loss_probability", "supplier_loss_p999", "keeper_profit"} <= {r["measure"] for r in rows}
    resolved = (out / "study.yaml").read_text(encoding="utf-8")
    assert "accounts.csv" in resolved and not re.search("near|463000", resolved)
    assert "as of 2026-07-18" in (out / "report.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = load_study(out / "study.yaml")
    assert study_of(loaded.resolved).lending.book.names == ("near", "emode", "safe")


def test_the_linea_market_sees_the_health_that_the_file_states(shared):
    file = shared / "data" / "lending_aave_v3_linea_weth_book_20260718.csv"
    study = load_study("lending_linea", (), file).study
    spot = np.asarray(study.world.model.spot)[:, None]
    book, assets = study.lending.book, study.world.model.assets
    state = study.lending.market.init(book, assets, spot, study.grid)
    health = study.lending.market.health(state, spot)[:, 0]
    assert np.abs(health / book.stated_health - 1.0).max() < 1.2e-4
    told = [
        study.lending.market.with_threshold_shift(s).init(book, assets, spot, study.grid).initially_liquidatable[0]
        for s in study.lending.threshold_shifts
    ]
    # three accounts in an ETH mode owe 1.68 million USD at a health of 1.002 to 1.003, a fourth is at 1.01
    assert told == [0.0, 0.0, 4.0, 4.0, 4.0]
