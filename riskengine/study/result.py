"""`StudyResult`: rows of (section, model, parameters, measure, Estimate, verdict), curves and failures, as JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riskengine.errors import Fault, InputError
from riskengine.estimate import Estimate

SCHEMA = "riskengine-result/1"
_POWER = ("value", "lower", "upper", "method")


@dataclass(frozen=True)
class Row:
    """One figure of a study with its error.

    Attributes
    ----------
    section : str
        ``event``, ``margin``, ``accounts``, ``lending``, ``calibration``, ``sweep``, ``joint``, ``backtest`` or other:
        what chapters of the report select by.
    model : str
    parameters : dict
        What the figure is a function of (level, multiplier, account kind ...).
    measure, unit : str
        Unit is ``probability``, ``USD``, ``count``, ``share`` or ``return``.
    estimate : Estimate
    verdict : str or None
        PASS, FAIL or INCONCLUSIVE against a declared criterion, else None.
    limit : float or None
    power : Estimate, optional
        Of a row that says what a test found: probability that the test rejects under an alternative that its method
        names; undetermined with the reason where none is stated.
    """

    section: str
    model: str
    parameters: dict[str, Any]
    measure: str
    unit: str
    estimate: Estimate
    verdict: str | None = None
    limit: float | None = None
    power: Estimate | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what a row does not have is left out."""
        return {
            "section": self.section,
            "model": self.model,
            "parameters": self.parameters,
            "measure": self.measure,
            "unit": self.unit,
            "estimate": self.estimate.as_dict(),
            **({} if self.verdict is None else {"verdict": self.verdict, "limit": self.limit}),
            **({} if self.power is None else {"power": {k: v for k, v in self.power.as_dict().items() if k in _POWER}}),
        }


@dataclass(frozen=True)
class StudyResult:
    """Everything a study found.  ``head`` holds what describes the study itself (world, settings, assumptions)."""

    head: dict[str, Any]
    rows: tuple[Row, ...]
    curves: tuple[dict[str, Any], ...] = ()
    failures: dict[str, float] = field(default_factory=lambda: {"paths": 0, "share": 0.0})

    def as_dict(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        return {
            "schema": SCHEMA,
            **self.head,
            "rows": [r.as_dict() for r in self.rows],
            "curves": list(self.curves),
            "failures": self.failures,
        }

    def exit_code(self) -> int:
        """3 where a criterion failed, 4 where one is inconclusive, else 0."""
        verdicts = {r.verdict for r in self.rows}
        return 3 if "FAIL" in verdicts else 4 if "INCONCLUSIVE" in verdicts else 0


def load_result(run: Path) -> dict[str, Any]:
    """Content of ``result.json`` of a run folder; InputError where it is missing or not one of ours."""
    path = run / "result.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(Fault("a run folder must hold result.json; is the run complete?", str(run))) from None
    except (OSError, ValueError) as error:
        raise InputError(Fault(f"must be readable JSON, got {error}", str(path))) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(Fault(f"must have schema {SCHEMA}", str(path)))
    return content
