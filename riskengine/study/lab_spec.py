"""What an estimator lab asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.roles import Estimator, ExposureModel, HasLaw, told_apart
from riskengine.scenario.world import World
from riskengine.study.checks import Found, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study


@dataclass(frozen=True)
class EstimatorLabStudy(Study):
    """Estimators of a tail quantile on very many samples of a world whose law is known.

    Attributes
    ----------
    worlds : tuple of World
        Each with an exact horizon law.
    exposures : tuple of ExposureModel
        Of assets that every world has.
    horizon_hours : float
        Horizon of one loss.
    levels : tuple of float
    sample_sizes : tuple of int
        Losses in a sample; a shorter sample is part of the longer ones.
    estimators : tuple of Estimator
    replications : int
        Samples; the most of them where `standard_error` is given.
    standard_error : float or None
        Relative standard error of the mean estimate, of VaR and of ES at every level, that is enough: each estimator at
        each sample size uses the first so many samples that its scatter on the first 256 calls for.
    samples : {"automatic", "independent", "history"}
        Independent draws from the exact unconditional law, or consecutive windows of history that the world simulates;
        automatic takes history where the world has a state and draws where it has none.
    targets : tuple of float
        Breach probabilities that a level is sought for.
    limit_size, limit_replications : int
        Size and number of the very large samples that tell model error from estimation error.
    """

    named: ClassVar[str] = "an estimator lab"
    runner: ClassVar[str] = "riskengine.study.estimator_lab:run_estimator_lab"

    kind: Literal["estimator_lab"]
    title: str
    worlds: tuple[World, ...]
    exposures: tuple[ExposureModel, ...]
    horizon_hours: float
    levels: tuple[float, ...]
    sample_sizes: tuple[int, ...]
    estimators: tuple[Estimator, ...]
    replications: int
    seed: int
    standard_error: float | None = None
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
        if self.standard_error is not None:
            check_range("standard_error", self.standard_error, 0.0, 1.0, open_low=True)
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

    def all_worlds(self) -> tuple[World, ...]:
        """As `Study.all_worlds`."""
        return self.worlds

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        cells = len(self.worlds) * len(self.exposures) * len(self.estimators) * len(self.levels)
        return {"cells": cells * len(self.sample_sizes), "replications": self.replications, "seed": self.seed}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        for i, world in enumerate(self.worlds):
            yield from surface_fault(world, ("worlds", i, "surface"))
        for i, exposure in enumerate(self.exposures):
            for world in self.worlds:
                try:
                    exposure.position(world.model, world.surface, self.horizon_hours)
                except ValueError as error:
                    yield str(error), ("exposures", i)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each estimator: its kind, with the settings that tell it from others of the kind."""
        return told_apart(self.estimators)
