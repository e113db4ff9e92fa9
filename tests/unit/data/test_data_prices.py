"""Price files: every shape gives the same arrays; every fault has its place."""

import gzip
import hashlib
import sys

import numpy as np
import pytest

from riskengine.data.prices import Gap, load_prices
from riskengine.data.table import asset_of
from riskengine.errors import InputError, UsageError

ASSETS = ("BTC", "ETH")
HOURS = [f"2021-01-01T{h:02d}:00:00Z" for h in range(6)]
WIDE = "timestamp,ETH-USD,BTC/USDT,note\n" + "".join(f"{t},{20 + i},{100 + i},x\n" for i, t in enumerate(HOURS))
EXPECTED = np.array([[100.0 + i, 20.0 + i] for i in range(6)])
FIRST = 1609459200


def long(stamps=HOURS, names=("BTCUSDT", "ETHUSDT"), extra=""):
    rows = [
        f"{t},{s},1,1,{base + i},9\n" for s, base in zip(names, (100, 20), strict=True) for i, t in enumerate(stamps)
    ]
    return "timestamp,symbol,open,high,close,volume\n" + "".join(rows) + extra


def load(tmp_path, text, name="p.csv", **options):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_prices(file, options.pop("assets", ASSETS), **options)


def faults(tmp_path, text, **options):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text, **options)
    assert caught.value.exit_code == 2
    return [str(f).partition("p.csv")[2] for f in caught.value.faults]


@pytest.mark.parametrize(
    "text",
    [
        WIDE,
        long(),
        long(names=("btc", "ETH-PERP")),
        long([FIRST + 3600 * i for i in range(6)]),
        long([1000 * (FIRST + 3600 * i) for i in range(6)]),
        long([t.replace("T", " ").rstrip("Z") for t in HOURS]),
        long([t.replace("Z", "+00:00") for t in HOURS], extra="2021-01-01T00:00:00Z,DOGE,1,1,-5,9\n"),
    ],
)
def test_every_shape_gives_the_same_prices(tmp_path, text):
    got = load(tmp_path, text)
    assert np.array_equal(got.prices, EXPECTED)
    assert got.seconds.tolist() == [FIRST + 3600 * i for i in range(6)]
    assert (got.step_seconds, got.gaps, got.name) == (3600, (), "p.csv")
    assert got.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_compressed_csv_and_parquet_are_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    assert np.array_equal(load(tmp_path, gzip.compress(WIDE.encode()), name="p.csv.gz").prices, EXPECTED)
    frame = pandas.DataFrame({"timestamp": HOURS * 2, "symbol": ["BTC"] * 6 + ["ETH"] * 6, "close": EXPECTED.T.ravel()})
    frame["timestamp"] = pandas.to_datetime(frame["timestamp"]).astype("datetime64[ms, UTC]")
    frame["symbol"] = frame["symbol"].astype("category")
    frame.to_parquet(tmp_path / "p.parquet")
    got = load_prices(tmp_path / "p.parquet", ("ETH", "BTC"))
    assert np.array_equal(got.prices, EXPECTED[:, ::-1])


def test_a_single_asset_needs_no_symbols(tmp_path):
    got = load(tmp_path, "date,price\n2021-01-01,5\n2021-01-02,6\n2021-01-03,7\n", assets=("X",))
    assert got.prices[:, 0].tolist() == [5.0, 6.0, 7.0]
    assert got.step_seconds == 86400


def test_a_part_of_the_file_can_be_asked_for(tmp_path):
    got = load(tmp_path, WIDE, start="2021-01-01T02:00", end="2021-01-01T05:00")
    assert np.array_equal(got.prices, EXPECTED[2:5])
    assert "must be an ISO date" in str(_error(tmp_path, WIDE, start="soon"))
    assert "must hold rows from 2022-01-01 on" in str(_error(tmp_path, WIDE, start="2022-01-01"))


def _error(tmp_path, text, **options):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text, **options)
    return caught.value


def test_bars_without_volume_are_counted(tmp_path):
    assert load(tmp_path, long().replace("102,9", "102,0")).flat_bars == 1


def test_every_wrong_row_is_named_with_its_line(tmp_path):
    lines = WIDE.splitlines(keepends=True)
    lines[2] = lines[2].replace("101", "0")
    lines[3] = lines[3].replace("22,", ",")
    lines[4], lines[5] = lines[5], lines[4]
    lines.append(lines[6])
    assert faults(tmp_path, "".join(lines)) == [
        ":6: stamps of BTC must be increasing, got 2021-01-01T03:00",
        ":8: stamps of BTC must be distinct, got 2021-01-01T05:00",
        ":3: price of BTC must be a positive number, got 0 at 2021-01-01T01:00",
        ":6: stamps of ETH must be increasing, got 2021-01-01T03:00",
        ":8: stamps of ETH must be distinct, got 2021-01-01T05:00",
        ":4: price of ETH must be a positive number, got nan at 2021-01-01T02:00",
    ]
    assert faults(tmp_path, WIDE.replace("103", "-103").replace("104", "n/k").replace("105", "inf")) == [
        ":5: price of BTC must be a positive number, got -103 at 2021-01-01T03:00",
        ":6: price of BTC must be a positive number, got nan at 2021-01-01T04:00",
        ":7: price of BTC must be a positive number, got inf at 2021-01-01T05:00",
    ]


