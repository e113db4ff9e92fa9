"""Numbers of a study by their dotted path, and the same study with other ones.

A path is what ``--set`` takes: ``world.model.theta.0``, ``lending.market.keeper.delay_hours``.  Records are rebuilt
from the bottom up, so every record on the way checks itself again; the study itself is never changed.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from riskengine.errors import suggest


def number_at(record: Any, path: str) -> float | int:
    """The number at `path`.

    Raises
    ------
    ValueError
        Where the path leads nowhere, with the nearest name, or to something that is not a number.
    """
    here, done = record, []
    for part in path.split("."):
        here = _child(here, part, ".".join(done) or "the study")
        done.append(part)
    if isinstance(here, (bool, np.bool_)) or not isinstance(here, (int, float, np.integer, np.floating)):
        raise ValueError(f"{path} must be a number, got {_said(here)}")
    return here


def with_numbers(record: Any, numbers: Mapping[str, float | int]) -> Any:
    """`record` with `numbers` at their paths, all at once (a symmetric matrix is never asymmetric on the way)."""
    split = [(path.split("."), value) for path, value in numbers.items()]
    return _with(record, split, "the study")


def _with(here: Any, changes: list[tuple[list[str], Any]], where: str) -> Any:
    heads: dict[str, list[tuple[list[str], Any]]] = {}
    for parts, value in changes:
        heads.setdefault(parts[0], []).append((parts[1:], value))
    made = {}
    for head, rest in heads.items():
        child = _child(here, head, where)
        made[head] = rest[-1][1] if not rest[-1][0] else _with(child, rest, f"{where}.{head}")
    if isinstance(here, Mapping):
        return {**here, **made}
    if isinstance(here, np.ndarray):
        out = here.copy()
        for head, value in made.items():
            out[int(head)] = value
        return out
    if isinstance(here, (tuple, list)):
        out = list(here)
        for head, value in made.items():
            out[int(head)] = value
        return type(here)(out)
    return replace(here, **made)


def _child(here: Any, part: str, where: str) -> Any:
    if isinstance(here, (tuple, list, np.ndarray)):
        if part.isdigit() and int(part) < len(here):
            return here[int(part)]
        raise ValueError(f"{where} must have an entry {part!r}, got {len(here)} entries, from 0")
    if isinstance(here, Mapping):
        known, found = list(here), here.get(part)
    elif is_dataclass(here) and not isinstance(here, type):
        known = [f.name for f in fields(here) if f.init and f.name[0] != "_"]
        found = getattr(here, part) if part in known else None
    else:
        raise ValueError(f"{where} must hold {part!r}, got {_said(here)}")
    if part not in known:
        raise ValueError(f"{where} must have an entry {part!r}, got none{suggest(part, known)}")
    return found


def _said(value: Any) -> str:
    return "nothing" if value is None else f"{value!r}" if isinstance(value, str) else type(value).__name__
