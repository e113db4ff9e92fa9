"""Price histories: every fault of a file at once, then aligned arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.data.table import Table, between, read_table, span
from riskengine.errors import Fault, InputError

_SHOWN = 10  # places named per kind of fault; the rest are counted


@dataclass(frozen=True)
class Gap:
    """A stretch without prices: the last stamp before it (Unix seconds) and how many bars are missing."""

    after: int
    bars: int

    def __str__(self) -> str:
        return f"{self.bars} after {stamp_text(self.after)}"


@dataclass(frozen=True)
class Prices:
    """Closing prices of several assets at the same times.

    Attributes
    ----------
    assets : tuple of str
    seconds : ndarray of int, shape (N,)
        Unix time of each bar, increasing by `step_seconds` except over `gaps`.
    prices : ndarray, shape (N, A)
        USD, positive.
    step_seconds : int
    gaps : tuple of Gap
        Stretches where at least one asset has no bar; nothing is filled.
    flat_bars : int
        Bars without volume (an exchange halt), where the file tells.
    name, sha256 : str
        File name and the hash of its bytes.
    added : tuple of (str, str)
        Name and hash of files that added assets.
    """

    assets: tuple[str, ...]
    seconds: Ints
    prices: Floats
    step_seconds: int
    gaps: tuple[Gap, ...]
    flat_bars: int
    name: str
    sha256: str
    added: tuple[tuple[str, str], ...] = ()

    @property
    def missing_share(self) -> float:
        """Bars missing in the gaps, as a share of those that a file without gaps would have."""
        missing = sum(g.bars for g in self.gaps)
        return missing / (missing + self.seconds.size)


def stamp_text(seconds: int) -> str:
    """Unix seconds as ``2021-04-20T05:00``, UTC."""
    return str(np.datetime64(int(seconds), "s"))[:16]


def load_prices(
    file: Path,
    assets: tuple[str, ...],
    *,
    start: str | None = None,
    end: str | None = None,
    source: str | None = None,
    max_missing_share: float = 0.0,
) -> Prices:
    """Prices of `assets` from a CSV or parquet file.

    Parameters
    ----------
    file : Path
    assets : tuple of str
    start, end : str, optional
        ISO dates (UTC); bars from `start` on and before `end` are kept.
    source : str, optional
        Keep rows of this source, in files that hold several.
    max_missing_share : float
        The stated policy on gaps: files that miss more than this share of their bars are refused, each gap named with
        its place; 0 refuses every gap.

    Raises
    ------
    InputError
        With every fault: unordered or repeated stamps, stamps off the grid, prices that are NaN, zero or negative,
        missing assets, gaps beyond the policy.
    """
    table = within(read_table(file, assets, source), start, end, str(file))
    faults = _row_faults(table, assets, str(file))
    if faults:
        raise InputError(faults)
    common, counts = np.unique(table.seconds, return_counts=True)
    seconds = common[counts == len(assets)]
    if seconds.size < 2:
        raise InputError(
            Fault(f"prices of {', '.join(assets)} must share at least two stamps, got {seconds.size}", str(file))
        )
    step = int(np.median(np.diff(seconds)))
    off = seconds[(seconds - seconds[0]) % step != 0]
    if off.size:
        places = _some([stamp_text(s) for s in off])
        raise InputError(
            Fault(f"stamps must lie on a grid of {step} s from {stamp_text(seconds[0])}, got {places}", str(file))
        )
    width = np.diff(seconds) // step
    gaps = tuple(Gap(int(seconds[i]), int(width[i]) - 1) for i in np.flatnonzero(width > 1))
    found = Prices(
        assets, seconds, _align(table, assets, seconds), step, gaps, int(table.flat.sum()), file.name, table.sha256
    )
    if found.missing_share > max_missing_share:
        allowed = f"at most {max_missing_share:.3%} of them may be" if max_missing_share else "no gap is allowed"
        raise InputError(
            Fault(
                f"prices must not have gaps ({allowed}), got {found.missing_share:.3%} of bars missing in {len(gaps)} "
                f"gaps: {_some([str(g) for g in gaps])}",
                str(file),
            )
        )
    return found


def _align(table: Table, assets: tuple[str, ...], seconds: Ints) -> Floats:
    prices = np.empty((seconds.size, len(assets)))
    for position in range(len(assets)):
        mine = table.asset == position
        at = np.searchsorted(table.seconds[mine], seconds)
        prices[:, position] = table.price[mine][at]
    return prices


def _row_faults(table: Table, assets: tuple[str, ...], file: str) -> list[Fault]:
    faults = []
    for position, asset in enumerate(assets):
        mine = np.flatnonzero(table.asset == position)
        if not mine.size:
            faults.append(Fault(f"prices of {asset} must hold at least one row, got none", file))
            continue
        step = np.diff(table.seconds[mine])
        rows, stamps = table.row[mine], table.seconds[mine]
        for wrong, wanted in ((step < 0, "increasing"), (step == 0, "distinct")):
            at = np.flatnonzero(wrong) + 1
            hint = ""
            if at.size and len(table.sources.get(position, [])) > 1:
                hint = f"; the file has several sources, choose one: {', '.join(table.sources[position])}"
            got = [stamp_text(stamps[i]) + hint for i in at[:_SHOWN]]
            faults += _named(f"stamps of {asset} must be {wanted}", got, rows[at], file)
        price = table.price[mine]
        at = np.flatnonzero(~(np.isfinite(price) & (price > 0)))
        got = [f"{price[i]:g} at {stamp_text(stamps[i])}" for i in at[:_SHOWN]]
        faults += _named(f"price of {asset} must be a positive number", got, rows[at], file)
    return faults


def _named(wanted: str, got: list[str], rows: Ints, file: str) -> list[Fault]:
    """A fault for each place, the first few by name and the rest as a count."""
    faults = [Fault(f"{wanted}, got {g}", file, int(row)) for g, row in zip(got, rows, strict=False)]
    if rows.size > len(got):
        faults.append(Fault(f"{wanted}, got {rows.size - len(got)} more like the last", file))
    return faults


def _some(places: list[str]) -> str:
    rest = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return ", ".join(places[:_SHOWN]) + rest


def within(table: Table, start: str | None, end: str | None, file: str) -> Table:
    """Rows of `table` from date `start` on and before `end` (ISO, UTC); InputError where none is left."""
    keep = between(table.seconds, start, end)
    if not keep.any():
        raise InputError(Fault(f"prices must hold rows {span(start, end)}, got none", file))
    return Table(
        *(a[keep] for a in (table.seconds, table.asset, table.price, table.row, table.flat)),
        table.sources,
        table.sha256,
    )
