"""A study on a conditional world says how likely its event is, and every figure is of paths that have it."""

import json

import pytest
from scipy.special import ndtr

from riskengine.config.study import study_of
from riskengine.study.run import run_study

MODEL = {"kind": "gbm", "assets": ["BTC"], "spot": [100.0], "drift": [0.0], "volatility": [0.8], "correlation": [[1.0]]}
LEVELS = {"reversion": 1.0, "long_variance": 0.64, "add": 0.64, "smile_tenor": 1.0, "wing": 1.0}
FLAT = ("premium", "skew_short", "skew_long", "curvature_short", "curvature_long", "skew_state")
SURFACE = {"kind": "factor_surface"} | {k: [v] for k, v in LEVELS.items()} | {k: [0.0] for k in FLAT}
ACCOUNT = {
    "name": "long",
    "kind": "long",
    "cash": {"USD": 10.0},
    "positions": [{"instrument": "perpetual", "asset": "BTC", "quantity": 1.0}],
}
STUDY = {
    "kind": "calibration",
    "title": "a fall",
    "world": {
        "title": "a fall",
        "base": {"name": "flat", "title": "flat", "measure": "P", "model": MODEL, "surface": SURFACE},
        "event": {"asset": "BTC", "move": -0.05, "hours": 24, "when": "end"},
    },
    "seed": 1,
    "paths": 300,
    "horizon_hours": 24,
    "step_hours": 24,
    "history_windows": 50,
    "margin": {
        "book": {"assets": ["BTC"], "spot": {"BTC": 100.0}, "accounts": [ACCOUNT]},
        "models": [{"kind": "historical_var", "levels": [0.95], "margin_period_hours": 24, "maintenance_ratio": 0.8}],
        "margin_period_hours": 24,
        "liquidation_latency_hours": 24,
    },
}


def test_probability_of_the_event_stands_beside_the_figures(tmp_path):
    folder, result = run_study(study_of(STUDY), {}, "fall", tmp_path / "run")
    step = 0.8 * (24 / 8760) ** 0.5
    event = float(ndtr((-0.051293 + 0.5 * step * step) / step))
    found = {r.measure: r.estimate for r in result.rows if r.section == "event"}
    assert found["event_probability"].lower < event < found["event_probability"].upper
    head = json.loads((folder / "result.json").read_text(encoding="utf-8"))["world"]
    assert head["stress"] == ["given that BTC falls by 5 % or more at the end of 24 h"]
    breach = next(r.estimate for r in result.rows if r.measure == "initial_margin_breach")
    # the third largest of 50 losses is exceeded with expected probability 3 / 51, and only where the event happened
    assert breach.value == pytest.approx(3 / 51 / event, abs=4.5 * 0.05)
