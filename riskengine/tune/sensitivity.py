"""What an answer depends on: Sobol indices, Morris screening, Shapley effects, with intervals, noise taken out.

With y = f(x), x independent uniforms mapped to their ranges:

    Sobol    S_g = Var(E[y | x_g]) / Var(y),  T_g = E[Var(y | all but x_g)] / Var(y)
             A and B two designs, A_B^g is A with the columns of g from B (Saltelli et al. 2010; Jansen 1999)
             S_g = mean((y_B - m) (y_AB - y_A)) / V,  T_g = mean((y_A - y_AB)^2) / (2 V),  m the mean of all y_A, y_B;
             both are exactly 0 for what does not move the answer
    Morris   elementary effects (f(x + d e_i) - f(x)) / d along random trajectories: mean, mean of absolute values, sd
    Shapley  average over orderings of what adding x_i explains (Owen 2014; Song, Nelson and Staum 2016); the only one
             that is right where inputs depend on each other, and it always adds up to 1.  With c(u) = E[Var(y | x_-u)]
             a walk along one random ordering redraws more and more inputs from their law given the rest; each step
             adds to one input.  Orderings that keep groups together give Owen's value, whose sums over groups are the
             Shapley effects of the groups.

Noise.  A simulated answer is an estimate: y_k(x) = f(x) + e_k(x) from K batches of paths, independent of each other and
shared by all points.  A mean square of differences then holds E[e^2] too.  Every mean square here is the product of
*different* batches, averaged over all pairs,

    (d^2)~ = ((sum_k d_k)^2 - sum_k d_k^2) / (K (K - 1)),    E[(d^2)~] = (f - f')^2,

so indices are those of f; what was taken out is reported as a share of the raw variance.  Designs are scrambled Sobol
sequences, replicated with independent scrambles (and paths of their own): intervals, Student's t over the replicates by
the delta method for a ratio, hold the error of the design and of the simulation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.estimate import Estimate, undetermined

Function = Callable[[Floats], Floats]
Groups = Sequence[Sequence[int]]


def products(a: Floats, b: Floats) -> Floats:
    """Product of the expectations behind batches (..., K) without that of their noise; plain where K is 1."""
    k = a.shape[-1]
    if k == 1:
        return a[..., 0] * b[..., 0]
    return (a.sum(axis=-1) * b.sum(axis=-1) - (a * b).sum(axis=-1)) / (k * (k - 1.0))


def squares(d: Floats) -> Floats:
    """Square of the expectation behind batches `d` (..., K)."""
    return products(d, d)


def spread(y: Floats) -> tuple[float, float]:
    """(variance over points without noise, noise) of batches `y` (n, K): noise is what a plain variance has more."""
    centred = y - y.mean(axis=0)
    scale = y.shape[0] / (y.shape[0] - 1.0)
    clean = scale * float(squares(centred).mean())
    return clean, scale * float((centred.mean(axis=-1) ** 2).mean()) - clean


def mean_over(values: Floats, confidence: float, n: int, method: str) -> tuple[Estimate, ...]:
    """Mean of each column of `values` (R, d) with Student's t over its R replicates."""
    return ratio_over(values, np.ones(values.shape[0]), confidence, n, method)


def ratio_over(top: Floats, bottom: Floats, confidence: float, n: int, method: str) -> tuple[Estimate, ...]:
    """Ratio of the means of `top` (R, d) and `bottom` (R,), delta method, Student's t over replicates."""
    from scipy.special import stdtrit

    r, whole = top.shape[0], float(bottom.mean())
    if not whole > 0.0:
        return tuple(undetermined(n, "the answer does not vary beyond its noise") for _ in range(top.shape[1]))
    value = top.mean(axis=0) / whole
    error = (top - bottom[:, None] * value).std(axis=0, ddof=1) / (whole * np.sqrt(r))
    half = float(stdtrit(r - 1, 0.5 + 0.5 * confidence)) * error
    return tuple(
        Estimate(float(m), float(e), float(m - h), float(m + h), confidence, n, float(r), method)
        for m, e, h in zip(value, error, half, strict=True)
    )


