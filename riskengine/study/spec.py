"""What a study asks.  Frozen records; the YAML of ``configs/studies`` has exactly these fields."""

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Literal

from riskengine.arrays import check_range
from riskengine.book.portfolio import Portfolio
from riskengine.engine.questions import CalibrationQuestion, Exposure, Feedback, LendingQuestion, MarginQuestion
from riskengine.engine.scheme import unfit
from riskengine.engine.targets import Target
from riskengine.market.grid import TimeGrid
from riskengine.roles import Estimator, HasLaw, MarginModel
from riskengine.scenario.cross_entropy import PilotSettings
from riskengine.scenario.proposal import Tiltable
from riskengine.scenario.world import World
from riskengine.study.names import PLACES, all_measures


@dataclass(frozen=True)
class Criterion:
    """A declared limit on a measure; verdict PASS, FAIL, or INCONCLUSIVE where the interval straddles it.

    Attributes
    ----------
    measure : str
        Name of a measure of the result, for example ``initial_margin_breach``.
    limit : float
    sense : {"at_most", "at_least"}
    where : dict
        Row parameters that must match, for example ``{model: historical_var, level: 0.99}``.
    """

    measure: str
    limit: float
    sense: Literal["at_most", "at_least"] = "at_most"
    where: dict[str, float | str] | None = None

    def __post_init__(self) -> None:
        _known_measure(self.measure)
        _known_place(self.where)


@dataclass(frozen=True)
class Sampling:
    """What paths are drawn from: the world's own law, or a mixture tilted towards rare events.

    Attributes
    ----------
    method : {"plain", "importance"}
        The other fields but ``controls`` belong to ``importance``.
    plain_share : float
        Share of paths that follow the world's own law; no weight exceeds one over it.
    pilot_paths : int
        Paths of each pilot round, drawn apart from those of the study.
    components : int
        Tilts at most.
    level : float
        The mixture is fitted to what lies beyond this quantile of each target.
    targets : tuple of {"accounts", "assets"}
        Losses of every account over a margin period; falls and rises of every asset.
    hours : float or None
        Tilts act from time 0 to here; None is the horizon.
    controls : bool
        With ``plain``: means and shares are corrected by figures whose expectation the world's exact law gives.
    """

    method: Literal["plain", "importance"] = "plain"
    plain_share: float = 0.2
    pilot_paths: int = 8192
    components: int = 40
    level: float = 0.999
    targets: tuple[Target, ...] = ("accounts",)
    hours: float | None = None
    controls: bool = False

    def __post_init__(self) -> None:
        check_range("plain_share", self.plain_share, 0.05, 0.9)
        check_range("pilot_paths", self.pilot_paths, 512, 2**30)
        check_range("components", self.components, 1, 64)
        check_range("level", self.level, 0.9, 1.0, open_high=True)
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets must hold at least one of accounts, assets, each once, got {list(self.targets)}")
        if self.controls and self.tilted:
            raise ValueError("controls must be false with method importance, whose control is the weight, got true")

    @property
    def tilted(self) -> bool:
        """Whether paths carry weights."""
        return self.method == "importance"

    @property
    def pilot(self) -> PilotSettings:
        """How the mixture is looked for."""
        return PilotSettings(self.plain_share, self.components, self.pilot_paths, self.level, self.hours)


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
        _known_measure(self.measure)
        _known_place(self.where)
        if (self.relative is None) == (self.absolute is None):
            raise ValueError(f"one of relative and absolute must be given, got {self.relative} and {self.absolute}")
        for name in ("relative", "absolute"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 0.0, 1e300, open_low=True)
        check_range("max_paths", self.max_paths, 2, 2**40)


def _known_place(where: dict[str, float | str] | None) -> None:
    """A misspelt name would match no figure, and that is only seen when the run is over."""
    for name in where or {}:
        if name not in PLACES:
            near = get_close_matches(name, PLACES, 1, 0.6)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"where must name parameters of a figure ({', '.join(sorted(PLACES))}), got {name!r}{hint}"
            )


def _known_measure(measure: str) -> None:
    if measure not in all_measures():
        near = get_close_matches(measure, all_measures(), 3, 0.5) or sorted(all_measures())
        raise ValueError(f"measure must be a measure of the result such as {', '.join(near)}, got {measure}")


def _check_law(world: World, asset: str, hours: float) -> None:
    """ValueError where an asset of the world has no law, or none given a path's state, to hold estimates against."""
    if asset in world.model.assets:
        law = world.model.law(asset, hours / 8760.0)
        if hasattr(law, "lanes"):
            law.lanes()


@dataclass(frozen=True)
class CalibrationStudy:
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

    def _check_sampling(self) -> None:
        if self.target_error is not None and self.target_error.max_paths < self.paths:
            raise ValueError(
                f"max_paths must be at least the {self.paths} paths of the first look, "
                f"got {self.target_error.max_paths}"
            )
        if self.sampling.controls:
            fault = unfit(self.world, self.grid)
            if fault:
                raise ValueError(f"controls need a world that follows its exact law, got {fault}")
        if not self.sampling.tilted:
            return
        if not isinstance(self.world.model, Tiltable):
            raise ValueError(
                "sampling by importance needs a world whose law can be tilted (gbm, merton, kou, heston, bates), "
                f"got kind {self.world.model.kind}"
            )
        if self.world.event is not None:
            raise ValueError(
                "sampling by importance must not be asked of a world given an event, whose paths are exact draws "
                f"already, got one given that {self.world.event.text}"
            )
        self.world.model.tilt_space(self.grid, self.sampling.hours)
        if "accounts" in self.sampling.targets and self.margin is None:
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


