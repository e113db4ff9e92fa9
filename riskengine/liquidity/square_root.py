"""Square-root impact: what is sold moves the price by Y sigma sqrt(Q / V), some of it for good.

With Q USD at the mark sold and not yet recovered from, V a day's volume and sigma a day's volatility, and g = 1 - fee,

    next USD pays g (1 - k sqrt(Q)),      k = Y sigma / sqrt(V),      paid(Q) = g (Q - 2/3 k Q^{3/2}).

Selling Q1 then Q2 pays what Q1 + Q2 pays at once.  Where k sqrt(Q) is 1 nobody buys.  Of the impact of a step's sales
the share `permanent_share` stays, the rest halves every half-life; sqrt(Q) is proportional to the impact, so it is
sqrt(Q) that decays.  Without price feedback what stays depresses later sales for good and nothing else; with it, it
moves the price that everyone sees instead (`riskengine.engine.loop`).

References: Almgren, Thum, Hauptmann and Li, Risk (July 2005), 58-62; Toth et al., Physical Review X 1 (2011), 021006;
Bucci et al., Physical Review Letters 122 (2019), 108302, for the share of about 2/3 that is left.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.jit import kernel
from riskengine.vecmath import root

# far above what Newton's method needs from where it starts
_ROUNDS = 200


@dataclass(frozen=True)
class SquareRoot:
    """Liquidity of a market that is known by its volume and volatility.

    Attributes
    ----------
    daily_volume_usd : dict of str to float
        Per asset: USD traded a day.
    daily_volatility : dict of str to float
        Per asset: standard deviation of a day's log-return.
    impact : float
        Y; 0.5 to 1 in the literature.
    permanent_share : float
        Share of the impact that does not decay.
    refill_half_life_hours : float
        Time in which half of the rest has decayed.
    fee : float
        Share of the proceeds that goes to spread and venue.
    source : tuple of str
        Where the figures are from.
    """

    daily_volume_usd: dict[str, float]
    daily_volatility: dict[str, float]
    impact: float = 1.0
    permanent_share: float = 0.0
    refill_half_life_hours: float = 1.0
    fee: float = 0.0005
    source: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})
    kind: ClassVar[str] = "square_root"
    sources: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for asset, volume in self.daily_volume_usd.items():
            check_range(f"daily_volume_usd of {asset}", volume, 0.0, 1e15, open_low=True)
        for asset, volatility in self.daily_volatility.items():
            check_range(f"daily_volatility of {asset}", volatility, 0.0, 1.0, open_low=True)
        if set(self.daily_volatility) != set(self.daily_volume_usd):
            raise ValueError(
                f"daily_volatility must name the assets of daily_volume_usd, {sorted(self.daily_volume_usd)}, got "
                f"{sorted(self.daily_volatility)}"
            )
        check_range("impact", self.impact, 0.0, 100.0, open_low=True)
        check_range("permanent_share", self.permanent_share, 0.0, 1.0, open_high=True)
        check_range("refill_half_life_hours", self.refill_half_life_hours, 0.0, 1e6, open_low=True)
        check_range("fee", self.fee, 0.0, 1.0, open_high=True)

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets it takes."""
        return tuple(self.daily_volume_usd)

    @property
    def keep(self) -> float:
        """Share of the proceeds that reaches the seller."""
        return 1.0 - self.fee

    def coefficient(self, asset: str) -> float:
        """k: impact of selling 1 USD."""
        return self.impact * self.daily_volatility[asset] / self.daily_volume_usd[asset] ** 0.5

    def table(self, assets: tuple[str, ...]) -> Floats:
        """k of `assets`, shape (A, 1); infinite for those it does not take."""
        return np.array([[self.coefficient(a) if a in self.daily_volume_usd else np.inf] for a in assets])

    def times(self, factor: float) -> "SquareRoot":
        """The same with `factor` times the volume."""
        return replace(self, daily_volume_usd={a: v * factor for a, v in self.daily_volume_usd.items()})

    def decay(self, hours: float) -> float:
        """Share of Q that is left after `hours` where nothing stays for good: of sqrt(Q), the square root of it."""
        return 0.25 ** (hours / self.refill_half_life_hours)


@kernel(inline=True)
def impact_sale(table, a, outstanding, p, coins, price, keep):
    """USD paid for `coins` of asset `a` at the market `price`; `outstanding` (A, P), coins, moves."""
    k = table[a, 0]
    most = 1.0 / (k * k)
    before = outstanding[a, p] * price
    sold = max(min(coins * price, most - before), 0.0)
    w = root(before)
    v = root(before + sold)
    outstanding[a, p] += sold / price
    # v^3 - w^3 without cancellation; nothing is sold where both are 0
    cubes = sold * (v * v + v * w + w * w) / (v + w) if sold > 0.0 else 0.0
    return keep * (sold - 2.0 / 3.0 * k * cubes)


@kernel
def impact_range(table, a, outstanding, p, cost, fixed, price, keep):
    """Smallest and largest sale (coins) with proceeds of at least `cost` a coin and `fixed`; (1, 0) for none.

    With w = sqrt(Q) before and w + d after and m = 1 - cost / (keep price), the profit over `keep` is

        d (m (2 w + d) - 2/3 k (3 w^2 + 3 w d + d^2)) - f,

    one hump in d > 0, whose sides Newton's method descends from outside and inside.
    """
    k = table[a, 0]
    m = 1.0 - cost / (keep * price)
    f = fixed / keep
    w = root(outstanding[a, p] * price)
    # impact 1 is the end of the market
    top, end = min(m, 1.0) / k - w, 1.0 / k - w
    if not top > 0.0:
        return 1.0, 0.0

    d = top
    if d * (m * (2.0 * w + d) - 2.0 / 3.0 * k * (3.0 * w * w + 3.0 * w * d + d * d)) < f:
        return 1.0, 0.0
    high = 1.5 * m / k - w
    for _ in range(_ROUNDS):
        gain = high * (m * (2.0 * w + high) - 2.0 / 3.0 * k * (3.0 * w * w + 3.0 * w * high + high * high)) - f
        step = gain / (2.0 * (w + high) * (m - k * (w + high)))
        if not (gain < 0.0 and step > 1e-15 * high):
            break
        high = max(high - step, top)
    high = min(high, end)
    low, above = 0.0, top
    d = 0.5 * top
    for _ in range(_ROUNDS):
        if f <= 0.0 or above - low <= 1e-15 * above:
            break
        gain = d * (m * (2.0 * w + d) - 2.0 / 3.0 * k * (3.0 * w * w + 3.0 * w * d + d * d)) - f
        if gain < 0.0:
            low = d
        else:
            above = d
        step = gain / (2.0 * (w + d) * (m - k * (w + d)))
        if abs(step) <= 1e-15 * d:
            above = d
            break
        d = d - step if low < d - step < above else 0.5 * (low + above)
    least = above if f > 0.0 else 0.0
    return least * (2.0 * w + least) / price, high * (2.0 * w + high) / price
