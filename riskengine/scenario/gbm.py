"""Geometric Brownian motion for several correlated assets.

    d log S_i = (drift_i - sigma_i^2 / 2) dt + sigma_i dW_i,   dW_i dW_j = correlation_ij dt

The world without surprises: the null against which jumps and moving variance are measured.  Reference: Samuelson,
Industrial Management Review 6 (1965), 41-49.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.jumps import Matrix, Vector
from riskengine.scenario.lognormal import lognormal_tilt_space, sample_lognormal
from riskengine.scenario.parameters import ParameterCheck, asset_index
from riskengine.scenario.proposal import Proposal, TiltSpace

if TYPE_CHECKING:
    from riskengine.law.merton import MertonLaw


@dataclass(frozen=True)
class Gbm:
    """Correlated lognormal diffusion.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    drift : tuple of float
        Growth rate per year: E[S_T] = S_0 exp(drift T).
    volatility : tuple of float
        Per square-root year.
    correlation : matrix
        Of the Brownian motions.

    Examples
    --------
    >>> world = Gbm(("BTC",), (60_000.0,), (0.0,), (0.6,), ((1.0,),))
    >>> world.sample(TimeGrid(3_600, 24), 0, 4, DrawKeys(1)).spot.shape
    (25, 4, 1)
    """

    kind: ClassVar[str] = "gbm"
    starts_stationary: ClassVar[bool] = True

    assets: tuple[str, ...]
    spot: Vector
    drift: Vector
    volatility: Vector
    correlation: Matrix

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        count = len(assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "spot", check.vector("spot", self.spot, count, 0.0))
        object.__setattr__(self, "drift", check.vector("drift", self.drift, count))
        object.__setattr__(self, "volatility", check.vector("volatility", self.volatility, count, 0.0))
        object.__setattr__(self, "correlation", check.correlation("correlation", self.correlation, count))
        check.finish()

    def sample(
        self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys, proposal: Proposal | None = None
    ) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``, spot (T + 1, A, P) in USD; weighted under a proposal."""
        return sample_lognormal(
            self.assets, self.spot, self.drift, self.volatility, self.correlation, None, None,
            grid, first_path, count, keys, proposal=proposal,
        )  # fmt: skip

    def tilt_space(self, grid: TimeGrid, hours: float | None = None) -> TiltSpace:
        """What a proposal may tilt on `grid` up to `hours` (None: the horizon)."""
        return lognormal_tilt_space(self.correlation, None, None, grid, hours)

    def law(self, asset: str, horizon: float, variance: float | None = None) -> MertonLaw:
        """Exact law of the log-return of `asset` over `horizon` years; there is no variance state to condition on."""
        from riskengine.law.merton import MertonLaw

        i = asset_index(self.assets, asset)
        return MertonLaw(self.drift[i], self.volatility[i], (), horizon)
