"""The simulation scheme against the exact law: does the machine draw from the world it claims?

Every world with an exact law is checked in every study.  The exact quantiles of each asset's log-return over the whole
horizon are computed once; a path then adds one indicator a level and side, and the share of paths beyond must be the
nominal tail.  GBM and Merton are drawn without error at any step; the quadratic-exponential scheme of Bates has a bias
that falls with the step, and this is where it shows.  `scheme_bias` measures it on VaR and expected shortfall as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.outcomes import Key
from riskengine.errors import RunError
from riskengine.estimate import Estimate
from riskengine.law.exposure import UnitExposure
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.roles import HasLaw
from riskengine.scenario.world import World
from riskengine.stats.proportion import clopper_pearson
from riskengine.stats.tail_curve import tail_curve

LEVELS = (0.99, 0.999)
SIDES = {"long": "scheme_lower_tail", "short": "scheme_upper_tail"}


def unfit(world: World, grid: TimeGrid) -> str:
    """Why paths of a world on `grid` do not follow its exact law; empty where they do."""
    if not isinstance(world.model, HasLaw):
        return f"kind {world.model.kind}, whose horizon law is not known exactly"
    if world.stress:
        return f"a stress, which makes paths differ from that law: {'; '.join(world.stress)}"
    if grid.history_steps and not world.model.starts_stationary:
        return "a stated start of the history (initial variance or regime), from which time 0 has moved on"
    return ""


class Scheme:
    """Exact quantiles of a world at a study's horizon, and the indicators that paths are held against them with.

    Nothing is measured where the model has no exact law, where a stress makes paths differ from plain draws of it, or
    on paths that were drawn with weights.  Where a history moves a stated initial variance away from its number the
    law at time 0 is another one: every asset is `refused` with that reason.

    Parameters
    ----------
    world : World
    grid : TimeGrid
    """

    def __init__(self, world: World, grid: TimeGrid):
        self._model, self._horizon = world.model, float(grid.times[-1])
        self.refused: dict[str, str] = {}
        self._quantiles: dict[str, Floats] = {}
        if world.stress or not isinstance(world.model, HasLaw):
            return
        if fault := unfit(world, grid):
            self.refused = dict.fromkeys(world.model.assets, f"paths must follow the world's exact law, got {fault}")
            return
        levels = np.array(LEVELS)
        for asset in world.model.assets:
            try:
                law = world.model.law(asset, self._horizon)
                self._quantiles[asset] = np.stack([law.quantile(1.0 - levels), law.quantile(levels)])
            except RunError as trouble:
                self.refused[asset] = str(trouble)

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets whose paths are held against exact quantiles."""
        return tuple(self._quantiles)

    def columns(self, paths: MarketPaths) -> dict[Key, Floats]:
        """Per asset, level and side: 1 where the path's log-return lies beyond its exact quantile."""
        out: dict[Key, Floats] = {}
        if paths.log_weight is not None:
            return out
        for asset, (low, high) in self._quantiles.items():
            a = paths.assets.index(asset)
            x = np.log(paths.spot_lanes[-1, a] / paths.spot_lanes[0, a])
            bad = np.where(np.isnan(x), np.nan, 0.0)
            for i, level in enumerate(LEVELS):
                head = ("scheme", self._model.kind, level, None, asset)
                out[*head, SIDES["long"]] = (x <= low[i]) + bad
                out[*head, SIDES["short"]] = (x > high[i]) + bad
        return out


@dataclass(frozen=True)
class SchemeBias:
    """One figure of the scheme beside the truth.

    Attributes
    ----------
    asset : str
    side : {"long", "short"}
        Which tail: losses of a linear unit position of that side.
    level : float
    measure : {"breach_probability", "var", "expected_shortfall"}
    exact : float
    simulated, difference : Estimate
        The difference is simulated less exact, with the error of the former.
    """

    asset: str
    side: str
    level: float
    measure: str
    exact: float
    simulated: Estimate
    difference: Estimate


def scheme_bias(
    world: World,
    grid: TimeGrid,
    keys: DrawKeys,
    paths: int,
    levels: tuple[float, ...] = LEVELS,
    confidence: float = 0.95,
    block: int = 4096,
) -> Iterator[SchemeBias]:
    """Simulate a world by its own scheme and hold every asset's tail at the horizon against the exact law.

    Parameters
    ----------
    world : World
        Its paths on `grid` must follow its exact law (`unfit`), or ValueError.
    grid : TimeGrid
        Its step is the scheme's step.
    keys : DrawKeys
    paths : int
    levels : tuple of float
    confidence : float
    block : int
        Paths drawn at a time.

    Yields
    ------
    SchemeBias
        Breach probability at the exact VaR (Clopper-Pearson), VaR (order statistics) and expected shortfall.
    """
    if fault := unfit(world, grid):
        raise ValueError(f"world must follow its exact law to measure its scheme, got {fault}")
    ends = []
    for first in range(0, paths, block):
        drawn = world.sample(grid, first, min(block, paths - first), keys)
        ends.append(np.log(drawn.spot_lanes[-1] / drawn.spot_lanes[0])[:, ~drawn.failed])
    x = np.concatenate(ends, axis=1)
    for a, asset in enumerate(world.model.assets):
        law = world.model.law(asset, float(grid.times[-1]))
        for side in SIDES:
            unit = UnitExposure(side)
            losses = unit.loss(x[a])
            for level, var, shortfall in zip(levels, *tail_curve(losses, levels, confidence), strict=True):
                truth = float(unit.var(law, level))
                figures = {
                    "breach_probability": (
                        1.0 - level,
                        clopper_pearson(int((losses > truth).sum()), losses.size, confidence),
                    ),
                    "var": (truth, var),
                    "expected_shortfall": (float(unit.expected_shortfall(law, level)), shortfall),
                }
                for measure, (exact, found) in figures.items():
                    yield SchemeBias(asset, side, level, measure, exact, found, shifted(found, exact))


def shifted(estimate: Estimate, exact: float) -> Estimate:
    """`estimate` less an exact figure."""
    return replace(estimate, value=estimate.value - exact, lower=estimate.lower - exact, upper=estimate.upper - exact)
