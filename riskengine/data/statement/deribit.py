"""Deribit: ``private/get_positions``, ``private/get_account_summary`` and ``public/get_book_summary_by_currency``.

Sizes of inverse perpetuals and futures count USD, those of everything else coins; inverse options are marked in coin,
implied volatilities in percent.  Reference: docs.deribit.com.
"""

from typing import Any

from riskengine.data.statement.statement import Statement
from riskengine.data.statement.terms import Terms, dated


def terms(name: str) -> Terms | None:
    """``BTC-PERPETUAL``, ``ETH_USDC-27MAR26``, ``BTC-27MAR26-70000-C``."""
    pair, *rest = name.split("-")
    asset, _, currency = pair.partition("_")
    currency = currency or asset
    if rest == ["PERPETUAL"]:
        return Terms(asset, "perpetual", currency)
    return dated(asset, currency, *rest) if len(rest) in (1, 3) else None


def role(row: dict[str, Any]) -> str | None:
    """What a row of a response is."""
    if "instrument_name" in row:
        if "size" in row:
            return "position"
        return "quote" if {"mark_iv", "underlying_price", "mark_price"} & set(row) and "amount" not in row else None
    if "currency" in row and "equity" in row:
        return "account"
    return "stamp" if "usOut" in row else None


def read(what: str, row: dict[str, Any], place: str, into: Statement) -> None:
    """Take one row."""
    if what == "stamp":
        into.stamp(into.number(row, "usOut", place), 1e-6)
    elif what == "account":
        into.equity(place, str(row["currency"]), into.number(row, "equity", place))
    else:
        name = str(row["instrument_name"])
        found, volatility = terms(name), into.number(row, "mark_iv", place)
        quote = {
            "mark": into.number(row, "mark_price", place),
            "index": into.number(row, "index_price" if what == "position" else "estimated_delivery_price", place),
            "forward": into.number(row, "underlying_price", place),
            "volatility": None if volatility is None else volatility / 100.0,
        }
        if what == "quote":
            into.stamp(into.number(row, "creation_timestamp", place), 1e-3)
            into.quote(name, found, **quote)
            return
        into.hold(place, name, found, into.number(row, "size", place), into.number(row, "average_price", place))
        into.quote(name, found, **quote)
