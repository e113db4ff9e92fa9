"""`World`: a scenario model, the market's further state, the surface tied to it, and where its numbers come from."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from riskengine.errors import UsageError
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.roles import MadeOfData, ScenarioModel, StateComponent
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
    overlay: Overlay | None = None
    event: Event | None = None
    repairs: tuple[str, ...] = ()
    # a world without state is written, and hashed, as if there were no such field
    state: tuple[StateComponent, ...] = field(default=(), metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        if self.overlay is not None:
            self.overlay.check(self.model)
        if self.event is not None and self.event.asset not in self.model.assets:
            known = ", ".join(self.model.assets)
            raise ValueError(f"event must name an asset of the world ({known}), got {self.event.asset!r}")
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

    def at(self, spot: dict[str, float]) -> "World":
        """This world with paths that start at other prices; assets that `spot` does not name keep theirs.

        A world of pegged assets moves those that they are pegged to, and the pegs with them.

        Raises
        ------
        UsageError
            Where the paths of the world are given, so that they start where they do.
        """
        return self if not spot else replace(self, model=_started_at(self.model, spot))

    @property
    def filled(self) -> tuple[str, ...]:
        """Names of the lanes beyond prices that paths of this world carry, by its state or its overlay."""
        names = [lanes for part in self.state for lanes in part.fills]
        return tuple(dict.fromkeys([*names, *(() if self.overlay is None else self.overlay.fills)]))

    @property
    def stamp(self) -> str:
        """``FIT``, ``UNFIT`` or ``NOT FITTED``, or ``DATA`` where paths come from data: the model's, whatever is laid
        over it."""
        return self.fit.get("verdict", "NOT FITTED" if self.data is None else "DATA")

    @property
    def data(self) -> MadeOfData | None:
        """The model, or the base that it adds pegged assets to, where its paths come from data."""
        under = getattr(self.model, "base", self.model)
        return under if isinstance(under, MadeOfData) else None

    @property
    def stress(self) -> tuple[str, ...]:
        """What makes paths differ from plain draws of the model, a line each; empty where nothing does."""
        given = () if self.event is None else (f"given that {self.event.text}",)
        return given + (() if self.overlay is None else self.overlay.text)

    def sample(
        self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys, proposal: Proposal | None = None
    ) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1`` of the model, given the event, under the overlay.

        State follows the prices and variances that the overlay leaves, with draws of its own, so it moves neither; what
        the overlay says of depth, basis and oracles comes on top.  A path whose state is not a number is marked failed.
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
        if self.overlay is not None:
            paths = self.overlay.on_prices(paths, self.model)
        for part in self.state:
            lanes = part.fill(paths, keys)
            bad = [~np.isfinite(x).all(axis=(0, 1)) for x in lanes.values()]
            paths = replace(paths, **lanes, failed=np.logical_or.reduce([paths.failed, *bad]))
        return paths if self.overlay is None else self.overlay.on_state(paths)


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


def _started_at(model: ScenarioModel, spot: dict[str, float]) -> ScenarioModel:
    own = {f.name for f in fields(model)}
    if "base" in own:
        return replace(model, base=_started_at(model.base, spot))
    if "spot" not in own:
        raise UsageError(f"spot must be free to choose, but a world of kind {model.kind} starts where its paths do")
    return replace(model, spot=tuple(spot.get(a, x) for a, x in zip(model.assets, model.spot, strict=True)))
