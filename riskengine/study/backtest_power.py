"""Run a study of backtests: true size, power against stated alternatives, what can be detected, how soon, how often.

Size and power belong to a test together with the way to its p-value (`riskengine.backtest.battery`).  Every way has its
true size here; power is given for the way that keeps its size, and for Kupiec's chi-squared beside it.
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.backtest.battery import BATTERY, FAMILIES, WAYS, Way, any_rejection, count_p_values, ways_of
from riskengine.engine.blocks import plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.power_lab import Case, Cell, PowerLab
from riskengine.errors import UsageError
from riskengine.estimate import Estimate, exact
from riskengine.stats.bounded import share
from riskengine.stats.mean import ratio_of_means
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.describe import worlds_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.power_figures import (
    detection,
    enumerated,
    exact_months,
    exact_multiple,
    exact_rejection,
    is_enumerated,
    rejections,
    some_rejection,
)
from riskengine.study.power_spec import BacktestPowerStudy
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge

# how a test is judged against alternatives: the way that keeps its size, and what is used everywhere
JUDGED: tuple[Way, ...] = (*((test, ways_of(test)[0]) for test in BATTERY), ("kupiec", "asymptotic"))
_MONTH_HOURS = 730.0
_NAIVE: tuple[Way, ...] = (("kupiec", "asymptotic"), ("kupiec", "exact"), ("traffic_light", "exact"))


def run_backtest_power(
    study: BacktestPowerStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a study of backtests.

    Parameters
    ----------
    study, resolved, name, out, workers, progress, command
        As in `riskengine.study.run.run_study`; there are no blocks to keep.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of sections ``test_size``, ``test_power``, ``detection``, ``multiplicity`` and
        ``overlap``; the model of a row is the test.

    Raises
    ------
    UsageError
        Where the folder cannot be used, losses that overlap are asked of a world with a state, a rate is so high that
        no factor on returns reaches it, or a criterion names no row.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume=False)
    lab = PowerLab(study)
    try:
        lab.prepare()
    except ValueError as error:
        raise UsageError(str(error)) from None
    data, table = plan(study.replications), plan(study.null_replications)
    work = [(table, lambda b, i=i: lab.table(i, b)) for i in range(len(lab.forecasts))]
    work += [(data, lab.main)]
    work += [(data, lambda b, i=i: lab.cluster(i, b)) for i in range(len(lab.clusters))]
    work += [(data, lambda b, i=i: lab.roll(i, b)) for i in range(len(lab.rolling))]
    total, done = sum(b.count for blocks, _ in work for b in blocks), 0
    for blocks, what in work:
        for block in run_blocks(blocks, what, workers or default_workers()):
            done += block.count
            if progress is not None:
                progress(Progress(done, total, time.perf_counter() - start))
    rows = judge(list(_Figures(study, lab).rows()), study.criteria)
    result = StudyResult(_head(study, name, command), tuple(rows))
    folder.write_json("manifest.json", manifest(resolved, study.replications))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


class _Figures:
    """Rows of a study from what its lab found."""

    def __init__(self, study: BacktestPowerStudy, lab: PowerLab):
        self.study, self.lab = study, lab
        self.cells = [(i, j) for i in range(len(study.levels)) for j in range(len(study.sample_sizes))]

    def rows(self) -> Iterator[Row]:
        """Every figure."""
        yield from self._sizes()
        yield from self._truths()
        yield from self._powers()
        yield from self._detections()
        yield from self._families()
        yield from self._accounts()
        for h in self.study.overlaps:
            for cell in self.cells:
                yield from self._overlaps(h, cell)

    def _at(self, cell: Cell) -> dict[str, Any]:
        return {"level": self.study.levels[cell[0]], "sample_size": self.study.sample_sizes[cell[1]]}

    def _rejects(self, case: Case, way: Way, cell: Cell) -> Estimate | None:
        """How often a test rejects in a case; None where it is not made for it."""
        n, tail = self.lab.sizes[cell[1]], self.lab.tails[cell[0]]
        if is_enumerated(way) and case.alternative in ("none", "rate", "excess"):
            rate = tail * (case.multiple if case.alternative == "rate" else 1.0)
            return enumerated(exact_rejection(way, n, tail, rate, self.study.test_level))
        found = self.lab.p_value(case, way, cell)
        return None if found is None else rejections(found, self.study.test_level, self.study.confidence)

    def _sizes(self) -> Iterator[Row]:
        """True size of every test by every way, and how often it cannot be formed."""
        for cell in self.cells:
            for way in WAYS:
                at = {"p_value": way[1], **self._at(cell)}
                size = self._rejects(self.lab.null, way, cell)
                yield Row("test_size", way[0], at, "test_size", "probability", size)
                if way[1] == "simulated" and (count := self.lab.unformed(way, cell)):
                    unformed = clopper_pearson(count, self.study.replications, self.study.confidence)
                    yield Row("test_size", way[0], at, "untestable", "probability", unformed)

    def _truths(self) -> Iterator[Row]:
        """What each alternative is: true ES, breach rate, and how much more likely a breach is after a breach."""
        lab, confidence = self.lab, self.study.confidence
        days = max(lab.sizes)
        for i, level in enumerate(self.study.levels):
            for case in lab.cases:
                at = {**case.parameters, "level": level}
                if case.alternative == "excess":
                    ratio = exact(lab.forecast.es_ratio(case.multiple, lab.tails[i]), "quadrature of the law")
                    yield Row("test_power", "", at, "es_ratio", "number", ratio)
                if case.alternative not in ("clusters", "rolling"):
                    continue
                rate = share(lab.column(case, "breaches", i) / days, confidence)
                known = lab.column(case, "breach_probability", i)
                if known is not None:
                    said = known[np.isfinite(known)]
                    if said.size < 2:
                        continue  # refused: the powers say so
                    rate = share(np.clip(said, 0.0, 1.0), confidence)
                yield Row("test_power", "", at, "mean_breach_probability", "probability", rate)
                again = lab.column(case, "pairs", i), lab.column(case, "followed", i) * lab.tails[i]
                yield Row("test_power", "", at, "breach_after_breach", "number", ratio_of_means(*again, confidence))

    def _powers(self) -> Iterator[Row]:
        for case in self.lab.cases[1:]:
            for cell in self.cells:
                for way in JUDGED:
                    found = self._rejects(case, way, cell)
                    # what lies beyond VaR does not change the days of breaches
                    if found is None or (case.alternative == "excess" and way[0] in FAMILIES["breaches"]):
                        continue
                    at = {**case.parameters, "p_value": way[1], **self._at(cell)}
                    yield Row("test_power", way[0], at, "test_power", "probability", found)

    def _detections(self) -> Iterator[Row]:
        """Smallest multiple found at each size, and months until each multiple is found."""
        study, lab = self.study, self.lab
        rates = [c for c in lab.stretched if c.alternative == "rate" and c.multiple > 1.0]
        if not rates:
            return
        for way in JUDGED:
            by_count = is_enumerated(way) and way[0] != "time_until_failure"
            for i, j in self.cells:
                n, tail = lab.sizes[j], lab.tails[i]
                if by_count:
                    least = exact_multiple(way, n, tail, study.test_level, study.detection_power)
                else:
                    powers = [self._rejects(c, way, (i, j)) for c in (lab.null, *rates)]
                    at = [0.0, *(math.log(c.multiple) for c in rates)]
                    least = self._reached(at, powers, math.exp, "times the rate")
                parameters = {"p_value": way[1], **self._at((i, j))}
                yield Row("detection", way[0], parameters, "detectable_multiple", "number", least)
            for i, level in enumerate(study.levels):
                days = _MONTH_HOURS / study.horizon_hours
                for case in rates:
                    if by_count:
                        tail = lab.tails[i]
                        months = exact_months(
                            way, tail, case.multiple, study.test_level, study.detection_power, days
                        )  # fmt: skip
                    else:
                        powers = [self._rejects(case, way, (i, j)) for j in range(len(lab.sizes))]
                        at = [math.sqrt(n) for n in lab.sizes]
                        months = self._reached(at, powers, lambda root, days=days: root * root / days, "months")
                        if not math.isfinite(months.value):  # beyond the sizes that were simulated
                            continue
                    parameters = {"p_value": way[1], "multiple": case.multiple, "level": level}
                    yield Row("detection", way[0], parameters, "months_to_detect", "number", months)

    def _reached(self, at: list[float], powers: list[Estimate | None], back: Callable, what: str) -> Estimate:
        known = [(x, e) for x, e in zip(at, powers, strict=True) if e is not None]
        at, random = [x for x, _ in known], [e for _, e in known]
        if all(e.confidence == 1.0 for e in random):
            random = [clopper_pearson(round(e.value * 10**6), 10**6, self.study.confidence) for e in random]
        return detection(at, random, self.study.detection_power, back, what)

    def _families(self) -> Iterator[Row]:
        """False alarms of many tests of one history, with and without adjustment, and their power together."""
        study, lab = self.study, self.lab
        twice = min(
            (c for c in lab.stretched if c.alternative == "rate" and c.multiple > 1.0),
            key=lambda c: abs(math.log(c.multiple / 2.0)),
            default=None,
        )
        for cell in self.cells:
            for family, tests in FAMILIES.items():
                for which in ("best", "printed"):
                    ways = [(t, "asymptotic" if which == "printed" and "asymptotic" in ways_of(t) else ways_of(t)[0])
                            for t in tests]  # fmt: skip
                    for case, measure in ((lab.null, "false_alarm"), (twice, "family_power")):
                        if case is None or (which == "printed" and measure == "family_power"):
                            continue
                        smallest = any_rejection({t: lab.p_value(case, (t, w), cell) for t, w in ways})
                        for procedure, p in smallest.items():
                            if which == "printed" and procedure != "none":
                                continue
                            at = {"family": family, "tests": len(tests), "p_value": which, "procedure": procedure}
                            if measure == "family_power":
                                at["multiple"] = case.multiple
                            found = rejections(p, study.test_level, study.confidence)
                            yield Row("multiplicity", "", at | self._at(cell), measure, "probability", found)

    def _accounts(self) -> Iterator[Row]:
        """False alarms of one test on independent accounts."""
        for cell in self.cells:
            n, tail = self.lab.sizes[cell[1]], self.lab.tails[cell[0]]
            for way in (("kupiec", "asymptotic"), ("kupiec", "exact")):
                for count in self.study.accounts:
                    for procedure, level in (
                        ("none", self.study.test_level),
                        ("holm", self.study.test_level / count),
                    ):
                        size = exact_rejection(way, n, tail, tail, level)
                        at = {"accounts": count, "p_value": way[1], "procedure": procedure, **self._at(cell)}
                        found = some_rejection(size, count)
                        yield Row("multiplicity", way[0], at, "false_alarm", "probability", found)

    def _overlaps(self, h: int, cell: Cell) -> Iterator[Row]:
        """Naive and corrected tests of overlapping losses, and exact ones of losses apart."""
        study, lab = self.study, self.lab
        n, tail = lab.sizes[cell[1]], lab.tails[cell[0]]
        for case in (lab.null, lab.overlap_case):
            if case is None:
                continue
            measure = "test_size" if case is lab.null else "test_power"
            at = {"overlap": h, **({"multiple": case.multiple} if case is not lab.null else {}), **self._at(cell)}
            counts, corrected = lab.overlap(h, case, cell)
            tables = count_p_values(n - h + 1, tail)
            naive = {way: tables[way][counts.astype(np.int64)] for way in _NAIVE}
            for said, found in (("overlapping, as if apart", naive), ("overlapping, simulated bounds", corrected)):
                if found is naive and case is not lab.null:
                    continue  # without its size a test has no power worth the name
                for way, p in found.items():
                    parameters = {"losses": said, "p_value": way[1], **at}
                    figure = rejections(p, study.test_level, study.confidence)
                    yield Row("overlap", way[0], parameters, measure, "probability", figure)
            for way in (("kupiec", "exact"), ("traffic_light", "exact")):
                figure = enumerated(exact_rejection(way, n // h, tail, case.multiple * tail, study.test_level))
                parameters = {"losses": "apart", "p_value": way[1], **at}
                yield Row("overlap", way[0], parameters, measure, "probability", figure)


def _head(study: BacktestPowerStudy, name: str, command: str) -> dict[str, Any]:
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": worlds_head(study.all_worlds()),
        "settings": {
            "seed": study.seed,
            "replications": study.replications,
            "null_replications": study.null_replications,
            "horizon_hours": study.horizon_hours,
            "exposure": study.exposure.name,
            "levels": list(study.levels),
            "sample_sizes": list(study.sample_sizes),
            "test_level": study.test_level,
            "detection_power": study.detection_power,
            "confidence": study.confidence,
        },
        "assumptions": [
            f"The forecast is the unconditional law of {study.world.name} over {study.horizon_hours:g} h, held every "
            "day; clustered worlds are held against their own unconditional law.",
            "A rate alternative multiplies every log-return by one factor, so that VaR is breached the stated multiple "
            "as often, independently; ES is then too small as well.",
            "An excess alternative multiplies what log-returns have beyond the VaR point: VaR stays right. Tests of "
            "the days of breaches cannot see it and are left out.",
            "Tests of the tail and of the whole law are run against one law held every day; on forecasts that an "
            "estimator makes anew every day only tests of breaches are run.",
            f"Simulated p-values are ranks among {study.null_replications:,} null histories, one table for all "
            "histories; their intervals are given that table.",
            "A history on which a statistic cannot be formed does not reject.",
            "Sizes share their histories: a shorter backtest is the beginning of the longer one.",
        ],
    }
