"""Option chains from files: one snapshot after another, every fault of a file named with its row."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from riskengine.calibrate.pricing_law.quotes import OptionQuotes
from riskengine.data.table import between, is_csv, numbers, read_frame, seconds_of, span
from riskengine.errors import Fault, InputError, UsageError
from riskengine.market.chain import ChainSeries, ChainSnapshot

if TYPE_CHECKING:
    import pandas

_NEEDED = ("timestamp", "underlying", "expiry", "strike", "type", "bid", "ask", "underlying_price")
_NUMBERS = ("strike", "bid", "ask", "underlying_price", "mark", "open_interest", "index_price")
_SHOWN = 10


@dataclass(frozen=True)
class ChainFile:
    """The chains of one asset in a file.

    Attributes
    ----------
    name, sha256 : str
        File name and the hash of its bytes.
    asset : str
    snapshots : tuple of OptionQuotes
        In order of time.
    """

    name: str
    sha256: str
    asset: str
    snapshots: tuple[OptionQuotes, ...]

    def __iter__(self) -> Iterator[OptionQuotes]:
        return iter(self.snapshots)

    def at(self, stamp: str | None) -> OptionQuotes:
        """The last snapshot at or before `stamp` (ISO 8601, UTC), the last of all where it is None."""
        if stamp is None:
            return self.snapshots[-1]
        try:
            wanted = int(np.datetime64(stamp.removesuffix("Z"), "s").astype(np.int64))
        except ValueError:
            raise UsageError(f"a snapshot must be an ISO stamp such as 2026-02-05T21:29, got {stamp!r}") from None
        found = [q for q in self.snapshots if q.seconds <= wanted]
        if not found:
            first = np.datetime64(self.snapshots[0].seconds, "s")
            raise UsageError(f"{self.name}: a snapshot must be at or after the first, {first}Z, got {stamp!r}")
        return found[-1]


def load_chains(file: Path, asset: str, *, start: str | None = None, end: str | None = None) -> ChainFile:
    """Snapshots of the chain of `asset` from a CSV or parquet file.

    Columns: timestamp, underlying, expiry, strike, type (C or P), bid, ask, underlying_price (the forward of the
    expiry), and where they are known mark and open_interest.  Prices are in coin; a missing bid or ask is empty or 0.
    Other columns are ignored.

    Parameters
    ----------
    file : Path
    asset : str
        Value of the column ``underlying``.
    start, end : str, optional
        ISO dates (UTC); snapshots from `start` on and before `end` are kept.

    Raises
    ------
    InputError
        Where columns or the asset are missing, or a row has no stamp, no strike, no forward or another type; every
        kind of fault, with its first rows.
    """
    frame, digest = _read(file, _NEEDED)
    frame = _of_asset(frame, asset, file, start, end)
    return ChainFile(file.name, digest, asset, tuple(_snapshots(frame, asset)))


def load_chain_series(
    file: Path, assets: tuple[str, ...], *, start: str | None = None, end: str | None = None
) -> tuple[ChainSeries, ...]:
    """Chains of several assets with their marks and index, for replays; columns mark and index_price are needed too.

    Parameters and errors as of `load_chains`.  The index of a snapshot is the median of its rows.
    """
    frame, digest = _read(file, (*_NEEDED, "mark", "index_price"))
    out = []
    for asset in assets:
        own = _of_asset(frame, asset, file, start, end)
        wrong = own.index.to_numpy()[~(own["index_price"].to_numpy() > 0)] + (2 if is_csv(file) else 0)
        if wrong.size:
            more = f", in {wrong.size} rows" if wrong.size > 1 else ""
            raise InputError(Fault(f"index_price must be a positive number{more}", str(file), int(wrong[0])))
        out.append(ChainSeries(asset, tuple(_chain(own, asset)), file.name, digest))
    return tuple(out)


def _read(file: Path, needed: tuple[str, ...]) -> tuple["pandas.DataFrame", str]:
    """The file as a table with lower-case columns, all those `needed` among them, and its hash."""
    frame, digest = read_frame(file)
    frame = frame.rename(columns={c: str(c).strip().lower() for c in frame.columns})
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise InputError(
            Fault(f"columns {', '.join(missing)} must be given, got {list(map(str, frame.columns))}", str(file))
        )
    return frame, digest


def _of_asset(
    frame: "pandas.DataFrame", asset: str, file: Path, start: str | None, end: str | None
) -> "pandas.DataFrame":
    """Checked rows of one asset between two dates, stamps in seconds and prices as numbers."""
    name = str(file)
    assets = frame["underlying"].astype(str)
    known = sorted(set(assets))
    if asset not in known:
        raise InputError(
            Fault(f"asset must be one of {', '.join(known) or 'none, the file is empty'}, got {asset!r}", name)
        )
    frame = frame[(assets == asset).to_numpy()]
    first_row = 2 if is_csv(file) else 0
    stamps = {c: seconds_of(frame[c], first_row, name) for c in ("timestamp", "expiry")}
    values = {c: numbers(frame[c]) if c in frame.columns else np.full(len(frame), np.nan) for c in _NUMBERS}
    frame = frame.assign(**stamps, **values)
    _check(frame, first_row, name)
    frame = frame[between(frame["timestamp"].to_numpy(), start, end)]
    if frame.empty:
        raise InputError(Fault(f"chains of {asset} must hold rows {span(start, end)}, got none", name))
    return frame


def _check(frame: "pandas.DataFrame", first_row: int, name: str) -> None:
    kinds = frame["type"].astype(str).str.upper()
    tests = (
        ("strike must be a positive number", ~(frame["strike"].to_numpy() > 0)),
        ("underlying_price must be a positive number", ~(frame["underlying_price"].to_numpy() > 0)),
        ("type must be C or P", ~kinds.isin(["C", "P"]).to_numpy()),
    )
    faults = []
    for wanted, wrong in tests:
        rows = frame.index.to_numpy()[wrong] + first_row
        faults += [Fault(wanted, name, int(row)) for row in rows[:_SHOWN]]
        if rows.size > _SHOWN:
            faults.append(Fault(f"{wanted}, in {rows.size - _SHOWN} rows more", name))
    if faults:
        raise InputError(faults)


def _snapshots(frame: "pandas.DataFrame", asset: str) -> Iterator[OptionQuotes]:
    for seconds, rows, own in _by_stamp(frame):
        interest = rows["open_interest"].to_numpy(dtype=np.float64)
        yield OptionQuotes(asset, seconds, rows["expiry"].to_numpy(), open_interest=interest, **own)


def _chain(frame: "pandas.DataFrame", asset: str) -> Iterator[ChainSnapshot]:
    for seconds, rows, own in _by_stamp(frame):
        yield ChainSnapshot(asset, seconds, float(rows["index_price"].median()), rows["expiry"].to_numpy(), **own)


def _by_stamp(frame: "pandas.DataFrame") -> Iterator[tuple[int, "pandas.DataFrame", dict[str, np.ndarray]]]:
    """Rows of each snapshot in order of time, with the columns that every record of a chain has."""
    names = {"strike": "strike", "forward": "underlying_price", "bid": "bid", "ask": "ask", "mark": "mark"}
    for seconds, rows in frame.groupby("timestamp", sort=True):
        own = {name: rows[column].to_numpy(dtype=np.float64) for name, column in names.items()}
        own["sign"] = np.where(rows["type"].astype(str).str.upper() == "C", 1.0, -1.0)
        yield int(seconds), rows, own
