"""Chained feeds: the price of an asset as the product of feeds that each publish by their own rule.

wstETH in USD is wstETH/stETH x stETH/ETH x ETH/USD: a rate that the token's contract states, and two push feeds.  A
feed whose threshold is d lets its true price x lie within (1 - d, 1 + d) of the answer r, so for the product

    prod (1 - d_i)  <  prod x_i / prod r_i  <  prod (1 + d_i):

deviations add, to first order, and the bound is sharp: each feed can stand just inside its threshold at once.  A rate
is nobody's measurement: the market may leave it by any amount.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import OracleState, PushOracle
from riskengine.random import FIXED, PathDraws
from riskengine.roles import PriceOracle


@dataclass(frozen=True)
class FeedLeg:
    """A push feed of one asset of the world in units of another.

    Attributes
    ----------
    asset : str
    per : str or None
        Unit of the feed, an asset of the world; None is USD.
    deviation, heartbeat_hours : float
        As in `PushOracle`.
    """

    kind: Literal["feed"]
    asset: str
    per: str | None = None
    deviation: float = 0.005
    heartbeat_hours: float = 1.0

    def __post_init__(self) -> None:
        if self.asset == self.per:
            raise ValueError(f"per must be another asset than asset, got {self.per!r} for both")
        PushOracle(self.deviation, self.heartbeat_hours)  # checks both

    @property
    def feed(self) -> PushOracle:
        """The rule by which it publishes."""
        return PushOracle(self.deviation, self.heartbeat_hours)


@dataclass(frozen=True)
class RateLeg:
    """A rate that a contract states or a market takes for granted: `value` at time 0, growing continuously.

    Attributes
    ----------
    value : float
    growth : float
        Per year.
    """

    kind: Literal["rate"]
    value: float = 1.0
    growth: float = 0.0

    def __post_init__(self) -> None:
        check_range("value", self.value, 0.0, 1e12, open_low=True)
        check_range("growth", self.growth, -10.0, 10.0)


@dataclass
class ChainState:
    """Feeds of one block: that of the assets without a chain, those of each leg (None for a rate), seconds since time
    0, and the rows of `spot`."""

    others: object
    legs: dict[str, list[OracleState | None]]
    seconds: float
    row: dict[str, int]


@dataclass(frozen=True)
class ChainedOracle:
    """Feeds multiplied, for the assets that have a chain.

    Attributes
    ----------
    chains : dict of str to tuple of FeedLeg or RateLeg
        By asset of the world; the units of the legs are the user's to match, the last feed is in USD.
    others : PriceOracle
        Of every other asset.
    """

    kind: ClassVar[str] = "chained"

    chains: dict[str, tuple[FeedLeg | RateLeg, ...]]
    others: PriceOracle = PushOracle()

    def __post_init__(self) -> None:
        if not self.chains:
            raise ValueError("chains must hold the legs of at least one asset, got none")
        for asset, legs in self.chains.items():
            units = [leg.per for leg in legs if isinstance(leg, FeedLeg)]
            if not units or units[-1] is not None or None in units[:-1]:
                raise ValueError(
                    f"chains of {asset} must end with a feed in USD (per: null) and hold no other, got units {units}"
                )

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> ChainState:
        """Feeds that have all just published at prices `spot` (A, P)."""
        feeds = [leg for legs in self.chains.values() for leg in legs if isinstance(leg, FeedLeg)]
        named = {*self.chains, *(leg.asset for leg in feeds), *(leg.per for leg in feeds if leg.per)}
        if named - set(assets):
            raise ValueError(f"chains must name assets of the world, {', '.join(assets)}, got {sorted(named)}")
        row = {asset: i for i, asset in enumerate(assets)}
        legs = {
            asset: [leg.feed.init(_quote(leg, spot, row), grid) if isinstance(leg, FeedLeg) else None for leg in chain]
            for asset, chain in self.chains.items()
        }
        return ChainState(self.others.init(spot, grid, assets, draws), legs, 0.0, row)

    def step(self, state: ChainState, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds` to market prices `spot` (A, P); returns the answers the protocol sees (A, P)."""
        out = np.array(self.others.step(state.others, spot, seconds))
        state.seconds += seconds
        for asset, chain in self.chains.items():
            price = np.ones(spot.shape[1])
            for leg, own in zip(chain, state.legs[asset], strict=True):
                if isinstance(leg, FeedLeg):
                    price = price * leg.feed.step(own, _quote(leg, spot, state.row), seconds)[0]
                else:
                    price = price * (leg.value * np.exp(leg.growth * state.seconds / 31_536_000.0))
            out[state.row[asset]] = price
        return out

    def unseen_fall(self, asset: str) -> float | None:
        """1 - prod (1 - d_i) of a chain of feeds; None of one that takes a rate for granted."""
        if asset not in self.chains:
            return self.others.unseen_fall(asset)
        kept = 1.0
        for leg in self.chains[asset]:
            if isinstance(leg, RateLeg):
                return None
            kept *= 1.0 - leg.deviation
        return 1.0 - kept


def _quote(leg: FeedLeg, spot: Floats, row: dict[str, int]) -> Floats:
    """Market price of a feed's asset in its unit, shape (1, P)."""
    own = spot[row[leg.asset]][None]
    return own if leg.per is None else own / spot[row[leg.per]]
