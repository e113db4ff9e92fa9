"""`MorphoBlue`: isolated Morpho Blue markets on blocks of paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.lending.block_market import BlockMarket, BookState, Layout, Listed
from riskengine.lending.keeper import Keeper
from riskengine.lending.listing import one_debt_book, wad
from riskengine.lending.morpho_blue import lanes
from riskengine.lending.morpho_blue.integer import liquidation_incentive_factor, taylor_compounded
from riskengine.lending.morpho_blue.rules import IsolatedMarket, MorphoRules
from riskengine.lending.reaction import Reaction
from riskengine.lending.utilisation import SUPPLIERS, PathUtilisation, Pools
from riskengine.pricing.fixed_point import SECONDS_PER_YEAR, WAD
from riskengine.rates.adaptive_curve import adaptive_rate
from riskengine.rates.pool import AdaptivePool
from riskengine.roles import Liquidity, PriceOracle


@dataclass(frozen=True)
class MorphoBlue(BlockMarket):
    """Morpho Blue: one market per collateral, no close factor, bad debt taken from suppliers at once.

    A borrower with several collaterals holds a position in the market of each; debt is split in proportion to
    collateral times LLTV, so that every position starts with the health of the whole.

    Attributes
    ----------
    rules : MorphoRules
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

    kind: ClassVar[str] = "morpho_blue"

    rules: MorphoRules
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
        return self.rules.markets

    def _layout(self, loans: Loans, worth: Callable[[Listed], float]) -> Layout:
        markets, loan = self.rules.markets, self.rules.loan
        found = one_debt_book(loans, markets, loan)
        borrowed = loans.debt[:, found.index(loan)]
        held = np.zeros((len(loans.names), len(markets)))
        for m, market in enumerate(markets):
            if market in found:
                held[:, m] = loans.collateral[:, found.index(market)]
        lendable = held * [m.lltv * worth(m) for m in markets]
        total = lendable.sum(axis=1, keepdims=True)
        share = np.divide(lendable, total, out=np.zeros_like(lendable), where=total > 0)
        # debt without collateral is in the first market
        share[total[:, 0] <= 0, 0] = 1.0
        owner, at = np.nonzero((held > 0) | (share * borrowed[:, None] > 0))
        collateral, debt = np.zeros((2, owner.size, 2 * len(markets)))
        rows = np.arange(owner.size)
        collateral[rows, at] = held[owner, at]
        debt[rows, at + len(markets)] = share[owner, at] * borrowed[owner]
        return Layout([*markets, *[loan] * len(markets)], collateral, debt, owner)

    def _parameters(self, tokens: Sequence[Any]) -> tuple[Floats, Floats]:
        none = np.zeros(len(self.rules.markets))
        lltv = np.array([m.lltv for m in self.rules.markets])
        incentive = np.array([liquidation_incentive_factor(wad(m.lltv)) / WAD for m in self.rules.markets])
        lltv = np.concatenate([lltv, none])
        return lltv, np.array([lltv, np.concatenate([incentive, none + 1.0])])

    def _own(self, book: Layout, paths: int) -> dict[str, Any]:
        half = len(self.rules.markets)
        market_of = ((book.collateral > 0) | (book.debt > 0)).argmax(axis=1) % half
        return {
            "held_in": market_of,
            "owed_in": market_of + half,
            "rate_at_target": [wad(m.rate_at_target) // SECONDS_PER_YEAR for m in self.rules.markets],
            "terms": np.array([self.keeper.gas_usd, self.liquidity.keep]),
        }

    def _grow(self, state: BookState, steps: int) -> None:
        seconds = steps * state.grid.step_seconds
        markets: Sequence[IsolatedMarket] = self.rules.markets
        rates = state.own["rate_at_target"]
        for m, market in enumerate(markets):
            found = adaptive_rate(rates[m], wad(market.utilisation), seconds)
            rates[m] = found.end_rate_at_target
            state.indices[1, len(markets) + m] *= 1.0 + taylor_compounded(found.average_borrow_rate, seconds) / WAD

    def _pools(self, state: BookState, tokens: Sequence[Any]) -> Pools:
        listed, rates = self.rules.markets, state.own["rate_at_target"]
        owed = [m for m in range(len(listed)) if state.start_debt[:, len(listed) + m].any()]
        curves = [AdaptivePool(rates[m], listed[m].fee) for m in owed]
        columns = [len(listed) + m for m in owed]
        return self.utilisation.start(columns, curves, [listed[m].utilisation for m in owed], SUPPLIERS, state)

    def _liquidate(self, state: BookState, published: Floats, market: Floats, sold: Floats, sums: Floats) -> None:
        lanes.liquidate_due(
            state.step,
            state.order,
            state.ready,
            state.due,
            state.touched,
            state.owner,
            state.liquidated,
            state.own["held_in"],
            state.own["owed_in"],
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
