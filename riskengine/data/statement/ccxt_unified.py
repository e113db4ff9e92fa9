"""`ccxt`: answers of ``fetch_positions``, ``fetch_balance`` and ``fetch_option_chain`` of any exchange, unified.

Sizes count contracts of ``contractSize`` coins (linear, and options) or dollars (inverse); the side carries the sign;
raw answers under ``info`` are not read.  Reference: docs.ccxt.com, unified API.
"""

import re
from typing import Any

from riskengine.data.statement.statement import Statement
from riskengine.data.statement.terms import Terms, dated


def terms(name: str) -> Terms | None:
    """``BTC/USDT:USDT``, ``BTC/USD:BTC-260327``, ``BTC/USD:BTC-260327-70000-C``."""
    found = re.fullmatch(r"([A-Z0-9]+)/[A-Z]+:([A-Z0-9]+)(?:-(.+))?", name)
    if not found:
        return None
    asset, currency, rest = found[1], found[2], (found[3] or "").split("-")
    if rest == [""]:
        return Terms(asset, "perpetual", currency)
    return dated(asset, currency, *rest) if len(rest) in (1, 3) else None


def role(row: dict[str, Any]) -> str | None:
    """What a row of an answer is."""
    if "/" in str(row.get("symbol", "")):
        if "contracts" in row:
            return "position"
        return "quote" if {"impliedVolatility", "underlyingPrice", "markPrice"} & set(row) else None
    return "account" if isinstance(row.get("total"), dict) and isinstance(row.get("free"), dict) else None


def read(what: str, row: dict[str, Any], place: str, into: Statement) -> None:
    """Take one row."""
    into.stamp(into.number(row, "timestamp", place), 1e-3)
    if what == "account":
        for currency in row["total"]:
            into.cash(f"{place}.total", str(currency), into.number(row["total"], currency, f"{place}.total"))
        return
    name = str(row["symbol"])
    found = terms(name)
    into.quote(
        name,
        found,
        mark=into.number(row, "markPrice", place),
        index=into.number(row, "indexPrice", place),
        forward=into.number(row, "underlyingPrice", place),
        volatility=into.number(row, "impliedVolatility", place),
    )
    if what == "position":
        size = into.number(row, "contracts", place)
        if row.get("side") not in ("long", "short"):
            into.fault(place, f"side of {name} must be long or short, got {row.get('side')!r}")
        elif size is not None and row["side"] == "short":
            size = -abs(size)
        into.hold(place, name, found, size, into.number(row, "entryPrice", place),
                  size=into.number(row, "contractSize", place))  # fmt: skip
