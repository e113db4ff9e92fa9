"""Integers of a reference case: numbers or strings, 1e27 among them, as a contract's unsigned words hold them."""

from decimal import Decimal, InvalidOperation
from typing import Any

from riskengine.pricing.fixed_point import WORD, check_integers


def whole(key: str, value: Any) -> int:
    """`value` as an integer; ValueError naming `key` where it is not a whole number in [0, 2^256)."""
    try:
        # by its decimals: the float nearest to 1e27 is another integer
        exact = Decimal("nan" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        exact = Decimal("nan")
    if exact.is_finite() and exact.adjusted() > 80:
        raise ValueError(f"{key} must be below 2^256, got {value!r}")
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"{key} must be a whole number, got {value!r}")
    check_integers(0, WORD - 1, **{key: int(exact)})
    return int(exact)


def integers(x: dict[str, Any], *keys: str) -> tuple[int, ...]:
    """The integers under `keys`, in this order."""
    return tuple(whole(k, x[k]) for k in keys)


def integer_or(x: dict[str, Any], key: str, default: int) -> int:
    """The integer under `key`, or `default` where there is none."""
    return whole(key, x.get(key, default))
