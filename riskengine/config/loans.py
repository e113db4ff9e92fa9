"""Borrower books: CSV by the reader of `riskengine.book.borrowers`, the inline form that a resolved study keeps, or an
account dump by one of the formats of `riskengine.data.loan_dumps`.

YAML of a dump::

    format: account_values              # or account_tokens, aave_v3_subgraph; synthetic needs no file
    file: accounts.csv                  # may be left out: ``riskengine run STUDY --data FILE``
    as_of: "2026-07-18"
    source: who collected it
    ...                                 # what the columns mean

A resolved study holds these words and the file's SHA-256, not the accounts.
"""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.book.loans import Loans
from riskengine.config.faults import BAD
from riskengine.config.reader import Path_
from riskengine.errors import Fault, InputError
from riskengine.registry import suggest

if TYPE_CHECKING:
    from riskengine.config.build import Builder


# More tokens than any borrower holds, and small enough that sums and products stay in the range of float64
_MOST = 1e18


@dataclass(frozen=True)
class _Borrower:
    name: str
    collateral: dict[str, float] = field(default_factory=dict)
    debt: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Book:
    reserves: tuple[str, ...]
    borrowers: tuple[_Borrower, ...]

    def __post_init__(self) -> None:
        if not self.reserves or len(set(self.reserves)) != len(self.reserves):
            raise ValueError(f"reserves must be distinct and at least one, got {self.reserves}")
        if not self.borrowers:
            raise ValueError("borrowers must hold at least one borrower, got none")


def build_loans(builder: "Builder", path: Path_) -> Any:
    """`Loans` from the book at `path` of the builder's tree; faults go to the builder.

    Inline form: ``{reserves: [WETH, USDC], borrowers: [{name: a, collateral: {WETH: 10}, debt: {USDC: 9000}}]}``,
    balances in whole tokens.
    """
    value = builder.value(path)
    if isinstance(value, dict) and set(value) == {"csv"}:
        from riskengine.book.borrowers import read_borrowers

        file = Path(value["csv"])
        try:
            return read_borrowers(file)
        except InputError as error:
            builder.faults += error.faults
        except ValueError as error:
            builder.faults.append(Fault(str(error), str(file)))
        return BAD
    if isinstance(value, dict) and "format" in value:
        return _imported(builder, path)
    book = builder.record(_Book, path)
    if book is BAD:
        return BAD
    balances = {"collateral": np.zeros((len(book.borrowers), len(book.reserves)))}
    balances["debt"] = np.zeros_like(balances["collateral"])
    seen: dict[str, int] = {}
    good = True
    for row, borrower in enumerate(book.borrowers):
        here = (*path, "borrowers", row)
        if borrower.name in seen:
            builder.fault(f"borrower names must be distinct, got {borrower.name!r} again", here)
            good = False
        seen[borrower.name] = row
        for side, table in balances.items():
            for token, amount in getattr(borrower, side).items():
                place = (*here, side, token)
                if token not in book.reserves:
                    legal = ", ".join(book.reserves)
                    builder.fault(
                        f"reserve must be one of {legal}, got {token!r}{suggest(token, book.reserves)}", place
                    )
                    good = False
                elif not 0 <= amount <= _MOST:
                    builder.fault(f"{side} must lie in [0, {_MOST:g}], got {amount!r}", place)
                    good = False
                else:
                    table[row, book.reserves.index(token)] = amount
    if not good:
        return BAD
    return Loans(book.reserves, balances["collateral"], balances["debt"], tuple(seen))


def _imported(builder: "Builder", path: Path_) -> Any:
    """`Loans` described at `path`: drawn, or of an account dump; without borrowers where its file is to come."""
    from riskengine.data.loan_dumps import FORMATS

    word = builder.value(path)["format"]
    if word not in FORMATS:
        known = ", ".join(FORMATS)
        return builder.fault(f"format must be one of {known}, got {word!r}{suggest(word, FORMATS)}", (*path, "format"))
    module, _, name = FORMATS[word].partition(":")
    said = builder.record(getattr(import_module(module), name), path)
    if said is BAD:
        return BAD
    if word == "synthetic":
        return said.loans()
    file = builder.book_file
    if file is None and said.file is None:
        return said.empty()
    if file is None:
        file = builder.beside(said.file, path)
        if file is None:
            return BAD
    try:
        loans = said.read(file)
    except InputError as error:
        builder.faults += error.faults
        return BAD
    digest = loans.origin["sha256"]
    if said.sha256 is not None and said.sha256 != digest:
        place = (*path, "sha256")
        return builder.fault(f"file must be the one with SHA-256 {said.sha256[:16]}..., got {digest[:16]}...", place)
    return loans


def dump_loans(loans: Loans) -> dict[str, Any]:
    """The book as plain values: what names it again where it was imported, else the inline form; reading them gives the
    same book."""
    if loans.origin:
        return dict(loans.origin)

    def held(row: np.ndarray) -> dict[str, float]:
        return {loans.reserves[r]: float(row[r]) for r in np.flatnonzero(row)}

    borrowers = [
        {"name": name, "collateral": held(c), "debt": held(d)}
        for name, c, d in zip(loans.names, loans.collateral, loans.debt, strict=True)
    ]
    return {"reserves": list(loans.reserves), "borrowers": borrowers}
