"""Checks of a world's parameters: every fault of one record in one message."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

from riskengine.errors import RepairWarning
from riskengine.market.series import PriceSeries
from riskengine.scenario.correlation import NotDefiniteError, check_correlation, repaired


def asset_index(assets: tuple[str, ...], asset: str) -> int:
    """Place of `asset` on the asset axis; ValueError naming the world's assets where it is not one of them."""
    if asset not in assets:
        raise ValueError(f"asset must be one of {', '.join(assets)}, got {asset!r}")
    return assets.index(asset)


def check_series(check: "ParameterCheck", assets: tuple[str, ...], series: PriceSeries, returns: int = 2) -> None:
    """Add a fault where `series` is not of these assets, or holds fewer than `returns` returns."""
    if series.assets != assets:
        check.faults.append(f"prices must be of {', '.join(assets)}, got {', '.join(series.assets)}")
    found = series.return_ends.size
    if found < returns:
        check.faults.append(f"prices must hold at least {returns} returns that bridge no gap, got {found}")


def check_block(first_path: int, count: int, limit: int, what: str) -> None:
    """ValueError where a block reaches beyond the `limit` paths that the data hold."""
    if not 0 <= first_path <= first_path + count <= limit:
        raise ValueError(
            f"paths must lie among the {limit} {what} of the data, got {first_path} to {first_path + count - 1}"
        )


class ParameterCheck:
    """Collects what is wrong with a record; ``finish`` raises one ValueError that names every fault.

    Values are returned as tuples of floats, so a record built from lists (YAML) is hashable.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._assets: tuple[str, ...] = ()
        self._repairs: list[str] = []

    def names(self, value: Sequence[str]) -> tuple[str, ...]:
        """Asset names: at least one, distinct, not empty."""
        out = tuple(value) if not isinstance(value, str) else (value,)
        if not out or len(set(out)) != len(out) or not all(isinstance(n, str) and n for n in out):
            self.faults.append(f"assets must hold distinct, non-empty names, got {list(out)!r}")
        self._assets = out
        return out

    def vector(
        self, name: str, value: Any, count: int, low: float = -math.inf, high: float = math.inf, *, closed: bool = False
    ) -> tuple[float, ...]:
        """One number per asset in the open interval (`low`, `high`), or from `low` on where `closed`."""
        try:
            out = tuple(float(v) for v in value)
        except (TypeError, ValueError):
            self.faults.append(f"{name} must hold {count} numbers, one per asset, got {value!r}")
            return ()
        if len(out) != count:
            self.faults.append(f"{name} must hold {count} numbers, one per asset, got {len(out)}")
        for v in out:
            if not (math.isfinite(v) and (low <= v if closed else low < v) and v < high):
                left = "[" if closed else "("
                self.faults.append(f"{name} must hold numbers in {left}{low:g}, {high:g}), got {v!r}")
        return out

    def number(self, name: str, value: Any, low: float) -> float:
        """A finite number from `low` on."""
        try:
            out = float(value)
        except (TypeError, ValueError):
            out = math.nan
        if not (math.isfinite(out) and out >= low):
            self.faults.append(f"{name} must hold a number in [{low:g}, inf), got {value!r}")
        return out

    def correlation(
        self, name: str, value: Any, count: int, *, allow_singular: bool = False, repair: bool = True
    ) -> tuple[tuple[float, ...], ...]:
        """A correlation matrix as rows.

        One that is symmetric with ones on its diagonal and not positive definite is replaced by the nearest that is,
        with a `RepairWarning`; without `repair` it is a fault.
        """
        try:
            matrix = check_correlation(name, value, count, allow_singular=allow_singular)
        except NotDefiniteError as error:
            if not repair:
                self.faults.append(str(error))
                return ()
            labels = self._assets if len(self._assets) == count else [str(i) for i in range(count)]
            matrix, said = repaired(name, value, labels, allow_singular=allow_singular)
            self._repairs.append(said)
        except (TypeError, ValueError) as error:
            self.faults.append(str(error) if str(error).startswith(name) else f"{name} must hold a matrix: {error}")
            return ()
        return tuple(tuple(float(c) for c in row) for row in matrix)

    def finish(self) -> None:
        """Raise ValueError where anything was wrong."""
        if self.faults:
            raise ValueError("; ".join(self.faults))
        for said in self._repairs:
            # the caller of the record's own constructor: finish, __post_init__, __init__
            warnings.warn(said, RepairWarning, stacklevel=4)
