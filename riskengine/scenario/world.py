"""`World`: a scenario model, the market's further state, the surface tied to it, and where its numbers come from."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel, StateComponent


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
    state : tuple of StateComponent
        Market state beyond prices, each kind of lanes at most once; empty for prices alone.
    """

    name: str
    title: str
    measure: Literal["P"]
    model: ScenarioModel
    surface: FactorSurface
    fit: dict[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()
    # a world without state is written, and hashed, as if there were no such field
    state: tuple[StateComponent, ...] = field(default=(), metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", tuple(self.state))
        faults = []
        for part in self.state:
            try:
                part.check(self.model)
            except ValueError as error:
                faults.append(f"state {part.kind}: {error}")
        filled = [lanes for part in self.state for lanes in part.fills]
        twice = sorted({lanes for lanes in filled if filled.count(lanes) > 1})
        if twice:
            faults.append(f"state must fill each kind of lanes once, got {', '.join(twice)} more than once")
        if faults:
            raise ValueError("; ".join(faults))

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1`` of the model, with the lanes of every part of `state`.

        Prices have the bits of ``model.sample``; a path whose state is not a number is marked failed.
        """
        paths = self.model.sample(grid, first_path, count, keys)
        for part in self.state:
            lanes = part.fill(paths, keys)
            bad = [~np.isfinite(x).all(axis=(0, 1)) for x in lanes.values()]
            paths = replace(paths, **lanes, failed=np.logical_or.reduce([paths.failed, *bad]))
        return paths

    @property
    def filled(self) -> tuple[str, ...]:
        """Names of the lanes beyond prices that paths of this world carry."""
        return tuple(lanes for part in self.state for lanes in part.fills)

    @property
    def stamp(self) -> str:
        """``FIT``, ``UNFIT`` or ``NOT FITTED``."""
        return self.fit.get("verdict", "NOT FITTED")
