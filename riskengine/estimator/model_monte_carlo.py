"""Model-based Monte Carlo with parameter uncertainty: calm days and jump days, and not one parameter set but many.

A loss is normal N(m, s^2), or with probability w, on a jump day, N(m + a, s^2 + d^2): Merton's law with at most one
jump a step (Ball, Torous 1983).  Its parameters are weakly identified by a few hundred losses, and their error
dominates that of the quantile; so the forecast is the law averaged over the posterior of (m, log s, a, log d, logit w).
With losses centred on their median and divided by their interquartile range over 1.349 the priors are independent
normals,

    m (0, 1), log s (0, 1/2), a (0, 3), log d (log 3, 1), logit w (-3, 3/2)    (mean, standard deviation)

which also bound the likelihood (on its own it is not: a component on one loss has a spike).  The mode is found by
scoring; `draws` parameter sets come from a Student t with 6 degrees of freedom around it, antithetic, weighted by
posterior over proposal.  Given a parameter set nothing is simulated: quantile and tail mean of a normal mixture are
exact.  VaR and ES are those of the averaged law; the bounds are weighted quantiles of the figure over parameter sets.
They hold for losses of this model.  Reference: Geweke, Econometrica 57 (1989), 1317-1339 (importance sampling).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.estimator.tails import LaneEstimator, Tail
from riskengine.jit import kernel

LEAST_EFFECTIVE = 20
_DF = 6.0
_PRIOR_MEAN = (0.0, 0.0, 0.0, math.log(3.0), -3.0)
_PRIOR_SD = (1.0, 0.5, 3.0, 1.0, 1.5)
_ROUNDS = 80


@kernel
def log_posterior(x, theta, mean, sd):
    """Log posterior of theta = (m, log s, a, log d, logit w) less a constant, losses `x` in robust units."""
    m, s2, a, d2 = theta[0], math.exp(2.0 * theta[1]), theta[2], math.exp(2.0 * theta[3])
    w = 1.0 / (1.0 + math.exp(-theta[4]))
    v = s2 + d2
    # density = (1 - w) phi0 (1 + odds); log odds is a quadratic in the loss
    c0 = theta[4] + 0.5 * math.log(s2 / v) + 0.5 * m * m / s2 - 0.5 * (m + a) ** 2 / v
    c1, c2 = (m + a) / v - m / s2, 0.5 / s2 - 0.5 / v
    total = x.size * (math.log1p(-w) - theta[1])
    product = 1.0
    for i in range(x.size):
        e = x[i] - m
        odds = c0 + x[i] * (c1 + x[i] * c2)
        total += max(odds, 0.0) - 0.5 * e * e / s2
        product *= 1.0 + math.exp(-abs(odds))  # at most 2: one logarithm serves many
        if product > 1e200:
            total += math.log(product)
            product = 1.0
    total += math.log(product)
    for j in range(5):
        total -= 0.5 * ((theta[j] - mean[j]) / sd[j]) ** 2
    return total


@kernel(scratch=True)
def _score(x, theta, mean, sd, g, h):
    """Gradient of the log posterior, and the information by outer products of the scores, priors added."""
    m, s2, a, d2 = theta[0], math.exp(2.0 * theta[1]), theta[2], math.exp(2.0 * theta[3])
    w = 1.0 / (1.0 + math.exp(-theta[4]))
    v = s2 + d2
    shift = theta[4] + 0.5 * math.log(s2 / v)
    g[:] = 0.0
    h[:] = 0.0
    one = np.empty(5)
    for i in range(x.size):
        e = x[i] - m
        y = e - a
        r = 1.0 / (1.0 + math.exp(-(shift + 0.5 * e * e / s2 - 0.5 * y * y / v)))
        spread = r * (y * y / v - 1.0) / v
        one[0] = (1.0 - r) * e / s2 + r * y / v
        one[1] = (1.0 - r) * (e * e / s2 - 1.0) + spread * s2
        one[2] = r * y / v
        one[3] = spread * d2
        one[4] = r - w
        for j in range(5):
            g[j] += one[j]
            for k in range(j + 1):
                h[j, k] += one[j] * one[k]
    for j in range(5):
        g[j] -= (theta[j] - mean[j]) / sd[j] ** 2
        h[j, j] += 1.0 / sd[j] ** 2


@kernel
def _cholesky(h):
    """Lower factor of a positive definite matrix, in place of its lower triangle."""
    for j in range(5):
        for k in range(j):
            h[j, j] -= h[j, k] * h[j, k]
        h[j, j] = math.sqrt(h[j, j])
        for i in range(j + 1, 5):
            for k in range(j):
                h[i, j] -= h[i, k] * h[j, k]
            h[i, j] /= h[j, j]


@kernel
def _back(h, b):
    """Solve L' y = b in place."""
    for i in range(4, -1, -1):
        for k in range(i + 1, 5):
            b[i] -= h[k, i] * b[k]
        b[i] /= h[i, i]


