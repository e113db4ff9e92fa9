"""Chapter on the stress that a world is under."""

from riskengine.report.chapter import Chapter, Result
from riskengine.report.rows import Row, select
from riskengine.report.tables import pivot
from riskengine.report.wording import phrase


def stress(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What is laid over the paths, and how likely the event is that they are drawn given."""
    own = select(rows, "event")
    said = [f"{line[0].upper()}{line[1:]}." for line in (result.get("world") or {}).get("stress") or ()]
    for row in own:
        chance = phrase(row.estimate, row.unit)
        said.append(f"That has probability {chance}; the paths are independent draws given it, each counts in full.")
    return Chapter(
        "stress", "What is the stress?", said, [pivot("How likely the event is", own, ("event_probability",))]
    )
