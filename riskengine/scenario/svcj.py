"""SVCJ (Duffie, Pan, Singleton 2000): variance jumps together with the price, for several correlated assets.

    dv_i = kappa_i (theta_i - v_i) dt + xi_i sqrt(v_i) dV_i + dZ_i
    d log S_i = (drift_i - v_i / 2 - jump compensator) dt + sqrt(v_i) dW_i + dJ_i

Z and J jump at the same arrivals (`riskengine.scenario.cojumps`): a crash leaves variance high, so that the next days
are wild as well, where a `bates` world forgets the crash in the next hour.  Common arrivals move the variances of all
assets at once.  Diffusion and correlations are those of `riskengine.scenario.heston`; theta is the level to which
variance reverts between jumps, its long-run mean is theta + sum of intensity * variance_mean / kappa.

Between jumps variance moves by the quadratic-exponential scheme of `bates`; what a jump adds inside a step is drawn at
its own time by superposition (`riskengine.scenario.superpose`).  Reference: Econometrica 68 (2000), 1343-1376.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.random import DrawKeys
from riskengine.scenario.cojumps import CoJumpTable, CommonCoJumps, OwnCoJumps, cojump_components, cojump_table
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import check_jumps
from riskengine.scenario.parameters import ParameterCheck
from riskengine.scenario.stationary import stationary_jumps

if TYPE_CHECKING:
    from riskengine.law.svcj import SvcjLaw


@dataclass(frozen=True)
class Svcj(Heston):
    """Stochastic variance with jumps in price and variance: the fields of `Heston`, and

    Attributes
    ----------
    jumps_common : CommonCoJumps or None
    jumps_own : OwnCoJumps or None

    Examples
    --------
    >>> from riskengine.market.grid import TimeGrid
    >>> one, jumps = ((1.0,),), OwnCoJumps((3.0,), (-0.02,), (0.05,), variance_mean=(0.4,), slope=(-0.1,))
    >>> world = Svcj(
    ...     ("BTC",), (6e4,), (0.0,), (5.0,), (0.36,), (1.5,), (-0.5,), "stationary", one, one, jumps_own=jumps
    ... )
    >>> world.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).variance.shape
    (31, 4, 1)
    """

    kind: ClassVar[str] = "svcj"

    jumps_common: CommonCoJumps | None = None
    jumps_own: OwnCoJumps | None = None

    def _check_jumps(self, check: ParameterCheck) -> None:
        check_jumps(check, len(self.assets), self.jumps_common, self.jumps_own)

    @cached_property
    def _jumps(self) -> CoJumpTable:
        return cojump_table(len(self.assets), self.jumps_common, self.jumps_own)

    def _marks(self, dt: float) -> tuple[Floats, Floats]:
        kappa, xi, rho = (np.array(v) for v in (self.kappa, self.xi, self.rho))
        diffusion = (
            kappa * dt,
            xi * xi / kappa,
            rho / xi,
            0.5 * dt * (kappa * rho / xi - 0.5),
            0.5 * dt * (1.0 - rho * rho),
        )
        jumps = self._jumps
        rows = [[jumps.variance_mean[c], jumps.slope[c], *diffusion] for c in range(2)]
        return np.ascontiguousarray(np.moveaxis(np.array(rows), 1, 2)), self._mixes[0]

    def _stationary(self, first_path: int, count: int, keys: DrawKeys) -> Floats:
        state = super()._stationary(first_path, count, keys)
        jumps, kappa = self._jumps, np.array(self.kappa)
        floor = np.array(self.xi) ** 2 / (2.0 * kappa)
        return state + stationary_jumps(jumps.intensity, jumps.variance_mean, kappa, floor, first_path, count, keys)

    def _law_jumps(self, index: int) -> tuple:
        return cojump_components(index, self.jumps_common, self.jumps_own)

    @staticmethod
    def _law_class() -> type[SvcjLaw]:
        from riskengine.law.svcj import SvcjLaw

        return SvcjLaw