@kernel(scratch=True)
def posterior_draws(x, normals, stretch, mean, sd, out, weight):
    """Weighted parameter sets of every lane.

    Parameters
    ----------
    x : ndarray, shape (P, W)
        Losses in robust units.
    normals : ndarray, shape (B, 5)
        Standard normal draws, the same for every lane.
    stretch : ndarray, shape (B,)
        sqrt(df / chi-square) of each.
    mean, sd : ndarray, shape (5,)
        Priors.
    out : ndarray, shape (P, B, 5)
        Parameter sets, in the coordinates of `log_posterior`.
    weight : ndarray, shape (P, B)
        They add to 1.
    """
    g, h, step = np.empty(5), np.empty((5, 5)), np.empty(5)
    theta, trial = np.empty(5), np.empty(5)
    for lane in range(x.shape[0]):
        v = x[lane]
        theta[:] = mean
        best = log_posterior(v, theta, mean, sd)
        for _ in range(_ROUNDS):
            _score(v, theta, mean, sd, g, h)
            _cholesky(h)
            for j in range(5):
                step[j] = g[j]
                for k in range(j):
                    step[j] -= h[j, k] * step[k]
                step[j] /= h[j, j]
            gain = 0.0
            for j in range(5):
                gain += step[j] * step[j]
            if gain < 1e-6:
                break
            _back(h, step)
            largest = 0.0
            for j in range(5):
                largest = max(largest, abs(step[j]))
            size, moved = min(1.0, 2.0 / largest), False
            for _ in range(12):
                for j in range(5):
                    trial[j] = theta[j] + size * step[j]
                value = log_posterior(v, trial, mean, sd)
                if value > best:
                    theta[:] = trial
                    best, moved = value, True
                    break
                size *= 0.5
            if not moved:
                break
        _score(v, theta, mean, sd, g, h)
        _cholesky(h)
        highest = -np.inf
        for b in range(normals.shape[0]):
            square = 0.0
            for j in range(5):
                step[j] = normals[b, j] * stretch[b]
                square += step[j] * step[j]
            _back(h, step)
            for j in range(5):
                out[lane, b, j] = theta[j] + step[j]
            weight[lane, b] = log_posterior(v, out[lane, b], mean, sd) + 0.5 * (_DF + 5.0) * math.log1p(square / _DF)
            highest = max(highest, weight[lane, b])
        total = 0.0
        for b in range(normals.shape[0]):
            weight[lane, b] = math.exp(weight[lane, b] - highest)
            total += weight[lane, b]
        for b in range(normals.shape[0]):
            weight[lane, b] /= total


@kernel
def _beyond(law, x):
    """P(L > x) of law = (m, s, m1, s1, w)."""
    calm = 0.5 * math.erfc((x - law[0]) / (law[1] * math.sqrt(2.0)))
    jump = 0.5 * math.erfc((x - law[2]) / (law[3] * math.sqrt(2.0)))
    return (1.0 - law[4]) * calm + law[4] * jump


@kernel
def _mean_beyond(law, x):
    """E[L; L > x] of law = (m, s, m1, s1, w)."""
    z, y = (x - law[0]) / law[1], (x - law[2]) / law[3]
    calm = law[0] * 0.5 * math.erfc(z / math.sqrt(2.0)) + law[1] * math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    jump = law[2] * 0.5 * math.erfc(y / math.sqrt(2.0)) + law[3] * math.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)
    return (1.0 - law[4]) * calm + law[4] * jump


@kernel
def _density(law, x):
    """Density at x of law = (m, s, m1, s1, w)."""
    z, y = (x - law[0]) / law[1], (x - law[2]) / law[3]
    calm, jump = math.exp(-0.5 * z * z) / law[1], math.exp(-0.5 * y * y) / law[3]
    return ((1.0 - law[4]) * calm + law[4] * jump) / math.sqrt(2.0 * math.pi)


@kernel
def _exceeded(laws, weight, p, low, high):
    """Point in (low, high) that the average of `laws` under `weight` exceeds with probability p.

    Newton's method on the logarithm of the tail, which is nearly straight, inside a bracket that closes around it.
    """
    x = 0.5 * (low + high)
    for _ in range(60):
        tail, density = 0.0, 0.0
        for b in range(laws.shape[0]):
            if weight[b] > 0.0:
                tail += weight[b] * _beyond(laws[b], x)
                density += weight[b] * _density(laws[b], x)
        if tail > p:
            low = x
        else:
            high = x
        new = x + tail / density * math.log(tail / p) if tail > 0.0 and density > 0.0 else low
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - x) <= 1e-13 * (1.0 + abs(x)):
            return new
        x = new
    return x


