"""Derive: ``private/get_subaccount`` and ``public/get_ticker``, all of it linear and settled in USDC.

Amounts count coins; collateral of other coins is cash in them.  Reference: docs.derive.xyz.
"""

from typing import Any

from riskengine.data.statement.statement import Statement
from riskengine.data.statement.terms import Terms, dated


def terms(name: str) -> Terms | None:
    """``ETH-PERP``, ``ETH-20260327-2000-C``."""
    asset, *rest = name.split("-")
    if rest == ["PERP"]:
        return Terms(asset, "perpetual", "USDC")
    return dated(asset, "USDC", *(part.replace("_", "d") for part in rest)) if len(rest) == 3 else None


def role(row: dict[str, Any]) -> str | None:
    """What a row of a response is."""
    if "instrument_name" in row:
        if "order_id" in row:
            return None
        if "amount" in row and "average_price" in row:
            return "position"
        return "quote" if "option_pricing" in row or ("mark_price" in row and "index_price" in row) else None
    if "asset_name" in row and "amount" in row:
        return "cash"
    return "account" if "subaccount_value" in row else None


def read(what: str, row: dict[str, Any], place: str, into: Statement) -> None:
    """Take one row."""
    if what == "cash":
        into.cash(place, str(row["asset_name"]), into.number(row, "amount", place))
        into.index(str(row["asset_name"]), into.number(row, "mark_price", place))
        return
    if what == "account":
        into.equity(place, "USDC", into.number(row, "subaccount_value", place), whole=True)
        return
    name = str(row["instrument_name"])
    found, pricing = terms(name), row.get("option_pricing") or {}
    if what == "position":
        into.hold(place, name, found, into.number(row, "amount", place), into.number(row, "average_price", place))
    else:
        into.stamp(into.number(row, "timestamp", place), 1e-3)
    into.quote(
        name,
        found,
        mark=into.number(row, "mark_price", place),
        index=into.number(row, "index_price", place),
        forward=into.number(pricing, "forward_price", place),
        volatility=into.number(pricing, "iv", place),
    )
