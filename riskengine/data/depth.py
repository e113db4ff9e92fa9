"""Books and quotes from files as ladders of sales: what selling so much was paid.

Four shapes, told apart by their columns:

    timestamp, venue, instrument, side, level, price, qty           a book, level by level
    timestamp, venue, instrument, best_bid, best_ask, bid_qty_Nbp   a book, cumulative within N basis points of its mid
    timestamp, token_in, token_out, amount_in, amount_out           quotes of an aggregator, a batch of sizes at a time
    timestamp, chain, pair, sell_notional_usd, slippage             slippage by size

A series is named by its venue and instrument, tokens, or chain and pair, such as ``binance_spot/BTCUSDT`` or
``WBTC/USDC``.  The mark of a book is its mid; of quotes the best rate of the batch, so that a fee which every size pays
is not seen.  A batch ends where the next quote comes more than ten minutes later; a book is the rows of one stamp.

A venue sends so many levels, not all: beyond the reach of the worst of them a file holds nothing, which is not that
nobody bids there.  A level-by-level book reaches to its last bid.  One by distance reaches to the last edge before the
band in which its depth stops growing (from the next band on less than a hundredth of the mean density so far, in any
snapshot), for that band may be cut.  Where it ends within its last band nothing shows it: `reach` states it.
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
# a band is empty if it has less than this share of the mean density of those above it
_EMPTY = 0.01
# USD bid in one book: Binance's of BTC perpetuals, August 2024, held 0.21e9 within 2 % of the mark
_MOST = 2e9
_NAMED = 12
_POSITIVE = ("price", "best_bid", "best_ask", "amount_in", "sell_notional_usd")
# levels of a book kept, evenly in the logarithm of what is sold
_KEPT = 60
_SHAPES = {
    "book": (("venue", "instrument"), ("side", "price", "qty")),
    "bands": (("venue", "instrument"), ("best_bid", "best_ask")),
    "quotes": (("token_in", "token_out"), ("amount_in", "amount_out")),
    "slippage": (("chain", "pair"), ("sell_notional_usd", "slippage")),
}


def read_ladder(
    file: Path, series: str, contract_usd: float | None = None, reach: float | None = None
) -> tuple[SellLadder, str]:
    """The sales of `series` in a file of any of the shapes, and the SHA-256 of its bytes.

    Parameters
    ----------
    file : Path
        CSV (also ``.gz``) or parquet.
    series : str
    contract_usd : float or None
        Of a book: size of a contract where quantities count contracts; None where they are coins.
    reach : float or None
        Of a book: the distance below the mark down to which it is whole; None finds it.

    Raises
    ------
    InputError
        Where the file has none of the shapes, or not the series, or cells that are no numbers; where a book lacks a
        side, has nothing within its reach, or bids of more than 2e9 USD with `contract_usd` not given.
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
        more = f", ... ({len(known)} in all)" if len(known) > _NAMED else ""
        said = f"series must be one of {', '.join(known[:_NAMED])}{more}, got {series!r}{suggest(series, known, 0.4)}"
        raise InputError(Fault(said, str(file)))
    own = frame[names == series]
    _check_cells(own, values, [c for c in frame.columns if _BAND.fullmatch(str(c))] if shape == "bands" else [], file)
    seconds = seconds_of(own["timestamp"], 2, str(file))
    if shape in ("quotes", "slippage"):
        if contract_usd is not None or reach is not None:
            raise InputError(Fault("contracts and a reach are of books, these are quotes", str(file)))
        batch = _groups(seconds)
        sold, paid = (_quotes if shape == "quotes" else _slippage)(own, batch)
        stamps = own["timestamp"].astype(str).to_numpy()[np.unique(batch, return_index=True)[1]]
        return SellLadder(series, sold, paid, batch, tuple(map(str, stamps))), digest
    try:
        sold, paid, batch, stamps, reach = (_book if shape == "book" else _bands)(own, contract_usd, reach)
    except ValueError as error:
        raise InputError(Fault(f"{series}: {error}", str(file))) from None
    if contract_usd is None and sold.max() > _MOST:
        said = (
            f"{series}: bids of {sold.max():.3g} USD are more than any book holds ({_MOST:g}): quantities that count "
        )
        raise InputError(Fault(said + "contracts need the size of one (--contract-usd)", str(file)))
    return SellLadder(series, sold, paid, batch, stamps, reach), digest


def _check_cells(own: "pandas.DataFrame", values: tuple[str, ...], bands: list[str], file: Path) -> None:
    """InputError with a fault for each row that has a cell which is no number, or not positive where it must be."""
    faults = {}
    for column in (*(v for v in values if v != "side"), *bands):
        cells = numbers(own[column])
        positive = column in _POSITIVE
        for n in np.flatnonzero(~(cells > 0.0 if positive else cells >= 0.0)):
            said = f"{column} must be a number {'>' if positive else '>='} 0, got {own[column].iloc[n]!r}"
            faults.setdefault(int(own.index[n]) + 2, said)
    if faults:
        raise InputError([Fault(said, str(file), row) for row, said in sorted(faults.items())])