def sobol_design(dimension: int, groups: Groups, log2_points: int, seed: Sequence[int]) -> Floats:
    """Points of one replicate in the unit cube, shape (2 + groups, N, d): A, B, then A with each group from B."""
    from scipy.stats import qmc

    points = qmc.Sobol(2 * dimension, scramble=True, rng=np.random.default_rng(list(seed))).random_base2(log2_points)
    a, b = points[:, :dimension], points[:, dimension:]
    out = [a, b]
    for group in groups:
        mixed = a.copy()
        mixed[:, list(group)] = b[:, list(group)]
        out.append(mixed)
    return np.array(out)


@dataclass(frozen=True)
class Parts:
    """Of one replicate: numerators of the indices (g,), their common denominator, and the noise that was removed."""

    first: Floats
    total: Floats
    variance: float
    noise: float


def sobol_parts(y: Floats) -> Parts:
    """From the answers `y` (2 + groups, N, K) on a `sobol_design`."""
    variance, noise = spread(np.concatenate([y[0], y[1]]))
    centred = y[1] - y[:2].mean(axis=(0, 1))
    first = np.array([float(products(centred, mixed - y[0]).mean()) for mixed in y[2:]])
    total = np.array([0.5 * float(squares(y[0] - mixed).mean()) for mixed in y[2:]])
    return Parts(first, total, variance, noise)


@dataclass(frozen=True)
class SobolIndices:
    """First-order and total indices of each input or group; variance of the answer, share of it that was noise."""

    first: tuple[Estimate, ...]
    total: tuple[Estimate, ...]
    variance: Estimate
    noise_share: Estimate


def sobol_from(parts: Sequence[Parts], confidence: float, n: int) -> SobolIndices:
    """Indices from all replicates; `n` evaluations."""
    method = f"scrambled Sobol designs, Student t over {len(parts)} scrambles"
    variance = np.array([p.variance for p in parts])
    noise = np.array([[p.noise] for p in parts])
    return SobolIndices(
        ratio_over(np.array([p.first for p in parts]), variance, confidence, n, method),
        ratio_over(np.array([p.total for p in parts]), variance, confidence, n, method),
        mean_over(variance[:, None], confidence, n, method)[0],
        ratio_over(noise, variance + noise[:, 0], confidence, n, method)[0],
    )


def sobol_indices(
    function: Function, dimension: int, log2_points: int = 10, replicates: int = 10, confidence: float = 0.95,
    seed: int = 1, groups: Groups | None = None,
) -> SobolIndices:  # fmt: skip
    """Sobol indices of `function` of independent uniforms.

    Parameters
    ----------
    function : callable
        ``function(u)`` of points (n, d) in the unit cube, shape (n,), or (n, K) batches of a noisy answer; costs
        (groups + 2) 2^log2_points evaluations a replicate.
    dimension : int
    log2_points, replicates : int
        Points per design, independent scrambles; at least 4 replicates.
    confidence : float
    seed : int
    groups : sequence of sequences of int, optional
        Inputs that are taken together; each alone by default.
    """
    check_range("dimension", dimension, 1, 10_000)
    check_range("replicates", replicates, 4, 10_000)
    groups = [(i,) for i in range(dimension)] if groups is None else groups
    parts = []
    for r in range(replicates):
        design = sobol_design(dimension, groups, log2_points, (seed, r))
        parts.append(sobol_parts(_answers(function, design)))
    if not any(p.variance for p in parts):
        raise ValueError("the function must vary over the cube, got a constant")
    return sobol_from(parts, confidence, (len(groups) + 2) * 2**log2_points * replicates)


def _answers(function: Function, design: Floats) -> Floats:
    """Answers (..., K) on a design (..., d)."""
    y = np.asarray(function(design.reshape(-1, design.shape[-1])), dtype=np.float64)
    return y.reshape(*design.shape[:-1], -1)


