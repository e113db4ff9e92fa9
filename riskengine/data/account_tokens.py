"""Balances in tokens: one row per account, or per pair of a collateral and a debt of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from riskengine.book.loans import Loans
from riskengine.data.loan_dumps import AccountTable, LoanDump, rows_of
from riskengine.data.table import numbers, read_frame
from riskengine.errors import suggest


@dataclass(frozen=True)
class Amounts:
    """Where a table of balances holds one side of an account.

    Attributes
    ----------
    tokens : str
        Column of balances in whole tokens.
    symbol : str or None
        Column of token names.
    token : str or None
        The one token of the column; this or `symbol`.
    value : str or None
        Column of values in USD, for names that `symbols` does not list.
    """

    tokens: str
    symbol: str | None = None
    token: str | None = None
    value: str | None = None

    def __post_init__(self) -> None:
        if (self.symbol is None) == (self.token is None):
            raise ValueError(f"one of symbol and token must be given, got {self.symbol!r} and {self.token!r}")


@dataclass(frozen=True)
class AccountTokens(LoanDump):
    """One row per account, or per pair of a collateral and a debt of it: balances in tokens.

    A collateral or debt that several rows of an account repeat is counted once.

    Attributes
    ----------
    collateral, debt : Amounts
    account : str or None
        Column of account names; None where every row is an account.
    symbols : dict of str to str
        Name in the file -> token of the market; others need `other_debt`.
    other_debt : str or None
        Token, worth 1 USD, that debts of other names are taken to be in, by value.
    where : dict of str to str
        Only rows whose columns hold these words.
    below : dict of str to float
        Only rows whose columns hold less.
    """

    format: Literal["account_tokens"]
    as_of: str
    source: str
    collateral: Amounts
    debt: Amounts
    account: str | None = None
    symbols: dict[str, str] = field(default_factory=dict)
    other_debt: str | None = None
    where: dict[str, str] = field(default_factory=dict)
    below: dict[str, float] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.other_debt is not None and self.debt.value is None:
            raise ValueError("other_debt needs debt.value, the column of values in USD, got none")
        if self.collateral.value is not None:
            raise ValueError("collateral.value must not be given: every collateral must be named in symbols")

    def reserves(self) -> tuple[str, ...]:
        """Tokens that accounts may hold or owe."""
        fixed = [side.token for side in (self.collateral, self.debt) if side.token is not None]
        return tuple(dict.fromkeys([*fixed, *self.symbols.values(), *([self.other_debt] if self.other_debt else [])]))

    def _read(self, file: Path) -> tuple[Loans, str]:
        frame, digest = read_frame(file)
        sides = (self.collateral, self.debt)
        columns = [c for s in sides for c in (s.tokens, s.symbol, s.value) if c is not None]
        columns += [] if self.account is None else [self.account]
        frame = rows_of(frame, (*columns, *self.below), self.where, file)
        for column, most in self.below.items():
            frame = frame[numbers(frame[column]) < most]
        table = AccountTable(frame, file)
        accounts = [f"row{i + 1}" for i in range(len(frame))]
        accounts = accounts if self.account is None else list(frame[self.account].astype(str))
        names = tuple(dict.fromkeys(accounts))
        row = {name: i for i, name in enumerate(names)}
        reserves = self.reserves()
        balances = np.zeros((2, len(names), len(reserves)))
        for side, what, balance in zip(sides, ("collateral", "debt"), balances, strict=True):
            words = [side.token] * len(frame) if side.symbol is None else list(frame[side.symbol].astype(str))
            amount = numbers(frame[side.tokens])
            worth = None if side.value is None else numbers(frame[side.value])
            seen: dict[tuple[str, str], float] = {}
            for i, (account, word) in enumerate(zip(accounts, words, strict=True)):
                token = word if side.symbol is None else self.symbols.get(word)
                value, column = amount[i], side.tokens
                if token is None and what == "debt" and self.other_debt is not None:
                    token, value, column = self.other_debt, worth[i], side.value
                if token is None:
                    known = ", ".join(self.symbols)
                    table.fault(f"{what} must be one of symbols {known}, got {word!r}{suggest(word, self.symbols)}", i)
                elif not (np.isfinite(value) and value >= 0):
                    table.fault(f"{column} must be a finite number >= 0, got {value!r}", i)
                elif (account, word) in seen:
                    if seen[account, word] != value:
                        table.fault(
                            f"{column} of {account} in {word} must be the same in all its rows, got {value!r}", i
                        )
                else:
                    seen[account, word] = value
                    balance[row[account], reserves.index(token)] += value
        table.finish()
        return Loans(reserves, balances[0], balances[1], names), digest
