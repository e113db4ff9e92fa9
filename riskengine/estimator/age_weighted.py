"""Age-weighted historical simulation: recent losses count for more.

The loss of age a (0 = newest) has weight w_a = d^a (1 - d) / (1 - d^W).  VaR is the smallest loss with cumulative
weight >= level, ES the weighted mean of the worst share 1 - level.  The effective number of losses is 1 / sum w^2,
which tends to (1 + d) / (1 - d): 99 for d = 0.98, where the 99 % VaR is about the largest recent loss: refused.
The interval takes the order-statistic ranks of that many losses and reads the weighted law there; it holds
approximately, and for independent losses of one law (for which equal weights are better).  Reference: Boudoukh,
Richardson, Whitelaw, Risk 11 (1998), 64-67.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.estimator.ordered import weighted_tails
from riskengine.estimator.tails import LaneEstimator, Tail


def age_weights(window: int, decay: float) -> Floats:
    """Weights of losses in time order, oldest first; they add to 1."""
    weight = decay ** np.arange(window - 1, -1, -1.0)
    return weight / weight.sum()


@dataclass(frozen=True)
class AgeWeightedEstimator(LaneEstimator):
    """VaR and ES of the empirical law with exponentially declining weights.

    Attributes
    ----------
    decay : float
        Weight of a loss relative to the next one, in (0, 1).
    kind : str
        ``age_weighted``.
    """

    decay: float = 0.995
    kind: Literal["age_weighted"] = "age_weighted"

    def __post_init__(self) -> None:
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)

    def _tails(self, x: Floats, levels: Floats, confidence: float) -> tuple[Tail, Tail]:
        order = np.argsort(x, axis=1, kind="stable")
        weight = age_weights(x.shape[1], self.decay)[order]
        return weighted_tails(
            np.take_along_axis(x, order, axis=1), weight, levels, confidence, f"age-weighted, decay {self.decay:g}"
        )
