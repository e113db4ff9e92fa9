"""What an answer depends on: Sobol indices, Morris screening, Shapley effects, with intervals.

With y = f(x), x independent uniforms mapped to their ranges:

    Sobol    S_i = Var(E[y | x_i]) / Var(y),  T_i = E[Var(y | all but x_i)] / Var(y)
             A and B two designs, A_B^i is A with column i from B (Saltelli et al. 2010; Jansen 1999):
             S_i = (V - mean((y_B - y_AB)^2) / 2) / V,  T_i = mean((y_A - y_AB)^2) / (2 V)
    Morris   elementary effects (f(x + d e_i) - f(x)) / d along random trajectories: mean, mean of absolute values, sd
    Shapley  average over orderings of what adding x_i explains (Owen 2014; Song, Nelson and Staum 2016); the only one
             that is right where inputs depend on each other, and it always adds up to 1

Designs are scrambled Sobol sequences, replicated with independent scrambles; intervals come from the spread of the
replicates.  A noisy function puts a ceiling under all indices: use common random numbers or an exact output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.estimate import Estimate

Function = Callable[[Floats], Floats]


def _estimates(values: Floats, confidence: float, n: int, method: str) -> tuple[Estimate, ...]:
    """Student t over replicates: `values` (R, d)."""
    from scipy.special import stdtrit

    r = values.shape[0]
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(r)
    half = float(stdtrit(r - 1, 0.5 + 0.5 * confidence)) * error
    return tuple(
        Estimate(float(m), float(e), float(m - h), float(m + h), confidence, n, float(r), method)
        for m, e, h in zip(mean, error, half, strict=True)
    )


@dataclass(frozen=True)
class SobolIndices:
    """First-order and total indices of each input; mean and variance of the output."""

    first: tuple[Estimate, ...]
    total: tuple[Estimate, ...]
    variance: float


def sobol_indices(
    function: Function, dimension: int, log2_points: int = 10, replicates: int = 10, confidence: float = 0.95,
    seed: int = 1,
) -> SobolIndices:  # fmt: skip
    """Sobol indices of `function` of independent uniforms.

    Parameters
    ----------
    function : callable
        ``function(u)`` of points (n, d) in the unit cube, shape (n,); costs (d + 2) 2^log2_points evaluations a
        replicate.
    dimension : int
    log2_points, replicates : int
        Points per design, independent scrambles; at least 4 replicates.
    confidence : float
    seed : int
    """
    from scipy.stats import qmc

    check_range("dimension", dimension, 1, 10_000)
    check_range("replicates", replicates, 4, 10_000)
    first, total, variance = np.empty((2, replicates, dimension)), None, np.empty(replicates)
    first, total = first
    for r in range(replicates):
        points = qmc.Sobol(2 * dimension, scramble=True, rng=np.random.default_rng([seed, r])).random_base2(log2_points)
        a, b = points[:, :dimension], points[:, dimension:]
        ya, yb = function(a), function(b)
        variance[r] = np.concatenate([ya, yb]).var()
        if variance[r] == 0.0:
            raise ValueError("the function must vary over the cube, got a constant")
        for i in range(dimension):
            mixed = a.copy()
            mixed[:, i] = b[:, i]
            y = function(mixed)
            first[r, i] = 1.0 - 0.5 * float(((yb - y) ** 2).mean()) / variance[r]
            total[r, i] = 0.5 * float(((ya - y) ** 2).mean()) / variance[r]
    n = (dimension + 2) * 2**log2_points * replicates
    method = f"scrambled Sobol designs, Student t over {replicates} scrambles"
    return SobolIndices(
        _estimates(first, confidence, n, method), _estimates(total, confidence, n, method), float(variance.mean())
    )


@dataclass(frozen=True)
class MorrisEffects:
    """Elementary effects of each input: mean, mean of absolute values (with its interval), standard deviation."""

    mean: Floats
    absolute: tuple[Estimate, ...]
    deviation: Floats


def morris(
    function: Function, dimension: int, trajectories: int = 20, levels: int = 4, confidence: float = 0.95, seed: int = 1
) -> MorrisEffects:
    """Morris (1991) screening of `function` over the unit cube; (d + 1) evaluations a trajectory.

    Parameters
    ----------
    function : callable
        As in `sobol_indices`.
    dimension, trajectories : int
    levels : int
        Even number of grid levels; steps are levels / (2 (levels - 1)).
    confidence : float
    seed : int
    """
    check_range("trajectories", trajectories, 4, 1_000_000)
    if levels < 2 or levels % 2:
        raise ValueError(f"levels must be an even number of at least 2, got {levels}")
    random = np.random.default_rng(seed)
    step = levels / (2.0 * (levels - 1.0))
    low = np.arange(levels // 2) / (levels - 1.0)
    effects = np.empty((trajectories, dimension))
    for t in range(trajectories):
        order, up = random.permutation(dimension), random.random(dimension) < 0.5
        start = random.choice(low, dimension)
        x = np.where(up, start, start + step)
        points = [x.copy()]
        for i in order:
            x[i] += step if up[i] else -step
            points.append(x.copy())
        y = function(np.array(points))
        for k, i in enumerate(order):
            effects[t, i] = (y[k + 1] - y[k]) / (step if up[i] else -step)
    method = f"Student t over {trajectories} trajectories"
    n = trajectories * (dimension + 1)
    return MorrisEffects(
        effects.mean(axis=0), _estimates(np.abs(effects), confidence, n, method), effects.std(axis=0, ddof=1)
    )


def shapley_from_explained(explained: Callable[[tuple[int, ...]], float], dimension: int) -> Floats:
    """Shapley effects from ``explained(group)``, the share of variance that the inputs of `group` explain, shape (d,).

    Exact over all 2^d groups; `explained(())` is 0 and that of all inputs 1.
    """
    check_range("dimension", dimension, 1, 16)
    value = {group: explained(group) for size in range(dimension + 1) for group in combinations(range(dimension), size)}
    out = np.zeros(dimension)
    for i in range(dimension):
        others = [j for j in range(dimension) if j != i]
        for size in range(dimension):
            weight = 1.0 / (dimension * comb(dimension - 1, size))
            for group in combinations(others, size):
                out[i] += weight * (value[tuple(sorted((*group, i)))] - value[group])
    return out


Conditional = Callable[[Floats, tuple[int, ...], np.random.Generator], Floats]


def shapley_effects(
    function: Function, sample: Callable[[int, np.random.Generator], Floats], conditional: Conditional, dimension: int,
    outer: int = 512, inner: int = 8, replicates: int = 10, confidence: float = 0.95, seed: int = 1,
) -> tuple[Estimate, ...]:  # fmt: skip
    """Shapley effects of inputs that may depend on each other.

    Parameters
    ----------
    function : callable
        ``function(x)`` of inputs (n, d), shape (n,).
    sample : callable
        ``sample(n, random)`` draws inputs (n, d) from their joint law.
    conditional : callable
        ``conditional(x, group, random)`` redraws the inputs of `group` in every row given the others, (n, d).
    dimension : int
    outer, inner : int
        Rows, and redraws of each, behind E[Var(y | others)]; unbiased for any `inner` of at least 2.
    replicates, confidence, seed
        Independent repetitions; intervals over them.
    """
    check_range("inner", inner, 2, 10_000)
    check_range("replicates", replicates, 4, 10_000)
    found = np.empty((replicates, dimension))
    everything = tuple(range(dimension))
    for r in range(replicates):
        random = np.random.default_rng([seed, r])
        variance = float(function(sample(outer * inner, random)).var(ddof=1))

        def explained(group: tuple[int, ...], random=random, variance=variance) -> float:
            """E[Var(y | all but the group)] / Var(y): as cost function it has the same effects."""
            if not group:
                return 0.0
            if group == everything:
                return 1.0
            x = sample(outer, random)
            y = np.stack([function(conditional(x, group, random)) for _ in range(inner)])
            return float(y.var(axis=0, ddof=1).mean()) / variance

        found[r] = shapley_from_explained(explained, dimension)
    n = replicates * (2**dimension - 2) * outer * inner
    return _estimates(found, confidence, n, f"nested simulation, Student t over {replicates} repetitions")
