"""What a venue demands of a book today: time 0 of a world, before anything has moved.

A model that reads a window of returns is asked on many simulated windows of the world; one without a memory has
nothing about it that is random, and is asked once, at the mean state.
"""

from dataclasses import replace
from functools import cached_property
from inspect import signature

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.valuation import snapshot
from riskengine.random import DrawKeys
from riskengine.roles import MarginModel, Requirement, reads_history
from riskengine.scenario.world import World

HISTORIES = 256  # simulated windows behind a model that reads one


class Today:
    """Requirements of any book under one model at time 0 of a world.

    Parameters
    ----------
    model : MarginModel
    world : World
    period_hours : float
        Margin period, the step of the windows.
    windows : int
        Returns of each window.
    seed : int
        Of the windows.
    """

    def __init__(self, model: MarginModel, world: World, period_hours: float = 24.0, windows: int = 500, seed: int = 1):
        self.model, self.world, self.period_hours, self.windows, self.seed = model, world, period_hours, windows, seed
        self._seconds = round(period_hours * 3600)

    @cached_property
    def _paths(self) -> MarketPaths:
        reads = reads_history(self.model)
        grid = TimeGrid(self._seconds, 1, *((self._seconds, self.windows) if reads else ()))
        paths = self.world.model.sample(grid, 0, HISTORIES, DrawKeys(self.seed))
        if reads:
            return paths
        mean = None if paths.variance_lanes is None else paths.variance_lanes.mean(axis=2, keepdims=True)
        one = np.ascontiguousarray(paths.spot_lanes[:, :, :1])
        return replace(paths, spot_lanes=one, variance_lanes=mean, failed=paths.failed[:1])

    def market(self, book: Portfolio) -> MarketSnapshot:
        """The market as `book` is valued in it: one lane for a model without memory, else one for each window.

        What the book was marked at stands in for what the world says.
        """
        paths = self._paths
        variance = None if paths.variance_lanes is None else paths.variance_lanes[0]
        found = snapshot(book, self.world.surface, paths.spot_lanes[0], variance, 0.0)
        if book.marks is None:
            return found
        options = tuple(book.instruments[m] for m in book.options)
        return book.marks.on(options, book.expiries, book.assets, found)

    def requirements(
        self, book: Portfolio, market: MarketSnapshot | None = None, explain: bool = False
    ) -> tuple[Requirement, ...]:
        """Requirement of every account, one entry a level; ValueError where the model cannot take the book.

        `explain` fills the parts of the figure where the model knows them.
        """
        now = self.market(book) if market is None else market
        state = self.model.init(book, self.world.surface)
        if hasattr(self.model, "check_paths"):
            self.model.check_paths(self._paths.grid, ())
        state = self.model.step(state, self._paths, 0)
        if explain and "explain" in signature(self.model.requirement).parameters:
            return self.model.requirement(state, now, explain=True)
        return self.model.requirement(state, now)

    def initial(self, book: Portfolio) -> Floats:
        """Initial margin of every account in USD at the model's first level, mean over the windows, shape (K,)."""
        return self.requirements(book)[0].initial.mean(axis=1)

    def moved(self, book: Portfolio, spot: Floats, volatility: Floats, elapsed_hours: float) -> Floats:
        """As `initial`, with the market moved and time gone by.

        Parameters
        ----------
        book : Portfolio
        spot, volatility : ndarray, shape (A,)
            Factors on prices and on the square root of the variance state.
        elapsed_hours : float
        """
        paths = self._paths
        variance = None if paths.variance_lanes is None else paths.variance_lanes[0] * volatility[:, None] ** 2
        now = snapshot(book, self.world.surface, paths.spot_lanes[0] * spot[:, None], variance, elapsed_hours)
        return self.requirements(book, now)[0].initial.mean(axis=1)