def _groups(seconds: np.ndarray) -> np.ndarray:
    """Number of the batch of every row: rows within ten minutes of the one before are of one batch."""
    order = np.argsort(seconds, kind="stable")
    starts = np.diff(seconds[order], prepend=seconds[order[0]]) > _BATCH
    out = np.empty(seconds.size, dtype=np.int64)
    out[order] = np.cumsum(starts)
    return out


def _coins(quantity: np.ndarray, price: np.ndarray | float, contract_usd: float | None) -> np.ndarray:
    return quantity if contract_usd is None else quantity * contract_usd / price


def _book(frame: "pandas.DataFrame", contract_usd: float | None, reach: float | None) -> tuple:
    """(sold, paid, snapshot, stamps, reach) of the rows of each stamp, a book each."""
    code, stamps = frame["timestamp"].astype(str).factorize()
    bid = (frame["side"].astype(str) == "bid").to_numpy()
    price, quantity = numbers(frame["price"]), numbers(frame["qty"])
    books = []
    for n, stamp in enumerate(stamps):
        bids, asks = (np.flatnonzero((code == n) & own & (quantity > 0.0)) for own in (bid, ~bid))
        if not (bids.size and asks.size):
            raise ValueError(f"the book of {stamp} must have bids and asks, got {bids.size} and {asks.size}")
        bids = bids[np.argsort(-price[bids], kind="stable")]
        books.append((bids, 0.5 * (price[bids[0]] + price[asks].min())))
    if reach is None:
        reach = float(np.ceil(1e6 * min(1.0 - price[bids[-1]] / mark for bids, mark in books))) / 1e6
    sold, paid, snapshot = [], [], []
    for n, (own, mark) in enumerate(books):
        bids = own[price[own] >= mark * (1.0 - reach * (1 + 1e-9))]
        if not bids.size:
            raise ValueError(f"the book of {stamps[n]} must have bids within {reach:g} of its mark, got none")
        level = price[bids]
        coins = _coins(quantity[bids], level, contract_usd)
        total, proceeds = np.cumsum(coins) * mark, np.cumsum(coins * level)
        wanted = np.geomspace(total[0], total[-1], _KEPT)
        kept = np.unique(np.searchsorted(total, wanted * (1 - 1e-12)))
        sold.append(total[kept])
        paid.append(proceeds[kept])
        snapshot.append(np.full(kept.size, n))
    return np.concatenate(sold), np.concatenate(paid), np.concatenate(snapshot), tuple(stamps), reach


def band_depths(frame: "pandas.DataFrame", contract_usd: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Edges (K + 1,) of the bands of a book, and USD at the mark in each of every snapshot (N, K)."""
    points = sorted((int(m[1]), str(c)) for c in frame.columns if (m := _BAND.fullmatch(str(c))))
    mark = 0.5 * (numbers(frame["best_bid"]) + numbers(frame["best_ask"]))
    cumulative = np.stack([_coins(numbers(frame[c]), mark, contract_usd) * mark for _, c in points], axis=1)
    return np.array([0.0, *(bp / 1e4 for bp, _ in points)]), np.diff(cumulative, axis=1, prepend=0.0)


def _bands(frame: "pandas.DataFrame", contract_usd: float | None, reach: float | None) -> tuple:
    """(sold, paid, snapshot, stamps, reach) of each row, a book each."""
    edges, depth = band_depths(frame, contract_usd)
    if reach is None:
        reach = _reach(edges, depth)
    whole = int(np.sum(edges[1:] <= reach * (1 + 1e-9)))
    empty = np.flatnonzero(depth[:, :whole].sum(axis=1) <= 0.0)
    stamps = tuple(frame["timestamp"].astype(str))
    if empty.size:
        raise ValueError(
            f"the book of {stamps[empty[0]]} must have bids in a band within its reach {reach:g}, got none"
        )
    sold, paid, snapshot = [], [], []
    for n, own in enumerate(depth[:, :whole]):
        book = BookLadder(tuple(edges[: whole + 1]), {"X": tuple(own)}, 0.0)
        size = np.unique(np.cumsum(own)[np.cumsum(own) > 0.0])
        sold.append(size)
        paid.append(size * (1.0 - modelled_slippage(book, "X", size)))
        snapshot.append(np.full(size.size, n))
    return np.concatenate(sold), np.concatenate(paid), np.concatenate(snapshot), stamps, float(edges[whole])


def _reach(edges: np.ndarray, depth: np.ndarray) -> float:
    """The last edge (K + 1,) before the band in which the depth (N, K) stops growing, the least of all snapshots."""
    mean = np.cumsum(depth, axis=1) / edges[1:]
    grows = depth[:, 1:] / np.diff(edges[1:]) >= _EMPTY * mean[:, :-1]
    # number of the last band that grows; the one band of a book with no more is its last
    last = np.max(np.where(grows, np.arange(1, edges.size - 1), 0), axis=1, initial=0)
    return float(edges[np.min(np.where(last == edges.size - 2, edges.size - 1, last))])


def _quotes(frame: "pandas.DataFrame", batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    coins, paid = numbers(frame["amount_in"]), numbers(frame["amount_out"])
    best = np.array([(paid[batch == n] / coins[batch == n]).max() for n in np.unique(batch)])
    return coins * best[batch], paid


def _slippage(frame: "pandas.DataFrame", batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sold = numbers(frame["sell_notional_usd"])
    return sold, sold * (1.0 - numbers(frame["slippage"]))
