"""An answer of the Aave v3 subgraph: balances of every reserve of every user."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np

from riskengine.book.loans import Loans
from riskengine.data.loan_dumps import LoanDump, raise_some
from riskengine.errors import Fault, InputError, refuse_pointer


@dataclass(frozen=True)
class AaveSubgraph(LoanDump):
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
            refuse_pointer(content, str(file))
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
        raise_some(faults, str(file))
        reserves = tuple(dict.fromkeys([*self.reserves(), *(t for b in kept.values() for _, t in b)]))
        sides = {side: np.zeros((len(kept), len(reserves))) for side in ("collateral", "debt")}
        for row, balances in enumerate(kept.values()):
            for (side, token), amount in balances.items():
                sides[side][row, reserves.index(token)] = amount
        return Loans(reserves, sides["collateral"], sides["debt"], tuple(kept)), sha256(content).hexdigest()


def _entries(found: Any, file: str) -> Iterator[tuple[str, str, dict]]:
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
