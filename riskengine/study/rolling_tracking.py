"""Ex ante tracking error of portfolios of the series, forecast from past returns alone, against what came after.

    forecast     e_t = sqrt(w' S_t w), w the active weights, S_t the covariance of the returns of the window before t
    active       a_t = w' r_t, weights restored every period
    ex post      sd of a_t over the periods that are forecast
    ratio        sqrt(mean (a_t / e_t)^2): 1 where the forecasts are right on average; above, they are too low

Estimating S_t from W independent normal returns makes the ratio sqrt((W - 1) / (W - 3)), not 1.  The active return of
one period is taken to have mean zero, as forecasts of risk over short periods do.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.errors import UsageError, suggest
from riskengine.estimate import Estimate
from riskengine.stats.tracking import (
    bootstrapped,
    ex_ante_tracking_error,
    newey_west_deviation,
    newey_west_error,
    tracking,
)
from riskengine.study.result import Row
from riskengine.study.rolling_spec import PortfolioTracking

if TYPE_CHECKING:
    from riskengine.study.rolling import RollingLab

_BOUND = float(ndtri(0.975))
_GROUPS = ("low forecasts", "middle forecasts", "high forecasts")


def portfolio_tracking(lab: "RollingLab") -> list[Row]:
    """Rows of every portfolio; those whose series are not in the files at all are named in ``lab.left_out``."""
    rows: list[Row] = []
    for asked in lab.study.tracking:
        aligned = _aligned(lab, asked)
        if isinstance(aligned, str):
            lab.left_out.append(f"tracking of {asked.name}: {aligned}")
        else:
            rows += _rows(lab, asked, *aligned)
    return rows


def _aligned(lab: "RollingLab", asked: PortfolioTracking) -> tuple[Floats, Floats, Floats] | str:
    """Returns (T, A) at the stamps that all series have, weights of portfolio and benchmark; or why there are none."""
    known = {line.name: line.returns for line in lab.lines}
    names = list(dict.fromkeys([*asked.portfolio, *asked.benchmark]))
    absent = [n for n in names if n not in known]
    if len(absent) == len(names):
        return f"none of its series ({', '.join(names)}) is among those forecast"
    if absent:
        raise UsageError(
            f"tracking of {asked.name} must name series that are forecast ({', '.join(known)}), got "
            f"{', '.join(repr(n) + suggest(n, list(known)) for n in absent)}"
        )
    common = known[names[0]].seconds
    for name in names[1:]:
        common = np.intersect1d(common, known[name].seconds)
    window = asked.window or lab.study.window
    if common.size < window + lab.study.least_days:
        return f"{common.size} returns in common, {window + lab.study.least_days} needed"
    returns = np.stack([known[n].values[np.searchsorted(known[n].seconds, common)] for n in names], axis=1)
    weights = (np.array([w.get(n, 0.0) for n in names]) for w in (asked.portfolio, asked.benchmark))
    return returns, *weights


def forecasts(returns: Floats, active: Floats, window: int, half_life: float | None = None) -> Floats:
    """Ex ante tracking error of each period from `window` on, (T - window,), of active weights (A,).

    Parameters
    ----------
    returns : ndarray, shape (T, A)
    active : ndarray, shape (A,)
    window : int
    half_life : float, optional
        Periods after which a return counts half in the covariance; equal weights by default.
    """
    age = np.arange(window)[::-1]
    weight = np.ones(window) if half_life is None else 0.5 ** (age / half_life)
    pasts = sliding_window_view(returns, window, axis=0)[:-1]  # (T - window, A, window)
    return np.array([ex_ante_tracking_error(active, np.cov(past, aweights=weight)) for past in pasts])


def _rows(
    lab: "RollingLab", asked: PortfolioTracking, returns: Floats, portfolio: Floats, benchmark: Floats
) -> Iterator[Row]:
    study = lab.study
    window = asked.window or study.window
    ahead = forecasts(returns, portfolio - benchmark, window, asked.half_life)
    own, base = returns[window:] @ portfolio, returns[window:] @ benchmark
    n = own.size
    key = {"portfolio": asked.name, "window": window}

    def row(measure: str, unit: str, estimate: Estimate, **more: str) -> Row:
        return Row("rolling_portfolio", "", {**key, **more}, measure, unit, estimate)

    block = max(1, round(4 * n ** (1 / 3)))
    plain = tracking(own, base, confidence=study.confidence)
    blocks = tracking(own, base, block=block, replicates=study.replicates, confidence=study.confidence, seed=study.seed)
    yield row("ex_ante_tracking_error", "share", _mean(ahead, study.confidence))
    yield row("ex_post_tracking_error", "share", plain.error, error="normal")
    yield row("ex_post_tracking_error", "share", newey_west_deviation(own - base, study.confidence), error="Newey-West")
    yield row("ex_post_tracking_error", "share", blocks.error, error="block bootstrap")
    yield row("tracking_difference", "share", plain.difference)
    square = ((own - base) / ahead) ** 2
    yield row("tracking_ratio", "number", _root(square, np.ones(n), study.confidence), error="Newey-West")
    drawn = bootstrapped(lambda i: np.sqrt(square[i].mean(axis=1)), n, block, study.replicates, study.seed)
    yield row("tracking_ratio", "number", _from_draws(square, drawn, block, study.confidence), error="block bootstrap")
    edges = np.quantile(ahead, [1 / 3, 2 / 3])
    for i, group in enumerate(_GROUPS):
        inside = (np.searchsorted(edges, ahead, side="left") == i).astype(np.float64)
        if 20 <= inside.sum() < n:
            yield row("tracking_ratio", "number", _root(square, inside, study.confidence), group=group)
    beyond = (square > _BOUND**2).astype(np.float64)
    yield row("tracking_exceedance", "probability", _mean(beyond, study.confidence))


def _mean(values: Floats, confidence: float) -> Estimate:
    value, error = float(values.mean()), newey_west_error(values)
    half = float(ndtri(0.5 + 0.5 * confidence)) * error
    n = values.size
    return Estimate(value, error, max(0.0, value - half), value + half, confidence, n, float(n), "newey-west")


def _root(square: Floats, inside: Floats, confidence: float) -> Estimate:
    """Root of the mean of `square` where `inside` is 1; the interval is symmetric in its logarithm."""
    value = float(np.sqrt(square @ inside / inside.sum()))
    error = newey_west_error((square - value**2) * inside / inside.mean()) / (2.0 * value)
    spread = np.exp(float(ndtri(0.5 + 0.5 * confidence)) * error / value)
    n = int(inside.sum())
    return Estimate(value, error, value / spread, value * spread, confidence, n, float(n), "newey-west, log scale")


def _from_draws(square: Floats, drawn: Floats, block: int, confidence: float) -> Estimate:
    value = float(np.sqrt(square.mean()))
    tail = 0.5 * (1.0 - confidence)
    low, high = value**2 / np.quantile(drawn, [1.0 - tail, tail])  # basic, in the logarithm
    method = f"circular block bootstrap, blocks of {block}"
    return Estimate(
        value, float(drawn.std(ddof=1)), min(float(low), value), max(float(high), value), confidence, square.size,
        float(square.size), method,
    )  # fmt: skip
