"""`AaveV2`: the market of Aave v3 under the rules of v2, on blocks of paths."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from riskengine.arrays import Floats
from riskengine.lending.aave_v3.lanes import OF_RESERVE, WRITES_OFF
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, EfficiencyMode
from riskengine.lending.block_market import Layout


@dataclass(frozen=True)
class AaveV2Rules(AaveV3Rules):
    """A dated parameter set of Aave v2: no efficiency modes, no full close, no dust rule and no treasury's share.

    Attributes
    ----------
    close_factor : float
        Share of the debt in the *reserve* that one call may repay, always.
    """

    emodes: tuple[EfficiencyMode, ...] = field(default=(), init=False)
    full_close_health: float = field(default=0.0, init=False)
    full_close_below_usd: float = field(default=0.0, init=False)
    min_leftover_usd: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        charged = [r.symbol for r in self.reserves if r.liquidation_protocol_fee]
        if charged:
            raise ValueError(f"liquidation_protocol_fee must be 0, as Aave v2 has none, got one of {charged}")


@dataclass(frozen=True)
class AaveV2(AaveV3):
    """Aave v2: fixed-spread liquidations of half the debt in a reserve, and bad debt that nobody writes off.

    The average threshold of an account is not cut to a basis point here, as the contract does (``integer``): a call on
    an account of several collaterals may come up to 1e-4 in health late.

    Attributes
    ----------
    rules : AaveV2Rules
    """

    kind: ClassVar[str] = "aave_v2"

    rules: AaveV2Rules

    def _own(self, book: Layout, paths: int) -> dict[str, Any]:
        own = super()._own(book, paths)
        terms: Floats = own["terms"]
        terms[OF_RESERVE], terms[WRITES_OFF] = 1.0, 0.0
        return own