def test_many_faults_are_counted_not_listed(tmp_path):
    text = "timestamp,BTC,ETH\n" + "".join(f"{FIRST + 60 * i},0,1\n" for i in range(500))
    found = faults(tmp_path, text)
    assert len(found) == 11
    assert found[-1] == ": price of BTC must be a positive number, got 490 more like the last"


def test_gaps_are_refused_with_their_places_unless_the_policy_allows_them(tmp_path):
    lines = WIDE.splitlines(keepends=True)
    text = "".join(lines[:3] + lines[5:])
    assert faults(tmp_path, text) == [
        ": prices must not have gaps (no gap is allowed), got 33.333% of bars missing in 1 gaps: "
        "2 after 2021-01-01T01:00"
    ]
    assert "at most 30.000% of them may be" in faults(tmp_path, text, max_missing_share=0.3)[0]
    got = load(tmp_path, text, max_missing_share=0.34)
    assert got.gaps == (Gap(FIRST + 3600, 2),)
    assert got.missing_share == pytest.approx(1 / 3)
    assert np.array_equal(got.prices, EXPECTED[[0, 1, 4, 5]])


def test_a_bar_that_one_asset_lacks_is_a_gap(tmp_path):
    text = long().replace(f"{HOURS[3]},ETHUSDT,1,1,23,9\n", "")
    assert "1 after 2021-01-01T02:00" in faults(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "prices must hold at least one row, got an empty file"),
        ("timestamp,BTC,ETH\n", "prices must hold at least one row, got none"),
        ("a,b\n1,2\n", "a column of stamps must be given"),
        ("timestamp,BTC\n2021-01-01,1\n", "column close, or one column of ETH, must be given"),
        (long(names=("BTC", "SOL")), "asset ETH must be in the file, got symbols BTC, SOL"),
        (long() + long(names=("BTC", "ETH")).partition("\n")[2], "asset BTC must have one symbol, got BTCUSDT, BTC"),
        (long().replace("2021-01-01T01", "x"), ":3: timestamp must be an ISO date or a Unix time, got 'x:00:00Z'"),
        (WIDE.replace("T03:00", "T03:30"), "stamps must lie on a grid of 3600 s"),
        (WIDE[: WIDE.index("2021-01-01T01")], "must share at least two stamps, got 1"),
        ('timestamp,BTC,ETH\n"2021', "must be a readable CSV file"),
        (b"\xff\xfe\x00", "must be a readable CSV file"),
        ("timestamp,close\n2021-01-01,1\n", "a column of symbols must be given"),
    ],
)  # fmt: skip
def test_unusable_files_are_refused(tmp_path, text, message):
    found = faults(tmp_path, text)
    assert any(message in f for f in found), found


def test_missing_and_broken_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.csv: no such file"):
        load_prices(tmp_path / "none.csv", ASSETS)
    with pytest.raises(InputError, match="cannot be read"):
        load_prices(tmp_path, ASSETS)
    with pytest.raises(InputError, match="must be a readable CSV file"):
        load(tmp_path, b"abc", name="p.csv.gz")
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="must be a readable parquet file"):
        load(tmp_path, b"abc", name="p.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install pyarrow"):
        load(tmp_path, b"abc", name="p.parquet")


def test_several_sources_must_be_told_apart(tmp_path):
    rows = [
        f"{t},{s},{base + i},{source}\n"
        for i, t in enumerate(HOURS)
        for s, base in (("BTC", 100), ("ETH", 20))
        for source in "ab"
    ]
    text = "timestamp,symbol,close,source\n" + "".join(rows)
    assert "the file has several sources, choose one: a, b" in faults(tmp_path, text)[0]
    assert np.array_equal(load(tmp_path, text, source="b").prices, EXPECTED)
    assert "source must be one of a, b, got 'c'" in faults(tmp_path, text, source="c")[0]


@pytest.mark.parametrize(
    ("symbol", "position"),
    [
        ("BTC", 0),
        ("btc-usd", 0),
        ("BTCUSDT", 0),
        ("BTC/USDT-PERP", 0),
        ("ETH_USDC", 1),
        ("BTCDOM", -1),
        ("WBTC", -1),
        ("", -1),
    ],
)
def test_symbols_of_venues(symbol, position):
    assert asset_of(symbol, ASSETS) == position


def test_real_hourly_prices(shared):
    pytest.importorskip("pyarrow")
    file = shared / "data" / "prices_spot_1h.parquet"
    with pytest.raises(InputError, match="0.332% of bars missing in 13 gaps: 4 after 2017-09-22T19:00"):
        load_prices(file, ASSETS)
    got = load_prices(file, ASSETS, max_missing_share=0.005)
    assert got.prices.shape == (72426, 2)
    assert (np.diff(got.seconds) % 3600 == 0).all()
    assert got.prices[-1].tolist() == [90360.0, 2991.26]
