"""Run a study of rolling forecasts: forecast every series, test, score, compare.

The table of cells (series, side, level, estimator; ``cells.json``) holds every count and p-value, rows what is pooled.
p-values of one family are adjusted over all cells: Holm bounds the chance of any false rejection, Benjamini and
Hochberg the expected share of false ones, and a cell is called rejected by the latter.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.multiplicity import benjamini_hochberg, holm
from riskengine.backtest.traffic_light import traffic_light
from riskengine.engine.blocks import Block
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.rolling import Forecasts, rolling, rolling_quantiles
from riskengine.errors import UsageError
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.market.record import ForecastRecord, PriceRecord, Returns, returns_of
from riskengine.score.confidence_set import resampling_counts
from riskengine.stats.proportion import clopper_pearson
from riskengine.stats.tracking import tracking
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import Row, StudyResult
from riskengine.study.rolling_calibration import calibration_curves
from riskengine.study.rolling_head import rolling_head
from riskengine.study.rolling_law import GRID, LAW_TESTS
from riskengine.study.rolling_scores import SCORES, Ranking, pooled_difference, pooled_rate, rank
from riskengine.study.rolling_spec import GIVEN, RollingStudy
from riskengine.study.rolling_tests import COVERAGE, SHORTFALL, Tables, Verdict, coverage, shortfall, whole_tail
from riskengine.study.run import Progress

SECTION = "rolling"
FAMILIES = ("coverage", "shortfall", "law")
_SHOWN_DAYS = 3  # numbers of days that the table of power is shown for


@dataclass(eq=False)
class Line:
    """One series on one side: losses, and the forecasts of every estimator.

    Attributes
    ----------
    name, side : str
    returns : Returns
    losses : ndarray, shape (T,)
    first : int
        The first period that is forecast.
    forecasts : dict of str to Forecasts
    laws : dict of str to ndarray, shape (levels of GRID, N)
        Quantiles of the estimators that have a forecast law.
    """

    name: str
    side: str
    returns: Returns
    losses: Floats
    first: int
    forecasts: dict[str, Forecasts] = field(default_factory=dict)
    laws: dict[str, Floats] = field(default_factory=dict)

    @property
    def judged(self) -> Floats:
        """Losses that are forecast, (N,)."""
        return self.losses[self.first :]

    @property
    def seconds(self) -> np.ndarray:
        """When each of them ends."""
        return self.returns.seconds[self.first :]


@dataclass(eq=False)
class Cell:
    """One estimator on one line at one level."""

    line: Line
    level: float
    who: str
    seen: np.ndarray  # days with a forecast
    breach: np.ndarray  # on those days
    reason: str = ""
    coverage: Verdict = field(default_factory=lambda: Verdict({}))
    shortfall: Verdict = field(default_factory=lambda: Verdict({}))
    law: Verdict = field(default_factory=lambda: Verdict({}))
    low: int | None = None  # seconds of the alarm that VaR is too low
    high: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dict[str, Any]:
        """Parameters of its rows."""
        return {"series": self.line.name, "side": self.line.side, "level": self.level}


class RollingLab:
    """Forecasts and cells of a study.

    Parameters
    ----------
    study : RollingStudy
    records : sequence of PriceRecord or ForecastRecord
    """

    def __init__(self, study: RollingStudy, records: Sequence[PriceRecord | ForecastRecord]):
        self.study = study
        self.levels = np.array(study.levels)
        self.left_out: list[str] = []
        self.lines = [line for record in records for line in self._lines(record)]
        if not self.lines:
            why = "; ".join(self.left_out) or "there is none"
            raise UsageError(f"at least one series must have {study.least_days} forecasts, got none: {why}")
        self.tables = Tables(
            study.seed, study.null_draws, study.significance, study.rate_multiple, study.cluster_share,
            study.confidence, max(20, study.replicates // 10),
        )  # fmt: skip
        self.cells: list[Cell] = []
        self.rankings: list[tuple[Line, float, Ranking]] = []

    def _lines(self, record: PriceRecord | ForecastRecord) -> Iterator[Line]:
        study = self.study
        if isinstance(record, ForecastRecord):
            n = record.losses.size
            returns = Returns(-record.losses, np.arange(n), np.ones(n, dtype=bool), 0)
            first = study.window if study.estimators else 0
        else:
            try:
                returns = returns_of(record, round(study.horizon_hours * 3600), study.gaps)
            except ValueError as error:
                raise UsageError(str(error)) from None
            first = study.window
        count = returns.values.size - first
        if count < study.least_days:
            self.left_out.append(
                f"{record.name}: {max(count, 0)} forecasts from {returns.values.size} returns and a window of {first}, "
                f"{study.least_days} asked for"
            )
            return
        for side in study.sides:
            line = Line(record.name, side, returns, -returns.values if side == "long" else returns.values, first)
            if isinstance(record, ForecastRecord):
                line.forecasts[GIVEN] = Forecasts(record.var[None, first:], record.es[None, first:], ("",))
            yield line

    def forecast(self, workers: int, progress: Callable[[Block], None]) -> None:
        """Forecasts of every estimator on every line; a task is one of them."""
        study = self.study
        names = study.labels[len(study.labels) - len(study.estimators) :]
        tasks = [(line, who, e) for line in self.lines for who, e in zip(names, study.estimators, strict=True)]

        def work(block: Block) -> None:
            line, who, estimator = tasks[block.index]
            refit = study.refit.get(estimator.kind, 1)
            line.forecasts[who] = rolling(
                estimator, line.losses, study.window, line.first, self.levels, study.confidence, refit
            )
            if estimator.kind in study.laws:
                line.laws[who] = rolling_quantiles(
                    estimator, line.losses, study.window, line.first, GRID, study.confidence, refit
                )

        for block in run_blocks([Block(i, i, 1) for i in range(len(tasks))], work, workers):
            progress(block)

    def judge(self, workers: int, progress: Callable[[Block], None]) -> None:
        """Every cell, then every comparison."""
        study = self.study
        for line in self.lines:
            for i, level in enumerate(study.levels):
                for who in study.labels:
                    made = line.forecasts[who]
                    seen = ~np.isnan(made.var[i])
                    breach = line.judged[seen] > made.var[i][seen]
                    self.cells.append(Cell(line, level, who, seen, breach, _why(made, i, seen, study.least_days)))
        formed = [c for c in self.cells if not c.reason]
        for n, level in sorted({(c.breach.size, c.level) for c in formed}):
            self.tables.null(n, _tail(level))
            self.tables.rate_power(n, _tail(level))

        def work(block: Block) -> None:
            self._judge(formed[block.index])

        for block in run_blocks([Block(i, i, 1) for i in range(len(formed))], work, workers):
            progress(block)
        counts = cache(lambda n: resampling_counts(n, max(1.0, np.sqrt(n)), study.replicates, study.seed))
        reference = study.labels.index(study.reference)
        for line in self.lines:
            for i, level in enumerate(study.levels):
                var, es = (np.stack([getattr(line.forecasts[w], k)[i] for w in study.labels]) for k in ("var", "es"))
                found = rank(line.judged, var, es, level, reference, counts)
                if found is not None:
                    self.rankings.append((line, level, found))
        self._adjust()
        self._compare()

    def _judge(self, cell: Cell) -> None:
        study, line, p = self.study, cell.line, _tail(cell.level)
        i = study.levels.index(cell.level)
        made = line.forecasts[cell.who]
        loss, var, es = line.judged[cell.seen], made.var[i][cell.seen], made.es[i][cell.seen]
        cell.coverage, low, high = coverage(cell.breach, p, self.tables)
        cell.shortfall = shortfall(loss, var, es, p, study.seed)
        if cell.who in line.laws:
            quantiles = line.laws[cell.who][:, cell.seen]
            if not np.isnan(quantiles).any():
                cell.law = whole_tail(loss, es, quantiles, p, study.seed)
        when = line.seconds[cell.seen]
        cell.low, cell.high = (None if e.alarm is None else int(when[e.alarm - 1]) for e in (low, high))
        rate = clopper_pearson(int(cell.breach.sum()), cell.breach.size, study.confidence)
        cell.figures = {"rate": rate, "zone": traffic_light(int(cell.breach.sum()), cell.breach.size, p).zone}

    def _adjust(self) -> None:
        """p-values of each family over all cells."""
        for family in FAMILIES:
            cells = [c for c in self.cells if getattr(c, family).p_values]
            if not cells:
                continue
            p = [getattr(c, family).p_value for c in cells]
            for cell, bh, strict in zip(cells, benjamini_hochberg(p), holm(p), strict=True):
                cell.figures |= {f"{family}_p_bh": float(bh), f"{family}_p_holm": float(strict)}

    def _compare(self) -> None:
        where = {(c.line.name, c.line.side, c.level, c.who): c for c in self.cells}
        for line, level, found in self.rankings:
            for k, i in enumerate(found.who):
                cell = where[line.name, line.side, level, self.study.labels[i]]
                for name in SCORES:
                    cell.figures[name] = float(found.scores[name][:, k].mean())
                    cell.figures[f"{name}_set_p"] = float(found.in_set[name][k])
                    test = found.against[name][k]
                    if test is not None:
                        cell.figures |= {f"{name}_difference": test.difference, f"{name}_dm_p": test.p_value}

    def rows(self) -> list[Row]:
        """Pooled figures, counts of series, tracking, power."""
        rows = []
        for side in self.study.sides:
            for level in self.study.levels:
                for who in self.study.labels:
                    own = [c for c in self.cells if (c.line.side, c.level, c.who) == (side, level, who)]
                    rows += self._pooled(own, {"side": side, "level": level, "estimator": who})
        rows += self._tracking()
        rows += self._power()
        return rows

    def _pooled(self, cells: list[Cell], key: dict[str, Any]) -> Iterator[Row]:
        who, study = key["estimator"], self.study
        formed = [c for c in cells if not c.reason]
        reason = next((c.reason for c in cells if c.reason), "")

        def row(measure: str, unit: str, estimate: Estimate) -> Row:
            return Row(SECTION, who, key, measure, unit, estimate)

        if not formed:
            yield row("breach_rate", "probability", undetermined(0, reason))
            return
        parts = [(c.line.seconds[c.seen], c.breach.astype(np.float64)) for c in formed]
        yield row("breach_rate", "probability", pooled_rate(parts, study.confidence))
        for name in SCORES:
            yield row(f"{name}_gain", "share" if name == "pinball" else "number", self._gain(key, name))
        for family in FAMILIES:
            if family == "law" and not any(who in c.line.laws for c in formed):
                continue
            judged = [c for c in formed if f"{family}_p_bh" in c.figures]
            kept = sum(c.figures[f"{family}_p_bh"] > study.significance for c in judged)
            yield row(f"{family}_kept", "series", _count(kept, len(judged)))
        for measure, name in (("pinball_in_set", "pinball_set_p"), ("fz0_in_set", "fz0_set_p")):
            judged = [c for c in formed if name in c.figures]
            kept = sum(c.figures[name] > study.set_size for c in judged)
            yield row(measure, "series", _count(kept, len(judged)))
        yield row("alarms_low", "series", _count(sum(c.low is not None for c in formed), len(formed)))
        yield row("alarms_high", "series", _count(sum(c.high is not None for c in formed), len(formed)))
        power = float(np.mean([self.tables.rate_power(c.breach.size, _tail(c.level)) for c in formed]))
        yield row("rate_power", "probability", exact(power, "mean over series, each exact by enumeration"))

    def _gain(self, key: dict[str, Any], name: str) -> Estimate:
        """Score of the benchmark less that of the estimator, pooled; pinball in units of the benchmark's own score."""
        study = self.study
        parts = []
        for line, level, found in self.rankings:
            names = [study.labels[i] for i in found.who]
            if (line.side, level) == (key["side"], key["level"]) and {key["estimator"], study.reference} <= set(names):
                own, base = (found.scores[name][:, names.index(w)] for w in (key["estimator"], study.reference))
                unit = base.mean() if name == "pinball" else 1.0
                parts.append((line.seconds[found.days], (base - own) / unit))
        if key["estimator"] == study.reference:
            return exact(0.0, "the benchmark itself")
        return pooled_difference(parts, study.confidence)

    def _tracking(self) -> Iterator[Row]:
        """How far each VaR of the first side strays from the benchmark's: mean and deviation of the log ratio."""
        study = self.study
        level = _headline(study.levels)
        i = study.levels.index(level)
        for line in [x for x in self.lines if x.side == study.sides[0]]:
            base = line.forecasts[study.reference].var[i]
            for who in study.labels:
                own = line.forecasts[who].var[i]
                both = ~(np.isnan(own) | np.isnan(base))
                if who == study.reference or both.sum() < study.least_days:
                    continue
                n = int(both.sum())
                found = tracking(
                    np.log(own[both]), np.log(base[both]), 1.0, block=max(1, round(4 * n ** (1 / 3))),
                    replicates=100, confidence=study.confidence, seed=study.seed,
                )  # fmt: skip
                key = {"series": line.name, "side": line.side, "level": level}
                yield Row("rolling_tracking", who, key, "var_tracking_error", "share", found.error)
                yield Row("rolling_tracking", who, key, "var_tracking_difference", "share", found.difference)

    def _power(self) -> Iterator[Row]:
        """Power of every test at the shortest, the middle and the longest series."""
        sizes = sorted({c.breach.size for c in self.cells if not c.reason})
        shown = sorted({sizes[round(k * (len(sizes) - 1) / (_SHOWN_DAYS - 1))] for k in range(_SHOWN_DAYS)})
        told = set()
        for level in self.study.levels:
            p = _tail(level)
            for n in shown:
                key = {"level": level, "days": n}
                for test, (rate, clusters) in self.tables.coverage_power(n, p).items():
                    yield Row("rolling_power", "", {**key, "test": test}, "power_rate", "probability", rate)
                    if clusters is not None:
                        yield Row("rolling_power", "", {**key, "test": test}, "power_clusters", "probability", clusters)
                days, found = self.tables.shortfall_power(n, p)
                if (level, days) in told:
                    continue
                told.add((level, days))
                for test, estimates in found.items():
                    key = {"level": level, "days": days, "test": test}
                    for measure, estimate in zip(("power_rate", "test_size"), estimates, strict=True):
                        yield Row("rolling_power", "", key, measure, "probability", estimate)

    def table(self) -> dict[str, Any]:
        """Every cell, compact: what `rows` would say in ten times the space; figures to six digits."""
        scores = [f"{name}{part}" for name in SCORES for part in ("", "_set_p", "_difference", "_dm_p")]
        families = [f"{f}_p{part}" for f in FAMILIES for part in ("", "_bh", "_holm")]
        columns = ["series", "side", "level", "estimator", "days", "breaches", "zone", *families, "power", "alarm_low",
                   "alarm_high", *COVERAGE, *SHORTFALL, *LAW_TESTS, *scores, "refused"]  # fmt: skip
        return {"columns": columns, "rows": [[_digits(v) for v in self._values(c, columns)] for c in self.cells]}

    def _values(self, c: Cell, columns: list[str]) -> list[Any]:
        own: dict[str, Any] = {**c.key, "estimator": c.who, "days": int(c.seen.sum()), "refused": c.reason or None}
        if not c.reason:
            own |= c.coverage.p_values | c.shortfall.p_values | c.law.p_values | c.figures
            own |= {"breaches": int(c.breach.sum()), "alarm_low": _date(c, c.low), "alarm_high": _date(c, c.high)}
            own |= {f"{family}_p": getattr(c, family).p_value for family in FAMILIES}
            own["power"] = self.tables.rate_power(c.breach.size, _tail(c.level))
        return [own.get(name) for name in columns]


