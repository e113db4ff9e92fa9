"""A log of governance changes, by which a dated parameter set is stepped to another date, forwards or back.

Every change says the value it was made from and the value it was made to, so a log that belongs to another market, or
has a hole, is found by the first change that does not fit.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve

_OF_RESERVE = (
    "ltv",
    "liquidation_threshold",
    "liquidation_bonus",
    "liquidation_protocol_fee",
    "supply_cap",
    "borrow_cap",
)
PARAMETERS = (*_OF_RESERVE, "reserve_factor")
_SLACK = 1e-9


def _day(name: str, text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise ValueError(f"{name} must be an ISO date such as 2024-10-04, got {text!r}") from None


@dataclass(frozen=True)
class ParameterChange:
    """One parameter of a token as governance moved it.

    Attributes
    ----------
    date : str
        ISO date; the new value holds from that day on.
    token, parameter : str
        Symbol; a parameter of `Reserve`, or ``reserve_factor`` of its rates.
    before, after : float
    """

    date: str
    token: str
    parameter: str
    before: float
    after: float

    def __post_init__(self) -> None:
        _day("date", self.date)
        if self.parameter not in PARAMETERS:
            raise ValueError(f"parameter must be one of {', '.join(PARAMETERS)}, got {self.parameter!r}")


@dataclass(frozen=True)
class ChangeLog:
    """All changes of a market's tokens from `first` to `last`.

    Attributes
    ----------
    first, last : str
        ISO dates between which the log holds every change.
    source : str
    changes : tuple of ParameterChange
        By date.
    """

    first: str
    last: str
    source: str
    changes: tuple[ParameterChange, ...] = ()

    def __post_init__(self) -> None:
        days = [_day("first", self.first), *(_day("date", c.date) for c in self.changes), _day("last", self.last)]
        if any(a > b for a, b in zip(days[:-1], days[1:], strict=True)):
            raise ValueError(f"changes must be in order of date from {self.first} to {self.last}")


def stepped(rules: "AaveV3Rules", date: str) -> "AaveV3Rules":
    """`rules` with every change of their log between their own date and `date` made, or undone where it is earlier.

    Where the log does not reach `date` it is stepped as far as the log does, and ``as_of`` says so; without a log, or
    where the log does not reach the date of the rules, they are returned as they are.

    Raises
    ------
    ValueError
        Where a change does not find the value that it was made from.
    """
    log = rules.history
    own = _day("as_of", rules.as_of)
    if log is None or not _day("first", log.first) <= own <= _day("last", log.last):
        return rules
    to = min(max(_day("date", date), _day("first", log.first)), _day("last", log.last))
    later = to > own
    between = [c for c in log.changes if (own < _day("date", c.date) <= to or to < _day("date", c.date) <= own)]
    reserves = {r.symbol: r for r in rules.reserves}
    for change in between if later else reversed(between):
        found, made = (change.before, change.after) if later else (change.after, change.before)
        own_reserve = reserves[rules.reserve(change.token).symbol]
        value = _value(own_reserve, change.parameter)
        if value is None or abs(value - found) > _SLACK * max(1.0, abs(found)):
            raise ValueError(
                f"change of {change.token} {change.parameter} on {change.date} must find {found:g}, got {value}"
            )
        reserves[change.token] = _with(own_reserve, change.parameter, made)
    return replace(rules, as_of=str(to), reserves=tuple(reserves.values()))


def _value(reserve: "Reserve", parameter: str) -> Any:
    return getattr(reserve.rates if parameter == "reserve_factor" else reserve, parameter)


def _with(reserve: "Reserve", parameter: str, value: float) -> "Reserve":
    if parameter == "reserve_factor":
        return replace(reserve, rates=replace(reserve.rates, reserve_factor=value))
    return replace(reserve, **{parameter: value})
