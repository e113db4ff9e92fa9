"""Quotes at any stamps: what they add to a history, and a replay of an asset off its peg from the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from riskengine.calibrate.peg import between_quotes, over_par
from riskengine.data.prices import load_prices
from riskengine.data.quotes import with_quoted
from riskengine.errors import InputError
from riskengine.study.lending_replay_spec import QuotedAsset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from cli_files import call  # noqa: E402

HOURS = 12
QUOTED = {"STETH": QuotedAsset("ETH", "stETH", "WETH")}


def ratio(hour: float) -> float:
    """On its peg until hour 5, 10 % below at hour 6, back at hour 9; linear in the logarithm in between."""
    return float(np.exp(np.interp(hour, [5.0, 6.0, 9.0], np.log([1.0, 0.9, 1.0]))))


def par(hour: float) -> float:
    return 2000.0 * float(np.exp(-0.01 * hour))


def stamp(hour: float) -> str:
    return str(np.datetime64("2022-06-01T00:00:00") + np.timedelta64(round(3600 * hour), "s"))


@pytest.fixture
def files(tmp_path):
    bars = [f"{stamp(h)},ETH,{par(h + 1)}" for h in range(HOURS)]
    quotes = []
    # stamps of their own, minutes after the hour and other ones for the par; one wrong quote, one missing
    for h in range(HOURS + 2):
        at, other = h + 0.05, h + 0.01
        quotes.append(f"{stamp(other)},WETH,{par(other) * (0.7 if h == 3 else 1.0)}")
        if h != 4:
            quotes.append(f"{stamp(at)},stETH,{ratio(at) * par(at)}")
    (tmp_path / "prices.csv").write_text("timestamp,symbol,close\n" + "\n".join(bars) + "\n", encoding="utf-8")
    (tmp_path / "quotes.csv").write_text("timestamp,symbol,price\n" + "\n".join(quotes) + "\n", encoding="utf-8")
    return tmp_path


def test_the_close_of_a_bar_takes_the_quote_over_par_at_its_end(files):
    history = load_prices(files / "prices.csv", ("ETH",))
    found = with_quoted(history, files / "quotes.csv", QUOTED)
    assert found.assets == ("ETH", "STETH") and found.added[0][0] == "quotes.csv" and len(found.added[0][1]) == 64
    assert found.seconds.tolist() == history.seconds.tolist()
    peg = found.prices[:, 1] / found.prices[:, 0]
    known = [0, 1, 2, 6, 7, 9, 10, 11]
    # exact wherever no kink lies between the quotes on both sides
    assert peg[known] == pytest.approx([ratio(h + 1) for h in known], rel=1e-6)
    assert peg.min() == pytest.approx(0.9, rel=0.01) and peg.argmin() == 5


def test_an_asset_that_is_its_own_par_stays_on_it(files):
    history = load_prices(files / "prices.csv", ("ETH",))
    found = with_quoted(history, files / "quotes.csv", {"STETH": QuotedAsset("ETH", "WETH", "WETH")})
    assert found.prices[:, 1] == pytest.approx(found.prices[:, 0], rel=1e-12)


def test_bars_without_quotes_on_both_sides_are_left_out():
    quotes = (np.array([0, 3600, 5 * 3600]), np.array([1.0, 2.0, 4.0]))
    at = np.array([-1, 0, 1800, 3600, 2 * 3600, 5 * 3600, 5 * 3600 + 1])
    assert between_quotes(at, quotes) == pytest.approx([np.nan, 1.0, 2**0.5, 2.0, np.nan, np.nan, np.nan], nan_ok=True)
    assert between_quotes(at, quotes, 4 * 3600)[4:6] == pytest.approx([2**1.25, 4.0])
    seconds, ratios = over_par((at[1:5], np.full(4, 4.0)), quotes)
    assert seconds.tolist() == [0, 1800, 3600] and ratios == pytest.approx([4.0, 8**0.5, 2.0])


STUDY = """
kind: lending_replay
title: Off the peg
assets: [ETH, STETH]
spot: [2000, 2000]
quoted: {STETH: {of: ETH, symbol: stETH, par: WETH}}
book:
  reserves: [stETH, WETH]
  borrowers:
    - {name: near, collateral: {stETH: 10}, debt: {WETH: 7.6}}
    - {name: safe, collateral: {stETH: 10}, debt: {WETH: 5}}
