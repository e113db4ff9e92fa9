"""Data that a world names: prices or paths in a file beside it, read into the record.

YAML::

    model:
      kind: block_bootstrap
      assets: [BTC, ETH]
      prices: {file: prices.parquet, start: 2021-01-01, end: 2025-12-01, source: binance, max_missing_share: 0.01}

A relative path is relative to the world file, then to the working directory.  The resolved form of a study holds these
words and the file's SHA-256, not the data; a file with another hash is refused where it is read again.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskengine.arrays import check_range
from riskengine.config.faults import BAD
from riskengine.config.reader import Path_
from riskengine.data.path_file import load_paths
from riskengine.data.prices import load_prices
from riskengine.errors import InputError
from riskengine.market.recorded import PathSet
from riskengine.market.series import PriceSeries

if TYPE_CHECKING:
    from riskengine.config.build import Builder


@dataclass(frozen=True)
class _PricesFile:
    """What a world says of its price file; the names of `riskengine.data.prices.load_prices`.

    ``step_hours`` thins the bars to full multiples of it.
    """

    file: str
    start: str | None = None
    end: str | None = None
    source: str | None = None
    step_hours: float | None = None
    max_missing_share: float = 0.0
    sha256: str | None = None

    def __post_init__(self) -> None:
        check_range("max_missing_share", self.max_missing_share, 0.0, 0.5)
        if self.step_hours is not None:
            check_range("step_hours", self.step_hours, 0.0, 8760.0, open_low=True)


@dataclass(frozen=True)
class _PathsFile:
    """What a world says of its file of paths."""

    file: str
    step_hours: float | None = None
    history_step_hours: float | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        for name in ("step_hours", "history_step_hours"):
            value = getattr(self, name)
            if value is not None:
                check_range(name, value, 0.0, 8760.0, open_low=True)


def _prices(file: Path, assets: tuple[str, ...], said: _PricesFile, origin: dict[str, Any]) -> PriceSeries:
    found = load_prices(
        file, assets, start=said.start, end=said.end, source=said.source, max_missing_share=said.max_missing_share
    )
    series = PriceSeries(assets, found.seconds, found.prices, found.step_seconds, found.sha256, origin)
    return series if said.step_hours is None else series.thinned(round(said.step_hours * 3600.0))


def _paths(file: Path, assets: tuple[str, ...], said: _PathsFile, origin: dict[str, Any]) -> PathSet:
    return load_paths(
        file, assets, step_hours=said.step_hours, history_step_hours=said.history_step_hours, origin=origin
    )


def _build(builder: "Builder", path: Path_, record: type, read: Callable[..., Any]) -> Any:
    """The data described at `path`; the assets are those of the model around it."""
    value = builder.value(path)
    if isinstance(value, str):
        builder.value(path[:-1])[path[-1]] = {"file": value}
    said = builder.record(record, path)
    model = builder.value(path[:-1]) if path else None
    names = model.get("assets") if isinstance(model, dict) else None
    named = isinstance(names, list) and names and all(isinstance(a, str) and a for a in names)
    if not named or len(set(names)) != len(names):
        return builder.fault(f"assets of the world must be distinct names to read data by, got {names!r}", path)
    if said is BAD:
        return BAD
    file = builder.beside(said.file, path)
    if file is None:
        return BAD
    origin = {name: value for name, value in asdict(said).items() if value is not None and name != "sha256"}
    try:
        data = read(file, tuple(names), said, origin)
    except InputError as error:
        for fault in error.faults:
            hint = "; max_missing_share accepts a share of them" if "must not have gaps" in fault.message else ""
            builder.faults.append(
                replace(fault, message=fault.message + hint) if fault.file else builder.tree.fault(fault.message, path)
            )
        return BAD
    except ValueError as error:
        return builder.fault(str(error), path)
    if said.sha256 is not None and said.sha256 != data.sha256:
        return builder.fault(
            f"file must be the one with SHA-256 {said.sha256[:16]}..., got {data.sha256[:16]}...", (*path, "file")
        )
    return data


def build_prices(builder: "Builder", path: Path_) -> Any:
    """`PriceSeries` from the file named at `path`; faults go to the builder."""
    return _build(builder, path, _PricesFile, _prices)


def build_paths(builder: "Builder", path: Path_) -> Any:
    """`PathSet` from the file named at `path`; faults go to the builder."""
    return _build(builder, path, _PathsFile, _paths)


def dump_data(data: PriceSeries | PathSet) -> dict[str, Any]:
    """What names the data again: the words of the world file, and the hash."""
    return {**data.origin, "sha256": data.sha256}


DATA: dict[type, Callable[["Builder", Path_], Any]] = {PriceSeries: build_prices, PathSet: build_paths}
