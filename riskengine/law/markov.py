"""Continuous-time Markov chains with finitely many states: what a generator must be, and where it settles.

Q_ij is the rate from state i to j per year, Q_ii = -sum of the others: a state is held for an exponential time of mean
-1 / Q_ii and left for j with probability -Q_ij / Q_ii.  A stationary law pi solves pi' Q = 0, sum pi = 1; it is unique
where one class of states can be reached from everywhere.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats

_MOST_CHANGES = 1e5  # per year: beyond it a path spends its time on the chain


def generator_faults(name: str, value: ArrayLike, count: int) -> list[str]:
    """What is wrong with `value` as the generator of `count` states; empty where nothing is."""
    try:
        rates = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        rates = np.empty(0)
    if rates.shape != (count, count):
        return [f"{name} must hold {count} rows of {count} rates per year, got {value!r}"]
    if not np.isfinite(rates).all():
        return [f"{name} must hold finite rates, got {rates.tolist()}"]
    faults = [
        f"{name} must hold rates in [0, {_MOST_CHANGES:g}] off its diagonal, got {rates[i, j]:g} at ({i}, {j})"
        for i, j in np.argwhere((rates < 0.0) | (rates > _MOST_CHANGES)).tolist()
        if i != j
    ]
    excess = rates.sum(axis=1)
    faults += [
        f"{name} must have rows that sum to 0, got {excess[i]:g} in row {i}"
        for i in np.flatnonzero(np.abs(excess) > 1e-9 * np.maximum(1.0, np.abs(rates).max(axis=1))).tolist()
    ]
    return faults


def reaches_one_class(generator: ArrayLike) -> bool:
    """Whether some state can be reached from every state, so that the stationary law is unique."""
    rates = np.asarray(generator, dtype=np.float64)
    reach = (rates > 0.0) | np.eye(len(rates), dtype=bool)
    for _ in range(len(rates).bit_length()):
        reach = (reach.astype(np.int64) @ reach.astype(np.int64)) > 0
    return bool(reach.all(axis=0).any())


def stationary_law(generator: ArrayLike) -> Floats:
    """Probabilities pi with pi' Q = 0, shape (K,); the generator must have one (`reaches_one_class`)."""
    rates = np.asarray(generator, dtype=np.float64)
    count = len(rates)
    # the equations of pi' Q = 0 sum to nothing: the last is replaced by the total
    system = rates.T.copy()
    system[-1] = 1.0
    pi = np.linalg.solve(system, np.eye(count)[-1])
    return np.maximum(pi, 0.0) / np.maximum(pi, 0.0).sum()


def exponentials(matrices: np.ndarray) -> np.ndarray:
    """e^M of each matrix of a stack (N, K, K), real or complex, by scaling, a Taylor polynomial and squaring.

    Matrices of one scaling go together, so each is scaled by what its own norm asks for.  For small K and large N this
    is several times faster than a general routine for one matrix at a time.  Reference: Moler, Van Loan, SIAM Review
    45 (2003), 3-49, method 3.  Two states have the closed form of `_exponentials_of_two`.
    """
    if matrices.shape[1] == 2:
        return _exponentials_of_two(matrices)
    out = np.empty_like(matrices)
    size = np.abs(matrices).sum(axis=2).max(axis=1)
    halvings = np.maximum(np.ceil(np.log2(np.maximum(size, 0.25) / 0.5)), 0.0).astype(np.int64)
    one = np.eye(matrices.shape[1], dtype=matrices.dtype)
    for j in np.unique(halvings):
        group = halvings == j
        scaled = matrices[group] * 0.5**j
        value = np.broadcast_to(one, scaled.shape)
        # norm 1/2: the first term left out is below 0.5^16 / 16! = 7e-19
        for n in range(15, 0, -1):
            value = one + scaled @ value / n
        for _ in range(j):
            value = value @ value
        out[group] = value
    return out


def _exponentials_of_two(matrices: np.ndarray) -> np.ndarray:
    """e^M of 2 x 2 matrices, shape (N, 2, 2).

    With rows (a, b) and (c, e), h half the trace and d^2 = (a - e)^2 / 4 + b c,

        e^M = (e^{h+d} + e^{h-d}) / 2 I + (e^{h+d} - e^{h-d}) / (2 d) (M - h I),

    the eigenvalues being h + d and h - d.
    """
    half = 0.5 * (matrices[:, 0, 0] + matrices[:, 1, 1])
    gap = 0.5 * (matrices[:, 0, 0] - matrices[:, 1, 1])
    complex_type = np.result_type(matrices, np.complex64)
    d = np.sqrt((gap * gap + matrices[:, 0, 1] * matrices[:, 1, 0]).astype(complex_type))
    up, down = np.exp(half + d), np.exp(half - d)
    # (e^x - e^-x) / 2 x from its series where x is small: the next term is below 1e-20
    near = np.abs(d) < 1e-3
    square = d * d
    series = np.exp(half) * (1.0 + square / 6.0 * (1.0 + square / 20.0 * (1.0 + square / 42.0)))
    slope = np.where(near, series, 0.5 * (up - down) / np.where(near, 1.0, d))
    mean = 0.5 * (up + down)
    out = np.empty(matrices.shape, dtype=complex_type)
    out[:, 0, 0], out[:, 1, 1] = mean + slope * gap, mean - slope * gap
    out[:, 0, 1], out[:, 1, 0] = slope * matrices[:, 0, 1], slope * matrices[:, 1, 0]
    return out if np.iscomplexobj(matrices) else out.real
