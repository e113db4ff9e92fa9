"""Real prices as paths: every non-overlapping window of a price history becomes one lane."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.errors import InputError
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.series import PriceSeries
from riskengine.scenario.windows import cut, lanes, scaled


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
    step = int(np.median(np.diff(seconds)))
    try:
        series = PriceSeries(assets, seconds, prices, step)
        period = TimeGrid(step, 1).index("margin_period_hours", period_hours)
    except ValueError as error:
        raise InputError(f"{error} (the price file)") from None
    stamps, _, missing = series.regular
    found = cut(series, period, history * period)
    if found.starts.size + found.skipped == 0:
        raise InputError(
            f"prices must hold at least {history + 1} margin periods of {period_hours:g} h, got {len(stamps) // period}"
        )
    starts = found.starts
    realised = series.ewma_variance(half_life_hours)
    state = realised if jump_variance is None else realised - jump_variance
    variance = np.maximum(state, 0.0)
    forward, back = np.arange(period + 1), period * np.arange(-history, 1)
    paths = MarketPaths(
        TimeGrid(step, period, step * period, history),
        assets,
        0,
        scaled(series, starts, forward, reference),
        lanes(variance, starts[None, :] + forward[:, None]),
        scaled(series, starts, back, reference),
        lanes(variance, starts[None, :] + back[:, None]),
    )
    return Windows(paths, stamps[starts], found.skipped, int(missing.sum()), float((state < 0).mean()))
