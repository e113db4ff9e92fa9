"""``riskengine attribute``."""

import json

import pytest

from riskengine.cli.main import main

ONE = ["attribute", "--from", "long_dated_book", "--model", "greeks_grid"]


def test_causes_add_up_and_before_is_what_margin_says(tmp_path, capsys):
    (tmp_path / "wider.yaml").write_text("kind: greeks_grid\nprice_range: 0.2\n")
    words = ["--to-model", str(tmp_path / "wider.yaml"), "--spot", "BTC=-5%,ETH=-8%", "--volatility", "BTC=+10%"]
    assert main([*ONE, *words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["accounts"]
    assert main(["margin", "--portfolio", "long_dated_book", "--model", "greeks_grid", "--json"]) == 0
    asked = {r["account"]: r["initial"] for r in json.loads(capsys.readouterr().out)["requirements"]}
    for row in rows:
        parts = sum(row[c] for c in ("time", "market", "implied volatility", "positions", "parameters"))
        assert row["after"] - row["before"] == pytest.approx(parts, abs=1e-6)
        assert row["before"] == pytest.approx(asked[row["account"]], rel=1e-12)
        assert row["positions"] == 0.0


def test_a_table_for_people(capsys):
    assert main([*ONE, "--spot", "BTC=-5%"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("account, USD")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--spot", "BTC=5"], "--spot must be moves in per cent"),
        (["--volatility", "SOL=5%"], "--volatility must be moves in per cent such as BTC=-5%,ETH=-5%"),
        (["--level", "0.99"], "--level must be left out for greeks_grid"),
        (["--hours", "100000"], "must outlive 100000 h"),
        (["--from", "nothing"], "nothing"),
    ],
)
def test_bad_input_is_named(capsys, words, says):
    assert main([*ONE, *words]) == 2
    assert says in capsys.readouterr().err
