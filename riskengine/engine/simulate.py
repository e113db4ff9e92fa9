"""One block from its number to its outcome columns: sample the market, let everyone live through it, measure."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from riskengine.engine.blocks import Block
from riskengine.engine.desks import BookView, LendingDesk, MarginDesk
from riskengine.engine.lab import Lab
from riskengine.engine.loop import Impact, run_loop
from riskengine.engine.outcomes import Key, PathOutcomes
from riskengine.engine.questions import CalibrationQuestion, Feedback, LendingQuestion, MarginQuestion
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.world import World


@dataclass(frozen=True)
class Simulation:
    """Everything that is the same for all blocks of a study.

    Attributes
    ----------
    world, grid, keys
    margin, lending, calibration, feedback : optional questions
    """

    world: World
    grid: TimeGrid
    keys: DrawKeys
    margin: MarginQuestion | None = None
    lending: LendingQuestion | None = None
    calibration: CalibrationQuestion | None = None
    feedback: Feedback | None = None
    confidence: float = 0.95

    @cached_property
    def lab(self) -> Lab:
        """The exact laws that estimates are held against, built once."""
        return Lab(self.world, self.calibration, self.grid.history_dt, self.confidence)

    def block(self, block: Block) -> PathOutcomes:
        """Outcome columns of `block`: a pure function of the simulation and the block's path numbers."""
        paths = self.world.model.sample(self.grid, block.first, block.count, self.keys)
        columns: dict[Key, np.ndarray] = {}
        if self.calibration is not None:
            columns |= self.lab.columns(paths)
        for desks in self._couplings(paths):
            run_loop(paths, list(desks), self._impact(paths))
            for desk in desks:
                columns |= desk.columns()
        return PathOutcomes.from_columns(columns, paths.failed)

    def _impact(self, paths: MarketPaths) -> Impact | None:
        if self.feedback is None:
            return None
        depth = np.array([self.feedback.depth_usd[a] for a in paths.assets])
        return Impact(depth, self.feedback.half_life_hours * 3600.0 / self.grid.step_seconds)

    def _couplings(self, paths: MarketPaths):
        """Groups of desks that live on one market.

        Prices are exogenous without feedback, so all settings share one walk.  With it a sale moves prices, so every
        setting needs a market of its own: each margin setting is coupled with the lending market as it stands, and
        each shifted lending market with the first margin model at its first level and multiplier 1.
        """
        if self.feedback is None:
            view = self._view(paths)
            desks: list[MarginDesk | LendingDesk] = []
            if self.margin is not None:
                desks += [self._margin(view, m, m.levels, self.margin.multipliers) for m in self.margin.models]
            if self.lending is not None:
                desks += [self._lending(paths, shift) for shift in self.lending.threshold_shifts]
            yield desks
            return
        shifts = () if self.lending is None else self.lending.threshold_shifts
        if self.margin is None:
            for shift in shifts:
                yield [self._lending(paths, shift)]
            return
        settings = [
            (model, (level,) if level is not None else (), multiplier)
            for model in self.margin.models
            for level in (model.levels or (None,))
            for multiplier in self.margin.multipliers
        ]
        for model, levels, multiplier in settings:
            company = [self._lending(paths, 0.0)] if self.lending is not None else []
            yield [self._margin(self._view(paths), model, levels, (multiplier,)), *company]
        base = self.margin.models[0]
        for shift in (s for s in shifts if s != 0.0):
            neighbour = self._margin(self._view(paths), base, base.levels[:1], (1.0,))
            yield [neighbour, self._lending(paths, shift)]

    def _view(self, paths: MarketPaths) -> BookView | None:
        if self.margin is None:
            return None
        return BookView(self.margin.book, self.world.surface, paths, self.margin.liquidation)

    def _margin(self, view: BookView, model, levels: tuple[float, ...], multipliers: tuple[float, ...]) -> MarginDesk:
        return MarginDesk(
            _at_levels(model, levels), view, self.world.surface, self.margin, multipliers, self.feedback is not None
        )

    def _lending(self, paths: MarketPaths, shift: float) -> LendingDesk:
        market = self.lending.market.with_threshold_shift(shift) if shift else self.lending.market
        return LendingDesk(market, shift, self.lending.book, paths, paths.spot_lanes[0])


def _at_levels(model, levels: tuple[float, ...]):
    """The model at some of its levels; a grid has none."""
    return replace(model, levels=levels) if levels and levels != model.levels else model
