"""Expected-shortfall regression (Bayer and Dimitriadis 2022): is the ES forecast its own best predictor?

Quantile and ES of the loss given the forecasts are lines, fitted together by minimising the FZ0 score

    mean[(L - v)+ / (p m) + v / m + log m],     v = b0 + b1 x,     m = g0 + g1 ES > 0,

and (g0, g1) = (0, 1) where the ES forecast is right.  Strict: x is the ES forecast, so no VaR forecast is needed.
Auxiliary: x is the VaR forecast.  Wald statistic ~ chi-square(2) under the null.  Intercept: L - ES on a constant; its
solution is closed under every consistent score (empirical quantile and tail mean), and being one number it may be
tested one-sided against understated ES.

Covariance Lambda^-1 C Lambda^-1 / n of (b, g) (Dimitriadis and Bayer 2019), with a = v + (L - v)+ / p and scores

    psi_b = x (1 - 1{L > v} / p) / m,     psi_g = z (m - a) / m^2,     C = mean psi psi'.

Where the lines are right both scores have mean 0 given x, Lambda is block diagonal and no density enters the test:

    Lambda_gg = mean z z' / m^2,     C_gg = mean z z' (Var(L - v | L > v) / p + (1 - p) / p (m - v)^2) / m^4,

the variance beyond the quantile being m^2 times that of the pooled (L - v) / m.  `specified` takes m from the fit;
`null` takes the forecast itself, asymptotically the same where it is right and far better in size: at 1,000 days and
2.5 % a right forecast is rejected 6 % of the time against 11 to 16 % (`benchmarks/es_regression_size.py`).  `robust`
keeps every term of Lambda, with Powell's kernel for the density, and the raw C (15 to 22 %).  `bootstrap` resamples
days and centres at the estimate.

Conventions.  Losses are left where they are: the FZ0 score is homogeneous, not invariant to shifts, so software that
first subtracts the largest return fits another line in the same data.  The score falls without bound where m reaches 0
on a day without a breach, so m >= ES / 20 is asked for.  References: Bayer, Dimitriadis, J. Financial
Econometrics 20 (2022), 437-471; Dimitriadis, Bayer, Electronic J. Statistics 13 (2019), 1823-1871.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from riskengine.arrays import Floats, check_range
from riskengine.backtest.result import TestResult, undefined
from riskengine.jit import kernel

LEAST_TAIL = 10  # losses beyond the level on average: below, a line through the tail is a line through nothing
_RESTARTS = 6
_LOWEST = 0.05  # of m over the ES forecast
Covariance = Literal["null", "specified", "robust", "bootstrap"]


@dataclass(frozen=True)
class RegressionFit:
    """Fitted lines.

    Attributes
    ----------
    var, es : ndarray, shape (2,)
        Intercept and slope of the quantile and of the ES.
    score : float
        Mean FZ0 score less 1.
    """

    var: Floats
    es: Floats
    score: float


@kernel
def mean_score(loss, x, z, b, p):
    """Mean FZ0 score plus 1 of the lines v = b0 + b1 x, m = b2 + b3 z; infinite where an m is too small."""
    total, product = 0.0, 1.0
    for t in range(loss.size):
        m = b[2] + b[3] * z[t]
        if not m >= _LOWEST * z[t]:
            return np.inf
        v = b[0] + b[1] * x[t]
        total += (v + max(loss[t] - v, 0.0) / p) / m
        product *= m
        # one logarithm for as many factors as stay far from the ends of the range
        if product < 1e-100 or product > 1e100:
            total += np.log(product)
            product = 1.0
    return (total + np.log(product)) / loss.size


@kernel(scratch=True)
def simplex_search(loss, x, z, p, point, step, evaluations):
    """Nelder and Mead's simplex from `point` (4,), which is moved to the best point found; returns its score."""
    d = point.size
    corner = np.empty((d + 1, d))
    value = np.empty(d + 1)
    trial, centre = np.empty(d), np.empty(d)
    for i in range(d + 1):
        corner[i] = point
        if i > 0:
            corner[i, i - 1] += step[i - 1]
        value[i] = mean_score(loss, x, z, corner[i], p)
    used = d + 1
    while used < evaluations:
        order = np.argsort(value)
        corner, value = corner[order], value[order]
        width = 0.0
        for i in range(1, d + 1):
            for j in range(d):
                width = max(width, abs(corner[i, j] - corner[0, j]))
        if value[d] - value[0] < 1e-12 and width < 1e-7:
            break
        for j in range(d):
            centre[j] = 0.0
            for i in range(d):
                centre[j] += corner[i, j] / d
        for j in range(d):
            trial[j] = 2.0 * centre[j] - corner[d, j]
        reached = mean_score(loss, x, z, trial, p)
        used += 1
        if reached < value[0]:
            further = np.empty(d)
            for j in range(d):
                further[j] = 3.0 * centre[j] - 2.0 * corner[d, j]
            beyond = mean_score(loss, x, z, further, p)
            used += 1
            if beyond < reached:
                corner[d], value[d] = further, beyond
            else:
                corner[d], value[d] = trial, reached
        elif reached < value[d - 1]:
            corner[d], value[d] = trial, reached
        else:
            outside = reached < value[d]
            for j in range(d):
                trial[j] = centre[j] + (0.5 if outside else -0.5) * (centre[j] - corner[d, j])
            inner = mean_score(loss, x, z, trial, p)
            used += 1
            if inner < min(reached, value[d]):
                corner[d], value[d] = trial, inner
            else:
                for i in range(1, d + 1):
                    for j in range(d):
                        corner[i, j] = 0.5 * (corner[i, j] + corner[0, j])
                    value[i] = mean_score(loss, x, z, corner[i], p)
                used += d
    best = np.argmin(value)
    point[:] = corner[best]
    return value[best]


