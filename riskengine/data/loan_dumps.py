"""Account dumps of real lending markets as `Loans`: tables of values, tables of token balances, subgraph answers.

Each format is a record of what a file's columns mean.  ``as_of`` and ``source`` say whose accounts they are; ``file``
may be left out and given later; ``sha256`` pins the file.
"""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.loans import Loans
from riskengine.data.table import numbers, read_frame
from riskengine.errors import Fault, InputError, suggest

if TYPE_CHECKING:
    import pandas

_SHOWN = 10


@dataclass(frozen=True)
class PricedToken:
    """A token that values are turned into.

    Attributes
    ----------
    price : float
        USD at which a value becomes coins.  With the world's price at time 0, values and health factors at time 0 are
        those of the file.
    threshold : float
        Liquidation threshold in the market; decides which of several tokens a value belongs to.
    """

    price: float
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_range("price", self.price, 0.0, 1e12, open_low=True)
        check_range("threshold", self.threshold, 0.0, 1.0)


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


class _Dump:
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


@dataclass(frozen=True)
class AccountValues(_Dump):
    """One row per account: value of collateral and debt, weighted threshold, and health factor where the file has it.

    A value of several tokens is split between the two whose thresholds lie around that which reproduces the account's
    own weighted threshold; where several columns are of that kind, all stand at the same place in their range.

    Attributes
    ----------
    unit_usd : float or str
        USD in one unit of value, or the column that holds it.
    tokens : dict of str to PricedToken
    collateral, debt : dict of str to list of str
        Column of a part -> tokens that it is in; ``rest`` is what the parts leave of the total.  Where they exceed it,
        they are scaled to it.
    account, collateral_total, debt_total, threshold, health : str
        Columns; `health` may be None.
    where : dict of str to str
        Only rows whose columns hold these words.
    """

    format: Literal["account_values"]
    as_of: str
    source: str
    tokens: dict[str, PricedToken]
    collateral: dict[str, list[str]]
    debt: dict[str, list[str]]
    unit_usd: float | str = 1.0
    account: str = "account_id"
    collateral_total: str = "collateral_value"
    debt_total: str = "debt_value"
    threshold: str = "liq_threshold"
    health: str | None = "health_factor"
    where: dict[str, str] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        for side in ("collateral", "debt"):
            for column, names in getattr(self, side).items():
                unknown = [n for n in names if n not in self.tokens]
                if unknown or not names:
                    known, got = ", ".join(self.tokens), ", ".join(names) or "none"
                    raise ValueError(f"{side} of {column} must be in tokens {known}, got {got}")
                if side == "debt" and len(names) > 1:
                    raise ValueError(f"debt of {column} must be in one token, got {', '.join(names)}")

    def reserves(self) -> tuple[str, ...]:
        """Tokens that accounts may hold or owe."""
        used = [n for side in (self.collateral, self.debt) for names in side.values() for n in names]
        return tuple(dict.fromkeys(used))

    def _read(self, file: Path) -> tuple[Loans, str]:
        frame, digest = read_frame(file)
        totals = (self.collateral_total, self.debt_total, self.threshold)
        parts = [c for side in (self.collateral, self.debt) for c in side if c != "rest"]
        unit = [self.unit_usd] if isinstance(self.unit_usd, str) else []
        health = [] if self.health is None else [self.health]
        frame = _rows(frame, (self.account, *totals, *parts, *unit, *health), self.where, file)
        table = _Table(frame, file)
        names = table.names(self.account)
        held, owed, threshold = (table.amount(c) for c in totals)
        usd = table.amount(self.unit_usd) if unit else np.full(len(names), float(self.unit_usd))
        stated = None if self.health is None else numbers(frame[self.health])
        values = {c: table.amount(c) for c in parts}
        table.finish()
        reserves = self.reserves()
        balances = []
        for side, total, mix in ((self.collateral, held, threshold), (self.debt, owed, None)):
            split = _parts(side, total, values)
            if mix is not None:
                split = self._split(split, total, mix)
            worth = np.zeros((len(names), len(reserves)))
            for (_, token), part in split.items():
                worth[:, reserves.index(token)] += part * usd / self.tokens[token].price
            balances.append(worth)
        return Loans(reserves, *balances, names, stated), digest

    def _split(self, parts: dict, total: Floats, threshold: Floats) -> dict:
        """Value of each (column, token), given that of each column under its first token."""
        ranges = {}
        low, room = np.zeros_like(total), np.zeros_like(total)
        for (column, _), part in parts.items():
            steps = np.sort([self.tokens[n].threshold for n in self.collateral[column]])
            ranges[column] = steps
            low += part * steps[0]
            room += part * (steps[-1] - steps[0])
        wanted = np.divide(threshold * total - low, room, out=np.zeros_like(total), where=room > 0)
        place = np.clip(wanted, 0.0, 1.0)
        out = {}
        for (column, _), part in parts.items():
            names = sorted(self.collateral[column], key=lambda n: self.tokens[n].threshold)
            steps = ranges[column]
            at = steps[0] + place * (steps[-1] - steps[0])
            for i, name in enumerate(names):
                # a hat function: shares of neighbours sum to one and reproduce the threshold
                share = np.interp(at, steps, np.eye(len(steps))[i])
                out[column, name] = part * share
        return out


