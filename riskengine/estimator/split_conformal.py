"""Split conformal: a threshold that the next loss exceeds with probability at most 1 - level, whatever the law.

VaR is the ceil((n + 1) level)-th smallest of n scores; if the next score is exchangeable with them, it lies beyond with
probability at most 1 - level and at least 1 - level - 1/(n + 1).  Where the rank exceeds n (n < level / (1 - level): 99
at 99 %) the threshold is infinite, and a single fit refuses it.  Scores are the losses, or losses over their
exponentially weighted volatility, rescaled to that of now.  The promise is about breaches on average over samples, not
about the quantile; it fails where regimes change, and given a volatile regime even if it holds overall.  ES is the mean
of the worst share 1 - level of the same scores, and conformal theory promises nothing about it.  References: Vovk,
Gammerman, Shafer (2005); Lei et al., JASA 113 (2018), 1094-1111.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.estimator.filtered_historical import ewma_variances, rescaled
from riskengine.estimator.ordered import empirical_tails
from riskengine.estimator.tails import LaneEstimator, Tail


def conformal_rank(n: int, level: float) -> int:
    """Rank (1 = smallest) of the threshold among `n` scores; n + 1 where they are too few."""
    return min(n + 1, math.ceil((n + 1) * level - 1e-9))


def least_scores(level: float) -> int:
    """Scores for a finite threshold: level / (1 - level), rounded up."""
    return math.ceil(level / (1.0 - level) - 1e-9)


def conformal_shortage(n: int, level: float) -> str:
    """Why `n` scores give no threshold at `level`, and how many would; empty where they do."""
    if conformal_rank(n, level) <= n:
        return ""
    return f"refused: rank {n + 1} of {n} scores is infinite, {least_scores(level)} scores needed at {level:g}"


@dataclass(frozen=True)
class SplitConformalEstimator(LaneEstimator):
    """VaR as a split-conformal threshold.

    Attributes
    ----------
    scores : {"losses", "scaled"}
        What is ranked: the losses, or losses over their exponentially weighted volatility.
    decay : float
        Weight of yesterday's variance in that volatility, in (0, 1).
    kind : str
        ``split_conformal``.
    """

    scores: Literal["losses", "scaled"] = "losses"
    decay: float = 0.94
    kind: Literal["split_conformal"] = "split_conformal"

    def __post_init__(self) -> None:
        if self.scores not in ("losses", "scaled"):
            raise ValueError(f"scores must be 'losses' or 'scaled', got {self.scores!r}")
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        if self.scores == "scaled":
            x = rescaled(x, ewma_variances(x, self.decay, np.square(x).mean(axis=1)))
        return empirical_tails(
            np.sort(x, axis=1), levels, confidence, "split conformal", conformal_rank, conformal_shortage
        )
