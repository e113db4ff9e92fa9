"""Breaches of very many histories at once, and the statistics of `riskengine.backtest` on them.

Breaches are few, so a history is kept as the days of its breaches with what was lost on them: a statistic over a
thousand days costs as much as its breaches.  Every function here gives, lane by lane, what the single-sample function
that it names gives; the last axis is histories.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import chdtrc, log_ndtr, ndtr, ndtri, xlogy

from riskengine.arrays import Floats, Ints
from riskengine.backtest.kupiec import kupiec_statistic


@dataclass(frozen=True)
class BreachLanes:
    """Breaches of P histories of `n` days.

    Attributes
    ----------
    n : int
    at : ndarray of int, shape (K, P)
        Day of each breach, counted from 0 and increasing; at least `n` where a history has no k-th breach.
    loss, survival : ndarray, shape (K, P)
        Loss, and forecast probability of a loss at least as large, on these days; NaN where not given.
    """

    n: int
    at: Ints
    loss: Floats
    survival: Floats

    @classmethod
    def of(cls, breach: np.ndarray, loss: Floats | None = None, survival: Floats | None = None) -> "BreachLanes":
        """From dense lanes (n, P): `breach` of zeros and ones, with `loss` and `survival` where tests read them."""
        days, paths = breach.shape
        lane, day = np.nonzero(np.asarray(breach, dtype=bool).T)
        count = np.bincount(lane, minlength=paths)
        rank = np.arange(lane.size) - np.repeat(np.cumsum(count) - count, count)
        shape = (max(int(count.max(initial=0)), 1), paths)
        at = np.full(shape, days, dtype=np.int64)
        at[rank, lane] = day
        kept = []
        for dense in (loss, survival):
            sparse = np.full(shape, np.nan)
            if dense is not None:
                sparse[rank, lane] = dense[day, lane]
            kept.append(sparse)
        return cls(days, at, *kept)

    def first(self, n: int) -> "BreachLanes":
        """The first `n` days of every history."""
        deep = max(int((self.at < n).sum(axis=0).max(initial=0)), 1)
        return replace(self, n=n, at=self.at[:deep], loss=self.loss[:deep], survival=self.survival[:deep])

    @cached_property
    def mask(self) -> np.ndarray:
        """Where there is a breach, (K, P)."""
        return self.at < self.n

    @cached_property
    def count(self) -> Ints:
        """Breaches of each history, (P,)."""
        return self.mask.sum(axis=0)

    def total(self, value: Floats) -> Floats:
        """Sum over breaches of `value` (K, P)."""
        return np.where(self.mask, value, 0.0).sum(axis=0)


def _entropy(quiet: Ints, hits: Ints) -> Floats:
    """Maximum over q of quiet log(1 - q) + hits log(q)."""
    total = np.maximum(quiet + hits, 1)
    return xlogy(quiet, quiet / total) + xlogy(hits, hits / total)


def christoffersen_lanes(b: BreachLanes, tail_prob: float) -> tuple[Floats, Floats]:
    """Likelihood ratios of independence and of conditional coverage, each (P,): `christoffersen`."""
    pair = b.mask[1:] & (b.at[1:] - b.at[:-1] == 1)
    n11 = pair.sum(axis=0)
    n10 = b.count - (b.mask & (b.at == b.n - 1)).sum(axis=0) - n11
    n01 = b.count - (b.mask & (b.at == 0)).sum(axis=0) - n11
    n00 = b.n - 1 - n01 - n10 - n11
    split = _entropy(n00, n01) + _entropy(n10, n11)
    independence = np.maximum(0.0, 2.0 * (split - _entropy(n00 + n10, n01 + n11)))
    return independence, independence + kupiec_statistic(b.count, b.n, tail_prob)


def gmm_lanes(b: BreachLanes, tail_prob: float, order: int = 3) -> Floats:
    """J of `gmm_duration`, (P,); NaN without a breach."""
    p, d = tail_prob, np.diff(b.at, axis=0, prepend=-1).astype(np.float64)
    d = np.where(b.mask, d, 0.0)
    before, now, total = np.zeros_like(d), np.ones_like(d), np.zeros(d.shape[1])
    size = np.where(b.count > 0, b.count, np.nan)
    for j in range(order):
        slope = ((1.0 - p) * (2 * j + 1) + p * (j - d + 1.0)) / ((j + 1.0) * np.sqrt(1.0 - p))
        before, now = now, slope * now - j / (j + 1.0) * before
        total += b.total(now) ** 2 / size
    return total


def dynamic_quantile_lanes(
    b: BreachLanes, tail_prob: float, var: Floats | None = None, lags: int = 4
) -> tuple[Floats, Ints]:
    """DQ statistic and rank of the regressors, each (P,): `dynamic_quantile`.

    Sums of products of hits are counts of breaches and of pairs of breaches `lags` days apart at most; with the
    forecasts `var` (n, P) also sums of forecasts on and after breach days.
    """
    p, n, rows = tail_prob, b.n, b.n - lags
    paths = b.at.shape[1]
    follows = np.zeros((lags + 1, *b.at.shape), dtype=bool)  # [g]: another breach g days later
    follows[0] = b.mask
    for ahead in range(1, min(lags, b.at.shape[0] - 1) + 1):
        gap = b.at[ahead:] - b.at[:-ahead]
        for g in range(ahead, lags + 1):
            follows[g, :-ahead] |= b.mask[ahead:] & (gap == g)

    def column(i: int) -> np.ndarray:
        """Breaches that column i, the hit i days before, sees."""
        return b.mask & (b.at >= lags - i) & (b.at < n - i)

    single = [column(i).sum(axis=0) for i in range(lags + 1)]
    product = np.empty((lags + 1, lags + 1, paths))
    for i in range(lags + 1):
        for j in range(i, lags + 1):  # breach s = t - j, and s + (j - i) = t - i
            both = (column(j) & follows[j - i]).sum(axis=0)
            product[i, j] = product[j, i] = both - p * (single[i] + single[j]) + rows * p * p
    moving = None
    if var is not None:
        level = var[:n]
        spread = level.std(axis=0)
        moving = (level - level.mean(axis=0)) / np.where(np.ptp(level, axis=0) > 0, spread, np.inf)
    size = lags + 1 + (moving is not None)
    gram, against = np.empty((paths, size, size)), np.empty((paths, size))
    gram[:, 0, 0] = rows
    against[:, 0] = single[0] - rows * p
    for i in range(1, lags + 1):
        gram[:, 0, i] = gram[:, i, 0] = single[i] - rows * p
        against[:, i] = product[0, i]
        for j in range(1, lags + 1):
            gram[:, i, j] = product[i, j]
    if moving is not None:
        last, whole = lags + 1, moving[lags:].sum(axis=0)

        def met(i: int) -> Floats:
            """Sum over t of the forecast of day t times the hit i days before."""
            seen = column(i)
            day = np.where(seen, b.at + i, 0)
            return np.where(seen, np.take_along_axis(moving, day, axis=0), 0.0).sum(axis=0) - p * whole

        gram[:, last, 0] = gram[:, 0, last] = whole
        gram[:, last, last] = (moving[lags:] ** 2).sum(axis=0)
        against[:, last] = met(0)
        for i in range(1, lags + 1):
            gram[:, last, i] = gram[:, i, last] = met(i)
    # columns at unit length: what is collinear in exact arithmetic has a root of 1e-16, anything else of 1e-5 and up
    length = np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), 1e-300))
    root, axes = np.linalg.eigh(gram / (length[:, :, None] * length[:, None, :]))
    kept = root > 1e-10
    along = np.einsum("pik,pi->pk", axes, against / length) ** 2
    return np.where(kept, along / np.where(kept, root, 1.0), 0.0).sum(axis=1) / (p * (1.0 - p)), kept.sum(axis=1)


def z1_lanes(b: BreachLanes, es: float) -> Floats:
    """`z1` for one forecast held every day, (P,); NaN without a breach."""
    return 1.0 - b.total(b.loss / es) / np.where(b.count > 0, b.count, np.nan)


def z2_lanes(b: BreachLanes, es: float, tail_prob: float) -> Floats:
    """`z2` for one forecast held every day, (P,)."""
    return 1.0 - b.total(b.loss / es) / (b.n * tail_prob)


def _residuals(b: BreachLanes, var: float, es: float) -> tuple[Floats, Floats, Floats]:
    """Exceedance residuals (K, P), 0 where there is no breach, their mean and standard deviation, (P,)."""
    r = np.where(b.mask, (b.loss - es) / var, 0.0)
    size = np.maximum(b.count, 2)
    centre = r.sum(axis=0) / size
    return r, centre, np.sqrt(np.where(b.mask, (r - centre) ** 2, 0.0).sum(axis=0) / (size - 1))


def mcneil_frey_lanes(b: BreachLanes, var: float, es: float) -> Floats:
    """Studentised mean of `mcneil_frey`, (P,); NaN with fewer than three breaches."""
    _, centre, spread = _residuals(b, var, es)
    value = centre / np.where(spread > 0, spread, np.inf) * np.sqrt(b.count)
    return np.where(b.count >= 3, value, np.nan)


def mcneil_frey_p_lanes(b: BreachLanes, var: float, es: float, replicates: int = 999, seed: int = 1) -> Floats:
    """Bootstrap p-value of `mcneil_frey` with the same draws, (P,).

    Lanes with equally many breaches share their resamples, as the single-sample function does, so a bootstrap of all
    of them is a product of matrices: how often each breach was drawn, times the residuals and their squares.
    """
    statistic = mcneil_frey_lanes(b, var, es)
    residual, centre, _ = _residuals(b, var, es)
    out = np.ones(statistic.size)
    for k in np.unique(b.count[b.count >= 3]):
        lanes = np.flatnonzero(b.count == k)
        drawn = np.random.default_rng(seed).integers(0, k, (replicates, k))
        times = np.zeros((replicates, k))
        np.add.at(times, (np.arange(replicates)[:, None], drawn), 1.0)
        r = residual[:k, lanes] - centre[lanes]
        first, second = times @ r, times @ (r * r)
        spread = np.sqrt(np.maximum(second - first * first / k, 0.0) / (k - 1))
        spread[(times == k).any(axis=1)] = np.inf  # one breach drawn every time has no spread
        value = first / k / np.where(spread > 0, spread, np.inf) * np.sqrt(k)
        # a resample that is the sample itself ties with it but for rounding, which must count as at least as large
        reached = value >= statistic[lanes] - 1e-9 * (1.0 + np.abs(statistic[lanes]))
        out[lanes] = (1.0 + reached.sum(axis=0)) / (replicates + 1.0)
    return out


def calibration_lanes(b: BreachLanes, var: float, es: float, tail_prob: float) -> tuple[Floats, Floats]:
    """Statistic of `conditional_calibration` and adjusted p-value of the one-sided test, each (P,).

    The statistic is NaN, and the p-value 1, without a breach.
    """
    p, n, k = tail_prob, b.n, b.count
    rest = (var - es) / es
    y = (b.loss - var) / (p * es)
    up, square = b.total(y), b.total(y * y)
    first, second = n * p - k, n * rest + up
    s11 = n * p * p - 2.0 * p * k + k
    s22 = n * rest * rest + 2.0 * rest * up + square
    s12 = p * n * rest + p * up - rest * k - up
    some = k > 0
    gap = np.where(some, s11 * s22 - s12 * s12, np.nan)
    # n mean' (sum of squares / n)^-1 mean = first' (sum of squares)^-1 first
    statistic = (first * first * s22 - 2.0 * first * second * s12 + second * second * s11) / gap
    z = np.sort(ndtr(np.stack([first / np.sqrt(s11), -second / np.sqrt(np.where(some, s22, 1.0))])), axis=0)
    return statistic, np.where(some, np.minimum(2.0 * z[0], z[1]), 1.0)


def du_escanciano_lanes(b: BreachLanes, tail_prob: float) -> Floats:
    """U of `du_escanciano`, (P,): only a loss beyond the forecast adds to the violations."""
    h = b.total((tail_prob - b.survival) / tail_prob)
    spread = np.sqrt(tail_prob * (1.0 / 3.0 - tail_prob / 4.0))
    return np.sqrt(b.n) * (h / b.n - 0.5 * tail_prob) / spread


def du_escanciano_conditional_lanes(b: BreachLanes, tail_prob: float, lags: int = 5) -> Floats:
    """C of `du_escanciano_conditional`, (P,); NaN without a violation."""
    h = np.where(b.mask, (tail_prob - b.survival) / tail_prob, 0.0)
    half, n = 0.5 * tail_prob, b.n
    whole = h.sum(axis=0)
    variance = ((h * h).sum(axis=0) - 2.0 * half * whole + n * half * half) / n
    total = np.zeros(whole.size)
    for lag in range(1, lags + 1):
        cross = np.zeros(whole.size)
        for ahead in range(1, min(lag, h.shape[0] - 1) + 1):
            met = b.at[ahead:] - b.at[:-ahead] == lag
            cross += np.where(met, h[ahead:] * h[:-ahead], 0.0).sum(axis=0)
        late = np.where(b.at >= lag, h, 0.0).sum(axis=0)
        early = np.where(b.at < n - lag, h, 0.0).sum(axis=0)
        cross += -half * (late + early) + (n - lag) * half * half
        total += (cross / n / variance) ** 2
    return np.where(whole > 0, n * total, np.nan)


def berkowitz_lanes(scores: Floats) -> Floats:
    """Likelihood ratio of `berkowitz` from normal scores (n, P), (P,)."""
    y, x = scores[1:], scores[:-1]
    n = y.shape[0]
    sx, sy = x.sum(axis=0), y.sum(axis=0)
    sxx, sxy, syy = (np.einsum("tp,tp->p", a, c) for a, c in ((x, x), (x, y), (y, y)))
    cxx, cxy, cyy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    return syy - n * (1.0 + np.log((cyy - cxy * cxy / cxx) / n))


def berkowitz_tail_lanes(b: BreachLanes, tail_prob: float) -> Floats:
    """Likelihood ratio of `berkowitz_tail`, (P,).

    In Olsen's parameters, one over the standard deviation and mean over it, the censored likelihood is concave and
    depends on the number, sum and sum of squares of the scores seen: Newton on all lanes at once.
    """
    threshold = -float(ndtri(tail_prob))
    z = np.where(b.mask, -ndtri(np.clip(b.survival, 1e-16, 1.0 - 1e-16)), 0.0)
    seen, first, second = b.count.astype(np.float64), z.sum(axis=0), (z * z).sum(axis=0)
    quiet = b.n - seen

    def likelihood(h: Floats, d: Floats) -> Floats:
        """h = 1 / sd, d = mean / sd."""
        inside = -0.5 * (h * h * second - 2.0 * h * d * first + d * d * seen) + seen * np.log(h)
        return inside + quiet * log_ndtr(h * threshold - d)

    h, d = np.ones(seen.size), np.zeros(seen.size)
    start = value = likelihood(h, d)
    for _ in range(200):
        edge = h * threshold - d
        ratio = np.exp(-0.5 * edge * edge - 0.5 * np.log(2.0 * np.pi) - log_ndtr(edge))
        bend = ratio * (ratio + edge)
        gh = seen / h - h * second + d * first + quiet * ratio * threshold
        gd = h * first - d * seen - quiet * ratio
        hh = seen / (h * h) + second + quiet * bend * threshold * threshold
        hd = -first - quiet * bend * threshold
        dd = seen + quiet * bend
        det = np.maximum(hh * dd - hd * hd, 1e-300)
        step_h, step_d = (dd * gh - hd * gd) / det, (hh * gd - hd * gh) / det
        # h stays positive, and grows fourfold at most: far from the maximum a whole step may overshoot by decades
        size = np.minimum(1.0, np.where(step_h < 0, 0.9, 3.0) * h / np.maximum(np.abs(step_h), 1e-300))
        for _ in range(30):  # halve where the likelihood would fall
            trial = likelihood(h + size * step_h, d + size * step_d)
            worse = ~(trial >= value - 1e-12 * np.abs(value))
            if not worse.any():
                break
            size = np.where(worse, 0.5 * size, size)
        moved = np.where(seen > 0, size, 0.0)
        h, d = h + moved * step_h, d + moved * step_d
        value = likelihood(h, d)
        if not (np.abs(moved * step_h) + np.abs(moved * step_d) > 1e-9 * (1.0 + np.abs(d))).any():
            break
    # with nothing seen the likelihood rises to one as the mean falls
    return np.where(seen > 0, np.maximum(0.0, 2.0 * (value - start)), -2.0 * start)


def chi_squared_p(degrees: float | Ints, statistic: Floats) -> Floats:
    """Upper tail of chi-squared; 1 where there is no statistic."""
    return np.where(np.isnan(statistic), 1.0, chdtrc(degrees, np.maximum(np.nan_to_num(statistic), 0.0)))
