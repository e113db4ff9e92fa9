"""``riskengine fit chain``: one chain, a walk through snapshots, a live exchange."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_files import call

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))

from chain_files import BATES, HESTON, START, frame, quotes  # noqa: E402

from riskengine.calibrate.pricing_law.quotes import QuoteRules, select  # noqa: E402
from riskengine.config.pricing_law import read_law_surface, read_pricing_law  # noqa: E402
from riskengine.errors import InputError  # noqa: E402

WIDE = ("--max-spread", "9", "--moneyness", "0.3,3")
DAY = 86400
LAWS = [replace(HESTON, seconds=START + n * DAY).with_parameters(v0=0.16 + 0.01 * n) for n in range(4)]


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    file = tmp_path_factory.mktemp("chains") / "chains.csv"
    frame(LAWS).to_csv(file, index=False)
    return file


def test_a_law_is_written_and_read(capsys, chains, tmp_path):
    out = tmp_path / "law.yaml"
    code, text, _ = call(
        capsys, "fit", "chain", chains, "--model", "heston", "--asset", "BTC", "--at", "2026-01-02", "--out", out, *WIDE
    )
    assert code == 0
    assert "heston fitted to the option chain of 2026-01-02T00:00:00Z" in text
    assert "100.0% inside bid and ask" in text
    assert "Feller: 2 kappa theta / xi^2 = 0.78" in text
    law = read_pricing_law(out)
    assert law.parameters == pytest.approx(LAWS[1].parameters, rel=0.02)
    chain = select(quotes(LAWS[1], seconds=LAWS[1].seconds), QuoteRules(max_relative_spread=9, moneyness=(0.3, 3)))
    assert np.abs(law.prices(chain) - chain.mid).max() < 1e-4
    told = out.read_text()
    assert "fit chain chains.csv --model heston --asset BTC --at 2026-01-02 --moneyness 0.3,3" in told
    surface = read_law_surface(out)
    at = surface.volatility(
        np.zeros(2, int), np.zeros(2), np.array([0.1, 0.5]), np.zeros((2, 1)), np.full((1, 1), 0.17)
    )
    assert np.abs(at[:, 0] - 0.45).max() < 0.05


def test_a_law_with_a_shift(capsys, chains, tmp_path):
    out = tmp_path / "law.yaml"
    code, text, _ = call(
        capsys, "fit", "chain", chains, "--model", "bates++", "--asset", "BTC", "--out", out, "--json", *WIDE
    )
    assert code == 0
    record = json.loads(text)
    assert record["law"]["kind"] == "bates"
    assert len(record["law"]["rates"]) == 7
    law = read_pricing_law(out)
    assert law.name == "bates++"
    assert law.rates == pytest.approx(record["law"]["rates"])


def test_a_law_without_a_state_has_no_surface(capsys, chains, tmp_path):
    out = tmp_path / "law.yaml"
    assert call(capsys, "fit", "chain", chains, "--model", "merton", "--asset", "BTC", "--out", out, *WIDE)[0] == 0
    assert read_pricing_law(out).family == "merton"
    with pytest.raises(InputError, match="surface must be a mapping"):
        read_law_surface(out)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind: heston", "kind: hesten"), "model must be one of"),
        (("    kappa:", "    kapa:"), "parameters must be v0, kappa"),
        (("  asset: BTC\n", ""), "law.asset must be given"),
        (("law:", "loi:"), "law must be a mapping"),
    ],
)
def test_files_that_hold_no_law(capsys, chains, tmp_path, change, message):
    out = tmp_path / "law.yaml"
    call(capsys, "fit", "chain", chains, "--model", "heston", "--asset", "BTC", "--out", out, *WIDE)
    out.write_text(out.read_text().replace(*change, 1))
    with pytest.raises(InputError, match=message):
        read_pricing_law(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "hestn", "--asset", "BTC"], "did you mean 'heston'"),
        (["--model", "heston", "--asset", "SOL"], "asset must be one of BTC, got 'SOL'"),
        (["--model", "heston", "--asset", "BTC", "--loss", "l1"], "--loss must be one of square"),
        (["--model", "heston", "--asset", "BTC", "--moneyness", "1"], "--moneyness must be two numbers"),
        (["--model", "heston", "--asset", "BTC", "--log", "x"], "belong to --follow"),
        (["--model", "heston", "--asset", "BTC", "--follow", "--at", "2026-01-01"], "give one of them"),
        (
            ["--model", "bates++", "--asset", "BTC", "--moneyness", "0.99,1.01", "--max-spread", "9"],
            "must have at least",
        ),
    ],
)
def test_bad_usage(capsys, chains, arguments, message):
    code, _, err = call(capsys, "fit", "chain", chains, *arguments)
    assert code == 2
    assert message in err


def test_following_writes_a_log_and_goes_on(capsys, chains, tmp_path):
    whole, parts, out = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl", tmp_path / "law.yaml"
    start = ["fit", "chain", chains, "--model", "heston", "--asset", "BTC", "--follow", *WIDE]
    code, text, _ = call(capsys, *start, "--log", whole, "--out", out)
    assert code == 0
    assert "4 snapshots taken, 0 refused" in text
    lines = [json.loads(line) for line in whole.read_text().splitlines()]
    assert [r["time"][:10] for r in lines] == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
    assert [r["renewed"] for r in lines] == [True, False, False, False]
    assert [round(r["published"]["v0"], 2) for r in lines] == [0.16, 0.17, 0.18, 0.19]
    written = read_pricing_law(out)
    assert written.seconds == LAWS[-1].seconds
    assert written.values == pytest.approx(lines[-1]["published"])
    call(capsys, *start, "--log", parts, "--end", "2026-01-03")
    # a run that stopped after a line and before its state
    with parts.open("a") as log:
        log.write('{"time": "2026-01-03T00:00:00Z", "mod')
    code, text, _ = call(capsys, *start, "--log", parts)
    assert "2 snapshots taken" in text
    assert parts.read_bytes() == whole.read_bytes()
    code, text, _ = call(capsys, *start, "--log", parts)
    assert (code, "0 snapshots taken" in text) == (0, True)
    code, _, err = call(capsys, *start[:4], "heston++", *start[5:], "--log", parts)
    assert (code, "begun: rules.fit.shift must be False, got True" in err) == (2, True)
    assert parts.read_bytes() == whole.read_bytes()
    parts.with_name("parts.jsonl.state").unlink()
    code, _, err = call(capsys, *start, "--log", parts)
    assert (code, "can only be continued with its state" in err) == (2, True)


def test_a_snapshot_that_cannot_be_used_is_told_and_passed(capsys, tmp_path):
    import pandas

    file, log = tmp_path / "chains.csv", tmp_path / "log.jsonl"
    rows = [frame([LAWS[0]]), frame([LAWS[1]], days=(3,), per_expiry=3), frame([LAWS[2]])]
    pandas.concat(rows).to_csv(file, index=False)
    start = ["fit", "chain", file, "--model", "heston", "--asset", "BTC", "--follow", *WIDE]
    code, text, _ = call(capsys, *start, "--log", log, "--json")
    assert code == 0
    lines = [json.loads(line) for line in text.splitlines()]
    assert "must have at least 8 quotes" in lines[1]["refused"]
    assert lines[2]["tracking"]["inside"] > 0.9
    assert len(log.read_text().splitlines()) == 3
    code, _, err = call(capsys, *start, "--start", "2026-01-02", "--end", "2026-01-03")
    assert (code, "at least one of 1 snapshots must be usable" in err) == (1, True)


class Exchange:
    """An exchange that moves a day on with every call."""

    def __init__(self):
        self.calls = 0

    def milliseconds(self):
        return 1000 * LAWS[self.calls].seconds

    def load_markets(self):
        self.quotes = quotes(LAWS[self.calls], seconds=LAWS[self.calls].seconds)
        q = self.quotes
        kinds = np.where(q.sign > 0, "call", "put")
        option = {"option": True, "inverse": True, "base": "BTC"}
        self.rows = [
            option | {"strike": k, "optionType": str(t), "expiry": 1000 * int(e)}
            for k, t, e in zip(q.strike, kinds, q.expiry_seconds, strict=True)
        ]
        return {str(i): row for i, row in enumerate(self.rows)}

    def fetch_option_chain(self, code):
        q = self.quotes
        self.calls += 1
        return {
            str(i): {"bidPrice": b, "askPrice": a, "underlyingPrice": f}
            for i, (b, a, f) in enumerate(zip(q.bid, q.ask, q.forward, strict=True))
        }


def test_following_live(capsys, monkeypatch):
    from riskengine.cli import fit_chain
    from riskengine.data import exchange

    slept = []
    monkeypatch.setattr(exchange, "open_exchange", lambda name: Exchange())
    monkeypatch.setattr(fit_chain.time, "sleep", slept.append)
    start = ["fit", "chain", "live:deribit", "--model", "heston", "--asset", "BTC"]
    code, text, _ = call(capsys, *start, "--follow", "--count", "3", "--every", "60", *WIDE)
    assert code == 0
    assert "3 snapshots taken, 0 refused" in text
    assert slept == [60.0, 60.0]
    assert call(capsys, *start)[0] == 2


def test_an_exchange_that_fails_once(capsys, monkeypatch):
    from riskengine.cli import fit_chain
    from riskengine.data import exchange

    class Down(Exception):
        pass

    class Sometimes(Exchange):
        def load_markets(self):
            if self.calls == 1:
                self.calls += 1
                raise Down("on-coming maintenance")
            return super().load_markets()

    monkeypatch.setattr(exchange, "open_exchange", lambda name: Sometimes())
    monkeypatch.setattr(exchange, "exchange_errors", lambda: (Down,))
    monkeypatch.setattr(fit_chain.time, "sleep", lambda seconds: None)
    start = ["fit", "chain", "live:deribit", "--model", "heston", "--asset", "BTC", "--follow", "--count", "3"]
    code, text, err = call(capsys, *start, *WIDE)
    assert (code, "2 snapshots taken, 0 refused" in text) == (0, True)
    assert "live:deribit: on-coming maintenance; trying again in 300 s" in err


def test_smiles(capsys, chains, tmp_path):
    out = tmp_path / "smiles.yaml"
    start = ["fit", "chain", chains, "--model", "svi", "--asset", "BTC", *WIDE]
    code, text, _ = call(capsys, *start, "--out", out)
    assert code == 0
    assert "SSVI, free of arbitrage" in text
    assert "no butterfly and no calendar spread" in text
    record = json.loads(call(capsys, *start, "--json")[1])
    assert len(record["slices"]) == 7
    assert record["inside_bid_ask"] > 0.95
    assert max(row["rmse"] for row in record["slices"]) < 0.005
    assert min(row["lowest_g"] for row in record["slices"]) > 0
    assert "slices:" in out.read_text()
    assert call(capsys, *start, "--follow")[0] == 2
    code, _, err = call(capsys, *start[:-2], "--moneyness", "0.98,1.02")
    assert (code, "at least 5 strikes out of the money" in err) == (2, True)


def test_the_surface_is_near_the_law():
    from riskengine.calibrate.pricing_law.surface import law_surface

    found = law_surface(BATES)
    assert found.rmse_now < 0.03
    assert found.rmse_all < 0.04
    assert found.surface.count == 1
    with pytest.raises(ValueError, match="needs a law with a variance state"):
        law_surface(replace(BATES, family="black", parameters=(0.5,)))
