"""Probability that a price is found beyond a barrier when it is looked at n times, not all the time.

With F the law of one step and f_k the density, after k steps, of the log-prices that never were beyond the barrier b,
    f_1(y) = f(y),   f_{k+1}(y) = int_b^inf f_k(x) f(y - x) dx,
    P = F(b) + sum_{k=1}^{n-1} int_b^inf f_k(x) F(b - x) dx.
The integrals are Gauss-Legendre panels that start at the barrier, where f_k ends: every panel sees a smooth function.
A sum of positive parts: relative accuracy is kept however small P is.

A simulator that steps daily sees fewer liquidations than one that watches: a barrier moved outwards by
beta sigma sqrt(dt), beta = -zeta(1/2) / sqrt(2 pi) = 0.5826, turns the continuous formula into the discrete one up to
o(sqrt(dt)) (Broadie, Glasserman, Kou 1997; `shifted_barrier`), and moved inwards the discrete into the continuous.
"""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.law.inversion import chernoff_window
from riskengine.law.merton import MertonLaw

CONTINUITY = 0.5825971579390107
_NODES = 12
_MOST_NODES = 60_000


def shifted_barrier(barrier: ArrayLike, sigma: float, step: float, outward: bool = True) -> Floats:
    """The barrier that turns one way of watching into the other, shape of `barrier`.

    Parameters
    ----------
    barrier : array_like
        Multiple of the spot.
    sigma : float
        Diffusive volatility per year.  Jumps over the barrier are seen either way and need no correction.
    step : float
        Years between looks.
    outward : bool
        Away from the spot: watched all the time, the shifted barrier is touched as often as `barrier` is found touched
        every `step`.  Towards it: looked at every `step`, it is found touched as often as `barrier` really is.
    """
    ratio = np.asarray(barrier, dtype=np.float64)
    away = np.where(ratio < 1.0, -1.0, 1.0) * (1.0 if outward else -1.0)
    return ratio * np.exp(away * CONTINUITY * sigma * np.sqrt(step))


def monitored_passage(law: MertonLaw, barrier: float, steps: int, nodes: int = _NODES) -> float:
    """P(the price is at or beyond the barrier at one of `steps` looks).

    Parameters
    ----------
    law : MertonLaw
        Law of one step; without jumps, geometric Brownian motion.
    barrier : float
        Multiple of the spot, positive; at 1 the answer is 1.
    steps : int
        Looks, at the end of each step.
    nodes : int
        Gauss-Legendre nodes a panel of two standard deviations of one step's diffusion; 12 leave about 1e-12.

    Returns
    -------
    float
        RunError where more than 60,000 nodes would be needed.
    """
    if not (np.isfinite(barrier) and barrier > 0):
        raise ValueError(f"barrier must be a positive multiple of the spot, got {barrier!r}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    side = -1.0 if barrier > 1.0 else 1.0
    b = -abs(np.log(barrier))  # mirrored so that the barrier lies below
    if b == 0.0:
        return 1.0
    beyond = law.cdf if side > 0 else (lambda x: law.survival(-x))
    width = 2.0 * law.narrowest
    panels = int(np.ceil((_reach(law, side, steps) - b) / width))
    if panels * nodes > _MOST_NODES:
        raise RunError(
            f"the grid must have at most {_MOST_NODES} nodes, got {panels * nodes}: the steps are too short "
            "beside the jumps or the horizon"
        )
    node, weight = np.polynomial.legendre.leggauss(nodes)
    place, weight = 0.5 * width * (node + 1.0), 0.5 * width * weight
    x = b + width * np.arange(panels)[:, None] + place
    density, hit = law.pdf(side * x), float(beyond(np.array(b)))
    over = weight * beyond(b - x)
    # a step reaches so many panels either way, and looks the same from each of them: one block for each offset
    far = min(panels - 1, int(np.ceil(max(_reach(law, side, 1), _reach(law, -side, 1)) / width)) + 1)
    offset = width * np.arange(far, -far - 1, -1)
    block = law.pdf(side * (offset[:, None, None] + place[None, None, :] - place[None, :, None])) * weight[:, None]
    block = block.reshape(-1, nodes)
    padded = np.zeros((panels + 2 * far, nodes))
    for k in range(1, steps):
        hit += float((over * density).sum())
        if k < steps - 1:
            padded[far : far + panels] = density
            window = np.lib.stride_tricks.sliding_window_view(padded, 2 * far + 1, axis=0)
            density = window.transpose(0, 2, 1).reshape(panels, -1) @ block
    return hit


def _reach(law: MertonLaw, side: float, steps: int) -> float:
    """Log-price, times `side`, beyond which lie at most 1e-17 of the paths after any number of the steps."""
    ends = [chernoff_window(lambda s, n=n: n * law.log_mgf(side * s), law.scale * np.sqrt(n))[1] for n in {1, steps}]
    return max(0.0, *ends)
