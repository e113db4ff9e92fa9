"""How well a chain determines the parameters: standard errors, and the directions it says nothing about.

Errors of an M-estimator with homogeneous scaled residuals z (Huber 1981, section 7.6):

    Cov = n / (n - p) mean(psi^2) / mean(psi')^2 (J' J)^{-1},     psi = z rho'(z^2),

without the pull, since a pull is no information about the market.  A coordinate on its bound is held.  Quotes of one
expiry share errors, so these are lower bounds of the true uncertainty.  So a parameter is called identified by a
stricter rule than one with an interval from a history (`riskengine.calibrate.identified`): on its own coordinate, whose
95 % interval is then at most about a factor of 7 wide, not 10, for a positive one.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.pricing_law.levenberg import loss

# a parameter is called identified below this standard error of its coordinate: a factor 1.65, or 0.25 of a correlation
IDENTIFIED_LOG, IDENTIFIED = 0.5, 0.25
_WORST = 1e3  # standard error of a direction about which the chain says nothing


@dataclass(frozen=True)
class Valley:
    """A direction in which the objective is flat.

    Attributes
    ----------
    sd : float
        Standard error along it, in units of the coordinates (logarithms, for positive parameters).
    direction : dict of str to float
        Its main components, the largest 1.
    """

    sd: float
    direction: dict[str, float]

    def __str__(self) -> str:
        parts = ", ".join(
            f"{name} {'+' if value > 0 else '-'}{abs(value):.2g}" for name, value in self.direction.items()
        )
        return f"{parts} (standard error {self.sd:.2g})"


def covariance(z: Floats, jacobian: Floats, kind: str, held: np.ndarray) -> Floats:
    """Covariance of the coordinates, shape (P, P); zero rows for those `held`.

    Parameters
    ----------
    z : ndarray, shape (Q,)
        Scaled errors at the minimum.
    jacobian : ndarray, shape (Q, P)
    kind : str
        Loss.
    held : ndarray of bool, shape (P,)
    """
    free = ~held
    count, used = z.size, int(free.sum())
    step = 1e-4
    psi = z * loss(z * z, kind)[1]
    up, down = (a * loss(a * a, kind)[1] for a in (z + step, z - step))
    slope = float(((up - down) / (2.0 * step)).mean())
    spread = float((psi**2).sum()) / max(count - used, 1)
    out = np.zeros((held.size, held.size))
    # the floor on psi' keeps the error finite where every quote is outside
    factor = spread / max(slope, 1.0 / count) ** 2
    moving = jacobian[:, free]
    size, vectors = np.linalg.eigh(moving.T @ moving)
    inverse = np.minimum(factor / np.maximum(size, 1e-300), _WORST**2)
    out[np.ix_(free, free)] = (vectors * inverse) @ vectors.T
    return out


def valleys(names: tuple[str, ...], cov: Floats) -> tuple[Valley, ...]:
    """Directions whose standard error is above `IDENTIFIED_LOG`, flattest first."""
    size, vectors = np.linalg.eigh(cov)
    out = []
    for variance, vector in sorted(zip(size, vectors.T, strict=True), key=lambda pair: -pair[0]):
        if variance <= IDENTIFIED_LOG**2:
            break
        lead = vector[np.argmax(np.abs(vector))]
        parts = {n: float(v / lead) for n, v in zip(names, vector, strict=True) if abs(v / lead) > 0.2}
        ordered = dict(sorted(parts.items(), key=lambda item: -abs(item[1])))
        out.append(Valley(float(np.sqrt(variance)), ordered))
    return tuple(out)
