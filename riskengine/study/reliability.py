"""Run a study of forecast probabilities: three forecasters, one outcome each history, proper scores and their parts.

    conditional law     the exact law given the variance at time 0: who knows the state
    unconditional law   the exact stationary law: right on average, and the same every day
    EWMA normal         a normal law with the exponentially weighted variance of the history: who has to estimate

Each history is one forecast and one outcome, independent of the others, so that intervals over histories are honest.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.alternatives import MULTIPLE, stated
from riskengine.engine.blocks import Block, plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.errors import RunError
from riskengine.estimate import Estimate, undetermined
from riskengine.estimator.ewma import ewma_variance
from riskengine.law.lanes import StatelessLanes, lanes
from riskengine.random import DrawKeys
from riskengine.score.brier import Consistency, brier, consistency, equal_count_error, recalibrated
from riskengine.stats.asymptotic import asymptotic, influence
from riskengine.stats.mean import mean, paired_difference
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.describe import world_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.names import PROBABILITY
from riskengine.study.reliability_spec import ReliabilityStudy
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge

FORECASTS = ("conditional law", "unconditional law", "EWMA normal")
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(64)
_NODE, _WEIGHT = 0.5 * (_NODE + 1.0), 0.5 * _WEIGHT
_TEST_LEVEL = 0.05  # that a p-value is read at
_CURVE = 80  # points of a reliability diagram
Cdf = Callable[[Floats], Floats]


def crps_lanes(cdf: Cdf, y: Floats, low: float, high: float, threshold: float | None = None) -> Floats:
    """CRPS of one forecast law a lane, shape (P,); above `threshold` only where one is given.

    Parameters
    ----------
    cdf : callable
        ``cdf(x)`` of points (N, P), lane by lane.
    y : ndarray, shape (P,)
        Outcomes.
    low, high : float
        All but a negligible part of every law lies between.
    threshold : float, optional
    """
    start = low if threshold is None else threshold
    split = np.clip(y, start, high)
    reach = np.stack([split - start, high - split])
    # nodes crowd at the outcome, where the integrand breaks off
    down, up = split - reach[0] * _NODE[:, None] ** 2, split + reach[1] * _NODE[:, None] ** 2
    weight = (2.0 * _NODE * _WEIGHT)[:, None]
    below = reach[0] * (weight * cdf(down) ** 2).sum(axis=0)
    return below + reach[1] * (weight * (1.0 - cdf(up)) ** 2).sum(axis=0) + np.maximum(y - high, 0.0)


class Reliability:
    """Forecasts and outcomes of a study.

    Parameters
    ----------
    study : ReliabilityStudy
    """

    def __init__(self, study: ReliabilityStudy):
        self.study, world, unit = study, study.world, study.exposure.unit
        self._asset = world.model.assets.index(study.exposure.asset)
        law = world.model.law(study.exposure.asset, float(study.grid.times[-1]))
        self._lanes, self._whole = lanes(law), StatelessLanes(law)
        self.names = FORECASTS if not isinstance(self._lanes, StatelessLanes) else FORECASTS[1:]
        self.margins = np.asarray(unit.var(law, np.array(study.levels)))
        ends = unit.loss(law.quantile(np.array([1e-9, 1.0 - 1e-9])))
        self._low, self._high = float(ends.min()), float(ends.max())
        shape = (len(self.names), study.replications)
        self.probability = np.empty((len(study.levels), *shape))
        self.pit, self.crps, self.tail = np.empty(shape), np.empty(shape), np.empty(shape)
        self._consistency: dict[tuple[int, int], Consistency] = {}
        self.loss, self.failed = np.empty(study.replications), np.zeros(study.replications, dtype=bool)

    def prepare(self) -> None:
        """Build every table before threads ask for them."""
        self._whole.cdf(np.zeros(1), np.zeros(1))
        self._lanes.cdf(np.zeros(1), np.full(1, 0.1))

    def block(self, block: Block) -> None:
        """Forecast and observe the histories of `block`."""
        study, here = self.study, slice(block.first, block.first + block.count)
        unit = study.exposure.unit
        paths = study.world.sample(study.grid, block.first, block.count, DrawKeys(study.seed))
        history = np.diff(np.log(paths.history_spot_lanes[:, self._asset]), axis=0)
        loss = unit.loss(np.log(paths.spot_lanes[-1, self._asset] / paths.spot_lanes[0, self._asset]))
        state = np.zeros(block.count) if paths.variance_lanes is None else paths.variance_lanes[0, self._asset]
        spread = np.sqrt(ewma_variance(history, study.decay))
        self.loss[here], self.failed[here] = loss, paths.failed | ~np.isfinite(loss)
        for k, name in enumerate(self.names):
            cdf = self._forecast(name, state, spread)
            for j, margin in enumerate(self.margins):
                self.probability[j, k, here] = np.clip(1.0 - cdf(np.full((1, block.count), margin))[0], 0.0, 1.0)
            self.pit[k, here] = cdf(loss[None])[0]
            self.crps[k, here] = crps_lanes(cdf, loss, self._low, self._high)
            self.tail[k, here] = crps_lanes(cdf, loss, self._low, self._high, float(self.margins[0]))

    def _forecast(self, name: str, state: Floats, spread: Floats) -> Cdf:
        """P(loss <= x) of points (N, P)."""
        from scipy.special import ndtr

        unit = self.study.exposure.unit

        def below(x: Floats) -> Floats:
            returns = np.ascontiguousarray(np.clip(unit.return_at(x), -700.0, 700.0))
            if name == FORECASTS[2]:
                found = ndtr(returns / spread)
            else:
                found = (self._lanes if name == FORECASTS[0] else self._whole).cdf(returns, state)
            return 1.0 - unit.from_cdf(found)

        return below

    def rows(self) -> Iterator[Row]:
        """Every figure, once all blocks are done."""
        study, good = self.study, ~self.failed
        for k, name in enumerate(self.names):
            for measure, values in (("crps", self.crps), ("tail_crps", self.tail)):
                yield self._row(name, {}, measure, mean(values[k, good], study.confidence))
                if k:
                    extra = paired_difference(values[k, good], values[0, good], study.confidence)
                    yield self._row(name, {}, f"{measure}_excess", extra)
            counts = np.bincount(
                np.minimum((self.pit[k, good] * study.bins).astype(np.int64), study.bins - 1), minlength=study.bins
            )
            for b, count in enumerate(counts):
                figure = clopper_pearson(int(count), int(good.sum()), study.confidence)
                yield self._row(name, {"bin": b + 1}, "pit_share", figure)
            for j, level in enumerate(study.levels):
                power = self._power(k, j)
                for measure, figure in self._brier(k, j, good).items():
                    made = self._row(name, {"level": level}, measure, figure)
                    yield replace(made, power=power[measure]) if measure in power else made

    def _row(self, name: str, place: dict[str, Any], measure: str, figure: Estimate) -> Row:
        where = {"exposure": self.study.exposure.name, **place}
        return Row("probability_calibration", name, where, measure, PROBABILITY[measure], figure)

    def _brier(self, k: int, j: int, good: np.ndarray) -> dict[str, Estimate]:
        study = self.study
        p, o = self.probability[j, k, good], (self.loss[good] > self.margins[j]).astype(np.float64)
        parts = brier(p, o)
        perfect = self._perfect(k, j)
        ece = equal_count_error(p, o, study.bins)
        out = {
            "event_rate": clopper_pearson(int(o.sum()), o.size, study.confidence),
            "mean_forecast": mean(p, study.confidence),
            "brier_score": asymptotic(parts.score, influence((p - o) ** 2, hits=o.sum()), study.confidence, "mean"),
            "miscalibration": _bare(parts.miscalibration, o.size, "isotonic (CORP); held against a perfect forecast's"),
            "miscalibration_perfect": _spread(perfect.miscalibration, study.confidence, o.size),
            "miscalibration_p": _rank(perfect.miscalibration, parts.miscalibration, study.confidence),
            "discrimination": _bare(parts.discrimination, o.size, "isotonic (CORP)"),
            "uncertainty": _bare(parts.uncertainty, o.size, "score of the base rate"),
            "calibration_error": _bare(ece, o.size, f"{study.bins} bins of equal counts"),
            "calibration_error_perfect": _spread(perfect.ece, study.confidence, o.size),
            "calibration_error_p": _rank(perfect.ece, ece, study.confidence),
        }
        if k:
            first = self.probability[j, 0, good]
            extra = (p - o) ** 2 - (first - o) ** 2
            moments = influence(extra, hits=o.sum())  # the events carry it: without a hundred there is no interval
            out["brier_excess"] = asymptotic(float(extra.mean()), moments, study.confidence, "paired difference")
        return out

    def _perfect(self, k: int, j: int) -> Consistency:
        if (k, j) not in self._consistency:
            p, study = self.probability[j, k, ~self.failed], self.study
            self._consistency[k, j] = consistency(p, study.bins, study.perfect, 0.9, study.seed % 2**32)
        return self._consistency[k, j]

    def _power(self, k: int, j: int) -> dict[str, Estimate]:
        """Power of the two p-values where events are twice as frequent as every forecast says."""
        study, p = self.study, self.probability[j, k, ~self.failed]
        truth = np.minimum(MULTIPLE * p, 1.0)
        seen, right = (
            consistency(p, study.bins, study.perfect, 0.9, (study.seed + 1) % 2**32, truth),
            self._perfect(k, j),
        )
        out = {}
        for measure, name in (("miscalibration_p", "miscalibration"), ("calibration_error_p", "ece")):
            null = np.sort(getattr(right, name))
            above = null.size - np.searchsorted(null, getattr(seen, name) - 1e-15, side="left")
            hits = int(((above + 1.0) / (null.size + 1.0) <= _TEST_LEVEL).sum())
            method = f"{stated(MULTIPLE)} (every forecast too low), {_TEST_LEVEL:.0%} significance"
            out[measure] = replace(clopper_pearson(hits, study.perfect, study.confidence), method=method)
        return out

    def curves(self) -> Iterator[dict[str, Any]]:
        """Reliability diagrams: recalibrated against forecast probability, with the band of a perfect forecast."""
        study, good = self.study, ~self.failed
        for j, level in enumerate(study.levels):
            o = (self.loss[good] > self.margins[j]).astype(np.float64)
            for k, name in enumerate(self.names):
                p = self.probability[j, k, good]
                band = self._perfect(k, j)
                order = np.argsort(p, kind="stable")
                at = order[np.unique(np.linspace(0, p.size - 1, _CURVE).astype(np.int64))]
                fitted = recalibrated(p, o)
                yield {
                    "name": "reliability",
                    "title": name,
                    "parameters": {"forecast": name, "level": level},
                    "x": p[at].tolist(),
                    "y": fitted[at].tolist(),
                    "lower": band.lower[at].tolist(),
                    "upper": band.upper[at].tolist(),
                    "n": int(o.size),
                }


def _bare(value: float, n: int, method: str) -> Estimate:
    """A figure whose error is told by another: no interval of its own."""
    return Estimate(float(value), float("nan"), -np.inf, np.inf, 0.95, n, float(n), method)


def _spread(values: Floats, confidence: float, n: int) -> Estimate:
    """Mean over replicates of perfect forecasts, with the range that holds `confidence` of them."""
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(values, [tail, 1.0 - tail])
    middle = float(values.mean())
    method = f"range over {values.size} draws of outcomes from the forecasts"
    return Estimate(
        middle, float(values.std(ddof=1)), min(float(low), middle), max(float(high), middle), confidence, n,
        float(values.size), method,
    )  # fmt: skip


def _rank(values: Floats, seen: float, confidence: float) -> Estimate:
    """Monte Carlo p-value: how often a perfect forecast shows as much, the observed one counted in."""
    if not np.isfinite(seen):
        return undetermined(values.size, "no figure")
    beyond = int((values >= seen - 1e-15).sum())
    exact_share = clopper_pearson(beyond, values.size, confidence)
    p = (beyond + 1.0) / (values.size + 1.0)
    return Estimate(
        p, exact_share.std_error, min(exact_share.lower, p), max(exact_share.upper, p), confidence, values.size,
        float(beyond), "Monte Carlo p-value",
    )  # fmt: skip


def run_reliability(
    study: ReliabilityStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a study of forecast probabilities.

    Parameters
    ----------
    study, resolved, name, out, workers, progress, command
        As in `riskengine.study.run.run_study`.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of section ``probability_calibration``, curves named ``reliability``.

    Raises
    ------
    UsageError
        Where the folder cannot be used or a criterion names no row.
    RunError
        Where more than one path in a thousand failed numerically.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume=False)
    made = Reliability(study)
    made.prepare()
    done = 0
    for block in run_blocks(plan(study.replications), made.block, workers or default_workers()):
        done += block.count
        if progress is not None:
            progress(Progress(done, study.replications, time.perf_counter() - start))
    if made.failed.mean() > 0.001:
        raise RunError(f"{int(made.failed.sum())} of {study.replications} paths failed numerically, more than 0.1 %")
    head = {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": world_head(study.world),
        "settings": {
            "seed": study.seed,
            "replications": study.replications,
            "horizon_hours": study.horizon_hours,
            "levels": list(study.levels),
            "margins": made.margins.tolist(),
            "history_windows": study.history_windows,
            "decay": study.decay,
            "bins": study.bins,
            "perfect": study.perfect,
            "confidence": study.confidence,
        },
        "assumptions": [
            "Losses are positive. Each history is one forecast and one outcome, independent of the others.",
            "The event of a level is a loss beyond the exact unconditional quantile at it: a fixed margin.",
            "The conditional law knows the variance at time 0, the unconditional one does not, and EWMA estimates it "
            f"from {study.history_windows} past losses with decay {study.decay:g} and takes the law for normal.",
            "Miscalibration and calibration error are never negative, so both are positive for a perfect forecast too: "
            "beside each stands what outcomes drawn from the forecasts themselves show.",
            f"The tail-weighted CRPS looks at losses beyond the {study.levels[0]:.10g} quantile only.",
        ],
    }
    failures = {"paths": int(made.failed.sum()), "share": float(made.failed.mean())}
    result = StudyResult(head, tuple(judge(list(made.rows()), study.criteria)), tuple(made.curves()), failures)
    folder.write_json("manifest.json", manifest(resolved, study.replications))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result
