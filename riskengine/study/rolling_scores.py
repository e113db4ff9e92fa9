"""Scores of several series of forecasts for the same days: which cannot be told from the best, and by how much.

Days on which any of the forecasts compared is missing are left out; a forecast that misses more than one day in fifty
is not compared.  Both scores are strictly consistent: pinball for VaR (in units of loss), FZ0 for VaR and ES together
(a difference of logarithms, so series pool without weights).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from riskengine.arrays import Floats, Ints
from riskengine.estimate import Estimate, undetermined
from riskengine.score.confidence_set import diebold_mariano_table, model_confidence_set
from riskengine.score.fissler_ziegel import fz0_score
from riskengine.score.pinball import pinball_loss
from riskengine.stats.proportion import clustered_proportion
from riskengine.stats.tracking import newey_west_error

MISSING = 0.02  # share of days that a forecast may miss and still be compared
SCORES = ("pinball", "fz0")


@dataclass(frozen=True, eq=False)
class Ranking:
    """Forecasts of one series, side and level, scored on the days that all of them have.

    Attributes
    ----------
    who : tuple of int
        Forecasts that are compared.
    days : ndarray of int
        Days they are compared on.
    scores : dict of str to ndarray, shape (days, M)
    in_set : dict of str to ndarray, shape (M,)
        p-values of the model confidence set.
    against : dict of str to tuple
        Diebold-Mariano against the benchmark; None for the benchmark, or everywhere where it is not compared.
    """

    who: tuple[int, ...]
    days: Ints
    scores: dict[str, Floats]
    in_set: dict[str, Floats]
    against: dict[str, tuple]


def rank(
    loss: Floats, var: Floats, es: Floats, level: float, benchmark: int, counts_of, least: int = 50
) -> Ranking | None:
    """Compare forecasts; None where fewer than two have enough days.

    Parameters
    ----------
    loss : ndarray, shape (N,)
    var, es : ndarray, shape (forecasts, N)
        NaN where missing.
    level : float
    benchmark : int
    counts_of : callable
        Number of days -> resamples of `riskengine.score.confidence_set.resampling_counts`.
    least : int
        Days.
    """
    known = ~np.isnan(var)
    who = np.flatnonzero(known.mean(axis=1) >= 1.0 - MISSING)
    days = np.flatnonzero(known[who].all(axis=0)) if who.size else np.empty(0, np.int64)
    if who.size < 2 or days.size < least:
        return None
    x, v, e = loss[days][:, None], var[who][:, days].T, es[who][:, days].T
    scores = {"pinball": pinball_loss(x, v, level), "fz0": fz0_score(x, v, e, level)}
    counts = counts_of(days.size)
    in_set = {name: model_confidence_set(s, counts=counts).p_values for name, s in scores.items()}
    at = np.flatnonzero(who == benchmark)
    against = {
        name: tuple(diebold_mariano_table(s, int(at[0]))) if at.size else (None,) * who.size
        for name, s in scores.items()
    }
    return Ranking(tuple(int(i) for i in who), days, scores, in_set, against)


def quantile_crps(loss: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """CRPS over the levels from the first to the last, 2 integral of the pinball loss in the level, (N,).

    From the lowest level to the highest it is the CRPS but for the ends; over the levels of a tail alone it is the
    quantile-weighted CRPS of Gneiting and Ranjan (2011).  Levels are weighed by half the way to their neighbours: a
    sum of pinball losses with fixed weights is proper, however coarse.

    Parameters
    ----------
    loss : ndarray, shape (N,)
    quantiles : ndarray, shape (L, N)
    levels : ndarray, shape (L,)
        Increasing.
    """
    weight = np.diff(np.concatenate([levels[:1], 0.5 * (levels[1:] + levels[:-1]), levels[-1:]]))
    below = loss[None, :] < quantiles
    return 2.0 * np.einsum("l,ln->n", weight, (below - levels[:, None]) * (quantiles - loss[None, :]))


def by_day(parts: Sequence[tuple[Ints, Floats]]) -> tuple[Floats, Floats]:
    """Sum and number of figures on each calendar day, from (seconds, figures) of several series, days in order."""
    seconds = np.concatenate([s for s, _ in parts])
    values = np.concatenate([v for _, v in parts])
    # a stamp ends its period; small numbers are rows of a file without dates
    _, day = np.unique(np.where(seconds < 1_000_000, seconds, (seconds - 1) // 86_400), return_inverse=True)
    return np.bincount(day, values), np.bincount(day).astype(np.float64)


def pooled_rate(parts: Sequence[tuple[Ints, Floats]], confidence: float) -> Estimate:
    """Breach rate over several series; days are the units, because markets fall together.

    Parameters
    ----------
    parts : sequence of (ndarray, ndarray)
        Seconds and breaches (0 or 1) of each series.
    confidence : float
    """
    if not parts:
        return undetermined(0, "no series has these forecasts")
    hits, count = by_day(parts)
    n, x = int(count.sum()), int(hits.sum())
    rate = x / n
    if not 0 < x < n or hits.size < 8:
        return clustered_proportion(x, n, n / hits.size, confidence)
    error = newey_west_error(hits - rate * count) * hits.size / n
    return clustered_proportion(x, n, error**2 / (rate * (1.0 - rate) / n), confidence)


def pooled_difference(parts: Sequence[tuple[Ints, Floats]], confidence: float) -> Estimate:
    """Mean over series and days of a difference of scores, with a Newey-West error over calendar days."""
    if not parts:
        return undetermined(0, "no series has these forecasts")
    total, count = by_day(parts)
    n = count.sum()
    value = float(total.sum() / n)
    error = float(newey_west_error(total - value * count) * total.size / n)
    half = float(ndtri(0.5 + 0.5 * confidence)) * error
    days = int(total.size)
    return Estimate(value, error, value - half, value + half, confidence, days, float(days), "newey-west over days")
