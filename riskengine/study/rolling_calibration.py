"""Calibration of forecasts without a truth: reliability of quantiles, Murphy diagrams, forecast transforms.

Forecasts and losses of all series are pooled.  Reliability (CORP) holds the recalibrated quantile, isotonic in the
forecast, against the forecast itself: on the diagonal a forecast of 8 % really is the quantile of the days on which it
is made.  Murphy diagrams hold mean elementary scores of estimators against one another at every threshold.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.estimate import Estimate
from riskengine.score.compare import murphy_diagram
from riskengine.score.quantile_calibration import quantile_calibration, recalibrated_quantile
from riskengine.study.result import Row
from riskengine.study.rolling_law import BINS, GRID, even_error, histogram, unevenness
from riskengine.study.rolling_scores import pooled_difference, quantile_crps

if TYPE_CHECKING:
    from riskengine.study.rolling import RollingLab

_POINTS = 41
_TAIL_FROM = 0.95  # level that the tail-weighted CRPS starts at


def calibration_curves(lab: "RollingLab") -> tuple[list[dict[str, Any]], list[Row]]:
    """Curves for the report, and the parts of the mean pinball loss, at the headline level."""
    study = lab.study
    level = 0.99 if 0.99 in study.levels else sorted(study.levels)[0]
    i = study.levels.index(level)
    curves, rows = [], []
    for side in study.sides:
        pooled = {who: _pooled(lab, side, who, i) for who in study.labels}
        pooled = {who: p for who, p in pooled.items() if p is not None}
        for who, (forecast, loss) in pooled.items():
            key = {"side": side, "level": level, "estimator": who}
            curves.append(_reliability(forecast, loss, level, {**key, "model": who}))
            parts = quantile_calibration(forecast, loss, level)
            for name in ("miscalibration", "discrimination", "uncertainty"):
                share = getattr(parts, name) / parts.score
                rows.append(Row("rolling", who, key, f"pinball_{name}", "share", _descriptive(share, loss.size)))
        curves += _murphy(pooled, side, level)
    for who in study.labels:
        found = _transforms(lab, who)
        if found is not None:
            curves.append(found[0])
            rows += found[1]
    return curves, [*rows, *_law_scores(lab)]


def _law_scores(lab: "RollingLab") -> Iterator[Row]:
    """CRPS of the laws, and of each side's tail, pooled: what is saved against the benchmark, in units of its own."""
    study, base = lab.study, lab.study.reference
    tail = GRID >= _TAIL_FROM - 1e-9
    levels = np.concatenate([1.0 - GRID[::-1], GRID])
    for who in study.labels:
        if who == base:
            continue
        saved: dict[tuple[str, str], list[tuple[Ints, Floats]]] = {}
        for line in [x for x in lab.lines if who in x.laws and base in x.laws]:
            scores = {}
            other = next((x for x in lab.lines if x.name == line.name and x.side != line.side), None)
            for name in (who, base):
                own = line.laws[name]
                scores["tail_crps_gain", line.side, name] = quantile_crps(line.judged, own[tail], GRID[tail])
                if line.side == "long" and other is not None and name in other.laws:
                    whole = np.concatenate([-other.laws[name][::-1], own])
                    scores["crps_gain", "", name] = quantile_crps(line.judged, whole, levels)
            for measure, side in dict.fromkeys((m, s) for m, s, _ in scores):
                if (measure, side, who) in scores and (measure, side, base) in scores:
                    mine, theirs = scores[measure, side, who], scores[measure, side, base]
                    known = ~(np.isnan(mine) | np.isnan(theirs))
                    if known.sum() >= study.least_days:
                        part = (theirs - mine)[known] / theirs[known].mean()
                        saved.setdefault((measure, side), []).append((line.seconds[known], part))
        for (measure, side), parts in saved.items():
            key = {"estimator": who, **({"side": side} if side else {})}
            yield Row("rolling_law", who, key, measure, "share", pooled_difference(parts, study.confidence))


def _transforms(lab: "RollingLab", who: str) -> tuple[dict[str, Any], list[Row]] | None:
    """Histogram of transforms over all series, and how uneven it is in each; None without laws of both sides."""
    pairs = [(a, b) for a in lab.lines for b in lab.lines if (a.name, a.side, b.side) == (b.name, "long", "short")]
    counts = []
    for long, short in pairs:
        if who in long.laws and who in short.laws:
            known = ~(np.isnan(long.laws[who]).any(axis=0) | np.isnan(short.laws[who]).any(axis=0))
            if known.sum() >= lab.study.least_days:
                counts.append(histogram(long.laws[who][:, known], short.laws[who][:, known], long.judged[known]))
    if not counts:
        return None
    total = np.sum(counts, axis=0)
    n = int(total.sum())
    share = total / n * BINS
    centre = (np.arange(BINS) + 0.5) / BINS
    curve = {
        "name": "transforms",
        "title": f"Forecast transforms, {who}",
        "parameters": {"estimator": who, "model": who},
        "x": [float(f"{v:.6g}") for v in centre],
        "y": [float(f"{v:.6g}") for v in share],
        "n": n,
    }
    seed, key = lab.study.seed, {"estimator": who}
    found = float(np.mean([unevenness(c) for c in counts]))
    right = float(np.mean([even_error(int(c.sum()), seed) for c in counts]))
    rows = [
        Row("rolling_law", who, key, "pit_error", "share", _descriptive(found, n)),
        Row("rolling_law", who, key, "pit_error_right", "share", _descriptive(right, n)),
    ]
    return curve, rows


def _pooled(lab: "RollingLab", side: str, who: str, i: int) -> tuple[Floats, Floats] | None:
    parts = []
    for line in lab.lines:
        if line.side == side:
            var = line.forecasts[who].var[i]
            seen = ~np.isnan(var)
            parts.append((var[seen], line.judged[seen]))
    if not parts:
        return None
    forecast, loss = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    return (forecast, loss) if forecast.size >= lab.study.least_days else None


def _reliability(forecast: Floats, loss: Floats, level: float, key: dict[str, Any]) -> dict[str, Any]:
    """Recalibrated against forecast quantile, at quantiles of the forecast."""
    fitted = recalibrated_quantile(forecast, loss, level)
    order = np.argsort(forecast, kind="stable")
    at = order[np.linspace(0, forecast.size - 1, _POINTS).astype(np.int64)]
    return {
        "name": "quantile_reliability",
        "title": f"Reliability, {key['estimator']}",
        "parameters": key,
        "x": [float(f"{v:.6g}") for v in forecast[at]],
        "y": [float(f"{v:.6g}") for v in fitted[at]],
        "n": int(forecast.size),
    }


def _murphy(pooled: dict[str, tuple[Floats, Floats]], side: str, level: float) -> Iterator[dict[str, Any]]:
    if not pooled:
        return
    every = np.concatenate([forecast for forecast, _ in pooled.values()])
    thresholds = np.linspace(0.0, float(np.quantile(every, 0.99)), _POINTS)
    for who, (forecast, loss) in pooled.items():
        scores = np.array([float(murphy_diagram(forecast, loss, level, t)) for t in thresholds])
        yield {
            "name": "murphy",
            "title": f"Murphy diagram, {who}",
            "parameters": {"side": side, "level": level, "estimator": who, "model": who},
            "x": [float(f"{v:.6g}") for v in thresholds],
            "y": [float(f"{v:.6g}") for v in scores],
            "n": int(forecast.size),
        }


def _descriptive(value: float, n: int) -> Estimate:
    return Estimate(value, np.nan, -np.inf, np.inf, 0.0, n, float(n), "in sample, no interval")
