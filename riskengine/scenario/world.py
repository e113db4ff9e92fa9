"""`World`: a scenario model, the implied-volatility surface tied to its state, and where its numbers come from."""

from dataclasses import dataclass, field
from typing import Any, Literal

from riskengine.market.surface import FactorSurface
from riskengine.roles import ScenarioModel


@dataclass(frozen=True)
class World:
    """A named world.

    Attributes
    ----------
    name, title : str
    measure : {"P"}
        Paths run under the real-world law; option prices come from `surface`, a pricing-law object tied to the state.
    model : ScenarioModel
    surface : FactorSurface
        Implied volatility as a function of the path's variance: the stated link between the two measures.
    fit : dict
        Report of the fit (sample, standard errors, bands, verdict FIT or UNFIT); empty where nothing was fitted.
    source : tuple of str
        Where each number comes from.
    """

    name: str
    title: str
    measure: Literal["P"]
    model: ScenarioModel
    surface: FactorSurface
    fit: dict[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """``FIT``, ``UNFIT`` or ``NOT FITTED``."""
        return self.fit.get("verdict", "NOT FITTED")
