"""Run the estimator lab: every estimator, level and sample size of a grid against the exact law of each world."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import Block, plan
from riskengine.engine.estimator_lab import LIMIT_LANE, Bench, Fit, fit
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.estimate import exact
from riskengine.random import DrawKeys
from riskengine.roles import ExposureModel
from riskengine.study.describe import lab_head
from riskengine.study.folder import RunFolder
from riskengine.study.lab_figures import Setting, cell_figures
from riskengine.study.lab_spec import EstimatorLabStudy
from riskengine.study.level_search import Sums, fine_levels, level_figures, wide_levels
from riskengine.study.manifest import manifest
from riskengine.study.names import LAB, LEVEL_SEARCH
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge

_PARTS = ("value", "lower", "upper", "breach", "regret", "es", "es_lower", "es_upper", "joint", "conditional")
_PILOT = 256  # samples that tell how many are needed
_ROOM = 1.2  # on that number: the scatter is itself an estimate


@dataclass(frozen=True)
class Series:
    """One line of the grid: an estimator on one exposure of one world at one sample size."""

    bench: Bench
    exposure: ExposureModel
    estimator: int
    size: int


class EstimatorLab:
    """The figures of a lab study.

    Parameters
    ----------
    study : EstimatorLabStudy
    """

    def __init__(self, study: EstimatorLabStudy):
        self.study = study
        self.levels = np.array(study.levels)
        keys = DrawKeys(study.seed)
        self.benches = [Bench(w, study.horizon_hours, study.samples, keys) for w in study.worlds]
        self.assets = tuple(dict.fromkeys(e.asset for e in study.exposures))
        self.truths = {(b.world.name, e.name): b.truth(e, self.levels) for b in self.benches for e in study.exposures}
        self.series = [
            Series(b, e, i, n)
            for b in self.benches
            for e in study.exposures
            for i in range(len(study.estimators))
            for n in study.sample_sizes
        ]
        # samples of each series; fewer once the pilot has said how many it takes
        self.counts = [study.replications] * len(self.series)
        self._columns: list[dict[str, Floats]] = []
        self._reasons: list[Fit | None] = [None] * len(self.series)
        self._grids: list[list[Floats]] = [[] for _ in self.series]
        self._sums: dict[int, dict[int, list[Sums]]] = {}
        self._limits: dict[tuple[str, str, int], Fit] = {}

    @property
    def blocks(self) -> list[Block]:
        """What threads run: smaller blocks where few samples do."""
        if self.study.standard_error is None:
            return plan(self.study.replications)
        count = max(self.counts)
        return [Block(i, a, min(_PILOT, count - a)) for i, a in enumerate(range(0, count, _PILOT))]

    def prepare(self, workers: int = 1) -> None:
        """Tables, the very large samples, the number of samples, and the first look of the level search."""
        for bench in self.benches:
            bench.prepare(self.study.exposures)
            self._large(bench, workers)
        pilot = self.study.standard_error is not None
        first = Block(0, 0, min(_PILOT, self.study.replications)) if pilot else plan(self.study.replications)[0]
        looks = list(self._samples(first))

        def look(block: Block) -> None:
            k, losses, state, series = looks[block.index]
            estimator = self.study.estimators[series.estimator]
            for target in self.study.targets:
                found = fit(estimator, losses, wide_levels(target), self.study.confidence)
                breach = series.bench.breach(series.exposure, found.var.value, state)
                self._grids[k].append(fine_levels(target, breach))
            if pilot:
                self.counts[k] = self._needed(fit(estimator, losses, self.levels, self.study.confidence), series)

        for _ in run_blocks([Block(i, 0, 0) for i in range(len(looks))], look, workers):
            pass
        self._columns = [
            {p: np.full((self.levels.size, n), np.nan) for p in _PARTS if p != "conditional" or s.bench.history}
            for s, n in zip(self.series, self.counts, strict=True)
        ]

    def _large(self, bench: Bench, workers: int) -> None:
        study = self.study
        returns, _ = bench.draw(study.limit_size, LIMIT_LANE, study.limit_replications, self.assets)
        tasks = [(e, i) for e in study.exposures for i in range(len(study.estimators))]
        losses = {e.name: bench.position(e).loss(returns[e.asset]) for e in study.exposures}

        def large(block: Block) -> None:
            exposure, i = tasks[block.index]
            found = fit(study.estimators[i], losses[exposure.name], self.levels, study.confidence)
            self._limits[bench.world.name, exposure.name, i] = found

        for _ in run_blocks([Block(k, 0, 0) for k in range(len(tasks))], large, workers):
            pass

    def _needed(self, found: Fit, series: Series) -> int:
        """Samples after which the mean estimate, of VaR and of ES at every level, has the standard error asked for."""
        truths = self.truths[series.bench.world.name, series.exposure.name]
        worst = 0.0
        for figure, truth in zip((found.var, found.es), truths, strict=True):
            for value, q in zip(figure.value, truth.value, strict=True):
                said = value[np.isfinite(value)]
                if said.size > 1 and q > 0.0:
                    # a figure refused on some samples takes more of them
                    worst = max(worst, float(said.var(ddof=1)) / (q * q) * value.size / said.size)
        need = math.ceil(_ROOM * worst / self.study.standard_error**2)
        return min(self.study.replications, max(need, _PILOT))

    def _samples(self, block: Block) -> Iterator[tuple[int, Floats, Floats, Series]]:
        """(number of the series, losses (n, P), state, series) of every series that has samples in the block.

        Each world is drawn once.  Independent samples of different sizes share their first losses, histories their
        last.
        """
        largest, drawn = max(self.study.sample_sizes), None
        for k, series in enumerate(self.series):
            count = min(block.count, self.counts[k] - block.first)
            if count <= 0:
                continue
            if drawn != series.bench.world.name:
                returns, states = series.bench.draw(largest, block.first, block.count, self.assets)
                losses = {e.name: series.bench.position(e).loss(returns[e.asset]) for e in self.study.exposures}
                drawn = series.bench.world.name
            whole = losses[series.exposure.name][:, :count]
            part = whole[largest - series.size :] if series.bench.history else whole[: series.size]
            yield k, part, states[series.exposure.asset][:count], series

    def block(self, block: Block) -> None:
        """Fit and judge the replications of `block`; a pure function of the study and the block's numbers."""
        study = self.study
        sums: dict[int, list[Sums]] = {}
        given: dict[tuple[str, str], Floats | None] = {}
        for k, losses, state, series in self._samples(block):
            ends = np.cumsum([self.levels.size, *(g.size for g in self._grids[k])])
            levels = np.concatenate([self.levels, *self._grids[k]])
            found = fit(study.estimators[series.estimator], losses, levels, study.confidence)
            breach = series.bench.breach(series.exposure, found.var.value, state)
            own, where = self.levels.size, (series.bench.world.name, series.exposure.name)
            var, es = found.var, found.es
            pinball, joint = series.bench.regrets(
                series.exposure, self.levels, self.truths[where], var.value[:own], es.value[:own]
            )
            parts = (*var, breach, pinball, *es, joint)
            here = slice(block.first, block.first + losses.shape[1])
            for part, values in zip(_PARTS, parts, strict=False):
                self._columns[k][part][:, here] = values[:own]
            if where not in given or given[where] is not None and given[where].shape[1] < state.size:
                given[where] = series.bench.conditional(series.exposure, self.levels, state)
            if given[where] is not None:
                self._columns[k]["conditional"][:, here] = given[where][:, : state.size]
            if block.index == 0:
                self._reasons[k] = found
            sums[k] = [Sums.of(var.value[a:b], breach[a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self._sums[block.index] = sums

    def rows(self) -> Iterator[Row]:
        """Every figure, once all blocks are done."""
        study = self.study
        for (world, exposure), truths in self.truths.items():
            for level, *figures in zip(study.levels, *(f.value for f in truths), strict=True):
                where = {"world": world, "exposure": exposure, "level": level}
                for measure, truth in zip(("true_quantile", "true_shortfall"), figures, strict=True):
                    figure = exact(float(truth), "exact unconditional law by Fourier inversion or mixture")
                    yield Row("estimator_lab", "", where, measure, LAB[measure], figure)
        for k, series in enumerate(self.series):
            who = study.labels[series.estimator]
            where = {"world": series.bench.world.name, "exposure": series.exposure.name, "estimator": who}
            var, es = (f.value for f in self.truths[where["world"], where["exposure"]])
            limits = self._limits[where["world"], where["exposure"], series.estimator]
            said = self._reasons[k]
            for j, level in enumerate(study.levels):
                cell = {name: column[j] for name, column in self._columns[k].items()}
                if not series.bench.history:  # without a state the truth is the same for every sample
                    cell["conditional"] = np.full(cell["value"].size, var[j])
                if np.isnan(cell["conditional"]).all():
                    del cell["conditional"]
                figures = cell_figures(
                    cell,
                    {"value": limits.var.value[j], "es": limits.es.value[j]},
                    Setting(level, study.confidence, study.limit_size, float(var[j]), float(es[j])),
                    (said.var_reasons[j], said.es_reasons[j]) if said else ("", ""),
                )
                for measure, figure in figures.items():
                    at = where | {"level": level, "sample_size": series.size}
                    yield Row("estimator_lab", who, at, measure, LAB[measure], figure)
            for t, target in enumerate(study.targets):
                own = [self._sums[b][k][t] for b in range(len(self._sums)) if k in self._sums[b]]
                total = replace(own[0])
                for part in own[1:]:
                    total.add(part)
                truth = float(series.bench.tail(series.exposure).var(np.array([1.0 - target]))[0])
                figures = level_figures(self._grids[k][t], total, target, truth, study.confidence)
                for measure, figure in figures.items():
                    at = where | {"target": target, "sample_size": series.size}
                    yield Row("level_search", who, at, measure, LEVEL_SEARCH[measure], figure)


def run_estimator_lab(
    study: EstimatorLabStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a lab study.

    Parameters
    ----------
    study, resolved, name, out, workers, progress, command
        As in `riskengine.study.run.run_study`; there are no blocks to keep, a lab takes a minute.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of section ``estimator_lab`` for every world, exposure, estimator, level and sample
        size, and of section ``level_search`` for every target.

    Raises
    ------
    UsageError
        Where the folder cannot be used or a criterion names no row.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume=False)
    lab = EstimatorLab(study)
    lab.prepare(workers or default_workers())
    done, blocks = 0, lab.blocks
    for block in run_blocks(blocks, lab.block, workers or default_workers()):
        done += block.count
        if progress is not None:
            progress(Progress(done, sum(b.count for b in blocks), time.perf_counter() - start))
    sampled = {b.world.name: "history" if b.history else "independent" for b in lab.benches}
    result = StudyResult(lab_head(study, name, command, sampled), tuple(judge(list(lab.rows()), study.criteria)))
    folder.write_json("manifest.json", manifest(resolved, study.replications))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result
