"""`TimeGrid`: the times at which a market is known."""

from dataclasses import dataclass
from math import gcd

import numpy as np

from riskengine.arrays import Floats

HOURS_PER_YEAR = 8760.0
SECONDS_PER_YEAR = 31_536_000.0


@dataclass(frozen=True)
class TimeGrid:
    """Strictly increasing times in years of 365 days (crypto never closes), starting at 0.

    Attributes
    ----------
    step_seconds : int
        Length of a forward step.
    steps : int
        Number of forward steps T; there are T + 1 times.
    history_step_seconds : int
        Length of a step before time 0 (what estimators with a window read); 0 where there is no history.
    history_steps : int
        Number of steps before time 0.
    """

    step_seconds: int
    steps: int
    history_step_seconds: int = 0
    history_steps: int = 0

    def __post_init__(self) -> None:
        if self.step_seconds <= 0 or self.steps < 1:
            raise ValueError(
                f"grid must have a positive step and at least one step, got {self.step_seconds} s x {self.steps}"
            )
        if self.history_steps < 0 or (self.history_steps > 0) != (self.history_step_seconds > 0):
            raise ValueError(
                "history must have both a step and a number of steps or neither, "
                f"got {self.history_step_seconds} s x {self.history_steps}"
            )

    @property
    def times(self) -> Floats:
        """Forward times in years, shape (T + 1,)."""
        return np.arange(self.steps + 1) * (self.step_seconds / SECONDS_PER_YEAR)

    @property
    def dt(self) -> float:
        """Forward step in years."""
        return self.step_seconds / SECONDS_PER_YEAR

    @property
    def history_dt(self) -> float:
        """Step before time 0, in years."""
        return self.history_step_seconds / SECONDS_PER_YEAR

    def index(self, name: str, hours: float) -> int:
        """Number of steps in `hours`; ValueError naming the step that would do where it does not fall on the grid."""
        seconds = hours * 3600.0
        count = seconds / self.step_seconds
        if abs(count - round(count)) > 1e-9:
            fits = gcd(self.step_seconds, max(1, round(seconds)))
            raise ValueError(
                f"{name} must fall on the time grid, got {hours:g} h on steps of {self.step_seconds / 3600:g} h; "
                f"a step of {fits / 3600:g} h would do"
            )
        return round(count)
