"""What a study of rolling forecasts asks: real series, estimators, levels, and nothing that only a simulated world
knows."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.errors import suggest
from riskengine.roles import Estimator, told_apart
from riskengine.scenario.world import World
from riskengine.study.checks import Found
from riskengine.study.kind import Study

GIVEN = "given"


@dataclass(frozen=True)
class GivenForecasts:
    """Columns of a file that already holds forecasts, in returns: ``ES <= VaR < 0``.

    Attributes
    ----------
    returns, var, es : str
        Names of columns.
    level : float
        Of the forecasts, such as 0.975.
    unit : float
        What a one of the file means: 0.01 where it is in percent.
    """

    returns: str
    var: str
    es: str
    level: float
    unit: float = 1.0

    def __post_init__(self) -> None:
        check_range("unit", self.unit, 0.0, 1e6, open_low=True)
        check_range("level", self.level, 0.5, 1.0, open_low=True, open_high=True)


@dataclass(frozen=True)
class ReturnSeries:
    """What the values of a series that holds returns mean.

    Attributes
    ----------
    log : bool
        Logarithmic returns; simple ones otherwise.
    unit : float
        What a one of the file means: 0.01 where it is in percent.
    """

    log: bool
    unit: float = 1.0

    def __post_init__(self) -> None:
        check_range("unit", self.unit, 0.0, 1e6, open_low=True)


@dataclass(frozen=True)
class FileSettings:
    """What is different for the series of one file.

    Attributes
    ----------
    horizon_hours : float, optional
        As of the study where not given, and so are the next two.
    window : int, optional
    gaps : {"skip", "bridge", "last"}, optional
    returns : dict of str to ReturnSeries
        Series whose values are returns, not prices.
    ordinal : dict of str to float
        Series whose stamps only say an order (``obs00001``), and how many hours a bar of each lasts.
    """

    horizon_hours: float | None = None
    window: int | None = None
    gaps: Literal["skip", "bridge", "last"] | None = None
    returns: dict[str, ReturnSeries] = field(default_factory=dict)
    ordinal: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.window is not None:
            check_range("window", self.window, 20, 100_000)
        for hours in (*([] if self.horizon_hours is None else [self.horizon_hours]), *self.ordinal.values()):
            check_hours("horizon_hours" if hours is self.horizon_hours else "hours of ordinal", hours)


@dataclass(frozen=True)
class PortfolioTracking:
    """A portfolio of the study's series, and the benchmark that it is held against.

    Attributes
    ----------
    name : str
    portfolio, benchmark : dict of str to float
        Weights by the names of series, restored every period.
    window : int, optional
        Returns behind the covariance; that of the study where not given.
    half_life : float, optional
        Periods after which a return counts half in it.
    """

    name: str
    portfolio: dict[str, float]
    benchmark: dict[str, float]
    window: int | None = None
    half_life: float | None = None

    def __post_init__(self) -> None:
        if self.window is not None:
            check_range("window", self.window, 20, 100_000)
        if self.half_life is not None:
            check_range("half_life", self.half_life, 1.0, 100_000.0)
        if not (self.portfolio and self.benchmark):
            raise ValueError("portfolio and benchmark must hold at least one series each")
        if self.portfolio == self.benchmark:
            raise ValueError("portfolio and benchmark must differ, got the same weights")
        for name, weights in (("portfolio", self.portfolio), ("benchmark", self.benchmark)):
            for series, weight in weights.items():
                check_range(f"weight of {series} in {name}", weight, -100.0, 100.0)


def check_hours(name: str, hours: float) -> None:
    """Raise ValueError unless `hours` are a whole number of seconds, at most ten years."""
    check_range(name, hours, 0.0, 87_600.0, open_low=True)
    if abs(hours * 3600 - round(hours * 3600)) > 1e-6:
        raise ValueError(f"{name} must be a whole number of seconds, got {hours!r} h")


@dataclass(frozen=True)
class RollingStudy(Study):
    """Rolling forecasts of VaR and ES on real series, judged by what happened.

    Attributes
    ----------
    window : int
        Losses that a forecast reads.
    estimators : tuple of Estimator
    levels : tuple of float
    sides : tuple of {"long", "short"}
        A long position loses when the price falls.
    horizon_hours : float
        Length of one return; returns do not overlap.
    series : tuple of str
        Which of the file's series; empty takes all.
    gaps : {"skip", "bridge", "last"}
        What to do where a bar is missing, see `riskengine.market.record.returns_of`.
    files : dict of str to FileSettings
        By name of a file: what is different for its series.
    shortest_window : int, optional
        A series too short for the window and `least_days` forecasts after it takes half of its returns as its window,
        where that is no less than this; without it such a series is left out.
    tracking : tuple of PortfolioTracking
        Portfolios whose tracking error is forecast from the covariance of the window.
    forecasts : GivenForecasts, optional
        The files hold forecasts of one level: they are judged under the name ``given``, beside the estimators.
    refit : dict of str to int
        Periods that the forecast of a kind of estimator is held for; 1 where it is not named.
    laws : tuple of str
        Kinds of estimators whose quantiles at all levels are one forecast law: they get tests and histograms that need
        one.
    benchmark : str
        Name of the estimator that others are held against; the first where not given.
    least_days : int
        Series with fewer forecasts are left out, and named.
    significance : float
        Of tests after adjustment, and of alarms.
    set_size : float
        Chance that a model confidence set misses the best forecast.
    rate_multiple : float
        Breach rate, over the nominal one, of the alternative that power is stated for.
    cluster_share : float
        Share of breaches that another follows the next day, in the alternative for tests of clustering.
    null_draws : int
        Histories behind each simulated p-value.
    replicates : int
        Of bootstraps.
    """

    named: ClassVar[str] = "a study of rolling forecasts"
    runner: ClassVar[str] = "riskengine.study.rolling:run_rolling"
    options: ClassVar[tuple[str, ...]] = ("out", "workers", "progress", "command", "records")

    kind: Literal["rolling_forecast"]
    title: str
    window: int
    levels: tuple[float, ...] = ()
    estimators: tuple[Estimator, ...] = ()
    sides: tuple[Literal["long", "short"], ...] = ("long", "short")
    horizon_hours: float = 24.0
    series: tuple[str, ...] = ()
    gaps: Literal["skip", "bridge", "last"] = "skip"
    files: dict[str, FileSettings] = field(default_factory=dict)
    shortest_window: int | None = None
    tracking: tuple[PortfolioTracking, ...] = ()
    forecasts: GivenForecasts | None = None
    refit: dict[str, int] = field(default_factory=dict)
    laws: tuple[str, ...] = ()
    benchmark: str | None = None
    least_days: int = 250
    significance: float = 0.05
    set_size: float = 0.1
    rate_multiple: float = 2.0
    cluster_share: float = 0.2
    null_draws: int = 9_999
    replicates: int = 1_000
    confidence: float = 0.95
    seed: int = 1

    def __post_init__(self) -> None:
        check_range("window", self.window, 20, 100_000)
        check_hours("horizon_hours", self.horizon_hours)
        if self.shortest_window is not None:
            check_range("shortest_window", self.shortest_window, 20, self.window)
        check_range("least_days", self.least_days, 50, 1_000_000)
        check_range("rate_multiple", self.rate_multiple, 1.0, 20.0, open_low=True)
        check_range("cluster_share", self.cluster_share, 0.0, 0.9, open_low=True)
        check_range("null_draws", self.null_draws, 99, 1_000_000)
        check_range("replicates", self.replicates, 99, 100_000)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("seed", self.seed, 0, 2**64 - 1)
        for name in ("significance", "set_size"):
            check_range(name, getattr(self, name), 0.0, 0.5, open_low=True)
        for level in self.levels:
            check_range("level of levels", level, 0.5, 1.0, open_low=True, open_high=True)
        if self.forecasts is None and not (self.levels and self.estimators):
            raise ValueError("levels and estimators must hold at least one entry each where no forecasts are given")
        if self.forecasts is not None:
            if self.levels not in ((), (self.forecasts.level,)):
                said = f"levels must be that of the forecasts, [{self.forecasts.level:g}], or left out"
                raise ValueError(f"{said}, got {list(self.levels)}")
            if self.sides not in (("long", "short"), ("long",)):
                raise ValueError(f"sides must be [long], that of the forecasts, or left out, got {list(self.sides)}")
            if self.files or self.tracking:
                raise ValueError("files and tracking must not be given for files of forecasts")
            object.__setattr__(self, "levels", (self.forecasts.level,))
            object.__setattr__(self, "sides", ("long",))
        if not self.sides:
            raise ValueError("sides must hold long, short or both, got none")
        for name in ("levels", "sides", "series", "estimators", "laws"):
            values = list(getattr(self, name))
            if any(value in values[:i] for i, value in enumerate(values)):
                raise ValueError(f"{name} must all differ, got one twice")

    def all_worlds(self) -> tuple[World, ...]:
        """None: what happened is not a model."""
        return ()

    def settings_of(self, file: str) -> FileSettings:
        """Of the series of a file, those of the study filled in."""
        own = self.files.get(file, FileSettings())
        return replace(
            own,
            horizon_hours=own.horizon_hours or self.horizon_hours,
            window=own.window or self.window,
            gaps=own.gaps or self.gaps,
        )

    def window_for(self, returns: int, window: int) -> int:
        """Window of a series of so many returns."""
        short = self.shortest_window is not None and returns - window < self.least_days
        return max(min(window, returns // 2), self.shortest_window or 0) if short else window

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the forecasts that are judged."""
        return (*((GIVEN,) if self.forecasts is not None else ()), *told_apart(self.estimators))

    @property
    def reference(self) -> str:
        """Name of the forecasts that the others are held against."""
        return self.benchmark or self.labels[0]

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"estimators": len(self.labels), "levels": len(self.levels), "sides": ", ".join(self.sides)}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        if self.benchmark is not None and self.benchmark not in self.labels:
            known = ", ".join(self.labels)
            hint = suggest(self.benchmark, self.labels)
            yield f"benchmark must be one of {known}, got {self.benchmark!r}{hint}", ("benchmark",)
        kinds = [e.kind for e in self.estimators]
        named = ", ".join(dict.fromkeys(kinds))
        places = [*enumerate(self.laws), *((kind, kind) for kind in self.refit)]
        for key, kind in places:
            if kind not in kinds:
                name = "refit" if key == kind else "laws"
                said = f"{name} must name estimators of the study ({named}), got {kind!r}{suggest(kind, kinds)}"
                yield said, (name, key)
        for kind, step in self.refit.items():
            if step < 1:
                yield f"refit of {kind} must be at least 1, got {step}", ("refit", kind)
