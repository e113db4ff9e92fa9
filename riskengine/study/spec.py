"""What a calibration study asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from riskengine.arrays import check_range
from riskengine.engine.desks import check_feed
from riskengine.engine.questions import CalibrationQuestion, Feedback, LendingQuestion, MarginQuestion
from riskengine.engine.scheme import unfit
from riskengine.engine.targets import Target
from riskengine.market.grid import TimeGrid
from riskengine.roles import HasLaw
from riskengine.scenario.pilot import PilotSettings
from riskengine.scenario.proposal import PARTS, Tiltable
from riskengine.scenario.world import World
from riskengine.study.checks import (
    Found,
    asset_fault,
    expiry_faults,
    model_faults,
    period_faults,
    shock_faults,
    surface_fault,
)
from riskengine.study.criterion import Criterion, known_measure, known_place
from riskengine.study.kind import Study

_PLAIN_SHARE = {"importance": 0.2, "stratified": 0.4}


@dataclass(frozen=True)
class Sampling:
    """What paths are drawn from: the world's own law, or a mixture in which rare events are less rare.

    Attributes
    ----------
    method : {"plain", "importance", "stratified"}
        ``importance`` tilts the law towards the tails; ``stratified`` gives paths how many jumps they have.
    plain_share : float or None
        Share of paths that follow the world's own law; no weight exceeds one over it.  None: 0.2 with ``importance``;
        0.4 with ``stratified``, where a figure shallower than the level may rest on counts that only plain paths have.
    pilot_paths : int
        Paths of each pilot round, drawn apart from those of the study.
    components : int
        Tilts, or strata, at most.
    level : float
        The mixture is fitted to what lies beyond this quantile of each target.
    targets : tuple of {"accounts", "assets"}
        Losses of every account over a margin period; falls and rises of every asset.
    hours : float or None
        Tilts act, and jumps are counted, from time 0 to here; None is the horizon.
    controls : bool
        With ``plain``: means and shares are corrected by figures whose expectation the world's exact law gives.
    count_shares : tuple of float, or None
        With ``stratified``: shares of paths that are given 0, 1, 2, ... jumps, the last of that many or more; what is
        left follows the world's own law.  None: a pilot chooses, as ``plain_share`` to ``targets`` say.
    """

    method: Literal["plain", "importance", "stratified"] = "plain"
    plain_share: float | None = None
    pilot_paths: int = 8192
    components: int = 40
    level: float = 0.999
    targets: tuple[Target, ...] = ("accounts",)
    hours: float | None = None
    controls: bool = False
    count_shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.plain_share is not None:
            check_range("plain_share", self.plain_share, 0.05, 0.9)
        check_range("pilot_paths", self.pilot_paths, 512, 2**30)
        check_range("components", self.components, 1, 64)
        check_range("level", self.level, 0.9, 1.0, open_high=True)
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets must hold at least one of accounts, assets, each once, got {list(self.targets)}")
        if self.controls and self.weighted:
            raise ValueError(f"controls must be false with method {self.method}, whose control is the weight, got true")
        if self.count_shares is not None:
            self._check_counts(self.count_shares)

    def _check_counts(self, shares: tuple[float, ...]) -> None:
        if self.method != "stratified":
            raise ValueError(f"count_shares must be left out with method {self.method}, got {list(shares)}")
        if not all(s == 0.0 or 1.0 / PARTS <= s < 1.0 for s in shares) or not 0.0 < sum(shares) <= 0.96:
            raise ValueError(
                "count_shares must hold shares of 0 or at least 1/1024 that leave at least 0.04 to plain paths, "
                f"got {list(shares)}"
            )

    @property
    def weighted(self) -> bool:
        """Whether paths carry weights."""
        return self.method != "plain"

    @property
    def piloted(self) -> bool:
        """Whether pilot paths choose the mixture."""
        return self.weighted and self.count_shares is None

    @property
    def pilot(self) -> PilotSettings:
        """How the mixture is looked for."""
        plain = _PLAIN_SHARE.get(self.method) if self.plain_share is None else self.plain_share
        return PilotSettings(plain, self.components, self.pilot_paths, self.level, self.hours)


@dataclass(frozen=True)
class TargetError:
    """Run until a figure is tight enough: ``paths``, then twice as many, up to a ceiling.

    The looks are fixed before the run and each uses a part of the error probability, so that stopping at a lucky one
    does not make the interval too short.

    Attributes
    ----------
    measure : str
        Name of a measure of the result.
    max_paths : int
        Ceiling; the run ends there whatever the error.
    relative, absolute : float or None
        Half-width of the interval wanted, as a share of the figure or in its unit; one of the two.
    where : dict
        Row parameters that must match; every row that does must be tight enough.
    """

    measure: str
    max_paths: int
    relative: float | None = None
    absolute: float | None = None
    where: dict[str, float | str] | None = None

    def __post_init__(self) -> None:
        known_measure(self.measure)
        known_place(self.where)
        if (self.relative is None) == (self.absolute is None):
            raise ValueError(f"one of relative and absolute must be given, got {self.relative} and {self.absolute}")
        for name in ("relative", "absolute"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 0.0, 1e300, open_low=True)
        check_range("max_paths", self.max_paths, 2, 2**40)

    @property
    def text(self) -> str:
        """When the run stops, in words."""
        where = "" if not self.where else " where " + ", ".join(f"{k} is {v}" for k, v in self.where.items())
        width = f"{100.0 * self.relative:.3g} % of itself" if self.absolute is None else f"{self.absolute:.3g}"
        return (
            f"at the first look at which {self.measure}{where} has an interval of half-width {width} or less; "
            f"at {self.max_paths:,} paths (max_paths) at the latest"
        )


def _check_law(world: World, asset: str, hours: float) -> None:
    """ValueError where an asset of the world has no law, or none given a path's state, to hold estimates against."""
    if asset in world.model.assets:
        law = world.model.law(asset, hours / 8760.0)
        if hasattr(law, "lanes"):
            law.lanes()


