"""One unit of a linear or inverse position in one asset, or its log-return.

The loss is that of `riskengine.law.exposure.UnitExposure`, or the log-return itself, as in most papers on estimators.
"""

from dataclasses import dataclass
from typing import Literal

from riskengine.law.exposure import LogExposure, UnitExposure
from riskengine.market.surface import FactorSurface
from riskengine.roles import ScenarioModel


@dataclass(frozen=True)
class Exposure:
    """One unit of a linear or inverse position in one asset, or its log-return: what the estimators are tested on."""

    asset: str
    side: Literal["long", "short"] = "long"
    contract: Literal["linear", "inverse", "log"] = "linear"

    @property
    def name(self) -> str:
        """For example ``BTC long linear``."""
        return f"{self.asset} {self.side} {self.contract}"

    @property
    def unit(self) -> UnitExposure:
        """The position without its asset: loss, exact VaR and breach probability from a law."""
        return LogExposure(self.side) if self.contract == "log" else UnitExposure(self.side, self.contract)

    def position(self, model: ScenarioModel, surface: FactorSurface, hours: float) -> UnitExposure:
        """The same in every world."""
        return self.unit
