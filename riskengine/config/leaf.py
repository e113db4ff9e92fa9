"""One plain value against one type, by pydantic under its strict JSON rules.

Strict JSON is what a strict YAML file is: a whole number is a number, a list is a tuple, a word is never a number, a
number is never a word, NaN and infinities are refused.
"""

import datetime
import json
import types
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from riskengine.config.faults import show
from riskengine.registry import suggest

_PLAIN = (int, float, str, bool, types.NoneType, object, list, dict, tuple, datetime.date, datetime.datetime)
_WANTED = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be finite",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be a word",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "missing": "must hold more entries",
    "too_long": "must hold fewer entries",
    "none_required": "must be null",
}


def is_plain(hint: Any) -> bool:
    """Whether `hint` is made of numbers, words, lists and mappings only."""
    if hint is Any or hint is Ellipsis or get_origin(hint) is Literal:
        return True
    if get_origin(hint) in (tuple, list, dict, Union, types.UnionType):
        return all(is_plain(a) for a in get_args(hint))
    return hint in _PLAIN or (isinstance(hint, type) and issubclass(hint, Enum))


@cache
def _adapter(hint: Any) -> TypeAdapter:
    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False, ser_json_inf_nan="constants"))


def check_leaf(hint: Any, value: Any) -> tuple[Any, list[tuple[tuple[str | int, ...], str]]]:
    """(value as `hint`, faults); a fault is (path below the value, message).

    Parameters
    ----------
    hint : type
        One for which `is_plain` holds.
    value : object
        Plain value of a file.
    """
    try:
        return _adapter(hint).validate_json(json.dumps(value)), []
    except ValidationError as error:
        faults = {}
        for found in error.errors(include_url=False):
            loc, got = _within(value, found["loc"])
            faults.setdefault(loc, []).append(_message(found, got))
        return None, [(loc, " or ".join(dict.fromkeys(messages))) for loc, messages in faults.items()]


def _within(value: Any, loc: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], Any]:
    """The part of pydantic's location that is in `value` (it adds the names of union members), and what is there."""
    path: list[str | int] = []
    for key in loc:
        if (
            isinstance(value, dict)
            and key in value
            or isinstance(value, list)
            and isinstance(key, int)
            and key < len(value)
        ):
            path.append(key)
            value = value[key]
    return tuple(path), value


def _message(found: Any, got: Any) -> str:
    kind = found["type"]
    if kind == "literal_error":
        legal = [part.strip().strip("'") for part in found["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"must be one of {', '.join(legal)}, got {show(got)}{suggest(got, legal)}"
    wanted = _WANTED.get(kind)
    if wanted is None:
        wanted = found["msg"][0].lower() + found["msg"][1:]
    return f"{wanted}, got {show(got)}"
