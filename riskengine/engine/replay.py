"""Real prices as paths: every non-overlapping window of a price history becomes one lane."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.errors import InputError
from riskengine.market.grid import SECONDS_PER_YEAR, TimeGrid
from riskengine.market.paths import MarketPaths


@dataclass(frozen=True)
class Windows:
    """Windows of a price history.

    Attributes
    ----------
    paths : MarketPaths
        One lane for each window, in time order; spot starts at the reference spot.
    starts : ndarray of int, shape (P,)
        Unix seconds at the start of each window.
    skipped : int
        Windows left out because a bar inside them is missing; they are counted, never filled.
    filled : int
        Missing bars that the histories before the windows bridge with the last known price.
    floored : float
        Share of variance states that would be negative without their jump part and stand at zero.
    """

    paths: MarketPaths
    starts: Ints
    skipped: int
    filled: int
    floored: float


def _regular(seconds: Ints, prices: Floats) -> tuple[int, Ints, Floats, np.ndarray]:
    """Step, regular stamps, prices carried forward over missing bars, and which bars were missing."""
    step = int(np.median(np.diff(seconds)))
    index = (seconds - seconds[0]) // step
    if ((seconds - seconds[0]) % step != 0).any():
        raise InputError(f"prices must be stamped on a regular grid, got stamps off the {step} s grid")
    count = int(index[-1]) + 1
    known = np.zeros(count, dtype=bool)
    known[index] = True
    last = np.maximum.accumulate(np.where(known, np.arange(count), 0))
    position = np.zeros(count, dtype=np.int64)
    position[index] = np.arange(len(seconds))
    return step, seconds[0] + step * np.arange(count), prices[position[last]], ~known


def _ewma_variance(prices: Floats, step: int, half_life_hours: float) -> Floats:
    """Exponentially weighted variance per year of the step returns up to and including each bar, shape (N, A).

    Weights are normalised over the returns there are, so the first bars rest on few returns and on none of the future.
    """
    squared = np.diff(np.log(prices), axis=0) ** 2 * (SECONDS_PER_YEAR / step)
    keep = 0.5 ** (step / 3600.0 / half_life_hours)
    out = np.zeros_like(prices)
    total, weight = np.zeros(prices.shape[1]), 0.0
    for i, value in enumerate(squared):
        total, weight = keep * total + value, keep * weight + 1.0
        out[i + 1] = total / weight
    return out


def windows(
    assets: tuple[str, ...],
    seconds: Ints,
    prices: Floats,
    period_hours: float,
    history: int,
    reference: Floats,
    half_life_hours: float,
    jump_variance: Floats | None = None,
) -> Windows:
    """Cut a price history into margin periods.

    Parameters
    ----------
    assets : tuple of str
    seconds : ndarray of int, shape (N,)
        Unix time of each bar.
    prices : ndarray, shape (N, A)
    period_hours : float
        Length of a window; a whole number of bars.
    history : int
        Windows before each start that estimators read.
    reference : ndarray, shape (A,)
        Spot to which every window is scaled, so that a book's strikes and sizes mean the same in all of them.
    half_life_hours : float
        Of the exponentially weighted variance that stands for the state of the surface.
    jump_variance : ndarray, shape (A,), optional
        Part of realised variance that jumps make and the state of the surface does not hold.

    Raises
    ------
    InputError
        Where the period is not a whole number of bars or the history is too short for one window.
    """
    step, stamps, prices, missing = _regular(seconds, prices)
    grid_one = TimeGrid(step, 1)
    try:
        period = grid_one.index("margin_period_hours", period_hours)
    except ValueError as error:
        raise InputError(f"{error} (the step of the price file)") from None
    starts = np.arange(history * period, len(stamps) - period, period)
    if starts.size == 0:
        raise InputError(
            f"prices must hold at least {history + 1} margin periods of {period_hours:g} h, got {len(stamps) // period}"
        )
    whole = np.array([not missing[s : s + period + 1].any() for s in starts])
    kept = starts[whole]
    realised = _ewma_variance(prices, step, half_life_hours)
    state = realised if jump_variance is None else realised - jump_variance
    variance = np.maximum(state, 0.0)
    forward = kept[None, :] + np.arange(period + 1)[:, None]
    back = kept[None, :] + period * np.arange(-history, 1)[:, None]
    scale = (reference / prices[kept]).T

    def lanes(series: Floats, at: Ints) -> Floats:
        return np.ascontiguousarray(series[at].transpose(0, 2, 1))

    paths = MarketPaths(
        TimeGrid(step, period, step * period, history),
        assets,
        0,
        lanes(prices, forward) * scale,
        lanes(variance, forward),
        lanes(prices, back) * scale,
        lanes(variance, back),
    )
    return Windows(paths, stamps[kept], int((~whole).sum()), int(missing.sum()), float((state < 0).mean()))
