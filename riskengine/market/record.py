"""Recorded series that forecasts are judged on: closing prices of one market, or returns with forecasts of them."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints, as_floats, check_shape


@dataclass(frozen=True, eq=False)
class PriceRecord:
    """Closing prices of one series.

    Attributes
    ----------
    name : str
        Symbol, with its source where the file has several.
    symbol, source : str
        As the file has them; source is empty where it has none.
    seconds : ndarray of int, shape (N,)
        Unix time of each bar, increasing.
    prices : ndarray, shape (N,)
        Positive.
    file, sha256 : str
        Name of the file and hash of its bytes.
    bar_seconds : int, optional
        Of a series whose stamps say an order only: how long a bar lasts; `seconds` then holds numbers of rows.
    """

    name: str
    symbol: str
    source: str
    seconds: Ints
    prices: Floats
    file: str
    sha256: str
    bar_seconds: int | None = None


@dataclass(frozen=True, eq=False)
class ForecastRecord:
    """Returns with the forecasts that somebody made for them, one level, a fall of the price being the loss.

    Attributes
    ----------
    name : str
    losses, var, es : ndarray, shape (N,)
        Losses positive; forecasts of the day's loss.
    level : float
        Of the forecasts.
    file, sha256 : str
    """

    name: str
    losses: Floats
    var: Floats
    es: Floats
    level: float
    file: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Returns:
    """Simple returns of one series over periods that do not overlap.

    Attributes
    ----------
    values : ndarray, shape (T,)
    seconds : ndarray of int, shape (T,)
        Unix time of the bar that ends each; the number of the row where a file has no stamps.
    follows : ndarray of bool, shape (T,)
        Whether a return starts where the one before it ends.
    left_out : int
        Pairs of bars that a gap lies between.
    """

    values: Floats
    seconds: Ints
    follows: np.ndarray
    left_out: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", as_floats("values", self.values, 1))
        for name in ("seconds", "follows"):
            check_shape(name, getattr(self, name), self.values.shape)


def returns_of(record: PriceRecord, horizon_seconds: int, gaps: str = "skip") -> Returns:
    """Returns over a horizon.

    Parameters
    ----------
    record : PriceRecord
    horizon_seconds : int
        A whole multiple of the bars' step, but for ``last``.
    gaps : {"skip", "bridge", "last"}
        ``skip`` keeps the bars on full multiples of the horizon (UTC) and leaves out a pair with a bar missing between;
        ``bridge`` takes every k-th bar as the next, for markets that close; ``last`` takes the last price at or before
        each full multiple, for stamps that are not regular, and leaves out one older than a quarter of the horizon.

    Raises
    ------
    ValueError
        Where the horizon does not fit the bars.
    """
    seconds, prices = record.seconds, record.prices
    step = record.bar_seconds or int(np.median(np.diff(seconds)))
    if record.bar_seconds is not None:
        gaps = "bridge"  # nobody knows of any
    if gaps == "last":
        marks = np.arange(-(-seconds[0] // horizon_seconds), seconds[-1] // horizon_seconds + 1) * horizon_seconds
        at = np.searchsorted(seconds, marks, side="right") - 1
        fresh = marks - seconds[at] <= horizon_seconds // 4
        return _returns(prices[at], marks, fresh[1:] & fresh[:-1])
    if horizon_seconds % step:
        raise ValueError(
            f"horizon_hours must be a whole multiple of the bars of {record.name} ({step / 3600:g} h), "
            f"got {horizon_seconds / 3600:g} h"
        )
    if gaps == "bridge":
        at = np.arange(0, seconds.size, horizon_seconds // step)
        good = np.ones(max(at.size - 1, 0), dtype=bool)
    else:
        at = np.flatnonzero(seconds % horizon_seconds == 0)
        good = np.diff(seconds[at]) == horizon_seconds
    return _returns(prices[at], seconds[at], good)


def _returns(prices: Floats, seconds: Ints, good: np.ndarray) -> Returns:
    """Returns between neighbouring prices where both count."""
    values = (prices[1:] / prices[:-1] - 1.0)[good]
    index = np.flatnonzero(good)
    follows = np.diff(index, prepend=-2) == 1
    return Returns(values, seconds[1:][good], follows, int((~good).sum()))
