"""The figures of a base study at a point of its inputs: the study's own simulation on few paths, kept to what is asked.

Every point of a replicate sees the same paths (common random numbers).  A figure comes back as K batch means, each over
its own part of the paths: what tells the answer from the noise of its simulation (`riskengine.tune.sensitivity`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import BLOCK_PATHS, Block
from riskengine.engine.outcomes import Key
from riskengine.engine.simulate import Simulation
from riskengine.errors import UsageError
from riskengine.random import DrawKeys
from riskengine.study.spec import CalibrationStudy
from riskengine.tune.sensitivity_spec import Output, SensitivityStudy, settings

Places = Sequence[tuple[Output, dict[str, Any]]]


def places_of(study: CalibrationStudy, outputs: Sequence[Output]) -> Places:
    """Each output with its place in `study`."""
    return [(output, next(settings(study, output))) for output in outputs]


def pruned(study: CalibrationStudy, places: Places) -> CalibrationStudy:
    """`study` without the models, levels and parts that no output reads.

    Without price feedback desks share prices and nothing else, so what is left has the same bits; with it everything
    stays.
    """
    if study.feedback is not None:
        return study
    asked = {s: [p for o, p in places if o.section == s] for s in _SECTIONS}
    margin = lending = calibration = None
    if asked["margin"]:
        kept = []
        for i, model in enumerate(study.margin.models):
            own = [p for p in asked["margin"] if p["index"] == i]
            levels = tuple(level for level in model.levels if level in {p["level"] for p in own})
            if own:
                kept.append(replace(model, levels=levels) if model.levels else model)
        wanted = {p["multiplier"] for p in asked["margin"]} | {1.0}
        multipliers = tuple(m for m in study.margin.multipliers if m in wanted)
        margin = replace(
            study.margin, models=tuple(kept), multipliers=multipliers, reference_accounts=(), reference_levels=()
        )
    if asked["lending"]:
        shifts = {p["threshold_shift"] for p in asked["lending"]} | {0.0}
        kept = tuple(s for s in study.lending.threshold_shifts if s in shifts)
        lending = replace(study.lending, threshold_shifts=kept)
    if asked["calibration"]:
        own, question = asked["calibration"], study.calibration
        calibration = replace(
            question,
            estimators=tuple(e for e in question.estimators if e.kind in {p["estimator"] for p in own}),
            exposures=tuple(e for e in question.exposures if e.name in {p["exposure"] for p in own}),
            levels=tuple(level for level in question.levels if level in {p["level"] for p in own}),
        )
    return replace(study, margin=margin, lending=lending, calibration=calibration)


_SECTIONS = ("margin", "lending", "calibration")


def key_of(study: CalibrationStudy, output: Output, place: dict[str, Any], places: Places) -> Key:
    """Outcome column behind `output` in a pruned study."""
    if output.section == "margin":
        subject = str((output.where or {}).get("account_kind", "all"))
        kept = sorted({p["index"] for o, p in places if o.section == "margin"})
        number = place["index"] if study.feedback is not None else kept.index(place["index"])
        label = study.margin.labels[number]
        return "margin", label, place["level"], place["multiplier"], subject, output.column
    if output.section == "lending":
        return "lending", place["model"], None, place["threshold_shift"], "all", output.column
    return "calibration", place["model"], place["level"], None, place["exposure"], output.column


class Evaluator:
    """Answers of a sensitivity study at points of its inputs.

    Parameters
    ----------
    asked : SensitivityStudy
    """

    def __init__(self, asked: SensitivityStudy):
        self._asked = asked
        self._space = asked.space
        self._places = places_of(asked.study, asked.outputs)
        self.shape = (len(asked.outputs), asked.batches)

    def __call__(self, point: Floats, first: int) -> Floats:
        """Batch means (outputs, batches) at `point` (d,) on paths `first` and on; NaN where too many of them failed."""
        asked = self._asked
        study = pruned(self._space.at(point), self._places)
        simulation = Simulation(
            study.world, study.grid, DrawKeys(asked.seed), study.margin, study.lending, study.calibration,
            study.feedback, study.confidence, checked=False,
        )  # fmt: skip
        parts, failed = [], []
        for start in range(0, asked.paths_per_point, BLOCK_PATHS):
            count = min(BLOCK_PATHS, asked.paths_per_point - start)
            outcomes = simulation.block(Block(0, first + start, count))
            index = {key: i for i, key in enumerate(outcomes.keys)}
            parts.append([self._column(study, simulation, *p, outcomes.values, index) for p in self._places])
            failed.append(outcomes.failed)
        values, bad = np.concatenate(parts, axis=1), np.concatenate(failed)
        if bad.mean() > study.max_failed_share:
            return np.full(self.shape, np.nan)
        good = ~bad.reshape(asked.batches, -1)
        batches = values.reshape(len(asked.outputs), asked.batches, -1)
        return np.where(good, batches, 0.0).sum(axis=2) / good.sum(axis=1)

    def _column(
        self, study: CalibrationStudy, simulation: Simulation, output: Output, place: dict[str, Any], values: Floats,
        index: dict[Key, int],
    ) -> Floats:  # fmt: skip
        key = key_of(study, output, place, self._places)
        if key not in index:
            same = sorted({str(k[4]) for k in index if k[:4] == key[:4] and k[5] == key[5]})
            known = f"one of {', '.join(same)}" if same else "a figure of the study"
            raise UsageError(f"outputs: {output.label} must be {known}, got account_kind {key[4]!r}")
        column = values[index[key]]
        if output.measure == "relative_bias":
            exposure = next(e for e in study.calibration.exposures if e.name == key[4])
            return column / simulation.lab.true_quantile(exposure, float(key[2])) - 1.0
        return (column > 0.0).astype(np.float64) if output.counts else column


def described(inputs: Any) -> list[dict[str, Any]]:
    """Inputs for the head of a result: name, group, paths, the study's own numbers, law and correlations in words."""

    def depends(i: int) -> str:
        row = inputs.correlation[i]
        return ", ".join(f"{o.name} {row[j]:+.2g}" for j, o in enumerate(inputs.inputs) if j != i and row[j] != 0.0)

    return [
        {
            "name": own.name,
            "group": own.group,
            "set": list(inputs.paths[i]),
            "own": [float(v) for v in inputs.base[i]],
            "law": inputs.said(i),
            **({"correlated": depends(i)} if depends(i) else {}),
        }
        for i, own in enumerate(inputs.inputs)
    ]
