"""`Chapter`: what a part of a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskengine.report.figures import Figure
from riskengine.report.labels import model_of
from riskengine.report.rows import Row, unique
from riskengine.report.tables import Table
from riskengine.report.wording import percent

COVERAGE = ("initial_margin_breach", "maintenance_margin_breach", "insolvency")
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Chapter:
    """Title, leading sentences (empty ones are left out), figures and tables (None where there is nothing)."""

    anchor: str
    title: str
    lead: Sequence[str]
    items: Sequence[Figure | Table | None]


def level_label(row: Row) -> str:
    """The level of a row, or that it has none."""
    level = row.parameters.get("level")
    return "no level" if level is None else percent(level)


def curve_labels(curves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Model and level where they tell the curves apart, else their titles."""
    settings = [c.get("parameters") or {} for c in curves]
    if all(s.get("model") for s in settings):
        labels = [
            " ".join([model_of(str(s["model"]))] + ([percent(s["level"])] if s.get("level") else [])) for s in settings
        ]
        if len(unique(labels)) == len(labels):
            return labels
    return [str(c.get("title") or c.get("name")) for c in curves]
