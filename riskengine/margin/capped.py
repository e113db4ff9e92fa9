"""A requirement that another model's caps.

    M' = min(M, factor * C),

M the model's requirement and C that of the model that caps it.  It stops a fast model from calling without bound in a
storm, and leaves uncovered what is above: the breach rate says how much.  Reference: Murphy, Vasios and Vause, Bank of
England Financial Stability Paper 29 (2014).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.margin.combination import Combination
from riskengine.roles import MarginModel


@dataclass(frozen=True)
class Capped(Combination):
    """A model whose requirement never exceeds a multiple of another's.

    Attributes
    ----------
    model : MarginModel
    cap : MarginModel
    factor : float
        On the requirement of `cap`.
    levels : tuple of float
        Confidence levels of every part that has any; by default those that the parts state.
    """

    model: MarginModel
    cap: MarginModel
    factor: float = 1.0
    levels: tuple[float, ...] = ()
    kind = "capped"

    def __post_init__(self) -> None:
        check_range("factor", self.factor, 0.0, 100.0, open_low=True)
        self._settle("model", "cap")

    @property
    def parts(self) -> tuple[MarginModel, ...]:
        """As `Combination.parts`."""
        return (self.model, self.cap)

    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """As `Combination.combine`."""
        model, cap = amounts
        return np.minimum(model, self.factor * cap)
