"""The parameters of each pricing law as an optimiser moves them: names, scales, bounds and starting points.

Positive parameters move on a log scale, so a step is relative and no bound at zero is needed.  Bounds are wide; a
parameter that ends on one is reported.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.pricing.chain_prices import FAMILIES

# parameter -> (low, high, log scale)
_RANGES: dict[str, tuple[float, float, bool]] = {
    "v0": (1e-4, 9.0, True),
    "kappa": (0.05, 60.0, True),
    "theta": (1e-3, 9.0, True),
    "xi": (0.02, 15.0, True),
    "rho": (-0.98, 0.98, False),
    "intensity": (0.02, 300.0, True),
    "mean": (-0.8, 0.6, False),
    "sd": (0.003, 0.8, True),
    "variance_mean": (1e-4, 4.0, True),
    "slope": (-3.0, 0.9, False),
    "volatility": (0.01, 5.0, True),
    "up_share": (0.01, 0.99, False),
    "eta_up": (1.5, 500.0, True),
    "eta_down": (0.7, 500.0, True),
}
_MAY_BE_ZERO = ("v0", "intensity", "sd", "variance_mean")

# (kappa, xi, intensity, mean, sd): slow and fast variance, rare and large to frequent and small jumps
_AFFINE_STARTS = (
    (6.0, 2.0, 2.0, -0.05, 0.12),
    (2.0, 1.0, 1.0, -0.1, 0.2),
    (15.0, 3.0, 10.0, -0.02, 0.06),
    (6.0, 1.5, 30.0, -0.01, 0.04),
    (1.0, 0.6, 0.5, -0.2, 0.3),
    (3.0, 1.2, 60.0, -0.005, 0.03),
)
_LEVY_STARTS = ((1.0, -0.1, 0.2), (10.0, -0.03, 0.1), (50.0, -0.01, 0.05))


@dataclass(frozen=True)
class Coordinates:
    """The map between the parameters of a family and the vector an optimiser moves.

    Attributes
    ----------
    family : str
    names : tuple of str
    log : ndarray of bool, shape (P,)
        Which move on a log scale.
    low, high : ndarray, shape (P,)
        Bounds of the vector.
    """

    family: str
    names: tuple[str, ...]
    log: np.ndarray
    low: Floats
    high: Floats

    @classmethod
    def of(cls, family: str) -> "Coordinates":
        """Coordinates of a family named in `FAMILIES`; ValueError where there is none."""
        if family not in FAMILIES:
            raise ValueError(f"model must be one of {', '.join(FAMILIES)}, got {family!r}")
        names = FAMILIES[family][0]
        log = np.array([_RANGES[n][2] for n in names])
        ends = np.array([_RANGES[n][:2] for n in names]).T
        low, high = (np.where(log, np.log(np.where(log, e, 1.0)), e) for e in ends)
        return cls(family, names, log, low, high)

    def values(self, x: Floats) -> Floats:
        """Parameters at the vector `x`."""
        return np.where(self.log, np.exp(np.where(self.log, x, 0.0)), x)

    def vector(self, values: Floats) -> Floats:
        """The vector of `values`, moved into the bounds."""
        x = np.where(self.log, np.log(np.where(self.log, np.maximum(values, 1e-300), 1.0)), values)
        return np.clip(x, self.low, self.high)

    def scale(self, values: Floats) -> Floats:
        """Derivative of each parameter in its coordinate."""
        return np.where(self.log, values, 1.0)

    def on_bound(self, x: Floats) -> tuple[str, ...]:
        """Names of the parameters that lie on a bound."""
        near = 1e-6
        return tuple(
            n for n, v, a, b in zip(self.names, x, self.low, self.high, strict=True) if v <= a + near or v >= b - near
        )


def check_values(family: str, values: dict[str, float]) -> None:
    """ValueError with every fault of the parameters of a law: signs, correlations, an infinite mean jump."""
    faults = []
    for name, value in values.items():
        if not np.isfinite(value):
            faults.append(f"{name} must be finite, got {value!r}")
        elif _RANGES[name][2] and not value > 0.0 and not (name in _MAY_BE_ZERO and value == 0.0):
            faults.append(f"{name} must be positive, got {value!r}")
    if not abs(values.get("rho", 0.0)) <= 1.0:
        faults.append(f"rho must lie in [-1, 1], got {values['rho']!r}")
    if not 0.0 <= values.get("up_share", 0.5) <= 1.0:
        faults.append(f"up_share must lie in [0, 1], got {values['up_share']!r}")
    if not values.get("eta_up", 2.0) > 1.0:
        faults.append(f"eta_up must be above 1, else the mean relative jump is infinite, got {values['eta_up']!r}")
    if not values.get("variance_mean", 0.0) * values.get("slope", 0.0) < 1.0:
        faults.append(
            "variance_mean * slope must be below 1, else the mean relative jump is infinite, "
            f"got {values['variance_mean']!r} * {values['slope']!r}"
        )
    if faults:
        raise ValueError(f"{family}: " + "; ".join(faults))


def starts(family: str, at_the_money: Floats) -> list[Floats]:
    """Starting parameters of a family, given the at-the-money volatility of every expiry (nearest first)."""
    level, near, far = float(np.median(at_the_money)), float(at_the_money[0]), float(at_the_money[-1])
    if family == "black":
        return [np.array([level])]
    if family == "merton":
        return [np.array([0.8 * level, *jumps]) for jumps in _LEVY_STARTS]
    if family == "kou":
        return [np.array([0.8 * level, rate, 0.45, 1.0 / sd, 1.0 / sd]) for rate, _, sd in _LEVY_STARTS]
    out = []
    for kappa, xi, rate, mean, sd in _AFFINE_STARTS:
        point = [0.8 * near**2, kappa, far**2, xi, -0.2, rate, mean, sd, 0.1, -0.1]
        out.append(np.array(point[: len(FAMILIES[family][0])]))
    return out
