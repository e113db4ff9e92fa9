"""Verdicts: PASS, FAIL or INCONCLUSIVE, only against declared criteria."""

from dataclasses import replace

from riskengine.errors import UsageError
from riskengine.estimate import Estimate, undetermined
from riskengine.study.criterion import Criterion
from riskengine.study.result import Row

_NO_POWER = "not stated: PASS needs the whole interval inside the limit, so a run that sees too little is INCONCLUSIVE"


def verdict(estimate: Estimate, criterion: Criterion) -> str:
    """PASS where the whole interval keeps the limit, FAIL where all of it breaks it, else INCONCLUSIVE."""
    low, high = estimate.lower, estimate.upper
    if criterion.sense == "at_least":
        low, high = -high, -low
    limit = criterion.limit if criterion.sense == "at_most" else -criterion.limit
    return "PASS" if high <= limit else "FAIL" if low > limit else "INCONCLUSIVE"


def matches(row: Row, measure: str, where: dict[str, float | str] | None) -> bool:
    """Whether a row is the figure `measure` with the parameters `where`."""
    known = {**row.parameters, "model": row.model, "section": row.section}
    return row.measure == measure and all(known.get(k) == v for k, v in (where or {}).items())


def judge(rows: list[Row], criteria: tuple[Criterion, ...]) -> list[Row]:
    """Rows with the verdict of the criterion that names them; UsageError for a criterion that names no row."""
    out = list(rows)
    for criterion in criteria:
        hits = [i for i, row in enumerate(out) if matches(row, criterion.measure, criterion.where)]
        if not hits:
            names = ", ".join(sorted({row.measure for row in rows}))
            raise UsageError(
                f"criteria: no figure matches {criterion.measure} where {criterion.where}; measures: {names}"
            )
        for i in hits:
            said = verdict(out[i].estimate, criterion)
            power = out[i].power or undetermined(0, _NO_POWER)
            out[i] = replace(out[i], verdict=said, limit=criterion.limit, power=power)
    return out
