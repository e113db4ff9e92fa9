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
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.backtest.multiplicity import benjamini_hochberg, holm
from riskengine.backtest.traffic_light import traffic_light
from riskengine.engine.blocks import Block
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.rolling import Forecasts, rolling, rolling_quantiles
from riskengine.errors import UsageError
from riskengine.market.record import ForecastRecord, PriceRecord, Returns, returns_of
from riskengine.score.confidence_set import resampling_counts
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import StudyResult
from riskengine.study.rolling_calibration import calibration_curves
from riskengine.study.rolling_head import rolling_head
from riskengine.study.rolling_law import GRID, LAW_TESTS
from riskengine.study.rolling_power import NO_POWER, PowerTables
from riskengine.study.rolling_rows import FAMILIES, powers_of, rolling_rows, tail_of
from riskengine.study.rolling_scores import SCORES, Ranking, rank
from riskengine.study.rolling_spec import GIVEN, RollingStudy
from riskengine.study.rolling_tests import COVERAGE, SHORTFALL, NullTables, Verdict, coverage, shortfall, whole_tail
from riskengine.study.rolling_tracking import portfolio_tracking
from riskengine.study.run import Progress


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
    window : int
        Losses that a forecast reads.
    hours : float or None
        Length of a return, where the file tells.
    forecasts : dict of str to Forecasts
    laws : dict of str to ndarray, shape (levels of GRID, N)
        Quantiles of the estimators that have a forecast law.
    """

    name: str
    side: str
    returns: Returns
    losses: Floats
    first: int
    window: int
    hours: float | None
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
        self.null = NullTables(study.seed, study.null_draws, study.significance)
        self.power = PowerTables(
            self.null, study.rate_multiple, study.cluster_share, study.confidence, max(20, study.replicates // 10)
        )
        self.cells: list[Cell] = []
        self.rankings: list[tuple[Line, float, Ranking]] = []

    def _lines(self, record: PriceRecord | ForecastRecord) -> Iterator[Line]:
        study, hours = self.study, None
        if isinstance(record, ForecastRecord):
            n = record.losses.size
            returns = Returns(-record.losses, np.arange(n), np.ones(n, dtype=bool), 0)
            first = window = study.window if study.estimators else 0
        else:
            own = study.settings_of(record.file)
            try:
                returns = returns_of(record, round(own.horizon_hours * 3600), own.gaps)
            except ValueError as error:
                raise UsageError(str(error)) from None
            first = window = study.window_for(returns.values.size, own.window)
            hours = own.horizon_hours
        count = returns.values.size - first
        if count < study.least_days:
            self.left_out.append(
                f"{record.name}: {max(count, 0)} forecasts from {returns.values.size} returns and a window of {first}, "
                f"{study.least_days} asked for"
            )
            return
        for side in study.sides:
            losses = -returns.values if side == "long" else returns.values
            line = Line(record.name, side, returns, losses, first, window, hours)
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
                estimator, line.losses, line.window, line.first, self.levels, study.confidence, refit
            )
            if estimator.kind in study.laws:
                line.laws[who] = rolling_quantiles(
                    estimator, line.losses, line.window, line.first, GRID, study.confidence, refit
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
        sizes = sorted({(c.breach.size, tail_of(c.level)) for c in formed})
        for n, p in sizes:
            self.null.null(n, p)

        def work(block: Block) -> None:
            self._judge(formed[block.index])

        for block in run_blocks([Block(i, i, 1) for i in range(len(formed))], work, workers):
            progress(block)
        self._prepare_power(sizes, workers)
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

    def _prepare_power(self, sizes: list[tuple[int, float]], workers: int) -> None:
        """Tables of power for these days and tail probabilities."""
        asked = sorted({(self.power.days(n, p), p) for n, p in sizes}, reverse=True)  # the long ones first

        def work(block: Block) -> None:
            self.power.tail(*asked[block.index])

        list(run_blocks([Block(i, i, 1) for i in range(len(asked))], work, workers))
        for n, p in sizes:
            self.power.rate_power(n, p)
            self.power.coverage(n, p)

    def _judge(self, cell: Cell) -> None:
        study, line, p = self.study, cell.line, tail_of(cell.level)
        i = study.levels.index(cell.level)
        made = line.forecasts[cell.who]
        loss, var, es = line.judged[cell.seen], made.var[i][cell.seen], made.es[i][cell.seen]
        cell.coverage, low, high = coverage(cell.breach, p, self.null)
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
        # times its error: a difference of mean scores that is found with a power of 80 %
        seen = float(ndtri(1.0 - 0.5 * self.study.significance) + ndtri(0.8))
        for line, level, found in self.rankings:
            for k, i in enumerate(found.who):
                cell = where[line.name, line.side, level, self.study.labels[i]]
                for name in SCORES:
                    cell.figures[name] = float(found.scores[name][:, k].mean())
                    cell.figures[f"{name}_set_p"] = float(found.in_set[name][k])
                    test = found.against[name][k]
                    if test is not None:
                        cell.figures |= {
                            f"{name}_difference": test.difference,
                            f"{name}_dm_p": test.p_value,
                            f"{name}_detectable": test.std_error * seen,
                        }

    def table(self) -> dict[str, Any]:
        """Every cell, compact: what `rows` would say in ten times the space; figures to six digits."""
        scores = [f"{n}{part}" for n in SCORES for part in ("", "_set_p", "_difference", "_dm_p", "_detectable")]
        families = [f"{f}{part}" for f in FAMILIES for part in ("_p", "_p_bh", "_p_holm", "_power")]
        tests = [f"{t}{part}" for t in (*COVERAGE, *SHORTFALL, *LAW_TESTS) for part in ("", "_power")]
        columns = ["series", "side", "level", "estimator", "days", "breaches", "zone", "zone_power", *families,
                   "alarm_low", "alarm_high", *tests, *scores, "refused"]  # fmt: skip
        rows = [[_digits(v) for v in self._values(c, columns)] for c in self.cells]
        return {"columns": columns, "rows": rows, "notes": {"set_p": NO_POWER["set_p"]}}

    def _values(self, c: Cell, columns: list[str]) -> list[Any]:
        own: dict[str, Any] = {**c.key, "estimator": c.who, "days": int(c.seen.sum()), "refused": c.reason or None}
        if not c.reason:
            own |= c.coverage.p_values | c.shortfall.p_values | c.law.p_values | c.figures
            own |= {"breaches": int(c.breach.sum()), "alarm_low": _date(c, c.low), "alarm_high": _date(c, c.high)}
            own |= {f"{family}_p": getattr(c, family).p_value for family in FAMILIES}
            own |= {f"{name}_power": round(e.value, 3) for name, e in powers_of(self, c).items()}
        return [own.get(name) for name in columns]


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
    more += portfolio_tracking(lab)
    head = rolling_head(study, lab, records, name, command)
    result = StudyResult(head, (*rolling_rows(lab), *more), tuple(curves))
    folder.write_json("manifest.json", manifest(resolved, sum(line.judged.size for line in lab.lines)))
    folder.write_json("cells.json", lab.table())
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.monotonic() - started})
    return folder.path, result
