"""What a study of forecast probabilities asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.engine.questions import Exposure
from riskengine.market.grid import TimeGrid
from riskengine.roles import HasLaw
from riskengine.scenario.world import World
from riskengine.study.checks import Found, asset_fault, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study


@dataclass(frozen=True)
class ReliabilityStudy(Study):
    """Forecasts of the probability that a loss exceeds a fixed margin, against what simulated histories go on to do.

    Attributes
    ----------
    world : World
        With an exact horizon law.
    exposure : Exposure
    horizon_hours, step_hours : float
        Of the loss, and of the paths over it.
    levels : tuple of float
        The margins: exact unconditional loss quantiles.
    history_windows : int
        Losses that the EWMA forecast reads.
    decay : float
        Of the EWMA forecast.
    replications : int
        Histories, independent of each other.
    bins : int
        Of equally many forecasts, for the expected calibration error; and of the PIT histogram.
    perfect : int
        Replicates of outcomes drawn from the forecasts themselves: what a perfect forecast would show.
    """

    named: ClassVar[str] = "a study of forecast probabilities"
    runner: ClassVar[str] = "riskengine.study.reliability:run_reliability"

    kind: Literal["probability_calibration"]
    title: str
    world: World
    exposure: Exposure
    horizon_hours: float
    levels: tuple[float, ...]
    replications: int
    seed: int
    step_hours: float = 1.0
    history_windows: int = 250
    decay: float = 0.94
    bins: int = 10
    perfect: int = 200
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("replications", self.replications, 200, 2**24)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("history_windows", self.history_windows, 2, 100_000)
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)
        check_range("bins", self.bins, 2, 100)
        check_range("perfect", self.perfect, 20, 100_000)
        if not self.levels or len(set(self.levels)) != len(self.levels):
            raise ValueError(f"levels must hold at least one number, each once, got {list(self.levels)}")
        for level in self.levels:
            check_range("level of levels", level, 0.5, 1.0 - 1e-6, open_low=True)
        _ = self.grid
        model = self.world.model
        if not isinstance(model, HasLaw) or self.world.stress:
            raise ValueError(
                f"world must have a horizon law that is known exactly, and no stress, got {self.world.name!r}"
            )
        if not model.starts_stationary:
            raise ValueError(
                f"world must start in its stationary law (initial_variance: stationary), got {self.world.name!r}"
            )

    @property
    def grid(self) -> TimeGrid:
        """Windows of history, then the horizon in steps; ValueError where it is not a whole number of them."""
        step, window = round(self.step_hours * 3600), round(self.horizon_hours * 3600)
        if step < 1 or abs(step - self.step_hours * 3600) > 1e-6:
            raise ValueError(f"step_hours must be a whole number of seconds, got {self.step_hours!r}")
        steps = TimeGrid(step, 1).index("horizon_hours", self.horizon_hours)
        return TimeGrid(step, steps, window, self.history_windows)

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"replications": self.replications, "history windows": self.history_windows, "seed": self.seed}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        yield from surface_fault(self.world, ("world", "surface"))
        yield from asset_fault(self.exposure.asset, tuple(self.world.model.assets), ("exposure", "asset"))
