"""One margin period of a world: loss and margin of any accounts, path by path."""

from dataclasses import fields, replace

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.valuation import account_values, snapshot
from riskengine.random import DrawKeys
from riskengine.roles import MarginModel
from riskengine.scenario.world import World


class MarginPeriod:
    """Paths of one margin period, with the history that models with a window read.

    Parameters
    ----------
    world : World
    hours : float
        Margin period.
    windows : int
        Margin periods before time 0; 0 for none.
    keys : DrawKeys
    """

    def __init__(self, world: World, hours: float, windows: int, keys: DrawKeys):
        seconds = round(hours * 3600)
        self._grid = TimeGrid(seconds, 1, *((seconds, windows) if windows else ()))
        self._world, self._hours, self._keys = world, hours, keys

    def paths(self, first: int, count: int) -> MarketPaths:
        """Paths ``first`` to ``first + count - 1``."""
        return self._world.model.sample(self._grid, first, count, self._keys)

    def start(self, book: Portfolio, paths: MarketPaths) -> MarketSnapshot:
        """The market at the start of the period."""
        variance = None if paths.variance_lanes is None else paths.variance_lanes[0]
        return snapshot(book, self._world.surface, paths.spot_lanes[0], variance, 0.0)

    def losses(self, book: Portfolio, paths: MarketPaths) -> Floats:
        """Loss of every account over the period, positions left alone, USD, shape (K, P)."""
        variance = None if paths.variance_lanes is None else paths.variance_lanes[-1]
        end = snapshot(book, self._world.surface, paths.spot_lanes[-1], variance, self._hours)
        return account_values(book, self.start(book, paths)) - account_values(book, end)

    def initial(self, model: MarginModel, book: Portfolio, paths: MarketPaths) -> Floats:
        """Initial margin at the start of each path at the model's first level, USD, shape (K, P)."""
        state = model.step(model.init(book, self._world.surface), paths, 0)
        return model.requirement(state, self.start(book, paths))[0].initial


def chosen_paths(paths: MarketPaths, which: Ints) -> MarketPaths:
    """Some of the paths of a block."""
    kept = {
        f.name: np.ascontiguousarray(value[..., which])
        for f in fields(paths)
        if isinstance(value := getattr(paths, f.name), np.ndarray)
    }
    return replace(paths, **kept)
