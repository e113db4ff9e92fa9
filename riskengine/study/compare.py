"""Two runs side by side: which figures moved, and whether by more than their errors."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from riskengine.study.manifest import canonical
from riskengine.study.result import load_result


@dataclass(frozen=True)
class Comparison:
    """One figure in two runs.

    Attributes
    ----------
    label : str
        Section, model, parameters and measure.
    before, after : float or None
        None where a run lacks the figure.
    z : float or None
        Difference in units of its standard error, treating the runs as independent; None where either has none.
    """

    label: str
    before: float | None
    after: float | None
    z: float | None

    @property
    def moved(self) -> bool:
        """Whether the figure is missing in one run or differs by more than three standard errors."""
        if self.before is None or self.after is None:
            return self.before is not self.after
        return self.before != self.after if self.z is None else abs(self.z) > 3.0


def _index(result: dict[str, Any]) -> dict[tuple, dict[str, Any]]:
    return {(row["section"], row["model"], canonical(row["parameters"]), row["measure"]): row for row in result["rows"]}


def compare_runs(before: Path, after: Path) -> list[Comparison]:
    """Every figure of either run, in the order of the first, then those only the second has."""
    left, right = _index(load_result(before)), _index(load_result(after))
    out = []
    for key in dict.fromkeys([*left, *right]):
        a, b = (side[key]["estimate"] if key in side else None for side in (left, right))
        z = None
        if a and b and None not in (a["value"], b["value"], a["std_error"], b["std_error"]):
            spread = sqrt(a["std_error"] ** 2 + b["std_error"] ** 2)
            z = (b["value"] - a["value"]) / spread if spread > 0 else None
        label = f"{key[0]} · {key[1]} · {key[2].decode()} · {key[3]}"
        out.append(Comparison(label, a["value"] if a else None, b["value"] if b else None, z))
    return out
