"""Account dumps as borrower books: formats, faults, and the health factors of real books."""

import json
from pathlib import Path

import numpy as np
import pytest

from riskengine.config.build import Builder
from riskengine.config.loans import build_loans, dump_loans
from riskengine.config.locate import find
from riskengine.config.reader import Tree, read_yaml
from riskengine.errors import InputError
from riskengine.lending.aave_v2.integer import average_threshold, health_of

VALUES = {
    "format": "account_values",
    "as_of": "2026-01-01",
    "source": "made here",
    "unit_usd": 2.0,
    "tokens": {
        "WETH": {"price": 2000.0, "threshold": 0.8},
        "LST": {"price": 2000.0, "threshold": 0.7},
        "LST_EMODE": {"price": 2000.0, "threshold": 0.9},
        "USDC": {"price": 1.0},
    },
    "collateral": {"eth": ["WETH"], "rest": ["LST", "LST_EMODE"]},
    "debt": {"rest": ["USDC"]},
}
ROWS = "account_id,collateral_value,debt_value,liq_threshold,health_factor,eth\n"
TOKENS = {
    "format": "account_tokens",
    "as_of": "2026-01-01",
    "source": "made here",
    "account": "who",
    "collateral": {"symbol": "held", "tokens": "amount"},
    "debt": {"symbol": "owes", "tokens": "owed", "value": "usd"},
    "symbols": {"wBTC": "WBTC", "USDC": "USDC"},
    "other_debt": "USDC",
}
ENTRY = {
    "user": {"id": "0xa", "eModeCategoryId": {"id": "1"}},
    "reserve": {"symbol": "WETH", "decimals": 18},
    "currentATokenBalance": "3000000000000000000",
    "currentTotalDebt": "0",
    "usageAsCollateralEnabledOnUser": True,
}
SUBGRAPH = {
    "format": "aave_v3_subgraph",
    "as_of": "2026-01-01",
    "source": "made here",
    "emodes": {"1": {"WETH": "WETH_EMODE"}},
}


def built(words: dict, file: Path | None = None):
    builder = Builder(Tree(dict(words), "book.yaml"), book_file=file)
    return builder.done(build_loans(builder, ()))


