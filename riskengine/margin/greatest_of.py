"""The greatest of several requirements: a floor under a model, or the strictest of many.

    M = max_i M_i,

initial and maintenance margin each.  With a model of a long window beside one of a short it is the ten-year-lookback
floor of EMIR; with a grid, a value at risk and a standard model it is what several venues state.  Reference: Commission
Delegated Regulation (EU) 153/2013, art. 28(1)(c).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.margin.combination import Combination
from riskengine.market.snapshot import MarketSnapshot
from riskengine.roles import MarginModel, Requirement


@dataclass(frozen=True)
class GreatestOf(Combination):
    """The greatest requirement of several models.

    Attributes
    ----------
    models : tuple of MarginModel
        At least two.
    levels : tuple of float
        Confidence levels of every part that has any; by default those that the parts state.
    """

    models: tuple[MarginModel, ...]
    levels: tuple[float, ...] = ()
    kind = "greatest_of"

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise ValueError(f"models must hold at least two margin models, got {len(self.models)}")
        self._settle("models")

    @property
    def parts(self) -> tuple[MarginModel, ...]:
        """As `Combination.parts`."""
        return self.models

    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """As `Combination.combine`; NaN where any amount is."""
        return np.maximum.reduce(amounts)

    def requirement(self, state: tuple, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """As `Combination.requirement`; the binding scenario is the number of the part that is greatest."""
        return tuple(
            replace(r, binding_scenario=np.argmax(list(r.components.values()), axis=0))
            for r in super().requirement(state, snapshot)
        )
