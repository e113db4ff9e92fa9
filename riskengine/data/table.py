"""A price file of any accepted shape as one long table: stamp, asset, price, and where each row came from."""

import gzip
import hashlib
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.errors import Fault, InputError, UsageError, refuse_pointer

if TYPE_CHECKING:
    import pandas

_STAMPS = ("timestamp", "time", "date", "datetime", "open_time")
_SYMBOLS = ("symbol", "asset", "ticker", "pair")
_PRICES = ("close", "price")
_QUOTES = re.compile(r"[-_/:.]?(USD|USDT|USDC|BUSD|FDUSD)?([-_/:.]?(PERP|PERPETUAL|SPOT|SWAP))?")


@dataclass(frozen=True)
class Table:
    """Rows of a price file for the assets asked for, in file order.

    Attributes
    ----------
    seconds : ndarray of int, shape (N,)
        Unix time.
    asset : ndarray of int, shape (N,)
        Position in the list of assets asked for.
    price : ndarray, shape (N,)
        USD; NaN where the file has no number.
    row : ndarray of int, shape (N,)
        Line of a CSV file, row of a parquet file.
    flat : ndarray of bool, shape (N,)
        Bars without volume.
    sources : dict of int to list of str
        Names in the column ``source`` of each asset, where the file has one.
    sha256 : str
        Of the bytes of the file.
    """

    seconds: Ints
    asset: Ints
    price: Floats
    row: Ints
    flat: np.ndarray
    sources: dict[int, list[str]]
    sha256: str


def read_table(file: Path, assets: tuple[str, ...], source: str | None = None) -> Table:
    """Read CSV (also ``.gz``) or parquet, long (timestamp, symbol, close) or, in CSV, wide (timestamp, BTC, ETH).

    Other columns are ignored; ``BTCUSDT``, ``BTC-USD`` and ``BTC/USDT-PERP`` mean ``BTC``.  `source` keeps the rows
    whose column ``source`` has this name.

    Raises
    ------
    InputError
        Where the file is missing, unreadable, empty, lacks columns or assets, or has stamps that are none.
    UsageError
        Where parquet is asked for and pyarrow is not installed.
    """
    frame, digest = read_frame(file)
    name = str(file)
    columns = {str(c).strip().lower(): c for c in frame.columns}
    stamp = next((columns[c] for c in _STAMPS if c in columns), None)
    if stamp is None:
        legal = ", ".join(_STAMPS)
        raise InputError(
            Fault(f"a column of stamps must be given ({legal}), got {list(map(str, frame.columns))}", name)
        )
    if frame.empty:
        raise InputError(Fault("prices must hold at least one row, got none", name))
    if source is not None:
        frame = _of_source(frame, columns, source, name)
    first_row = 2 if is_csv(file) else 0
    seconds = seconds_of(frame[stamp], first_row, name)
    symbol = next((columns[c] for c in _SYMBOLS if c in columns), None)
    price = next((columns[c] for c in _PRICES if c in columns), None)
    rows = frame.index.to_numpy() + first_row
    if price is None:
        which, values, at = _wide(frame, assets, name)
        flat = np.zeros(values.size, dtype=bool)
        sources: dict[int, list[str]] = {}
    else:
        which = _assets_of(frame, symbol, assets, name)
        at = np.flatnonzero(which >= 0)
        which, values = which[at], numbers(frame[price])[at]
        volume = columns.get("volume")
        flat = np.zeros(at.size, dtype=bool) if volume is None else numbers(frame[volume])[at] == 0.0
        sources = _sources(frame, columns, which, at)
    return Table(seconds[at], which, values, rows[at], flat, sources, digest)


def is_csv(file: Path) -> bool:
    """Whether rows of the file are lines, counted from 1 with a head, rather than rows of a parquet file."""
    return ".parquet" not in file.suffixes


