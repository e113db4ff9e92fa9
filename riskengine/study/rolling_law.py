"""Forecast laws, where an estimator has one: quantiles at many levels, and what they say of the losses.

The law of a day is the estimator's own quantiles on a grid: of a long position the upper half, of a short one the lower
half.  Between them the logarithm of the survival probability is linear in the loss; beyond the last it falls at the
mean rate since the 95 % quantile, because the last two quantiles of an empirical law may lie together by chance.
Transforms of the losses (PIT) fill a histogram evenly where the law is right; how unevenly is measured by half the sum
of absolute differences, which is positive for a right law too: `even_error` says by how much.
"""

from collections.abc import Callable

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.cumulative_violations import du_escanciano, du_escanciano_conditional
from riskengine.backtest.expected_shortfall import acerbi_szekely
from riskengine.backtest.lanes import BreachLanes, berkowitz_tail_lanes, chi_squared_p
from riskengine.backtest.result import TestResult

BINS = 20
# one bin edge each from the median on, then the tail
GRID = np.array(
    [*(0.5 + 0.05 * np.arange(1, 10)), 0.96, 0.97, 0.975, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975]
)  # fmt: skip
_TAIL = np.flatnonzero(GRID >= 0.949999)
LAW_TESTS = ("du_escanciano", "du_escanciano_conditional", "berkowitz_tail", "z1", "z2")


def survival_of(loss: Floats, quantiles: Floats) -> Floats:
    """Forecast probability of a loss at least as large, (N,); 1 where it lies below the 95 % quantile.

    Parameters
    ----------
    loss : ndarray, shape (N,)
    quantiles : ndarray, shape (levels of GRID, N)
        Not falling in the level.
    """
    q, height = quantiles[_TAIL], np.log(1.0 - GRID[_TAIL])
    place = np.clip((q <= loss).sum(axis=0), 1, q.shape[0] - 1)  # segment that ends at `place`, the last one beyond
    day = np.arange(loss.size)
    left, right = q[place - 1, day], q[place, day]
    width = np.maximum(right - left, 1e-12 * np.maximum(np.abs(right), 1e-300))
    at = height[place - 1] + (height[place] - height[place - 1]) * np.minimum((loss - left) / width, 1.0)
    at -= np.maximum(loss - q[-1], 0.0) / _decay(q, height)
    return np.where(loss < q[0], 1.0, np.exp(np.minimum(at, height[0])))


def _decay(q: Floats, height: Floats) -> Floats:
    """Loss over which the survival probability falls by e beyond the last quantile, (N,)."""
    return np.maximum((q[-1] - q[0]) / (height[0] - height[-1]), 1e-12 * np.abs(q[-1]))


def loss_at(survival: Floats, quantiles: Floats) -> Floats:
    """The inverse: losses at tail probabilities of at most 5 %, (N,)."""
    q, height, at = quantiles[_TAIL], np.log(1.0 - GRID[_TAIL]), np.log(survival)
    place = np.clip((height[:, None] >= at).sum(axis=0), 1, q.shape[0] - 1)
    day = np.arange(at.size)
    left, right = q[place - 1, day], q[place, day]
    inside = left + (right - left) * np.minimum((at - height[place - 1]) / (height[place] - height[place - 1]), 1.0)
    return inside + np.maximum(height[-1] - at, 0.0) * _decay(q, height)


def drawn_from(quantiles: Floats, p: float) -> Callable[[np.random.Generator], Floats]:
    """Draws of N losses from the laws of N days; those that breach nothing at `p` are minus infinity."""
    n = quantiles.shape[1]

    def draw(random: np.random.Generator) -> Floats:
        out = np.full(n, -np.inf)
        days = np.flatnonzero(random.random(n) < p)
        out[days] = loss_at(p * (1.0 - random.random(days.size)), quantiles[:, days])
        return out

    return draw


def law_tests(
    loss: Floats, es: Floats, quantiles: Floats, p: float, replicates: int, seed: int
) -> dict[str, TestResult]:
    """Tests of the tail beyond `p` <= 5 % that need the forecast law, by name."""
    survival = survival_of(loss, quantiles)
    beyond = survival < p
    lanes = BreachLanes.of(beyond[:, None], survival=survival[:, None])
    statistic = berkowitz_tail_lanes(lanes, p)
    # the law's own VaR, so that its draws breach as often as it says
    own = loss_at(np.full(loss.size, p), quantiles)
    draw = drawn_from(quantiles, p)
    out = {
        "du_escanciano": du_escanciano(survival, p),
        "du_escanciano_conditional": du_escanciano_conditional(survival, p),
        "berkowitz_tail": TestResult(
            float(statistic[0]), float(chi_squared_p(2, statistic)[0]), "asymptotic chi-squared(2)", loss.size
        ),
    }
    if (es >= own).all() and (own > 0).all():
        for which in (1, 2):
            out[f"z{which}"] = acerbi_szekely(loss, own, es, p, draw, which, replicates, seed)
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
