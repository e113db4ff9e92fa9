"""Books and quotes from files as ladders of sales: what selling so much was paid.

Four shapes, told apart by their columns:

    timestamp, venue, instrument, side, level, price, qty           a book, level by level
    timestamp, venue, instrument, best_bid, best_ask, bid_qty_Nbp   a book, cumulative within N basis points of its mid
    timestamp, token_in, token_out, amount_in, amount_out           quotes of an aggregator, a batch of sizes at a time
    timestamp, chain, pair, sell_notional_usd, slippage             slippage by size

A series is named by its venue and instrument, tokens, or chain and pair, such as ``binance_spot/BTCUSDT`` or
``WBTC/USDC``.  The mark of a book is its mid; of quotes the best rate of the batch, so that a fee which every size pays
is not seen.  A batch ends where the next quote comes more than ten minutes later.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from riskengine.calibrate.liquidity import SellLadder, modelled_slippage
from riskengine.data.table import numbers, read_frame, seconds_of
from riskengine.errors import Fault, InputError, suggest
from riskengine.liquidity.order_book import BookLadder

if TYPE_CHECKING:
    import pandas

_BAND = re.compile(r"bid_qty_(\d+)bp")
_BATCH = 600
# levels of a book kept, evenly in the logarithm of what is sold
_KEPT = 60
_SHAPES = {
    "book": (("venue", "instrument"), ("side", "price", "qty")),
    "bands": (("venue", "instrument"), ("best_bid", "best_ask")),
    "quotes": (("token_in", "token_out"), ("amount_in", "amount_out")),
    "slippage": (("chain", "pair"), ("sell_notional_usd", "slippage")),
}


def read_ladder(file: Path, series: str, contract_usd: float | None = None) -> tuple[SellLadder, str]:
    """The sales of `series` in a file of any of the shapes, and the SHA-256 of its bytes.

    Parameters
    ----------
    file : Path
        CSV (also ``.gz``) or parquet.
    series : str
    contract_usd : float or None
        Size of a contract where quantities count contracts; None where they are coins.

    Raises
    ------
    InputError
        Where the file has none of the shapes, or not the series, or cells that are no numbers.
    """
    frame, digest = read_frame(file)
    columns = {str(c) for c in frame.columns}
    shape = next((s for s, (a, b) in _SHAPES.items() if {"timestamp", *a, *b} <= columns), None)
    if shape == "bands" and not any(_BAND.fullmatch(c) for c in columns):
        shape = None
    if shape is None:
        wanted = "; ".join(", ".join(("timestamp", *a, *b)) for a, b in _SHAPES.values())
        raise InputError(Fault(f"must have the columns of a book or of quotes: {wanted}", str(file)))
    naming, values = _SHAPES[shape]
    names = frame[list(naming)].astype(str).agg("/".join, axis=1)
    if not (names == series).any():
        known = sorted(set(names))
        said = f"series must be one of {', '.join(known[:80])}, got {series!r}{suggest(series, known)}"
        raise InputError(Fault(said, str(file)))
    own = frame[names == series]
    bands = [c for c in frame.columns if _BAND.fullmatch(str(c))] if shape == "bands" else []
    for column in (*(v for v in values if v != "side"), *bands):
        bad = np.flatnonzero(~(numbers(own[column]) >= 0.0))
        if bad.size:
            row = int(own.index[bad[0]]) + 2
            raise InputError(Fault(f"{column} must be a number >= 0, got {own[column].iloc[bad[0]]!r}", str(file), row))
    seconds = seconds_of(own["timestamp"], 2, str(file))
    read = {"book": _book, "bands": _bands, "quotes": _quotes, "slippage": _slippage}[shape]
    sold, paid, snapshot = read(own, seconds, contract_usd) if shape in ("book", "bands") else read(own, seconds)
    stamps = own["timestamp"].astype(str).to_numpy()
    taken = np.arange(len(own)) if shape == "bands" else np.unique(_groups(seconds), return_index=True)[1]
    return SellLadder(series, sold, paid, snapshot, tuple(str(stamps[n]) for n in taken)), digest


def _groups(seconds: np.ndarray) -> np.ndarray:
    """Number of the batch of every row: rows within ten minutes of the one before are of one batch."""
    order = np.argsort(seconds, kind="stable")
    starts = np.diff(seconds[order], prepend=seconds[order[0]]) > _BATCH
    out = np.empty(seconds.size, dtype=np.int64)
    out[order] = np.cumsum(starts)
    return out


def _coins(quantity: np.ndarray, price: np.ndarray | float, contract_usd: float | None) -> np.ndarray:
    return quantity if contract_usd is None else quantity * contract_usd / price


def _book(frame: "pandas.DataFrame", seconds: np.ndarray, contract_usd: float | None) -> tuple:
    bids = (frame["side"].astype(str) == "bid").to_numpy()
    price, quantity = numbers(frame["price"]), numbers(frame["qty"])
    mark = 0.5 * (price[bids].max() + price[~bids].min())
    order = np.argsort(-price[bids], kind="stable")
    level = price[bids][order]
    coins = _coins(quantity[bids][order], level, contract_usd)
    sold, paid = np.cumsum(coins) * mark, np.cumsum(coins * level)
    wanted = np.geomspace(sold[0], sold[-1], _KEPT)
    kept = np.unique(np.searchsorted(sold, wanted * (1 - 1e-12)))
    return sold[kept], paid[kept], np.zeros(kept.size, dtype=np.int64)


def band_depths(frame: "pandas.DataFrame", contract_usd: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Edges (K + 1,) of the bands of a book, and USD at the mark in each of every snapshot (N, K)."""
    points = sorted((int(m[1]), str(c)) for c in frame.columns if (m := _BAND.fullmatch(str(c))))
    mark = 0.5 * (numbers(frame["best_bid"]) + numbers(frame["best_ask"]))
    cumulative = np.stack([_coins(numbers(frame[c]), mark, contract_usd) * mark for _, c in points], axis=1)
    return np.array([0.0, *(bp / 1e4 for bp, _ in points)]), np.diff(cumulative, axis=1, prepend=0.0)


def _bands(frame: "pandas.DataFrame", seconds: np.ndarray, contract_usd: float | None) -> tuple:
    edges, depth = band_depths(frame, contract_usd)
    sold, paid, snapshot = [], [], []
    for n, own in enumerate(depth):
        book = BookLadder(tuple(edges), {"X": tuple(own)}, 0.0)
        size = np.unique(np.cumsum(own)[np.cumsum(own) > 0.0])
        sold.append(size)
        paid.append(size * (1.0 - modelled_slippage(book, "X", size)))
        snapshot.append(np.full(size.size, n))
    return np.concatenate(sold), np.concatenate(paid), np.concatenate(snapshot)


def _quotes(frame: "pandas.DataFrame", seconds: np.ndarray) -> tuple:
    coins, paid = numbers(frame["amount_in"]), numbers(frame["amount_out"])
    batch = _groups(seconds)
    best = np.array([(paid[batch == n] / coins[batch == n]).max() for n in np.unique(batch)])
    return coins * best[batch], paid, batch


def _slippage(frame: "pandas.DataFrame", seconds: np.ndarray) -> tuple:
    sold = numbers(frame["sell_notional_usd"])
    return sold, sold * (1.0 - numbers(frame["slippage"])), _groups(seconds)
