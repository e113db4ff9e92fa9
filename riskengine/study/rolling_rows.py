"""Rows of a study of rolling forecasts: what is pooled over series, tracking over time, and power."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.backtest.alternatives import Power
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.stats.tracking import tracking
from riskengine.study.result import Row
from riskengine.study.rolling_power import NO_POWER, power_of
from riskengine.study.rolling_scores import SCORES, pooled_difference, pooled_rate

if TYPE_CHECKING:
    from riskengine.study.rolling import Cell, RollingLab

SECTION = "rolling"
FAMILIES = ("coverage", "shortfall", "law")
_SHOWN_DAYS = 3  # numbers of days that the table of power is shown for


def tail_of(level: float) -> float:
    """Tail probability of a level."""
    return round(1.0 - level, 12)


def headline_of(levels: Sequence[float]) -> float:
    """The level that is spoken of: 99 % where it was asked for, else the lowest."""
    return 0.99 if 0.99 in levels else sorted(levels)[0]


def powers_of(lab: "RollingLab", c: "Cell") -> dict[str, Estimate]:
    """Power of every test and family beside the verdicts of a cell."""
    return power_of(lab.power, c.breach.size, tail_of(c.level))


def rolling_rows(lab: "RollingLab") -> list[Row]:
    """Pooled figures, counts of series, tracking, power."""
    rows = []
    for side in lab.study.sides:
        for level in lab.study.levels:
            for who in lab.study.labels:
                own = [c for c in lab.cells if (c.line.side, c.level, c.who) == (side, level, who)]
                rows += _pooled(lab, own, {"side": side, "level": level, "estimator": who})
    return [*rows, *_tracking(lab), *_power(lab)]


def _pooled(lab: "RollingLab", cells: list["Cell"], key: dict[str, Any]) -> Iterator[Row]:
    who, study = key["estimator"], lab.study
    formed = [c for c in cells if not c.reason]
    reason = next((c.reason for c in cells if c.reason), "")

    def row(measure: str, unit: str, estimate: Estimate, power: Estimate | None = None) -> Row:
        return Row(SECTION, who, key, measure, unit, estimate, power=power)

    if not formed:
        yield row("breach_rate", "probability", undetermined(0, reason))
        return
    parts = [(c.line.seconds[c.seen], c.breach.astype(np.float64)) for c in formed]
    yield row("breach_rate", "probability", pooled_rate(parts, study.confidence))
    for name in SCORES:
        yield row(f"{name}_gain", "share" if name == "pinball" else "number", _gain(lab, key, name))
    for family in FAMILIES:
        if family == "law" and not any(who in c.line.laws for c in formed):
            continue
        judged = [c for c in formed if f"{family}_p_bh" in c.figures]
        kept = sum(c.figures[f"{family}_p_bh"] > study.significance for c in judged)
        yield row(f"{family}_kept", "series", _count(kept, len(judged)), _mean_power(lab, judged, family))
    for measure, name in (("pinball_in_set", "pinball_set_p"), ("fz0_in_set", "fz0_set_p")):
        judged = [c for c in formed if name in c.figures]
        kept = sum(c.figures[name] > study.set_size for c in judged)
        yield row(measure, "series", _count(kept, len(judged)), undetermined(0, NO_POWER["in_set"]))
    for measure, alarm, test in (("alarms_low", "low", "e_var"), ("alarms_high", "high", "e_var_overstated")):
        given = sum(getattr(c, alarm) is not None for c in formed)
        yield row(measure, "series", _count(given, len(formed)), _mean_power(lab, formed, test))
    power = float(np.mean([lab.power.rate_power(c.breach.size, tail_of(c.level)) for c in formed]))
    yield row("rate_power", "probability", exact(power, "mean over series, each exact by enumeration"))


def _mean_power(lab: "RollingLab", cells: list["Cell"], test: str) -> Estimate:
    """Mean over series of the power of a test, with the mean of its bounds: series share tables."""
    found = [e for e in (powers_of(lab, c)[test] for c in cells) if np.isfinite(e.value)]
    if not found:
        return undetermined(0, "no series could be judged")
    # simulated: more digits than its error would be noise
    value, low, high = (round(float(np.mean([getattr(e, k) for e in found])), 4) for k in ("value", "lower", "upper"))
    method = f"mean over {len(found)} series, {found[0].method.split(', ')[1]}"
    return Estimate(value, float("nan"), low, high, found[0].confidence, found[0].n, float(found[0].n), method)


def _gain(lab: "RollingLab", key: dict[str, Any], name: str) -> Estimate:
    """Score of the benchmark less that of the estimator, pooled; pinball in units of the benchmark's own score."""
    study = lab.study
    parts = []
    for line, level, found in lab.rankings:
        names = [study.labels[i] for i in found.who]
        if (line.side, level) == (key["side"], key["level"]) and {key["estimator"], study.reference} <= set(names):
            own, base = (found.scores[name][:, names.index(w)] for w in (key["estimator"], study.reference))
            unit = base.mean() if name == "pinball" else 1.0
            parts.append((line.seconds[found.days], (base - own) / unit))
    if key["estimator"] == study.reference:
        return exact(0.0, "the benchmark itself")
    return pooled_difference(parts, study.confidence)


def _tracking(lab: "RollingLab") -> Iterator[Row]:
    """How far each VaR of the first side strays from the benchmark's: mean and deviation of the log ratio."""
    study = lab.study
    level = headline_of(study.levels)
    i = study.levels.index(level)
    for line in [x for x in lab.lines if x.side == study.sides[0]]:
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


def _power(lab: "RollingLab") -> Iterator[Row]:
    """Power of every test at the shortest, the middle and the longest series."""
    sizes = sorted({c.breach.size for c in lab.cells if not c.reason})
    shown = sorted({sizes[round(k * (len(sizes) - 1) / (_SHOWN_DAYS - 1))] for k in range(_SHOWN_DAYS)})
    told = set()
    for level in lab.study.levels:
        p = tail_of(level)
        for n in shown:
            yield from _told(lab.power.coverage(n, p), {"level": level, "days": n})
            days, found = lab.power.tail(n, p)
            if (level, days) not in told:
                told.add((level, days))
                yield from _told(found, {"level": level, "days": days})


def _told(powers: dict[str, Power], key: dict[str, Any]) -> Iterator[Row]:
    """Rows of the power, and of the true size, of tests."""
    for test, power in powers.items():
        figures = {"power_rate": power.rate, "power_clusters": power.clusters, "test_size": power.size}
        for measure, estimate in figures.items():
            if estimate is not None:
                yield Row("rolling_power", "", {**key, "test": test}, measure, "probability", estimate)


def _count(kept: int, judged: int) -> Estimate:
    if not judged:
        return undetermined(0, "no series could be judged")
    return Estimate(float(kept), 0.0, float(kept), float(kept), 1.0, judged, float(judged), f"count of {judged} series")
