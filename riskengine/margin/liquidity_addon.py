"""What it costs to close a large account, on top of a model's requirement: spread, impact and concentration.

With D_a the net delta of the account in an asset (of all that it holds, USD), V_b its net vega in a bucket of asset,
tenor and delta, n days the liquidation period, and `depth` what the market takes relative to usual (1 where the world
does not say),

    spread        = sum_a s |D_a| / depth_a + sum_b s_b |V_b| / depth_a
    impact        = sum_a 2/3 Y sigma_a |D_a| sqrt(|D_a| / (W_a depth_a))
    concentration = M (sqrt(max(1, h / n)) - 1),   h = max_a |D_a| / (share W_a depth_a)
    M'            = M + spread + impact + concentration,

sigma_a the volatility of a day and W_a the volume of one.  An order of Q in a market of W a day moves the price by
Y sigma sqrt(Q / W), however long it takes (volatility and volume of n days scale alike), and pays two thirds of that on
average.  An account that may trade a share of the volume takes h days; where that is longer than the period the
model is made for, its risk grows with the square root of time, for the asset that takes longest.  Spread and impact of
an account stay in proportion or grow faster; M' is not proportional to size, and this add-on is the only part of the
simulation tier where that is on purpose.  Initial and maintenance margin bear the same spread and impact.

References: Toth et al., Physical Review X 1 (2011) 021006 (square-root law); ISDA SIMM (concentration factor
max(1, sqrt(s / T))); Options Clearing Corporation, STANS liquidation cost (buckets of vega and delta).  No venue's
parameters: the shipped file says where its numbers come from.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin.combination import Wrapper
from riskengine.margin.sensitivities import linear_delta, sensitivities
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.pool import pool_sensitivities
from riskengine.roles import MarginModel, Requirement


@dataclass(frozen=True)
class LiquidityParameters:
    """How liquid the assets of a book and their options are.

    Attributes
    ----------
    daily_volume : dict of str to float
        USD per day, of each asset.
    daily_volatility : dict of str to float
        Standard deviation of a day's return, of each asset.
    delta_half_spread : float
        Share of the price.
    vega_half_spread : tuple of tuple of float
        Points of volatility (0.01 is one), a row per tenor and a column per distance of |delta| from 0 or 1.
    tenor_days, delta_edges : tuple of float
        Inner edges of the rows and columns, ascending.
    impact : float
        Y of the square-root law; 0 leaves impact out.
    volume_share : float
        Share of the volume that a close-out may take.
    source : tuple of str
        Where the numbers come from.
    """

    daily_volume: dict[str, float]
    daily_volatility: dict[str, float]
    delta_half_spread: float
    vega_half_spread: tuple[tuple[float, ...], ...]
    tenor_days: tuple[float, ...]
    delta_edges: tuple[float, ...]
    impact: float = 1.0
    volume_share: float = 0.1
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = []
        for name in ("daily_volume", "daily_volatility"):
            if any(not 0.0 < x < np.inf for x in getattr(self, name).values()):
                faults.append(f"{name} must hold positive numbers, got {getattr(self, name)}")
        if set(self.daily_volume) != set(self.daily_volatility):
            faults.append(
                f"daily_volatility must name the assets of daily_volume {sorted(self.daily_volume)}, "
                f"got {sorted(self.daily_volatility)}"
            )
        for name, top in (("tenor_days", np.inf), ("delta_edges", 0.5)):
            edges = getattr(self, name)
            if any(b <= a for a, b in zip((0.0, *edges), edges, strict=False)) or any(x >= top for x in edges):
                faults.append(f"{name} must ascend inside (0, {top:g}), got {edges}")
        shape = len(self.tenor_days) + 1, len(self.delta_edges) + 1
        rows = self.vega_half_spread
        if len(rows) != shape[0] or any(len(row) != shape[1] or min(row) < 0.0 for row in rows):
            faults.append(
                f"vega_half_spread must hold {shape[0]} rows of {shape[1]} numbers, none negative, one for each "
                f"bucket of tenor_days and delta_edges, got {rows}"
            )
        for name, low, high in (("delta_half_spread", 0.0, 1.0), ("impact", 0.0, 100.0), ("volume_share", 1e-6, 1.0)):
            if not low <= getattr(self, name) <= high:
                faults.append(f"{name} must lie in [{low:g}, {high:g}], got {getattr(self, name)!r}")
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True)
class State:
    """State of the model, the book, and the market's depth at the decision, (A, P) or None."""

    model: Any
    book: Portfolio
    depth: Floats | None = None


