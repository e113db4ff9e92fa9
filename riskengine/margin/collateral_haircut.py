"""What coins and pool tokens held as collateral are short of their price: a haircut on each, on top of a requirement.

A venue that counts collateral at (1 - h_c) of its price lets an account stand while

    sum_c (1 - h_c) x_c S_c + rest >= R      <=>      equity >= R + sum_c h_c |x_c| S_c,

so the haircut is a resource needed above liquidation value; coins that are owed count h_c more than their price.  It
goes around rules that leave coins out of their risk (the Deribit models).  Rules that revalue coins with everything
else (quantiles, sensitivities), or have a haircut of their own (Derive PM2), would count them twice.
A pool token is counted once whatever the rules: the model inside does not see it, so that a venue that lists none can
take it as collateral, and nothing that the token would lose is netted against the positions.
Reference: collateral value ratios of venues (OKX discount rates, Binance collateral rates), one rate a coin.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin.combination import Wrapper
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.pool import pool_values
from riskengine.roles import MarginModel, Requirement


@dataclass(frozen=True)
class State:
    """State of the model, which sees no pool tokens, and the whole book."""

    model: Any
    book: Portfolio


@dataclass(frozen=True)
class CollateralHaircut(Wrapper):
    """A model with haircuts on collateral.

    Attributes
    ----------
    model : MarginModel
    haircuts : dict of str to float
        Share of the price of each coin and pool token, by name, that does not count for initial margin.
    maintenance : dict of str to float
        The same for maintenance margin, no larger; what is not named has its haircut above.
    levels : tuple of float
        Confidence levels of the model; by default its own.
    """

    model: MarginModel
    haircuts: dict[str, float]
    maintenance: dict[str, float] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    kind = "collateral_haircut"

    def __post_init__(self) -> None:
        for asset, share in self.haircuts.items():
            check_range(f"haircuts of {asset}", share, 0.0, 1.0)
        for asset, share in self.maintenance.items():
            check_range(f"maintenance of {asset}", share, 0.0, self.haircuts.get(asset, 0.0))
        self._settle("model")

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> State:
        """State of the model and the book; ValueError where a coin or pool token held has no haircut."""
        missing = [
            name
            for name, held in zip(*self._collateral(portfolio), strict=True)
            if held.any() and name not in self.haircuts
        ]
        if missing:
            raise ValueError(f"haircuts must name every coin and pool token held, got none of {', '.join(missing)}")
        seen = portfolio.without(portfolio.pools) if portfolio.pools.size else portfolio
        return State(super().init(seen, surface), portfolio)

    def step(self, state: State, paths: MarketPaths, step: int) -> State:
        """State at time index `step`."""
        return replace(state, model=super().step(state.model, paths, step))

    def requirement(self, state: State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level; its components are the model's own and the haircut on collateral."""
        initial = self._charge(state.book, snapshot, self.haircuts)
        maintenance = self._charge(state.book, snapshot, self.haircuts | self.maintenance)
        return tuple(
            replace(
                r,
                initial=r.initial + initial,
                maintenance=r.maintenance + maintenance,
                components=r.components | {"collateral_haircut": initial},
            )
            for r in super().requirement(state.model, snapshot)
        )

    @staticmethod
    def _charge(book: Portfolio, now: MarketSnapshot, shares: dict[str, float]) -> Floats:
        charge = np.abs(book.cash[:, 1:]) @ (np.array([shares.get(a, 0.0) for a in book.assets])[:, None] * now.spot)
        if book.pools.size:
            own = np.array([shares.get(book.instruments[m].name, 0.0) for m in book.pools])
            charge = charge + book.quantity[:, book.pools] @ (own[:, None] * pool_values(book, now))
        return charge

    @staticmethod
    def _collateral(book: Portfolio) -> tuple[tuple[str, ...], list[Floats]]:
        """Name of each coin and pool token, and what the accounts hold of it."""
        tokens = tuple(book.instruments[m].name for m in book.pools)
        return book.assets + tokens, [*book.cash[:, 1:].T, *book.quantity[:, book.pools].T]
