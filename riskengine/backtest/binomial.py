"""Exact binomial test of a breach count."""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc, gammaln, xlog1py, xlogy

from riskengine.arrays import check_range
from riskengine.estimate import Estimate
from riskengine.stats.proportion import check_counts, clopper_pearson


def binomial_log_pmf(count: np.ndarray, n: int, p: float) -> np.ndarray:
    """log P(Bin(n, p) = count)."""
    k = np.asarray(count, dtype=np.float64)
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0) + xlogy(k, p) + xlog1py(n - k, -p)


@dataclass(frozen=True)
class BinomialTest:
    """Result of the exact test of `hits` breaches in `n` independent windows against probability `tail_prob`.

    Attributes
    ----------
    hits, n : int
    tail_prob : float
        Nominal breach probability.
    p_value : float
        Two-sided: probability of all counts at most as likely as the one seen.
    mid_p_value : float
        The same with counts exactly as likely as the one seen at half weight: closer to nominal, not guaranteed.
    p_value_more, p_value_fewer : float
        One-sided: P(X >= hits), P(X <= hits).
    rate : Estimate
        Breach rate with its Clopper-Pearson interval.
    """

    hits: int
    n: int
    tail_prob: float
    p_value: float
    mid_p_value: float
    p_value_more: float
    p_value_fewer: float
    rate: Estimate


def binomial_test(hits: int, n: int, tail_prob: float, confidence: float = 0.95) -> BinomialTest:
    """Exact test of a breach count.

    Windows must not overlap: on hourly-sampled 24-hour windows it rejects a true model 53 % of the time.
    """
    check_counts(hits, n)
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    log_pmf = binomial_log_pmf(np.arange(n + 1), n, tail_prob)
    seen = log_pmf[hits]
    # counts whose probabilities are equal in exact arithmetic differ by rounding: 1e-7 as in R's binom.test
    tied = np.abs(log_pmf - seen) <= 1e-7
    pmf = np.exp(log_pmf)
    less, equal = float(pmf[(log_pmf < seen) & ~tied].sum()), float(pmf[tied].sum())
    more = float(bdtrc(hits - 1, n, tail_prob)) if hits > 0 else 1.0
    fewer = float(bdtr(hits, n, tail_prob))
    rate = clopper_pearson(hits, n, confidence)
    return BinomialTest(
        int(hits), int(n), tail_prob, min(1.0, less + equal), min(1.0, less + 0.5 * equal), more, fewer, rate
    )
