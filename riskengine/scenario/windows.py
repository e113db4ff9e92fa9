"""Windows of a price history: where they start, and the lanes they make when every one is scaled to one spot."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.market.series import PriceSeries


@dataclass(frozen=True)
class Cut:
    """Non-overlapping windows of one length, in bars of the regular series.

    Attributes
    ----------
    starts : ndarray of int, shape (P,)
        First bar of each window without a missing bar.
    skipped : int
        Windows left out because a bar inside them is missing; they are counted, never filled.
    """

    starts: Ints
    skipped: int


def cut(series: PriceSeries, length: int, before: int) -> Cut:
    """Windows of `length` bars that follow each other, the first after `before` bars of history."""
    missing = series.regular[2]
    starts = np.arange(before, missing.size - length, length)
    holes = np.concatenate([[0], np.cumsum(missing)])
    whole = holes[starts + length + 1] == holes[starts]
    return Cut(starts[whole], int((~whole).sum()))


def lanes(values: Floats, at: Ints) -> Floats:
    """Values (N, A) at bars `at` (times, windows) as lanes (times, A, windows)."""
    return np.ascontiguousarray(values[at].transpose(0, 2, 1))


def scaled(series: PriceSeries, starts: Ints, offsets: Ints, spot: Floats) -> Floats:
    """Prices at `offsets` bars from each start, shape (times, A, windows), scaled so that the start is `spot` (A,)."""
    prices = series.regular[1]
    out = lanes(prices, starts[None, :] + offsets[:, None]) * (spot / prices[starts]).T
    out[offsets == 0] = spot[:, None]  # exactly: the scaling rounds
    return out
