"""What a study of backtests asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.engine.questions import Exposure
from riskengine.law.lanes import StatelessLanes, lanes
from riskengine.roles import Estimator, HasLaw
from riskengine.scenario.world import World
from riskengine.study.checks import Found, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study


@dataclass(frozen=True)
class RollingForecast:
    """Forecasts that an estimator makes from the days before.

    Attributes
    ----------
    estimator : Estimator
    window : int
        Losses that it reads.
    refit_every : int
        Days that a forecast is held for.
    """

    estimator: Estimator
    window: int
    refit_every: int = 1

    def __post_init__(self) -> None:
        check_range("window", self.window, 10, 100_000)
        check_range("refit_every", self.refit_every, 1, 10_000)

    @property
    def name(self) -> str:
        """For example ``historical (250 losses)``."""
        return f"{self.estimator.kind} ({self.window} losses)"


@dataclass(frozen=True)
class BacktestPowerStudy(Study):
    """How often every backtest rejects a right forecast, and how often wrong ones of stated kinds.

    Attributes
    ----------
    world : World
        Its unconditional horizon law is the forecast, and the truth where nothing else is said.
    exposure : Exposure
        Linear or inverse.
    horizon_hours : float
        One window, called a day.
    levels : tuple of float
        VaR levels.
    sample_sizes : tuple of int
        Days of a backtest, increasing; a shorter one is the beginning of the longer.
    replications, null_replications : int
        Histories of each case, and in the table that simulated p-values are ranked in.
    test_level : float
        A p-value at most this rejects.
    detection_power : float
        What a detectable alternative is found with.
    rate_multiples : tuple of float
        Factors on the breach rate.
    excess_multiples : tuple of float
        Factors on what a return has beyond the VaR point.
    clustered_worlds : tuple of World
        With a variance state; each against its own unconditional law.
    rolling : tuple of RollingForecast
        Forecasts of estimators on independent draws of the world.
    overlaps : tuple of int
        Windows in one overlapping loss.
    accounts : tuple of int
        Numbers of independent accounts tested at once.
    """

    named: ClassVar[str] = "a study of backtests"
    runner: ClassVar[str] = "riskengine.study.backtest_power:run_backtest_power"

    kind: Literal["backtest_power"]
    title: str
    world: World
    exposure: Exposure
    horizon_hours: float
    levels: tuple[float, ...]
    sample_sizes: tuple[int, ...]
    replications: int
    seed: int
    null_replications: int = 9_999
    test_level: float = 0.05
    detection_power: float = 0.8
    rate_multiples: tuple[float, ...] = (1.25, 1.5, 2.0, 3.0, 4.0)
    excess_multiples: tuple[float, ...] = ()
    clustered_worlds: tuple[World, ...] = ()
    rolling: tuple[RollingForecast, ...] = ()
    overlaps: tuple[int, ...] = ()
    accounts: tuple[int, ...] = (10, 100)
    bootstrap_draws: int = 499
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("horizon_hours", self.horizon_hours, 0.0, 8_760.0, open_low=True)
        check_range("replications", self.replications, 100, 2**20)
        check_range("null_replications", self.null_replications, 99, 2**20)
        check_range("bootstrap_draws", self.bootstrap_draws, 99, 100_000)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("test_level", self.test_level, 0.001, 0.5)
        check_range("detection_power", self.detection_power, 0.1, 0.999)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        for name in ("levels", "sample_sizes"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one number, got none")
        for name in ("levels", "sample_sizes", "rate_multiples", "excess_multiples", "overlaps", "accounts"):
            values = getattr(self, name)
            if any(b <= a for a, b in zip(values, values[1:], strict=False)):
                raise ValueError(f"{name} must increase, got {list(values)}")
        for level in self.levels:
            check_range("level of levels", level, 0.5, 1.0, open_low=True, open_high=True)
        for size in self.sample_sizes:
            check_range("size of sample_sizes", size, 20, 20_000)
        for multiple in self.rate_multiples:
            check_range("multiple of rate_multiples", multiple, 0.0, 100.0, open_low=True)
            if multiple == 1.0:
                raise ValueError("rate_multiples must leave out 1, which is the forecast being right, got it")
            if multiple * (1.0 - min(self.levels)) > 0.4:
                raise ValueError(
                    f"rate_multiples must keep the breach rate at 40 % at most, got {multiple:g} times "
                    f"{1.0 - min(self.levels):g}"
                )
        for multiple in self.excess_multiples:
            check_range("multiple of excess_multiples", multiple, 1.0, 100.0, open_low=True)
        for overlap in self.overlaps:
            check_range("overlap of overlaps", overlap, 2, min(self.sample_sizes) // 5)
        for number in self.accounts:
            check_range("number of accounts", number, 1, 1_000_000)
        seconds = self.horizon_hours * 3600
        if abs(seconds - round(seconds)) > 1e-6:
            raise ValueError(f"horizon_hours must be a whole number of seconds, got {self.horizon_hours!r} h")
        if self.exposure.contract == "log":
            raise ValueError("exposure must be linear or inverse, because a law gives no ES of a log exposure, got log")
        names = [r.name for r in self.rolling]
        if len(set(names)) != len(names):
            raise ValueError(f"rolling must differ in estimator or window, got {names}")
        worlds = [w.name for w in self.clustered_worlds]
        if len(set(worlds)) != len(worlds):
            raise ValueError(f"clustered_worlds must all differ, got {worlds}")
        for name, world in (("world", self.world), *(("clustered_worlds", w) for w in self.clustered_worlds)):
            if not isinstance(world.model, HasLaw):
                raise ValueError(
                    f"{name} must have a horizon law that is known exactly, got {world.name!r} of kind "
                    f"{world.model.kind}, which has none"
                )
            if world.stress:
                raise ValueError(f"{name} must be without a stress, because the truth is the law, got {world.name!r}")
            if not world.model.starts_stationary:
                raise ValueError(f"{name} must start in its stationary law, got {world.name!r}")
        if self.exposure.asset not in self.world.model.assets:
            known = ", ".join(self.world.model.assets)
            raise ValueError(f"exposure must be of an asset of the world ({known}), got {self.exposure.asset!r}")

    def exposure_in(self, world: World) -> Exposure:
        """The exposure in `world`: its own asset where the world has it, else the world's first."""
        asset = self.exposure.asset if self.exposure.asset in world.model.assets else world.model.assets[0]
        return Exposure(asset, self.exposure.side, self.exposure.contract)

    def all_worlds(self) -> tuple[World, ...]:
        """As `Study.all_worlds`."""
        return (self.world, *self.clustered_worlds)

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        cases = 1 + len(self.rate_multiples) + len(self.excess_multiples)
        cases += len(self.clustered_worlds) + len(self.rolling)
        return {
            "cases": cases,
            "cells": cases * len(self.levels) * len(self.sample_sizes),
            "replications": self.replications,
            "null_replications": self.null_replications,
            "seed": self.seed,
        }

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        yield from surface_fault(self.world, ("world", "surface"))
        law = self.world.model.law(self.exposure.asset, self.horizon_hours / 8760.0)
        if self.overlaps and not isinstance(lanes(law), StatelessLanes):
            yield f"overlaps need a world whose returns are independent, got {self.world.name!r}", ("overlaps",)
        for i, world in enumerate(self.clustered_worlds):
            yield from surface_fault(world, ("clustered_worlds", i, "surface"))
