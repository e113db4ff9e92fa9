"""Every series of a file: prices by symbol and source, or returns with forecasts beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from riskengine.data.prices import stamp_text
from riskengine.data.table import between, is_csv, numbers, read_frame, seconds_of, span
from riskengine.errors import Fault, InputError, suggest
from riskengine.market.record import ForecastRecord, PriceRecord

if TYPE_CHECKING:
    import pandas

_STAMPS = ("timestamp", "time", "date", "datetime", "open_time")
_SYMBOLS = ("symbol", "asset", "ticker", "pair", "series")
_PRICES = ("close", "price", "value")
_SOURCES = ("source", "venue")


def price_records(
    file: Path,
    series: tuple[str, ...] = (),
    source: str | None = None,
    start: str | None = None,
    end: str | None = None,
    returns: Mapping[str, tuple[bool, float]] | None = None,
    ordinal: Mapping[str, int] | None = None,
) -> list[PriceRecord]:
    """Price series of a long file (timestamp, symbol, close, source) in order of symbol and source.

    Parameters
    ----------
    file : Path
        CSV (also ``.gz``) or parquet.
    series : tuple of str
        Names to take, ``BTC`` for all of a symbol or ``BTC binance/ry`` for one source of it; empty takes all.
    source : str, optional
        Only this source.
    start, end : str, optional
        ISO dates; bars from `start` on and before `end`.
    returns : mapping of str to (bool, float), optional
        Series that hold returns: whether logarithmic, and what a one means.  Their record holds an index that starts
        at 1 one bar before the first of them.
    ordinal : mapping of str to int, optional
        Series whose stamps say an order only, and the seconds of a bar; dates do not cut them.

    Raises
    ------
    InputError
        With every fault: missing columns, stamps that do not increase, prices that are not positive, unknown names.
    """
    returns, ordinal = returns or {}, ordinal or {}
    frame, digest = read_frame(file)
    columns = {str(c).strip().lower(): c for c in frame.columns}
    stamp, price = (_column(columns, names, frame, str(file)) for names in (_STAMPS, _PRICES))
    symbol = next((columns[c] for c in _SYMBOLS if c in columns), None)
    venue = next((columns[c] for c in _SOURCES if c in columns), None)
    empty = np.full(len(frame), "", dtype=object)
    symbols = (
        np.full(len(frame), file.name.partition(".")[0], dtype=object) if symbol is None else _texts(frame, symbol)
    )
    sources = empty if venue is None else _texts(frame, venue)
    if source is not None and source not in set(sources):
        known = ", ".join(sorted(set(sources))) if venue is not None else "none, there is no such column"
        raise InputError(Fault(f"source must be one of {known}, got {source!r}", str(file)))
    values = numbers(frame[price])
    pairs = sorted(set(zip(symbols, sources, strict=True)))
    several = {s for s in set(symbols) if sum(pair[0] == s for pair in pairs) > 1}
    names = {pair: f"{pair[0]} {pair[1]}" if pair[0] in several else pair[0] for pair in pairs}
    faults, chosen = _choose(series, pairs, names, str(file))
    for what, asked in (("returns", returns), ("ordinal", ordinal)):
        faults += [
            Fault(f"{what} must name series of the file ({', '.join(names.values())}), got {n!r}", str(file))
            for n in asked
            if n not in names.values()
        ]
    found = []
    for pair in [p for p in chosen if source is None or p[1] == source]:
        rows = np.flatnonzero((symbols == pair[0]) & (sources == pair[1]))
        mine, name = frame.iloc[rows], names[pair]
        try:
            if name in ordinal:
                seconds = _order(mine[stamp], name, str(file))
                keep = np.ones(seconds.size, dtype=bool)
            else:
                seconds = seconds_of(mine[stamp], 2 if is_csv(file) else 0, str(file))
                keep = between(seconds, start, end)
        except InputError as error:
            faults += error.faults
            continue
        if keep.sum() < 2:
            faults.append(Fault(f"prices of {name} must hold two rows {span(start, end)}, got fewer", str(file)))
            continue
        seconds, prices = seconds[keep], values[rows][keep]
        if name in returns:
            seconds, prices = _index(seconds, prices, *returns[name], name in ordinal)
        faults += _wrong(name, seconds, prices, str(file), "growth" if name in returns else "price")
        found.append(PriceRecord(name, pair[0], pair[1], seconds, prices, file.name, digest, ordinal.get(name)))
    if faults:
        raise InputError(faults)
    return found


def forecast_record(file: Path, returns: str, var: str, es: str, level: float, unit: float = 1.0) -> ForecastRecord:
    """Returns and forecasts of the lower tail of returns from named columns, as losses: signs are turned, times `unit`.

    Raises
    ------
    InputError
        Where a column is missing, a cell holds no number, or forecasts are not ``ES <= VaR < 0`` in returns.
    """
    frame, digest = read_frame(file)
    known = [str(c) for c in frame.columns]
    faults = [
        Fault(f"column {name!r} must be in the file, got {', '.join(known)}{suggest(name, known)}", str(file))
        for name in (returns, var, es)
        if name not in known
    ]
    if faults:
        raise InputError(faults)
    loss, v, e = (-unit * numbers(frame[name]) for name in (returns, var, es))
    bad = np.flatnonzero(~(np.isfinite(loss) & (v > 0) & (e >= v)))
    if bad.size:
        first = int(bad[0])
        raise InputError(
            Fault(
                f"every row must hold a return and forecasts ES <= VaR < 0 of it, got {bad.size} that do not, first "
                f"{returns} {-loss[first]:g}, {var} {-v[first]:g}, {es} {-e[first]:g}",
                str(file),
                first + 2,
            )
        )
    return ForecastRecord(file.name.partition(".")[0], loss, v, e, level, file.name, digest)


def _order(stamps: "pandas.Series", name: str, file: str) -> np.ndarray:
    """Numbers of rows from stamps that say an order only; InputError where they are not in it."""
    said = stamps.astype(str).to_numpy()
    late = np.flatnonzero(said[1:] <= said[:-1])
    if late.size:
        raise InputError(Fault(f"stamps of {name} must increase, got {said[late[0] + 1]} after {said[late[0]]}", file))
    return np.arange(1, said.size + 1, dtype=np.int64)


def _index(
    seconds: np.ndarray, values: np.ndarray, log: bool, unit: float, ordinal: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Stamps and values of an index that grows by the returns, from 1 one bar before the first."""
    growth = np.exp(unit * values) if log else 1.0 + unit * values
    step = 1 if ordinal else int(np.median(np.diff(seconds)))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.append(seconds[0] - step, seconds), np.append(1.0, np.cumprod(growth))


