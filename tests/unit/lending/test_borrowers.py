"""Borrower books: the shipped file is reproduced by its generator; the reader names every fault."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from riskengine.book.borrowers import BorrowerLaw, borrowers_csv, read_borrowers, synthetic_borrowers, write_borrowers
from riskengine.errors import InputError

CONFIGS = Path(__file__).parents[3] / "configs"
RULES = yaml.safe_load((CONFIGS / "protocols" / "aave_v3_ethereum_20231031.yaml").read_text())
THRESHOLDS = {r["symbol"]: r["liquidation_threshold"] for r in RULES["reserves"] if r["symbol"] in ("WETH", "WBTC")}
PRICES = {"WETH": RULES["reference_spot"]["ETH"], "WBTC": RULES["reference_spot"]["BTC"]}


def health(loans):
    weights = np.array([PRICES["WETH"] * THRESHOLDS["WETH"], PRICES["WBTC"] * THRESHOLDS["WBTC"], 0.0])
    return loans.collateral @ weights / loans.debt[:, 2]


@pytest.mark.parametrize(
    "file, thresholds, law",
    [
        ("aave_borrowers.csv", THRESHOLDS, None),
        ("one_collateral_borrowers.csv", {"WETH": 0.805, "WBTC": 0.73}, BorrowerLaw(first_only=0.5, second_only=0.5)),
    ],
)
def test_shipped_book_is_reproduced(file, thresholds, law):
    shipped = read_borrowers(CONFIGS / "books" / file)
    made = synthetic_borrowers(300, PRICES, thresholds, law=law)
    assert (shipped.names, shipped.reserves) == (made.names, made.reserves)
    np.testing.assert_allclose(shipped.collateral, made.collateral, rtol=1e-9, atol=1.1e-6)
    np.testing.assert_allclose(shipped.debt, made.debt, rtol=1e-9, atol=0.011)


def test_nobody_is_liquidatable_at_the_start():
    found = health(synthetic_borrowers(5000, PRICES, THRESHOLDS))
    assert found.min() >= 1.01
    # the median is that of 1.01 + e^(-0.4 + Z); a share of 5,000 below it has standard error 1 / (2 sqrt(5000))
    assert abs((found < 1.01 + np.exp(-0.4)).mean() - 0.5) < 3.9 * 0.5 / np.sqrt(5000)


def test_book_follows_its_law():
    loans = synthetic_borrowers(20_000, PRICES, THRESHOLDS)
    size, excess = np.log(loans.debt[:, 2]), np.log(health(loans) - 1.01)
    # six standard errors; rounding of balances matters for none of these
    assert abs(size.mean() - np.log(100_000)) < 6 * 1.65 / 141
    assert abs(size.std() - 1.65) < 6 * 1.65 / 200
    assert abs(excess.mean() + 0.4) < 6 / 141
    assert abs(np.corrcoef(size, excess)[0, 1] + 0.25) < 6 / 141
    only_weth, only_wbtc = (loans.collateral[:, 1] == 0).mean(), (loans.collateral[:, 0] == 0).mean()
    assert abs(only_weth - 0.4) < 6 * 0.5 / 141 and abs(only_wbtc - 0.3) < 6 * 0.5 / 141


def test_longer_book_extends_a_shorter_one():
    short, long = (synthetic_borrowers(n, PRICES, THRESHOLDS, seed=5) for n in (10, 50))
    assert (long.debt[:10] == short.debt).all() and (long.collateral[:10] == short.collateral).all()
    other = synthetic_borrowers(10, PRICES, THRESHOLDS, seed=6)
    assert (other.debt != short.debt).any()


def test_round_trip(tmp_path):
    loans = synthetic_borrowers(40, PRICES, THRESHOLDS)
    write_borrowers(loans, tmp_path / "book.csv")
    again = read_borrowers(tmp_path / "book.csv")
    assert (again.collateral == loans.collateral).all() and (again.debt == loans.debt).all()
    assert borrowers_csv(again) == borrowers_csv(loans)


def test_all_faults_are_named_with_their_lines(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(
        "borrower,WETH_collateral,USDC_debt,WETH\na,1,2,3\na,-1,x,1\nb,nan,1,1\n,1,1,1\nc,1\n", encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        read_borrowers(path)
    text = str(caught.value)
    wanted = [
        ":1: column must be <token>_collateral or <token>_debt, got 'WETH'",
        ":3: borrower: borrower must be a new, non-empty name, got 'a'",
        ":3: WETH_collateral: balance must be a finite number >= 0, got '-1'",
        ":3: USDC_debt: balance must be a finite number >= 0, got 'x'",
        ":4: WETH_collateral: balance must be a finite number >= 0, got 'nan'",
        ":5: borrower: borrower must be a new, non-empty name, got ''",
        ":6: row must have 4 fields, got 2",
    ]
    assert [w for w in wanted if w not in text] == []
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", ["", "name,USDC_debt\na,1\n", "borrower,USDC_debt\n"])
def test_empty_or_headless_files_are_refused(tmp_path, content):
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        read_borrowers(path)


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="must be a readable CSV file"):
        read_borrowers(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="must be a readable CSV file"):
        read_borrowers(tmp_path / "binary.csv")


def test_law_is_checked():
    with pytest.raises(ValueError, match="floor must lie in"):
        BorrowerLaw(floor=0.9)
    with pytest.raises(ValueError, match="second_only must lie in"):
        BorrowerLaw(first_only=0.8, second_only=0.3)
    with pytest.raises(ValueError, match="must name the same two tokens"):
        synthetic_borrowers(3, PRICES, {"WETH": 0.8})
