"""Two runs side by side: which figures moved, and whether by more than their errors."""

from dataclasses import dataclass
from math import inf, sqrt
from pathlib import Path
from typing import Any

from riskengine.errors import UsageError
from riskengine.study.manifest import canonical
from riskengine.study.result import load_result


@dataclass(frozen=True)
class Comparison:
    """One figure in two runs.

    Attributes
    ----------
    row : dict
        The figure's row in the first run that has it: section, model, parameters, measure, unit.
    before, after : dict or None
        Fields of the estimate in each run; None where a run lacks the figure.
    z : float or None
        Difference in units of its standard error, treating the runs as independent; None where either has none.
    apart : bool
        Whether the two intervals have no point in common: what decides where there is no z.
    """

    row: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    z: float | None
    apart: bool = False

    @property
    def common(self) -> bool:
        """Whether both runs have the figure."""
        return self.before is not None and self.after is not None

    @property
    def moved(self) -> bool:
        """Whether the figure is in both runs and differs by more than its error, or has a value in one of them only.

        More than its error: three standard errors, or, where a figure has an interval only, intervals with no point in
        common.
        """
        if not self.common:
            return False
        if self.before["value"] is None or self.after["value"] is None:
            return self.before["value"] is not self.after["value"]
        return self.apart if self.z is None else abs(self.z) > 3.0


def _index(result: dict[str, Any]) -> dict[tuple, dict[str, Any]]:
    return {(row["section"], row["model"], canonical(row["parameters"]), row["measure"]): row for row in result["rows"]}


def compare_runs(before: Path, after: Path) -> list[Comparison]:
    """Every figure of either run, in the order of the first, then those only the second has.

    Raises
    ------
    UsageError
        Where the runs are of two kinds of study, which have no figure in common.
    """
    results = load_result(before), load_result(after)
    kinds = [(r.get("study") or {}).get("kind") for r in results]
    if kinds[0] != kinds[1]:
        raise UsageError(f"runs must be of one kind of study, got {kinds[0]} and {kinds[1]}")
    left, right = map(_index, results)
    out = []
    for key in dict.fromkeys([*left, *right]):
        a, b = (side[key]["estimate"] if key in side else None for side in (left, right))
        z = None
        if a and b and None not in (a["value"], b["value"], a["std_error"], b["std_error"]):
            spread = sqrt(a["std_error"] ** 2 + b["std_error"] ** 2)
            z = (b["value"] - a["value"]) / spread if spread > 0 else None
        row = {k: v for k, v in (left.get(key) or right[key]).items() if k != "estimate"}
        out.append(Comparison(row, a, b, z, bool(a and b) and _apart(a, b)))
    return out


def _apart(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether the intervals of two estimates have no point in common; an open end reaches everywhere."""
    (low_a, high_a), (low_b, high_b) = (
        (-inf if e["lower"] is None else e["lower"], inf if e["upper"] is None else e["upper"]) for e in (a, b)
    )
    return high_a < low_b or high_b < low_a
