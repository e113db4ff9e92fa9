"""``riskengine fit jumps``, ``fit likelihood``, ``fit variance``: figures on stdout, bad input as one message."""

import json

import numpy as np
import pytest
from cli_files import call

JULY = 1_625_097_600  # 2021-07-01


@pytest.fixture(scope="module")
def hourly(tmp_path_factory):
    """Forty days of hours with one jump and one missing hour."""
    x = np.random.default_rng(3).normal(0, 0.6 / np.sqrt(8760), 960)
    x[700] += 0.06
    price = 100 * np.exp(np.cumsum(x))
    rows = [f"{JULY + 3600 * i},{p:.8f}" for i, p in enumerate(price) if i != 500]
    file = tmp_path_factory.mktemp("fit") / "hourly.csv"
    file.write_text("timestamp,BTC\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return file


def test_jumps_are_listed(capsys, hourly):
    code, out, _ = call(capsys, "fit", "jumps", hourly, "--asset", "BTC")
    assert code == 0 and "2021-07-30T04:00" in out and "jump bars" in out
    report = json.loads(call(capsys, "fit", "jumps", hourly, "--asset", "BTC", "--json")[1])["assets"]["BTC"]
    assert report["bars"] == 957 and [j["seconds"] for j in report["jumps"]] == [JULY + 700 * 3600]
    assert report["volatility_median"] == pytest.approx(0.6, rel=0.15)
    assert "no longer than the window" not in out


def test_bars_that_the_window_leaves_out_are_told(capsys, hourly, tmp_path):
    rows = hourly.read_text(encoding="utf-8").splitlines()
    gap = tmp_path / "gap.csv"
    gap.write_text("\n".join(rows[:801] + rows[803:]) + "\n", encoding="utf-8")
    code, out, _ = call(capsys, "fit", "jumps", gap, "--asset", "BTC", "--window", "200")
    assert code == 0 and "BTC: 156 bars in stretches no longer than the window of 200 bars are not tested" in out


def test_likelihood_has_intervals_and_says_what_it_cannot_know(capsys, hourly):
    code, out, _ = call(capsys, "fit", "likelihood", hourly, "--asset", "BTC", "--json")
    fit = json.loads(out)
    assert code == 0 and fit["observations"] == 957
    low, high = fit["intervals"]["volatility"]
    assert low < 0.6 < high and "intensity" in fit["unidentified"]  # one jump in forty days


def test_variance_of_today(capsys, hourly):
    arguments = ("fit", "variance", "btc_eth", hourly, "--asset", "BTC", "--particles", "100", "--runs", "2")
    code, out, _ = call(capsys, *arguments, "--json")
    found = json.loads(out)
    assert code == 0 and found["hours"] == 957 and found["variance_90"][0] < found["variance"] < found["variance_90"][1]
    assert 0 < found["losses_24h"][0]["at_low"] < found["losses_24h"][0]["at_high"] < 1
    assert "variance after the last hour" in call(capsys, *arguments)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jumps", "hourly.csv", "--asset", "BTC", "--window", "2000"), "unbroken stretch of more than 2000"),
        (("jumps", "hourly.csv", "--asset", "BTC,BTC"), "distinct"),
        (("jumps", "hourly.csv", "--asset", "ETH"), "ETH"),
        (("likelihood", "hourly.csv", "--asset", "BTC", "--model", "nig"), "model must be one of merton"),
        (("likelihood", "flat.csv", "--asset", "BTC"), "must vary"),
        (("likelihood", "bad.csv", "--asset", "BTC"), "positive number"),
        (("likelihood", "twice.csv", "--asset", "BTC"), "distinct"),
        (("variance", "btc_eth_gbm", "hourly.csv", "--asset", "BTC"), "must be a bates world"),
        (("variance", "btc_eth", "hourly.csv", "--asset", "DOGE"), "must be one of BTC, ETH"),
        (
            # refused before DATA is looked for
            ("returns", "none.csv", "--model", "history", "--assets", "BTC", "--out", "o.yaml"),
            "--model must be one of bates, heston, merton, gbm, kou, svcj, regime_switching, got 'history'",
        ),
        (
            ("returns", "none.csv", "--model", "kou", "--assets", "BTC,ETH", "--out", "o.yaml"),
            "assets must be one for kou",
        ),
        (("returns", "none.csv", "--model", "betes", "--assets", "BTC", "--out", "o.yaml"), "did you mean 'bates'"),
        (("returns", "half.csv", "--model", "gbm", "--assets", "BTC", "--out", "o.yaml"), "stamps must lie on full"),
        (("variance", "btc_eth", "half.csv", "--asset", "BTC"), "half.csv: stamps must lie on full hours"),
        (("returns", "hourly.csv", "--model", "bates", "--assets", "BTC", "--out", "o.yaml"), "at least a year"),
        (("returns", "flat.csv", "--model", "bates", "--assets", "BTC", "--out", "o.yaml"), "move in most hours"),
        (
            ("returns", "flat.csv", "--model", "gbm", "--assets", "BTC", "--components", "2", "--out", "o.yaml"),
            "components",
        ),
    ],
)
def test_bad_input_is_one_message(capsys, hourly, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hourly.csv").write_bytes(hourly.read_bytes())
    head = "timestamp,BTC\n"
    (tmp_path / "flat.csv").write_text(head + "".join(f"{3600 * i},100\n" for i in range(9000)), encoding="utf-8")
    (tmp_path / "half.csv").write_text(head + "".join(f"{3600 * i + 1800},{100 + i}\n" for i in range(50)))
    (tmp_path / "bad.csv").write_text(head + "0,100\n3600,-1\n7200,0\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text(head + "0,100\n3600,101\n3600,102\n", encoding="utf-8")
    code, _, err = call(capsys, "fit", *arguments)
    assert code == 2 and message in err and not (tmp_path / "o.yaml").exists()
