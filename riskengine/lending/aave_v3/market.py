"""`AaveV3`: a market that borrowers, an oracle, keepers and liquidity live through, on blocks of paths."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.lending.aave_v3 import lanes
from riskengine.lending.aave_v3.rules import MODE, AaveV3Rules, Reserve
from riskengine.lending.block_market import BlockMarket, BookState, Layout, Listed
from riskengine.lending.keeper import Keeper
from riskengine.lending.parameter_set import ParameterSet
from riskengine.lending.reaction import Reaction
from riskengine.lending.utilisation import CLAIM, PathUtilisation, Pools
from riskengine.rates.pool import TwoSlopePool
from riskengine.rates.two_slope import growth
from riskengine.roles import Liquidity, PriceOracle


@dataclass(frozen=True)
class AaveV3(BlockMarket):
    """Aave v3: fixed-spread liquidations with a close factor (see ``integer`` for the exact rules).

    Debt is repaid in the debt token bought at the market price without impact; collateral that follows a market asset
    is sold into `liquidity`, collateral of fixed price at par.  Price feedback is not applied here: a step reports the
    coins sold, and whoever owns the paths may act on it.

    Attributes
    ----------
    rules : AaveV3Rules
    keeper : Keeper
    liquidity : Liquidity
        For each asset that a collateral follows, by its name (``BTC``), and no other.
    oracle : PriceOracle or None
        Replaces the feed of `rules` (a what-if); None keeps it.
    reaction : Reaction or None
        What borrowers do before keepers come; None is nothing.
    utilisation : PathUtilisation or None
        How utilisation and rates move with the path; None keeps those of `rules`.
    name : str or None
        What reports call it; None is its kind with what tells it from others.
    """

    kind: ClassVar[str] = "aave_v3"

    rules: AaveV3Rules
    keeper: Keeper
    liquidity: Liquidity
    oracle: PriceOracle | None = None
    reaction: Reaction | None = field(default=None, metadata={"written": "unless empty"})
    utilisation: PathUtilisation | None = field(default=None, metadata={"written": "unless none"})
    name: str | None = field(default=None, metadata={"written": "unless none"})

    def __post_init__(self) -> None:
        self._check()

    @property
    def collaterals(self) -> Sequence[Listed]:
        """As `BlockMarket.collaterals`."""
        return [r for r in self.rules.reserves if r.liquidation_threshold > 0]

    def kept(self, parameters: Floats) -> Floats:
        """Collateral at oracle prices that keepers keep per USD repaid, per token; the treasury takes of the bonus."""
        return parameters[1] - parameters[2] * (parameters[1] - 1.0)

    @property
    def charges(self) -> bool:
        """Whether the treasury takes a share of any bonus."""
        listed = [r for r in self.rules.reserves if r.liquidation_threshold > 0]
        return any(r.liquidation_bonus * r.liquidation_protocol_fee > 0 for r in listed)

    def with_parameters(self, changes: ParameterSet) -> "AaveV3":
        """The same market under `changes`; ValueError with every reason where it could not be configured."""
        return replace(self, rules=self.rules.with_parameters(changes))

    def _layout(self, loans: Loans, worth: Callable[[Listed], float]) -> Layout:
        found = [self.rules.reserve(s) for s in loans.reserves]
        faults = list(_mode_faults(self.rules, loans))
        if faults:
            more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
            raise ValueError("; ".join(faults[:3]) + more)
        return Layout(found, loans.collateral, loans.debt, np.arange(len(loans.names)))

    def _parameters(self, tokens: Sequence[Reserve]) -> tuple[Floats, Floats]:
        parameters = np.array(
            [
                [r.liquidation_threshold for r in tokens],
                [1.0 + r.liquidation_bonus for r in tokens],
                [r.liquidation_protocol_fee for r in tokens],
            ]
        )
        return np.array([r.ltv for r in tokens]), parameters

    def _own(self, book: Layout, paths: int) -> dict[str, Any]:
        rules = self.rules
        return {
            "borrow_rate": np.array([float(r.rates.borrow_rate(r.utilisation)) for r in book.tokens]),
            "supply_rate": np.array([float(r.rates.supply_rate(r.utilisation)) for r in book.tokens]),
            "terms": np.array(
                [
                    rules.close_factor,
                    rules.full_close_health,
                    rules.full_close_below_usd,
                    rules.min_leftover_usd,
                    self.keeper.gas_usd,
                    self.liquidity.keep,
                    0.0,
                    1.0,
                ]
            ),
        }

    def _grow(self, state: BookState, steps: int) -> None:
        years = steps * state.grid.dt
        state.indices[0] *= growth(state.own["supply_rate"], years)[1]
        state.indices[1] *= growth(state.own["borrow_rate"], years)[0]

    def _pools(self, state: BookState, tokens: Sequence[Reserve]) -> Pools:
        owed = np.flatnonzero(state.start_debt.any(axis=0))
        curves = [TwoSlopePool(tokens[c].rates) for c in owed]
        return self.utilisation.start(owed, curves, [tokens[c].utilisation for c in owed], CLAIM, state)

    def _liquidate(self, state: BookState, published: Floats, market: Floats, sold: Floats, sums: Floats) -> None:
        lanes.liquidate_due(
            state.step,
            state.order,
            state.ready,
            state.due,
            state.touched,
            state.owner,
            state.liquidated,
            state.collateral_lanes,
            state.debt_lanes,
            state.indices,
            state.parameters,
            state.reserve_asset,
            published,
            market,
            state.depth,
            state.outstanding,
            sold,
            state.own["terms"],
            self.keeper.calls_per_step,
            sums,
        )


def _mode_faults(rules: AaveV3Rules, loans: Loans) -> Iterator[str]:
    """What borrowers hold or owe that their efficiency mode does not allow."""
    modes = np.array([int(s.partition(MODE)[2] or 0) for s in loans.reserves])
    for column in np.flatnonzero(modes):
        for loan in np.flatnonzero(loans.debt[:, column]):
            yield f"{loans.names[loan]} must owe a token without a mode, got {loans.reserves[column]}"
    for loan in np.flatnonzero((loans.collateral[:, modes > 0] > 0).any(axis=1)):
        own = sorted({int(m) for m in modes[loans.collateral[loan] > 0]})
        if len(own) > 1:
            yield f"{loans.names[loan]} must hold all collateral in one efficiency mode, got {own}"
            continue
        allowed = rules.mode(own[0]).borrowable
        owed = [loans.reserves[r] for r in np.flatnonzero(loans.debt[loan])]
        barred = [s for s in owed if s not in allowed]
        if barred:
            who = f"{loans.names[loan]} in efficiency mode {own[0]}"
            yield f"{who} must owe {', '.join(allowed)}, got {', '.join(barred)}"
