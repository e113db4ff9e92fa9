"""Conditional stress: paths of a world given that something happened, sampled exactly.

Path n of the conditional world is the first candidate of its own stream in which the event happens: candidate k of
path n is path ``(n + 1) 2^24 + k`` of the world.  So the paths are independent draws of the world's law given the
event, every interval of a study holds for them as it stands (the effective sample size is the number of paths), and a
path is a function of its number whatever block it is in.  How many candidates each path took is kept: it is geometric,
and gives the probability of the event as a by-product.

The price is 1 / P(event) candidates a path; a path whose 16 million candidates hold no event is marked as failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from riskengine.arrays import check_range
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths

_STREAM = 24  # bits of a path's own stream of candidates
_CHUNK = 512  # candidates drawn at once: the width of the kernels
MOST_PATHS = 1 << (47 - _STREAM)  # path numbers have 48 bits


@dataclass(frozen=True)
class Event:
    """A move of one asset that is known to have happened.

    Attributes
    ----------
    asset : str
    move : float
        Relative: -0.2 is a fall of at least 20 %, 0.2 a rise of at least 20 %.  Not 0, above -1.
    hours : float
        Within this time from time 0, on the time grid.
    when : {"end", "any"}
        The price is there at the end of the time, or at any step within it.
    """

    asset: str
    move: float
    hours: float
    when: Literal["end", "any"] = "any"

    def __post_init__(self) -> None:
        check_range("move", self.move, -1.0, 1e4, open_low=True)
        check_range("hours", self.hours, 0.0, 87_600.0, open_low=True)
        if self.move == 0.0:
            raise ValueError("move must not be 0, got 0")

    @property
    def text(self) -> str:
        """For a report: ``BTC falls by 20 % or more within 24 h``."""
        verb = "falls" if self.move < 0 else "rises"
        moment = f"at some step within {self.hours:g} h" if self.when == "any" else f"at the end of {self.hours:g} h"
        return f"{self.asset} {verb} by {100 * abs(self.move):g} % or more {moment}"

    def happened(self, paths: MarketPaths) -> np.ndarray:
        """Whether the event happened on each path, boolean, shape (P,); ValueError where `hours` is off the grid."""
        last = paths.grid.index("hours of the event", self.hours)
        if last > paths.grid.steps:
            raise ValueError(
                f"hours of the event must lie within the horizon of {paths.grid.steps} steps, got {last} steps"
            )
        spot = paths.spot_lanes[:, paths.assets.index(self.asset)]
        span = spot[last : last + 1] if self.when == "end" else spot[1 : last + 1]
        level = (1.0 + self.move) * spot[0]
        return (span <= level).any(axis=0) if self.move < 0 else (span >= level).any(axis=0)

    def sample(
        self, draw: Callable[[TimeGrid, int, int], MarketPaths], grid: TimeGrid, first_path: int, count: int
    ) -> MarketPaths:
        """Paths given the event.

        Parameters
        ----------
        draw : callable
            ``draw(grid, first, count)`` gives paths of the world; a pure function of its arguments.
        grid : TimeGrid
        first_path, count : int

        Returns
        -------
        MarketPaths
            With `attempts`, the number of candidates each path took.
        """
        if first_path + count > MOST_PATHS:
            raise ValueError(f"a conditional world has at most {MOST_PATHS} paths, got path {first_path + count - 1}")
        picked = [self._pick(draw, grid, n) for n in range(first_path, first_path + count)]
        parts = [paths for paths, _, _ in picked]
        joined = {
            f.name: np.concatenate([getattr(p, f.name) for p in parts], axis=-1)
            for f in fields(MarketPaths)
            if isinstance(getattr(parts[0], f.name), np.ndarray)
        }
        joined["failed"] = joined["failed"] | np.array([not found for _, _, found in picked])
        joined["attempts"] = np.array([float(n) for _, n, _ in picked])
        return replace(parts[0], first_path=first_path, **joined)

    def _pick(
        self, draw: Callable[[TimeGrid, int, int], MarketPaths], grid: TimeGrid, path: int
    ) -> tuple[MarketPaths, int, bool]:
        """The path's own lane, how many candidates it took, and whether the event was found."""
        base = (path + 1) << _STREAM
        size = _CHUNK
        for start in range(0, 1 << _STREAM, _CHUNK):
            paths = draw(grid, base + start, size)
            hit = np.flatnonzero(self.happened(paths))
            if hit.size:
                return _lane(paths, int(hit[0])), start + int(hit[0]) + 1, True
        return _lane(paths, 0), 1 << _STREAM, False


def _lane(paths: MarketPaths, lane: int) -> MarketPaths:
    """One lane of a block, copied so that the block can go."""
    cut = {
        f.name: np.ascontiguousarray(getattr(paths, f.name)[..., lane : lane + 1])
        for f in fields(MarketPaths)
        if isinstance(getattr(paths, f.name), np.ndarray)
    }
    return replace(paths, **cut)
