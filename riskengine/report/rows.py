"""Reading a result: rows as records, and the selections that tables, figures and sentences share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_ESTIMATE = {"value": None, "lower": None, "upper": None, "method": "not reported"}


@dataclass(frozen=True)
class Row:
    """One row of ``result.json``."""

    section: str
    model: str
    measure: str
    unit: str
    estimate: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    verdict: str | None = None
    limit: float | None = None
    power: Mapping[str, Any] | None = None

    @property
    def value(self) -> float | None:
        """The figure itself."""
        return self.estimate.get("value")


def rows_of(result: Mapping[str, Any]) -> list[Row]:
    """The rows of `result`, in its order."""
    return [
        Row(
            section=str(r.get("section", "")),
            model=str(r.get("model") or ""),
            measure=str(r.get("measure", "")),
            unit=_unit(r),
            estimate=r.get("estimate") or NO_ESTIMATE,
            parameters=r.get("parameters") or {},
            verdict=r.get("verdict"),
            limit=r.get("limit"),
            power=r.get("power"),
        )
        for r in result.get("rows") or ()
    ]


def _unit(r: Mapping[str, Any]) -> str:
    """The unit as it is read: a difference of two probabilities is in points, a p-value is a plain number."""
    unit = str(r.get("unit") or "")
    if str(r.get("measure", "")).endswith("_p"):
        return "p-value"
    measure = str(r.get("measure", ""))
    is_change = measure == "paired_difference" or measure.startswith(("tornado_", "effect_"))
    is_change |= measure.endswith("_rate_difference")
    return "pp" if is_change and unit in ("probability", "share") else unit


def on_real_series(result: Mapping[str, Any]) -> bool:
    """Whether a result is about real series alone: there is no world whose fit to data could be in doubt."""
    return bool(result.get("series")) and not result.get("world")


def select(rows: Iterable[Row], section: str | None = None, measure: str | None = None, **parameters: Any) -> list[Row]:
    """Rows of `section` and `measure` whose parameters, where they have them, equal the ones given."""
    return [
        row
        for row in rows
        if (section is None or row.section == section)
        and (measure is None or row.measure == measure)
        and all(row.parameters.get(key, value) == value for key, value in parameters.items())
    ]


def unique(values: Iterable[Any]) -> list[Any]:
    """`values` without repeats, in order of first appearance; values need not be hashable."""
    seen: list[Any] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen


def headline(rows: Iterable[Row]) -> list[Row]:
    """Margin rows as the venue has them: the whole book, requirement not multiplied."""
    return select(rows, "margin", account_kind="all", multiplier=1.0)


def whole_book(row: Row) -> bool:
    """Whether a row speaks of all accounts together."""
    return all(row.parameters.get(key, "all") == "all" for key in ("account", "account_kind"))


def headline_level(rows: Iterable[Row]) -> float | None:
    """The level that sentences speak of: 99 % where it was asked for, else the lowest."""
    levels = sorted(unique(r.parameters["level"] for r in rows if r.parameters.get("level") is not None))
    return 0.99 if 0.99 in levels else (levels[0] if levels else None)


def at_level(rows: Iterable[Row], level: float | None) -> list[Row]:
    """Rows at `level`, and those of models that have no level."""
    return [r for r in rows if r.parameters.get("level") in (None, level)]


def varying(rows: list[Row]) -> list[str]:
    """Names of the parameters that differ between `rows`, in order of first appearance."""
    names = unique(key for row in rows for key in row.parameters)
    return [name for name in names if len(unique(row.parameters.get(name) for row in rows)) > 1]


def fixed(rows: list[Row]) -> dict[str, Any]:
    """Parameters that all of `rows` share, with their values."""
    moving = varying(rows)
    return {k: v for row in rows[:1] for k, v in row.parameters.items() if k not in moving and v is not None}


def as_it_stands(rows: Iterable[Row]) -> list[Row]:
    """Rows at multiplier 1 and unshifted thresholds."""
    return [r for r in rows if r.parameters.get("multiplier", 1.0) == 1.0 and not r.parameters.get("threshold_shift")]


def subject(row: Row) -> str:
    """The measure that a paired difference speaks of."""
    return str(row.parameters.get("measure") or row.measure)
