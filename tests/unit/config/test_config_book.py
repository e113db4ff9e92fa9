"""Margin and borrower books: values, faults with their places, and lossless round trips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import BOOK, WORLD

from riskengine.book.portfolio import Portfolio
from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.build import Builder
from riskengine.config.dump import to_yaml
from riskengine.config.loans import build_loans, dump_loans
from riskengine.config.reader import Tree, parse_yaml
from riskengine.config.study import load_loans, load_world
from riskengine.errors import InputError
from riskengine.instrument.terms import EuropeanOption, Perpetual

CSV = """\
account,kind,instrument,asset,settlement,type,strike,moneyness,expiry_days,expiry_hours,quantity,entry
long_perp,leveraged_long,cash,USD,,,,,,,20000,
long_perp,leveraged_long,cash,BTC,,,,,,,0.5,
long_perp,leveraged_long,perpetual,BTC,,,,,,,1.5,34500
long_perp,leveraged_long,perpetual,ETH,inverse,,,,,,-3,1700
short_call,naked_short,cash,USD,,,,,,,9000,
short_call,naked_short,option,BTC,,call,37950,,30,,-2,
short_call,naked_short,option,ETH,inverse,put,1700,,,100.7,4,
"""


@pytest.fixture
def world(tmp_path):
    (tmp_path / "world.yaml").write_text(WORLD)
    return load_world(tmp_path / "world.yaml")


def load(tmp_path, text, world=None, name="book.yaml"):
    file = tmp_path / name
    file.write_text(text)
    return load_book(file, world)


def faults(*arguments, **options):
    with pytest.raises(InputError) as caught:
        load(*arguments, **options)
    assert caught.value.exit_code == 2
    return [str(f).partition("book.")[2] for f in caught.value.faults]


def same(a: Portfolio, b: Portfolio) -> bool:
    arrays = all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("quantity", "entry", "cash"))
    return arrays and all(getattr(a, f) == getattr(b, f) for f in ("assets", "instruments", "names", "kinds"))


def test_a_book_becomes_a_portfolio(tmp_path, world):
    book = load(tmp_path, BOOK, world)
    assert book.assets == ("BTC", "ETH")
    assert book.instruments == (
        Perpetual("BTC"),
        EuropeanOption("BTC", 37950.0, 720.0, "call"),
        Perpetual("ETH", "inverse"),
        EuropeanOption("ETH", 1700.0, 100.7, "put", "inverse"),
    )
    assert book.quantity.tolist() == [[1.5, 0.0, -3.0, 0.0], [0.0, -2.0, 0.0, 4.0]]
    assert book.entry.tolist() == [[34500.0, 0.0, 1700.0, 0.0], [0.0] * 4]
    assert book.cash.tolist() == [[20000.0, 0.5, 0.0], [9000.0, 0.0, 0.0]]
    assert (book.names, book.kinds) == (("long_perp", "short_call"), ("leveraged_long", "naked_short"))


def test_csv_and_yaml_give_the_same_book(tmp_path, world):
    assert same(load(tmp_path, CSV, world, "book.csv"), load(tmp_path, BOOK, world))
    assert same(load(tmp_path, BOOK), load(tmp_path, BOOK, world))


def test_the_order_of_accounts_does_not_move_instruments(tmp_path):
    head, first, second = BOOK.partition("  - name: long_perp")[0], *BOOK.split("  - name: ")[1:]
    turned = head + "  - name: " + second + "  - name: " + first
    assert load(tmp_path, turned).instruments == load(tmp_path, BOOK).instruments


def test_all_faults_of_a_book_come_at_once(tmp_path, world):
    text = (
        BOOK.replace("ETH: 1810}", "ETH: 1811}")
        .replace("BTC: 0.5", "DOGE: 1")
        .replace("name: short_call", "name: long_perp")
        .replace("asset: ETH, type: put", "asset: SOL, type: put")
        .replace("expiry_days: 30", "expiry_days: 0")
        .replace("quantity: 1.5", "quantity: 1.5 BTC")
    )
    assert faults(tmp_path, text, world) == [
        "yaml:6: accounts[0].cash.DOGE: currency of cash must be one of USD, BTC, ETH, got 'DOGE'",
        "yaml:8: accounts[0].positions[0].quantity: must be a number, got '1.5 BTC'",
        "yaml:10: accounts[1]: account names must be distinct, got 'long_perp' again, first on line 4",
        "yaml:14: accounts[1].positions[0].expiry_days: expiry_days must be positive, got 0.0: the option has expired",
        "yaml:15: accounts[1].positions[1].asset: asset must be one of BTC, ETH, got 'SOL'",
    ]
    assert faults(tmp_path, BOOK.replace("ETH: 1810}", "ETH: 1811}"), world) == [
        "yaml:2: spot.ETH: spot of ETH must be the world's 1810.0, got 1811.0"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("moneyness: 1.1", "moneyness: 1.1, strike: 5", "an option must have one of strike, moneyness, got strike"),
        ("type: call, ", "", "an option must have one of type, got none"),
        ("expiry_days: 30, ", "", "an option must have one of expiry_days, expiry_hours, got none"),
        ("quantity: -2", "quantity: -2, entry: 5", "entry must not be given for an option"),
        ("quantity: 1.5", "quantity: 1.5, strike: 5", "strike must not be given for a perpetual"),
        ("quantity: 1.5", "quantity: 0", "quantity must not be 0"),
        ("quantity: 1.5", "quantity: .nan", "must be finite, got nan"),
        ("quantity: 1.5", "quantity: -1.0e300", "quantity must lie in [-1e+15, 1e+15], got -1e+300"),
        ("BTC: 0.5", "BTC: 1.0e300", "cash in BTC must lie in [-1e+15, 1e+15], got 1e+300"),
        ("moneyness: 1.1", "moneyness: -1.1", "moneyness must lie in (0, 1e+15], got -1.1"),
        (
            "instrument: perpetual, asset: ETH",
            "instrument: swap, asset: ETH",
            "must be one of perpetual, option, future",
        ),
        ("asset: ETH, settlement: inverse", "asset: BTC", "instruments of an account must be distinct, got BTC-PERP"),
        ("assets: [BTC, ETH]", "assets: [BTC, BTC, ETH]", "assets must be distinct"),
        ("assets: [BTC, ETH]", "assets: [BTC]", "asset must be one of BTC, got 'ETH'"),
        ("spot: {BTC: 34500, ETH: 1810}", "spot: {ETH: 1810}", "spot of BTC must be given"),
        ("spot: {BTC: 34500, ETH: 1810}", "spot: {BTC: 0, ETH: 1810}", "spot of BTC must lie in (0, 1e+15]"),
        ("spot: {BTC: 34500, ETH: 1810}", "spot: {BTC: 34500, ETH: 1, XRP: 1}", "must be of one of the book's assets"),
    ],
)
def test_wrong_positions_are_refused(tmp_path, old, new, message):
    assert any(message in f for f in faults(tmp_path, BOOK.replace(old, new, 1)))


def test_an_empty_book_is_refused(tmp_path):
    assert "accounts must hold at least one account" in faults(tmp_path, "assets: [BTC]\naccounts: []\n")[0]
    assert "book must hold at least one row" in faults(tmp_path, CSV.splitlines()[0], name="book.csv")[0]


def test_all_faults_of_a_csv_book_come_at_once(tmp_path):
    wrong_columns = "account,kynd,instrument,asset,asset\nx,y,z,w,w\n"
    assert faults(tmp_path, wrong_columns, name="book.csv") == [
        "csv:1: unknown column 'kynd'; did you mean 'kind'?",
        "csv:1: column quantity must be given",
        "csv:1: columns must be distinct, got asset twice",
    ]
    rows = (
        CSV.replace("37950", "x")
        .replace("-3,1700", "nan,1700")
        .replace("long_perp,leveraged_long,cash,BTC", "a,b,cash")
    )
    rows += ",b,perpetual,BTC,,,,,,,1,\nlong_perp,other,cash,USD,,,,,,,5,\n"
    assert faults(tmp_path, rows, name="book.csv") == [
        "csv:3: a row must have 12 cells, got 11",
        "csv:5: quantity must be a finite number, got 'nan'",
        "csv:7: strike must be a finite number, got 'x'",
        "csv:9: account must be given",
        "csv:10: kind of account long_perp must be 'leveraged_long' in all its rows, got 'other'",
        "csv:10: cash in USD is given twice for account long_perp",
    ]


_position = st.tuples(
    st.sampled_from(["BTC", "ETH"]),
    st.sampled_from(["linear", "inverse"]),
    st.sampled_from(["perpetual", "call", "put"]),
    st.floats(1e-6, 1e6),
    st.floats(1e-3, 1e5),
    st.floats(-1e6, 1e6).filter(bool),
)


@settings(max_examples=40)
@given(st.lists(st.lists(_position, max_size=5, unique_by=lambda p: p[:3]), min_size=1, max_size=4), st.floats(0, 1e9))
def test_what_is_dumped_is_read_back_to_the_last_bit(accounts, cash):
    plain = {"assets": ["BTC", "ETH"], "accounts": []}
    for k, positions in enumerate(accounts):
        rows = []
        for asset, settlement, what, price, hours, quantity in positions:
            row = {"asset": asset, "settlement": settlement, "quantity": quantity}
            if what == "perpetual":
                rows.append(row | {"instrument": "perpetual", "entry": price})
            else:
                rows.append(row | {"instrument": "option", "type": what, "strike": price, "expiry_hours": hours})
        plain["accounts"].append({"name": f"a{k}", "cash": {"USD": cash, "ETH": 0.1 * k}, "positions": rows})

    def book(value):
        from riskengine.config.book import build_portfolio

        builder = Builder(Tree(value, "book"))
        return builder.done(build_portfolio(builder, ()))

    first = book(plain)
    again = book(parse_yaml(to_yaml(dump_portfolio(first))).value)
    assert same(first, again)


LOANS = """\
reserves: [WETH, USDC]
borrowers:
  - {name: a, collateral: {WETH: 10}, debt: {USDC: 9000.5}}
  - {name: b, collateral: {WETH: 0.1, USDC: 5}}
