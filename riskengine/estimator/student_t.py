"""Student t by maximum likelihood: heavy tails of one shape.

Losses are m + s T with T of nu degrees of freedom.  (m, s, nu) maximise the likelihood, 1/3 <= nu <= 1000 (the normal
law for all that a sample can tell), by Newton's method with EM steps where it fails.

    VaR = m + s q,   ES = m + s f(q) (nu + q^2) / ((nu - 1) p),   q the t quantile, f its density, p = 1 - level

With ``scale="deviation"`` m is the mean and s the standard deviation times sqrt((nu - 2) / nu), which needs nu > 2 and
is refused otherwise; ES needs nu > 1.  Intervals: delta method with the expected information of (m, log s, log nu)
(Lange, Little, Taylor, JASA 84 (1989), 881-896), symmetric in log(VaR - m); they hold for t losses and are asymptotic.
With the deviation in place of s its error is the larger of the two, s sqrt((kurtosis - 1) / 4n), and there is none for
nu <= 4.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import gammaln, polygamma, stdtrit

from riskengine.arrays import Floats
from riskengine.estimator.tails import LaneEstimator, Tail, bounded, standard_error
from riskengine.jit import kernel

SMALLEST_DF, LARGEST_DF = 1.0 / 3.0, 1000.0
_LOWEST, _HIGHEST = math.log(SMALLEST_DF), math.log(LARGEST_DF)
_ALMOST_LOWEST, _ALMOST_HIGHEST = SMALLEST_DF * (1 + 1e-9), LARGEST_DF * (1 - 1e-9)
_ROUNDS = 200


@kernel
def digammas(x):
    """(psi(x), psi'(x)) of x > 0: recurrence to x >= 12, then the asymptotic series (relative error below 1e-14)."""
    first, second = 0.0, 0.0
    while x < 12.0:
        first -= 1.0 / x
        second += 1.0 / (x * x)
        x += 1.0
    r = 1.0 / (x * x)
    first += math.log(x) - 0.5 / x - r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132)))))
    tail = 1 / 6 - r * (1 / 30 - r * (1 / 42 - r * (1 / 30 - r * (5 / 66))))
    second += 1.0 / x + 0.5 * r + r / x * tail
    return first, second


@kernel
def log_likelihood(x, m, s, nu):
    """Log-likelihood of losses `x` under m + s T_nu."""
    total = 0.0
    for i in range(x.size):
        z = (x[i] - m) / s
        total += math.log1p(z * z / nu)
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi) - math.log(s)
    return x.size * constant - 0.5 * (nu + 1.0) * total


@kernel
def _derivatives(x, m, s, nu, out):
    """Gradient (0-2) and Hessian (mm, ms, ml, ss, sl, ll at 3-8) in (m, log s, l = log nu)."""
    for j in range(9):
        out[j] = 0.0
    for i in range(x.size):
        z = (x[i] - m) / s
        zz = z * z
        d = 1.0 / (nu + zz)
        w = (nu + 1.0) * d
        out[0] += w * z
        out[1] += w * zz - 1.0
        out[2] += 0.5 * w * zz / nu - 0.5 * math.log1p(zz / nu)
        out[3] -= w * (nu - zz) * d
        out[4] -= 2.0 * w * z * nu * d
        out[5] += z * (zz - 1.0) * d * d
        out[6] -= 2.0 * w * zz * nu * d
        out[7] += zz * (zz - 1.0) * d * d
        out[8] += 0.5 * zz * d / nu
        out[8] += 0.5 * zz * (nu * nu + nu * zz - (nu + 1.0) * (2.0 * nu + zz)) * d * d / (nu * nu)
    a0, a1 = digammas(0.5 * (nu + 1.0))
    b0, b1 = digammas(0.5 * nu)
    out[2] += x.size * 0.5 * (a0 - b0 - 1.0 / nu)
    out[8] += x.size * (0.25 * (a1 - b1) + 0.5 / (nu * nu))
    out[8] = nu * nu * out[8] + nu * out[2]
    out[0] /= s
    out[2] *= nu
    out[3] /= s * s
    out[4] /= s
    out[5] *= nu / s
    out[7] *= nu


