"""OKX: ``account/positions``, ``account/balance``, ``public/instruments`` and ``public/opt-summary``.

Sizes count contracts: of ``ctVal`` times ``ctMult`` coins (linear, and options) or dollars (inverse).  What one of BTC
or ETH is depends on what it settles in too; the known ones stand in `_SIZES`, others need the answer of
``public/instruments``.  Reference: www.okx.com/docs-v5; www.okx.com/help/7053456733325 (perpetuals in coin, USDT)
and okx-to-list-usdc-perpetual-for-btc-eth (in USDC, 17 October 2022); answers of ``public/instruments``.
"""

from dataclasses import replace
from typing import Any

from riskengine.data.statement.statement import Statement
from riskengine.data.statement.terms import Terms, dated

# second part of the name and kind -> contract size by asset, where a source says so
_SIZES = {
    ("USDT", "perpetual"): {"BTC": 0.01, "ETH": 0.1},
    ("USDC", "perpetual"): {"BTC": 0.0001, "ETH": 0.001},
    ("USD_UM", "future"): {"BTC": 0.01},
    ("USD", "perpetual"): {"BTC": 100.0, "ETH": 10.0},
    ("USD", "future"): {"BTC": 100.0, "ETH": 10.0},
    ("USD", "option"): {"BTC": 0.01, "ETH": 0.1},
}


def terms(name: str) -> Terms | None:
    """``BTC-USDT-SWAP``, ``BTC-USD-260327``, ``BTC-USD-260327-70000-C``; ``BTC-USD_UM-SWAP`` settles in dollars."""
    asset, *rest = name.split("-")
    if len(rest) < 2:
        return None
    currency = asset if rest[0] == "USD" else rest[0].removesuffix("_UM")
    if rest[1:] == ["SWAP"]:
        return Terms(asset, "perpetual", currency)
    return dated(asset, currency, *rest[1:]) if len(rest) in (2, 4) else None


def role(row: dict[str, Any]) -> str | None:
    """What a row of a response is."""
    if "instId" in row:
        if "pos" in row:
            return "position"
        if "ctVal" in row:
            return "instrument"
        return "quote" if {"markVol", "fwdPx", "markPx", "idxPx"} & set(row) else None
    return "account" if "ccy" in row and "eq" in row else None


def read(what: str, row: dict[str, Any], place: str, into: Statement) -> None:
    """Take one row."""
    if what == "account":
        into.equity(place, str(row["ccy"]), into.number(row, "eq", place))
        into.stamp(into.number(row, "uTime", place), 1e-3)
        return
    name = str(row["instId"])
    found = terms(name)
    if what == "instrument":
        value, multiple = (into.number(row, key, place) for key in ("ctVal", "ctMult"))
        if value is not None:
            into.sizes[name] = value * (1.0 if multiple is None else multiple)
        return
    if found is not None and found.currency == "USD" and row.get("ccy"):
        # a dollar-margined contract settles in any of several dollars: the row says in which
        found = replace(found, currency=str(row["ccy"]))
    into.stamp(into.number(row, "uTime" if what == "position" else "ts", place), 1e-3)
    into.quote(
        name,
        found,
        mark=into.number(row, "markPx", place),
        index=into.number(row, "idxPx", place),
        forward=into.number(row, "fwdPx", place),
        volatility=into.number(row, "markVol", place),
    )
    if what == "position":
        size = into.number(row, "pos", place)
        if size is not None and row.get("posSide") == "short":
            size = -abs(size)
        into.hold(place, name, found, size, into.number(row, "avgPx", place), size=_size(name, found))


def _size(name: str, found: Terms | None) -> float | None:
    """Contract size where it is known without an answer that says it."""
    return None if found is None else _SIZES.get((name.split("-")[1], found.kind), {}).get(found.asset)
