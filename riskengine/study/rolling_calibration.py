"""Calibration of forecasts without a truth: reliability of quantiles, Murphy diagrams.

Forecasts and losses of all series are pooled.  Reliability (CORP) holds the recalibrated quantile, isotonic in the
forecast, against the forecast itself: on the diagonal a forecast of 8 % really is the quantile of the days on which it
is made.  Murphy diagrams hold mean elementary scores of estimators against one another at every threshold.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.estimate import Estimate
from riskengine.score.compare import murphy_diagram
from riskengine.score.quantile_calibration import quantile_calibration, recalibrated_quantile
from riskengine.study.result import Row

if TYPE_CHECKING:
    from riskengine.study.rolling import RollingLab

_POINTS = 41


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
    return curves, rows


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
        "name": "reliability",
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
