"""Bates (1996): Heston variance and jumps, for several correlated assets.

    d log S_i = (drift_i - v_i / 2 - jump compensator) dt + sqrt(v_i) dW_i + dJ_i

with variance, correlations and records of `riskengine.scenario.heston`.  Jumps are compensated: E[S_T] = S_0 exp(drift
T).  Reference: Bates, Review of Financial Studies 9 (1996), 69-107.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import CommonJumps, JumpTable, OwnJumps, check_jumps, jump_table, law_components
from riskengine.scenario.parameters import ParameterCheck


@dataclass(frozen=True)
class Bates(Heston):
    """Stochastic variance with jumps: the fields of `Heston`, and

    Attributes
    ----------
    jumps_common : CommonJumps or None
    jumps_own : OwnJumps or None

    Examples
    --------
    >>> from riskengine.market.grid import TimeGrid
    >>> from riskengine.random import DrawKeys
    >>> one, jumps = ((1.0,),), OwnJumps((20.0,), (-0.02,), (0.05,))
    >>> world = Bates(
    ...     ("BTC",), (6e4,), (0.0,), (5.0,), (0.36,), (1.5,), (-0.5,), "stationary", one, one, jumps_own=jumps
    ... )
    >>> world.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).variance.shape
    (31, 4, 1)
    """

    kind: ClassVar[str] = "bates"

    jumps_common: CommonJumps | None = None
    jumps_own: OwnJumps | None = None

    def _check_jumps(self, check: ParameterCheck) -> None:
        check_jumps(check, len(self.assets), self.jumps_common, self.jumps_own)

    @cached_property
    def _jumps(self) -> JumpTable:
        return jump_table(len(self.assets), self.jumps_common, self.jumps_own)

    def _law_jumps(self, index: int) -> tuple:
        return law_components(index, self.jumps_common, self.jumps_own)
