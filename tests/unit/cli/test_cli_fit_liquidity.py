"""``fit liquidity``: from a file to a market that a study can name, and what is wrong with a call."""

import json

import numpy as np
import pytest
from cli_files import call

from riskengine.config.check import check_file
from riskengine.config.study import load_study
from riskengine.liquidity.hybrid import Hybrid


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Quotes of two pools of 20 and 40 million USD, fee aside, at 30 sizes."""
    rows = ["timestamp,token_in,token_out,amount_in,amount_out"]
    for token, price, depth in (("WBTC", 40_000.0, 2e7), ("WETH", 2_000.0, 4e7)):
        for n, size in enumerate(np.geomspace(1e3, 3e6, 30)):
            rows.append(f"2024-01-01T00:00:{n:02d}Z,{token},USDC,{size / price},{depth * size / (depth + size)}")
    (tmp_path / "quotes.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FIT = ("fit", "liquidity", "quotes.csv", "--asset", "BTC=WBTC/USDC", "--asset", "ETH=WETH/USDC")


def test_a_fit_is_a_market_to_sell_into(capsys, here):
    code, out, err = call(
        capsys, *FIT, "--kind", "constant_product", "--half-life", "3", "--out", "pool.yaml", "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    assert found["fit"]["ETH"]["rms"] < 1e-4 and found["fit"]["BTC"]["count"] == 28
    code, out, err = call(capsys, *FIT, "--kind", "order_book", "--distances", "0,0.01,0.05,0.2", "--out", "book.yaml")
    assert code == 0, err
    assert "largest, bp" in out and "order_book" in out and "3e+06" in out
    assert "largest sale 3e+06 USD, largest slippage 0.07" in " ".join((here / "book.yaml").read_text().split())
    (here / "both.yaml").write_text("kind: hybrid\nbook: book.yaml\npool: pool.yaml\n")
    for name, kind in (("pool.yaml", "constant_product"), ("book.yaml", "order_book"), ("both.yaml", "hybrid")):
        market = load_study("lending_mechanisms", (f"lending.market.liquidity={here / name}",)).study.lending.market
        assert market.liquidity.kind == kind and check_file(here / name) == f"parameter set of {kind}"
    assert isinstance(market.liquidity, Hybrid)
    pool = market.liquidity.pool
    assert pool.depth_usd["BTC"] == pytest.approx(2e7, rel=2e-3) and pool.refill_half_life_hours == 3.0
    assert "--half-life 3.0" in pool.source[1]
    # an override reaches inside a named file, and inside what that one names
    inner = "lending.market.liquidity.book.depth_usd.BTC.0=77"
    deep = load_study("lending_mechanisms", (f"lending.market.liquidity={here / 'both.yaml'}", inner))
    assert deep.study.lending.market.liquidity.book.depth_usd["BTC"][0] == 77.0
    deeper = load_study("lending_mechanisms", (f"lending.market.liquidity={here / 'pool.yaml'}",
                        "lending.market.liquidity.depth_usd.BTC=1e9"))  # fmt: skip
    assert deeper.study.lending.market.liquidity.depth_usd["BTC"] == 1e9


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--kind", "hybrid"), "error: --kind hybrid is made of two fits: fit its book and its pool"),
        (
            ("--kind", "order_bok"),
            "error: --kind must be one of constant_product, concentrated, order_book, square_root",
        ),
        (("--kind", "square_root"), "--daily-volatility must be given for every asset of square_root"),
        (("--kind", "order_book", "--distances", "0,x"), "--distances must hold numbers, got 'x'"),
        (("--kind", "order_book", "--distances", "0.1,0"), "error: --distances must increase within"),
        (("--kind", "order_book", "--reach", "SOL=0.1"), "error: --reach must name one of BTC, ETH and lie in (0, 1]"),
        (("--kind", "order_book", "--reach", "BTC=2"), "lie in (0, 1], got BTC=2"),
        (("--kind", "order_book", "--reach", "BTC=0.1"), "contracts and a reach are of books, these are quotes"),
        (("--kind", "constant_product", "--asset", "SOL"), "--asset must have the form NAME=VALUE, got 'SOL'"),
        (("--kind", "constant_product", "--within", "1e-9"), "one more than is fitted"),
        (("--kind", "constant_product", "--asset", "SOL=SOL/USDC"), "series must be one of WBTC/USDC, WETH/USDC"),
    ],
)
def test_what_is_wrong_is_said(capsys, here, more, message):
    code, _, err = call(capsys, *FIT, *more)
    assert code == 2 and message in err and "Traceback" not in err


def test_named_files_that_are_none(capsys, here):
    code, _, err = call(capsys, "run", "lending_mechanisms", "--dry-run", "--set", "lending.market.liquidity=nothing")
    assert code == 2 and "parameter set must be a file or one of" in err
    code, _, err = call(
        capsys,
        "run",
        "lending_mechanisms",
        "--dry-run",
        "--set",
        "lending.market.liquidity={kind: book, depth_usd: {}}",
    )
    assert code == 2 and "kind must be one of constant_product, concentrated, order_book, hybrid, square_root" in err
