"""``riskengine hedge``."""

import json

import pytest

from riskengine.cli.main import main

ONE = ["hedge", "--portfolio", "margin_book", "--model", "derive_pmrm_v2", "--account", "btc_short_straddle"]


def test_the_book_after_the_trades_requires_what_was_said(tmp_path, capsys):
    out = tmp_path / "after.yaml"
    assert main([*ONE, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["accounts"][0]
    assert told["bound"] <= told["objective"] < told["margin_before"]
    assert main(["margin", "--portfolio", str(out), "--model", "derive_pmrm_v2", "--json"]) == 0
    required = json.loads(capsys.readouterr().out)["requirements"][0]
    assert required["initial"] == pytest.approx(told["margin_after"], rel=1e-6)


def test_a_table_for_people(capsys):
    assert main([*ONE, "--gamma", "free", "--delta", "-500:500"]) == 0
    out = capsys.readouterr().out
    assert (
        out.splitlines()[0].split()
        == "account margin USD after USD cost USD margin + worth x cost no less than".split()
    )
    assert "buy" in out and "vega BTC" in out
    assert main([*ONE, "--spend", "0"]) == 0
    assert "no trade frees more than it costs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--account", "nobody"], "--account must be one of btc_leveraged_long"),
        (["--vega", "much"], "--vega must be free, a share such as 10%"),
        (["--delta", "5:1"], "--delta must be free"),
        (["--delta", "1e6:2e6"], "btc_short_straddle under derive_pmrm_v2: no trades of the sizes"),
        (["--tail", "30%"], "--tail must be free or a level from 50% to 99.9%"),
        (["--level", "0.99"], "--level must be left out for derive_pmrm_v2"),
        (["--out", "/nowhere/at/all.yaml"], "must be a file in a folder"),
        (["--model", "best_of_all"], "best_of_all"),
        (["--most", "0"], "--most"),
    ],
)
def test_bad_input_is_named(capsys, words, says):
    assert main([*ONE, *words]) == 2
    assert says in capsys.readouterr().err


def test_an_account_that_cannot_be_hedged_loses_no_other(capsys):
    words = [*ONE, "--account", "btc_long_call", "--delta", "30000:60000", "--json"]
    assert main(words) == 2
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert [a["account"] for a in told["accounts"]] == ["btc_long_call"]
    assert len(told["refused"]) == 1 and "btc_short_straddle" in shown.err
