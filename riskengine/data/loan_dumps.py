"""Account dumps of real lending markets as `Loans`: what all formats share.

A format is a record of what a file's columns mean, in a file of its own.  ``as_of`` and ``source`` say whose accounts
they are; ``file`` may be left out and given later; ``sha256`` pins the file.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.data.table import numbers
from riskengine.errors import Fault, InputError, suggest

if TYPE_CHECKING:
    import pandas

# format -> "module:Record"
FORMATS: dict[str, str] = {
    "synthetic": "riskengine.book.synthetic:SyntheticBook",
    "account_values": "riskengine.data.account_values:AccountValues",
    "account_tokens": "riskengine.data.account_tokens:AccountTokens",
    "aave_v3_subgraph": "riskengine.data.aave_subgraph:AaveSubgraph",
}
_SHOWN = 10


class LoanDump:
    """What all formats share: reading a file into `Loans`, with the words that name it again."""

    format: str
    as_of: str
    source: str

    def named(self) -> dict[str, Any]:
        """The words of the description that are not defaults, without file and hash."""
        default = {f.name: f.default for f in self.__dataclass_fields__.values()}
        said = {k: v for k, v in asdict(self).items() if k not in ("file", "sha256") and v != default[k]}
        return {k: v for k, v in said.items() if v != {}}

    def empty(self) -> Loans:
        """A book without borrowers that says which file it awaits."""
        reserves = self.reserves()
        none = np.zeros((0, len(reserves)))
        return Loans(reserves, none, none, (), origin=self.named())

    def read(self, file: Path) -> Loans:
        """The accounts of `file`; InputError with every fault, each with its line."""
        loans, digest = self._read(file)
        return Loans(
            loans.reserves, loans.collateral, loans.debt, loans.names, loans.stated_health,
            {**self.named(), "file": file.name, "sha256": digest},
        )  # fmt: skip


def raise_some(faults: list[Fault], file: str) -> None:
    """InputError with the first faults and how many more there are, where there are any."""
    if faults:
        more = len(faults) - _SHOWN
        raise InputError(faults[:_SHOWN] + ([Fault(f"and {more} more like these", file)] if more > 0 else []))


def rows_of(
    frame: "pandas.DataFrame", columns: tuple[str, ...], where: dict[str, str], file: Path
) -> "pandas.DataFrame":
    """Rows of the file that `where` keeps; InputError for missing columns and where nothing is left."""
    known = [str(c) for c in frame.columns]
    lost = [c for c in dict.fromkeys((*columns, *where)) if c not in known]
    raise_some(
        [
            Fault(f"column {c!r} must be in the file, got {', '.join(known)}{suggest(c, known)}", str(file))
            for c in lost
        ],
        str(file),
    )
    for column, word in where.items():
        words = frame[column].astype(str)
        if not (words == word).any():
            raise InputError(
                Fault(f"{column} must be one of {', '.join(sorted(set(words))[:20])}, got {word!r}", str(file))
            )
        frame = frame[words == word]
    if frame.empty:
        raise InputError(Fault("must hold at least one account, got none", str(file)))
    return frame


class AccountTable:
    """Columns of a table of accounts; faults are collected with their lines."""

    def __init__(self, frame: "pandas.DataFrame", file: Path):
        self._frame, self._file, self._faults = frame, str(file), []

    def fault(self, message: str, i: int) -> None:
        """Record a fault of the row at position `i`."""
        self._faults.append(Fault(message, self._file, int(self._frame.index[i]) + 2))

    def names(self, column: str) -> tuple[str, ...]:
        """Account names; a repeated one is a fault."""
        names = tuple(self._frame[column].astype(str))
        seen: set[str] = set()
        for i, name in enumerate(names):
            if name in seen:
                self.fault(f"{column} must be a new name, got {name!r} again", i)
            seen.add(name)
        return names

    def amount(self, column: str) -> Floats:
        """Numbers of a column, shape (L,); anything but a finite number >= 0 is a fault."""
        values = numbers(self._frame[column])
        for i in np.flatnonzero(~(np.isfinite(values) & (values >= 0))):
            self.fault(f"{column} must be a finite number >= 0, got {self._frame[column].iloc[i]!r}", i)
        return values

    def finish(self) -> None:
        """InputError with every fault so far."""
        raise_some(self._faults, self._file)