@dataclass(frozen=True)
class LiquidityAddon(Wrapper):
    """A model with the cost of closing what is large.

    Attributes
    ----------
    model : MarginModel
    parameters : LiquidityParameters
    liquidation_days : float
        Days that the model's requirement is made for.
    levels : tuple of float
        Confidence levels of the model; by default its own.
    """

    model: MarginModel
    parameters: LiquidityParameters
    liquidation_days: float = 1.0
    levels: tuple[float, ...] = ()
    kind = "liquidity_addon"
    # what is large costs more than in proportion, and a spread may cost more than an option is worth
    promises = frozenset()

    def __post_init__(self) -> None:
        check_range("liquidation_days", self.liquidation_days, 0.0, 365.0, open_low=True)
        self._settle("model")

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> State:
        """State of the model and the book; ValueError where an asset has no volume."""
        missing = [a for a in portfolio.assets if a not in self.parameters.daily_volume]
        if missing:
            raise ValueError(f"daily_volume must name every asset of the book, got none of {', '.join(missing)}")
        return State(super().init(portfolio, surface), portfolio)

    def step(self, state: State, paths: MarketPaths, step: int) -> State:
        """State at time index `step`, with the depth of the market there."""
        depth = None if paths.depth_lanes is None else paths.depth_lanes[step]
        return replace(state, model=super().step(state.model, paths, step), depth=depth)

    def requirement(self, state: State, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level; its components are the model's figure and the three charges."""
        spread, impact, longer = self.charges(state, snapshot)
        out = []
        for r in super().requirement(state.model, snapshot):
            parts = {"spread": spread, "impact": impact, "concentration": (longer - 1.0) * r.initial}
            initial, maintenance = (longer * x + spread + impact for x in (r.initial, r.maintenance))
            out.append(replace(r, initial=initial, maintenance=maintenance, components=r.components | parts))
        return tuple(out)

    def charges(self, state: State, now: MarketSnapshot) -> tuple[Floats, Floats, Floats]:
        """Spread and impact, USD, and the factor of a longer close-out, shape (K, P) each."""
        book, own = state.book, self.parameters
        held, greeks = book.quantity[:, book.options], sensitivities(book, now)
        depth = np.ones_like(now.spot) if state.depth is None else state.depth
        rows = np.searchsorted(own.tenor_days, now.tau[book.option_expiry] * 365.0)
        columns = np.searchsorted(own.delta_edges, np.minimum(greeks.moneyness, 1.0 - greeks.moneyness))
        vega = greeks.vega / np.where(now.volatility > 0.0, now.volatility, 1.0)  # per unit of volatility
        spread, impact = np.zeros((2, book.accounts, now.count))
        longer = np.ones_like(spread)
        for a, name in enumerate(book.assets):
            mine = np.flatnonzero(book.asset_index[book.options] == a)
            net = held[:, mine] @ greeks.delta[mine] + linear_delta(book, now, a)
            size = np.abs(net + pool_sensitivities(book, now, a)[0] if book.pools.size else net)
            volume = own.daily_volume[name] * depth[a]
            spread += own.delta_half_spread * size / depth[a]
            impact += 2.0 / 3.0 * own.impact * own.daily_volatility[name] * size * np.sqrt(size / volume)
            days = size / (own.volume_share * volume)
            np.maximum(longer, np.sqrt(np.maximum(days / self.liquidation_days, 1.0)), out=longer)
            for i, prices in enumerate(own.vega_half_spread):
                tenor = mine[rows[mine] == i]
                for j, price in enumerate(prices):
                    net = held[:, tenor] @ np.where(columns[tenor] == j, vega[tenor], 0.0)
                    spread += price * np.abs(net) / depth[a]
        return spread, impact, longer
