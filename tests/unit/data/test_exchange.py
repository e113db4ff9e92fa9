"""A live chain from a recorded answer; no test touches a network."""

import sys

import pytest

from riskengine.data.exchange import exchange_errors, fetch_chain, open_exchange
from riskengine.errors import RunError, UsageError


class Recorded:
    """Two inverse options, one settled in a stablecoin, one without a forward, and a perpetual, as ccxt gives them."""

    def load_markets(self):
        option = {"option": True, "inverse": True, "base": "BTC", "expiry": 1_711_699_200_000}
        return {
            "BTC/USD:BTC-240329-70000-C": option | {"strike": 70000.0, "optionType": "call"},
            "BTC/USD:BTC-240329-60000-P": option | {"strike": 60000.0, "optionType": "put"},
            "BTC/USD:BTC-240329-50000-P": option | {"strike": 50000.0, "optionType": "put"},
            "BTC/USDC:USDC-240329-70000-C": option | {"inverse": False, "strike": 70000.0, "optionType": "call"},
            "BTC/USD:BTC": {"option": False, "inverse": True, "base": "BTC", "strike": None, "expiry": None},
        }

    def fetch_option_chain(self, code):
        assert code == "BTC"
        quote = {
            "bidPrice": 0.02,
            "askPrice": 0.021,
            "markPrice": 0.0204,
            "underlyingPrice": 68827.0,
            "openInterest": 7,
        }
        return {
            "BTC/USD:BTC-240329-70000-C": quote,
            "BTC/USD:BTC-240329-60000-P": quote | {"bidPrice": None, "openInterest": None},
            "BTC/USD:BTC-240329-50000-P": quote | {"underlyingPrice": None},
            "BTC/USDC:USDC-240329-70000-C": quote,
            "BTC/USD:BTC-240329-10000-P": quote,
        }

    def milliseconds(self):
        return 1_711_101_594_477


def test_a_chain():
    q = fetch_chain(Recorded(), "BTC")
    assert (q.asset, q.seconds) == ("BTC", 1_711_101_594)
    assert q.strike.tolist() == [70000.0, 60000.0]
    assert q.sign.tolist() == [1.0, -1.0]
    assert q.expiry_seconds.tolist() == [1_711_699_200] * 2
    assert q.forward.tolist() == [68827.0] * 2
    assert q.bid[0] == 0.02 and q.bid[1] != q.bid[1]
    assert q.open_interest[0] == 7.0 and q.open_interest[1] != q.open_interest[1]


def test_no_options():
    class Empty(Recorded):
        def fetch_option_chain(self, code):
            return {}

    with pytest.raises(RunError, match="must list inverse options on BTC with a forward, got none"):
        fetch_chain(Empty(), "BTC")


def test_without_ccxt(monkeypatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(UsageError, match=r"needs ccxt: pip install ccxt"):
        open_exchange("deribit")
    assert exchange_errors() == ()


def test_an_exchange_that_is_none(monkeypatch):
    class Fake:
        exchanges = ["deribit"]
        BaseError = ArithmeticError

        @staticmethod
        def deribit(options):
            return options

    monkeypatch.setitem(sys.modules, "ccxt", Fake)
    assert open_exchange("deribit") == {"enableRateLimit": True}
    assert exchange_errors() == (ArithmeticError,)
    with pytest.raises(UsageError, match="one that ccxt knows, such as deribit, got 'debit'"):
        open_exchange("debit")
