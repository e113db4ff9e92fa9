"""What a certificate experiment asks: are certificates worth what they promise where the truth is known?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.engine.questions import Exposure
from riskengine.roles import HasLaw
from riskengine.scenario.world import World
from riskengine.study.checks import Found, asset_fault, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study
from riskengine.tune.certify import least_paths


@dataclass(frozen=True)
class CertificateExperiment(Study):
    """The choice of a margin, made very many times on samples of a world whose law is known.

    Attributes
    ----------
    world : World
        With an exact horizon law.
    exposure : Exposure
        One unit; its loss over the horizon is what the margin must cover.
    horizon_hours : float
    target : float
        Largest breach probability wanted.
    delta : float
        Chance of a wrong certificate that is allowed.
    sample_sizes : tuple of int
        Losses that a choice is made from; a shorter sample is part of the longer ones.
    replications : int
        Choices.
    """

    named: ClassVar[str] = "a certificate experiment"
    runner: ClassVar[str] = "riskengine.tune.experiment:run_experiment"
    verb: ClassVar[str] = "tune"

    kind: Literal["certificate_experiment"]
    title: str
    world: World
    exposure: Exposure
    horizon_hours: float
    sample_sizes: tuple[int, ...]
    replications: int
    seed: int
    target: float = 0.01
    delta: float = 0.05
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("horizon_hours", self.horizon_hours, 0.0, 87_600.0, open_low=True)
        check_range("replications", self.replications, 100, 2**24)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("target", self.target, 1e-5, 0.4)
        check_range("delta", self.delta, 1e-9, 0.5)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        if not self.sample_sizes or len(set(self.sample_sizes)) < len(self.sample_sizes):
            raise ValueError(f"sample_sizes must hold at least one number, each once, got {list(self.sample_sizes)}")
        for size in self.sample_sizes:
            check_range("size of sample_sizes", size, 2, 2**22)
        least = least_paths(self.target, self.delta)
        if max(self.sample_sizes) < least:
            raise ValueError(
                f"sample_sizes must hold one of at least {least:,} for a target of {100 * self.target:g} % at delta "
                f"{self.delta:g}, got {max(self.sample_sizes):,} at most: smaller ones certify nothing"
            )
        if not isinstance(self.world.model, HasLaw):
            raise ValueError(
                f"world must have a horizon law that is known exactly, got {self.world.name!r} of kind "
                f"{self.world.model.kind}, which has none"
            )
        if self.world.stress or not self.world.model.starts_stationary:
            raise ValueError(
                f"world must be without a stress and start in its stationary law, got {self.world.name!r}, which is not"
            )
        seconds = self.horizon_hours * 3600
        if abs(seconds - round(seconds)) > 1e-6:
            raise ValueError(f"horizon_hours must be a whole number of seconds, got {self.horizon_hours!r} h")

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"replications": self.replications, "sample_sizes": list(self.sample_sizes), "seed": self.seed}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        yield from surface_fault(self.world, ("world", "surface"))
        yield from asset_fault(self.exposure.asset, self.world.model.assets, ("exposure", "asset"))