@dataclass(frozen=True)
class AccountTokens(_Dump):
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
        frame = _rows(frame, (*columns, *self.below), self.where, file)
        for column, most in self.below.items():
            frame = frame[numbers(frame[column]) < most]
        table = _Table(frame, file)
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


@dataclass(frozen=True)
class AaveSubgraph(_Dump):
    """An answer of the Aave v3 subgraph, one page or a list of pages: ``userReserves``, or ``users`` with ``reserves``.

    Each entry has ``user {id eModeCategoryId {id}}``, ``reserve {symbol decimals}``, ``currentATokenBalance``,
    ``currentTotalDebt`` or ``currentVariableDebt``, and ``usageAsCollateralEnabledOnUser``; balances are raw units.
    What is not enabled as collateral is left out, and so are users without debt.

    Attributes
    ----------
    symbols : dict of str to str
        Symbol in the answer -> token of the market; others keep their name.
    emodes : dict of str to dict
        Category -> symbol -> token that stands for it as collateral of a borrower in that mode.
    """

    format: Literal["aave_v3_subgraph"]
    as_of: str
    source: str
    symbols: dict[str, str] = field(default_factory=dict)
    emodes: dict[str, dict[str, str]] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None

    def reserves(self) -> tuple[str, ...]:
        """Tokens that the description names; the answer may hold more."""
        return tuple(dict.fromkeys([*self.symbols.values(), *(t for m in self.emodes.values() for t in m.values())]))

    def _read(self, file: Path) -> tuple[Loans, str]:
        try:
            content = file.read_bytes()
            found = json.loads(content)
        except FileNotFoundError:
            raise InputError(Fault("no such file", str(file))) from None
        except (OSError, ValueError) as error:
            raise InputError(Fault(f"must be a readable JSON file, got {error}", str(file))) from None
        faults: list[Fault] = []
        book: dict[str, dict[tuple[str, str], float]] = {}
        for n, (user, mode, entry) in enumerate(_entries(found, str(file))):
            place = f"entry {n + 1}"
            try:
                symbol, scale = str(entry["reserve"]["symbol"]), 10 ** int(entry["reserve"]["decimals"])
                held = int(entry["currentATokenBalance"]) / scale
                raw = entry["currentTotalDebt"] if "currentTotalDebt" in entry else entry["currentVariableDebt"]
                owed = int(raw) / scale
                enabled = entry["usageAsCollateralEnabledOnUser"]
            except (KeyError, TypeError, ValueError) as error:
                said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                faults.append(
                    Fault(
                        f"must hold reserve, balances and usageAsCollateralEnabledOnUser: {said}", str(file), path=place
                    )
                )
                continue
            if mode not in ("0", "") and mode not in self.emodes:
                known = ", ".join(self.emodes) or "none"
                faults.append(
                    Fault(f"efficiency mode must be one of emodes {known}, got {mode!r}", str(file), path=place)
                )
                continue
            if held < 0 or owed < 0 or not isinstance(enabled, bool):
                faults.append(
                    Fault(
                        f"balances must be >= 0 and the flag true or false, got {held}, {owed}, {enabled!r}",
                        str(file),
                        path=place,
                    )
                )
                continue
            plain = self.symbols.get(symbol, symbol)
            balances = book.setdefault(user, {})
            for side, token, amount in (
                ("collateral", self.emodes.get(mode, {}).get(symbol, plain), held if enabled else 0.0),
                ("debt", plain, owed),
            ):
                if amount > 0:
                    balances[side, token] = balances.get((side, token), 0.0) + amount
        kept = {u: b for u, b in book.items() if any(side == "debt" for side, _ in b)}
        if not kept and not faults:
            faults.append(Fault("must hold at least one user with debt, got none", str(file)))
        _raise(faults, str(file))
        reserves = tuple(dict.fromkeys([*self.reserves(), *(t for b in kept.values() for _, t in b)]))
        sides = {side: np.zeros((len(kept), len(reserves))) for side in ("collateral", "debt")}
        for row, balances in enumerate(kept.values()):
            for (side, token), amount in balances.items():
                sides[side][row, reserves.index(token)] = amount
        return Loans(reserves, sides["collateral"], sides["debt"], tuple(kept)), sha256(content).hexdigest()


