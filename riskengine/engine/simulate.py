"""One block from its number to its outcome columns: sample the market, let everyone live through it, measure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from riskengine.engine.blocks import Block, account_block, market_block
from riskengine.engine.controls import Controls
from riskengine.engine.desks import BookView, LendingDesk, MarginDesk
from riskengine.engine.lab import Lab
from riskengine.engine.loop import Impact, run_loop
from riskengine.engine.outcomes import WEIGHT, Key, PathOutcomes
from riskengine.engine.pools import pool_columns
from riskengine.engine.questions import CalibrationQuestion, Feedback, LendingQuestion, MarginQuestion
from riskengine.engine.scheme import Scheme
from riskengine.lending.aave_v3.book_growth import BookGrowth
from riskengine.lending.aave_v3.joint import JointRun
from riskengine.lending.parameter_set import ParameterSet
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, PathDraws
from riskengine.roles import LendingProtocol, MarginModel
from riskengine.scenario.proposal import Proposal
from riskengine.scenario.world import World

Desk = MarginDesk | LendingDesk


@dataclass(frozen=True)
class Simulation:
    """Everything that is the same for all blocks of a study.

    Attributes
    ----------
    world, grid, keys
    margin, lending, calibration, feedback : optional questions
    confidence : float
    proposal : Proposal or None
        What paths are drawn from instead of the world's own law.
    controlled : bool
        Whether paths also keep the controls that plain figures can be corrected by.
    checked : bool
        Whether paths are held against the exact quantiles of their own law.
    only : frozenset of (label of a model, level or None, multiplier), optional
        Margin settings to run; all of the question by default.
    sets : tuple of ParameterSet
        Changes of the lending market's parameters, each run on the same paths; only without feedback.
    growth : BookGrowth or None
        How large the book is under each of `sets`; None is as large as its ``caps`` say.
    """

    world: World
    grid: TimeGrid
    keys: DrawKeys
    margin: MarginQuestion | None = None
    lending: LendingQuestion | None = None
    calibration: CalibrationQuestion | None = None
    feedback: Feedback | None = None
    confidence: float = 0.95
    proposal: Proposal | None = None
    controlled: bool = False
    checked: bool = True
    only: frozenset[tuple[str, float | None, float]] | None = None
    sets: tuple[ParameterSet, ...] = ()
    growth: BookGrowth | None = None

    @cached_property
    def lab(self) -> Lab:
        """The exact laws that estimates are held against, built once."""
        return Lab(self.world, self.calibration, self.grid.history_dt, self.confidence)

    @cached_property
    def scheme(self) -> Scheme:
        """The exact quantiles that the paths themselves are held against, computed once."""
        return Scheme(self.world, self.grid)

    @cached_property
    def controls(self) -> Controls | None:
        """The exact expectations that correct plain figures, computed once; None where none were asked for."""
        if not self.controlled:
            return None
        margin = self.margin
        period = None if margin is None else self.grid.index("margin_period_hours", margin.margin_period_hours)
        return Controls(self.world, self.grid, self.scheme, period)

    @cached_property
    def candidates(self) -> tuple[list[Any], list[Any]]:
        """The market under every parameter set, and the size of the book, or of each loan, in it."""
        lending = self.lending
        markets = [lending.market.with_parameters(s) for s in self.sets]
        if self.growth is None:
            return markets, [s.caps for s in self.sets]
        # at the world's own spot: paths may start elsewhere, and sizes must not depend on the block
        now, spot = lending.market.rules, np.asarray(self.world.model.spot, dtype=np.float64)[:, None]
        assets = tuple(self.world.model.assets)
        price = lending.market.init(lending.book, assets, spot, self.grid).prices(spot)[:, 0]
        sizes = [self.growth.sizes(now, m.rules, lending.book, price) for m in markets]
        return [replace(m, rules=self.growth.market(now, m.rules)) for m in markets], sizes

    @property
    def block_paths(self) -> int:
        """Paths of a block; no figure depends on it."""
        if self.margin is None and self.lending is None:
            times = self.grid.history_steps + self.grid.steps + 1
            return market_block(times * len(self.world.model.assets))
        accounts = 0 if self.margin is None else self.margin.book.accounts
        return account_block(max(accounts, 0 if self.lending is None else len(self.lending.book.names)))

    def block(self, block: Block) -> PathOutcomes:
        """Outcome columns of `block`: a pure function of the simulation and the block's path numbers."""
        paths = self.world.sample(self.grid, block.first, block.count, self.keys, self.proposal)
        columns: dict[Key, np.ndarray] = {}
        if self.proposal is not None:
            columns[WEIGHT] = np.exp(paths.log_weight)
        if paths.attempts is not None:
            columns["event", self.world.name, None, None, "all", "attempts"] = paths.attempts
        if self.calibration is not None:
            columns |= self.lab.columns(paths)
        if self.checked:
            columns |= self.scheme.columns(paths)
        if self.controls is not None:
            columns |= self.controls.columns(paths)
        for desks, reporting in self._couplings(paths):
            run_loop(paths, desks, self._impact(paths))
            for desk in reporting:
                found = desk.columns()
                if columns.keys() & found.keys():
                    raise RuntimeError(f"two desks must not report one figure, got {columns.keys() & found.keys()}")
                columns |= found
        if self.sets:
            columns |= self._parameter_sets(paths)
        if self.margin is not None:
            columns |= pool_columns(self.margin.book, paths)
        return PathOutcomes.from_columns(columns, paths.failed)

    def _parameter_sets(self, paths: MarketPaths) -> dict[Key, np.ndarray]:
        """Columns of every parameter set on the book of the lending question; the subject is the name of the set."""
        lending, (markets, sizes) = self.lending, self.candidates
        joint = JointRun.prepare(markets, lending.book, paths, PathDraws(self.keys, paths.first_path))
        return {
            ("lending", lending.labels[0], None, None, own.name, measure): column
            for own, market, size in zip(self.sets, markets, sizes, strict=True)
            for measure, column in joint.columns(market, lending.book, size).items()
        }

    def _impact(self, paths: MarketPaths) -> Impact | None:
        if self.feedback is None:
            return None
        depth = np.array([self.feedback.depth_usd[a] for a in paths.assets])
        return Impact(depth, self.feedback.half_life_hours * 3600.0 / self.grid.step_seconds)

    def _couplings(self, paths: MarketPaths) -> Iterator[tuple[list[Desk], list[Desk]]]:
        """Groups of desks that live on one market, and those of them whose figures are kept.

        Prices are exogenous without feedback, so all settings share one walk.  With it a sale moves prices, so every
        setting needs a market of its own: each margin setting lives with the lending market as it stands, and each
        shifted or other lending market with the base margin setting (first model, first level, multiplier 1).  The
        lending market as it stands is reported beside the base setting, so that a shift is compared on like terms.
        """
        margin, lending = self.margin, self.lending
        shifts = () if lending is None else lending.threshold_shifts
        markets = () if lending is None else lending.markets
        if self.feedback is None:
            view = self._view(paths)
            models = () if margin is None else margin.models
            desks: list[Desk] = [self._margin(view, m, *part) for m in models for part in self._parts(m)]
            desks += [self._lending(paths, market, shift) for market in markets for shift in shifts]
            yield desks, desks
            return
        base = _base_setting(margin)
        for setting in _settings(margin):
            model, levels, multiplier = setting
            desk = self._margin(self._view(paths), model, levels, (multiplier,))
            if lending is None:
                yield [desk], [desk]
                continue
            neighbour = self._lending(paths, lending.market, 0.0)
            yield [desk, neighbour], [desk, neighbour] if setting == base else [desk]
        for market, shift in ((m, s) for m in markets for s in shifts):
            if base is None:
                alone = self._lending(paths, market, shift)
                yield [alone], [alone]
            elif shift != 0.0 or market is not lending.market:
                model, levels, multiplier = base
                shifted = self._lending(paths, market, shift)
                yield [self._margin(self._view(paths), model, levels, (multiplier,)), shifted], [shifted]

    def _parts(self, model: MarginModel) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """(levels, multipliers) of the desks of a model: one for all settings, or one for each set of multipliers."""
        if self.only is None:
            return [(model.levels, self.margin.multipliers)]
        parts: dict[tuple[float, ...], list[float]] = {}
        label = self.margin.label(model)
        for level in model.levels or (None,):
            kept = tuple(m for m in self.margin.multipliers if (label, level, m) in self.only)
            if kept:
                parts.setdefault(kept, []).append(level)
        return [(() if levels == [None] else tuple(levels), kept) for kept, levels in parts.items()]

    def _view(self, paths: MarketPaths) -> BookView | None:
        if self.margin is None:
            return None
        return BookView(self.margin.book, self.world.surface, paths, self.margin.liquidation)

    def _margin(
        self, view: BookView | None, model: MarginModel, levels: tuple[float, ...], multipliers: tuple[float, ...]
    ) -> MarginDesk:
        return MarginDesk(
            self.margin.label(model),
            _at_levels(model, levels),
            view,
            self.world.surface,
            self.margin,
            multipliers,
            self.feedback is not None,
        )

    def _lending(self, paths: MarketPaths, market: LendingProtocol, shift: float) -> LendingDesk:
        lending = self.lending
        own = market.with_threshold_shift(shift) if shift else market
        # where suppliers answer rates, what they lose is asked
        losses = lending.who_pays or getattr(market, "utilisation", None) is not None
        incidence = bool(lending.compared_with) or losses
        named = {"coupled": self.feedback is not None, "label": lending.label(market), "keys": self.keys}
        spot = paths.spot_lanes[0]
        return LendingDesk(own, shift, lending.book, paths, spot, incidence, losses, **named)


Setting = tuple[MarginModel, tuple[float, ...], float]


def _settings(margin: MarginQuestion | None) -> list[Setting]:
    """Every (model, its one level or none, multiplier) of a question."""
    return [
        (model, () if level is None else (level,), multiplier)
        for model in (() if margin is None else margin.models)
        for level in (model.levels or (None,))
        for multiplier in margin.multipliers
    ]


def _base_setting(margin: MarginQuestion | None) -> Setting | None:
    return next((s for s in _settings(margin) if s[2] == 1.0), None)


def _at_levels(model: MarginModel, levels: tuple[float, ...]) -> MarginModel:
    """The model at some of its levels; a grid has none."""
    return replace(model, levels=levels) if levels and levels != model.levels else model
