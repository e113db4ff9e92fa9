"""How well a chain determines the parameters: standard errors, and the directions it says nothing about.

Errors of an M-estimator with homogeneous scaled residuals z (Huber 1981, section 7.6):

    Cov = n / (n - p) mean(psi^2) / mean(psi')^2 (J' J)^{-1},     psi = z rho'(z^2),

without the pull, since a pull is no information about the market.  A coordinate on its bound is held.  Quotes of one
expiry share errors, so these are lower bounds of the true uncertainty, and what they call identified may not be: the
rule is that of all fits (`riskengine.calibrate.identified`), on the 95 % interval of a normal law.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.identified import FACTOR, not_identified
from riskengine.calibrate.pricing_law.levenberg import loss
from riskengine.calibrate.pricing_law.parameters import Coordinates

_NORMAL = 1.959963984540054
_FLAT = float(np.log(FACTOR)) / (2.0 * _NORMAL)  # a standard error whose interval of a logarithm is a factor of 10 wide
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
    """Directions whose standard error is above 0.59, a factor of 10 from end to end; flattest first."""
    size, vectors = np.linalg.eigh(cov)
    out = []
    for variance, vector in sorted(zip(size, vectors.T, strict=True), key=lambda pair: -pair[0]):
        if variance <= _FLAT**2:
            break
        lead = vector[np.argmax(np.abs(vector))]
        parts = {n: float(v / lead) for n, v in zip(names, vector, strict=True) if abs(v / lead) > 0.2}
        ordered = dict(sorted(parts.items(), key=lambda item: -abs(item[1])))
        out.append(Valley(float(np.sqrt(variance)), ordered))
    return tuple(out)


def unidentified(coordinates: Coordinates, x: Floats, error: Floats, held: np.ndarray) -> dict[str, str]:
    """Parameters that the chain does not decide, with the reason.

    Parameters
    ----------
    coordinates : Coordinates
    x, error : ndarray, shape (P,)
        The minimum and the standard errors, both as the optimiser moves them.
    held : ndarray of bool, shape (P,)
        Which lie on a bound.
    """
    with np.errstate(over="ignore"):  # an end beyond the range of float64 is open
        ends = [coordinates.values(x + side * _NORMAL * error).tolist() for side in (0.0, -1.0, 1.0)]
    at, low, high = (dict(zip(coordinates.names, values, strict=True)) for values in ends)
    out = {}
    for name, bound in zip(coordinates.names, held.tolist(), strict=True):
        reason = not_identified(name, at, (low[name], high[name]), on_bound=bound)
        out |= {name: reason} if reason else {}
    return out