def fit_lines(loss: Floats, x: Floats, z: Floats, p: float, start: Floats | None = None) -> RegressionFit:
    """Minimise the mean FZ0 score by Nelder and Mead's simplex, restarted until it gains nothing.

    Parameters
    ----------
    loss, x, z : ndarray, shape (n,)
        Losses, regressor of the quantile, regressor of the ES.
    p : float
        Tail probability.
    start : ndarray, shape (4,), optional
        Coefficients to start from; otherwise the null for the ES and the best proportional quantile.
    """
    scale = float(z.mean())
    y, u, w = loss / scale, x / scale, z / scale
    if start is None:
        ratio = np.quantile(y / u, 1.0 - p, method="inverted_cdf")
        point = np.array([0.0, float(ratio), 0.0, 1.0])
    else:
        point = np.array([start[0] / scale, start[1], start[2] / scale, start[3]])
    best, step = np.inf, np.array([0.1, -0.1, 0.1, -0.1])
    for _ in range(_RESTARTS):
        found = simplex_search(y, u, w, p, point, step, 1500)
        gained, best = best - found, min(best, float(found))
        if gained < 1e-9:
            break
        step = -0.5 * step
    return RegressionFit(
        np.array([point[0] * scale, point[1]]), np.array([point[2] * scale, point[3]]), best + np.log(scale)
    )


def _specified(loss: Floats, x: Floats, z: Floats, p: float, fit: RegressionFit, null: bool) -> Floats:
    """Covariance of the two ES coefficients where the lines are right, (2, 2)."""
    n = loss.size
    columns = np.stack([np.ones(n), z])
    v, m = fit.var[0] + fit.var[1] * x, z if null else fit.es @ columns
    hit = loss > v
    beyond = ((loss - v)[hit] / m[hit]).var(ddof=1) if hit.sum() > 1 else 0.0
    spread = beyond * m**2 / p + (1.0 - p) / p * np.maximum(m - v, 0.0) ** 2
    inverse = np.linalg.inv((columns / m**2) @ columns.T / n)
    return inverse @ ((columns * (spread / m**4)) @ columns.T / n) @ inverse / n


def _robust(loss: Floats, x: Floats, z: Floats, p: float, fit: RegressionFit) -> Floats:
    """Covariance of the two ES coefficients whether or not the lines are right, (2, 2)."""
    n = loss.size
    one = np.ones(n)
    columns_v, columns_e = np.stack([one, x]), np.stack([one, z])
    v, m = fit.var @ columns_v, fit.es @ columns_e
    hit = loss > v
    a = v + np.maximum(loss - v, 0.0) / p
    psi = np.concatenate([columns_v * ((1.0 - hit / p) / m), columns_e * ((m - a) / m**2)])
    near = min(n, round(2.0 * n * p) + 20)
    distance = np.abs(loss - v) / m  # in units of the forecast, so that quiet and wild days share a band
    band = float(np.partition(distance, near - 1)[near - 1])
    density = (distance <= band) / (2.0 * band * m)
    across = (columns_v * (-(1.0 - hit / p) / m**2)) @ columns_e.T / n
    jacobian = np.block(
        [
            [(columns_v * (density / (p * m))) @ columns_v.T / n, across],
            [across.T, (columns_e * ((2.0 * a - m) / m**3)) @ columns_e.T / n],
        ]
    )
    inverse = np.linalg.inv(jacobian)
    return (inverse @ (psi @ psi.T / n) @ inverse.T / n)[2:, 2:]


