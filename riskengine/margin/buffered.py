"""A requirement with a buffer that is used up when requirements are high: EMIR's first tool against procyclicality.

    M' = max(min((1 + share) M, R), M),

M the model's requirement and R that of a slower model, such as one of a long window, at which the buffer starts to be
used: in calm times an account posts a share more than the model asks, in a storm the increase is first met from it.
Reference: Commission Delegated Regulation (EU) 153/2013, art. 28(1)(a).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.margin.combination import Combination
from riskengine.roles import MarginModel


@dataclass(frozen=True)
class Buffered(Combination):
    """A model with a buffer on top that a slower model releases.

    Attributes
    ----------
    model : MarginModel
    release : MarginModel
        Its requirement is the amount that model and buffer together do not exceed.
    share : float
        Buffer over the model's requirement.
    levels : tuple of float
        Confidence levels of every part that has any; by default those that the parts state.
    """

    model: MarginModel
    release: MarginModel
    share: float = 0.25
    levels: tuple[float, ...] = ()
    kind = "buffered"

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.0, 10.0, open_low=True)
        self._settle("model", "release")

    @property
    def parts(self) -> tuple[MarginModel, ...]:
        """As `Combination.parts`."""
        return (self.model, self.release)

    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """As `Combination.combine`."""
        model, release = amounts
        return np.maximum(np.minimum((1.0 + self.share) * model, release), model)