@kernel(scratch=True)
def maximise(x, fixed, out):
    """Maximum likelihood of (m, s, nu) on every lane.

    Parameters
    ----------
    x : ndarray, shape (P, W)
    fixed : float
        nu where it is given, 0 to estimate it.
    out : ndarray, shape (P, 4)
        m, s, nu, and 1 where the maximum was found (0: losses that do not vary, or no convergence).
    """
    g = np.empty(9)
    for lane in range(x.shape[0]):
        v = x[lane]
        n = v.size
        m = v.mean()
        s = 0.0
        for i in range(n):
            s += (v[i] - m) ** 2
        s = math.sqrt(s / n)
        out[lane, 3] = 0.0
        if not s > 0.0:
            out[lane, 0], out[lane, 1], out[lane, 2] = m, s, (fixed if fixed > 0.0 else 5.0)
            continue
        nu = fixed if fixed > 0.0 else 5.0
        s *= 0.75
        best = log_likelihood(v, m, s, nu)
        for _ in range(_ROUNDS):
            _derivatives(v, m, s, nu, g)
            free = fixed == 0.0
            # exp(log nu) misses the ends of the range by a rounding
            if (nu < _ALMOST_LOWEST and g[2] < 0.0) or (nu > _ALMOST_HIGHEST and g[2] > 0.0):
                free = False
            # Newton step -H^-1 g of the free parameters, by Cholesky of -H; negative pivots call for an EM step
            a, b, c = -g[3], -g[4], -g[6]
            d0 = a
            l10 = b / d0 if d0 > 0.0 else 0.0
            d1 = c - l10 * b
            good = d0 > 0.0 and d1 > 0.0
            step0, step1, step2 = 0.0, 0.0, 0.0
            if good:
                if free:
                    l20 = -g[5] / d0
                    l21 = (-g[7] - l20 * b) / d1
                    d2 = -g[8] - l20 * l20 * d0 - l21 * l21 * d1
                    good = d2 > 0.0
                    if good:
                        y0 = g[0]
                        y1 = g[1] - l10 * y0
                        y2 = g[2] - l20 * y0 - l21 * y1
                        step2 = y2 / d2
                        step1 = y1 / d1 - l21 * step2
                        step0 = y0 / d0 - l10 * step1 - l20 * step2
                else:
                    y1 = g[1] - l10 * g[0]
                    step1 = y1 / d1
                    step0 = g[0] / d0 - l10 * step1
            moved = False
            if good:
                gain = step0 * g[0] + step1 * g[1] + step2 * g[2]
                if gain < 1e-13 * n:
                    m += step0
                    s *= math.exp(step1)
                    nu = math.exp(min(max(math.log(nu) + step2, _LOWEST), _HIGHEST)) if free else nu
                    out[lane, 3] = 1.0
                    break
                size = min(1.0, 2.0 / max(abs(step1), abs(step2), 1e-300))
                for _ in range(12):
                    m2, s2 = m + size * step0, s * math.exp(size * step1)
                    nu2 = math.exp(min(max(math.log(nu) + size * step2, _LOWEST), _HIGHEST)) if free else nu
                    value = log_likelihood(v, m2, s2, nu2)
                    if value > best:
                        m, s, nu, best, moved = m2, s2, nu2, value, True
                        break
                    size *= 0.5
            if not moved:
                # parameter-expanded EM for (m, s), then a bounded uphill step in log nu
                sw, swx = 0.0, 0.0
                for i in range(n):
                    z = (v[i] - m) / s
                    w = (nu + 1.0) / (nu + z * z)
                    sw += w
                    swx += w * v[i]
                m2 = swx / sw
                ss = 0.0
                for i in range(n):
                    z = (v[i] - m) / s
                    ss += (nu + 1.0) / (nu + z * z) * (v[i] - m2) ** 2
                s2 = math.sqrt(ss / sw)
                value = log_likelihood(v, m2, s2, nu)
                moved = value > best
                if moved:
                    m, s, best = m2, s2, value
                if free:
                    size = 0.5 if g[2] > 0.0 else -0.5
                    for _ in range(12):
                        nu2 = math.exp(min(max(math.log(nu) + size, _LOWEST), _HIGHEST))
                        value = log_likelihood(v, m, s, nu2)
                        if value > best:
                            nu, best, moved = nu2, value, True
                            break
                        size *= 0.5
                if not moved:
                    # no step raises the likelihood: its digits are used up, and the gradient decides
                    scale = abs(g[0]) * s + abs(g[1]) + (abs(g[2]) if free else 0.0)
                    out[lane, 3] = 1.0 if scale < 1e-5 * n else 0.0
                    break
        out[lane, 0], out[lane, 1], out[lane, 2] = m, s, nu


def shortfall_factor(nu: Floats, level: float) -> Floats:
    """ES of the standard t law: f(q) (nu + q^2) / ((nu - 1) p); NaN for nu <= 1."""
    nu = np.asarray(nu, dtype=np.float64)
    q = stdtrit(nu, level)
    log_density = gammaln(0.5 * (nu + 1)) - gammaln(0.5 * nu) - 0.5 * np.log(nu * np.pi)
    density = np.exp(log_density - 0.5 * (nu + 1) * np.log1p(q * q / nu))
    with np.errstate(divide="ignore"):
        return np.where(nu > 1, density * (nu + q * q) / ((nu - 1) * (1 - level)), np.nan)


