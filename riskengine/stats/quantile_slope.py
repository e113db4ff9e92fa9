"""How VaR and ES move with a parameter, from simulated losses at the parameter and one small step either side of it.

The losses L(theta) of a path are taken at theta - h, theta and theta + h on the same draws.  With K a kernel, G its
integral, b a bandwidth and S the score of what the parameter does to the *law* of the draws (0 where it does nothing),

    dVaR/dtheta = d/dtheta E[G((L - q) / b)] / f(q)
                ~ mean[(G((L+ - q) / b) - G((L- - q) / b)) / 2h + G((L - q) / b) S] / mean[K((L - q) / b) / b],
    dES/dtheta  = mean[((L+ - q)^+ - (L- - q)^+) / 2h + (L - q)^+ S] / p                       at q = VaR.

Where a path is smooth in theta the first line is a kernel regression, E[dL/dtheta | L = VaR] (Hong 2009), the second
E[dL/dtheta | L >= VaR].  A path that jumps as theta moves through [theta - h, theta + h] is counted as it crosses the
quantile, so the estimate stays right; where few such paths decide, it is refused.  K is of fourth order,
15/32 (1 - u^2) (3 - 7 u^2) on [-1, 1]: the bias is O(b^4).  The bandwidth is

    b = min(q_p - q_2p, q_{p/2} - q_p) / log 2 x (20 / n p)^{1/7},        q_p the loss exceeded with probability p:

the scale on which the tail falls by e, shrunk faster than n^{-1/9}, at which bias and noise would balance; so the
interval, Student's t with the standard deviation of the influence of each path (that of the estimated quantile within)
and Satterthwaite's degrees of freedom, covers what it says.

References: Hong, Operations Research 57 (2009), 118-130; Fu, Hong and Hu, Management Science 55 (2009), 2019-2027;
Liu and Hong, Operations Research 57 (2009), 1511-1525 (kernel); Gasser, Mueller and Mammitzsch, JRSS B 47 (1985),
238-252 (kernels of higher order).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.estimate import Estimate, undetermined

TAIL_PATHS = 100  # beyond the quantile: with fewer an asymptotic interval covers too little
CARRIERS = 10  # (sum of squared influences)^2 / sum of their fourth powers: with fewer, rare paths decide


@dataclass(frozen=True)
class TailSlopes:
    """Figures at one level, with their intervals.

    Attributes
    ----------
    var, es : Estimate
        VaR and expected shortfall, units of the loss.
    var_slope, es_slope : Estimate
        Their derivatives in the parameter, per unit of it.
    var_growth, es_growth : Estimate
        Derivatives of their logarithms: the share by which they move, per unit of the parameter.
    bandwidth : float
        Of the kernel, units of the loss.
    """

    var: Estimate
    es: Estimate
    var_slope: Estimate
    es_slope: Estimate
    var_growth: Estimate
    es_growth: Estimate
    bandwidth: float


def _density(u: Floats) -> Floats:
    square = np.minimum(u * u, 1.0)
    return 15.0 / 32.0 * (1.0 - square) * (3.0 - 7.0 * square)


def _below(u: Floats) -> Floats:
    u = np.clip(u, -1.0, 1.0)
    square = u * u
    return 0.5 + 15.0 / 32.0 * u * (3.0 + square * (1.4 * square - 10.0 / 3.0))


def tail_slopes(
    losses: Floats, up: Floats, down: Floats, step: float, score: Floats | None, level: float, confidence: float
) -> TailSlopes:
    """VaR and ES at `level` and how they move with a parameter.

    Parameters
    ----------
    losses, up, down : ndarray, shape (n,)
        Of independent paths at the parameter, at one `step` more and at one less, on the same draws.
    step : float
    score : ndarray, shape (n,), or None
        Derivative in the parameter of the log-likelihood of the draws; None where it moves no law of a draw.
    level, confidence : float

    Returns
    -------
    TailSlopes
        With every figure undetermined, and the reason, where fewer than 100 paths lie beyond the quantile, where losses
        have an atom there; with one figure undetermined where fewer than 10 paths in effect carry its error.
    """
    n, p = losses.size, 1.0 - level
    if n * p < TAIL_PATHS:
        return _none(n, f"{n * p:.0f} paths beyond the quantile, at least {TAIL_PATHS} needed")
    ends = np.quantile(losses, [1.0 - 2.0 * p, level, 1.0 - 0.5 * p], method="inverted_cdf")
    q = float(ends[1])
    bandwidth = float(np.diff(ends).min()) / np.log(2.0) * (20.0 / (n * p)) ** (1.0 / 7.0)
    if not bandwidth > 0.0:
        return _none(n, "losses have an atom at the quantile: it does not move smoothly")
    likely = np.zeros(n) if score is None else score

    def numerator(at: float) -> Floats:
        moved = (_below((up - at) / bandwidth) - _below((down - at) / bandwidth)) / (2.0 * step)
        return moved + _below((losses - at) / bandwidth) * likely

    def density(at: float) -> Floats:
        return _density((losses - at) / bandwidth) / bandwidth

    crossing, near = numerator(q), density(q)
    f = float(near.mean())
    if not f > 0.0:
        return _none(n, "too few paths near the quantile")
    slope = float(crossing.mean()) / f
    around = [float(numerator(x).mean()) / float(density(x).mean()) for x in (q + 0.5 * bandwidth, q - 0.5 * bandwidth)]
    beyond = (losses > q) - p
    quantile_influence = beyond / f
    slope_influence = (crossing - slope * near) / f + (around[0] - around[1]) / bandwidth * quantile_influence
    excess = np.maximum(losses - q, 0.0)
    worse = (np.maximum(up - q, 0.0) - np.maximum(down - q, 0.0)) / (2.0 * step) + excess * likely
    es, es_slope = q + float(excess.mean()) / p, float(worse.mean()) / p
    es_influence = (excess - excess.mean()) / p
    es_slope_influence = (worse - worse.mean() - slope * beyond) / p
    method = "kernel, Student t"

    def figure(value: float, influence: Floats, how: str = method) -> Estimate:
        return _figure(value, influence, confidence, how)

    def growth(slope: float, own: Floats, base: float, influence: Floats, how: str = method) -> Estimate:
        if not base > 0.0:
            return undetermined(n, "no share of a tail that is no loss")
        return figure(slope / base, own / base - slope / base**2 * influence, how)

    mean = "mean beyond the quantile, Student t"
    return TailSlopes(
        figure(q, quantile_influence),
        figure(es, es_influence, mean),
        figure(slope, slope_influence),
        figure(es_slope, es_slope_influence, mean),
        growth(slope, slope_influence, q, quantile_influence),
        growth(es_slope, es_slope_influence, es, es_influence, mean),
        bandwidth,
    )


def _figure(value: float, influence: Floats, confidence: float, method: str) -> Estimate:
    from scipy.special import stdtrit

    n, square = influence.size, influence * influence
    # the variance of a variance: Satterthwaite's degrees of freedom are twice this
    effective = float(square.sum()) ** 2 / max(float(square @ square), 1e-300)
    if effective < CARRIERS:
        return undetermined(n, f"{int(effective)} paths in effect carry its error, at least {CARRIERS} needed")
    error = float(influence.std(ddof=1)) / np.sqrt(n)
    half = float(stdtrit(2.0 * effective, 0.5 + 0.5 * confidence)) * error
    return Estimate(value, error, value - half, value + half, confidence, n, effective, method)


def _none(n: int, reason: str) -> TailSlopes:
    return TailSlopes(*[undetermined(n, reason)] * 6, float("nan"))
