"""One row per account: value of collateral and debt in parts, and the weighted threshold."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.loans import Loans
from riskengine.data.loan_dumps import AccountTable, LoanDump, rows_of
from riskengine.data.table import numbers, read_frame


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
class AccountValues(LoanDump):
    """One row per account: value of collateral and debt, weighted threshold, and health factor where the file has it.

    A value of several tokens is split between the two whose thresholds lie around that which reproduces the account's
    own weighted threshold; of several columns of that kind the last, ``rest``, gives way first, from its highest
    threshold down, and the one before it only where that does not suffice.

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
        frame = rows_of(frame, (self.account, *totals, *parts, *unit, *health), self.where, file)
        table = AccountTable(frame, file)
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
        ladders = {c: sorted(self.collateral[c], key=lambda n: self.tokens[n].threshold) for c, _ in parts}
        steps = {c: np.array([self.tokens[n].threshold for n in names]) for c, names in ladders.items()}
        # every part at its highest threshold, less what is too much for the account, taken from the last part first
        over = sum((part * steps[c][-1] for (c, _), part in parts.items()), -threshold * total)
        out = {}
        for (column, _), part in reversed(parts.items()):
            room = part * (steps[column][-1] - steps[column][0])
            cut = np.clip(over, 0.0, room)
            over = over - cut
            at = steps[column][-1] - np.divide(cut, part, out=np.zeros_like(part), where=part > 0)
            for i, name in enumerate(ladders[column]):
                # a hat function: shares of neighbours sum to one and reproduce the threshold
                out[column, name] = part * np.interp(at, steps[column], np.eye(len(steps[column]))[i])
        return out


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
