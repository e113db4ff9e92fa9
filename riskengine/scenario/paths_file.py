"""Paths that the user brings: prices of every step as they stand in a file.

Nothing is drawn and nothing is assumed but that the paths are independent draws of one world, which every interval
takes for granted.  A study may use a prefix of the horizon, a coarser step, and as many paths as there are.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.recorded import PathSet
from riskengine.market.series import whole_steps
from riskengine.random import DrawKeys
from riskengine.scenario.parameters import ParameterCheck, check_block


@dataclass(frozen=True)
class RecordedPaths:
    """The user's own paths.

    Attributes
    ----------
    assets : tuple of str
    paths : PathSet

    Examples
    --------
    >>> prices = 100.0 + np.arange(12.0).reshape(4, 3, 1) * [[[0.0]], [[1.0]], [[1.0]], [[1.0]]]
    >>> world = RecordedPaths(("BTC",), PathSet(("BTC",), prices, 3600))
    >>> world.sample(TimeGrid(3600, 3), 1, 2, DrawKeys(1)).spot[-1].ravel().tolist()
    [110.0, 111.0]
    """

    kind: ClassVar[str] = "paths"
    starts_stationary: ClassVar[bool] = True

    assets: tuple[str, ...]
    paths: PathSet

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        object.__setattr__(self, "assets", assets)
        if self.paths.assets != assets:
            check.faults.append(f"paths must be of {', '.join(assets)}, got {', '.join(self.paths.assets)}")
        check.finish()

    @property
    def spot(self) -> tuple[float, ...]:
        """Price of each asset at time 0, USD."""
        return tuple(self.paths.spot[0, 0].tolist())

    @property
    def has_variance(self) -> bool:
        """Whether the paths carry a variance state."""
        return self.paths.variance is not None

    def path_limit(self, grid: TimeGrid) -> int:
        """Number of paths in the file.

        Raises
        ------
        ValueError
            Where the grid is finer or longer than the paths, before time 0 or after.
        """
        self._indices(grid)
        return self.paths.count

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1`` as given, spot (T + 1, A, P) in USD.

        `keys` are not read.  ValueError where there are not so many paths or the grid does not fit.
        """
        forward, back = self._indices(grid)
        check_block(first_path, count, self.paths.count, "paths")
        given = self.paths

        def lanes(values: Floats | None, at: np.ndarray) -> Floats | None:
            if values is None or at.size == 0:
                return None
            return np.ascontiguousarray(values[at, first_path : first_path + count].transpose(0, 2, 1))

        out, before = lanes(given.spot, forward), lanes(given.history_spot, back)
        out[0] = np.array(self.spot)[:, None]
        if before is not None:
            before[-1] = out[0]
        return MarketPaths(
            grid, self.assets, first_path, out, lanes(given.variance, forward), before,
            lanes(given.history_variance, back),
        )  # fmt: skip

    def _indices(self, grid: TimeGrid) -> tuple[np.ndarray, np.ndarray]:
        """Times of the file that the grid reads, forward and before time 0 (empty where it has no history)."""
        given = self.paths
        forward = whole_steps(grid.step_seconds, given.step_seconds) * np.arange(grid.steps + 1)
        if forward[-1] > given.steps:
            raise ValueError(
                f"horizon must lie within the {given.steps * given.step_seconds / 3600:g} h of the paths, "
                f"got {grid.steps * grid.step_seconds / 3600:g} h"
            )
        if not grid.history_steps:
            return forward, np.arange(0)
        wanted = grid.history_steps * grid.history_step_seconds / 3600
        if given.history_spot is None:
            raise ValueError(f"paths must hold a history of {wanted:g} h before time 0, got none")
        stride = whole_steps(grid.history_step_seconds, given.history_step_seconds, "history step")
        back = given.history_steps + stride * np.arange(-grid.history_steps, 1)
        if back[0] < 0:
            held = given.history_steps * given.history_step_seconds / 3600
            raise ValueError(f"paths must hold a history of {wanted:g} h before time 0, got {held:g} h")
        return forward, back
