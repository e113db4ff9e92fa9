"""Moving the mark: what it costs to push the price that an oracle reads, and what a position gains by it.

Arbitrage brings the market back after every observation, so that each of the k observations that an attacker controls
costs the same.  A push of d (relative; for a volatility in points) held through one observation costs

    pool   y [(sqrt(r) - 1) / (1 - f) - 1 + 1 / sqrt(r)],  r = 1 + d: constant product, y USD deep, fee f,
    book   D [d^2 / 2 + f (d + d^2 / 2)]: D USD offered per 100 % of price, evenly, taker fee f,
    quoted volatility   int_0^{d / h} [Black-Scholes(s + h q) - Black-Scholes(s)] dq: a vault that adds h a coin.

The oracle means the last n observations, each kept within `cap` of the true one: the mark moves by k min(d, cap) / n,
or not at all where observations farther off than `band` are refused.  A position gains in proportion (a perpetual or
settlement) or by the option's value.  For pool and book the least position that profits is

    n min_{0 < d <= cap} cost(d) / d,

n y f / (2 (1 - f)) and n D f for small pushes: more observations and more depth protect, in proportion; without a fee
or a fixed cost of every push nothing does.  In a pool the cost of a large push grows like sqrt(r), the gain like r:
without a cap every position is worth a push that is large enough.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.pricing.greeks import black_scholes

_GRID, _GOLDEN = 400, 0.5 * (5.0**0.5 - 1.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
MOST = 1_000_000  # observations


@dataclass(frozen=True)
class PriceMarket:
    """Where the price that the oracle reads is made.

    Attributes
    ----------
    market : {"pool", "book"}
    depth_usd : float
        Of a pool: USD on its one side. Of a book: USD offered within 1 % of the price.
    fee : float
    fixed_usd : float
        Cost of each observation that is pushed, whatever the size: gas, inclusion.
    """

    market: Literal["pool", "book"]
    depth_usd: float
    fee: float = 0.003
    fixed_usd: float = 0.0

    def __post_init__(self) -> None:
        check_range("depth_usd", self.depth_usd, 0.0, 1e15, open_low=True)
        check_range("fee", self.fee, 0.0, 1.0, open_high=True)
        check_range("fixed_usd", self.fixed_usd, 0.0, 1e12)

    def cost(self, push: Floats) -> Floats:
        """USD lost by holding the price `push` above the true one through one observation; shape of `push`."""
        d = np.asarray(push, dtype=np.float64)
        if self.market == "book":
            return self.fixed_usd + 100.0 * self.depth_usd * (0.5 * d * d + self.fee * (d + 0.5 * d * d))
        # (sqrt(r) - 1)^2 / sqrt(r) + (sqrt(r) - 1) f / (1 - f): no digits cancel for small pushes
        rise = d / (np.sqrt(1.0 + d) + 1.0)
        return self.fixed_usd + self.depth_usd * (rise * rise / (1.0 + rise) + rise * self.fee / (1.0 - self.fee))

    def gain(self, move: Floats) -> Floats:
        """Gain per USD of position when the mark moves by `move`."""
        return np.asarray(move, dtype=np.float64)


@dataclass(frozen=True)
class VolatilityMarket:
    """A vault whose quoted volatility marks an option that others hold.

    Attributes
    ----------
    volatility : float
        True one, per square-root year.
    impact : float
        Added per coin that it sells.
    days : float
        To expiry of the option, at the money.
    spot : float
        USD.
    spread : float
        Paid on every coin bought to push, points of volatility.
    fixed_usd : float
        As in `PriceMarket`.
    """

    volatility: float
    impact: float
    days: float
    spot: float
    spread: float = 0.0
    fixed_usd: float = 0.0

    def __post_init__(self) -> None:
        check_range("fixed_usd", self.fixed_usd, 0.0, 1e12)
        check_range("volatility", self.volatility, 0.0, 10.0, open_low=True)
        check_range("impact", self.impact, 0.0, 10.0, open_low=True)
        check_range("days", self.days, 0.0, 3650.0, open_low=True)
        check_range("spot", self.spot, 0.0, 1e9, open_low=True)
        check_range("spread", self.spread, 0.0, 10.0)

    def _rise(self, points: Floats) -> Floats:
        """Rise of the option's value, USD a coin, when its volatility rises by `points`: vega, integrated."""
        p = np.asarray(points, dtype=np.float64)[..., None]
        vega = black_scholes(1.0, 1.0, self.days / 365.0, self.volatility + 0.5 * p * (_NODES + 1.0), 1.0).vega
        return self.spot * 0.5 * p[..., 0] * (vega @ _WEIGHTS)

    def cost(self, push: Floats) -> Floats:
        """USD paid over the true value for the coins that push the quote by `push` points; shape of `push`."""
        d = np.asarray(push, dtype=np.float64)
        over = self._rise(self.spread + 0.5 * d[..., None] * (_NODES + 1.0))
        return self.fixed_usd + 0.5 * d / self.impact * (over @ _WEIGHTS)

    def gain(self, move: Floats) -> Floats:
        """Gain per USD of spot of the options held when the marked volatility moves by `move`."""
        return self._rise(move) / self.spot


