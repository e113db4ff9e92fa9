"""What the result of a study of rolling forecasts says about itself: series, settings, assumptions, data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.study.rolling_spec import RollingStudy

if TYPE_CHECKING:
    from riskengine.study.rolling import Line, RollingLab


def rolling_head(study: RollingStudy, lab: "RollingLab", records: Sequence, name: str, command: str) -> dict[str, Any]:
    """Everything of ``result.json`` that is not a figure."""
    known = {line.name: line for line in lab.lines}
    series = [
        {
            "series": line.name,
            **({} if line.hours is None else {"horizon_hours": line.hours, "window": line.window}),
            "forecasts": int(line.judged.size),
            "first": _stamp(line, 0),
            "last": _stamp(line, -1),
            "returns_over_a_gap_left_out": line.returns.left_out,
        }
        for line in known.values()
    ]
    files = {r.file: r.sha256 for r in records}
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "settings": {
            "series": len(known),
            "seed": study.seed,
            "horizon_hours": study.horizon_hours if study.forecasts is None else None,
            "window": study.window if study.estimators else None,
            "shortest_window": study.shortest_window,
            "levels": list(study.levels),
            "sides": list(study.sides),
            "benchmark": study.reference,
            "held_for": dict(study.refit),
            "significance": study.significance,
            "set_size": study.set_size,
            "rate_multiple": study.rate_multiple,
            "cluster_share": study.cluster_share,
            "null_draws": study.null_draws,
            "replicates": study.replicates,
            "confidence": study.confidence,
        },
        "series": series,
        "left_out": lab.left_out,
        "assumptions": _assumptions(study, list(known.values())),
        "data": [{"name": file, "sha256": digest, "source": "given by --data"} for file, digest in files.items()],
    }


def _stamp(line: "Line", i: int) -> str | int:
    at = int(line.seconds[i])
    return str(np.datetime64(at, "s"))[:10] if line.returns.seconds[-1] >= 1_000_000 else at


def _assumptions(study: RollingStudy, lines: Sequence["Line"]) -> list[str]:
    said = [
        "Losses are simple returns of a long or a short position, positive when money is lost. A forecast reads the "
        f"{study.window} losses before its day and nothing else.",
        "Returns do not overlap: a horizon longer than a bar takes a sub-series, so breaches of a right forecast are "
        "independent and counts are exact.",
        "A return over a missing bar is left out; windows and tests take the days on both sides of it as neighbours.",
        "A day without a usable forecast (0 < VaR <= ES, both finite) is left out of that estimator's figures; a level "
        "that the estimator refuses for the length of the window is refused here.",
        "Tests of one family on one series of forecasts become one p-value by Holm; over all cells of the table it is "
        "adjusted by Benjamini and Hochberg, by which a cell is called rejected, and by Holm. Tests of ES are formed "
        "where ten breaches are expected; most of them are asymptotic.",
        "No rejection is not proof: power stands beside the verdicts, for breaches "
        f"{study.rate_multiple:g} times as frequent as promised.",
        "Series of one market from several venues, and all crypto markets, fall together: counts of series are not "
        "independent evidence, and pooled rates and scores take the calendar day as their unit.",
        "Scores compare on days that all compared forecasts have; one that misses more than one day in fifty is not "
        "compared.",
    ]
    short = [f"{x.name} {x.window}" for x in lines if x.window != study.window]
    if short and study.forecasts is None:
        said.insert(
            1, f"Other windows, set for their file or half of the returns of a short series: {', '.join(short)}."
        )
    if study.refit:
        held = ", ".join(f"{kind} {step}" for kind, step in study.refit.items())
        said.append(f"Forecasts of these are held for so many periods: {held}.")
    return said