@dataclass(frozen=True)
class MorrisEffects:
    """Elementary effects of each input over its range: mean, mean of absolute values, standard deviation."""

    mean: tuple[Estimate, ...]
    absolute: tuple[Estimate, ...]
    deviation: Floats


@dataclass(frozen=True)
class Trajectory:
    """One walk: points (d + 1, d) in the unit cube, the input moved at each step, and its signed step."""

    points: Floats
    order: np.ndarray
    steps: Floats


def trajectory(dimension: int, levels: int, seed: Sequence[int]) -> Trajectory:
    """A random Morris trajectory on a grid of an even number of `levels`."""
    if levels < 2 or levels % 2:
        raise ValueError(f"levels must be an even number of at least 2, got {levels}")
    random = np.random.default_rng(list(seed))
    step = levels / (2.0 * (levels - 1.0))
    low = np.arange(levels // 2) / (levels - 1.0)
    order, up = random.permutation(dimension), random.random(dimension) < 0.5
    start = random.choice(low, dimension)
    x = np.where(up, start, start + step)
    points = [x.copy()]
    for i in order:
        x[i] += step if up[i] else -step
        points.append(x.copy())
    return Trajectory(np.array(points), order, np.where(up, step, -step)[order])


def morris_from(walks: Sequence[Trajectory], answers: Sequence[Floats], confidence: float) -> MorrisEffects:
    """Effects from the `answers` (d + 1, K) on each of `walks`.

    The absolute effect of a noisy answer takes its sign from the other batches, so that noise alone has mean zero.
    """
    t, d = len(walks), walks[0].points.shape[1]
    slopes = np.empty((t, d, answers[0].shape[-1]))
    for k, (walk, y) in enumerate(zip(walks, answers, strict=True)):
        slopes[k, walk.order] = np.diff(y, axis=0) / walk.steps[:, None]
    others = slopes.sum(axis=2, keepdims=True) - slopes if slopes.shape[2] > 1 else slopes
    absolute = (slopes * np.sign(others)).mean(axis=2)
    n, method = t * (d + 1), f"Student t over {t} trajectories"
    variance = squares(slopes - slopes.mean(axis=0)).mean(axis=0) * t / (t - 1.0)
    return MorrisEffects(
        mean_over(slopes.mean(axis=2), confidence, n, method),
        mean_over(absolute, confidence, n, method),
        np.sqrt(np.maximum(variance, 0.0)),
    )


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
    walks = [trajectory(dimension, levels, (seed, t)) for t in range(trajectories)]
    return morris_from(walks, [_answers(function, w.points) for w in walks], confidence)


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


def shapley_of_linear(slope: Floats, covariance: Floats) -> Floats:
    """Shapley effects of slope . x for normal x: exact (Owen and Prieur 2017), shares of the variance, shape (d,).

    `slope` (d,), d at most 16, `covariance` (d, d).  Inputs that cannot matter get 0.
    """
    whole = float(slope @ covariance @ slope)

    def explained(group: tuple[int, ...]) -> float:
        own = list(group)
        if not own:
            return 0.0
        cross = covariance[own] @ slope
        return float(cross @ np.linalg.pinv(covariance[np.ix_(own, own)], hermitian=True) @ cross) / whole

    return shapley_from_explained(explained, slope.size)


@dataclass(frozen=True)
class Walk:
    """Orderings of a replicate (N, d), and the points (d + 1, N, d): step j redraws the first j inputs of each row."""

    order: np.ndarray
    points: Floats


def shapley_walk(correlation: Floats, groups: Groups, points: int, seed: Sequence[int]) -> Walk:
    """Random orderings with their points in the unit cube, for inputs joined by a Gaussian copula.

    Parameters
    ----------
    correlation : ndarray, shape (d, d)
        Of the normal scores; the identity where inputs are independent.
    groups : sequence of sequences of int
        Kept together in every ordering.
    points : int
        Orderings, a power of two.
    seed : sequence of int
    """
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    d, random = correlation.shape[0], np.random.default_rng(list(seed))
    cube = qmc.Sobol(2 * d, scramble=True, rng=random).random(points)
    score = ndtri(np.clip(cube, 1e-12, 1.0 - 1e-12))
    z, fresh = score[:, :d] @ np.linalg.cholesky(correlation).T, score[:, d:]
    blocks = [[random.permutation(list(groups[g])) for g in random.permutation(len(groups))] for _ in range(points)]
    order = np.array([np.concatenate(row) for row in blocks])
    walked = np.empty((d + 1, points, d))
    walked[0] = z
    for j in range(1, d + 1):
        sets, place = np.unique(np.sort(order[:, :j], axis=1), axis=0, return_inverse=True)
        for i, chosen in enumerate(sets):
            rows = place.reshape(-1) == i
            walked[j, rows] = redrawn(z[rows], fresh[rows], chosen, correlation)
    return Walk(order, ndtr(walked))


def redrawn(z: Floats, fresh: Floats, chosen: np.ndarray, correlation: Floats) -> Floats:
    """Normal scores `z` (n, d) with those of `chosen` drawn again given the rest, from independent normals `fresh`."""
    rest = np.setdiff1d(np.arange(z.shape[1]), chosen)
    own, cross = correlation[np.ix_(chosen, chosen)], correlation[np.ix_(chosen, rest)]
    weight = np.linalg.solve(correlation[np.ix_(rest, rest)], cross.T).T
    root = np.linalg.cholesky(own - weight @ cross.T)
    out = z.copy()
    out[:, chosen] = z[:, rest] @ weight.T + fresh[:, chosen] @ root.T
    return out


def shapley_parts(walk: Walk, y: Floats) -> tuple[Floats, float, float]:
    """(what each input adds (d,), variance, noise) from the answers `y` (d + 1, N, K) on `walk`."""
    steps, n = walk.order.shape[1], walk.order.shape[0]
    cost = np.stack([np.zeros(n), *(0.5 * squares(y[j] - y[0]) for j in range(1, steps + 1))])
    added, out = np.diff(cost, axis=0), np.zeros(steps)
    np.add.at(out, walk.order.T, added / n)
    return out, float(cost[-1].mean()), spread(np.concatenate([y[0], y[-1]]))[1]


def shapley_effects(
    function: Function, correlation: Floats, groups: Groups | None = None, log2_points: int = 10, replicates: int = 10,
    confidence: float = 0.95, seed: int = 1,
) -> tuple[Estimate, ...]:  # fmt: skip
    """Shapley effects of inputs that may depend on each other through a Gaussian copula; they add up to 1.

    Parameters
    ----------
    function : callable
        As in `sobol_indices`: of points (n, d) in the unit cube, each coordinate uniform, jointly of the copula.
    correlation : ndarray, shape (d, d)
    groups : sequence of sequences of int, optional
        Kept together: sums over a group are the Shapley effect of the group.
    log2_points, replicates, confidence, seed
        As in `sobol_indices`; (d + 1) 2^log2_points evaluations a replicate.
    """
    check_range("replicates", replicates, 4, 10_000)
    d = correlation.shape[0]
    groups = [(i,) for i in range(d)] if groups is None else groups
    found = []
    for r in range(replicates):
        walk = shapley_walk(correlation, groups, 2**log2_points, (seed, r))
        found.append(shapley_parts(walk, _answers(function, walk.points))[:2])
    return shapley_from(*map(np.array, zip(*found, strict=True)), confidence, replicates * (d + 1) * 2**log2_points)


def shapley_from(added: Floats, whole: Floats, confidence: float, n: int) -> tuple[Estimate, ...]:
    """Effects from what each input, or group, adds (R, d) and the variance (R,) of every replicate."""
    return ratio_over(added, whole, confidence, n, f"random orderings, Student t over {whole.size} scrambles")
