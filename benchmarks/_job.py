"""The book, scenarios and numpy pricing shared by `revaluation` and `whole_job`.

Two assets of unit spot, 25 options each (strikes within +-40 %, 35 to 180 days, net short) and a perpetual; 31
scenarios: spot -30 % to +30 % in steps of 6 %, volatility -25 %, unchanged, +25 %, number 0 being no move.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from riskengine.pricing.tables import ScenarioBook

STEPS = 30
DT = 1.0 / 365.0
OPTIONS = 25


def scenarios() -> np.ndarray:
    """(spot move, relative volatility move) rows, shape (31, 2)."""
    moves = [-0.30, -0.24, -0.18, -0.12, -0.06, 0.0, 0.06, 0.12, 0.18, 0.24]
    rows = [(0.0, 0.0)] + [(m, v) for v in (-0.25, 0.0, 0.25) for m in moves if not m == v == 0.0] + [(0.30, 0.25)]
    return np.array(rows[:31])


def book(seed: int = 11) -> ScenarioBook:
    """The book both sides price."""
    rng = np.random.default_rng(seed)
    columns = []
    for base in (0.6, 0.8):
        strike = np.exp(rng.uniform(-0.4, 0.4, OPTIONS))
        expiry = rng.choice([35, 45, 60, 90, 180], OPTIONS) / 365
        volatility = base * (1 + 0.15 * np.log(strike) ** 2 - 0.1 * np.log(strike))
        sign = np.where(rng.random(OPTIONS) < 0.5, 1.0, -1.0)
        quantity = rng.normal(-0.6, 1.0, OPTIONS)
        columns.append((strike, expiry, volatility, sign, quantity, float(rng.normal(0, 0.5))))
    strike, expiry, volatility, sign, quantity, perpetual = (np.array(x) for x in zip(*columns, strict=True))
    rows = scenarios()
    return ScenarioBook(
        strike, expiry, volatility, sign, quantity, perpetual, np.ones(2), np.log1p(rows[:, 0]), 1.0 + rows[:, 1]
    )


def numpy_values(b: ScenarioBook, spot: np.ndarray, time: float, move: float, volatility_move: float) -> np.ndarray:
    """Value of the book, shape (P,), for spot (2, P), the way a quant writes it: scipy's ndtr over a (P, O) table."""
    total = 0.0
    for a in range(2):
        s = spot[a] * (1.0 + move)
        v = b.volatility[a] * (1.0 + volatility_move) * np.sqrt(b.expiry[a] - time)
        d1 = np.log(s[:, None] / b.strike[a]) / v + 0.5 * v
        price = b.sign[a] * (s[:, None] * ndtr(b.sign[a] * d1) - b.strike[a] * ndtr(b.sign[a] * (d1 - v)))
        total = total + price @ b.quantity[a] + b.perpetual[a] * (s - 1.0)
    return total


def numpy_scan(b: ScenarioBook, spot: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """(value, worst value over the scenarios), shape (P,) each."""
    rows = scenarios()
    value = numpy_values(b, spot, time, 0.0, 0.0)
    worst = value.copy()
    for move, volatility_move in rows[1:]:
        np.minimum(worst, numpy_values(b, spot, time, move, volatility_move), out=worst)
    return value, worst
