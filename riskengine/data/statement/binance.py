"""Binance: ``positionRisk`` of USD-M and COIN-M futures, ``eapi`` option positions and marks, and balances.

USD-M sizes and options count coins; a COIN-M contract is 100 USD of BTC and 10 USD of every other coin.  A wallet
balance leaves out unrealised profit, so it is cash; that of portfolio margin holds the coins of the margin account too,
borrowed ones among them, which are owed with their interest.  ``account`` and ``balance`` say the same of one wallet.
Reference: developers.binance.com.
"""

import re
from typing import Any

from riskengine.data.statement.statement import Statement
from riskengine.data.statement.terms import Terms, dated

_WHOLE = "totalWalletBalance"  # of a portfolio-margin account


def terms(name: str) -> Terms | None:
    """``BTCUSDT``, ``BTCUSDT_260327``, ``BTCUSD_PERP``, ``BTC-260327-70000-C``."""
    if "-" in name:
        asset, *rest = name.split("-")
        return dated(asset, "USDT", *rest) if len(rest) == 3 else None
    pair, _, day = name.partition("_")
    found = re.fullmatch(r"([A-Z0-9]+?)(USDT|USDC|USD)", pair)
    if not found:
        return None
    asset, quote = found[1], found[2]
    currency = asset if quote == "USD" else quote
    if day in ("", "PERP"):
        return Terms(asset, "perpetual", currency)
    return dated(asset, currency, day)


def role(row: dict[str, Any]) -> str | None:
    """What a row of a response is."""
    if "/" in str(row.get("symbol", "")):  # a name of ccxt
        return None
    if "symbol" in row:
        if {"positionAmt", "entryPrice"} <= set(row) or ("optionSide" in row and "quantity" in row):
            return "position"
        return "quote" if "markIV" in row or ("markPrice" in row and "indexPrice" in row) else None
    cash = "balance" in row and "accountAlias" in row
    return "cash" if "asset" in row and (cash or {"walletBalance", _WHOLE} & set(row)) else None


def read(what: str, row: dict[str, Any], place: str, into: Statement) -> None:
    """Take one row."""
    if what == "cash":
        key = next(k for k in (_WHOLE, "walletBalance", "balance") if k in row)
        amount = into.number(row, key, place)
        if key == _WHOLE and amount is not None:
            amount -= sum(into.number(row, k, place) or 0.0 for k in ("crossMarginBorrowed", "crossMarginInterest"))
        into.cash(place, str(row["asset"]), amount, key)
        into.stamp(into.number(row, "updateTime", place), 1e-3)
        return
    name = str(row["symbol"])
    found = terms(name)
    into.stamp(into.number(row, "updateTime" if "updateTime" in row else "time", place), 1e-3)
    into.quote(
        name,
        found,
        mark=into.number(row, "markPrice", place),
        index=into.number(row, "indexPrice", place),
        volatility=into.number(row, "markIV", place),
    )
    # an account lists the positions that positionRisk lists; one row a symbol and side
    if what == "quote" or into.known(name, row.get("positionSide", "BOTH")):
        return
    size = into.number(row, "positionAmt" if "positionAmt" in row else "quantity", place)
    if size is not None and row.get("side") == "SHORT":
        size = -abs(size)
    in_coin = found is not None and found.settlement == "inverse"
    each = (100.0 if found.asset == "BTC" else 10.0) if in_coin else 1.0
    into.hold(place, name, found, size, into.number(row, "entryPrice", place), size=each)
