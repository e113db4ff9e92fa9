"""`PriceSeries`: real closing prices of several assets, what worlds made of data are made of."""

import hashlib
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints, as_floats, check_shape
from riskengine.market.grid import SECONDS_PER_YEAR


class DataRecord:
    """Equality and hash of frozen records that hold arrays: the same content is the same record."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]  # type: ignore[arg-type]
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)

    def __hash__(self) -> int:
        return hash((type(self), self.sha256))  # type: ignore[attr-defined]


def content_hash(*arrays: np.ndarray | None) -> str:
    """SHA-256 over shapes and values: the identity of data that came from no file."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(
            b"absent" if array is None else repr(array.shape).encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def whole_steps(step_seconds: int, data_seconds: int, what: str = "step_hours") -> int:
    """How many steps of the data one step of the grid holds.

    Raises
    ------
    ValueError
        Where that is no whole number; the message names the step that would do.
    """
    count, rest = divmod(step_seconds, data_seconds)
    if rest:
        fits = max(1, round(step_seconds / data_seconds)) * data_seconds
        raise ValueError(
            f"{what} must be a whole multiple of the data's step of {data_seconds / 3600:g} h, "
            f"got {step_seconds / 3600:g} h; {fits / 3600:g} h would do"
        )
    return count


@dataclass(frozen=True, eq=False)
class PriceSeries(DataRecord):
    """Closing prices of several assets at the same times.

    Attributes
    ----------
    assets : tuple of str
    seconds : ndarray of int, shape (N,)
        Unix time of each bar, increasing by a whole multiple of `step_seconds`; a longer step is a gap.
    prices : ndarray, shape (N, A)
        USD, positive.
    step_seconds : int
        Length of a bar.
    sha256 : str
        Of the file, or of the content where the prices came from no file.
    origin : dict
        What a world file says to read the same series again (file, dates, source ...); empty where it came from none.

    Examples
    --------
    >>> series = PriceSeries(("BTC",), [0, 3600, 7200], [[100.0], [101.0], [99.0]], 3600)
    >>> series.count
    3
    """

    assets: tuple[str, ...]
    seconds: Ints
    prices: Floats
    step_seconds: int
    sha256: str = ""
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "assets", tuple(self.assets))
        object.__setattr__(self, "seconds", np.ascontiguousarray(self.seconds, dtype=np.int64))
        object.__setattr__(self, "prices", as_floats("prices", self.prices, 2))
        check_shape("prices", self.prices, (self.seconds.size, len(self.assets)))
        step = np.diff(self.seconds)
        if self.step_seconds <= 0 or self.seconds.size < 2 or (step <= 0).any() or (step % self.step_seconds).any():
            raise ValueError(
                f"seconds must be two or more, increasing by whole steps of {self.step_seconds} s, got other stamps"
            )
        if not (self.prices > 0).all():
            raise ValueError(f"prices must be positive, got {self.prices.min():g}")
        if not self.sha256:
            object.__setattr__(self, "sha256", content_hash(self.seconds, self.prices))

    @property
    def count(self) -> int:
        """Number of bars N."""
        return self.seconds.size

    @cached_property
    def log_prices(self) -> Floats:
        """Logarithm of the prices, shape (N, A)."""
        return np.log(self.prices)

    @cached_property
    def missing_before(self) -> Ints:
        """Bars missing before each bar, shape (N,); 0 for the first."""
        return np.diff(self.seconds, prepend=self.seconds[0] - self.step_seconds) // self.step_seconds - 1

    @cached_property
    def return_ends(self) -> Ints:
        """Bars that end a return, shape (R,): those with their predecessor beside them, so that no return bridges a
        gap."""
        return np.flatnonzero((self.missing_before == 0) & (np.arange(self.count) > 0))

    @cached_property
    def returns(self) -> Floats:
        """Log-returns over one step, shape (R, A), in time order."""
        return self.log_prices[self.return_ends] - self.log_prices[self.return_ends - 1]

    @cached_property
    def stretch_last(self) -> Ints:
        """For each bar the last bar of its unbroken stretch, shape (N,)."""
        lasts = np.append(np.flatnonzero(self.missing_before[1:] > 0), self.count - 1)
        return lasts[np.searchsorted(lasts, np.arange(self.count))]

    def thinned(self, step_seconds: int) -> "PriceSeries":
        """The bars on full multiples of `step_seconds` (UTC); a missing one leaves a gap.

        Raises
        ------
        ValueError
            Where the step is no multiple of the bars' or fewer than two bars are left.
        """
        if whole_steps(step_seconds, self.step_seconds) == 1:
            return self
        keep = self.seconds % step_seconds == 0
        if keep.sum() < 2:
            raise ValueError(f"step_hours must leave at least two bars, got {keep.sum()} at {step_seconds / 3600:g} h")
        return PriceSeries(
            self.assets, self.seconds[keep], self.prices[keep], step_seconds, self.sha256, self.origin
        )  # fmt: skip

    @cached_property
    def regular(self) -> tuple[Ints, Floats, np.ndarray]:
        """Every stamp from first to last, prices carried forward over missing bars, and which bars were missing."""
        index = (self.seconds - self.seconds[0]) // self.step_seconds
        count = int(index[-1]) + 1
        known = np.zeros(count, dtype=bool)
        known[index] = True
        position = np.zeros(count, dtype=np.int64)
        position[index] = np.arange(self.count)
        last = np.maximum.accumulate(np.where(known, np.arange(count), 0))
        return self.seconds[0] + self.step_seconds * np.arange(count), self.prices[position[last]], ~known

    def ewma_variance(self, half_life_hours: float) -> Floats:
        """Exponentially weighted variance per year of the returns up to and including each regular bar, (N', A).

        Weights are normalised over the returns there are, so the first bars rest on few returns and on none of the
        future.
        """
        prices = self.regular[1]
        squared = np.diff(np.log(prices), axis=0) ** 2 * (SECONDS_PER_YEAR / self.step_seconds)
        keep = 0.5 ** (self.step_seconds / 3600.0 / half_life_hours)
        out = np.zeros_like(prices)
        total, weight = np.zeros(prices.shape[1]), 0.0
        for i, value in enumerate(squared):
            total, weight = keep * total + value, keep * weight + 1.0
            out[i + 1] = total / weight
        return out
