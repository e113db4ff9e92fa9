"""`NormalJump`: a compound Poisson component with normal log-jumps (Merton 1976)."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import check_range


@dataclass(frozen=True)
class NormalJump:
    """Jumps of the log-price that arrive at a constant rate and are normal in size.

    Attributes
    ----------
    intensity : float
        Expected jumps per year, >= 0.
    mean, sd : float
        Mean and standard deviation of the LOG jump.  The mean *relative* jump is another number: `relative_mean`.
    """

    intensity: float
    mean: float
    sd: float

    def __post_init__(self) -> None:
        check_range("intensity", self.intensity, 0.0, 1e6)
        check_range("mean", self.mean, -5.0, 5.0)
        check_range("sd", self.sd, 0.0, 5.0)

    @property
    def relative_mean(self) -> float:
        """k = E[e^J] - 1, the mean relative jump."""
        return float(np.expm1(self.mean + 0.5 * self.sd**2))

    @property
    def mean_square(self) -> float:
        """E[J^2]: what a jump adds to quadratic variation."""
        return self.mean**2 + self.sd**2


def compensator(jumps: tuple[NormalJump, ...]) -> float:
    """Sum of intensity times mean relative jump, per year: what the drift of the log-price must give back."""
    return sum(j.intensity * j.relative_mean for j in jumps)


def jump_exponent(s: np.ndarray, jumps: tuple[NormalJump, ...]) -> np.ndarray:
    """Exponent per year of E[e^{s J_t}] at real or complex `s`: sum of intensity (e^{s mean + s^2 sd^2 / 2} - 1)."""
    total = np.zeros_like(np.asarray(s))
    for j in jumps:
        total = total + j.intensity * np.expm1(s * j.mean + 0.5 * s * s * j.sd**2)
    return total


def jump_cumulants(jumps: tuple[NormalJump, ...]) -> np.ndarray:
    """First four cumulants per year of the jump part, shape (4,): intensity times the raw moments of the jump."""
    total = np.zeros(4)
    for j in jumps:
        m, d2 = j.mean, j.sd**2
        total += j.intensity * np.array([m, m * m + d2, m**3 + 3 * m * d2, m**4 + 6 * m * m * d2 + 3 * d2 * d2])
    return total
