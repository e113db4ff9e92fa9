"""Forecast laws, where an estimator has one: quantiles at many levels, and what they say of the losses.

The law of a day is the estimator's own quantiles on a grid: of a long position the upper half, of a short one the lower
half.  Between them the logarithm of the survival probability is linear in the loss; beyond the last it falls at the
rate that makes the mean loss beyond VaR the ES that was forecast, but no faster than it has since the 95 % quantile,
because the last two quantiles of an empirical law may lie together by chance.
Transforms of the losses (PIT) fill a histogram evenly where the law is right; how unevenly is measured by half the sum
of absolute differences, which is positive for a right law too: `even_error` says by how much.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import bdtr

from riskengine.arrays import Floats, Ints
from riskengine.backtest.cumulative_violations import du_escanciano, du_escanciano_conditional
from riskengine.backtest.lanes import BreachLanes, berkowitz_tail_lanes, chi_squared_p
from riskengine.backtest.result import TestResult, ranked_p_value, undefined

BINS = 20
# one bin edge each from the median on, then the tail
GRID = np.array(
    [*(0.5 + 0.05 * np.arange(1, 10)), 0.96, 0.97, 0.975, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975]
)  # fmt: skip
_POINT = np.append(1.0 - GRID, (1.0 - GRID[-1]) / np.e)  # tail probabilities of the points of a law
_HEIGHT = np.log(_POINT)
_FROM = int(np.flatnonzero(GRID >= 0.949999)[0])
LAW_TESTS = ("du_escanciano", "du_escanciano_conditional", "berkowitz_tail", "z1", "z2", "z3")


def law_of(quantiles: Floats, es: Floats, p: float) -> Floats:
    """Points of the laws of N days, (points, N): quantiles at GRID, and one more so that the mean beyond `p` is `es`.

    The mean is larger where that would let the tail fall faster than it has since the 95 % quantile.

    Parameters
    ----------
    quantiles : ndarray, shape (levels of GRID, N)
        Not falling in the level.
    es : ndarray, shape (N,)
        ES that was forecast for the tail probability `p`.
    p : float
        At most 5 %.
    """
    weight = _integral(lambda s: np.full_like(s, 1.0 / p), np.log(p))
    last = (es - weight[:-1] @ quantiles) / weight[-1]
    least = (quantiles[-1] - quantiles[_FROM]) / (_HEIGHT[_FROM] - _HEIGHT[-2])
    return np.concatenate([quantiles, np.maximum(last, quantiles[-1] + least)[None]])


def survival_of(loss: Floats, law: Floats) -> Floats:
    """Forecast probability of a loss at least as large, (N,); 1 where it lies below the first point.

    Parameters
    ----------
    loss : ndarray, shape (N,)
    law : ndarray, shape (points, N)
        `law_of` the days.
    """
    place = np.clip((law <= loss).sum(axis=0), 1, law.shape[0] - 1)  # segment that ends at `place`, the last one beyond
    day = np.arange(loss.size)
    left, right = law[place - 1, day], law[place, day]
    width = np.maximum(right - left, 1e-12 * np.maximum(np.maximum(np.abs(right), np.abs(loss)), 1e-280))
    at = _HEIGHT[place - 1] + (_HEIGHT[place] - _HEIGHT[place - 1]) * (loss - left) / width
    return np.where(loss < law[0], 1.0, np.exp(np.minimum(at, _HEIGHT[0])))


def _between(survival: Floats) -> tuple[Ints, Floats]:
    """Where tail probabilities lie: the point after each, and the part of the way to it, above 1 beyond the last."""
    at = np.minimum(np.log(survival), _HEIGHT[0])
    place = np.clip(np.searchsorted(-_HEIGHT, -at, side="right"), 1, _HEIGHT.size - 1)
    return place, (at - _HEIGHT[place - 1]) / (_HEIGHT[place] - _HEIGHT[place - 1])


def loss_at(survival: Floats, law: Floats, day: Ints | None = None) -> Floats:
    """The inverse: losses at tail probabilities (M,), no smaller than the first point.

    Parameters
    ----------
    survival : ndarray, shape (M,)
    law : ndarray, shape (points, N)
    day : ndarray of int, shape (M,), optional
        Whose law each takes; all of them in turn by default.
    """
    place, part = _between(survival)
    day = np.arange(survival.size) if day is None else day
    left, right = law[place - 1, day], law[place, day]
    return left + (right - left) * part


def mean_weights(survival: Floats) -> Floats:
    """Weights of the points of any law, (points, P), that give its mean loss at tail probabilities (K, P).

    A loss of the law is linear in its points, with weights that depend on the tail probability alone.
    """
    place, part = _between(survival)
    paths = survival.shape[1]
    column = np.broadcast_to(np.arange(paths), survival.shape)
    out = np.zeros((_HEIGHT.size, paths))
    for row, weight in ((place - 1, 1.0 - part), (place, part)):
        out += np.bincount((row * paths + column).ravel(), weight.ravel(), out.size).reshape(out.shape)
    return out / survival.shape[0]


def _integral(density: Callable[[Floats], Floats], top: float) -> Floats:
    """Weights of the points, (points,), of the mean loss under a density of the tail probability up to exp(`top`).

    Gauss and Legendre in log s between points and, where the law is straight in log s for ever, beyond the last.
    """
    node, weight = np.polynomial.legendre.leggauss(64)
    edges = np.concatenate([[0.0], _HEIGHT, _HEIGHT[-1] - np.array([1.0, 4.0, 12.0, 40.0])])
    edges = np.concatenate([[top], edges[edges < top]])
    low, high = edges[1:, None], edges[:-1, None]
    s = np.exp((0.5 * (low + high) + 0.5 * (high - low) * node).ravel())
    mass = (0.5 * (high - low) * weight).ravel() * s * density(s)
    return mean_weights(s[None, :]) @ mass


@lru_cache(maxsize=256)
def expected_weights(n: int, worst: int) -> Floats:
    """`mean_weights` expected of the `worst` smallest of `n` independent uniforms, (points,).

    Their mean density is n / worst P(Binomial(n - 1, s) < worst).
    """
    return _integral(lambda s: n / worst * bdtr(worst - 1, n - 1, s), 0.0)


def worst_of(n: int, p: float) -> int:
    """How many of `n` days Z3 looks at."""
    return max(int(np.floor(n * p + 1e-9)), 1)


def smallest_uniforms(n: int, worst: int, draws: int, random: np.random.Generator) -> Floats:
    """The `worst` smallest of `n` uniforms, (worst, draws): sums of exponentials over the sum of n + 1 of them."""
    sums = np.cumsum(random.standard_exponential((worst, draws)), axis=0)
    return sums / (sums[-1] + random.standard_gamma(n + 1 - worst, draws))


def ratio_tests(
    loss: Floats, own: Floats, es: Floats, law: Floats, p: float, replicates: int, seed: int
) -> dict[str, TestResult]:
    """Z1 and Z2 of Acerbi and Szekely, p-values simulated from the laws of the days, one-sided (understated risk).

    Parameters
    ----------
    loss, own, es : ndarray, shape (N,)
        Losses, the VaR of the forecast laws, and the ES that is judged.
    law : ndarray, shape (points, N)
    p : float
    replicates, seed : int
    """
    n, hit = loss.size, loss > own
    random = np.random.default_rng(seed)
    draw, day = np.nonzero(random.random((replicates, n)) < p)
    drawn = loss_at(p * (1.0 - random.random(day.size)), law, day) / es[day]
    total, count = np.bincount(draw, drawn, replicates), np.bincount(draw, minlength=replicates)
    seen = float((loss[hit] / es[hit]).sum())
    out = {}
    for name, value, null in (
        ("z1", seen / max(hit.sum(), 1), (total / np.maximum(count, 1))[count > 0]),
        ("z2", seen / (n * p), total / (n * p)),
    ):
        if name == "z1" and not hit.any():
            out[name] = undefined(n, "Z1 needs a breach, got none")
            continue
        p_value, method = ranked_p_value(value, null, random)
        out[name] = TestResult(1.0 - value, p_value, method, n)
    return out


def rank_test(survival: Floats, law: Floats, p: float, replicates: int, seed: int) -> TestResult:
    """Z3 of Acerbi and Szekely with a law that moves from day to day, p-value simulated, one-sided.

    Z3 = 1 - mean over days t of  ES(F_t^-1(U_1) ... F_t^-1(U_n)) / E ES(F_t^-1(V_1) ... F_t^-1(V_n)),
    ES the mean of the n p largest, U the transforms of the losses, V independent uniforms: on each day's law, how bad
    the worst ranks of all days are, against what they should be.  Both are linear in the points of that law, so
    that the mean over days is one weighted sum, for the losses and for every draw.

    Parameters
    ----------
    survival : ndarray, shape (N,)
        `survival_of` the losses.
    law : ndarray, shape (points, N)
    p : float
    replicates, seed : int
    """
    n = survival.size
    worst = worst_of(n, p)
    scale = expected_weights(n, worst) @ law
    if not (scale > 0).all():
        return undefined(n, "Z3 needs laws whose worst days are expected to lose, got some that are not")
    over_days = (law / scale).mean(axis=1)
    seen = float((over_days @ mean_weights(np.sort(survival)[:worst, None]))[0])
    random = np.random.default_rng(seed)
    drawn = over_days @ mean_weights(smallest_uniforms(n, worst, replicates, random))
    p_value, method = ranked_p_value(seen, drawn, random)
    return TestResult(1.0 - seen, p_value, method, n)


def law_tests(
    loss: Floats, es: Floats, quantiles: Floats, p: float, replicates: int, seed: int
) -> dict[str, TestResult]:
    """Tests of the tail beyond `p` <= 5 % that need the forecast law, by name."""
    law = law_of(quantiles, es, p)
    survival = survival_of(loss, law)
    beyond = survival < p
    lanes = BreachLanes.of(beyond[:, None], survival=survival[:, None])
    statistic = berkowitz_tail_lanes(lanes, p)
    # the law's own VaR, so that its draws breach as often as it says
    own = loss_at(np.full(loss.size, p), law)
    out = {
        "du_escanciano": du_escanciano(survival, p),
        "du_escanciano_conditional": du_escanciano_conditional(survival, p),
        "berkowitz_tail": TestResult(
            float(statistic[0]), float(chi_squared_p(2, statistic)[0]), "asymptotic chi-squared(2)", loss.size
        ),
    }
    if (es >= own).all() and (own > 0).all():
        out |= ratio_tests(loss, own, es, law, p, replicates, seed)
    out["z3"] = rank_test(survival, law, p, replicates, seed)
    return out


def histogram(long: Floats, short: Floats, loss: Floats) -> Floats:
    """Days in each of the 20 bins of the transform of `loss` (N,); the two at the median share theirs evenly.

    Parameters
    ----------
    long, short : ndarray, shape (levels of GRID, N)
        Quantiles of the loss of a long position and of that of a short one.
    """
    half = BINS // 2 - 1
    lower = -short[:half][::-1]  # edges 5 % ... 45 % of the loss of the long position
    place = (np.concatenate([lower, long[:half]]) < loss).sum(axis=0)  # 0 ... 18, the middle one two bins wide
    count = np.bincount(place, minlength=2 * half + 1).astype(np.float64)
    middle = count[half] / 2.0
    return np.concatenate([count[:half], [middle, middle], count[half + 1 :]])


def unevenness(count: Floats) -> float:
    """Half the sum of absolute differences between shares of days and equal shares: the share in a wrong bin."""
    return float(0.5 * np.abs(count / count.sum() - 1.0 / count.size).sum())


def even_error(n: int, seed: int, replicates: int = 500) -> float:
    """Mean `unevenness` of `n` independent transforms of a right law."""
    random = np.random.default_rng((seed, n))
    probability = np.full(BINS - 1, 1.0 / BINS)
    probability[BINS // 2 - 1] *= 2.0
    half = BINS // 2 - 1
    drawn = random.multinomial(n, probability, replicates).astype(np.float64)
    middle = drawn[:, half : half + 1] / 2.0
    full = np.concatenate([drawn[:, :half], middle, middle, drawn[:, half + 1 :]], axis=1)
    return float(0.5 * np.abs(full / n - 1.0 / BINS).sum(axis=1).mean())