@dataclass(frozen=True)
class BacktestStudy:
    """The same margin models replayed over real prices, one lane for each non-overlapping margin period.

    Attributes
    ----------
    world : World
        Gives reference spots, asset order and the surface; its paths are not used.
    book, models, margin_period_hours : as in `MarginQuestion`
    history_windows : int
        Margin periods before each window that the estimators read.
    variance_half_life_hours : float
        Half-life of the exponentially weighted variance that stands for the state of the surface.
    max_missing_share : float
        Stated policy on gaps: a price file that misses more than this share of its bars is refused, 0 refuses any gap;
        windows with a missing bar are left out and counted.
    """

    kind: Literal["backtest"]
    title: str
    world: World
    book: Portfolio
    models: tuple[MarginModel, ...]
    margin_period_hours: float
    history_windows: int
    variance_half_life_hours: float = 72.0
    confidence: float = 0.95
    max_missing_share: float = 0.0

    def __post_init__(self) -> None:
        check_range("max_missing_share", self.max_missing_share, 0.0, 0.5)
        check_range("variance_half_life_hours", self.variance_half_life_hours, 0.0, 1e6, open_low=True)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("history_windows", self.history_windows, 2, 100_000)
        check_range("margin_period_hours", self.margin_period_hours, 0.0, 8760.0, open_low=True)


@dataclass(frozen=True)
class EstimatorLabStudy:
    """Estimators of a tail quantile on very many samples of a world whose law is known.

    Attributes
    ----------
    worlds : tuple of World
        Each with an exact horizon law.
    exposures : tuple of Exposure
        Of assets that every world has.
    horizon_hours : float
        Horizon of one loss.
    levels : tuple of float
    sample_sizes : tuple of int
        Losses in a sample; a shorter sample is part of the longer ones.
    estimators : tuple of Estimator
    replications : int
        Samples.
    samples : {"automatic", "independent", "history"}
        Independent draws from the exact unconditional law, or consecutive windows of history that the world simulates;
        automatic takes history where the world has a state and draws where it has none.
    targets : tuple of float
        Breach probabilities that a level is sought for.
    limit_size, limit_replications : int
        Size and number of the very large samples that tell model error from estimation error.
    """

    kind: Literal["estimator_lab"]
    title: str
    worlds: tuple[World, ...]
    exposures: tuple[Exposure, ...]
    horizon_hours: float
    levels: tuple[float, ...]
    sample_sizes: tuple[int, ...]
    estimators: tuple[Estimator, ...]
    replications: int
    seed: int
    confidence: float = 0.95
    samples: Literal["automatic", "independent", "history"] = "automatic"
    targets: tuple[float, ...] = (0.01,)
    limit_size: int = 32_768
    limit_replications: int = 64
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("horizon_hours", self.horizon_hours, 0.0, 87_600.0, open_low=True)
        check_range("replications", self.replications, 100, 2**24)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("limit_size", self.limit_size, 1_000, 2**22)
        check_range("limit_replications", self.limit_replications, 2, 10_000)
        for name, values in (("levels", self.levels), ("sample_sizes", self.sample_sizes), ("targets", self.targets)):
            if len(set(values)) != len(values) or (not values and name != "targets"):
                raise ValueError(f"{name} must hold at least one number, each once, got {list(values)}")
        for level in self.levels:
            check_range("level of levels", level, 0.5, 1.0, open_low=True, open_high=True)
        for size in self.sample_sizes:
            check_range("size of sample_sizes", size, 2, self.limit_size)
        for target in self.targets:
            check_range("target of targets", target, 1e-5, 0.4)
        for name in ("worlds", "exposures", "estimators"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one entry, got none")
        for name, keys in (
            ("worlds", [w.name for w in self.worlds]),
            ("exposures", [e.name for e in self.exposures]),
            ("estimators", list(self.estimators)),
        ):
            if any(key in keys[:i] for i, key in enumerate(keys)):
                raise ValueError(f"{name} must all differ, got one twice")
        seconds = self.horizon_hours * 3600
        if abs(seconds - round(seconds)) > 1e-6:
            raise ValueError(f"horizon_hours must be a whole number of seconds, got {self.horizon_hours!r} h")
        for world in self.worlds:
            self._check_world(world)

    def _check_world(self, world: World) -> None:
        if not isinstance(world.model, HasLaw):
            raise ValueError(
                f"worlds must have a horizon law that is known exactly, got {world.name!r} of kind "
                f"{world.model.kind}, which has none"
            )
        if world.stress:
            raise ValueError(f"worlds must be without a stress, because the truth is the law, got {world.name!r}")
        if not world.model.starts_stationary:
            raise ValueError(
                f"worlds must start in their stationary law (initial_variance: stationary), got {world.name!r}"
            )
        for exposure in self.exposures:
            if exposure.asset not in world.model.assets:
                known = ", ".join(world.model.assets)
                raise ValueError(
                    f"exposures must be of assets of every world, got {exposure.asset} for {world.name!r} ({known})"
                )

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each estimator: its kind, with the settings that tell it from others of the kind."""
        kinds = [e.kind for e in self.estimators]
        out = []
        for own in self.estimators:
            like = [e for e in self.estimators if e.kind == own.kind]
            names = [
                f.name for f in fields(own) if f.init and any(getattr(e, f.name) != getattr(own, f.name) for e in like)
            ]
            told = ", ".join(f"{n} {getattr(own, n)}" for n in names)
            out.append(own.kind if kinds.count(own.kind) == 1 else f"{own.kind} ({told})")
        return tuple(out)


Study = CalibrationStudy | BacktestStudy | EstimatorLabStudy


def worlds_of(study: Study) -> tuple[World, ...]:
    """Every world that a study is on."""
    return study.worlds if isinstance(study, EstimatorLabStudy) else (study.world,)
