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
2024-01-01T00:00:10Z,x,BTC,99.0,101.0,2,2
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
    np.testing.assert_allclose(ladder.sold, [100.0, 300.0, 200.0])
    np.testing.assert_array_equal(ladder.snapshot, [0, 0, 1])
    # within a band half of its width on average
    np.testing.assert_allclose(ladder.slippage, [0.0005, (100 * 0.0005 + 200 * 0.0055) / 300, 0.0005], rtol=2e-2)
    assert len(ladder.stamps) == 2


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
    ],
)
def test_faults(tmp_path, text, series, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, series)