"""


def test_loans_are_read_from_yaml_and_csv_and_dumped_without_loss(tmp_path):
    (tmp_path / "l.yaml").write_text(LOANS)
    (tmp_path / "l.csv").write_text("borrower,WETH_collateral,USDC_collateral,USDC_debt\na,10,0,9000.5\nb,0.1,5,0\n")
    from_yaml, from_csv = load_loans(tmp_path / "l.yaml"), load_loans(tmp_path / "l.csv")
    builder = Builder(parse_yaml(to_yaml(dump_loans(from_csv))))
    again = builder.done(build_loans(builder, ()))
    for other in (from_csv, again):
        assert other.names == from_yaml.names == ("a", "b")
        assert other.reserves == ("WETH", "USDC")
        assert np.array_equal(other.collateral, from_yaml.collateral)
        assert np.array_equal(other.debt, from_yaml.debt)


def test_faults_of_loans_come_at_once(tmp_path):
    file = tmp_path / "l.yaml"
    file.write_text(
        LOANS.replace("USDC: 9000.5", "USCD: 9").replace("WETH: 0.1", "WETH: -1").replace("name: b", "name: a")
    )
    with pytest.raises(InputError) as caught:
        load_loans(file)
    assert [str(f).partition("yaml:")[2] for f in caught.value.faults] == [
        "3: borrowers[0].debt.USCD: reserve must be one of WETH, USDC, got 'USCD'; did you mean 'USDC'?",
        "4: borrowers[1]: borrower names must be distinct, got 'a' again",
        "4: borrowers[1].collateral.WETH: collateral must lie in [0, 1e+18], got -1.0",
    ]
    with pytest.raises(InputError, match="balance must be a finite number"):
        (tmp_path / "l.csv").write_text("borrower,WETH_collateral\na,x\n")
        load_loans(tmp_path / "l.csv")


def test_accounts_margined_apart_come_as_several(tmp_path, world):
    apart = BOOK.replace("kind: leveraged_long", "kind: leveraged_long\n    margining: asset", 1)
    book = load(tmp_path, apart, world)
    assert (
        book.names[:2] == ("long_perp BTC", "long_perp ETH") and len(book.names) == len(load(tmp_path, BOOK).names) + 1
    )
    lines = CSV.splitlines()
    rows = [lines[0] + ",margining"] + [x + (",asset" if x.startswith("long_perp") else ",") for x in lines[1:]]
    assert same(load(tmp_path, "\n".join(rows), world, "book.csv"), book)
    assert same(load(tmp_path, to_yaml(dump_portfolio(book)), world), book)
    (said,) = faults(tmp_path, apart.replace("margining: asset", "margining: apart"), world)
    assert "accounts[0].margining" in said and "'apart'" in said