def _column(columns: dict, names: tuple[str, ...], frame: "pandas.DataFrame", file: str):
    found = next((columns[c] for c in names if c in columns), None)
    if found is None:
        got = ", ".join(map(str, frame.columns))
        raise InputError(Fault(f"one column of {', '.join(names)} must be in the file, got {got}", file))
    return found


def _texts(frame: "pandas.DataFrame", column: object) -> np.ndarray:
    return frame[column].astype(str).to_numpy(dtype=object)


def _choose(series: tuple[str, ...], pairs: list, names: dict, file: str) -> tuple[list[Fault], list]:
    """Pairs of symbol and source that `series` names, and what it names in vain."""
    if not series:
        return [], pairs
    faults, chosen = [], []
    for wanted in series:
        found = [p for p in pairs if wanted in (p[0], names[p], f"{p[0]} {p[1]}")]
        if not found:
            known = list(names.values())
            faults.append(
                Fault(f"series must be one of {', '.join(known)}, got {wanted!r}{suggest(wanted, known)}", file)
            )
        chosen += [p for p in found if p not in chosen]
    return faults, chosen


def _wrong(name: str, seconds: np.ndarray, prices: np.ndarray, file: str, what: str) -> list[Fault]:
    faults = []
    late = np.flatnonzero(np.diff(seconds) <= 0)
    if late.size:
        at = stamp_text(seconds[late[0] + 1])
        faults.append(Fault(f"stamps of {name} must increase, got {late.size} that do not, the first {at}", file))
    bad = np.flatnonzero(~(np.isfinite(prices) & (prices > 0)))
    if bad.size:
        at = stamp_text(seconds[bad[0]])
        faults.append(
            Fault(f"{what} of {name} must be a positive number, got {bad.size} others, the first at {at}", file)
        )
    return faults