@kernel(scratch=True)
def tails(draws, weight, p, z, var, es, law_var, law_es):
    """VaR and ES of every parameter set, and of the averaged law.

    Parameters
    ----------
    draws : ndarray, shape (P, B, 5)
    weight : ndarray, shape (P, B)
    p, z : float
        Tail share, and the normal quantile at 1 - p.
    var, es : ndarray, shape (P,)
        Of the averaged law.
    law_var, law_es : ndarray, shape (P, B)
        Of each set.
    """
    law, unit = np.empty((draws.shape[1], 5)), np.ones(1)
    for lane in range(draws.shape[0]):
        low, high = np.inf, -np.inf
        for b in range(draws.shape[1]):
            t, one = draws[lane, b], law[b]
            one[0], one[1] = t[0], math.exp(t[1])
            one[2], one[3] = t[0] + t[2], math.sqrt(math.exp(2.0 * t[1]) + math.exp(2.0 * t[3]))
            one[4] = 1.0 / (1.0 + math.exp(-t[4]))
            # the quantile of a mixture lies between those of its parts
            a, c = one[0] + one[1] * z, one[2] + one[3] * z
            a, c = min(a, c), max(a, c)
            law_var[lane, b] = _exceeded(law[b : b + 1], unit, p, a, c)
            law_es[lane, b] = _mean_beyond(one, law_var[lane, b]) / p
            if weight[lane, b] > 0.0:
                low, high = min(low, law_var[lane, b]), max(high, law_var[lane, b])
        var[lane] = _exceeded(law, weight[lane], p, low, high)
        es[lane] = 0.0
        for b in range(law.shape[0]):
            es[lane] += weight[lane, b] * _mean_beyond(law[b], var[lane]) / p


@lru_cache(maxsize=8)
def _proposals(draws: int, seed: int) -> tuple[Floats, Floats]:
    """Antithetic standard normals, shape (draws, 5), and what stretches them to a t."""
    generator = np.random.default_rng(seed)
    half = generator.standard_normal((draws // 2, 5))
    stretch = np.sqrt(_DF / generator.chisquare(_DF, draws // 2))
    return np.concatenate([half, -half]), np.concatenate([stretch, stretch])


@dataclass(frozen=True)
class ModelMonteCarloEstimator(LaneEstimator):
    """VaR and ES of a normal mixture averaged over the posterior of its parameters.

    Attributes
    ----------
    draws : int
        Parameter sets, even, 40 to 10,000.
    seed : int
        Of the draws; the same for every sample.
    kind : str
        ``model_monte_carlo``.
    """

    draws: int = 200
    seed: int = 1
    kind: Literal["model_monte_carlo"] = "model_monte_carlo"
    _least = 50

    def __post_init__(self) -> None:
        if self.draws % 2 or not 40 <= self.draws <= 10_000:
            raise ValueError(f"draws must be an even number from 40 to 10000, got {self.draws!r}")

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        lanes, n = x.shape
        ordered = np.sort(x, axis=1)
        centre = 0.5 * (ordered[:, (n - 1) // 2] + ordered[:, n // 2])
        scale = (ordered[:, (3 * n) // 4] - ordered[:, n // 4]) / 1.349
        varies = scale > 0
        unit = (x - centre[:, None]) / np.where(varies, scale, 1.0)[:, None]
        draws, weight = np.empty((lanes, self.draws, 5)), np.empty((lanes, self.draws))
        normals, stretch = _proposals(self.draws, self.seed)
        posterior_draws(unit, normals, stretch, np.array(_PRIOR_MEAN), np.array(_PRIOR_SD), draws, weight)
        effective = 1.0 / np.square(weight).sum(axis=1)
        figures = np.empty((2, 4, levels.size, lanes))  # VaR and ES: value, error, lower, upper
        side = 0.5 * (1 - confidence)
        for i, level in enumerate(levels):
            value, laws = np.empty((2, lanes)), np.empty((2, lanes, self.draws))
            tails(draws, weight, 1 - float(level), float(ndtri(level)), *value, *laws)
            for k in (0, 1):
                order = np.argsort(laws[k], axis=1, kind="stable")
                below = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
                ends = [np.minimum((below < q).sum(axis=1), self.draws - 1) for q in (side, 1 - side)]
                by_size = np.take_along_axis(laws[k], order, axis=1)
                low, high = (np.take_along_axis(by_size, end[:, None], axis=1)[:, 0] for end in ends)
                mean = (weight * laws[k]).sum(axis=1)
                spread = np.sqrt((weight * np.square(laws[k] - mean[:, None])).sum(axis=1))
                figures[k, :, i] = value[k], spread, np.minimum(low, value[k]), np.maximum(high, value[k])
        figures *= scale
        figures[:, (0, 2, 3)] += centre
        few = effective < LEAST_EFFECTIVE
        figures[:, 2, :, few], figures[:, 3, :, few] = -np.inf, np.inf
        figures[:, :2, :, ~varies], figures[:, 2, :, ~varies], figures[:, 3, :, ~varies] = np.nan, -np.inf, np.inf

        def reason(_level: int, lane: int) -> str:
            if not varies[lane]:
                return "refused: half of the losses are equal, so that there is no scale"
            if few[lane]:
                need = f"{LEAST_EFFECTIVE} needed; take more draws"
                return f"interval refused: {effective[lane]:.3g} effective parameter sets, {need}"
            return ""

        name = f"normal mixture, {self.draws} weighted parameter sets"
        return tuple(Tail(*figures[k], float(n), name, reason) for k in (0, 1))
