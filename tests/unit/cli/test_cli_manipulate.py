"""`riskengine manipulate`: the figures of the module, and one message for what is wrong."""

import json

import pytest

from riskengine.cli.main import main
from riskengine.oracle.manipulation import ManipulatedPool, WrongPriceLoan, best_manipulation, safe_depth
from riskengine.oracle.twap import TwapOracle

ASK = ["manipulate", "--ltv", "0.8", "--available", "10000000", "--depth", "1000000"]


def test_figures_are_those_of_the_module(capsys):
    arguments = [*ASK, "--oracle", "{kind: twap, window_hours: 0.02, mean: arithmetic}", "--fixed", "50", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)["attacks"]
    oracle, loan = TwapOracle(0.02, "arithmetic"), WrongPriceLoan(0.8, 1e7)
    for arbitrage, said in zip((True, False), found.values(), strict=True):
        pool = ManipulatedPool(1e6, 0.003, 50.0, 12.0, arbitrage)
        assert said == vars(best_manipulation(pool, oracle, loan, 5)) | {
            "safe_depth": safe_depth(pool, oracle, loan, 5)
        }
        assert said["profit"] > 0


def test_a_table_for_people(capsys):
    assert main([*ASK, "--blocks", "1"]) == 0
    out = capsys.readouterr().out
    assert "arbitrage after every block" in out and "none pays" in out and "least safe depth USD" in out
    assert main([*ASK, "--oracle", "{deviation: 0}", "--supply-cap", "100000"]) == 0
    assert "none pays" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--oracle", "osm"], "--oracle must read a pool (push, twap, ema), got osm"),
        (["--oracle", "{kind: twop}"], "did you mean 'twap'"),
        (["--oracle", "{kind: twap, window_hours: -1}"], "window_hours must lie in"),
        (["--ltv", "1.5"], "ltv must lie in (0, 1)"),
        (["--fee", "1"], "fee must lie in [0, 1)"),
        (["--blocks", "0"], "max_blocks must lie in"),
    ],
)
def test_what_is_wrong_is_said(capsys, more, message):
    assert main([*ASK, *more]) == 2
    assert message in capsys.readouterr().err
