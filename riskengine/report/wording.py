"""Numbers as text: one rule for digits, units and intervals, used by every format.

The digits shown follow from the interval: its half-width is given to two significant digits, and the value to the
same decimal place, so that no digit is printed that the sample does not support.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
PERCENT_UNITS = ("probability", "share", "return", "pp")


def _decimals(numbers: list[float], width: float | None) -> int:
    """Decimal places: two significant digits of `width`, else three of the largest number; never over four of it."""
    size = max((abs(v) for v in numbers), default=0.0)
    if size == 0:
        return 0
    most = min(max(3 - math.floor(math.log10(size)), 0), 6)
    if width is None:
        return max(most - 1, 0)
    return min(max(1 - math.floor(math.log10(width)), 0), most) if width > 0 else most


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text if text.strip("-0.,") else "0"


def _scale(unit: str, numbers: list[float]) -> tuple[float, str]:
    """Divisor and suffix for `unit`, from the size of the numbers to be shown together."""
    if unit in PERCENT_UNITS:
        return 0.01, " pp" if unit == "pp" else " %"
    if unit == "USD":
        size = max((abs(v) for v in numbers), default=0.0)
        for scale, letter in _SCALES:
            if size >= scale:
                return scale, f"{letter} USD"
        return 1.0, " USD"
    return 1.0, "" if unit in ("count", "", "p-value", "number", "series") else f" {unit}"


def amount(value: float | None, unit: str) -> str:
    """`value` alone, with its unit: ``1.23 %``, ``4.5M USD``, ``1,200``; a dash where there is none."""
    if value is None:
        return "–"
    scale, suffix = _scale(unit, [value])
    scaled = value / scale
    if unit in ("count", "series") and scaled == round(scaled):
        return f"{scaled:,.0f}"
    if scaled and abs(scaled) < 0.99e-5:
        # of money it is what is left of a difference of large numbers
        return f"0{suffix}" if unit == "USD" else f"{scaled:.1e}{suffix}"
    text = _fixed(scaled, _decimals([scaled], None))
    return (text.rstrip("0").rstrip(".") if "." in text else text) + suffix


def is_exact(estimate: Mapping[str, Any]) -> bool:
    """Whether the figure carries no sampling error."""
    return estimate.get("value") is not None and estimate.get("confidence") == 1.0


def parts(estimate: Mapping[str, Any], unit: str) -> tuple[str, str]:
    """Value and interval as text.

    Parameters
    ----------
    estimate : mapping
        Fields of an `Estimate`; None where not finite.
    unit : str
        ``probability``, ``share``, ``pp`` (difference of two of these), ``USD``, ``count`` or any other, which is
        printed as it is.

    Returns
    -------
    tuple of str
        For example ``("1.23 %", "[1.10, 1.37]")``; ``("undetermined", reason)`` where there is no value,
        ``(value, "exact")`` where there is no sampling error, ``(value, "no interval")`` where the method gave none.
    """
    value, lower, upper = (estimate.get(k) for k in ("value", "lower", "upper"))
    if value is None:
        return "undetermined", str(estimate.get("method") or "no reason recorded")
    if is_exact(estimate):
        return amount(value, unit), "exact"
    if lower is None and upper is None:
        return amount(value, unit), "no interval"
    known = [v for v in (value, lower, upper) if v is not None]
    scale, suffix = _scale(unit, [value])
    of_bracket = ""
    if value == 0 and unit == "USD":
        # nothing has no scale of its own
        suffix, (scale, shown) = " USD", _scale(unit, known)
        of_bracket = shown.removesuffix(" USD")
    width = (upper - lower) / (2 * scale) if lower is not None and upper is not None else None
    decimals = _decimals([v / scale for v in known], width)
    low, high = (
        f"no {side} bound" if v is None else _fixed(v / scale, decimals) + (of_bracket if v else "")
        for side, v in (("lower", lower), ("upper", upper))
    )
    sign = "+" if unit == "pp" and value > 0 else ""
    return sign + _fixed(value / scale, decimals) + suffix, f"[{low}, {high}]"


def methods(estimates: Iterable[Mapping[str, Any]]) -> str:
    """How the intervals of `estimates` were made, each way once; refusals as one."""
    ways: dict[str, None] = {}
    refused = 0
    for estimate in estimates:
        text = str(estimate.get("method") or "")
        if "refused" in text:
            refused += 1
        elif text:
            ways[re.sub(r", exact coverage [\d.]+", "", text)] = None
    said = list(ways)
    if refused:
        said.append(f"refused for {refused} with too few effective hits")
    return "; ".join(said)


def phrase(estimate: Mapping[str, Any], unit: str) -> str:
    """Value and interval in running text: ``1.23 % [1.10, 1.37]``."""
    value, interval = parts(estimate, unit)
    return f"{value} {interval}" if interval.startswith("[") else f"{value} ({interval})"


def percent(value: float) -> str:
    """A confidence level or nominal rate: ``99.5 %``."""
    return f"{value * 100:.10g} %"


def plain(value: Any) -> str:
    """A parameter or setting as text: ``all``, ``1.25``, ``20,000``."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {plain(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(v) for v in value)
    return str(value)
