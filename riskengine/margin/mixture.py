"""A weighted sum of requirements.

    M = sum_i w_i M_i.

With weights 0.75 on a current value at risk and 0.25 on a stressed one it is the stress weight of EMIR; with x and
1 - x on a historical and a stress component, the shape of SPAN 2.  Weights need not sum to one: an add-on has its own.
References: Commission Delegated Regulation (EU) 153/2013, art. 28(1)(b); CME SPAN 2 methodology.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from riskengine.arrays import Floats, check_range
from riskengine.margin.combination import Combination
from riskengine.roles import LONG_OPTION_BOUNDED, MarginModel


@dataclass(frozen=True)
class Mixture(Combination):
    """A weighted sum of the requirements of several models.

    Attributes
    ----------
    models : tuple of MarginModel
        At least two.
    weights : tuple of float
        One per model, positive, at most 10.
    levels : tuple of float
        Confidence levels of every part that has any; by default those that the parts state.
    """

    models: tuple[MarginModel, ...]
    weights: tuple[float, ...]
    levels: tuple[float, ...] = ()
    kind = "mixture"

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise ValueError(f"models must hold at least two margin models, got {len(self.models)}")
        if len(self.weights) != len(self.models):
            raise ValueError(f"weights must hold one number per model ({len(self.models)}), got {len(self.weights)}")
        for weight in self.weights:
            check_range("weights", weight, 0.0, 10.0, open_low=True)
        self._settle("models")

    @property
    def parts(self) -> tuple[MarginModel, ...]:
        """As `Combination.parts`."""
        return self.models

    @property
    def promises(self) -> frozenset[str]:
        """As `Combination.promises`; weights of more than one in all ask more of a long option than any part does."""
        kept = super().promises
        return kept if sum(self.weights) <= 1.0 else kept - {LONG_OPTION_BOUNDED}

    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """As `Combination.combine`."""
        return sum(weight * amount for weight, amount in zip(self.weights, amounts, strict=True))
