"""``riskengine reverse``."""

import json

import pytest

from riskengine.cli.main import main

SHORT = ("--set", "horizon_hours=24")


def test_limits_of_a_study(capsys):
    code = main(["reverse", "quickstart", "--account", "btc_short_straddle", "--bad-debt", "100000", *SHORT, "--json"])
    assert code == 0
    told = json.loads(capsys.readouterr().out)
    first, grid = told["limits"][0], told["limits"][1]
    assert first["subject"] == "lending market"
    assert first["move"]["ETH"] < -0.1
    assert first["loss_usd"] == pytest.approx(100_000, rel=0.01)
    assert grid["model"] == "derive_pmrm_v2"
    assert grid["loss_usd"] == pytest.approx(grid["limit_usd"], rel=1e-3)
    assert {x["level"] for x in told["limits"][2:]} == {0.95, 0.99, 0.995, 0.999}


def test_a_table_for_people(capsys):
    assert main(["reverse", "quickstart", "--account", "btc_long_call"]) == 0
    out = capsys.readouterr().out
    head = ["subject", "model", "level", "limit", "USD", "hours", "BTC", "ETH", "variance", "distance"]
    assert out.splitlines()[0].split() == head
    assert "none within " in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["quickstart", "--account", "nobody"], "account must be one of"),
        (["backtest"], "got a backtest"),
        (["feedback", "--set", "lending=null", "--bad-debt", "5"], "needs a study with a lending market"),
        (["feedback", "--set", "world=covid_2020"], "without a stress"),
        (["feedback", "--set", "world.model.kappa=[20, 30]"], "one kappa"),
    ],
)
def test_bad_input_is_named(capsys, words, says):
    assert main(["reverse", *words]) == 2
    assert says in capsys.readouterr().err
