"""Answers of venues become books: the venue's own equity to the digit, positions in coins, every fault at once."""

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_answers import ANSWERS, BINANCE, CCXT, DERIBIT, DERIVE, NOW, OKX

from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.dump import to_yaml
from riskengine.config.study import load_world
from riskengine.data.statement import binance, ccxt_unified, deribit, derive, okx
from riskengine.data.statement.terms import Terms
from riskengine.engine.today import Today
from riskengine.errors import InputError, UsageError
from riskengine.instrument.terms import EuropeanOption, Future, Perpetual
from riskengine.pricing.valuation import account_values, option_values
from riskengine.scenario.world import _started_at

HOURS = 620.0  # from noon of the first of March to 08:00 of the 27th
CALL = EuropeanOption("BTC", 52000.0, HOURS, "call", "inverse")


@pytest.fixture(scope="module")
def world():
    return load_world("btc_eth")


def load(tmp_path, answers, world=None, name="answers.json", **options):
    file = tmp_path / name
    file.write_text(json.dumps(answers))
    return load_book(file, world, **options)


def faults(tmp_path, answers, world=None, **options):
    with pytest.raises(InputError) as caught:
        load(tmp_path, answers, world, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def at_marks(book, world):
    from riskengine.margin.deribit_standard import DeribitStandard

    moved = world.at(book.marks.spot)
    return Today(DeribitStandard(), moved).market(book)


def equity(book, world):
    return float(account_values(book, at_marks(book, world))[0, 0])


def held(book):
    return {x: (q, e) for x, q, e in zip(book.instruments, book.quantity[0], book.entry[0], strict=True)}


@pytest.mark.parametrize(
    "venue, stated",
    [
        ("deribit", 1.85 * 48000.0 + 6262.5),
        ("derive", 40000.5),
        ("okx", 0.75 * 48000.0 + 2.0 * 2500.0 + 9000.0),
    ],
)
def test_equity_at_the_marks_is_the_one_that_the_venue_states(tmp_path, world, venue, stated):
    book = load(tmp_path, ANSWERS[venue], world)
    assert book.names == (venue,) and book.kinds == ("imported",)
    assert equity(book, world) == pytest.approx(stated, rel=1e-13)


@pytest.mark.parametrize(
    "venue, stated",
    [
        # wallet, both perpetuals at their marks, and the option at its volatility; the coin-margined size is 2,000 USD
        ("binance", 20000.0 + 1.5 * 2500.0 + 1.25 * (50000.0 - 48010.0) + 2000.0 * (1 / 2400.0 - 1 / 2501.0) * 2500.0),
        ("ccxt", 20000.0 + 0.4 * 48010.0 + 0.5 * 2501.0 + 1.25 * 1990.0 + 300.0 / 2400.0 * 101.0),
    ],
)
def test_equity_of_wallets_is_cash_and_profit(tmp_path, world, venue, stated):
    answers = deepcopy(ANSWERS[venue])
    if venue == "binance":
        answers["index"].append({"symbol": "ETHUSD_PERP", "indexPrice": "2500", "markPrice": "2501"})
        answers["options"] = []
    else:
        answers["positions"].pop()
    assert equity(load(tmp_path, answers, world), world) == pytest.approx(stated, rel=1e-13)


def test_positions_are_counted_in_coins(tmp_path, world):
    book = held(load(tmp_path, DERIBIT, world))
    assert book[Perpetual("BTC", "inverse")] == (-0.8, 50000.0)
    assert book[CALL] == (-2.5, 0.0)
    assert book[Perpetual("ETH")] == (12.5, 2400.0)
    book = held(load(tmp_path, DERIVE, world))
    assert book[EuropeanOption("ETH", 2800.0, HOURS, "call")] == (-10.0, 0.0)
    book = held(load(tmp_path, OKX, world))
    assert book[Perpetual("ETH", "inverse")] == (-3000.0 / 2600.0, 2600.0)
    assert book[CALL] == (-1.0, 0.0)
    book = held(load(tmp_path, BINANCE, world))
    assert book[Perpetual("ETH", "inverse")] == (2000.0 / 2400.0, 2400.0)
    assert book[EuropeanOption("BTC", 52000.0, HOURS, "call")] == (-0.5, 0.0)
    assert Perpetual("SOL") not in book
    book = held(load(tmp_path, CCXT, world))
    assert book[Perpetual("BTC")] == (-1.25, 50000.0)
    assert book[CALL] == (-0.5, 0.0)


def test_a_dollar_margined_contract_settles_in_the_dollar_of_its_row(tmp_path, world):
    """0.5 coins bought at 47,000 and marked at 48,010 are 505 of the 9,000 USDC of equity."""
    row = {"instId": "BTC-USD_UM-SWAP", "posSide": "net", "pos": "50", "avgPx": "47000", "markPx": "48010",
           "idxPx": "48000", "ccy": "USDC", "uTime": str(NOW * 1000)}  # fmt: skip
    size = {"instId": row["instId"], "ctVal": "0.01", "ctMult": "1"}
    for dollar in ("USDC", "USDG"):
        book = load(tmp_path, [row | {"ccy": dollar}, size, {"ccy": dollar, "eq": "9000"}], world)
        assert held(book)[Perpetual("BTC")] == (0.5, 47000.0)
        assert book.cash[0, 0] == pytest.approx(9000.0 - 505.0)
        assert f"{dollar} is counted as USD at par" in book.notes


@pytest.mark.parametrize(
    "name, coins",
    [
        ("BTC-USDT-SWAP", 100.0),
        ("BTC-USDC-SWAP", 1.0),
        ("ETH-USDC-SWAP", 10.0),
        ("BTC-USD_UM-260327", 100.0),
        # which no source says: never a guess from the contract of another dollar
        ("BTC-USDT-260327", None),
        ("BTC-USDC-260327", None),
        ("BTC-USD_UM-SWAP", None),
        ("ETH-USD_UM-260327", None),
        ("BTC-USD_UM-260327-52000-C", None),
    ],
)
def test_each_family_of_okx_contracts_has_its_own_face_value(tmp_path, world, name, coins):
    """10,000 contracts of BTC-USDC-SWAP are one bitcoin."""
    row = {"instId": name, "pos": "10000", "avgPx": "2000", "markPx": "2001", "idxPx": "2000", "fwdPx": "2000",
           "markVol": "0.5", "uTime": str(NOW * 1000)}  # fmt: skip
    if coins is None:
        assert f"the contract size of {name} must be given" in faults(tmp_path, [row], world)
        row = [row, {"instId": name, "ctVal": "0.05", "ctMult": "2"}]
        coins = 1000.0
    assert load(tmp_path, row, world).quantity[0].tolist() == [coins]


def test_the_cash_of_one_wallet_counts_once(tmp_path, world):
    """`account` and `balance` of Binance say the same of a wallet; two wallets of one coin add."""

    def cash(*rows):
        return load(tmp_path, [BINANCE["positions"], BINANCE["index"], *rows], world).cash[0].tolist()

    account = {"asset": "USDT", "walletBalance": "10505.0", "updateTime": NOW * 1000}
    balance = {"accountAlias": "x", "asset": "USDT", "balance": "10505", "crossUnPnl": "3"}
    assert cash(account) == cash(account, balance) == cash(balance, account, account) == [10505.0, 0.0, 0.0]
    coin = {"asset": "BTC", "walletBalance": "1.5"}, {"asset": "BTC", "walletBalance": "0.25"}
    assert cash(account, *coin) == [10505.0, 1.75, 0.0]
    told = faults(tmp_path, [BINANCE["index"], account, balance | {"balance": "10000"}], world)
    said = "the balance of USDT must be the same in all answers, got 10505 (walletBalance) and 10000 (balance)"
    assert said in told


def test_what_portfolio_margin_borrowed_is_owed(tmp_path, world):
    balance = {"asset": "USDT", "totalWalletBalance": "20000", "crossMarginAsset": "103", "crossMarginBorrowed": "10",
               "crossMarginFree": "100", "crossMarginLocked": "3", "crossMarginInterest": "0.5",
               "umWalletBalance": "19897", "updateTime": NOW * 1000}  # fmt: skip
    answers = deepcopy(BINANCE)
    answers["account"] = [balance, {"asset": "ETH", "totalWalletBalance": "1.5"}]
    whole = load(tmp_path, BINANCE, world)
    book = load(tmp_path, answers, world)
    assert (whole.cash - book.cash).tolist() == [[10.5, 0.0, 0.0]]


def test_both_sides_of_a_hedged_account_net_to_one_position(tmp_path, world):
    book = load(tmp_path, OKX, world)
    assert held(book)[Perpetual("BTC")] == (1.0, 47000.0)
    # 0.5 coins bought at 47,000 and sold at 49,000 locked 1,000 in; equity 9,000 holds it and 1,010 not realised
    assert book.cash[0, 0] == pytest.approx(9000.0 - 1010.0)


@pytest.mark.parametrize("currency, stated", [("BTC", 0.7 * 48000.0), ("USDC", 9000.0)])
def test_a_dated_future_is_taken_at_its_own_forward(tmp_path, world, currency, stated):
    """40,000 USD of the inverse contract, or 0.8 coins of the linear one, beside options of its expiry."""
    name, size = ("BTC-27MAR26", -40000.0) if currency == "BTC" else ("BTC_USDC-27MAR26", -0.8)
    answers = [
        {"instrument_name": name, "size": size, "average_price": 50000.0, "mark_price": 48210.0,
         "index_price": 48000.0},
        {"instrument_name": "BTC-27MAR26-52000-C", "size": -1.0, "mark_price": 0.03, "mark_iv": 60.0,
         "underlying_price": 48200.0},
        {"currency": currency, "equity": 0.7 if currency == "BTC" else 9000.0},
        {"usOut": NOW * 1_000_000},
    ]  # fmt: skip
    book = load(tmp_path, answers, world)
    assert held(book)[Future("BTC", HOURS, "inverse" if currency == "BTC" else "linear")] == (-0.8, 50000.0)
    # the future held says what the forward of its expiry is, for the option too
    assert book.marks.forward == {("BTC", HOURS): 48210.0}
    option = 0.0 if currency == "BTC" else option_values(book, at_marks(book, world))[0, 0]
    assert equity(book, world) == pytest.approx(stated - option, rel=1e-12)


def test_what_an_answer_repeats_or_only_wishes_for_is_no_position(tmp_path, world):
    """A Binance account lists the positions again, with less said of them; a Derive account lists its orders."""
    answers = deepcopy(BINANCE)
    answers["account"]["positions"] = [
        {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-1.25", "unrealizedProfit": "1"},
        {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-1.25", "entryPrice": "50000"},
    ]
    assert held(load(tmp_path, answers, world)) == held(load(tmp_path, BINANCE, world))
    answers = deepcopy(DERIVE)
    order = {"order_id": "7", "instrument_name": "ETH-PERP", "amount": "9", "average_price": "0", "limit_price": "1"}
    answers[0]["result"]["open_orders"] = [order]
    assert held(load(tmp_path, answers, world)) == held(load(tmp_path, DERIVE, world))


def test_as_of_time_and_mark_source_are_kept(tmp_path, world):
    book = load(tmp_path, DERIBIT, world)
    assert (book.marks.as_of, book.marks.source) == ("2026-03-01T12:00:00Z", "deribit marks")
    assert book.marks.spot == {"BTC": 48000.0, "ETH": 2500.0}
    assert book.marks.perpetual == {"BTC": 48010.0, "ETH": 2501.0}
    assert book.marks.forward == {("BTC", HOURS): 48200.0}
    assert book.marks.volatility[CALL] == 0.615
    assert any("USDC is counted as USD at par" in note for note in book.notes)
    later = load(tmp_path, DERIBIT, world, as_of="2026-03-02T12:00")
    assert later.expiries == (("BTC", HOURS - 24.0),)


def test_an_option_without_a_volatility_is_valued_at_its_mark(tmp_path, world):
    """The put of the answers has a mark in coin and no volatility: inverted, its value is mark times index again."""
    book = load(tmp_path, DERIBIT, world)
    put = [x for x in book.instruments if getattr(x, "kind", "") == "put"][0]
    row = [book.instruments[m] for m in book.options].index(put)
    found = option_values(book, at_marks(book, world))[row, 0]
    assert found == pytest.approx(0.0205 * 48000.0, rel=1e-10)


def test_what_is_not_in_the_file_comes_from_the_world(tmp_path, world):
    answers = deepcopy(DERIBIT)
    answers["positions"]["result"][2]["mark_price"] = 0.0  # no volatility gives it
    answers["account"] = []
    book = load(tmp_path, answers, world)
    now = at_marks(book, world)
    plain = Today(*_standard(world, book)).market(_without_marks(book))
    put = [i for i, x in enumerate(book.options) if book.instruments[x].kind == "put"][0]
    assert now.volatility[put] == plain.volatility[put]
    assert now.volatility[1 - put] == 0.615


def _standard(world, book):
    from riskengine.margin.deribit_standard import DeribitStandard

    return DeribitStandard(), world.at(book.marks.spot)


def _without_marks(book):
    from dataclasses import replace

    return replace(book, marks=None)


@pytest.mark.parametrize("venue", ANSWERS)
def test_books_go_to_yaml_and_back(tmp_path, world, venue):
    book = load(tmp_path, ANSWERS[venue], world)
    (tmp_path / "copy.yaml").write_text(to_yaml(dump_portfolio(book)))
    again = load_book(tmp_path / "copy.yaml", world)
    assert again.marks == book.marks and again.instruments == book.instruments
    for name in ("quantity", "entry", "cash"):
        assert np.array_equal(getattr(again, name), getattr(book, name))


@pytest.mark.parametrize("venue", ANSWERS)
def test_the_format_may_be_named_and_the_chain_be_a_second_file(tmp_path, world, venue):
    answers = deepcopy(ANSWERS[venue])
    whole = load(tmp_path, answers, world)
    assert load(tmp_path, answers, world, format_=venue).marks == whole.marks
    if isinstance(answers, dict):
        (tmp_path / "chain.json").write_text(json.dumps(answers.pop("chain")))
        apart = load(tmp_path, answers, world, chain=tmp_path / "chain.json", as_of="2026-03-01T12:00")
        assert apart.marks == whole.marks


def test_a_dollar_coin_of_the_world_is_held_as_a_coin(tmp_path, world):
    """On a world with USDC the cash is in it, at its price there; positions settled in it stay at par."""
    pegged = load_world("usdc")
    plain, apart = load(tmp_path, DERIVE, world), load(tmp_path, DERIVE, pegged)
    assert apart.cash[0].tolist() == [0.0, 0.0, 8.0, plain.cash[0, 0]]
    assert any("cash is held in USDC" in note for note in apart.notes)
    price = at_marks(apart, pegged).spot[2, 0]
    assert equity(apart, pegged) == pytest.approx(equity(plain, world) + plain.cash[0, 0] * (price - 1.0), rel=1e-12)


@dataclass
class _Paths:
    kind: ClassVar[str] = "paths"
    assets: tuple = ("BTC",)


def test_a_world_that_starts_where_its_paths_do_cannot_be_moved(world):
    assert world.at({}) is world
    assert world.at({"ETH": 2000.0}).model.spot == (world.model.spot[0], 2000.0)
    with pytest.raises(UsageError, match="a world of kind paths starts where its paths do"):
        _started_at(_Paths(), {"BTC": 1.0})


def test_every_fault_is_told_at_once(tmp_path, world):
    answers = deepcopy(DERIBIT)
    rows = answers["positions"]["result"]
    rows[0] |= {"average_price": None}
    rows[1] |= {"instrument_name": "BTC-27MAR26-52000-X"}
    rows[2] |= {"instrument_name": "BTC-27FEB26-44000-P"}
    rows[3] |= {"instrument_name": "ETH_EURR-PERPETUAL"}
    rows.append({"instrument_name": "SOL_USDC-PERPETUAL", "size": "many", "average_price": 100.0})
    rows.append({"instrument_name": "SOL_USDC-PERPETUAL", "size": 1.0, "average_price": 100.0})
    answers["account"].append({"currency": "PAXG", "equity": 2.0})
    said = faults(tmp_path, answers, world)
    for words in (
        "positions.result[0]: the entry price of BTC-PERPETUAL must be positive, got None",
        "instrument must be a perpetual, dated future or option as deribit names them, got 'BTC-27MAR26-52000-X'",
        "BTC-27FEB26-44000-P must not have expired, got expiry 2026-02-27 08:00 for a book of 2026-03-01 12:00 UTC",
        "ETH_EURR-PERPETUAL must settle in USD, USDC, USDT, USDG or ETH, got EURR",
        "size must be a finite number, got 'many'",
        "asset of SOL_USDC-PERPETUAL must be one of the world's BTC, ETH, got SOL",
        "cash must be in one of USD, USDC, USDT, USDG, BTC, ETH, got PAXG",
    ):
        assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "answers, options, words",
    [
        ({"hello": [1, 2]}, {}, "must hold positions, balances or quotes of derive, deribit, okx, binance, ccxt"),
        (OKX, {"format_": "binance"}, "must hold positions, balances or quotes of binance, got none"),
        ({"data": [{"instId": "SOL-USDT-SWAP", "pos": "3", "avgPx": "100", "uTime": str(NOW * 1000)}]}, {},
         "contract size of SOL-USDT-SWAP must be given: add the answer of the venue's list of instruments"),
        ([{"instrument_name": "BTC-PERPETUAL", "size": 10.0, "average_price": 100.0}], {}, "as_of must be given"),
        ([{"instrument_name": "BTC-PERPETUAL", "size": 10.0, "average_price": 100.0}], {"as_of": "2026-03-01"},
         "the index price of BTC must be in the file"),
        ([{"instrument_name": "BTC-PERPETUAL", "size": 0.0, "mark_price": 1.0}], {"as_of": "2026-03-01"},
         "must hold a position or a balance, got none"),
        ([{"symbol": "BTC/USDT:USDT", "contracts": 1, "contractSize": 1, "side": None, "entryPrice": 9,
           "timestamp": NOW * 1000, "markPrice": 9}], {}, "side of BTC/USDT:USDT must be long or short, got None"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_taken(tmp_path, answers, options, words):
    assert words in faults(tmp_path, answers, **options)


def test_files_that_are_no_json(tmp_path):
    (tmp_path / "broken.json").write_text('{"a": 1,\n"b": }')
    with pytest.raises(InputError, match=r"broken.json:2: must be JSON"):
        load_book(tmp_path / "broken.json")
    (tmp_path / "book.yaml").write_text("assets: [BTC]\n")
    with pytest.raises(InputError, match="must be a JSON file of a venue's answers"):
        load_book(tmp_path / "book.yaml", format_="okx")


@pytest.mark.parametrize(
    "module, name, expected",
    [
        (deribit, "BTC-PERPETUAL", Terms("BTC", "perpetual", "BTC")),
        (deribit, "XRP_USDC-1MAR26-0d55-P", Terms("XRP", "option", "USDC", 1772352000, 0.55, "put")),
        (deribit, "ETH-27MAR26", Terms("ETH", "future", "ETH", 1774598400)),
        (deribit, "BTC-31FEB26", None),
        (deribit, "BTC-27MAR26-0-C", None),
        (derive, "ETH-PERP", Terms("ETH", "perpetual", "USDC")),
        (derive, "ETH-20260327-2_5-C", Terms("ETH", "option", "USDC", 1774598400, 2.5, "call")),
        (okx, "BTC-USD-260327", Terms("BTC", "future", "BTC", 1774598400)),
        (okx, "ETH-USDT-SWAP", Terms("ETH", "perpetual", "USDT")),
        (okx, "BTC-USD_UM-SWAP", Terms("BTC", "perpetual", "USD")),
        (okx, "SOL-USD_UM-260327-95-P", Terms("SOL", "option", "USD", 1774598400, 95.0, "put")),
        (okx, "ETH", None),
        (binance, "BTCUSD_260327", Terms("BTC", "future", "BTC", 1774598400)),
        (binance, "1000PEPEUSDT", Terms("1000PEPE", "perpetual", "USDT")),
        (binance, "BTCEUR", None),
        (ccxt_unified, "BTC/USD:BTC-260327", Terms("BTC", "future", "BTC", 1774598400)),
        (ccxt_unified, "BTC/USDT", None),
    ],
)
def test_names_of_instruments(module, name, expected):
    assert module.terms(name) == expected


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(-400, 400).filter(bool), min_size=1, max_size=4),
    entries=st.lists(st.floats(1000.0, 4000.0), min_size=4, max_size=4),
    inverse=st.booleans(),
)
def test_netting_keeps_equity(world, tmp_path_factory, sizes, entries, inverse):
    """Any sides of one perpetual are worth, netted, what they are worth apart, at the mark and at the index."""
    folder = tmp_path_factory.mktemp("net")
    name = "ETH/USD:ETH" if inverse else "ETH/USDT:USDT"
    rows = [
        {"symbol": name, "contracts": abs(n), "contractSize": 1.0, "side": "long" if n > 0 else "short",
         "entryPrice": e, "markPrice": 2500.0, "indexPrice": 2500.0, "timestamp": NOW * 1000}
        for n, e in zip(sizes, entries, strict=False)
    ]  # fmt: skip
    book = load(folder, rows, world)
    coins = [n / e if inverse else float(n) for n, e in zip(sizes, entries, strict=False)]
    apart = sum(q * (2500.0 - e) for q, e in zip(coins, entries, strict=False))
    size = sum(abs(q) for q in coins) * 2500.0
    assert equity(book, world) == pytest.approx(apart, abs=1e-11 * size)
