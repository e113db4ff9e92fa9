"""`World`: a scenario model, the implied-volatility surface tied to its state, and where its numbers come from."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.roles import MadeOfData, ScenarioModel
from riskengine.scenario.event import Event
from riskengine.scenario.overlay import Overlay
from riskengine.scenario.proposal import Proposal


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
    overlay : Overlay or None
        A stress laid over the paths.
    event : Event or None
        What is known to happen: paths are drawn given it.
    repairs : tuple of str
        What was replaced by the nearest that is valid when the world was read, and by how much it moved.
    """

    name: str
    title: str
    measure: Literal["P"]
    model: ScenarioModel
    surface: FactorSurface
    fit: dict[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()
    overlay: Overlay | None = None
    event: Event | None = None
    repairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.overlay is not None:
            self.overlay.check(self.model)
        if self.event is not None and self.event.asset not in self.model.assets:
            known = ", ".join(self.model.assets)
            raise ValueError(f"event must name an asset of the world ({known}), got {self.event.asset!r}")

    @property
    def stamp(self) -> str:
        """``FIT``, ``UNFIT`` or ``NOT FITTED``, or ``DATA`` where paths come from data: the model's, whatever is laid
        over it."""
        return self.fit.get("verdict", "DATA" if isinstance(self.model, MadeOfData) else "NOT FITTED")

    @property
    def stress(self) -> tuple[str, ...]:
        """What makes paths differ from plain draws of the model, a line each; empty where nothing does."""
        given = () if self.event is None else (f"given that {self.event.text}",)
        return given + (() if self.overlay is None else self.overlay.text)

    def sample(
        self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys, proposal: Proposal | None = None
    ) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1`` of the model, given the event, under the overlay.

        With a proposal they are drawn from it and carry weights; ValueError for a world given an event, whose paths
        are exact draws already.
        """
        if proposal is not None and self.event is not None:
            raise ValueError("a world given an event is drawn exactly and must not have a proposal too")

        def draw(grid: TimeGrid, first_path: int, count: int) -> MarketPaths:
            if proposal is None:
                return self.model.sample(grid, first_path, count, keys)
            return self.model.sample(grid, first_path, count, keys, proposal)

        if self.event is None:
            paths = draw(grid, first_path, count)
        else:
            paths = self.event.sample(draw, grid, first_path, count)
        return paths if self.overlay is None else self.overlay.apply(paths, self.model)


@dataclass(frozen=True)
class Stress:
    """A stress world as its file states it: a base world and what is laid over it or known to happen.

    Attributes
    ----------
    title : str
    base : World
    overlay : Overlay or None
    event : Event or None
    source : tuple of str
        Where the figures of the stress come from.
    name : str
    """

    title: str
    base: World
    overlay: Overlay | None = None
    event: Event | None = None
    source: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if self.overlay is None and self.event is None:
            raise ValueError("a stress must hold an overlay or an event, got neither")
        if self.base.stress:
            raise ValueError(f"base must be a world without a stress of its own, got {self.base.name!r}")
        self.world()

    def world(self) -> World:
        """The base world with the stress on it; sources of both."""
        return replace(
            self.base,
            name=self.name,
            title=self.title,
            overlay=self.overlay,
            event=self.event,
            source=(*self.source, f"base world: {self.base.name} ({self.base.title})", *self.base.source),
        )
