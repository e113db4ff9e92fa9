"""`Estimate`: a number that says how sure it is of itself."""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

from riskengine.arrays import Floats


@dataclass(frozen=True)
class Estimate:
    """A figure with its error.

    Attributes
    ----------
    value : float
    std_error : float
        Standard error of `value`; 0 where it is exact; NaN where the method gives an interval only.
    lower, upper : float
        Interval at `confidence`; infinite where the sample cannot bound it.
    confidence : float
        Nominal coverage of the interval (0.95), 1 where exact.
    n : int
        Independent units behind the figure (paths, windows).
    n_effective : float
        Effective size: hits in the tail for tail figures, weighted size for weighted samples.
    method : str
        How the interval was made, for example ``"clopper-pearson"``.
    """

    value: float
    std_error: float
    lower: float
    upper: float
    confidence: float
    n: int
    n_effective: float
    method: str

    def __post_init__(self) -> None:
        if math.isfinite(self.value) and (self.lower > self.value or self.upper < self.value):
            raise ValueError(
                f"interval must contain the value, got {self.value!r} outside [{self.lower!r}, {self.upper!r}]"
            )

    def as_dict(self) -> dict:
        """The fields as plain numbers; infinities and NaN become None (JSON has neither)."""
        return {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in asdict(self).items()}


def exact(value: float, method: str = "exact") -> Estimate:
    """An `Estimate` without sampling error (closed form, count of a fixed book)."""
    return Estimate(float(value), 0.0, float(value), float(value), 1.0, 0, math.inf, method)


def undetermined(n: int, method: str) -> Estimate:
    """An `Estimate` that could not be formed (no data in the tail): value NaN, no bounds, reason in `method`."""
    return Estimate(math.nan, math.nan, -math.inf, math.inf, 0.0, n, 0.0, method)


class LaneFigure(NamedTuple):
    """A figure of very many samples at once.

    Attributes
    ----------
    value, lower, upper : ndarray, shape (P,), or (levels, P) where several levels were asked for
        Figure and bounds of every sample: NaN where it cannot be formed, infinite where a bound cannot.
    """

    value: Floats
    lower: Floats
    upper: Floats


class LaneTails(NamedTuple):
    """VaR and ES of very many samples at once, from one computation."""

    var: LaneFigure
    es: LaneFigure