FORMATS: dict[str, type] = {
    "account_values": AccountValues,
    "account_tokens": AccountTokens,
    "aave_v3_subgraph": AaveSubgraph,
}


def _entries(found: Any, file: str):
    """(user, efficiency mode, entry) of every reserve of every user in the pages of an answer."""
    for page in found if isinstance(found, list) else [found]:
        data = page.get("data", page) if isinstance(page, dict) else {}
        if not isinstance(data, dict) or not ({"userReserves", "users"} & data.keys()):
            raise InputError(Fault("must hold userReserves or users, with or without data around them", file))
        pairs = [(e.get("user") or {}, e) for e in data.get("userReserves") or ()]
        pairs += [(u, e) for u in data.get("users") or () for e in u.get("reserves") or ()]
        for user, entry in pairs:
            mode = user.get("eModeCategoryId") or {}
            yield str(user.get("id", "")), str(mode.get("id", "0") if isinstance(mode, dict) else mode), entry


def _raise(faults: list[Fault], file: str) -> None:
    """InputError with the first faults and how many more there are, where there are any."""
    if faults:
        more = len(faults) - _SHOWN
        raise InputError(faults[:_SHOWN] + ([Fault(f"and {more} more like these", file)] if more > 0 else []))


def _rows(frame: "pandas.DataFrame", columns: tuple[str, ...], where: dict[str, str], file: Path) -> "pandas.DataFrame":
    """Rows of the file that `where` keeps; InputError for missing columns and where nothing is left."""
    known = [str(c) for c in frame.columns]
    lost = [c for c in dict.fromkeys((*columns, *where)) if c not in known]
    _raise(
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


class _Table:
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
        _raise(self._faults, self._file)


def _parts(side: dict[str, list[str]], total: Floats, values: dict[str, Floats]) -> dict[tuple[str, str], Floats]:
    """(column, its first token) -> value; ``rest`` is what the columns leave, and they are scaled where they exceed."""
    own = {c: values[c] for c in side if c != "rest"}
    known = sum(own.values(), np.zeros_like(total))
    keep = np.ones_like(total)
    # without a rest the columns are all there is
    over = known > total if "rest" in side else known != total
    np.divide(total, known, out=keep, where=over & (known > 0))
    out = {(c, side[c][0]): v * keep for c, v in own.items()}
    if "rest" in side:
        out["rest", side["rest"][0]] = np.maximum(total - known, 0.0)
    return out
