"""Borrow rate: what it costs to borrow an asset, reverting to a usual rate and dearer when variance is high.

    log rate_t = log usual_rate + elasticity log((1 + v_t / usual_variance) / 2) + y_t,   y Ornstein-Uhlenbeck

A logarithm keeps the rate positive and lets it multiply in a rush, which is what a utilisation curve past its kink
does; the curve itself belongs to a lending protocol and is not copied here.  Without elasticity the rate is stationary
lognormal: mean usual_rate e^{sd^2 / 2}, autocorrelation of its logarithm 2^{-t / half-life}.
Reference: Black and Karasinski, Financial Analysts Journal 47 (1991), 52-59.
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
    exponential,
    log_stress,
    ou_lanes,
    per_asset,
)


@dataclass(frozen=True)
class BorrowRate:
    """Borrow rate per year, continuously compounded; one number per asset in every field.

    Attributes
    ----------
    usual_rate : tuple of float
        Median rate per year at the usual variance; positive.
    sd : tuple of float
        Standard deviation of the log-rate.
    half_life_hours : tuple of float
        Of a deviation.
    elasticity : tuple of float
        Of the rate to variance when variance is high; 0 for none.
    usual_variance : tuple of float
        Variance per year at which the rate is usual; positive.

    Examples
    --------
    >>> BorrowRate((0.03,), (0.4,), (72.0,), (0.5,), (0.36,)).fills
    ('borrow_rate_lanes',)
    """

    kind: ClassVar[str] = "borrow_rate"
    fills: ClassVar[tuple[str, ...]] = ("borrow_rate_lanes",)

    usual_rate: Vector
    sd: Vector
    half_life_hours: Vector
    elasticity: Vector
    usual_variance: Vector

    def __post_init__(self) -> None:
        check = ParameterCheck()
        per_asset(check, self, ("usual_variance", "usual_rate", "half_life_hours"), 0.0, closed=False)
        per_asset(check, self, ("sd", "elasticity"), 0.0)
        check.finish()

    def check(self, model: ScenarioModel) -> None:
        """ValueError where lengths differ from the model's assets, or an elasticity has no variance to follow."""
        check_against(model, len(self.usual_variance), any(self.elasticity))

    def fill(self, paths: MarketPaths, keys: DrawKeys) -> dict[str, Floats]:
        """``borrow_rate_lanes``, shape (T + 1, A, P), per year."""
        out = np.empty_like(paths.spot_lanes)
        for a in range(len(paths.assets)):
            decay = decay_of(paths.grid, self.half_life_hours[a])
            log_rate = np.log(self.usual_rate[a]) + ou_lanes(paths, keys, Purpose.BORROW_RATE, a, self.sd[a], decay)
            if self.elasticity[a] > 0.0:
                log_rate += self.elasticity[a] * log_stress(paths, a, self.usual_variance[a])
            out[:, a] = exponential(log_rate)
        return {"borrow_rate_lanes": out}