@dataclass(frozen=True)
class OracleRule:
    """How observations become a mark.

    Attributes
    ----------
    observations : int
        Averaged, equally.
    controlled : int
        That the attacker can hold; the same share of a longer average is left to him where `observations` is varied.
    cap : float
        Most that an observation may count as being off.
    band : float or None
        An observation farther off is refused (its confidence is too low).
    """

    observations: int = 1
    controlled: int = 1
    cap: float = 1.0
    band: float | None = None

    def __post_init__(self) -> None:
        check_range("observations", self.observations, 1, MOST)
        check_range("controlled", self.controlled, 1, self.observations)
        check_range("cap", self.cap, 0.0, 100.0, open_low=True)
        if self.band is not None:
            check_range("band", self.band, 0.0, 100.0, open_low=True)

    @property
    def reach(self) -> float:
        """Largest push worth making: beyond the cap it counts no more, beyond the band not at all."""
        return self.cap if self.band is None else min(self.cap, self.band)

    def move(self, push: Floats) -> Floats:
        """By how much the mark moves."""
        counted = np.minimum(push, self.cap)
        if self.band is not None:
            counted = np.where(np.asarray(push) > self.band, 0.0, counted)
        return self.controlled / self.observations * counted


@dataclass(frozen=True)
class Attack:
    """The best push against a rule.

    Attributes
    ----------
    push : float
        0 where none pays.
    cost, profit : float
        USD, over all observations controlled; profit is net of the cost.
    """

    push: float
    cost: float
    profit: float


def best_attack(market: PriceMarket | VolatilityMarket, rule: OracleRule, position_usd: float) -> Attack:
    """The push of most profit for a position, by a grid and golden section; no push where none pays."""

    def profit(push: Floats) -> Floats:
        return position_usd * market.gain(rule.move(push)) - rule.controlled * market.cost(push)

    at = highest(profit, rule.reach)
    best = float(profit(np.array(at)))
    if best <= 0.0:
        return Attack(0.0, 0.0, 0.0)
    return Attack(at, rule.controlled * float(market.cost(np.array(at))), best)


def highest(f: Callable[[Floats], Floats], top: float) -> float:
    """Where `f` is highest on (0, top]."""
    # pushes of every size: what pays may be a hair
    grid = np.concatenate([np.geomspace(1e-9 * top, 1e-2 * top, _GRID // 4), np.linspace(1e-2 * top, top, _GRID)[1:]])
    i = int(np.argmax(f(grid)))
    low, high = grid[max(i - 1, 0)], grid[min(i + 1, grid.size - 1)]
    while high - low > 1e-12 * top:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if f(np.array(left)) < f(np.array(right)):
            low = left
        else:
            high = right
        if not low < high:
            break
    ends = np.array([0.5 * (low + high), grid[i]])
    return float(ends[int(np.argmax(f(ends)))])


def break_even_position(market: PriceMarket | VolatilityMarket, rule: OracleRule) -> float:
    """Least position (USD) that any push makes a profit on: an open-interest cap below it stops the attack."""

    def gain_per_cost(push: Floats) -> Floats:
        cost = rule.controlled * market.cost(push)
        return np.divide(market.gain(rule.move(push)), cost, out=np.full(np.shape(push), np.inf), where=cost > 0.0)

    best = float(gain_per_cost(np.array(highest(gain_per_cost, rule.reach))))
    return 1.0 / best


def observations_needed(market: PriceMarket | VolatilityMarket, rule: OracleRule, position_usd: float) -> int:
    """Fewest observations, as many controlled as `rule` says, from which no push pays; `MOST` where more are."""

    def pays(n: int) -> bool:
        longer = OracleRule(n, rule.controlled, rule.cap, rule.band)
        return break_even_position(market, longer) < position_usd

    low, high = rule.controlled, MOST
    if not pays(low):
        return low
    if pays(high):
        return MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if pays(middle) else (low, middle)
    return high


@dataclass(frozen=True)
class Ledger:
    """Who has gained what, USD at the true price, after an attack was played out.

    Attributes
    ----------
    attacker, liquidity, arbitrage, counterparties, chain : float
        The chain takes the fixed costs.
    mark : float
        Relative move of the mark.
    """

    attacker: float
    liquidity: float
    arbitrage: float
    counterparties: float
    chain: float
    mark: float


def play(market: PriceMarket, rule: OracleRule, position_usd: float, push: float) -> Ledger:
    """Play an attack on a pool or book observation by observation, moving coins and USD from hand to hand.

    The attacker buys until the price is `push` up, the oracle observes, arbitrage sells back until the price is the
    true one (which is 1 USD), and the attacker sells his coins elsewhere at it.  Fees go to those who provide the
    liquidity.
    """
    attacker = liquidity = arbitrage = total = spent = 0.0
    for i in range(rule.observations):
        seen = 1.0
        if i < rule.controlled:
            coins, paid, fee = _bought(market, push)
            seen = 1.0 + push
            attacker += coins - paid - fee - market.fixed_usd
            spent += market.fixed_usd
            # the same coins come back at the same prices
            liquidity += paid - coins + fee
            back = market.fee / (1.0 - market.fee) * coins if market.market == "pool" else market.fee * paid
            arbitrage += paid - coins - back
            liquidity += coins - paid + back
        off = seen - 1.0
        counted = 0.0 if rule.band is not None and off > rule.band else min(off, rule.cap)
        total += counted
    mark = total / rule.observations
    return Ledger(attacker + position_usd * mark, liquidity, arbitrage, -position_usd * mark, spent, mark)


def _bought(market: PriceMarket, push: float) -> tuple[float, float, float]:
    """Coins bought to move the price up by `push` from 1, USD paid for them, and the fee on top."""
    if market.market == "book":
        steps = 20_000  # orders of equal size in coins, evenly spaced in price
        price = 1.0 + push * (np.arange(steps) + 0.5) / steps
        coins = 100.0 * market.depth_usd * push
        paid = coins * float(price.mean())
        return coins, paid, market.fee * paid
    x = y = market.depth_usd
    after = (x * y * (1.0 + push)) ** 0.5  # USD in the pool when USD / coins is 1 + push
    coins = x - x * y / after
    paid = after - y
    return coins, paid, market.fee / (1.0 - market.fee) * paid
