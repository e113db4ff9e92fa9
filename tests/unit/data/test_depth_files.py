"""Books and quotes from files: by hand for each shape, and every fault named."""

import numpy as np
import pytest

from riskengine.data.depth import read_ladder
from riskengine.errors import InputError

BOOK = """timestamp,venue,instrument,side,level,price,qty
2024-01-01T00:00:00Z,x,BTC,bid,0,99.0,2
2024-01-01T00:00:00Z,x,BTC,bid,1,98.0,1
2024-01-01T00:00:00Z,x,BTC,ask,0,101.0,5
2024-01-01T00:00:00Z,x,ETH,bid,0,10.0,1
2024-01-01T00:00:00Z,x,ETH,ask,0,10.2,1
"""
BANDS = """timestamp,venue,instrument,best_bid,best_ask,bid_qty_10bp,bid_qty_100bp
2024-01-01T00:00:00Z,x,BTC,99.0,101.0,1,3
2024-01-01T00:00:10Z,x,BTC,99.0,101.0,2,4
"""
QUOTES = """timestamp,token_in,token_out,amount_in,amount_out
2024-01-01T00:00:00Z,A,B,1,10
2024-01-01T00:00:02Z,A,B,10,99
2024-01-01T01:00:00Z,A,B,1,11
2024-01-01T01:00:01Z,A,B,100,1000
"""
SLIPPAGE = """timestamp,chain,pair,source,sell_notional_usd,slippage
2024-01-01T00:00:00Z,c,A/B,z,1000,0.01
2024-01-01T00:00:00Z,c,A/B,z,5000,0.2
"""


def read(tmp_path, text, series, **more):
    file = tmp_path / "depth.csv"
    file.write_text(text)
    return read_ladder(file, series, **more)


def test_a_book_is_sold_level_by_level(tmp_path):
    ladder, digest = read(tmp_path, BOOK, "x/BTC")
    np.testing.assert_allclose(ladder.sold, [200.0, 300.0])
    np.testing.assert_allclose(ladder.paid, [198.0, 296.0])
    np.testing.assert_allclose(ladder.slippage, [0.01, 4 / 300])
    assert len(digest) == 64 and ladder.stamps == ("2024-01-01T00:00:00Z",)
    # a contract of 49.5 USD is half a coin at 99
    contracts, _ = read(tmp_path, BOOK, "x/BTC", contract_usd=49.5)
    np.testing.assert_allclose(contracts.sold[0], 100.0)


def test_bands_of_a_book(tmp_path):
    ladder, _ = read(tmp_path, BANDS, "x/BTC")
    np.testing.assert_allclose(ladder.sold, [100.0, 300.0, 200.0, 400.0])
    np.testing.assert_array_equal(ladder.snapshot, [0, 0, 1, 1])
    second = (200 * 0.0005 + 200 * 0.0055) / 400
    # within a band half of its width on average
    np.testing.assert_allclose(
        ladder.slippage, [0.0005, (100 * 0.0005 + 200 * 0.0055) / 300, 0.0005, second], rtol=2e-2
    )
    assert len(ladder.stamps) == 2


@pytest.mark.parametrize("later", ["2024-01-01T00:00:10Z", "2024-01-01T01:00:00Z"])
def test_a_copy_of_a_book_is_a_second_snapshot_and_no_deeper(tmp_path, later):
    once, _ = read(tmp_path, BOOK, "x/BTC")
    twice, _ = read(tmp_path, BOOK + "".join(BOOK.splitlines(True)[1:]).replace("2024-01-01T00:00:00Z", later), "x/BTC")
    np.testing.assert_array_equal(twice.sold, np.tile(once.sold, 2))
    np.testing.assert_array_equal(twice.paid, np.tile(once.paid, 2))
    np.testing.assert_array_equal(twice.snapshot, [0, 0, 1, 1])
    assert twice.stamps == ("2024-01-01T00:00:00Z", later)


CUT = """timestamp,venue,instrument,best_bid,best_ask,bid_qty_10bp,bid_qty_25bp,bid_qty_50bp,bid_qty_100bp
2024-01-01T00:00:00Z,x,BTC,99.0,101.0,10,25,33,33.001
2024-01-01T00:00:10Z,x,BTC,99.0,101.0,10,25,34,50
"""


