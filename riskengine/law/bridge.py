"""Whether a path crossed a barrier between the points where it is known.

Between two points x_0, x_1 of a Brownian path with variance v between them, both inside a barrier that runs straight
from b_0 to b_1, the path has crossed with probability exp(-2 (x_0 - b_0) (x_1 - b_1) / v), whatever its drift.
Between its jumps a jump diffusion is such a path: with the points just before and just after every jump among those
known, the product over the pieces is an unbiased detector of liquidation under continuous watching (Metwally, Atiya
2002).  A piece of variance zero is a jump: it crosses if it lands beyond.

On the lanes of a simulated world a step is a piece.  That is exact for GBM.  Where a jump falls inside the step, or the
variance moves within it (Bates, with the mean of its ends), the step is treated as one Brownian piece between the same
ends: an approximation that vanishes with the step.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_shape
from riskengine.estimate import Estimate
from riskengine.jit import kernel, wide_vectors
from riskengine.law.merton import MertonLaw
from riskengine.law.reference import replicated
from riskengine.vecmath import exp

_LANES = 256


@kernel
def bridge_lanes(x, barrier, variance, side, piece, path):
    """Crossing probabilities of pieces and paths.

    Parameters
    ----------
    x : ndarray, shape (N + 1, P)
        Log-price at the knots.
    barrier : ndarray, shape (N + 1,)
        Log of the barrier at the knots, straight between them.
    variance : ndarray, shape (N, P)
        Variance of the log-price over each piece; 0 for a jump.
    side : float
        1 for a barrier below, -1 for one above.
    piece : ndarray, shape (N, P)
        Written: probability that the piece crosses.
    path : ndarray, shape (P,)
        Written: probability that any piece does; 1 where a knot lies beyond.  NaN where the path is NaN.
    """
    wide_vectors()
    pieces, paths = piece.shape
    for first in range(0, paths, _LANES):
        last = min(first + _LANES, paths)
        for p in range(first, last):
            path[p] = 0.0
        for n in range(pieces):
            b0, b1 = barrier[n], barrier[n + 1]
            for p in range(first, last):
                near = side * (x[n, p] - b0)
                far = side * (x[n + 1, p] - b1)
                v = variance[n, p]
                product = near * far
                # a jump from inside to inside crosses nothing: the exponent is as good as minus infinity
                crossing = exp(-2.0 * product / v) if v > 0.0 else (0.0 if v == 0.0 else v * np.nan)
                crossing = 1.0 if (near <= 0.0 or far <= 0.0) else crossing
                crossing = crossing if product == product else product
                piece[n, p] = crossing
                path[p] = path[p] + (1.0 - path[p]) * crossing


def bridge_crossing(x: ArrayLike, barrier: ArrayLike, variance: ArrayLike, below: bool = True) -> tuple[Floats, Floats]:
    """Probability that each piece, and each path, crossed the barrier.

    Parameters
    ----------
    x : array_like, shape (N + 1, P)
        Log-price at the knots.
    barrier : array_like, shape () or (N + 1,)
        Log of the barrier: one, or one a knot, straight between.
    variance : array_like, shape (N,) or (N, P)
        Variance of the log-price over each piece (sigma^2 dt), >= 0; 0 for a jump.
    below : bool
        Whether the barrier lies below the path.

    Returns
    -------
    (ndarray, ndarray)
        Shapes (N, P) and (P,).

    Examples
    --------
    >>> piece, path = bridge_crossing([[0.0], [0.0]], -0.1, [0.01])
    >>> float(path[0].round(6))
    0.135335
    """
    knots = np.ascontiguousarray(x, dtype=np.float64)
    if knots.ndim != 2 or knots.shape[0] < 2:
        raise ValueError(f"x must have shape (knots of at least 2, paths), got {knots.shape}")
    pieces, paths = knots.shape[0] - 1, knots.shape[1]
    line = np.ascontiguousarray(np.broadcast_to(np.asarray(barrier, dtype=np.float64), (pieces + 1,)))
    spread = np.asarray(variance, dtype=np.float64)
    spread = np.ascontiguousarray(np.broadcast_to(spread[:, None] if spread.ndim == 1 else spread, (pieces, paths)))
    check_shape("variance", spread, (pieces, paths))
    if (spread < 0).any():
        raise ValueError(f"variance must hold non-negative numbers, got {float(spread.min())!r}")
    piece, path = np.empty((pieces, paths)), np.empty(paths)
    bridge_lanes(knots, line, spread, 1.0 if below else -1.0, piece, path)
    return piece, path


def merton_passage(law: MertonLaw, barrier: float, paths: int = 1 << 17, seed: int = 0) -> Estimate:
    """P(the price touches the barrier within the law's horizon) under continuous watching: a reference with its error.

    Knots at the jump times, which are exact, and Brownian pieces between them: unbiased, and no step to choose.

    Parameters
    ----------
    law : MertonLaw
    barrier : float
        Multiple of the spot, positive and not 1.
    paths : int
        In 16 batches, whose spread is the error.
    seed : int

    Returns
    -------
    Estimate
        Method ``"reference, 16 replicates, t"``.
    """
    if not (np.isfinite(barrier) and barrier > 0 and barrier != 1.0):
        raise ValueError(f"barrier must be a positive multiple of the spot other than 1, got {barrier!r}")
    batch = max(1, paths // 16)
    streams = np.random.SeedSequence(seed).spawn(16)
    found = [_merton_batch(law, math.log(barrier), batch, np.random.default_rng(s)) for s in streams]
    return replicated(np.array(found), 16 * batch)


def _merton_batch(law: MertonLaw, barrier: float, paths: int, generator: np.random.Generator) -> float:
    rates = np.array([j.intensity for j in law.jumps])
    total = float(rates.sum()) * law.horizon
    count = generator.poisson(total, paths)
    most = int(count.max(initial=0))
    # jump times in order; those a path does not have lie at the horizon and have size zero
    time = np.sort(np.where(np.arange(most)[:, None] < count, generator.random((most, paths)), 1.0), axis=0)
    edge = np.concatenate([np.zeros((1, paths)), time, np.ones((1, paths))]) * law.horizon
    variance = law.sigma**2 * np.diff(edge, axis=0)
    trend = law.drift - 0.5 * law.sigma**2 - sum(j.intensity * j.relative_mean for j in law.jumps)
    move = trend * np.diff(edge, axis=0) + np.sqrt(variance) * generator.standard_normal(variance.shape)
    steps = np.zeros((2 * most + 1, paths))
    spread = np.zeros_like(steps)
    steps[::2], spread[::2] = move, variance
    if most:
        kind = generator.choice(rates.size, (most, paths), p=rates / rates.sum())
        mean, sd = (np.array([getattr(j, name) for j in law.jumps])[kind] for name in ("mean", "sd"))
        size = mean + sd * generator.standard_normal((most, paths))
        steps[1::2] = np.where(time < 1.0, size, 0.0)
    x = np.concatenate([np.zeros((1, paths)), np.cumsum(steps, axis=0)])
    return float(bridge_crossing(x, barrier, spread, below=barrier < 0)[1].mean())
