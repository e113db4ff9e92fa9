"""`EulerEvk`: an Euler v2 borrowing vault on blocks of paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.lending.block_market import BlockMarket, BookState, Layout, Listed
from riskengine.lending.euler_evk import lanes
from riskengine.lending.euler_evk.rules import EulerRules
from riskengine.lending.keeper import Keeper
from riskengine.lending.listing import one_debt_book, wad
from riskengine.lending.reaction import Reaction
from riskengine.lending.utilisation import SUPPLIERS, PathUtilisation, Pools
from riskengine.pricing.fixed_point import RAY, WAD
from riskengine.rates.pool import KinkPool
from riskengine.roles import Liquidity, PriceOracle


@dataclass(frozen=True)
class EulerEvk(BlockMarket):
    """Euler v2: no close factor, a discount that grows with ill health, bad debt taken from depositors at once.

    The cool-off after a status check and the ramp of a lowered LTV are not part of a run.

    Attributes
    ----------
    rules : EulerRules
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

    kind: ClassVar[str] = "euler_evk"

    rules: EulerRules
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
        return self.rules.collaterals

    def paid(self, parameters: Floats) -> Floats:
        """As `BlockMarket.paid`: the discount is that of the health score, none at 1."""
        return np.ones_like(parameters[0])

    def kept(self, parameters: Floats) -> Floats:
        """Collateral at oracle prices that keepers keep per USD repaid, per token, at the largest discount."""
        return self.paid(parameters) / (1.0 - self.rules.max_liquidation_discount)

    def _layout(self, loans: Loans, worth: Callable[[Listed], float]) -> Layout:
        found = one_debt_book(loans, self.rules.collaterals, self.rules.loan)
        return Layout(found, loans.collateral, loans.debt, np.arange(len(loans.names)))

    def _parameters(self, tokens: Sequence[Any]) -> tuple[Floats, Floats]:
        loan = self.rules.loan
        ltv = np.array([0.0 if t is loan else t.borrow_ltv for t in tokens])
        return ltv, np.array([[0.0 if t is loan else t.liquidation_ltv for t in tokens]])

    def _own(self, book: Layout, paths: int) -> dict[str, Any]:
        rules = self.rules
        borrowed = wad(rules.utilisation)
        return {
            "debt_column": book.tokens.index(rules.loan),
            "rate": rules.rates.per_second(borrowed, WAD - borrowed) / RAY,
            "terms": np.array([self.keeper.gas_usd, self.liquidity.keep, 1.0 - rules.max_liquidation_discount]),
        }

    def _grow(self, state: BookState, steps: int) -> None:
        # compounded every second
        seconds = steps * state.grid.step_seconds
        state.indices[1] *= np.exp(seconds * np.log1p(state.own["rate"]))

    def _pools(self, state: BookState, tokens: Sequence[Any]) -> Pools:
        curve = KinkPool(self.rules.rates, self.rules.interest_fee)
        columns = [state.own["debt_column"]]
        return self.utilisation.start(columns, [curve], [self.rules.utilisation], SUPPLIERS, state)

    def _liquidate(self, state: BookState, published: Floats, market: Floats, sold: Floats, sums: Floats) -> None:
        lanes.liquidate_due(
            state.step,
            state.order,
            state.ready,
            state.due,
            state.touched,
            state.owner,
            state.liquidated,
            state.own["debt_column"],
            state.collateral_lanes,
            state.debt_lanes,
            state.indices,
            state.parameters[0],
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