def written(folder: Path, text: str, name: str = "dump.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_values_keep_totals_and_the_weighted_threshold_of_every_account(tmp_path):
    rows = ["a,1000,500,0.78,1.56,600", "b,1000,500,0.9,1.8,0", "c,1000,100,0.8,8,1000"]
    loans = built(VALUES, written(tmp_path, ROWS + "\n".join(rows)))
    price = np.array([2000.0, 2000.0, 2000.0, 1.0])
    weight = np.array([0.8, 0.7, 0.9, 0.0])
    assert loans.reserves == ("WETH", "LST", "LST_EMODE", "USDC")
    assert loans.collateral @ price == pytest.approx([2000.0, 2000.0, 2000.0])
    assert loans.debt @ price == pytest.approx([1000.0, 1000.0, 200.0])
    assert (loans.collateral @ (price * weight)) / (loans.debt @ price) == pytest.approx(loans.stated_health)
    # 0.78 = 0.6 x 0.8 + 0.4 x 0.75, and 0.75 lies a quarter of the way from 0.7 to 0.9
    assert loans.collateral[0] * 2000.0 == pytest.approx([1200.0, 600.0, 200.0, 0.0])


def test_of_several_parts_the_last_gives_way_first(tmp_path):
    words = VALUES | {
        "tokens": VALUES["tokens"] | {"OFF": {"price": 2000.0}},
        "collateral": {"eth": ["OFF", "WETH"], "rest": ["LST", "LST_EMODE"]},
    }
    rows = ["a,1000,500,0.82,1.64,600", "b,1000,500,0.7,1.4,600", "c,1000,500,0.4,0.8,1000"]
    loans = built(words, written(tmp_path, ROWS + "\n".join(rows)))
    values = dict(zip(loans.reserves, loans.collateral.T * 2000.0, strict=True))
    # a: 0.82 = 0.6 x 0.8 + 0.4 x 0.85; b: the rest at its lowest, 0.28, and 0.42 from WETH, an eighth of it; c: half
    assert values["WETH"] == pytest.approx([1200.0, 1050.0, 1000.0])
    assert values["OFF"] == pytest.approx([0.0, 150.0, 1000.0])
    assert values["LST"] == pytest.approx([200.0, 800.0, 0.0])
    assert values["LST_EMODE"] == pytest.approx([600.0, 0.0, 0.0])


def test_parts_above_the_total_are_scaled_to_it(tmp_path):
    loans = built(VALUES, written(tmp_path, ROWS + "a,1000,500,0.8,1.6,1250"))
    assert loans.collateral[0] * 2000.0 == pytest.approx([2000.0, 0.0, 0.0, 0.0])


def test_balances_count_what_several_rows_repeat_once(tmp_path):
    rows = "who,held,amount,owes,owed,usd\n"
    rows += "a,wBTC,2,USDC,100,100\na,wBTC,2,GHO,50,49\nb,wBTC,1,USDC,10,10\n"
    loans = built(TOKENS, written(tmp_path, rows))
    assert loans.names == ("a", "b")
    assert loans.collateral.tolist() == [[2.0, 0.0], [1.0, 0.0]]
    assert loans.debt.tolist() == [[0.0, 149.0], [0.0, 10.0]]


def test_every_row_is_an_account_without_a_column_of_names(tmp_path):
    words = {k: v for k, v in TOKENS.items() if k not in ("account", "symbols", "other_debt")}
    words |= {"collateral": {"token": "WBTC", "tokens": "held"}, "debt": {"token": "crvUSD", "tokens": "owed"}}
    words |= {"where": {"market": "wbtc"}, "below": {"ltv": 0.8}}
    file = written(tmp_path, "market,held,owed,ltv\nwbtc,1,10,0.5\neth,5,5,0.5\nwbtc,2,20,0.9\nwbtc,3,30,0.7\n")
    loans = built(words, file)
    assert loans.collateral.tolist() == [[1.0, 0.0], [3.0, 0.0]]
    assert loans.debt.tolist() == [[0.0, 10.0], [0.0, 30.0]]


@pytest.mark.parametrize("nested", [False, True])
def test_subgraph_answers_in_pages_and_in_either_shape(tmp_path, nested):
    debt = {**ENTRY, "reserve": {"symbol": "USDC", "decimals": 6}, "currentATokenBalance": "7000000"}
    debt |= {"currentTotalDebt": "1500000", "usageAsCollateralEnabledOnUser": False}
    lender = {**ENTRY, "user": {"id": "0xb", "eModeCategoryId": None}}
    pages = [{"data": {"userReserves": [ENTRY, lender]}}, {"userReserves": [debt]}]
    if nested:
        own = [{k: v for k, v in e.items() if k != "user"} for e in (ENTRY, debt)]
        pages = {"data": {"users": [{**ENTRY["user"], "reserves": own}]}}
    loans = built(SUBGRAPH, written(tmp_path, json.dumps(pages), "dump.json"))
    # USDC is not enabled as collateral, and who owes nothing is no borrower
    assert loans.names == ("0xa",)
    assert dict(zip(loans.reserves, loans.collateral[0], strict=True)) == {"WETH_EMODE": 3.0, "USDC": 0.0}
    assert dict(zip(loans.reserves, loans.debt[0], strict=True)) == {"WETH_EMODE": 0.0, "USDC": 1.5}


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (
            VALUES,
            ROWS + "a,1000,-5,0.8,1,0\na,x,5,0.8,1,0",
            ("dump.csv:2: debt_value", "dump.csv:3: account_id", "'x'"),
        ),
        (VALUES, "account_id,debt_value\na,1", ("column 'collateral_value' must be", "column 'eth' must be")),
        (VALUES | {"where": {"eth": "7"}}, ROWS + "a,1,1,1,1,1", ("eth must be one of 1, got '7'",)),
        (TOKENS, "who,held,amount,owes,owed,usd\na,WBTC,2,GHO,1,\n", ("did you mean 'wBTC'", "usd must be a finite")),
        (TOKENS, "who,held,amount,owes,owed,usd\na,wBTC,2,USDC,1,1\na,wBTC,3,USDC,1,1\n", ("same in all its rows",)),
        (SUBGRAPH, "{}", ("must hold userReserves or users",)),
        (SUBGRAPH, "[", ("readable JSON",)),
        (SUBGRAPH, json.dumps({"users": []}), ("at least one user with debt",)),
        (SUBGRAPH | {"emodes": {}}, json.dumps({"userReserves": [ENTRY]}), ("entry 1: efficiency mode", "got '1'")),
        (SUBGRAPH, json.dumps({"userReserves": [{"user": {"id": "a"}}]}), ("'reserve' is missing",)),
    ],
)
def test_one_message_says_all_that_is_wrong_with_a_file(tmp_path, words, text, said):
    with pytest.raises(InputError) as error:
        built(words, written(tmp_path, text))
    assert all(part in str(error.value) for part in said), str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"format": "csv"},
            "format must be one of synthetic, account_values, account_tokens, aave_v3_subgraph, got 'csv'",
        ),
        ({"debt": {"rest": ["DAI"]}}, "debt of rest must be in tokens WETH, LST, LST_EMODE, USDC, got DAI"),
        ({"debt": {"rest": ["USDC", "WETH"]}}, "debt of rest must be in one token"),
        ({"file": "absent.csv"}, "absent.csv: no such file"),
        ({"sha256": "0" * 64}, "file must be the one with SHA-256 0000"),
    ],
)
def test_one_message_says_what_is_wrong_with_a_description(tmp_path, change, said):
    file = None if "file" in change else written(tmp_path, ROWS + "a,1000,500,0.8,1.6,1000")
    with pytest.raises(InputError, match=said):
        built(VALUES | change, file)


