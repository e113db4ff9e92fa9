"""Depth: how much the market takes, relative to usual; thin when variance is high or prices just fell, then refilled.

    log depth_t = -elasticity log((1 + v_t / usual) / 2) + y_t - u_t
    u_{t+1}     = a u_t + drain max(-r_t - threshold, 0),   y Ornstein-Uhlenbeck,   a = 2^{-dt / half-life}

v is the path's variance, r_t the log-return of step t.  The response to variance is at once, since quotes are pulled
within seconds; what a fall has taken, and y, come back with the half-life.  At the usual variance the slope of
log-depth in log-variance is half the elasticity, in a storm all of it, and depth is bounded where variance is zero.

Exact moments.  log depth without the drain has variance sd^2 plus that of the response, which is a one-dimensional
integral over the stationary variance; under geometric Brownian motion the drain of a step is a truncated normal.
References: Naes and Skjeltorp, Journal of Financial Markets 9 (2006), 408-432 (depth falls with volatility); Large,
same journal 10 (2007), 1-25 (how fast a book refills).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, Purpose
from riskengine.roles import ScenarioModel
from riskengine.scenario.parameters import ParameterCheck
from riskengine.scenario.state.lanes import (
    Vector,
    check_against,
    decay_of,
    echo,
    exponential,
    log_returns,
    log_stress,
    ou_lanes,
    per_asset,
)


@dataclass(frozen=True)
class Depth:
    """Relative depth; one number per asset in every field.

    Attributes
    ----------
    usual_variance : tuple of float
        Variance per year at which depth is usual; positive.
    elasticity : tuple of float
        Of depth to variance when variance is high; 0 for none.
    sd : tuple of float
        Standard deviation of log-depth that nothing explains.
    half_life_hours : tuple of float
        In which half of a missing depth is refilled.
    drain : tuple of float
        Log-depth lost per unit of log-return below the threshold.
    threshold : tuple of float
        Fall in one step, as a log-return, that takes no depth; it belongs to the step of the grid.

    Examples
    --------
    >>> Depth((0.36,), (1.0,), (0.2,), (4.0,), (10.0,), (0.01,)).fills
    ('depth_lanes',)
    """

    kind: ClassVar[str] = "depth"
    fills: ClassVar[tuple[str, ...]] = ("depth_lanes",)

    usual_variance: Vector
    elasticity: Vector
    sd: Vector
    half_life_hours: Vector
    drain: Vector
    threshold: Vector

    def __post_init__(self) -> None:
        check = ParameterCheck()
        per_asset(check, self, ("usual_variance", "half_life_hours"), 0.0, closed=False)
        per_asset(check, self, ("elasticity", "sd", "drain", "threshold"), 0.0)
        check.finish()

    def check(self, model: ScenarioModel) -> None:
        """ValueError where lengths differ from the model's assets, or an elasticity has no variance to follow."""
        check_against(model, len(self.usual_variance), any(self.elasticity))

    def fill(self, paths: MarketPaths, keys: DrawKeys) -> dict[str, Floats]:
        """``depth_lanes``, shape (T + 1, A, P), relative to usual."""
        out = np.empty_like(paths.spot_lanes)
        for a in range(len(paths.assets)):
            decay = decay_of(paths.grid, self.half_life_hours[a])
            log_depth = ou_lanes(paths, keys, Purpose.DEPTH, a, self.sd[a], decay)
            if self.elasticity[a] > 0.0:
                log_depth -= self.elasticity[a] * log_stress(paths, a, self.usual_variance[a])
            if self.drain[a] > 0.0:
                fall = np.maximum(-log_returns(paths, a) - self.threshold[a], 0.0)
                log_depth -= echo(self.drain[a] * fall, decay)
            out[:, a] = exponential(log_depth)
        return {"depth_lanes": out}