market:
  kind: aave_v2
  rules:
    name: made here
    as_of: "2022-06-01"
    source: made here
    reserves:
      - {symbol: stETH, asset: STETH, decimals: 18, ltv: 0.7, liquidation_threshold: 0.8, liquidation_bonus: 0.05,
         liquidation_protocol_fee: 0, rates: {optimal_usage: 0.9, base: 0, slope1: 0, slope2: 0, reserve_factor: 0.1}}
      - {symbol: WETH, asset: ETH, decimals: 18, ltv: 0.0, liquidation_threshold: 0.0, liquidation_bonus: 0.0,
         liquidation_protocol_fee: 0, rates: {optimal_usage: 0.9, base: 0, slope1: 0, slope2: 0, reserve_factor: 0.1}}
    oracle: {deviation: 0.0, heartbeat_hours: 1}
  keeper: {delay_hours: 0, gas_usd: 0, calls_per_step: 1}
  liquidity: {depth_usd: {STETH: 1000000000000}, refill_half_life_hours: 1}
events:
  - {name: depeg, start: "2022-06-01T02:00", hours: 8}
starts: 1
"""


def run(capsys, files, *more):
    (files / "s.yaml").write_text(STUDY, encoding="utf-8")
    data = ("--data", files / "prices.csv", "--data", files / "quotes.csv")
    return call(capsys, "run", files / "s.yaml", *data, *more, "--json")


def test_a_loan_against_a_pegged_token_falls_with_the_peg_alone(capsys, files):
    code, out, err = run(capsys, files, "--out", files / "run")
    assert code == 0, err
    result = json.loads(out)["result"]
    rows = {(r["measure"], r["parameters"].get("asset")): r["estimate"]["value"] for r in result["rows"]}
    # ETH falls as much for the debt; 0.8 x 0.9 x 10 is below 7.6, half of which is repaid once, and 0.8 x (9 - 3.99) is
    # not below 3.8
    assert rows["replayed_borrowers", None] == 1.0
    assert rows["deepest_fall", "STETH in ETH"] == pytest.approx(-0.1, abs=0.01)
    at = par(6.0) / par(3.0) * 2000.0
    assert rows["replayed_seized", None] == pytest.approx(1.05 * 3.8 * at, rel=0.02)
    assert [d["source"] for d in result["data"]][-1] == "quotes, given by --data"
    # as it would have been on the peg
    code, out, _ = run(capsys, files, "--set", "quoted.STETH.symbol=WETH", "--out", files / "peg")
    rows = {r["measure"]: r["estimate"]["value"] for r in json.loads(out)["result"]["rows"]}
    assert code == 0 and rows["replayed_borrowers"] == 0.0


def test_faults_of_quotes(capsys, files):
    (files / "s.yaml").write_text(STUDY, encoding="utf-8")
    code, _, err = call(capsys, "run", files / "s.yaml", "--data", files / "prices.csv")
    assert code == 2 and "with quoted assets needs prices and then quotes: --data FILE --data FILE" in err
    code, _, err = run(capsys, files, "--set", "quoted.STETH.of=SOL", "--dry-run")
    assert code == 2 and "quoted must be of assets, each of one in the price file (ETH), got STETH of SOL" in err
    code, _, err = run(capsys, files, "--set", "quoted.STETH.symbol=rETH", "--dry-run")
    assert code == 2 and "asset rETH must be in the file" in err
    code, _, err = run(capsys, files, "--set", "events.0.hours=20")
    assert code == 2 and "prices of event depeg must hold every bar of 3600 s" in err
    history = load_prices(files / "prices.csv", ("ETH",))
    (files / "few.csv").write_text(f"timestamp,symbol,price\n{stamp(1)},stETH,1\n{stamp(1)},WETH,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="stETH must have at least three prices, got 1"):
        with_quoted(history, files / "few.csv", QUOTED)
