"""`ReturnSample`: aligned hourly log-prices and the returns over any horizon that lie inside one unbroken stretch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, Ints, as_floats, check_shape


@dataclass(frozen=True)
class ReturnSample:
    """Closing prices of several assets at the same hours.

    Attributes
    ----------
    assets : tuple of str
    hours : ndarray of int, shape (N,)
        Hours since 1970-01-01 UTC, strictly increasing; a step above one hour is a gap that no return bridges.
    prices : ndarray, shape (N, A)
        USD, positive.
    flat_bars : int
        Bars without volume in the source, stated beside the fit; they are kept, since a flat hour is a price.
    """

    assets: tuple[str, ...]
    hours: Ints
    prices: Floats
    flat_bars: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "assets", tuple(self.assets))
        object.__setattr__(self, "hours", np.ascontiguousarray(self.hours, dtype=np.int64))
        object.__setattr__(self, "prices", as_floats("prices", self.prices, 2))
        check_shape("prices", self.prices, (self.hours.size, len(self.assets)))
        if self.hours.size < 2 or (np.diff(self.hours) <= 0).any():
            raise ValueError("hours must be strictly increasing and at least two, got a repeated or decreasing stamp")
        if not (self.prices > 0).all():
            raise ValueError(f"prices must be positive, got {self.prices.min()!r}")

    @classmethod
    def from_timestamps(
        cls, assets: tuple[str, ...], timestamps: ArrayLike, prices: ArrayLike, flat_bars: int = 0
    ) -> "ReturnSample":
        """From numpy datetimes (UTC) that lie on full hours; ValueError naming the first that does not."""
        seconds = np.asarray(timestamps, dtype="datetime64[s]").astype(np.int64)
        if (seconds % 3600 != 0).any():
            off = np.asarray(timestamps)[np.flatnonzero(seconds % 3600)[0]]
            raise ValueError(f"timestamps must lie on full hours, got {off}")
        return cls(assets, seconds // 3600, np.asarray(prices, dtype=np.float64), flat_bars)

    @property
    def count(self) -> int:
        """Number of hours N."""
        return self.hours.size

    @property
    def gaps(self) -> int:
        """Number of places where at least one hour is missing."""
        return int((np.diff(self.hours) > 1).sum())

    @property
    def span(self) -> tuple[str, str]:
        """First and last stamp, ISO 8601 in UTC."""
        first, last = (np.datetime64(int(h), "h").astype("datetime64[s]") for h in (self.hours[0], self.hours[-1]))
        return f"{first}Z", f"{last}Z"

    def returns(self, horizon: int) -> tuple[Floats, np.ndarray]:
        """Overlapping log-returns over `horizon` hours, one per hour of the sample, and which of them exist.

        Returns
        -------
        values : ndarray, shape (N, A)
            Row n is the return from hour n to hour n + horizon; 0 where it does not exist.
        exists : ndarray of bool, shape (N,)
            False where the sample ends before, or an hour in between is missing.
        """
        if not 1 <= horizon < self.count:
            raise ValueError(f"horizon must lie in [1, {self.count - 1}] hours, got {horizon}")
        logs = np.log(self.prices)
        values, exists = np.zeros_like(logs), np.zeros(self.count, dtype=bool)
        exists[:-horizon] = self.hours[horizon:] - self.hours[:-horizon] == horizon
        difference = logs[horizon:] - logs[:-horizon]
        values[:-horizon] = np.where(exists[:-horizon, None], difference, 0.0)
        return values, exists