def test_a_book_is_cut_where_it_stops_growing(tmp_path):
    """The first snapshot ends between 25 and 50 bp; in the second a later change showed a bid far below."""
    ladder, _ = read(tmp_path, CUT, "x/BTC")
    assert ladder.reach == 0.0025
    np.testing.assert_allclose(ladder.sold, [1000.0, 2500.0, 1000.0, 2500.0])
    stated, _ = read(tmp_path, CUT, "x/BTC", reach=0.005)
    assert stated.reach == 0.005 and stated.sold.max() == 3400.0
    whole, _ = read(tmp_path, CUT.replace("33.001", "40"), "x/BTC")
    assert whole.reach == 0.01 and whole.sold.size == 8
    # level by level the last bid is the reach
    book, _ = read(tmp_path, BOOK, "x/BTC")
    assert book.reach == pytest.approx(0.02, abs=1.1e-6) and book.reach >= 0.02
    near, _ = read(tmp_path, BOOK, "x/BTC", reach=0.01)
    np.testing.assert_allclose(near.sold, [200.0])
    # of several books the least, for all
    second = "".join(BOOK.splitlines(True)[1:4]).replace("00:00:00Z", "01:00:00Z").replace("98.0", "95.0")
    both, _ = read(tmp_path, BOOK + second, "x/BTC")
    assert both.reach == book.reach
    np.testing.assert_allclose(both.sold, [200.0, 300.0, 200.0])
    # a reach inside a band of a file is the edge before it: there is no more to be seen
    inside, _ = read(tmp_path, CUT, "x/BTC", reach=0.0033)
    assert inside.reach == 0.0025


def test_every_row_that_is_wrong_is_named(tmp_path):
    text = QUOTES.replace(",1,10\n", ",0,10\n").replace(",100,1000", ",-1,x")
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, "A/B")
    assert [f.line for f in caught.value.faults] == [2, 5]
    assert str(caught.value).count("amount_in must be a number > 0") == 2


def test_depth_no_market_has_is_refused(tmp_path):
    text = BOOK.replace(",99.0,2", ",99.0,3e7")
    with pytest.raises(InputError, match=r"bids of 3e\+09 USD are more than any book holds \(2e\+09\).*--contract-usd"):
        read(tmp_path, text, "x/BTC")
    assert read(tmp_path, text, "x/BTC", contract_usd=1.0)[0].sold[0] == pytest.approx(3e7 / 99 * 100)


def test_of_many_series_the_nearest_is_named(tmp_path):
    text = QUOTES + "".join(f"2024-01-01T00:00:00Z,T{n},USDC,1,10\n" for n in range(30))
    text += "2024-01-01T00:00:00Z,WBTC,USDC,1,10\n"
    with pytest.raises(InputError, match=r"\.\.\. \(32 in all\), got 'WBTC/XXX'; did you mean 'WBTC/USDC'"):
        read(tmp_path, text, "WBTC/XXX")


def test_quotes_are_against_the_best_of_their_batch(tmp_path):
    ladder, _ = read(tmp_path, QUOTES, "A/B")
    np.testing.assert_allclose(ladder.sold, [10.0, 100.0, 11.0, 1100.0])
    np.testing.assert_allclose(ladder.slippage, [0.0, 0.01, 0.0, 100 / 1100], atol=1e-12)
    np.testing.assert_array_equal(ladder.snapshot, [0, 0, 1, 1])
    assert ladder.within(0.05).sold.size == 3


def test_slippage_by_size(tmp_path):
    ladder, _ = read(tmp_path, SLIPPAGE, "c/A/B")
    np.testing.assert_allclose(ladder.paid, [990.0, 4000.0])


@pytest.mark.parametrize(
    ("text", "series", "message"),
    [
        (BOOK, "x/BTX", "series must be one of x/BTC, x/ETH, got 'x/BTX'; did you mean 'x/BTC'"),
        ("a,b\n1,2\n", "a", "must have the columns of a book or of quotes"),
        (
            BANDS.replace("bid_qty_10bp", "b1").replace("bid_qty_100bp", "b2"),
            "x/BTC",
            "must have the columns of a book",
        ),
        (QUOTES.replace(",99\n", ",many\n"), "A/B", "depth.csv:3.*amount_out must be a number >= 0, got 'many'"),
        (BOOK.replace("98.0,1", "98.0,-1"), "x/BTC", "qty must be a number >= 0"),
        (BOOK.replace("bid,1,98.0", "bid,1,0"), "x/BTC", "depth.csv:3.*price must be a number > 0, got"),
        (SLIPPAGE.replace("1000,", "0,"), "c/A/B", "depth.csv:2.*sell_notional_usd must be a number > 0"),
        (BOOK.replace("2024-01-01T00:00:00Z,x,BTC,ask", "some day,x,BTC,ask"), "x/BTC", "depth.csv.*some day"),
        (BOOK.replace("ask,0,101.0,5", "bid,2,97.0,5"), "x/BTC", "must have bids and asks, got 3 and 0"),
    ],
)
def test_faults(tmp_path, text, series, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, series)


def test_a_contract_or_a_reach_is_of_a_book(tmp_path):
    for more in ({"contract_usd": 100.0}, {"reach": 0.1}):
        with pytest.raises(InputError, match="contracts and a reach are of books, these are quotes"):
            read(tmp_path, QUOTES, "A/B", **more)
    with pytest.raises(InputError, match="must have bids within 0.001 of its mark, got none"):
        read(tmp_path, BOOK, "x/BTC", reach=0.001)
