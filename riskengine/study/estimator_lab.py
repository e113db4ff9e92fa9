"""Run the estimator lab: every estimator, level and sample size of a grid against the exact law of each world.

Errors of an estimate are told apart: model error is the relative bias on samples so large that only the form of the
estimator is left, finite-sample bias is what is added at n, the standard deviation at n is estimation error, and the
standard error of each figure is the Monte Carlo error of the lab itself:
relative RMSE^2 = (model error + finite-sample bias)^2 + relative sd^2.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from riskengine.arrays import Floats
from riskengine.engine.blocks import Block, plan
from riskengine.engine.estimator_lab import LIMIT_LANE, Bench, fit
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.questions import Exposure
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.random import DrawKeys
from riskengine.stats.bounded import share
from riskengine.stats.mean import mean, root
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.describe import lab_head
from riskengine.study.folder import RunFolder
from riskengine.study.lab_spec import EstimatorLabStudy
from riskengine.study.level_search import Sums, fine_levels, level_figures, wide_levels
from riskengine.study.manifest import manifest
from riskengine.study.names import LAB, LEVEL_SEARCH
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge

_PARTS = ("value", "lower", "upper", "breach", "regret")


@dataclass(frozen=True)
class Series:
    """One line of the grid: an estimator on one exposure of one world at one sample size."""

    bench: Bench
    exposure: Exposure
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
        shape = (len(self.levels), study.replications)
        self._columns = [{part: np.empty(shape) for part in _PARTS} for _ in self.series]
        self._reasons = [""] * len(self.series)
        self._grids: list[list[Floats]] = []
        self._sums: dict[int, list[list[Sums]]] = {}
        self._limits: dict[tuple[str, str, int], Floats] = {}

    def prepare(self) -> None:
        """Tables, the very large samples, and the first look of the level search."""
        for bench in self.benches:
            bench.prepare()
            self._large(bench)
        first = plan(self.study.replications)[0]
        for _, losses, state, series in self._samples(first):
            grids = []
            for target in self.study.targets:
                levels = wide_levels(target)
                found = fit(self.study.estimators[series.estimator], losses, levels, self.study.confidence)
                grids.append(fine_levels(target, series.bench.breach(series.exposure, found.value, state)))
            self._grids.append(grids)

    def _large(self, bench: Bench) -> None:
        study = self.study
        returns, _ = bench.draw(study.limit_size, LIMIT_LANE, study.limit_replications, self.assets)
        for exposure in study.exposures:
            losses = exposure.unit.loss(returns[exposure.asset])
            for i, estimator in enumerate(study.estimators):
                self._limits[bench.world.name, exposure.name, i] = fit(
                    estimator, losses, self.levels, study.confidence
                ).value

    def _samples(self, block: Block) -> Iterator[tuple[int, Floats, Floats, Series]]:
        """(number of the series, losses (n, P), state, series) of every series, each world drawn once.

        Independent samples of different sizes share their first losses, histories their last.
        """
        largest, drawn = max(self.study.sample_sizes), None
        for k, series in enumerate(self.series):
            if drawn != series.bench.world.name:
                returns, states = series.bench.draw(largest, block.first, block.count, self.assets)
                losses = {e.name: e.unit.loss(returns[e.asset]) for e in self.study.exposures}
                drawn = series.bench.world.name
            whole = losses[series.exposure.name]
            part = whole[largest - series.size :] if series.bench.history else whole[: series.size]
            yield k, part, states[series.exposure.asset], series

    def block(self, block: Block) -> None:
        """Fit and judge the replications of `block`; a pure function of the study and the block's numbers."""
        study, here = self.study, slice(block.first, block.first + block.count)
        sums = []
        for k, losses, state, series in self._samples(block):
            ends = np.cumsum([self.levels.size, *(g.size for g in self._grids[k])])
            levels = np.concatenate([self.levels, *self._grids[k]])
            found = fit(study.estimators[series.estimator], losses, levels, study.confidence)
            breach = series.bench.breach(series.exposure, found.value, state)
            own = self.levels.size
            for part, a in (("value", found.value), ("lower", found.lower), ("upper", found.upper), ("breach", breach)):
                self._columns[k][part][:, here] = a[:own]
            truths = self.truths[series.bench.world.name, series.exposure.name]
            for j, level in enumerate(study.levels):
                said = np.isfinite(found.value[j])
                out = np.full(block.count, np.nan)
                if said.any():
                    out[said] = series.bench.regret(series.exposure, level, float(truths[j]), found.value[j][said])
                self._columns[k]["regret"][j, here] = out
            self._reasons[k] = self._reasons[k] or found.reason
            sums.append([Sums.of(found.value[a:b], breach[a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True)])
        self._sums[block.index] = sums

    def rows(self) -> Iterator[Row]:
        """Every figure, once all blocks are done."""
        study = self.study
        for (world, exposure), truths in self.truths.items():
            for level, truth in zip(study.levels, truths, strict=True):
                where = {"world": world, "exposure": exposure, "level": level}
                figure = exact(float(truth), "exact unconditional law by Fourier inversion or mixture")
                yield Row("estimator_lab", "", where, "true_quantile", LAB["true_quantile"], figure)
        for k, series in enumerate(self.series):
            who = study.labels[series.estimator]
            where = {"world": series.bench.world.name, "exposure": series.exposure.name, "estimator": who}
            truths = self.truths[where["world"], where["exposure"]]
            limits = self._limits[where["world"], where["exposure"], series.estimator]
            for j, level in enumerate(study.levels):
                cell = {name: column[j] for name, column in self._columns[k].items()}
                figures = cell_figures(
                    cell, limits[j], float(truths[j]), level, self._reasons[k], study.confidence, study.limit_size
                )
                for measure, figure in figures.items():
                    at = where | {"level": level, "sample_size": series.size}
                    yield Row("estimator_lab", who, at, measure, LAB[measure], figure)
            for t, target in enumerate(study.targets):
                total = replace(self._sums[0][k][t])
                for b in range(1, len(self._sums)):
                    total.add(self._sums[b][k][t])
                truth = float(series.bench.truth(series.exposure, np.array([1.0 - target]))[0])
                figures = level_figures(self._grids[k][t], total, target, truth, study.confidence)
                for measure, figure in figures.items():
                    at = where | {"target": target, "sample_size": series.size}
                    yield Row("level_search", who, at, measure, LEVEL_SEARCH[measure], figure)


def cell_figures(
    cell: dict[str, Floats], limit: Floats, truth: float, level: float, reason: str, confidence: float, limit_size: int
) -> dict[str, Estimate]:
    """Figures of one estimator at one level and sample size.

    Parameters
    ----------
    cell : dict of str to ndarray, shape (R,)
        ``value``, ``lower``, ``upper``, ``breach``, ``regret`` of each sample; NaN where the estimator refused.
    limit : ndarray
        Its estimates from very large samples.
    truth : float
    level : float
    reason : str
        Why a whole level was refused.
    confidence : float
    limit_size : int

    Returns
    -------
    dict of str to Estimate
        Errors relative to the truth.  Samples that were refused are counted, and left out of the other figures.
    """
    said = np.isfinite(cell["value"])
    n, nominal = said.size, 1.0 - level
    out = {"refused": clopper_pearson(int(n - said.sum()), n, confidence)}
    model = _model_error(limit, truth, confidence, limit_size)
    if said.sum() < 2:
        none = undetermined(n, f"refused: {reason or 'no finite estimate'}")
        return dict.fromkeys((m for m in LAB if m not in ("refused", "true_quantile", "model_error")), none) | {
            "model_error": model,
            **out,
        }
    value, lower, upper = (cell[name][said] / truth for name in ("value", "lower", "upper"))
    breach, regret = np.clip(cell["breach"][said], 0.0, 1.0), cell["regret"][said]
    error = value - 1.0
    bias, rate = mean(error, confidence), share(breach, confidence)
    out |= {
        "relative_bias": bias,
        "relative_sd": root(mean((value - value.mean()) ** 2, confidence)),
        "relative_rmse": root(mean(error * error, confidence)),
        "model_error": model,
        "finite_sample_bias": _finite_sample(bias, model, np.isfinite(limit).sum()),
        "capital_ratio": replace(bias, value=bias.value + 1.0, lower=bias.lower + 1.0, upper=bias.upper + 1.0),
        "probability_below_truth": clopper_pearson(int((value < 1.0).sum()), value.size, confidence),
        "mean_breach_probability": rate,
        "score_regret": mean(regret / (nominal * truth), confidence),
    }
    zero = int((breach <= 0.0).sum())
    out["log10_breach_ratio"] = (
        undetermined(value.size, f"log of zero: {zero} estimates are beyond every loss of the law")
        if zero
        else mean(np.log10(breach / nominal), confidence)
    )
    return out | _interval_figures(lower, upper, confidence)


def _interval_figures(lower: Floats, upper: Floats, confidence: float) -> dict[str, Estimate]:
    """Coverage of the truth by the estimator's own interval, its width, and how often it has no end."""
    given = ~(np.isnan(lower) | np.isnan(upper))
    names = ("interval_coverage", "interval_width", "unbounded_intervals")
    if given.sum() < 2:
        return dict.fromkeys(names, undetermined(lower.size, "the estimator gives no interval"))
    low, high = lower[given], upper[given]
    covered, bounded = (low <= 1.0) & (1.0 <= high), np.isfinite(low) & np.isfinite(high)
    width = (
        mean((high - low)[bounded], confidence)
        if bounded.sum() >= 2
        else undetermined(low.size, "every interval is unbounded: the sample is too short for it")
    )
    return {
        "interval_coverage": clopper_pearson(int(covered.sum()), covered.size, confidence),
        "interval_width": width,
        "unbounded_intervals": clopper_pearson(int((~bounded).sum()), bounded.size, confidence),
    }


def _model_error(limit: Floats, truth: float, confidence: float, size: int) -> Estimate:
    """Mean relative error on very large samples, Student's interval over them."""
    error = limit[np.isfinite(limit)] / truth - 1.0
    if error.size < 2:
        return undetermined(limit.size, "refused on the very large samples")
    value, spread = float(error.mean()), float(error.std(ddof=1)) / math.sqrt(error.size)
    half = float(stdtrit(error.size - 1.0, 0.5 + 0.5 * confidence)) * spread
    method = f"mean of samples of {size}, student t"
    return Estimate(value, spread, value - half, value + half, confidence, error.size, float(error.size), method)


def _finite_sample(bias: Estimate, model: Estimate, count: int) -> Estimate:
    """Relative bias less model error; the two come from different draws."""
    if not math.isfinite(model.value):
        return undetermined(bias.n, model.method)
    error = math.hypot(bias.std_error, model.std_error)
    half = float(stdtrit(count - 1.0, 0.5 + 0.5 * bias.confidence)) * error
    value = bias.value - model.value
    return Estimate(
        value, error, value - half, value + half, bias.confidence, bias.n, bias.n_effective, "difference, student t"
    )


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
    lab.prepare()
    done = 0
    for block in run_blocks(plan(study.replications), lab.block, workers or default_workers()):
        done += block.count
        if progress is not None:
            progress(Progress(done, study.replications, time.perf_counter() - start))
    sampled = {b.world.name: "history" if b.history else "independent" for b in lab.benches}
    result = StudyResult(lab_head(study, name, command, sampled), tuple(judge(list(lab.rows()), study.criteria)))
    folder.write_json("manifest.json", manifest(resolved, study.replications))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result