def test_a_book_names_its_file_again_and_never_its_accounts(tmp_path, monkeypatch):
    file = written(tmp_path, ROWS + "a,1000,500,0.8,1.6,1000")
    loans = built(VALUES, file)
    words = dump_loans(loans)
    assert "borrowers" not in words and words["file"] == "dump.csv"
    monkeypatch.chdir(tmp_path)
    again = built(words)
    assert again.origin == loans.origin and (again.collateral == loans.collateral).all()
    awaited = built(VALUES)
    assert awaited.awaited and not loans.awaited and awaited.names == ()


def read(name: str, file: Path):
    words = read_yaml(find("books", name))
    builder = Builder(words, book_file=file)
    loans = builder.done(build_loans(builder, ()))
    tokens = words.value.get("tokens", {})
    price = np.array([tokens.get(r, {}).get("price", np.nan) for r in loans.reserves])
    threshold = np.array([tokens.get(r, {}).get("threshold", 0.0) for r in loans.reserves])
    return loans, price, threshold


def test_health_factors_of_the_linea_book(shared):
    file = shared / "data" / "lending_aave_v3_linea_weth_book_20260718.csv"
    loans, price, threshold = read("aave_v3_linea_20260718", file)
    health = (loans.collateral @ (price * threshold)) / (loans.debt @ price)
    assert len(loans.names) == 44
    # the file states 1.2e-4
    assert np.abs(health / loans.stated_health - 1.0).max() < 1.2e-4