def scale_of_deviation(nu: Floats) -> Floats:
    """s / sd = sqrt((nu - 2) / nu); NaN for nu <= 2, where the deviation is infinite."""
    nu = np.asarray(nu, dtype=np.float64)
    return np.where(nu > 2, np.sqrt(np.maximum(nu - 2, 0) / nu), np.nan)


@dataclass(frozen=True)
class StudentTEstimator(LaneEstimator):
    """VaR and ES of a Student t law fitted by maximum likelihood.

    Attributes
    ----------
    df : float, optional
        Degrees of freedom nu; None to estimate them.
    scale : {"likelihood", "deviation"}
        Where m and s come from: the likelihood, or the sample's mean and standard deviation (nu > 2).
    kind : str
        ``student_t``.
    """

    df: float | None = None
    scale: Literal["likelihood", "deviation"] = "likelihood"
    kind: Literal["student_t"] = "student_t"
    _least = 8

    def __post_init__(self) -> None:
        faults = []
        least = 2.0 if self.scale == "deviation" else SMALLEST_DF
        if self.df is not None and not least < self.df <= LARGEST_DF:
            what = ", above 2 with the deviation as scale" if self.scale == "deviation" else ""
            faults.append(f"df must lie in ({least:.3g}, {LARGEST_DF:g}]{what}, got {self.df!r}")
        if self.scale not in ("likelihood", "deviation"):
            faults.append(f"scale must be 'likelihood' or 'deviation', got {self.scale!r}")
        if faults:
            raise ValueError("; ".join(faults))

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        n = x.shape[1]
        fitted = np.empty((x.shape[0], 4))
        maximise(x, 0.0 if self.df is None else float(self.df), fitted)
        m, s, nu, found = fitted.T
        unit = np.where(found > 0, 1.0, np.nan)
        m, s = m * unit, s * unit
        covariance = _covariance(nu, n, self.df is not None)
        if self.scale == "deviation":
            m, s = x.mean(axis=1), x.std(axis=1, ddof=1) * scale_of_deviation(nu)
            with np.errstate(divide="ignore"):
                rough = np.where(nu > 4, (2 + 6 / np.maximum(nu - 4, 0)) / (4 * n), np.inf)
            covariance[1, 1] = np.maximum(covariance[1, 1], rough)
            covariance[0, 0] = np.maximum(covariance[0, 0], nu / np.maximum(nu - 2, 1e-300) / n)

        def reason(_level: int, lane: int) -> str:
            if fitted[lane, 3] == 0:
                return "refused: the likelihood has no maximum on this sample (losses that hardly vary)"
            if self.scale == "deviation" and not nu[lane] > 2:
                return f"refused: the deviation of a t law needs nu > 2, got {nu[lane]:.3g}; use scale likelihood"
            return ""

        def no_mean(level: int, lane: int) -> str:
            if not nu[lane] > 1:
                return f"refused: the mean beyond VaR needs nu > 1, got {nu[lane]:.3g}"
            return reason(level, lane)

        tails = []
        for factor, why in ((lambda v, q: stdtrit(v, q), reason), (shortfall_factor, no_mean)):
            c = np.array([factor(nu, q) for q in levels])
            h = 1e-4
            slope = np.array([(factor(nu * np.exp(h), q) - factor(nu * np.exp(-h), q)) / (2 * h) for q in levels])
            # gradient of the figure over s in (m / s, log s, log nu)
            error = s * standard_error((np.ones_like(c), c, slope), covariance)
            tails.append(
                bounded(m + s * c, error, confidence, float(n), "student t, delta method", origin=m, reason=why)
            )
        return tails[0], tails[1]


def _covariance(nu: Floats, n: int, fixed: bool) -> Floats:
    """Inverse expected information of (m / s, log s, log nu), shape (3, 3, P); no error of nu where it is given."""
    out = np.zeros((3, 3, nu.size))
    out[0, 0] = (nu + 3) / (nu + 1) / n
    ss = 2 * nu / (nu + 3)
    if fixed:
        out[1, 1] = 1 / (n * ss)
        return out
    sl = -2 * nu / ((nu + 1) * (nu + 3))
    ll = 0.25 * (polygamma(1, nu / 2) - polygamma(1, (nu + 1) / 2)) - (nu + 5) / (2 * nu * (nu + 1) * (nu + 3))
    ll = nu * nu * ll
    determinant = ss * ll - sl * sl
    out[1, 1], out[2, 2], out[1, 2] = ll / determinant / n, ss / determinant / n, -sl / determinant / n
    out[2, 1] = out[1, 2]
    return out
