"""The tilt under which a log-return of one asset has the mean that a rare event asks for.

With K the cumulant generating function of X over the time that tilts act, the law dQ / dP = e^{theta X - K(theta)} has
mean K'(theta); K'(theta) = x puts the event {X < x} (or {X > x}) at the centre.  In a lognormal world with jumps it is
again one: normals shift by theta times their loading on X, a clock's intensity is multiplied by E e^{theta J}, sizes
shift by theta times their loading.  Efficient for that tail of that asset, and in no other place: mix it with others,
or let `riskengine.scenario.cross_entropy` choose.  References: Siegmund, Annals of Statistics 4 (1976), 673-684;
Glasserman, Monte Carlo Methods in Financial Engineering (2004), section 4.6.
"""

import math

import numpy as np

from riskengine.market.grid import TimeGrid
from riskengine.scenario.correlation import factor
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import jump_table
from riskengine.scenario.merton import Merton
from riskengine.scenario.parameters import asset_index
from riskengine.scenario.proposal import Tilt


def exponential_tilt(
    world: Gbm | Merton, grid: TimeGrid, asset: str, move: float, hours: float | None = None
) -> tuple[Tilt, float]:
    """The tilt that centres the log-return of `asset` on `move`, and its theta.

    Parameters
    ----------
    world : Gbm or Merton
    grid : TimeGrid
    asset : str
    move : float
        Log-return at the end of the time that tilts act, for example -0.2.
    hours : float, optional
        That time; the horizon by default.
    """
    a = asset_index(world.assets, asset)
    table = jump_table(len(world.assets), getattr(world, "jumps_common", None), getattr(world, "jumps_own", None))
    space = world.tilt_space(grid, hours)
    horizon = space.steps * grid.dt
    sigma = world.volatility[a]
    drift = (world.drift[a] - 0.5 * sigma * sigma - table.compensator[a]) * horizon
    mean = table.mean[:, a]
    variance = np.einsum("cj,cj->c", table.mix[:, a], table.mix[:, a])
    arrivals = space.arrivals[[0, 1 + a]]

    def slope(theta: float) -> float:
        """K'(theta)."""
        jumps = arrivals * (mean + variance * theta) * np.exp(mean * theta + 0.5 * variance * theta * theta)
        return drift + sigma * sigma * horizon * theta + float(jumps.sum())

    theta = _increasing_root(slope, move)
    loading = sigma * math.sqrt(grid.dt) * factor(np.array(world.correlation))[a]
    multiplier = np.exp(mean * theta + 0.5 * variance * theta * theta)
    intensity, own = np.ones(1 + len(world.assets)), np.zeros(len(world.assets))
    intensity[0] = multiplier[0] if arrivals[0] > 0.0 else 1.0
    intensity[1 + a] = multiplier[1] if arrivals[1] > 0.0 else 1.0
    own[a] = theta * table.mix[1, a, a] if arrivals[1] > 0.0 else 0.0
    common = theta * table.mix[0, a] * (arrivals[0] > 0.0)
    return Tilt(
        price=tuple(theta * loading), intensity=tuple(intensity), common_size=tuple(common + 0.0), own_size=tuple(own)
    ), theta


def _increasing_root(function, value: float) -> float:
    """Where an increasing function that is unbounded on both sides equals `value`, by bisection."""
    reach = 1.0
    while not function(-reach) < value < function(reach):
        reach *= 2.0
    low, high = -reach, reach
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        low, high = (middle, high) if function(middle) < value else (low, middle)
