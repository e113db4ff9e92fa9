"""Tests of expected shortfall forecasts by simulation or resampling.

Acerbi and Szekely (2014), losses positive, tail probability p:
    Z1 = 1 - mean over breaches of loss / ES            (severity, given that there are breaches)
    Z2 = 1 - sum over breaches of loss / ES / (n p)      (frequency and severity together)
    Z3 = 1 - mean over days of ES_hat(ranks) / E[ES_hat]  (the whole tail, through the probability transforms)
Each has mean 0 under the null and is negative where risk is understated.  Their law depends on the forecast law, so
p-values are simulated from it; critical values are not constants (Z2 at 5 %, 250 days, 2.5 %: -0.70 normal, -0.82 t3).

McNeil and Frey (2000): exceedance residuals (loss - ES) / VaR on breach days have mean 0; a one-sided bootstrap.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.backtest.result import TestResult, simulated_p_value, undefined

Draw = Callable[[np.random.Generator], Floats]


def _forecasts(loss: ArrayLike, var: ArrayLike, es: ArrayLike) -> tuple[Floats, Floats, Floats]:
    x, v, e = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (loss, var, es)))
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"losses must be a series of at least two, got shape {x.shape}")
    if not ((e > 0) & (e >= v)).all():
        raise ValueError("forecasts must hold ES > 0 and ES >= VaR, got some that do not")
    return x, v, e


def z1(loss: ArrayLike, var: ArrayLike, es: ArrayLike) -> float:
    """Z1; NaN where no loss exceeds its VaR."""
    x, v, e = _forecasts(loss, var, es)
    hit = x > v
    return 1.0 - float((x[hit] / e[hit]).mean()) if hit.any() else float("nan")


def z2(loss: ArrayLike, var: ArrayLike, es: ArrayLike, tail_prob: float) -> float:
    """Z2."""
    x, v, e = _forecasts(loss, var, es)
    return 1.0 - float(np.where(x > v, x / e, 0.0).sum()) / (x.size * tail_prob)


def z3(pit: ArrayLike, quantile: Callable[[Floats], Floats], tail_prob: float) -> float:
    """Z3 for one forecast law held every day.

    Parameters
    ----------
    pit : array_like, shape (n,)
        Forecast probability of a loss at most the observed one.
    quantile : callable
        Loss quantile of the forecast law.
    tail_prob : float
    """
    u = np.asarray(pit, dtype=np.float64)
    n, worst = u.size, max(int(np.floor(u.size * tail_prob)), 1)
    seen = float(np.sort(quantile(np.clip(u, 1e-16, 1 - 1e-16)))[-worst:].mean())
    return 1.0 - seen / expected_worst(n, worst, quantile)


def expected_worst(n: int, worst: int, quantile: Callable[[Floats], Floats]) -> float:
    """Expected mean of the `worst` largest of `n` independent losses: the k-th largest is at Beta(n - k + 1, k)."""
    from scipy.special import betaincinv

    v, weight = unit_quadrature()
    expected = [float(quantile(betaincinv(n - k + 1.0, float(k), v)) @ weight) for k in range(1, worst + 1)]
    return float(np.mean(expected))


@lru_cache(maxsize=1)
def unit_quadrature() -> tuple[Floats, Floats]:
    """200 nodes and weights of Gauss and Legendre on [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(200)
    return 0.5 * (node + 1.0), 0.5 * weight


def acerbi_szekely(
    loss: ArrayLike, var: ArrayLike, es: ArrayLike, tail_prob: float, draw: Draw, which: int = 2,
    replicates: int = 9_999, seed: int = 1,
) -> TestResult:  # fmt: skip
    """Z1 or Z2 with its simulated p-value, one-sided against understated risk.

    Parameters
    ----------
    loss, var, es : array_like, shape (n,) or numbers
    tail_prob : float
    draw : callable
        ``draw(random)`` gives n losses from the forecast laws, day by day.
    which : {1, 2}
    replicates, seed : int
    """
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    if which not in (1, 2):
        raise ValueError(f"which must be 1 or 2, got {which!r}")
    x, v, e = _forecasts(loss, var, es)

    def value(losses: Floats) -> float:
        return z1(losses, v, e) if which == 1 else z2(losses, v, e, tail_prob)

    statistic = value(x)
    if np.isnan(statistic):
        return undefined(x.size, "Z1 needs a breach, got none")

    def lower(random: np.random.Generator) -> float:
        while True:
            drawn = -value(np.asarray(draw(random), dtype=np.float64))
            if not np.isnan(drawn):
                return drawn

    p_value, method = simulated_p_value(-statistic, lower, replicates, seed)
    return TestResult(statistic, p_value, method, x.size)


def mcneil_frey(loss: ArrayLike, var: ArrayLike, es: ArrayLike, replicates: int = 9_999, seed: int = 1) -> TestResult:
    """Mean exceedance residual (loss - ES) / VaR over breach days; one-sided bootstrap against a positive mean.

    Returns
    -------
    TestResult
        Statistic is the studentised mean; undefined with fewer than three breaches.
    """
    x, v, e = _forecasts(loss, var, es)
    hit = x > v
    if hit.sum() < 3:
        return undefined(x.size, f"exceedance residuals need at least three breaches, got {int(hit.sum())}")
    residual = (x[hit] - e[hit]) / v[hit]
    k = residual.size

    def studentised(r: Floats) -> Floats:
        spread = r.std(axis=-1, ddof=1)
        return r.mean(axis=-1) / np.where(spread > 0, spread, np.inf) * np.sqrt(k)

    statistic = float(studentised(residual))
    random = np.random.default_rng(seed)
    drawn = studentised((residual - residual.mean())[random.integers(0, k, (replicates, k))])
    p_value = (1.0 + float((drawn >= statistic).sum())) / (replicates + 1.0)
    return TestResult(statistic, p_value, f"bootstrap of {k} breaches, {replicates:,} draws", x.size)
