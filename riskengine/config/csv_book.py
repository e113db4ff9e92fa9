"""Margin books from CSV, as the tree that the YAML form of the same book would give, so both are checked alike."""

import csv
import io
from pathlib import Path
from typing import Any

from riskengine.config.reader import Tree, parse_number, read_text
from riskengine.errors import Fault, InputError
from riskengine.registry import suggest

COLUMNS = (
    "account",
    "kind",
    "margining",
    "instrument",
    "asset",
    "settlement",
    "type",
    "strike",
    "moneyness",
    "expiry_days",
    "expiry_hours",
    "quantity",
    "entry",
    "quote",
    "against",
    "low",
    "high",
    "fee_rate",
)
_OF_ACCOUNT = {"kind": "account", "margining": "cross"}
_REQUIRED = ("account", "instrument", "asset", "quantity")
_NUMBERS = ("strike", "moneyness", "expiry_days", "expiry_hours", "quantity", "entry", "low", "high", "fee_rate")


def read_csv_book(file: Path) -> Tree:
    """The book of a CSV file as a tree; InputError naming every wrong column and every number that is none."""
    rows = csv.reader(io.StringIO(read_text(file, limit=50_000_000)))
    header = [name.strip() for name in next(rows, [])]
    name = str(file)
    faults = [
        Fault(f"unknown column {c!r}{suggest(c, COLUMNS) or '; legal columns are ' + ', '.join(COLUMNS)}", name, 1)
        for c in header
        if c not in COLUMNS
    ]
    faults += [Fault(f"column {c} must be given", name, 1) for c in _REQUIRED if c not in header]
    faults += [Fault(f"columns must be distinct, got {c} twice", name, 1) for c in set(header) if header.count(c) > 1]
    if faults:
        raise InputError(faults)
    accounts: dict[str, dict[str, Any]] = {}
    tree = Tree({"assets": [], "accounts": []}, name, {(): (name, 1)})
    for row in rows:
        line = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            faults.append(Fault(f"a row must have {len(header)} cells, got {len(row)}", name, line))
            continue
        cells = {c: v.strip() for c, v in zip(header, row, strict=True) if v.strip()}
        missing = [c for c in _REQUIRED if c not in cells]
        if missing:
            faults.append(Fault(f"{', '.join(missing)} must be given", name, line))
            continue
        numbers = {}
        for column in _NUMBERS:
            if column in cells:
                numbers[column] = parse_number(cells[column])
                if numbers[column] is None:
                    faults.append(Fault(f"{column} must be a finite number, got {cells[column]!r}", name, line))
        _take(tree, accounts, cells, numbers, line, faults)
    if not accounts and not faults:
        faults.append(Fault("book must hold at least one row, got none", name, 1))
    if faults:
        raise InputError(faults)
    return tree


def _take(
    tree: Tree,
    accounts: dict[str, dict[str, Any]],
    cells: dict[str, str],
    numbers: dict[str, float | None],
    line: int,
    faults: list[Fault],
) -> None:
    """Add one row to the tree."""
    listed = tree.value["accounts"]
    account = accounts.get(cells["account"])
    if account is None:
        told = {name: cells.get(name, default) for name, default in _OF_ACCOUNT.items()}
        account = {"name": cells["account"], **told, "cash": {}, "positions": []}
        accounts[cells["account"]] = account
        tree.places[("accounts", len(listed))] = (tree.file, line)
        listed.append(account)
    k = len(listed) - 1 if listed[-1] is account else listed.index(account)
    for name in _OF_ACCOUNT:
        if cells.get(name, account[name]) != account[name]:
            said = f"{name} of account {account['name']} must be {account[name]!r} in all its rows, got {cells[name]!r}"
            faults.append(Fault(said, tree.file, line))
    if cells["instrument"] == "cash":
        currency = cells["asset"]
        if currency in account["cash"]:
            faults.append(Fault(f"cash in {currency} is given twice for account {account['name']}", tree.file, line))
        account["cash"][currency] = numbers["quantity"]
        tree.places[("accounts", k, "cash", currency)] = (tree.file, line)
        return
    if cells["asset"] not in tree.value["assets"]:
        tree.places[("assets", len(tree.value["assets"]))] = (tree.file, line)
        tree.value["assets"].append(cells["asset"])
    words = {c: cells[c] for c in ("instrument", "asset", "settlement", "type", "quote", "against") if c in cells}
    tree.places[("accounts", k, "positions", len(account["positions"]))] = (tree.file, line)
    account["positions"].append(words | numbers)