@dataclass(frozen=True)
class CalibrationStudy(Study):
    """Simulated paths; margin, lending and estimators on the same ones.

    Attributes
    ----------
    title : str
    world : World
    seed, paths : int
    horizon_hours, step_hours : float
    history_windows : int
        Number of margin periods before time 0 that estimators with a window read.
    margin, lending, calibration, feedback : optional parts
    confidence : float
        Of every interval.
    criteria : tuple of Criterion
    max_failed_share : float
        The run fails when more than this share of paths had numerical trouble.
    sampling : Sampling
    target_error : TargetError or None
        Run on, up to a ceiling, until a figure is tight enough.
    """

    named: ClassVar[str] = "a calibration study"
    runner: ClassVar[str] = "riskengine.study.run:run_study"
    options: ClassVar[tuple[str, ...]] = ("out", "workers", "resume", "progress", "command")

    kind: Literal["calibration"]
    title: str
    world: World
    seed: int
    paths: int
    horizon_hours: float
    step_hours: float
    history_windows: int = 0
    margin: MarginQuestion | None = None
    lending: LendingQuestion | None = None
    calibration: CalibrationQuestion | None = None
    feedback: Feedback | None = None
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()
    max_failed_share: float = 0.001
    sampling: Sampling = Sampling()
    target_error: TargetError | None = None

    def __post_init__(self) -> None:
        check_range("paths", self.paths, 2, 2**40)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("history_windows", self.history_windows, 0, 100_000)
        check_range("max_failed_share", self.max_failed_share, 0.0, 1.0)
        check_range("step_hours", self.step_hours, 0.0, 8760.0, open_low=True)
        grid = self.grid
        if self.margin is None and self.lending is None and self.calibration is None:
            raise ValueError("a study must hold at least one of margin, lending, calibration, got none")
        if self.world.data is not None:
            limit = self.world.data.path_limit(grid)
            if limit is not None and self.world.event is not None:
                raise ValueError(
                    f"event needs a world that can draw on until it happens, got kind {self.world.model.kind}, "
                    f"which has {limit} paths"
                )
            if limit is not None and self.paths > limit:
                raise ValueError(
                    f"paths must lie in [2, {limit}], got {self.paths}: on this horizon and history the data of a "
                    f"world of kind {self.world.model.kind} hold no more"
                )
        if self.margin is not None:
            period = grid.index("margin_period_hours", self.margin.margin_period_hours)
            if grid.index("liquidation_latency_hours", self.margin.liquidation_latency_hours) > period:
                raise ValueError(
                    f"liquidation_latency_hours must not exceed the margin period of "
                    f"{self.margin.margin_period_hours:g} h, got {self.margin.liquidation_latency_hours:g} h"
                )
            if period > grid.steps:
                raise ValueError(
                    f"horizon_hours must hold at least one margin period, got {self.horizon_hours:g} h "
                    f"for a period of {self.margin.margin_period_hours:g} h"
                )
        self._check_sampling()
        if self.calibration is not None and self.history_windows < 2:
            raise ValueError(f"calibration needs history_windows of at least 2, got {self.history_windows}")
        if self.calibration is not None and self.world.stress:
            raise ValueError(
                f"calibration needs a world without a stress, because its truth is the law of the model, "
                f"got {self.world.name!r}, which has one"
            )
        if self.calibration is not None and not isinstance(self.world.model, HasLaw):
            raise ValueError(
                f"calibration needs a world whose horizon law is known exactly, got kind {self.world.model.kind}, "
                "which has none"
            )
        if self.calibration is not None and not self.world.model.starts_stationary:
            raise ValueError(
                "calibration needs a world that starts in its stationary law (initial_variance: stationary), because "
                "its truth is unconditional, got a stated initial variance"
            )
        if self.calibration is not None:
            for asset in dict.fromkeys(e.asset for e in self.calibration.exposures):
                _check_law(self.world, asset, self.window_hours)
        if self.feedback is not None and "oracle_lanes" in self.world.filled:
            raise ValueError(
                "feedback must be absent in a world that tells oracles prices of its own (state oracle, "
                "oracle_freeze), since those are set before any sale moves the market, got both"
            )
        if self.feedback is not None:
            missing = [a for a in self.world.model.assets if a not in self.feedback.depth_usd]
            if missing and set(self.feedback.depth_usd) <= set(self.world.model.assets):
                raise ValueError(f"feedback must give depth_usd of every asset, got none for {', '.join(missing)}")

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        plan = {"paths": self.paths, "steps": self.grid.steps, "seed": self.seed}
        if self.sampling.weighted:
            plan["sampling"] = self.sampling.method
        if self.target_error is not None:
            plan |= {"looks_at_paths": list(self.looks), "stops": self.target_error.text}
        return plan

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        assets = tuple(self.world.model.assets)
        yield from surface_fault(self.world, ("world", "surface"))
        if self.margin is not None:
            book, models, place = self.margin.book, self.margin.models, ("margin", "models")
            yield from expiry_faults(book, self.horizon_hours, "horizon", ("margin", "book"))
            yield from period_faults(models, self.margin.margin_period_hours, self.history_windows, place)
            if self.margin.procyclicality and self.horizon_hours < 2 * self.margin.margin_period_hours:
                yield (
                    f"procyclicality needs a horizon of at least two margin periods, "
                    f"{2 * self.margin.margin_period_hours:g} h, got {self.horizon_hours:g} h",
                    ("margin", "procyclicality"),
                )
            yield from model_faults(models, book, self.world, place, self.grid)
        if self.lending is not None:
            yield from self._lending_faults(assets)
        for i, part in enumerate(self.world.state):
            if hasattr(part, "source"):
                try:
                    part.source(self.grid)
                except ValueError as error:
                    yield str(error), ("world", "state", i)
        for asset in self.feedback.depth_usd if self.feedback is not None else ():
            yield from asset_fault(asset, assets, ("feedback", "depth_usd", asset))
        for i, exposure in enumerate(self.calibration.exposures if self.calibration is not None else ()):
            yield from asset_fault(exposure.asset, assets, ("calibration", "exposures", i, "asset"))

    def _lending_faults(self, assets: tuple[str, ...]) -> Iterator[Found]:
        spot = np.asarray(self.world.model.spot, dtype=np.float64)[:, None]
        for i, market in enumerate(self.lending.markets):
            place = ("lending", "compared_with", i - 1) if i else ("lending", "market")
            yield from shock_faults(market, self.horizon_hours, "horizon", place)
            try:
                check_feed(market, self.world.filled)
                market.init(self.lending.book, assets, spot, self.grid)
                for shift in self.lending.threshold_shifts:
                    market.with_threshold_shift(shift)
            except ValueError as error:
                yield str(error), place

    def _check_sampling(self) -> None:
        if self.target_error is not None and self.target_error.max_paths < self.paths:
            raise ValueError(
                "with a target_error, paths is the first look and max_paths the last: paths must not be above "
                f"target_error.max_paths, got paths {self.paths} and max_paths {self.target_error.max_paths}"
            )
        if self.sampling.controls:
            fault = unfit(self.world, self.grid)
            if fault:
                raise ValueError(f"controls need a world that follows its exact law, got {fault}")
        sampling, model = self.sampling, self.world.model
        if not sampling.weighted:
            return
        if not isinstance(model, Tiltable):
            raise ValueError(
                f"sampling method {sampling.method} needs a world whose law can be tilted (gbm, merton, kou, heston, "
                f"bates, svcj), got kind {model.kind}"
            )
        if self.world.event is not None:
            raise ValueError(
                f"sampling method {sampling.method} must not be asked of a world given an event, whose paths are exact "
                f"draws already, got one given that {self.world.event.text}"
            )
        space = model.tilt_space(self.grid, sampling.hours)
        if sampling.method == "stratified" and not space.arrivals.any():
            raise ValueError(
                f"sampling method stratified needs a world that jumps, got kind {model.kind} without jumps"
            )
        if sampling.piloted and "accounts" in sampling.targets and self.margin is None:
            raise ValueError("targets must not hold accounts without a margin part, got no margin; assets would do")

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of paths at which the error is looked at: doubling, the last at the ceiling."""
        out = [self.paths]
        while self.target_error is not None and out[-1] < self.target_error.max_paths:
            out.append(min(2 * out[-1], self.target_error.max_paths))
        return tuple(out)

    @property
    def window_hours(self) -> float:
        """Length of one history window: the margin period where there is a margin question, else the horizon."""
        return self.margin.margin_period_hours if self.margin is not None else self.horizon_hours

    @property
    def grid(self) -> TimeGrid:
        """Time grid of the study; ValueError where the horizon is not a whole number of steps."""
        step = round(self.step_hours * 3600)
        if abs(step - self.step_hours * 3600) > 1e-6:
            raise ValueError(f"step_hours must be a whole number of seconds, got {self.step_hours!r}")
        steps = TimeGrid(step, 1).index("horizon_hours", self.horizon_hours)
        window = round(self.window_hours * 3600) if self.history_windows else 0
        return TimeGrid(step, steps, window, self.history_windows)
