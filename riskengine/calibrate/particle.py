"""Particle filter: the latent variance of a Heston or Bates world given its returns, and their likelihood.

State v, observation r, one step of dt years.  A particle moves v by the quadratic-exponential scheme (as paths of the
world do); given v and its next value v' the return is normal given the number of jumps, and those are summed out:

    r | v, v', n ~ N((drift - compensator) dt + rho/xi (v' - v - kappa theta dt) + (kappa rho/xi - 1/2) V + n m,
                     (1 - rho^2) V + n d^2),   V = dt (v + v') / 2,   n Poisson.

The weight of a particle is this density; their mean is an unbiased estimate of the density of r given the past, so the
product over steps is one of the likelihood.  Particles are resampled (systematically) when the effective number falls
below half.  The mean of their distribution functions at r is the PIT of the one-step forecast: uniform and independent
where the world is true, so it is a test of the fit that no moment of it has used.  Where an hour is missing the state
moves on and nothing is weighed.

The log of an unbiased estimate is biased down by half its variance; several runs give the Monte Carlo error, and their
likelihoods are averaged before the log.  Where both ends of a step are 0
there is no density; V is at least 1e-9 theta dt there.

References: Gordon, Salmond and Smith (1993); Pitt, Malik and Doucet (2014); Johannes, Polson and Stroud, Review of
Financial Studies 22 (2009), 2759-2799, for jump-diffusions.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaln, xlogy

from riskengine.arrays import Floats
from riskengine.jit import kernel
from riskengine.law.bates import BatesLaw
from riskengine.law.jump import compensator
from riskengine.scenario.qe import exponential_step, quadratic_step
from riskengine.vecmath import exp, normal_cdf, root

_ROWS = 256  # steps whose normals are drawn together
_WEIGHT_FLOOR = 1e-13  # combinations of jump counts below it are left out
_INVERSE_ROOT_TWO_PI = 0.3989422804014327


@kernel(scratch=True)
def filter_steps(
    x, observed, z, offset, v, weight, c, base, tilt, lever, residual, jump_weight, jump_mean, jump_variance, floor,
    log_density, pit, mean, square,
):  # fmt: skip
    """Run the filter over some steps.

    Parameters
    ----------
    x : ndarray, shape (T,)
        Log-returns; read where `observed`.
    observed : ndarray of bool, shape (T,)
    z : ndarray, shape (T, N)
        Normals that drive the variance.
    offset : ndarray, shape (T,)
        Uniforms of the resampling.
    v, weight : ndarray, shape (N,)
        Read and written: variances and their normalised weights.
    c : ndarray, shape (8,)
        Coefficients of `riskengine.scenario.qe`, the tilt zero.
    base, tilt, lever, residual : float
        Mean of a return without jumps: base + tilt (v' - v) + lever (v + v'), variance residual (v + v').
    jump_weight, jump_mean, jump_variance : ndarray, shape (K,)
        Combinations of jump counts in one step.
    floor : float
        Smallest v + v'.
    log_density, pit, mean, square : ndarray, shape (T,)
        Written: log forecast density and PIT (NaN where not observed), filtered E[v] and E[v^2].
    """
    count = v.size
    following = np.empty(count)
    correction = np.empty(count)
    density = np.empty(count)
    spare = np.empty((3, count))
    for t in range(x.size):
        if quadratic_step(v, z[t], following, correction, c, spare) > 0:
            exponential_step(v, z[t], following, correction, c)
        log_density[t] = np.nan
        pit[t] = np.nan
        if observed[t]:
            total = 0.0
            below = 0.0
            for i in range(count):
                both = max(v[i] + following[i], floor)
                centre = base + tilt * (following[i] - v[i]) + lever * (v[i] + following[i])
                variance = residual * both
                value = 0.0
                under = 0.0
                for k in range(jump_weight.size):
                    scale = 1.0 / root(variance + jump_variance[k])
                    score = (x[t] - centre - jump_mean[k]) * scale
                    value += jump_weight[k] * scale * exp(-0.5 * score * score)
                    under += jump_weight[k] * normal_cdf(score)
                density[i] = value
                total += weight[i] * value
                below += weight[i] * under
            log_density[t] = np.log(total * _INVERSE_ROOT_TWO_PI)
            pit[t] = below
            if total > 0.0:
                for i in range(count):
                    weight[i] *= density[i] / total
        first = 0.0
        second = 0.0
        effective = 0.0
        for i in range(count):
            v[i] = following[i]
            first += weight[i] * v[i]
            second += weight[i] * v[i] * v[i]
            effective += weight[i] * weight[i]
        mean[t] = first
        square[t] = second
        if effective * count > 2.0:
            reached = weight[0]
            j = 0
            for i in range(count):
                aim = (i + offset[t]) / count
                while reached < aim and j < count - 1:
                    j += 1
                    reached += weight[j]
                following[i] = v[j]
            for i in range(count):
                v[i] = following[i]
                weight[i] = 1.0 / count


@dataclass(frozen=True)
class Filtered:
    """What the filter says about one history.

    Attributes
    ----------
    log_likelihood : float
        Log of the mean over runs of the estimated likelihood.
    monte_carlo_error : float
        Its standard error, from the spread of the runs (NaN for one run).
    runs : ndarray, shape (R,)
        Log-likelihood of every run.
    observations : int
    mean, sd : ndarray, shape (T,)
        Filtered variance per year after every step: mean over the runs, and sd of the state given the past.
    pit : ndarray, shape (T,)
        Of the one-step forecasts; NaN where there was no observation.
    final : ndarray
        Equally weighted draws of the variance after the last step: `quantiles` reads them.
    """

    log_likelihood: float
    monte_carlo_error: float
    runs: Floats
    observations: int
    mean: Floats = field(repr=False)
    sd: Floats = field(repr=False)
    pit: Floats = field(repr=False)
    final: Floats = field(repr=False)

    def quantiles(self, probability: Floats) -> Floats:
        """Quantiles of the variance after the last step, given all returns."""
        return np.quantile(self.final, probability)

    def pit_distance(self) -> tuple[float, float]:
        """Kolmogorov-Smirnov distance of the PIT from uniform, and its p-value for a law known beforehand."""
        from scipy.stats import kstest

        found = kstest(self.pit[np.isfinite(self.pit)], "uniform")
        return float(found.statistic), float(found.pvalue)


def filter_variance(
    law: BatesLaw,
    returns: Floats,
    observed: np.ndarray | None = None,
    particles: int = 1000,
    runs: int = 4,
    seed: int = 1,
) -> Filtered:
    """Filter the variance of `law` through one-step log-returns.

    Parameters
    ----------
    law : BatesLaw
        Of one step (its horizon is the step); from its variance, or from the stationary law where that is None.
    returns : ndarray, shape (T,)
        Consecutive steps; anything finite where not observed.
    observed : ndarray of bool, shape (T,), optional
        All where not given.
    particles, runs, seed : int
        Draws are numpy's, from one generator per run.

    Raises
    ------
    ValueError
        No observed return, or one that is not finite.
    """
    x = np.asarray(returns, dtype=np.float64).ravel()
    seen = np.ones(x.size, dtype=bool) if observed is None else np.asarray(observed, dtype=bool)
    if seen.shape != x.shape or not seen.any():
        raise ValueError(f"observed must mark at least one of {x.size} returns")
    if not np.isfinite(x[seen]).all():
        raise ValueError(f"returns must be finite where observed, got one that is not at step {_first_bad(x, seen)}")
    if particles < 10 or runs < 1:
        raise ValueError(f"particles must be at least 10 and runs at least 1, got {particles} and {runs}")
    each = [_run(law, x, seen, particles, np.random.default_rng([seed, r])) for r in range(runs)]
    logs = np.array([e[0] for e in each])
    highest = logs.max()
    ratio = np.exp(logs - highest)
    error = float(ratio.std(ddof=1) / np.sqrt(runs) / ratio.mean()) if runs > 1 else np.nan
    mean = np.mean([e[1] for e in each], axis=0)
    square = np.mean([e[2] for e in each], axis=0)
    return Filtered(
        float(highest + np.log(ratio.mean())), error, logs, int(seen.sum()), mean,
        np.sqrt(np.maximum(square - mean**2, 0.0)), np.mean([e[3] for e in each], axis=0),
        np.concatenate([e[4] for e in each]),
    )  # fmt: skip


def _first_bad(x: Floats, seen: np.ndarray) -> int:
    return int(np.flatnonzero(seen & ~np.isfinite(x))[0])


def _run(
    law: BatesLaw, x: Floats, seen: np.ndarray, particles: int, generator: np.random.Generator
) -> tuple[float, Floats, Floats, Floats, Floats]:
    """One pass: log-likelihood, E[v], E[v^2], PIT, final draws."""
    kappa, theta, xi, rho, dt = law.kappa, law.theta, law.xi, law.rho, law.horizon
    decay, gone = np.exp(-kappa * dt), -np.expm1(-kappa * dt)
    c = np.array(
        [decay, theta * gone, xi**2 * decay / kappa * gone, theta * xi**2 / (2 * kappa) * gone**2, 0.0, 0.0, 0.0, 0.0]
    )
    jumps = _jump_table(law)
    base = (law.drift - compensator(law.jumps)) * dt - rho / xi * kappa * theta * dt
    lever, residual = 0.5 * dt * (kappa * rho / xi - 0.5), 0.5 * dt * (1.0 - rho * rho)
    if law.variance is None:
        shape = 2.0 * kappa * theta / xi**2
        v = generator.gamma(shape, theta / shape, particles)
    else:
        v = np.full(particles, float(law.variance))
    weight = np.full(particles, 1.0 / particles)
    out = np.empty((4, x.size))
    clean = np.where(seen, x, 0.0)
    for i in range(0, x.size, _ROWS):
        at = slice(i, min(i + _ROWS, x.size))
        size = at.stop - i
        filter_steps(
            clean[at], seen[at], generator.standard_normal((size, particles)), generator.random(size), v, weight, c,
            base, rho / xi, lever, residual, *jumps, 2e-9 * theta, out[0, at], out[1, at], out[2, at], out[3, at],
        )  # fmt: skip
    final = generator.choice(v, size=particles, p=weight / weight.sum())
    return float(out[0, seen].sum()), out[2], out[3], out[1], final


def _jump_table(law: BatesLaw) -> tuple[Floats, Floats, Floats]:
    """Weight, mean and variance of every combination of jump counts in one step."""
    weight, mean, variance = np.ones(1), np.zeros(1), np.zeros(1)
    for j in law.jumps:
        rate = j.intensity * law.horizon
        n = np.arange(int(rate + 12.0 * np.sqrt(rate) + 12.0) + 1.0)
        weight = np.multiply.outer(weight, np.exp(xlogy(n, rate) - rate - gammaln(n + 1.0))).ravel()
        mean = np.add.outer(mean, n * j.mean).ravel()
        variance = np.add.outer(variance, n * j.sd**2).ravel()
        keep = weight > _WEIGHT_FLOOR
        weight, mean, variance = weight[keep], mean[keep], variance[keep]
    return weight, mean, variance
