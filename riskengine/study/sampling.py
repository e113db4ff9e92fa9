"""How paths are drawn and when there are enough: the pilot of a study, and its fixed schedule of looks."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.targets import Targets
from riskengine.errors import UsageError
from riskengine.estimate import Estimate
from riskengine.market.paths import MarketPaths
from riskengine.scenario.cross_entropy import fit_proposal
from riskengine.scenario.pilot import Pilot
from riskengine.stats.figures import WeightedFigures
from riskengine.study.columns import Columns
from riskengine.study.result import Row
from riskengine.study.spec import CalibrationStudy, TargetError
from riskengine.study.verdict import matches


def targets_of(study: CalibrationStudy) -> Targets:
    """The path figures whose tails the mixture of a study is fitted to."""
    margin = study.margin
    period = study.grid.steps if margin is None else study.grid.index("margin_period_hours", margin.margin_period_hours)
    return Targets(study.sampling.targets, margin and margin.book, study.world.surface, period)


def pilot_of(study: CalibrationStudy) -> Pilot | None:
    """The mixture that a study draws from, a pure function of its question; None where sampling is plain."""
    if not study.sampling.tilted:
        return None
    world, targets = study.world, targets_of(study)

    def figures(paths: MarketPaths) -> Floats:
        return targets(paths if world.overlay is None else world.overlay.apply(paths, world.model))

    try:
        return fit_proposal(world.model, study.grid, figures, study.seed, study.sampling.pilot)
    except ValueError as error:
        raise UsageError(
            f"sampling: {error}; targets {', '.join(study.sampling.targets)} beyond level {study.sampling.level:g} in "
            f"pilot_paths of {study.sampling.pilot_paths}: a lower level or more pilot paths would do"
        ) from None


def describe(study: CalibrationStudy, pilot: Pilot, columns: Columns) -> dict[str, Any]:
    """What the result says of tilted sampling."""
    figures = columns.figures
    weights = figures.weights if isinstance(figures, WeightedFigures) else None
    names = targets_of(study).names(study.world.model.assets)
    known = [(float(g), n) for g, n in zip(pilot.gains, names, strict=True) if not math.isnan(g)]
    least = min(known)
    return {
        "method": "mixture importance sampling",
        "plain_share": pilot.proposal.plain_share,
        "tilts": len(pilot.proposal.tilts),
        "pilot_paths": pilot.paths,
        "level": study.sampling.level,
        "targets": len(names),
        "targets_without_tail": len(names) - len(known),
        "expected_gain_least": least[0],
        "expected_gain_least_target": least[1],
        "expected_gain_median": float(np.median([g for g, _ in known])),
        "effective_paths": weights.effective,
        "largest_weight": float(weights.weight.max()),
        "weight_bound": weights.bound,
    }


def spent(confidence: float, looks: int) -> float:
    """Confidence of each of `looks` looks that leaves `confidence` to all of them together (Bonferroni)."""
    return 1.0 - (1.0 - confidence) / looks


def tight(rows: Iterable[Row], wanted: TargetError) -> bool:
    """Whether every row that `wanted` names is tight enough; UsageError where it names none."""
    named = named_rows(rows, wanted)
    return all(_half_width(row.estimate) <= _allowed(row.estimate, wanted) for row in named)


def named_rows(rows: Iterable[Row], wanted: TargetError) -> list[Row]:
    """Rows that a target error names; UsageError where there are none."""
    rows = list(rows)
    found = [r for r in rows if matches(r, wanted.measure, wanted.where)]
    if not found:
        names = ", ".join(sorted({row.measure for row in rows}))
        raise UsageError(f"target_error: no figure matches {wanted.measure} where {wanted.where}; measures: {names}")
    return found


def _half_width(estimate: Estimate) -> float:
    width = 0.5 * (estimate.upper - estimate.lower)
    return width if math.isfinite(width) else math.inf


def _allowed(estimate: Estimate, wanted: TargetError) -> float:
    if wanted.absolute is not None:
        return wanted.absolute
    return wanted.relative * abs(estimate.value) if math.isfinite(estimate.value) else -1.0


def stopped_rows(rows: list[Row], at_look: list[Row], wanted: TargetError, look: int, looks: int) -> list[Row]:
    """`rows` with the named ones as they were looked at: their interval is wider, and holds for the stopped run."""
    if looks == 1:
        return rows
    kept = iter(named_rows(at_look, wanted))
    return [_said(next(kept), row, look, looks) if matches(row, wanted.measure, wanted.where) else row for row in rows]


def _said(seen: Row, row: Row, look: int, looks: int) -> Row:
    each = seen.estimate.confidence
    method = f"{seen.estimate.method}; stopped at look {look} of {looks}, each at {100 * each:.4g} %"
    return replace(row, estimate=replace(seen.estimate, confidence=row.estimate.confidence, method=method))
