"""Files of venues' answers: one answer, a list of them, or a mapping of names to them, the format found by content.

Whatever surrounds them, rows are recognised by what they hold: positions, balances and equities, and quotes of the
chain.  The format is the one that knows most rows.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.data.statement import binance, ccxt_unified, deribit, derive, okx
from riskengine.data.statement.statement import Statement
from riskengine.errors import Fault, InputError, UsageError, refuse_pointer

# where two know equally many rows the first is taken: a ticker of Derive could be one of Deribit
FORMATS = {"derive": derive, "deribit": deribit, "okx": okx, "binance": binance, "ccxt": ccxt_unified}
_MOST_BYTES = 50_000_000


def load_json(file: Path) -> Any:
    """The document of a JSON file; InputError with the line where it is none."""
    if file.stat().st_size > _MOST_BYTES:
        raise InputError(Fault(f"must be at most {_MOST_BYTES // 1_000_000} MB", str(file)))
    try:
        text = file.read_text(encoding="utf-8")
        refuse_pointer(text, str(file))
        return json.loads(text)
    except UnicodeDecodeError:
        raise InputError(Fault("must be UTF-8 text", str(file))) from None
    except json.JSONDecodeError as error:
        raise InputError(Fault(f"must be JSON: {error.msg}", str(file), error.lineno)) from None
    except RecursionError:
        raise InputError(Fault("must be JSON that is not nested thousands deep", str(file))) from None


def unix_seconds(stamp: str) -> float:
    """Unix time of an ISO stamp (UTC); UsageError where it is none."""
    try:
        return float(np.datetime64(stamp.removesuffix("Z"), "s").astype(np.int64))
    except ValueError:
        raise UsageError(f"as_of must be an ISO stamp such as 2026-02-05T21:29, got {stamp!r}") from None


def read_statement(
    file: Path,
    chain: Path | None = None,
    format_: str | None = None,
    as_of: str | None = None,
    assets: tuple[str, ...] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The account of a file as plain values of a margin book, and the place in the file of each position.

    Parameters
    ----------
    file : Path
        Positions and balances.
    chain : Path, optional
        Quotes of the same venue, which give forwards and volatilities.
    format_ : str, optional
        A name of `FORMATS`; found by content where it is None.
    as_of : str, optional
        ISO stamp; the latest stamp of the rows where it is None.
    assets : tuple of str, optional
        Those of the world.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    now = None if as_of is None else unix_seconds(as_of)
    places: list[tuple[str, dict[str, Any]]] = []
    for one in (file, *(() if chain is None else (chain,))):
        places += [(f"{one.name} {place}" if one is chain else place, row) for place, row in _rows(load_json(one), "")]
    known = {name: sum(each.role(row) is not None for _, row in places) for name, each in FORMATS.items()}
    name = format_ or max(known, key=known.__getitem__)
    if known[name] == 0:
        what = "positions, balances or quotes" + (f" of {format_}" if format_ else f" of {', '.join(FORMATS)}")
        raise InputError(Fault(f"must hold {what}, got none that is recognised", str(file)))
    statement, format_module = Statement(name, str(file)), FORMATS[name]
    for place, row in places:
        what = format_module.role(row)
        if what is not None:
            format_module.read(what, row, place, statement)
    plain, where = statement.plain(now, assets)
    if statement.faults:
        raise InputError(statement.faults)
    return plain, where


def _rows(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping of a document with its place; raw answers that ccxt keeps under ``info`` are left alone."""
    if isinstance(value, dict):
        yield place, value
        for key, part in value.items():
            if key != "info":
                yield from _rows(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from _rows(part, f"{place}[{i}]")