def _wald(difference: Floats, covariance: Floats) -> float:
    try:
        value = float(difference @ np.linalg.solve(covariance, difference))
    except np.linalg.LinAlgError:
        return float("nan")
    return value if value >= 0.0 else float("nan")


def es_regression(
    loss: ArrayLike, es: ArrayLike, tail_prob: float, var: ArrayLike | None = None, covariance: Covariance = "null",
    replicates: int = 499, seed: int = 1,
) -> TestResult:  # fmt: skip
    """Test that ES forecasts are right, two-sided.

    Parameters
    ----------
    loss, es : array_like, shape (n,)
        Losses positive; forecasts positive and not all one number.
    tail_prob : float
    var : array_like, shape (n,), optional
        With VaR forecasts the auxiliary test, without the strict one.
    covariance : {"null", "specified", "robust", "bootstrap"}
    replicates, seed : int
        Of the bootstrap.

    Returns
    -------
    TestResult
        Undefined with fewer than 10 losses expected beyond the level, or where forecasts do not move.
    """
    y, z = _series(loss, es, tail_prob)
    x = z if var is None else np.asarray(var, dtype=np.float64)
    if x.shape != y.shape or not (x > 0).all():
        raise ValueError("var must be positive forecasts, one a loss, got others")
    n = y.size
    why = _too_little(n, tail_prob)
    if not why and min(np.ptp(x), np.ptp(z)) < 1e-9 * float(z.mean()):
        why = "a line needs forecasts that move, got constant ones"
    if why:
        return undefined(n, why)
    fit = fit_lines(y, x, z, tail_prob)
    if covariance in ("null", "specified"):
        spread = _specified(y, x, z, tail_prob, fit, covariance == "null")
    else:
        spread = _robust(y, x, z, tail_prob, fit)
    statistic = _wald(fit.es - np.array([0.0, 1.0]), spread)
    if not np.isfinite(statistic):
        return undefined(n, "the covariance of the coefficients is singular")
    name = "strict" if var is None else "auxiliary"
    if covariance != "bootstrap":
        return TestResult(statistic, float(chdtrc(2, statistic)), f"asymptotic chi-squared(2), {name}, {covariance}", n)
    random = np.random.default_rng(seed)
    start = np.concatenate([fit.var, fit.es])
    above = formed = 0
    for _ in range(replicates):
        i = random.integers(0, n, n)
        again = fit_lines(y[i], x[i], z[i], tail_prob, start)
        drawn = _wald(again.es - fit.es, _robust(y[i], x[i], z[i], tail_prob, again))
        formed += np.isfinite(drawn)
        above += drawn >= statistic
    p_value = (above + 1.0) / (formed + 1.0)
    return TestResult(statistic, float(p_value), f"bootstrap of days, {formed:,} draws, {name}", n)


def es_regression_intercept(loss: ArrayLike, es: ArrayLike, tail_prob: float, two_sided: bool = True) -> TestResult:
    """Test that the ES of loss less forecast is zero; statistic is positive where ES was understated.

    Parameters
    ----------
    loss, es : array_like, shape (n,)
    tail_prob : float
    two_sided : bool
        False tests against understated ES.
    """
    y, z = _series(loss, es, tail_prob)
    n = y.size
    why = _too_little(n, tail_prob)
    if why:
        return undefined(n, why)
    gap = y - z
    v = float(np.quantile(gap, 1.0 - tail_prob, method="inverted_cdf"))
    a = v + np.maximum(gap - v, 0.0) / tail_prob
    statistic = float(a.mean() / (a.std() / np.sqrt(n)))
    p_value = 2.0 * ndtr(-abs(statistic)) if two_sided else ndtr(-statistic)
    side = "two-sided" if two_sided else "against understated ES"
    return TestResult(statistic, float(p_value), f"asymptotic normal, intercept, {side}", n)


def _series(loss: ArrayLike, es: ArrayLike, p: float) -> tuple[Floats, Floats]:
    check_range("tail_prob", p, 0.0, 0.5, open_low=True)
    y, z = np.asarray(loss, dtype=np.float64), np.asarray(es, dtype=np.float64)
    if y.ndim != 1 or y.shape != z.shape or not np.isfinite(y).all() or not (z > 0).all():
        raise ValueError(f"losses and positive ES forecasts must be series of one length, got {y.shape} and {z.shape}")
    return y, z


def _too_little(n: int, p: float) -> str:
    need = int(np.ceil(LEAST_TAIL / p - 1e-9))
    return "" if n >= need else f"regression of the tail needs {need} losses at this level, got {n}"