def _tail(level: float) -> float:
    return round(1.0 - level, 12)


def _headline(levels: Sequence[float]) -> float:
    return 0.99 if 0.99 in levels else sorted(levels)[0]


def _count(kept: int, judged: int) -> Estimate:
    if not judged:
        return undetermined(0, "no series could be judged")
    return Estimate(float(kept), 0.0, float(kept), float(kept), 1.0, judged, float(judged), f"count of {judged} series")


def _why(made: Forecasts, i: int, seen: np.ndarray, least: int) -> str:
    if made.reasons[i]:
        return made.reasons[i]
    return "" if seen.sum() >= least else f"forecasts on {int(seen.sum())} of {seen.size} days only"


def _date(c: Cell, seconds: int | None) -> str | int | None:
    if seconds is None or c.line.returns.seconds[-1] < 1_000_000:  # a file without stamps has row numbers
        return seconds
    return str(np.datetime64(seconds, "s"))[:10]


def _digits(value: Any) -> Any:
    if isinstance(value, float):
        return None if not np.isfinite(value) else float(f"{value:.6g}")
    return value


def run_rolling(
    study: RollingStudy,
    resolved: dict[str, Any],
    name: str,
    records: Sequence[PriceRecord | ForecastRecord],
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a study of rolling forecasts.

    Parameters
    ----------
    study : RollingStudy
    resolved : dict
        The study as plain values with every default filled in: what is hashed and stored.
    name : str
        Short name; part of the folder's name.
    records : sequence of PriceRecord or ForecastRecord
        The series.
    out : Path, optional
        Run folder.
    workers : int, optional
        Threads; the result does not depend on it.
    progress : callable, optional
        Called after each task.
    command : str
        Shown in the report.

    Returns
    -------
    (Path, StudyResult)

    Raises
    ------
    UsageError
        Where no series is long enough, or a horizon does not fit the bars.
    """
    digests = sorted({r.sha256 for r in records})
    resolved = {**resolved, "data_sha256": digests[0] if len(digests) == 1 else digests}
    lab = RollingLab(study, records)
    folder = RunFolder.open(name, resolved, out, resume=False)
    started = time.monotonic()
    done, total = 0, len(lab.lines) * (len(study.estimators) + len(study.levels) * len(study.labels))

    def report(_: Block) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(Progress(done, total, time.monotonic() - started))

    used = workers or default_workers()
    lab.forecast(used, report)
    lab.judge(used, report)
    curves, more = calibration_curves(lab)
    head = rolling_head(study, lab, records, name, command)
    result = StudyResult(head, (*lab.rows(), *more), tuple(curves))
    folder.write_json("manifest.json", manifest(resolved, sum(line.judged.size for line in lab.lines)))
    folder.write_json("cells.json", lab.table())
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.monotonic() - started})
    return folder.path, result
