"""The book, scenarios, surface and numpy pricing shared by `revaluation` and `whole_job`.

Two assets of unit spot, 25 options each (strikes within +-40 %, 35 to 180 days, net short) and a perpetual; 31
scenarios: spot -30 % to +30 % in steps of 6 %, volatility -25 %, unchanged, +25 %, number 0 being no move.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from riskengine.market.surface import FactorSurface
from riskengine.pricing.scenario_book import ScenarioBook

STEPS = 30
DT = 1.0 / 365.0
OPTIONS = 25
# moves with variance; the smile of the shipped world
SURFACE = FactorSurface(
    reversion=(5.0, 4.0), long_variance=(0.40, 0.70), premium=(1.05, 1.05), add=(0.0687538, 0.122258),
    skew_short=(-0.06451, -0.06532), skew_long=(-0.07768, -0.05298), curvature_short=(0.06399, 0.06736),
    curvature_long=(0.05967, 0.0478), skew_state=(-0.05267, -0.03308), smile_tenor=(0.05, 0.1616), wing=(5.417, 4.62),
)  # fmt: skip


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


def numpy_scan(b: ScenarioBook, spot: np.ndarray, variance: np.ndarray | None, time: float):
    """(value, worst value over the scenarios), shape (P,) each."""
    if b.surface is not None:
        return numpy_moving_scan(b, spot, variance, time)
    rows = scenarios()
    value = numpy_values(b, spot, time, 0.0, 0.0)
    worst = value.copy()
    for move, volatility_move in rows[1:]:
        np.minimum(worst, numpy_values(b, spot, time, move, volatility_move), out=worst)
    return value, worst


def spline_scan(b: ScenarioBook, time: float):
    """Reader of cubic splines of each asset's part of the book, one per factor on volatility, as a quant writes it."""
    rows, nodes = scenarios(), np.linspace(-2.2, 1.8, 1500)
    grid = np.exp(nodes)
    parts = [replace(b, quantity=b.quantity * only[:, None], perpetual=b.perpetual * only) for only in np.eye(2)]
    splines = [
        {v: CubicSpline(nodes, numpy_values(part, np.array([grid, grid]), time, 0.0, v)) for v in np.unique(rows[:, 1])}
        for part in parts
    ]

    def scan(spot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs, value, worst = np.log(spot), None, None
        for move, v in rows:
            found = sum(splines[a][v](logs[a] + np.log1p(move)) for a in range(2))
            value = found if value is None else value
            worst = found.copy() if worst is None else np.minimum(worst, found, out=worst)
        return value, worst

    return scan


def numpy_moving_scan(b: ScenarioBook, spot: np.ndarray, variance: np.ndarray, time: float):
    """(value, worst value over the scenarios) on a surface that moves with variance, shape (P,) each.

    What no scenario moves is worked out once, and the smile once per move of spot.
    """
    rows, surface = scenarios(), b.surface
    moves, which = np.unique(rows[:, 0], return_inverse=True)
    values = np.zeros((len(rows), spot.shape[1]))
    for a in range(2):
        tau = b.expiry[a] - time
        x = surface.reversion[a] * tau
        loading, short = -np.expm1(-x) / x, np.exp(-tau / surface.smile_tenor[a])
        long, wing = surface.long_variance[a], surface.wing[a]
        start = (surface.premium[a] * variance[a] + surface.add[a])[:, None]
        square = long + (start - long) * loading
        slope = surface.skew_long[a] + (surface.skew_short[a] - surface.skew_long[a]) * short
        slope = slope + surface.skew_state[a] * (start - long) / (start + long)
        curvature = surface.curvature_long[a] + (surface.curvature_short[a] - surface.curvature_long[a]) * short
        level, spread = np.sqrt(square * tau), square * tau
        for m, move in enumerate(moves):
            s = spot[a] * (1.0 + move)
            k = np.log(b.strike[a] / s[:, None])
            t = k / np.sqrt(spread + (k / wing) ** 2)
            base = b.volatility[a] * level * (1.0 + t * (slope + curvature * t))
            for row in np.flatnonzero(which == m):
                v = base * (1.0 + rows[row, 1])
                d1 = 0.5 * v - k / v
                sign = b.sign[a]
                price = sign * (s[:, None] * ndtr(sign * d1) - b.strike[a] * ndtr(sign * (d1 - v)))
                values[row] += price @ b.quantity[a] + b.perpetual[a] * (s - 1.0)
    return values[0], values.min(axis=0)
