"""Option chains of a live exchange through `ccxt` (extra ``[live]``): the unified option chain and its markets.

The exchange object is a parameter, so what fetches can be replaced: tests hand in a recorded answer and no test
touches a network.
"""

from typing import Any, Protocol

import numpy as np

from riskengine.calibrate.pricing_law.quotes import OptionQuotes
from riskengine.errors import RunError, UsageError


class OptionExchange(Protocol):
    """The part of a `ccxt` exchange that is used."""

    def load_markets(self) -> dict[str, dict[str, Any]]:
        """Markets by symbol: ``option``, ``inverse``, ``strike``, ``optionType``, ``expiry`` (ms)."""

    def fetch_option_chain(self, code: str) -> dict[str, dict[str, Any]]:
        """Options by symbol: ``bidPrice``, ``askPrice``, ``markPrice``, ``underlyingPrice``, ``openInterest``."""

    def milliseconds(self) -> int:
        """Unix time in ms."""


def open_exchange(name: str) -> OptionExchange:
    """The exchange `name` of ccxt, rate limits on; UsageError where ccxt is not installed or knows no such exchange."""
    try:
        import ccxt
    except ImportError:
        raise UsageError(f"following {name} live needs ccxt: pip install ccxt") from None
    if name not in ccxt.exchanges:
        raise UsageError(f"the exchange must be one that ccxt knows, such as deribit, got {name!r}")
    return getattr(ccxt, name)({"enableRateLimit": True})


def exchange_errors() -> tuple[type[Exception], ...]:
    """What a call of an exchange may raise for reasons of its own (network, limits, maintenance)."""
    try:
        import ccxt
    except ImportError:
        return ()
    return (ccxt.BaseError,)


def fetch_chain(exchange: OptionExchange, asset: str) -> OptionQuotes:
    """The chain of inverse options on `asset` as it is now.

    Options that are not inverse (settled in a stablecoin) are left out: their prices are in another unit.

    Raises
    ------
    RunError
        Where the exchange lists no inverse option of `asset` with a forward.
    """
    markets = exchange.load_markets()
    now = int(exchange.milliseconds()) // 1000
    rows = []
    for symbol, option in exchange.fetch_option_chain(asset).items():
        market = markets.get(symbol, {})
        forward = _number(option.get("underlyingPrice"))
        usable = market.get("option") and market.get("inverse") and market.get("base") == asset
        if usable and market.get("expiry") and market.get("strike") and forward > 0.0:
            sign = 1.0 if market["optionType"] == "call" else -1.0
            quoted = (_number(option.get(n)) for n in ("bidPrice", "askPrice", "openInterest", "markPrice"))
            rows.append((int(market["expiry"]) // 1000, float(market["strike"]), forward, sign, *quoted))
    if not rows:
        raise RunError(f"the exchange must list inverse options on {asset} with a forward, got none")
    expiry, *columns = zip(*rows, strict=True)
    return OptionQuotes(asset, now, np.array(expiry), *(np.array(c) for c in columns))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
