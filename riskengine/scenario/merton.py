"""Merton (1976) jump diffusion for several correlated assets, with common and own jumps.

    dS_i / S_i- = (drift_i - lambda k_i - lambda_i k'_i) dt + sigma_i dW_i + (e^{J_i} - 1) dN + (e^{J'_i} - 1) dN_i

Jumps are compensated: E[S_T] = S_0 exp(drift T).  Correlated diffusion alone gives no joint crashes (a Gaussian has no
tail dependence); common jumps do.  Reference: Merton, Journal of Financial Economics 3 (1976), 125-144.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.jumps import CommonJumps, Matrix, OwnJumps, Vector, check_jumps, law_components
from riskengine.scenario.lognormal import lognormal_tilt_space, sample_lognormal
from riskengine.scenario.parameters import ParameterCheck, asset_index
from riskengine.scenario.proposal import Proposal, TiltSpace

if TYPE_CHECKING:
    from riskengine.law.merton import MertonLaw


@dataclass(frozen=True)
class Merton:
    """Correlated lognormal diffusion with compound Poisson jumps.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    drift : tuple of float
        Growth rate per year: E[S_T] = S_0 exp(drift T).
    volatility : tuple of float
        Of the diffusion alone, per square-root year.
    correlation : matrix
        Of the Brownian motions.
    jumps_common : CommonJumps or None
    jumps_own : OwnJumps or None

    Examples
    --------
    >>> world = Merton(("BTC",), (60_000.0,), (0.0,), (0.6,), ((1.0,),), None, OwnJumps((20.0,), (-0.02,), (0.05,)))
    >>> world.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).spot.shape
    (31, 4, 1)
    """

    kind: ClassVar[str] = "merton"
    starts_stationary: ClassVar[bool] = True

    assets: tuple[str, ...]
    spot: Vector
    drift: Vector
    volatility: Vector
    correlation: Matrix
    jumps_common: CommonJumps | None = None
    jumps_own: OwnJumps | None = None

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        count = len(assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "spot", check.vector("spot", self.spot, count, 0.0))
        object.__setattr__(self, "drift", check.vector("drift", self.drift, count))
        object.__setattr__(self, "volatility", check.vector("volatility", self.volatility, count, 0.0))
        object.__setattr__(self, "correlation", check.correlation("correlation", self.correlation, count))
        check_jumps(check, count, self.jumps_common, self.jumps_own)
        check.finish()

    def sample(
        self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys, proposal: Proposal | None = None
    ) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``, spot (T + 1, A, P) in USD; weighted under a proposal."""
        return sample_lognormal(
            self.assets, self.spot, self.drift, self.volatility, self.correlation, self.jumps_common, self.jumps_own,
            grid, first_path, count, keys, proposal=proposal,
        )  # fmt: skip

    def tilt_space(self, grid: TimeGrid, hours: float | None = None) -> TiltSpace:
        """What a proposal may tilt on `grid` up to `hours` (None: the horizon)."""
        return lognormal_tilt_space(self.correlation, self.jumps_common, self.jumps_own, grid, hours)

    def law(self, asset: str, horizon: float, variance: float | None = None) -> MertonLaw:
        """Exact law of the log-return of `asset` over `horizon` years; there is no variance state to condition on."""
        from riskengine.law.merton import MertonLaw

        i = asset_index(self.assets, asset)
        return MertonLaw(
            self.drift[i], self.volatility[i], law_components(i, self.jumps_common, self.jumps_own), horizon
        )
