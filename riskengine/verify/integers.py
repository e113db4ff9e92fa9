"""Integers of a reference case: numbers or strings, 1e27 among them."""

from fractions import Fraction
from typing import Any


def whole(key: str, value: Any) -> int:
    """`value` as an integer; ValueError naming `key` where it is not a whole number."""
    if isinstance(value, bool):
        raise ValueError(f"{key} must be a whole number, got {value!r}")
    # by its decimals: the float nearest to 1e27 is another integer
    exact = Fraction(str(value))
    if exact.denominator != 1:
        raise ValueError(f"{key} must be a whole number, got {value!r}")
    return exact.numerator


def integers(x: dict[str, Any], *keys: str) -> tuple[int, ...]:
    """The integers under `keys`, in this order."""
    return tuple(whole(k, x[k]) for k in keys)


def integer_or(x: dict[str, Any], key: str, default: int) -> int:
    """The integer under `key`, or `default` where there is none."""
    return whole(key, x.get(key, default))