def test_health_factors_of_the_steth_book(shared):
    pandas = pytest.importorskip("pandas")
    file = shared / "data" / "lending_aave_v2_steth_positions_202306.csv.gz"
    loans, price, threshold = read("aave_v2_steth_202306", file)
    frame = pandas.read_csv(file)
    owes = frame.debt_value.to_numpy() > 0
    assert len(loans.names) == 1309 and owes.sum() == 1305
    # in the contract's integers, values in wei; the book's tokens reproduce the whole basis points that the file prints
    # to the rounding of floats, so they are averaged to a ten-millionth of one, and ten of these added before the cut
    value = loans.collateral * price
    fine = [round(t * 1e11) for t in threshold]
    bps = np.array([(average_threshold([int(v * 1e18) for v in row], fine) + 10) // 10**7 for row in value])
    printed = np.round(frame.liq_threshold.to_numpy() * 1e4)
    # four accounts hold something else, too little for the six digits of the file, which costs them a basis point
    assert (bps == printed).sum() == len(frame) - 4 and np.abs(bps - printed).max() == 1
    health = np.array([health_of(int(c * 1e18), int(d * 1e18), int(t)) / 1e18 for c, d, t in
                       zip(value[owes].sum(axis=1), (loans.debt @ price)[owes], bps[owes], strict=True)])  # fmt: skip
    own = (frame.collateral_value * frame.liq_threshold / frame.debt_value).to_numpy()[owes]
    error = np.abs(health / own - 1.0)
    # the file states 1e-15: that of its own digits
    assert (np.sort(error)[:-4] < 3e-15).all() and error.max() < 1.3e-4
    # values are printed to six digits of ETH, health factors to six
    rounding = 6e-7 * (1.0 / frame.debt_value + 1.0 / frame.collateral_value + 1.0 / frame.health_factor)
    assert (np.abs(own / loans.stated_health[owes] - 1.0) < rounding.to_numpy()[owes]).all()
    assert (loans.stated_health < 1.0).sum() == 4


def test_loan_to_values_of_the_btc_book(shared):
    pandas = pytest.importorskip("pandas")
    file = shared / "data" / "lending_aave_btc_open_positions_20260224.csv.gz"
    loans, _, _ = read("aave_btc_20260224", file)
    frame = pandas.read_csv(file)
    frame = frame[(frame.protocol == "aave_v3_ethereum") & (frame.ltv_btc_only < 0.78)]
    one = frame.groupby("account_id").collateral_symbol.nunique()
    usd = {"WBTC": 63_988.68045, "WETH": 1_856.06497, "USDC": 1.0}
    owed = dict(zip(loans.names, loans.debt @ [usd[r] for r in loans.reserves], strict=True))
    held = dict(zip(loans.names, loans.collateral[:, 0] * 64_406.008408, strict=True))
    rows = frame.drop_duplicates("account_id")
    # cbBTC and tBTC debts are priced as WBTC, and accounts with both collaterals have a figure for each
    plain = ~frame.debt_symbol.isin(["cbBTC", "tBTC"]).groupby(frame.account_id).any()
    rows = rows[[one[a] == 1 and plain[a] for a in rows.account_id]]
    ratio, stated = np.array([owed[a] / held[a] for a in rows.account_id]), rows.ltv_btc_only.to_numpy()
    assert len(rows) > 1400
    # the file prints six digits of the ratio, of balances and of USD
    rounding = 6e-7 * (1.0 + stated / rows.btc_collateral_tokens + stated / rows.account_debt_usd)
    assert (np.abs(ratio - stated) < rounding.to_numpy()).all()


def test_states_of_crvusd_borrowers(shared):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    file = shared / "data" / "lending_crvusd_borrower_states_2023q4.parquet"
    loans, _, _ = read("crvusd_wbtc_2023q4", file)
    frame = pandas.read_parquet(file)
    frame = frame[frame.market == "wbtc"]
    # the file states no health: balances are its own to the last digit
    assert (loans.collateral[:, 0] == frame.collateral_tokens.to_numpy()).all()
    assert (loans.debt[:, 1] == frame.debt_crvusd.to_numpy()).all()
