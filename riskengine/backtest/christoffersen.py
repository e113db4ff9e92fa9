"""Christoffersen (1998) tests of independence and of conditional coverage.

Breaches are a first-order Markov chain under the alternative; with counts n_ij of days in state j after state i,
    LR_ind = 2 [log L(pi_01, pi_11) - log L(pi, pi)] ~ chi2(1),   LR_cc = LR_uc + LR_ind ~ chi2(2).
Conventions: transitions use the n - 1 days that have a day before them; LR_uc in LR_cc uses all n days.
The test sees clusters at lag one only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, xlogy

from riskengine.arrays import check_range
from riskengine.backtest.kupiec import kupiec_statistic


@dataclass(frozen=True)
class ChristoffersenTest:
    """Result of the tests.

    Attributes
    ----------
    n00, n01, n10, n11 : int
        Transitions: n01 counts breaches that follow a quiet day.
    likelihood_ratio_independence, p_value_independence : float
    likelihood_ratio_coverage, p_value_coverage : float
        Conditional coverage: right rate and no clustering together.
    """

    n00: int
    n01: int
    n10: int
    n11: int
    likelihood_ratio_independence: float
    p_value_independence: float
    likelihood_ratio_coverage: float
    p_value_coverage: float


def _binary_log_likelihood(quiet: float, hits: float) -> float:
    """Maximum of quiet log(1 - q) + hits log(q) over q; 0 where there is no day."""
    total = quiet + hits
    return float(xlogy(quiet, quiet / total) + xlogy(hits, hits / total)) if total else 0.0


def christoffersen_counts(
    n00: int, n01: int, n10: int, n11: int, tail_prob: float, hits: int | None = None, n: int | None = None
) -> ChristoffersenTest:
    """The tests from transition counts.

    Parameters
    ----------
    n00, n01, n10, n11 : int
    tail_prob : float
        Nominal breach probability.
    hits, n : int, optional
        Breaches and days for the coverage part; without them the days that have one before them are used.
    """
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    counts = (n00, n01, n10, n11)
    if any(c < 0 or c != int(c) for c in counts) or sum(counts) < 1:
        raise ValueError(f"transition counts must be whole, >= 0 and not all zero, got {counts}")
    split = _binary_log_likelihood(n00, n01) + _binary_log_likelihood(n10, n11)
    independence = max(0.0, 2.0 * (split - _binary_log_likelihood(n00 + n10, n01 + n11)))
    if hits is None or n is None:
        hits, n = n01 + n11, sum(counts)
    coverage = independence + float(kupiec_statistic(np.array(hits), n, tail_prob))
    return ChristoffersenTest(
        int(n00),
        int(n01),
        int(n10),
        int(n11),
        independence,
        float(chdtrc(1, independence)),
        coverage,
        float(chdtrc(2, coverage)),
    )


def christoffersen(breaches: ArrayLike, tail_prob: float, follows: ArrayLike | None = None) -> ChristoffersenTest:
    """The tests from a series of breaches.

    Parameters
    ----------
    breaches : array_like of bool, shape (n,)
        In time order, non-overlapping windows, n >= 2.
    tail_prob : float
    follows : array_like of bool, shape (n - 1,), optional
        Whether each window but the first directly follows the one before; pairs across a gap are no transitions.
    """
    b = np.asarray(breaches)
    if b.ndim != 1 or b.size < 2 or not np.isin(b, (0, 1)).all():
        raise ValueError(f"breaches must be a series of at least two zeros and ones, got shape {b.shape}")
    pairs = 2 * b[:-1].astype(np.int64) + b[1:].astype(np.int64)
    if follows is not None:
        pairs = pairs[np.asarray(follows, dtype=bool)]
    n00, n01, n10, n11 = (int(c) for c in np.bincount(pairs, minlength=4))
    return christoffersen_counts(n00, n01, n10, n11, tail_prob, int(b.sum()), b.size)