def read_frame(file: Path) -> tuple["pandas.DataFrame", str]:
    """A CSV or parquet file as a table, and the SHA-256 of its bytes; errors as of `read_table`."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(Fault("no such file", str(file))) from None
    except OSError as error:
        raise InputError(Fault(f"cannot be read: {error.strerror}", str(file))) from None
    refuse_pointer(content, str(file))
    digest = hashlib.sha256(content).hexdigest()
    if not is_csv(file):
        try:
            import pyarrow  # noqa: F401 - the reader of parquet files; pandas would say less clearly that it is absent
        except ImportError:
            raise UsageError(f"{file}: reading parquet needs pyarrow: pip install pyarrow") from None
    import pandas

    try:
        return (pandas.read_csv(file) if is_csv(file) else pandas.read_parquet(file)), digest
    except pandas.errors.EmptyDataError:
        raise InputError(Fault("prices must hold at least one row, got an empty file", str(file))) from None
    except (pandas.errors.ParserError, OSError, ValueError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        form = "CSV" if is_csv(file) else "parquet"
        raise InputError(
            Fault(f"must be a readable {form} file, got {str(error).splitlines()[0]}", str(file))
        ) from None


def _of_source(frame: "pandas.DataFrame", columns: dict, source: str, name: str) -> "pandas.DataFrame":
    column = columns.get("source")
    known = [] if column is None else sorted(set(frame[column].astype(str)))
    if source not in known:
        raise InputError(
            Fault(f"source must be one of {', '.join(known) or 'none, there is no such column'}, got {source!r}", name)
        )
    return frame[frame[column].astype(str) == source]


def numbers(column: "pandas.Series") -> Floats:
    """Numbers of a column; NaN where a cell has none."""
    import pandas

    return pandas.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def seconds_of(column: "pandas.Series", first_row: int, name: str) -> Ints:
    """Unix seconds: from datetimes (without a zone: UTC), ISO texts, or numbers in s, ms, us or ns by their size."""
    import pandas

    if pandas.api.types.is_numeric_dtype(column):
        raw = column.to_numpy(dtype=np.float64, na_value=np.nan)
        size = np.nanmax(np.abs(raw)) if np.isfinite(raw).any() else 0.0
        unit = next((u for u, top in (("s", 1e11), ("ms", 1e14), ("us", 1e17)) if size < top), "ns")
        stamps = pandas.to_datetime(column, unit=unit, utc=True, errors="coerce")
    else:
        stamps = (
            pandas.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
            if column.dtype.kind != "M"
            else column
        )
        if stamps.dt.tz is None:
            stamps = stamps.dt.tz_localize("UTC")
    bad = np.flatnonzero(stamps.isna().to_numpy())
    if bad.size:
        raise InputError(
            [
                Fault(
                    f"timestamp must be an ISO date or a Unix time, got {column.iloc[i]!r}",
                    name,
                    int(stamps.index[i]) + first_row,
                )
                for i in bad[:10]
            ]
        )
    return stamps.to_numpy(dtype="datetime64[s]").astype(np.int64)


def between(seconds: Ints, start: str | None, end: str | None) -> np.ndarray:
    """Which Unix times lie from the ISO date `start` on and before `end`, boolean; InputError where one is no date."""
    keep = np.ones(seconds.size, dtype=bool)
    for name, text in (("start", start), ("end", end)):
        if text is None:
            continue
        try:
            edge = int(np.datetime64(text, "s").astype(np.int64))
        except ValueError:
            raise InputError(f"{name} must be an ISO date such as 2023-01-31, got {text!r}") from None
        keep &= seconds >= edge if name == "start" else seconds < edge
    return keep


def asset_of(symbol: str, assets: tuple[str, ...]) -> int:
    """Position of the asset that a venue's symbol means, -1 where none: ``BTCUSDT``, ``BTC-USD``, ``BTC/USDT-PERP``."""
    text = symbol.strip().upper()
    for position, asset in enumerate(assets):
        if text.startswith(asset.upper()) and _QUOTES.fullmatch(text[len(asset) :]):
            return position
    return -1


def _assets_of(frame: "pandas.DataFrame", symbol: object, assets: tuple[str, ...], name: str) -> Ints:
    if symbol is None:
        if len(assets) == 1:
            return np.zeros(len(frame), dtype=np.int64)
        raise InputError(Fault(f"a column of symbols must be given ({', '.join(_SYMBOLS)}) for assets {assets}", name))
    names = frame[symbol].astype(str)
    found = {s: asset_of(s, assets) for s in names.unique()}
    by_asset = {a: [s for s, i in found.items() if i == p] for p, a in enumerate(assets)}
    faults = [
        Fault(f"asset {a} must be in the file, got symbols {', '.join(sorted(found)[:20])}", name)
        for a, s in by_asset.items()
        if not s
    ]
    faults += [
        Fault(f"asset {a} must have one symbol, got {', '.join(s)}", name) for a, s in by_asset.items() if len(s) > 1
    ]
    if faults:
        raise InputError(faults)
    return names.map(found).to_numpy(dtype=np.int64)


def _wide(frame: "pandas.DataFrame", assets: tuple[str, ...], name: str) -> tuple[Ints, Floats, Ints]:
    found = {c: asset_of(str(c), assets) for c in frame.columns}
    columns = {p: [c for c, i in found.items() if i == p] for p in range(len(assets))}
    faults = [
        Fault(f"column close, or one column of {assets[p]}, must be given, got {list(map(str, frame.columns))}", name)
        for p, c in columns.items()
        if len(c) != 1
    ]
    if faults:
        raise InputError(faults)
    count = len(frame)
    values = np.concatenate([numbers(frame[columns[p][0]]) for p in range(len(assets))])
    return np.repeat(np.arange(len(assets)), count), values, np.tile(np.arange(count), len(assets))


def _sources(frame: "pandas.DataFrame", columns: dict, which: Ints, at: Ints) -> dict[int, list[str]]:
    if "source" not in columns:
        return {}
    names = frame[columns["source"]].astype(str).to_numpy()[at]
    return {int(p): sorted(set(names[which == p])) for p in np.unique(which)}


def span(start: object, end: object) -> str:
    """``between A and B``, ``from A on``, ``before B`` or ``at all``: the dates a user asked for."""
    if start is None and end is None:
        return "at all"
    if start is None:
        return f"before {end}"
    return f"from {start} on" if end is None else f"between {start} and {end}"
