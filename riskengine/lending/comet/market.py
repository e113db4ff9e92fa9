"""`Comet`: a Compound v3 market on blocks of paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.lending.block_market import BlockMarket, BookState, Layout, Listed
from riskengine.lending.comet import lanes
from riskengine.lending.comet.rules import CometRules
from riskengine.lending.keeper import Keeper
from riskengine.lending.listing import one_debt_book
from riskengine.lending.reaction import Reaction
from riskengine.lending.utilisation import RESERVES, PathUtilisation, Pools
from riskengine.pricing.fixed_point import WAD
from riskengine.rates.pool import CometPool
from riskengine.roles import Liquidity, PriceOracle


@dataclass(frozen=True)
class Comet(BlockMarket):
    """Compound v3: whole accounts are absorbed by the protocol, which sells their collateral at a discount.

    Reserves change by absorptions and sales; interest that would add to them is not part of a run, and neither is what
    a borrower does with a balance credited to them.  A keeper's gas is that of one absorption with its purchase, or of
    one purchase; calls per step do not matter, as an account is absorbed once.

    Attributes
    ----------
    rules : CometRules
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

    kind: ClassVar[str] = "comet"

    rules: CometRules
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
        """As `BlockMarket.paid`: what buyers get for a base token."""
        return 1.0 / parameters[2]

    @property
    def charges(self) -> bool:
        """Whether the storefront asks more for any collateral than its borrower is credited."""
        return self.rules.store_front_price_factor < 1.0 and any(
            c.liquidation_factor < 1.0 for c in self.rules.collaterals
        )

    def _layout(self, loans: Loans, worth: Callable[[Listed], float]) -> Layout:
        rules = self.rules
        found = one_debt_book(loans, rules.collaterals, rules.base_token)
        return Layout(found, loans.collateral, loans.debt, np.arange(len(loans.names)))

    def _parameters(self, tokens: Sequence[Any]) -> tuple[Floats, Floats]:
        base, factor = self.rules.base_token, self.rules.store_front_price_factor
        listed = [None if t is base else t for t in tokens]
        parameters = np.array(
            [
                [0.0 if t is None else t.liquidate_collateral_factor for t in listed],
                [0.0 if t is None else t.liquidation_factor for t in listed],
                [1.0 if t is None else 1.0 - factor * (1.0 - t.liquidation_factor) for t in listed],
            ]
        )
        return np.array([0.0 if t is None else t.borrow_collateral_factor for t in listed]), parameters

    def _own(self, book: Layout, paths: int) -> dict[str, Any]:
        rules = self.rules
        return {
            "base": book.tokens.index(rules.base_token),
            "inventory": np.zeros((len(book.tokens), paths)),
            "reserves": np.full(paths, rules.reserves),
            "booked_usd": np.zeros(paths),
            "rate": rules.rates.per_second(rules.utilisation) / WAD,
            "terms": np.array([self.keeper.gas_usd, self.liquidity.keep, rules.target_reserves]),
        }

    def _grow(self, state: BookState, steps: int) -> None:
        # simple interest within an accrual, and one accrual a step
        state.indices[1] *= 1.0 + state.own["rate"] * steps * state.grid.step_seconds

    def _pools(self, state: BookState, tokens: Sequence[Any]) -> Pools:
        rules, own = self.rules, state.own
        if self.utilisation.policy is not None:
            raise ValueError("policy must be left out of a market of kind comet, whose reserves repay what it absorbs")
        if rules.supply_rates is None:
            raise ValueError("rules supply_rates must be given where utilisation moves with the path, got none")
        curve = CometPool(rules.rates.exact, rules.supply_rates.exact)
        return self.utilisation.start([own["base"]], [curve], [rules.utilisation], RESERVES, state, own["reserves"])

    def _liquidate(self, state: BookState, published: Floats, market: Floats, sold: Floats, sums: Floats) -> None:
        own = state.own
        lanes.absorb_due(
            state.step,
            state.order,
            state.ready,
            state.due,
            state.touched,
            state.owner,
            state.liquidated,
            own["base"],
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
            own["inventory"],
            own["reserves"],
            own["terms"],
            sums,
        )
        own["booked_usd"] += sums[lanes.FEE] - sums[lanes.DEFICIT]

    def _inventory(self, state: BookState) -> Floats:
        inventory: Floats = state.own["inventory"]
        return inventory

    def close(self, state: BookState, spot: Floats) -> dict[str, Floats]:
        """As `BlockMarket.close`; ``inventory_result`` is what reserves and unsold collateral, at prices `spot`, are
        worth more than fees less deficits said when accounts were absorbed; ``unsold_inventory`` and ``reserves`` are
        what they are worth."""
        own, price = state.own, state.prices(spot)
        reserves = own["reserves"] * price[own["base"]]
        gained = (own["reserves"] - self.rules.reserves) * price[own["base"]]
        held = np.zeros_like(gained)
        for coins, each in zip(own["inventory"], price, strict=True):
            held = held + coins * each
        return super().close(state, spot) | {
            "inventory_result": gained + held - own["booked_usd"],
            "unsold_inventory": held,
            "reserves": reserves,
        }
