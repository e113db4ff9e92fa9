"""A grid margin by sensitivities: delta, curvature and vega under price and volatility moves, and what Taylor misses.

Per asset, with every forward moved by a share m of itself and every implied volatility by a share u,

    PnL(m, u) = D m + G m^2 / 2 + V u,   D = sum q Delta F,  G = sum q Gamma F^2,  V = sum q vega sigma,
    requirement = max(-min over (m, u) of PnL, 0),   maintenance = maintenance_ratio * requirement,

summed over assets, with perpetuals, futures and coins in D alone; a pool token bends in both of its coins, each moved
with the other left alone.  It needs one valuation where full revaluation
needs one per scenario; the price is the Taylor error, which `requirement(explain=True)` gives: the requirement of the
same grid by full revaluation less this one.  It is small for moves that are short against the strike's distance and the
option's life, and large for short options far out of the money, whose curvature is not there yet.

References: Basel Committee, Minimum capital requirements for market risk (2019), MAR21 (delta, vega, curvature);
Jorion, Value at Risk, ch. 10.
"""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.margin.grid_values import grid_values
from riskengine.margin.sensitivities import linear_delta, sensitivities
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.pool import pool_sensitivities, pool_values
from riskengine.roles import PROPORTIONAL, Requirement


@dataclass(frozen=True)
class GreeksGrid:
    """Worst delta-gamma-vega profit over a grid of moves; see the module for the rule.

    Attributes
    ----------
    price_range : float
        Largest move of the forwards.
    price_steps : int
        Odd number of moves from minus to plus the range.
    vol_range : float
        Move of every implied volatility, up and down, as a share of it.
    maintenance_ratio : float
    """

    price_range: float = 0.16
    price_steps: int = 9
    vol_range: float = 0.4
    maintenance_ratio: float = 0.8
    kind = "greeks_grid"
    promises = frozenset({PROPORTIONAL})
    levels = ()

    def __post_init__(self) -> None:
        check_range("price_range", self.price_range, 0.0, 1.0, open_low=True, open_high=True)
        check_range("vol_range", self.vol_range, 0.0, 1.0, open_high=True)
        check_range("maintenance_ratio", self.maintenance_ratio, 0.0, 1.0, open_low=True)
        if self.price_steps < 3 or self.price_steps % 2 == 0:
            raise ValueError(f"price_steps must be an odd number of at least 3, got {self.price_steps!r}")

    def scaled(self, factor: float) -> "GreeksGrid":
        """The same rule with its price and volatility moves times `factor`."""
        return replace(self, price_range=factor * self.price_range, vol_range=factor * self.vol_range)

    def init(self, portfolio: Portfolio, surface: FactorSurface | None = None) -> Portfolio:
        """The book itself."""
        return portfolio

    def step(self, state: Portfolio, paths: MarketPaths | None = None, step: int = 0) -> Portfolio:
        """A grid has no memory: returns `state`."""
        return state

    def requirement(self, state: Portfolio, snapshot: MarketSnapshot, explain: bool = False) -> tuple[Requirement]:
        """Requirement of every account on every lane, one entry.

        Parameters
        ----------
        state : Portfolio
        snapshot : MarketSnapshot
        explain : bool
            Fill `components`, USD, shape (K, P): ``full_revaluation``, the requirement of the same grid without
            Taylor's series, and ``taylor_error``, the difference of the two.
        """
        initial = self._total(state, snapshot, self._taylor)
        parts = {}
        if explain:
            full = self._total(state, snapshot, self._full)
            parts = {"full_revaluation": full, "taylor_error": full - initial}
        return (Requirement(initial, self.maintenance_ratio * initial, parts),)

    def _total(self, book: Portfolio, now: MarketSnapshot, gains) -> Floats:
        total = np.zeros((book.accounts, now.count))
        for asset in range(len(book.assets)):
            worst = np.zeros_like(total)
            for gain in gains(book, now, asset):
                np.minimum(worst, gain, out=worst)
            total -= worst
        return total

    def _moves(self) -> tuple[Floats, Floats]:
        """Price and volatility move of each scenario."""
        price = np.linspace(-self.price_range, self.price_range, self.price_steps)
        vol = np.array([self.vol_range, 0.0, -self.vol_range])
        return np.repeat(price, vol.size), np.tile(vol, price.size)

    def _taylor(self, book: Portfolio, now: MarketSnapshot, asset: int):
        """Profit of every account in one asset under each scenario, (K, P), by sensitivities."""
        mine = np.flatnonzero(book.asset_index[book.options] == asset)
        held, unit = book.quantity[:, book.options[mine]], sensitivities(book, now)
        delta = linear_delta(book, now, asset) + held @ unit.delta[mine]
        curvature, vega = held @ unit.curvature[mine], held @ unit.vega[mine]
        if book.pools.size:
            slope, bend = pool_sensitivities(book, now, asset)
            delta, curvature = delta + slope, curvature + bend
        for m, u in zip(*self._moves(), strict=True):
            yield delta * m + 0.5 * curvature * m * m + vega * u

    def _full(self, book: Portfolio, now: MarketSnapshot, asset: int):
        """The same by full revaluation."""
        mine = np.flatnonzero(book.asset_index[book.options] == asset)
        held = np.ascontiguousarray(book.quantity[:, book.options[mine]])
        row, column = np.nonzero(held)
        expiry = book.option_expiry[mine]
        price, vol = self._moves()
        total = now.volatility[mine] * np.sqrt(now.tau)[expiry][:, None]
        totals = np.stack([total * (1.0 + self.vol_range), total, total * (1.0 - self.vol_range)])
        out = np.empty((book.accounts, price.size + 1, now.count))
        grid_values(
            book.strikes[mine], book.call_sign[mine], expiry, np.exp(-np.asarray(now.rate) * now.tau), now.forward,
            totals, np.concatenate([1.0 + price, [1.0]]), np.concatenate([np.tile([0, 1, 2], self.price_steps), [1]]),
            np.searchsorted(row, np.arange(book.accounts + 1)).astype(np.int64), column.astype(np.int64),
            np.ascontiguousarray(held[row, column]), out,
        )  # fmt: skip
        linear = linear_delta(book, now, asset)
        for s, m in enumerate(price):
            yield out[:, s] - out[:, -1] + linear * m + self._pool_gain(book, now, asset, m)

    @staticmethod
    def _pool_gain(book: Portfolio, now: MarketSnapshot, asset: int, move: float) -> Floats | float:
        if not book.pools.size:
            return 0.0
        spot = now.spot.copy()
        spot[asset] *= 1.0 + move
        return book.quantity[:, book.pools] @ (pool_values(book, replace(now, spot=spot)) - pool_values(book, now))
