"""Levenberg-Marquardt for robust losses inside bounds.

Minimises sum rho(r_i^2) over the first rows and sum r_i^2 over the rows of a penalty.  The normal matrix is J' W J with
W = rho'(r^2) (iteratively reweighted least squares), so a step never follows a direction in which the loss is concave.
A coordinate on a bound whose gradient points outward is held for the step (projected Newton, Bertsekas 1982).

Losses, z in units of the scale of a quote: ``square`` z^2; ``huber`` linear beyond z = 1; ``cauchy`` log(1 + z^2);
``inside`` z^2 / (1 + z^2), nearly a count of the quotes with |z| > 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats

LOSSES = ("square", "huber", "cauchy", "inside")
_LONGEST_STEP = 1.5


@dataclass(frozen=True)
class Minimum:
    """Where the search ended.

    Attributes
    ----------
    x : ndarray, shape (P,)
    cost : float
        Sum of losses, penalty included.
    residuals : ndarray, shape (R,)
    jacobian : ndarray, shape (R, P)
    iterations : int
        Evaluations of the model.
    settled : bool
        Whether the last step gained less than the tolerance, rather than the number of steps running out.
    """

    x: Floats
    cost: float
    residuals: Floats
    jacobian: Floats
    iterations: int
    settled: bool


def loss(square: Floats, kind: str) -> tuple[Floats, Floats]:
    """rho(z^2) and its derivative in z^2, both of the shape of `square` = z^2."""
    if kind == "square":
        return square, np.ones_like(square)
    if kind == "huber":
        z = np.sqrt(square)
        return np.where(z < 1.0, square, 2.0 * z - 1.0), 1.0 / np.maximum(z, 1.0)
    if kind == "cauchy":
        return np.log1p(square), 1.0 / (1.0 + square)
    if kind == "inside":
        return square / (1.0 + square), 1.0 / (1.0 + square) ** 2
    raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {kind!r}")


def minimise(
    model: Callable[[Floats], tuple[Floats, Floats]],
    start: Floats,
    low: Floats,
    high: Floats,
    *,
    kind: str = "huber",
    penalties: int = 0,
    steps: int = 200,
    tolerance: float = 1e-7,
    damping: float = 1e-3,
) -> Minimum:
    """Search from `start`.

    Parameters
    ----------
    model : callable
        Residuals, shape (R,), and their Jacobian, shape (R, P), at a vector; not finite where the model fails.
    start, low, high : ndarray, shape (P,)
    kind : str
        Name in `LOSSES`.
    penalties : int
        Number of rows at the end that are squared whatever the loss.
    steps : int
        Most steps.
    tolerance : float
        Relative gain below which a step is the last.
    damping : float
        Of the first step.
    """
    x = np.clip(start, low, high)
    r, jacobian = model(x)
    cost, weight = _cost(r, kind, penalties)
    count, settled = 1, False
    for _ in range(steps):
        gradient = jacobian.T @ (weight * r)
        free = ~(((x <= low) & (gradient > 0.0)) | ((x >= high) & (gradient < 0.0)))
        moving = jacobian[:, free]
        normal = (moving * weight[:, None]).T @ moving
        diagonal = np.diag(normal) + 1e-9 * np.diag(normal).max(initial=1e-12)
        gain = -1.0
        for _ in range(12):
            step = np.zeros_like(x)
            step[free] = -np.linalg.solve(normal + damping * np.diag(diagonal), gradient[free])
            trial = np.clip(x + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP), low, high)
            r_new, jacobian_new = model(trial)
            count += 1
            cost_new, weight_new = _cost(r_new, kind, penalties)
            if cost_new < cost:
                gain = (cost - cost_new) / cost if np.isfinite(cost) else 1.0
                break
            damping = 4.0 * max(damping, 1e-6)
        if gain < 0.0:
            settled = True
            break
        damping = max(damping / 5.0, 1e-12)
        x, r, jacobian, cost, weight = trial, r_new, jacobian_new, cost_new, weight_new
        if gain < tolerance:
            settled = True
            break
    return Minimum(x, float(cost), r, jacobian, count, settled)


def _cost(r: Floats, kind: str, penalties: int) -> tuple[float, Floats]:
    quotes = r.size - penalties
    with np.errstate(over="ignore", invalid="ignore"):
        value, weight = loss(r[:quotes] * r[:quotes], kind)
        total = float(value.sum() + (r[quotes:] ** 2).sum())
    return total if np.isfinite(total) else np.inf, np.concatenate([weight, np.ones(penalties)])
