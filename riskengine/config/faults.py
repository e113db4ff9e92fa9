"""What a record said when it was constructed, as faults of its fields."""

import math
import re
from typing import Any

# what a record may raise when a part of it is not what it should be
_PROBE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
_RANGE = re.compile(r"must lie in [\[(]([^,]+), ([^\])]+)[\])]")


class _Bad:
    """Stands for a value that could not be formed; its faults are recorded."""


BAD = _Bad()


def show(value: Any) -> str:
    """A value as a person wrote it, cut where it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"a mapping of {', '.join(map(str, value))}" if isinstance(value, dict) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def construct(cls: type, values: dict[str, Any]) -> tuple[Any, list[tuple[str | None, str]]]:
    """(record, faults); a fault is (field or None, message).

    A record stops at its first wrong field.  To name the others too, the field found wrong is set to a legal value
    (the range is in the message) and construction is tried again; what is said then counts only where it is again
    about the range of one other field, with the value that the file gave, so no fault can be caused by the stand-in.
    """
    faults: list[tuple[str | None, str]] = []
    tried = dict(values)
    while True:
        try:
            made = cls(**tried)
        except (ValueError, OverflowError) as error:
            name, message = _named_field(str(error), values), str(error)
            repeated = name is None or name in {f for f, _ in faults}
            if not faults:
                faults.append((name, message))
            elif repeated or not _RANGE.search(message) or f"got {values[name]!r}" not in message:
                return None, faults
            else:
                faults.append((name, message))
            stand_in = _legal_value(message, values[name]) if name is not None else None
            if stand_in is None:
                return None, faults
            tried[name] = stand_in
        else:
            return (None if faults else made), faults


def range_faults(cls: type, values: dict[str, Any]) -> list[tuple[str, str]]:
    """Ranges that hold for single fields of a record that cannot be constructed because others are `BAD`.

    Construction is tried with what there is; only what it says about the range of a good field, with the value that
    the file gave, counts, so nothing that a missing part causes is reported.
    """
    faults: list[tuple[str, str]] = []
    tried = dict(values)
    while True:
        try:
            cls(**tried)
        except _PROBE as error:
            message = str(error)
            name = _named_field(message, values)
            if name is None or values[name] is BAD or name in {f for f, _ in faults}:
                return faults
            stand_in = _legal_value(message, values[name])
            if stand_in is None or f"got {values[name]!r}" not in message:
                return faults
            faults.append((name, message))
            tried[name] = stand_in
        else:
            return faults


def _named_field(message: str, values: dict[str, Any]) -> str | None:
    """The field that a message is about: the house rule is *name must hold what, got what*."""
    first = re.match(r"\w+", message)
    if first is None:
        return None
    word = first.group()
    return next((name for name in (word, word + "s", word + "es") if name in values), None)


def _legal_value(message: str, current: Any) -> Any:
    """A value inside the range that `message` states, of the type of `current`; None where there is none to be had."""
    found = _RANGE.search(message)
    if found is None or isinstance(current, bool) or not isinstance(current, (int, float)):
        return None
    try:
        low, high = float(found[1]), float(found[2])
    except ValueError:
        return None
    middle = (low + high) / 2 if math.isfinite(low + high) else (low + 1.0 if math.isfinite(low) else high - 1.0)
    if not math.isfinite(middle):
        return None
    return math.ceil(middle) if isinstance(current, int) else middle
