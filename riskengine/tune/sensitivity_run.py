"""Run a sensitivity study: every point of every design as a block of evaluations, then indices with intervals.

A point is an evaluation of the base study's figures on few paths (`riskengine.tune.evaluate`).  Points are numbered
over all designs, so blocks, threads, checkpoints and ``--resume`` are those of any run: a path there is a point
here.  Each replicate of a design, each trajectory and each stretch of the tornado has paths of its own; within it all
points share them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import Block
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.outcomes import PathOutcomes
from riskengine.engine.store import BlockStore
from riskengine.errors import RunError
from riskengine.estimate import Estimate, undetermined
from riskengine.market.grid import TimeGrid
from riskengine.study.describe import world_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge
from riskengine.tune import sensitivity as maths
from riskengine.tune.evaluate import Evaluator, described
from riskengine.tune.quantile_report import derivative_rows
from riskengine.tune.sensitivity_spec import TAIL, Output, SensitivityStudy

_CHUNK = 16  # evaluations in a block
_MORRIS, _SOBOL, _SHAPLEY = 1, 2, 3  # apart in the seeds of the designs


@dataclass(frozen=True)
class Stretch:
    """Points of one part of a design (..., d) that share the paths from `first` on."""

    points: Floats
    first: int


class Designs:
    """All points of a study, in order.

    Parameters
    ----------
    study : SensitivityStudy
    """

    def __init__(self, study: SensitivityStudy):
        self._study, self._space = study, study.space
        d = len(study.inputs)
        self.members = list(self._space.groups.values())
        singles = [(i,) for i in range(d)]
        self.sets = singles + (self.members if len(self.members) != d else [])
        self.walks: list[maths.Trajectory] = []
        self.orders: list[maths.Walk] = []
        self.stretches: dict[str, list[Stretch]] = {}
        self._used = 0
        if "tornado" in study.used:
            ends = np.full((2 * d + 1, d), np.nan)
            ends[1 + 2 * np.arange(d), np.arange(d)] = TAIL
            ends[2 + 2 * np.arange(d), np.arange(d)] = 1.0 - TAIL
            parts = study.tornado_paths // study.paths_per_point
            self.stretches["tornado"] = [self._stretch(ends) for _ in range(parts)]
        if "morris" in study.used:
            self.walks = [maths.trajectory(d, 4, (study.seed, _MORRIS, t)) for t in range(study.trajectories)]
            self.stretches["morris"] = [self._stretch(TAIL + (1 - 2 * TAIL) * w.points) for w in self.walks]
        if "sobol" in study.used:
            self.stretches["sobol"] = [
                self._stretch(self._joint(maths.sobol_design(d, self.sets, study.log2_points, (study.seed, _SOBOL, r))))
                for r in range(study.replicates)
            ]
        if "shapley" in study.used:
            self.orders = [
                maths.shapley_walk(
                    self._space.correlation, self.members, 2**study.log2_points, (study.seed, _SHAPLEY, r)
                )
                for r in range(study.replicates)
            ]
            self.stretches["shapley"] = [self._stretch(w.points) for w in self.orders]
        every = [s for part in self.stretches.values() for s in part]
        self.points = np.concatenate([s.points.reshape(-1, d) for s in every])
        self.first = np.concatenate([np.full(s.points.size // d, s.first) for s in every])

    def _stretch(self, points: Floats) -> Stretch:
        self._used += self._study.paths_per_point
        return Stretch(points, self._used - self._study.paths_per_point)

    def _joint(self, points: Floats) -> Floats:
        """Independent uniforms joined by the copula: groups are independent, so their columns move together."""
        if not self._space.dependent():
            return points
        from scipy.special import ndtr, ndtri

        score = ndtri(np.clip(points, 1e-12, 1.0 - 1e-12))
        return ndtr(score @ np.linalg.cholesky(self._space.correlation).T)

    def answers(self, values: Floats) -> dict[str, list[Floats]]:
        """Answers (points of the part ..., outputs, batches) of every stretch, from those of all points in order."""
        out: dict[str, list[Floats]] = {}
        at = 0
        for method, parts in self.stretches.items():
            out[method] = []
            for part in parts:
                shape = part.points.shape[:-1]
                count = int(np.prod(shape))
                out[method].append(values[at : at + count].reshape(*shape, *values.shape[1:]))
                at += count
        return out


def run_sensitivity(
    study: SensitivityStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a sensitivity study.

    Parameters
    ----------
    study, resolved, name, out, workers, resume, progress, command
        As in `riskengine.study.run.run_study`; what is counted and kept are evaluations.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of section ``sensitivity`` for every output and input or group, and of
        ``quantile_derivative`` for every exposure, level and parameter.

    Raises
    ------
    UsageError
        Where the folder cannot be used, or an output or a criterion names no figure.
    RunError
        Where too many paths of an evaluation failed.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume)
    store, designs, evaluate = BlockStore(folder.path / "blocks"), Designs(study), Evaluator(study)
    total = len(designs.points)
    blocks = [Block(i, at, min(_CHUNK, total - at)) for i, at in enumerate(range(0, total, _CHUNK))]
    keys = [("sensitivity", "", None, float(k), o.label, "batch") for o in study.outputs for k in range(study.batches)]

    def work(block: Block) -> None:
        span = range(block.first, block.first + block.count)
        found = np.array([evaluate(designs.points[i], int(designs.first[i])).reshape(-1) for i in span])
        store.write(block, PathOutcomes.from_columns(dict(zip(keys, found.T, strict=True)), np.zeros(len(span), bool)))

    missing = [b for b in blocks if not store.check(b)]
    done = total - sum(b.count for b in missing)
    for block in run_blocks(missing, work, workers or default_workers()):
        done += block.count
        if progress is not None:
            progress(Progress(done, total, time.perf_counter() - start))
    failed = store.failed(blocks)
    if failed.any():
        where = study.space.numbers(designs.points[int(np.argmax(failed))])
        told = ", ".join(f"{k} = {v:.6g}" for k, v in where.items()) or "the study's own values"
        raise RunError(
            f"more than the stated share of paths failed numerically in {int(failed.sum())} of {total} evaluations; "
            f"the first is at {told}"
        )
    values = np.array(store.select(blocks, keys)).T.reshape(total, len(study.outputs), study.batches)
    rows = list(_rows(study, designs, designs.answers(values)))
    if study.derivatives is not None:
        grid = TimeGrid(study.study.grid.step_seconds, round(study.study.window_hours * 3600) // _step(study))
        rows += derivative_rows(study.study.world, study.derivatives, grid, study.seed, study.confidence)
    result = StudyResult(_head(study, name, command), tuple(judge(rows, study.criteria)))
    folder.write_json("manifest.json", manifest(resolved, total))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


def _step(study: SensitivityStudy) -> int:
    return study.study.grid.step_seconds


def _rows(study: SensitivityStudy, designs: Designs, answers: dict[str, list[Floats]]) -> Iterator[Row]:
    makers = {"tornado": _tornado, "morris": _morris, "sobol": _sobol, "shapley": _shapley}
    for m, output in enumerate(study.outputs):
        for method, parts in answers.items():
            found = makers[method](study, designs, [p[..., m, :] for p in parts])
            for where, measure, estimate in found:
                yield Row("sensitivity", output.label, where, measure, _unit(output, measure), estimate)


def _unit(output: Output, measure: str) -> str:
    return "share" if measure in ("first_index", "total_index", "shapley_effect", "noise_share") else output.unit


Found = Iterator[tuple[dict[str, Any], str, Estimate]]


def _place(study: SensitivityStudy, i: int) -> dict[str, Any]:
    return {"input": study.inputs[i].name, "group": study.inputs[i].group}


def _tornado(study: SensitivityStudy, designs: Designs, parts: list[Floats]) -> Found:
    """Base value, then what each end of each input moves, paired on the same paths."""
    y = np.concatenate(parts, axis=-1)  # (2 d + 1, batches of all stretches)
    n = study.tornado_paths

    def paired(values: Floats, what: str = "paired on common random numbers") -> Estimate:
        same = not values.any()
        method = f"{what}, Student t over {values.size} batches" if not same else "identical on every path"
        return maths.mean_over(values[:, None], study.confidence, n, method)[0]

    yield {}, "base_value", paired(y[0], "mean")
    for i in range(len(study.inputs)):
        low, high = y[1 + 2 * i], y[2 + 2 * i]
        for measure, values in (
            ("tornado_low", low - y[0]),
            ("tornado_high", high - y[0]),
            ("tornado_swing", high - low),
        ):
            yield _place(study, i), measure, paired(values)


def _morris(study: SensitivityStudy, designs: Designs, parts: list[Floats]) -> Found:
    found = maths.morris_from(designs.walks, parts, study.confidence)
    for i in range(len(study.inputs)):
        where = _place(study, i)
        yield where, "effect_mean", found.mean[i]
        yield where, "effect_absolute", found.absolute[i]
        spread = float(found.deviation[i])
        none = "standard deviation over trajectories, noise removed; no interval"
        yield where, "effect_spread", Estimate(
            spread, float("nan"), -np.inf, np.inf, study.confidence, len(parts), float(len(parts)), none
        )  # fmt: skip


def _sobol(study: SensitivityStudy, designs: Designs, parts: list[Floats]) -> Found:
    d, groups = len(study.inputs), list(study.space.groups)
    n = sum(p.shape[0] * p.shape[1] for p in parts)
    found = maths.sobol_from([maths.sobol_parts(p) for p in parts], study.confidence, n)
    for i in range(d):
        where, tied = _place(study, i), study.space.dependent((i,))
        reason = undetermined(n, "depends on other inputs: its group, or its Shapley effect, is what can be said")
        yield where, "first_index", reason if tied else found.first[i]
        yield where, "total_index", reason if tied else found.total[i]
    offset = d if len(designs.sets) > d else 0
    for g, group in enumerate(groups):
        place = offset + g if offset else designs.sets.index(designs.members[g])
        yield {"group": group}, "first_index", found.first[place]
        yield {"group": group}, "total_index", found.total[place]
    ab = np.concatenate([p[:2].reshape(-1, p.shape[-1]) for p in parts])
    means = np.array([[p[:2].mean()] for p in parts])
    yield {}, "answer_mean", maths.mean_over(means, study.confidence, len(ab), "mean over designs, Student t")[0]
    yield {}, "answer_sd", _root(found.variance)
    yield {}, "noise_share", found.noise_share


def _shapley(study: SensitivityStudy, designs: Designs, parts: list[Floats]) -> Found:
    shares = [maths.shapley_parts(w, p) for w, p in zip(designs.orders, parts, strict=True)]
    added, whole = np.array([s[0] for s in shares]), np.array([s[1] for s in shares])
    n = sum(p.shape[0] * p.shape[1] for p in parts)
    for i, estimate in enumerate(maths.shapley_from(added, whole, study.confidence, n)):
        yield _place(study, i), "shapley_effect", estimate
    sums = np.stack([added[:, list(m)].sum(axis=1) for m in designs.members], axis=1)
    for group, estimate in zip(study.space.groups, maths.shapley_from(sums, whole, study.confidence, n), strict=True):
        yield {"group": group}, "shapley_effect", estimate
    if "sobol" not in study.used:
        method = f"Student t over {len(parts)} scrambles"
        yield {}, "answer_sd", _root(maths.mean_over(whole[:, None], study.confidence, n, method)[0])
        noise = np.array([[s[2]] for s in shares])
        yield {}, "noise_share", maths.ratio_over(noise, whole + noise[:, 0], study.confidence, n, method)[0]


def _root(variance: Estimate) -> Estimate:
    """Standard deviation from a variance whose estimate may fall below zero."""
    if not variance.value > 0.0:
        return undetermined(variance.n, "the answer does not vary beyond its noise")
    value = sqrt(variance.value)
    return replace(
        variance,
        value=value,
        std_error=variance.std_error / (2.0 * value),
        lower=sqrt(max(variance.lower, 0.0)),
        upper=sqrt(max(variance.upper, 0.0)),
        method=f"root of {variance.method}",
    )


def _head(study: SensitivityStudy, name: str, command: str) -> dict[str, Any]:
    """Everything of ``result.json`` that is not a figure."""
    space = study.space
    said = [
        "Losses are positive. Every evaluation is the base study on few paths; all points of a design share their "
        "paths (common random numbers), and each design has paths of its own.",
        f"Tornado and screening move an input from the {TAIL:.0%} to the {1 - TAIL:.0%} quantile of its law.",
        "Mean squares are products of different batches of paths, so the noise of the simulation is not counted as an "
        "effect of any input; its share of the raw variance is reported.",
        "The implied-volatility surface is an input of its own: it does not follow when a parameter of the price law "
        "moves.",
    ]
    if "shapley" in study.used:
        said.append(
            "Shapley effects average over orderings that keep groups together (Owen's value): those of a group add up "
            "from its inputs, and all add up to 1."
        )
    if space.dependent():
        said.append(
            "Inputs depend on each other through a Gaussian copula of their normal scores: shares of the variance are "
            "Shapley effects, the only ones that add up to 100 % then."
        )
    elif study.derivatives is not None and not study.study.world.fit.get("error_correlation"):
        said.append("The fit states no correlation of its errors: they are taken as independent.")
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": world_head(study.study.world),
        "settings": {
            "seed": study.seed,
            "evaluations": sum(study.budget.values()),
            "budget": study.budget,
            "paths_per_point": study.paths_per_point,
            "batches": study.batches,
            "tornado_paths": study.tornado_paths,
            "trajectories": study.trajectories,
            "points": 2**study.log2_points,
            "replicates": study.replicates,
            "confidence": study.confidence,
            "horizon_hours": study.study.horizon_hours,
            "base_study": study.study.title,
            "inputs": described(space),
            "outputs": {o.label: {"measure": o.measure, **(o.where or {})} for o in study.outputs},
        },
        "assumptions": said,
    }
