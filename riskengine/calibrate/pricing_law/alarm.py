"""An alarm for a score that has grown: a sequential test whose average run length without a change is at least stated.

Each new score is ranked among all since the last reset, p_t = #{i <= t: s_i >= s_t} / t.  While the scores are
exchangeable this p is no smaller than the smoothed conformal p-value, and those are independent and uniform (Vovk,
Gammerman and Shafer 2005), so e_t = f(p_t) has expectation at most 1 given the past, for any decreasing density f on
(0, 1); f is the mean of eps p^(eps - 1) over a few eps.  The Shiryaev-Roberts sum

    M_t = e_t (1 + M_{t-1}),     M_0 = 0,     alarm at M_t >= N,

then has M_t - t a supermartingale, so the expected time to a false alarm is at least N snapshots (Shin, Ramdas and
Rinaldo, "E-detectors", 2023).  No distribution is assumed; what is assumed is exchangeability, and scores that wander
by themselves (errors of neighbouring days are alike) give more alarms than one in N.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

import numpy as np

_POWERS = np.array([0.3, 0.5, 0.7])


@dataclass
class DriftAlarm:
    """Evidence that scores have grown.

    Attributes
    ----------
    run_length : float
        N: expected number of scores to a false alarm is at least this.
    evidence : float
        M_t, from 0.
    scores : list of float
        Since the last reset, sorted.
    """

    run_length: float = 365.0
    evidence: float = 0.0
    scores: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.run_length > 1.0:
            raise ValueError(f"run_length must be above 1, got {self.run_length!r}")

    def update(self, score: float) -> bool:
        """Take one more score (larger is worse); True where the evidence reaches `run_length`, which also resets it."""
        if not np.isfinite(score):
            raise ValueError(f"score must be finite, got {score!r}")
        insort(self.scores, float(score))
        count = len(self.scores)
        p = (count - bisect_left(self.scores, float(score))) / count
        bet = float((_POWERS * p ** (_POWERS - 1.0)).mean())
        self.evidence = bet * (1.0 + self.evidence)
        if self.evidence < self.run_length:
            return False
        self.evidence = 0.0
        self.scores.clear()
        return True
