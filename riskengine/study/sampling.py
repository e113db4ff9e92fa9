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
from riskengine.scenario.count_strata import fit_strata, stated_strata
from riskengine.scenario.cross_entropy import fit_proposal
from riskengine.scenario.jump_counts import count_probabilities
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
    sampling, world = study.sampling, study.world
    if not sampling.weighted:
        return None
    if not sampling.piloted:
        return Pilot(stated_strata(world.model, study.grid, sampling.count_shares, sampling.hours), np.empty(0), 0)
    targets, fit = targets_of(study), fit_strata if sampling.method == "stratified" else fit_proposal

    def figures(paths: MarketPaths) -> Floats:
        return targets(paths if world.overlay is None else world.overlay.apply(paths, world.model))

    try:
        return fit(world.model, study.grid, figures, study.seed, sampling.pilot)
    except ValueError as error:
        raise UsageError(
            f"sampling: {error}; targets {', '.join(sampling.targets)} beyond level {sampling.level:g} in "
            f"pilot_paths of {sampling.pilot_paths}: a lower level or more pilot paths would do"
        ) from None


def describe(study: CalibrationStudy, pilot: Pilot, columns: Columns) -> dict[str, Any]:
    """What the result says of weighted sampling."""
    figures, proposal, sampling = columns.figures, pilot.proposal, study.sampling
    weights = figures.weights if isinstance(figures, WeightedFigures) else None
    said = {
        "method": "stratified jump counts" if sampling.method == "stratified" else "mixture importance sampling",
        "plain_share": proposal.plain_share,
    }
    if sampling.method == "stratified":
        said |= {"expected_jumps": _expected_jumps(study), "strata": _strata(study, pilot)}
    else:
        said["tilts"] = len(proposal.tilts)
    if sampling.piloted:
        names = targets_of(study).names(study.world.model.assets)
        known = [(float(g), n) for g, n in zip(pilot.gains, names, strict=True) if not math.isnan(g)]
        least = min(known)
        said |= {
            "pilot_paths": pilot.paths,
            "level": sampling.level,
            "targets": len(names),
            "targets_without_tail": len(names) - len(known),
            "expected_gain_least": least[0],
            "expected_gain_least_target": least[1],
            "expected_gain_median": float(np.median([g for g, _ in known])),
        }
    return said | {
        "effective_paths": weights.effective,
        "largest_weight": float(weights.weight.max()),
        "weight_bound": weights.bound,
    }


def _expected_jumps(study: CalibrationStudy) -> float:
    """Expected number of jumps of a path in the time that is stratified."""
    return float(study.world.model.tilt_space(study.grid, study.sampling.hours).arrivals.sum())


def _strata(study: CalibrationStudy, pilot: Pilot) -> list[dict[str, Any]]:
    """Each stratum with a share: its counts, its probability under the world, and its share of the paths."""
    expected, out = _expected_jumps(study), []
    for tilt, share in zip(pilot.proposal.tilts, pilot.proposal.shares, strict=True):
        low, high = tilt.counts
        probability = float(count_probabilities(expected, int(low), high).sum())
        # beside those that are given their count, plain paths fall into it
        share += pilot.proposal.plain_share * probability
        most = int(high) if math.isfinite(high) else None
        out.append({"least": int(low), "most": most, "probability": probability, "share": share})
    return out


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
