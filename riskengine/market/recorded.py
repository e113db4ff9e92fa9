"""`PathSet`: price paths that somebody else made, as given."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.series import DataRecord, content_hash


@dataclass(frozen=True, eq=False)
class PathSet(DataRecord):
    """Paths of several assets on one regular grid, checked as a whole: every fault in one message.

    Attributes
    ----------
    assets : tuple of str
    spot : ndarray, shape (T + 1, P, A)
        USD, positive; all paths of an asset start at one price.
    step_seconds : int
    variance : ndarray, shape (T + 1, P, A), or None
        Variance per year, not negative.
    history_spot, history_variance : ndarray, shape (H + 1, P, A), or None
        The paths before time 0, ending where `spot` starts.
    history_step_seconds : int
        0 where there is no history.
    sha256 : str
        Of the file, or of the content where the paths came from none.
    origin : dict
        What a world file says to read the same paths again; empty where they came from none.

    Raises
    ------
    ValueError
    """

    assets: tuple[str, ...]
    spot: Floats
    step_seconds: int
    variance: Floats | None = None
    history_spot: Floats | None = None
    history_variance: Floats | None = None
    history_step_seconds: int = 0
    sha256: str = ""
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "assets", tuple(self.assets))
        faults: list[str] = []
        names = ("spot", "variance", "history_spot", "history_variance")
        for name in names:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.ascontiguousarray(value, dtype=np.float64))
                faults += self._faults_of(name)
        if self.step_seconds <= 0 or self.step_seconds != int(self.step_seconds):
            faults.append(f"step must be a positive whole number of seconds, got {self.step_seconds!r}")
        if (self.history_spot is None) != (self.history_step_seconds == 0) or self.history_step_seconds < 0:
            faults.append(
                "history must have both prices and a positive step or neither, "
                f"got a step of {self.history_step_seconds} s"
            )
        if (self.variance is None) != (self.history_variance is None) and self.history_spot is not None:
            faults.append("variance must be given for both the paths and their history or for neither")
        if not faults:
            faults += self._joints()
        if faults:
            raise ValueError("; ".join(faults))
        if not self.sha256:
            object.__setattr__(self, "sha256", content_hash(*(getattr(self, n) for n in names)))

    @property
    def count(self) -> int:
        """Number of paths P."""
        return self.spot.shape[1]

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return self.spot.shape[0] - 1

    @property
    def history_steps(self) -> int:
        """Number of steps H before time 0."""
        return 0 if self.history_spot is None else self.history_spot.shape[0] - 1

    def _faults_of(self, name: str) -> list[str]:
        value = getattr(self, name)
        shape = (self.spot.shape[1] if np.ndim(self.spot) == 3 else None, len(self.assets))
        if value.ndim != 3 or value.shape[1:] != shape or value.shape[0] < 2 or value.shape[1] < 1:
            wanted = f"(times, {shape[0] or 'paths'}, {shape[1]})"
            return [f"{name} must have shape {wanted} with two times or more, got {value.shape}"]
        low = value >= 0.0 if name.endswith("variance") else value > 0.0
        wrong = np.argwhere(~(np.isfinite(value) & low))
        if not wrong.size:
            return []
        t, p, a = (int(k) for k in wrong[0])
        legal = "not negative" if name.endswith("variance") else "positive"
        return [
            f"{name} must be finite and {legal}, got {value[t, p, a]:g} at step {t}, path {p}, asset {self.assets[a]}"
            + (f" and {len(wrong) - 1} more" if len(wrong) > 1 else "")
        ]

    def _joints(self) -> list[str]:
        """Faults of how parts fit together."""
        found = []
        for a, asset in enumerate(self.assets):
            start = self.spot[0, :, a]
            off = np.flatnonzero(np.abs(start / start[0] - 1.0) > 1e-9)
            if off.size:
                found.append(
                    f"paths of {asset} must all start at one price, got {start[0]:.10g} on path 0 and "
                    f"{start[off[0]]:.10g} on path {off[0]}"
                )
        for before, after in (("history_spot", "spot"), ("history_variance", "variance")):
            end, start = getattr(self, before), getattr(self, after)
            if end is not None and start is not None and not np.allclose(end[-1], start[0], rtol=1e-9, atol=0.0):
                found.append(f"{before} must end where {after} starts, got another value")
        return found
