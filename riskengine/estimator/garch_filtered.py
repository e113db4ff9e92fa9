"""Filtered historical simulation with a GARCH(1,1) filter fitted to the window.

    h_{t+1} = (1 - alpha - beta) v + alpha e_t^2 + beta h_t,   e_t = L_t - mean L,   v = mean e^2

(alpha, beta) maximise the normal quasi-likelihood -sum (log h_t + e_t^2 / h_t) / 2 with the long-run variance held at v
(targeting), by Fisher scoring in (logit of alpha + beta, logit of alpha's share) from three starts; alpha + beta stays
below 1.  h_1 is the forecast from an exponential backcast, the convention of `arch`.  The forecast is the empirical law
of mean L + e_t sqrt(h_{W+1} / h_t); VaR and its interval are order statistics of it given the filter, ES its tail mean.
The error of alpha and beta is in no interval; a jump in the window lifts alpha and with it the forecast after calm
days.  References: Barone-Adesi, Giannopoulos, Vosper, J. Futures Markets 19 (1999), 583-602; Engle, Mezrich, Risk 9
(1996), 36-40.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats
from riskengine.estimator.filtered_historical import rescaled
from riskengine.estimator.ordered import empirical_tails
from riskengine.estimator.tails import LaneEstimator, Tail
from riskengine.jit import kernel
from riskengine.stats.variance import backcast, filter_variance

LEAST_LOSSES = 100
_STARTS = ((3.0, -3.0), (4.5, -2.0), (1.0, -1.0))  # logits of persistence and of alpha's share
_ROUNDS = 60
_END = 11.0  # of a logit: persistence 0.99998


@kernel
def quasi_likelihood(e, none, start, first, second, h):
    """(log-likelihood less its constant, alpha, beta) of one lane with mean square 1; fills `h`.

    Parameters
    ----------
    e : ndarray, shape (W,)
    none : ndarray of int, shape (W,)
        Zeros: no loss is missing.
    start : float
        Backcast variance.
    first, second : float
        Logits of alpha + beta and of alpha / (alpha + beta).
    h : ndarray, shape (W + 1,)
    """
    persistence = 1.0 / (1.0 + math.exp(-first))
    alpha = persistence / (1.0 + math.exp(-second))
    beta = persistence - alpha
    omega = 1.0 - persistence
    h[0] = omega + persistence * start
    filter_variance(h, e, none, omega, alpha, beta)
    total = 0.0
    for t in range(e.size):
        total += math.log(h[t]) + e[t] * e[t] / h[t]
    return -0.5 * total, alpha, beta


@kernel
def _score(e, start, alpha, beta, h, g):
    """Gradient (0, 1) and expected information (aa, ab, bb at 2-4) in (alpha, beta)."""
    for j in range(5):
        g[j] = 0.0
    da, db = start - 1.0, start - 1.0
    for t in range(e.size):
        ratio = e[t] * e[t] / h[t]
        a, b = da / h[t], db / h[t]
        g[0] += 0.5 * (ratio - 1.0) * a
        g[1] += 0.5 * (ratio - 1.0) * b
        g[2] += 0.5 * a * a
        g[3] += 0.5 * a * b
        g[4] += 0.5 * b * b
        da = e[t] * e[t] - 1.0 + beta * da
        db = h[t] - 1.0 + beta * db


@kernel(scratch=True)
def fit_filter(e, none, start, starts, out, h):
    """Quasi-maximum likelihood on every lane.

    Parameters
    ----------
    e : ndarray, shape (P, W)
        Losses less their mean, with mean square 1.
    none : ndarray of int, shape (W,)
        Zeros.
    start : ndarray, shape (P,)
        Backcast variance of each lane.
    starts : ndarray, shape (S, 2)
        Logits to start from.
    out : ndarray, shape (P, 3)
        alpha, beta, and the log-likelihood less its constant.
    h : ndarray, shape (P, W + 1)
        Variances of the losses, and the forecast.
    """
    g = np.empty(5)
    trial = np.empty(h.shape[1])
    for lane in range(e.shape[0]):
        v = e[lane]
        out[lane, 2] = -np.inf
        for s in range(starts.shape[0]):
            x, y = starts[s, 0], starts[s, 1]
            best, alpha, beta = quasi_likelihood(v, none, start[lane], x, y, trial)
            for _ in range(_ROUNDS):
                _score(v, start[lane], alpha, beta, trial, g)
                p = alpha + beta
                share = alpha / p
                # alpha = p w, beta = p (1 - w) by the logits of p and w
                ax, ay = p * (1 - p) * share, p * share * (1 - share)
                bx, by = p * (1 - p) * (1 - share), -p * share * (1 - share)
                gx, gy = g[0] * ax + g[1] * bx, g[0] * ay + g[1] * by
                ixx = g[2] * ax * ax + 2 * g[3] * ax * bx + g[4] * bx * bx
                ixy = g[2] * ax * ay + g[3] * (ax * by + ay * bx) + g[4] * bx * by
                iyy = g[2] * ay * ay + 2 * g[3] * ay * by + g[4] * by * by
                # a little of the identity keeps steps finite where a parameter is not identified
                ixx, iyy = ixx * 1.001 + 1e-3, iyy * 1.001 + 1e-3
                d = ixx * iyy - ixy * ixy
                sx, sy = (iyy * gx - ixy * gy) / d, (ixx * gy - ixy * gx) / d
                if sx * gx + sy * gy < 1e-8:
                    break
                size = min(1.0, 2.0 / max(abs(sx), abs(sy)))
                moved = False
                for _ in range(12):
                    x2 = min(max(x + size * sx, -_END), _END)
                    y2 = min(max(y + size * sy, -_END), _END)
                    value, a2, b2 = quasi_likelihood(v, none, start[lane], x2, y2, trial)
                    if value > best + 1e-9:
                        x, y, best, alpha, beta, moved = x2, y2, value, a2, b2, True
                        break
                    size *= 0.5
                if not moved:
                    break
            if best > out[lane, 2]:
                out[lane, 0], out[lane, 1], out[lane, 2] = alpha, beta, best
                quasi_likelihood(v, none, start[lane], x, y, h[lane])


@dataclass(frozen=True)
class GarchFilteredEstimator(LaneEstimator):
    """VaR and ES of losses rescaled by a GARCH(1,1) volatility fitted to the same window.

    Attributes
    ----------
    kind : str
        ``garch_filtered``.
    """

    kind: Literal["garch_filtered"] = "garch_filtered"
    _least = LEAST_LOSSES

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        mean = x.mean(axis=1)[:, None]
        e = x - mean
        scale = np.sqrt(np.square(e).mean(axis=1))[:, None]
        if not (scale > 0).all():
            raise ValueError(
                f"losses must vary, got a sample of equal losses in lane {int(np.argmin(scale[:, 0] > 0))}"
            )
        e /= scale
        fitted, variance = np.empty((x.shape[0], 3)), np.empty((x.shape[0], x.shape[1] + 1))
        start = np.array([backcast(lane[:, None])[0] for lane in e])
        fit_filter(e, np.zeros(x.shape[1], dtype=np.int64), start, np.array(_STARTS), fitted, variance)
        scaled = mean + scale * rescaled(e, variance)
        return empirical_tails(np.sort(scaled, axis=1), levels, confidence, "filtered by garch")
