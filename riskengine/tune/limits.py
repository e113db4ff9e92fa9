"""Limits of a study that a move can break: the initial margin of an account, and bad debt of a lending market."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats
from riskengine.errors import UsageError
from riskengine.law.joint import joint_law
from riskengine.market.grid import HOURS_PER_YEAR, TimeGrid
from riskengine.pricing.valuation import account_values, snapshot
from riskengine.random import DrawKeys
from riskengine.roles import reads_history
from riskengine.study.spec import CalibrationStudy
from riskengine.tune.reverse_stress import ReverseSearch, ReverseStress

_HISTORIES = 256  # simulated windows behind a requirement that reads one
_LANES = 2048  # moves that a lending market lives through at once


@dataclass(frozen=True)
class BrokenLimit:
    """A limit with the most likely move that breaks it.

    Attributes
    ----------
    subject : str
        Account, or the lending market.
    model : str
    level : float or None
    limit : float
        USD.
    hours : float
        Horizon of the move.
    found : ReverseStress or None
        None where no move that was searched breaks it.
    reach : float
        Distance up to which every direction was searched.
    """

    subject: str
    model: str
    level: float | None
    limit: float
    hours: float
    found: ReverseStress | None
    reach: float


class StudyLimits:
    """Limits of a study, each with the most likely move that breaks it.

    The state at time 0 is the mean one: spot of the world, variance at its mean.  A requirement that reads a window of
    returns is its mean over simulated windows.

    Parameters
    ----------
    study : CalibrationStudy

    Raises
    ------
    UsageError
        Where the world is under a stress, or its joint law is not known.
    """

    def __init__(self, study: CalibrationStudy):
        self._study, self._model = study, study.world.model
        if study.world.stress:
            raise UsageError(f"reverse stress needs a world without a stress, got {study.world.name!r}, which has one")
        try:
            self._law = joint_law(self._model)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._spot = np.array(self._model.spot)
        self._state = np.array(getattr(self._model, "theta", np.zeros(len(self._spot))))

    def accounts(self, names: tuple[str, ...] = ()) -> Iterator[BrokenLimit]:
        """The initial margin of accounts `names` (all where empty) under every model and level of the study."""
        question = self._study.margin
        if question is None:
            return
        book = question.book
        unknown = [n for n in names if n not in book.names]
        if unknown:
            raise UsageError(f"account must be one of {', '.join(book.names)}, got {', '.join(unknown)}")
        search = ReverseSearch(self._law, question.margin_period_hours / HOURS_PER_YEAR)
        values = _BookLosses(self._study, self._spot, self._state)
        for model in question.models:
            for level, initial in self._requirements(model):
                for k, name in enumerate(book.names):
                    if not names or name in names:
                        found = search.find(values.of(k), float(initial[k]))
                        hours = question.margin_period_hours
                        yield BrokenLimit(
                            name, question.label(model), level, float(initial[k]), hours, found, search.reach
                        )

    def bad_debt(self, limit: float) -> BrokenLimit | None:
        """Bad debt of at least `limit` USD at the study's horizon, had the move come in the first step and stayed."""
        question, grid = self._study.lending, self._study.grid
        if question is None:
            return None
        search = ReverseSearch(self._law, self._study.horizon_hours / HOURS_PER_YEAR)

        def one(x: Floats) -> Floats:
            start, moved = np.repeat(self._spot[:, None], x.shape[1], axis=1), self._spot[:, None] * np.exp(x)
            state = question.market.init(question.book, self._model.assets, start, grid)
            total = np.zeros(x.shape[1])
            for step in range(1, grid.steps + 1):
                total += question.market.step(state, step, moved).deficit_usd
            return total + question.market.close(state, moved)["residual_shortfall"]

        def loss(x: Floats, variance: Floats) -> Floats:
            return np.concatenate([one(x[:, i : i + _LANES]) for i in range(0, x.shape[1], _LANES)])

        found = search.find(loss, limit)
        return BrokenLimit(
            "lending market", question.labels[0], None, limit, self._study.horizon_hours, found, search.reach
        )

    def _requirements(self, model) -> Iterator[tuple[float | None, Floats]]:
        """(level, initial margin of every account) in the mean state."""
        study, question = self._study, self._study.margin
        seconds, windows = round(study.window_hours * 3600), study.history_windows
        grid = TimeGrid(seconds, 1, seconds if windows else 0, windows)
        lanes = _HISTORIES if reads_history(model) else 1
        paths = self._model.sample(grid, 0, lanes, DrawKeys(study.seed))
        if lanes == 1 and paths.variance_lanes is not None:
            mean = np.broadcast_to(self._state[None, :, None], paths.variance_lanes.shape)
            paths = replace(paths, variance_lanes=np.ascontiguousarray(mean))
        now = snapshot(
            question.book,
            study.world.surface,
            np.repeat(self._spot[:, None], lanes, axis=1),
            np.repeat(self._state[:, None], lanes, axis=1),
            0.0,
        )
        state = model.step(model.init(question.book, study.world.surface), paths, 0)
        for level, required in zip(model.levels or (None,), model.requirement(state, now), strict=True):
            yield level, required.initial.mean(axis=1)


class _BookLosses:
    """Loss of every account of a study over its margin period, as functions of the move."""

    def __init__(self, study: CalibrationStudy, spot: Floats, state: Floats):
        self._book, self._surface = study.margin.book, study.world.surface
        self._hours, self._spot, self._state = study.margin.margin_period_hours, spot[:, None], state[:, None]
        self._last: tuple[Floats, Floats] | None = None

    @cached_property
    def _start(self) -> Floats:
        return account_values(self._book, snapshot(self._book, self._surface, self._spot, self._state, 0.0))

    def of(self, account: int):
        """``loss(x, variance)`` of one account, USD."""

        def loss(x: Floats, variance: Floats) -> Floats:
            # accounts are searched one after the other over the same rays: their points are priced once
            if self._last is None or self._last[0] is not x:
                now = snapshot(
                    self._book, self._surface, self._spot * np.exp(x), self._state * variance, self._hours
                )  # fmt: skip
                self._last = x, self._start - account_values(self._book, now)
            return self._last[1][account]

        return loss
