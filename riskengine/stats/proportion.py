"""A probability from counts: exact (Clopper, Pearson 1934) intervals and certificates."""

import math

from scipy.special import betaincinv

from riskengine.arrays import check_range
from riskengine.estimate import Estimate


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless `confidence` lies strictly between 0 and 1."""
    check_range("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)


def check_counts(hits: int, n: int) -> None:
    """Raise ValueError unless `hits` of `n` are counts: a sum of importance weights is not one."""
    if hits != int(hits) or n != int(n) or not 0 <= hits <= n or n < 1:
        raise ValueError(
            f"hits and n must be whole numbers with 0 <= hits <= n and n >= 1, got {hits!r} of {n!r}: "
            "binomial methods do not hold for weighted samples"
        )


def clopper_pearson(hits: int, n: int, confidence: float = 0.95) -> Estimate:
    """Probability from `hits` of `n` independent trials with the exact two-sided interval.

    The bounds are the Beta quantiles B(a/2; x, n - x + 1) and B(1 - a/2; x + 1, n - x): coverage is at least
    `confidence` for every true probability.

    Parameters
    ----------
    hits, n : int
        Independent units only (paths, not events; non-overlapping windows).
    confidence : float

    Returns
    -------
    Estimate
        `n_effective` is the number of hits; `std_error` is NaN where there is none or nothing else.
    """
    check_counts(hits, n)
    check_confidence(confidence)
    side = 0.5 * (1.0 - confidence)
    value = hits / n
    lower = float(betaincinv(hits, n - hits + 1, side)) if hits > 0 else 0.0
    upper = float(betaincinv(hits + 1, n - hits, 1.0 - side)) if hits < n else 1.0
    error = math.sqrt(value * (1 - value) / n) if 0 < hits < n else math.nan
    return Estimate(value, error, lower, upper, confidence, int(n), float(hits), "clopper-pearson")


def clopper_pearson_upper(hits: int, n: int, confidence: float = 0.95) -> Estimate:
    """Probability with a one-sided exact upper bound: the certificate "at most `upper`" (lower bound 0)."""
    check_counts(hits, n)
    check_confidence(confidence)
    value = hits / n
    upper = float(betaincinv(hits + 1, n - hits, confidence)) if hits < n else 1.0
    error = math.sqrt(value * (1 - value) / n) if 0 < hits < n else math.nan
    return Estimate(value, error, 0.0, upper, confidence, int(n), float(hits), "clopper-pearson upper bound")


def inverse_binomial(hits: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Probability from the number of trials that a fixed number of hits took.

    `trials` is negative binomial.  (hits - 1) / (trials - 1) is unbiased (Haldane 1945); since more than `t` trials are
    needed exactly where `t` trials have fewer hits, the bounds are the Beta quantiles B(a/2; x, n - x + 1) and
    B(1 - a/2; x, n - x): coverage is at least `confidence`.

    Parameters
    ----------
    hits : int
        Fixed beforehand, at least 2.
    trials : int
        The last one is a hit.
    confidence : float
    """
    check_counts(hits, trials)
    check_confidence(confidence)
    if hits < 2:
        raise ValueError(f"hits must be at least 2, got {hits}")
    side = 0.5 * (1.0 - confidence)
    value = (hits - 1) / (trials - 1) if trials > hits else 1.0
    lower = float(betaincinv(hits, trials - hits + 1, side))
    upper = float(betaincinv(hits, trials - hits, 1.0 - side)) if trials > hits else 1.0
    error = value * math.sqrt((1.0 - value) / hits)
    return Estimate(value, error, lower, upper, confidence, int(trials), float(hits), "inverse binomial")


def clustered_proportion(hits: int, n: int, design_effect: float, confidence: float = 0.95) -> Estimate:
    """Probability from `hits` of `n` trials that are not independent, by the interval of Korn and Graubard (1998).

    Clopper and Pearson's with hits and trials divided by the design effect, the variance of the share over that of
    independent trials; less than 1 counts as 1.  Approximate: the design effect is itself estimated.

    Parameters
    ----------
    hits, n : int
    design_effect : float
    confidence : float
    """
    check_counts(hits, n)
    check_confidence(confidence)
    check_range("design_effect", design_effect, 0.0, n)
    effect = max(1.0, design_effect)
    x, m, side = hits / effect, n / effect, 0.5 * (1.0 - confidence)
    value = hits / n
    lower = float(betaincinv(x, m - x + 1.0, side)) if hits > 0 else 0.0
    upper = float(betaincinv(x + 1.0, m - x, 1.0 - side)) if hits < n else 1.0
    error = math.sqrt(value * (1 - value) / m) if 0 < hits < n else math.nan
    return Estimate(value, error, lower, upper, confidence, int(n), x, "clopper-pearson with a design effect")
