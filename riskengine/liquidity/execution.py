"""Where liquidations are filled: an order book, a constant-product pool, or both, the book first; options a maker too.

Everything is in USD at the mark: an order of notional x pays `cost` beside the mark, and each further dollar pays the
marginal slippage, which never exceeds the limit of the order.  With D USD quoted within 1 % of the mark, z filled
before and not refilled, half-spread s and density rho = 100 D:

    book:   marginal slippage s + (z + x) / rho,      cost = s x + x (2 z + x) / (2 rho)
    pool:   cost = x - proceeds(x) for a sale, payment(x) - x for a purchase, of `riskengine.liquidity.constant_product`

Bids and asks, and the two directions of the pool, empty and refill by themselves: what a liquidation sells makes it no
cheaper for another to buy.  Filling x1 then x2 costs what x1 + x2 costs at once, so nothing is gained by splitting.
Half of what was taken is back after the half-life of the book, or of the pool.

References: Obizhaeva and Wang, Journal of Financial Markets 16 (2013), 1-32 (a block-shaped book that refills
exponentially); Uniswap v2 for the pool.
"""

from dataclasses import dataclass, field

from riskengine.arrays import check_range
from riskengine.jit import kernel
from riskengine.liquidity.constant_product import ConstantProduct, purchase_cost, sale_proceeds
from riskengine.liquidity.option_maker import OptionMaker
from riskengine.vecmath import root

# kinds of liquidity in the order in which they are asked, and sides of an order
BOOK, POOL, MAKER = range(3)
SELL, BUY = range(2)


@dataclass(frozen=True)
class OrderBook:
    """A block-shaped order book.

    Attributes
    ----------
    depth_usd : dict of str to float
        Per asset: USD quoted within 1 % of the mark, on each side.
    half_spread : float
        Of the mark.
    reach : float
        Distance from the mark up to which orders stand; beyond it there is nothing to fill against.
    refill_half_life_hours : float
        Time in which half of what was taken is quoted again.
    """

    depth_usd: dict[str, float]
    half_spread: float = 0.0001
    reach: float = 0.02
    refill_half_life_hours: float = 0.5

    def __post_init__(self) -> None:
        for asset, depth in self.depth_usd.items():
            check_range(f"depth_usd of {asset}", depth, 0.0, 1e15, open_low=True)
        check_range("half_spread", self.half_spread, 0.0, 0.1)
        check_range("reach", self.reach, self.half_spread, 1.0, open_low=True, open_high=True)
        check_range("refill_half_life_hours", self.refill_half_life_hours, 0.0, 1e6, open_low=True)


@dataclass(frozen=True)
class Execution:
    """Where an under-margined account's positions are closed: a book or a pool at least.

    Attributes
    ----------
    book : OrderBook or None
    pool : ConstantProduct or None
        Takes what the book does not, where both are given; perpetuals only.
    limit : float
        Worst marginal slippage at which a liquidation order is filled; what is left waits for the next step.
    options : OrderBook or None
        Book of the options of each asset together, in USD of the underlying's notional: so is what it charges.
    maker : OptionMaker or None
        Takes what the books leave of an account's options.
    """

    book: OrderBook | None = None
    pool: ConstantProduct | None = None
    limit: float = 0.05
    options: OrderBook | None = field(default=None, metadata={"written": "unless empty"})
    maker: OptionMaker | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_range("limit", self.limit, 0.0, 1.0, open_low=True, open_high=True)
        if self.book is None and self.pool is None:
            raise ValueError("execution must have a book or a pool, got neither")

    @property
    def first_slippage(self) -> float:
        """Slippage of the first dollar of a perpetual, the larger of book and pool."""
        spread = 0.0 if self.book is None else self.book.half_spread
        fee = 0.0 if self.pool is None else 1.0 / (1.0 - self.pool.fee) - 1.0
        return max(spread, fee)


@kernel(inline=True)
def fill_cost(kind, side, notional, depth, taken, spread, keep):
    """USD beside the mark that filling `notional` costs.

    Parameters
    ----------
    kind, side : int
        `BOOK` or `POOL`; `SELL` or `BUY`.
    notional : float
        USD at the mark, within `fill_limit`.
    depth : float
        Of the book: USD within 1 % of the mark; of the pool: USD on one side.
    taken : float
        USD filled before and not refilled; for the pool what went in, net of its fee.
    spread, keep : float
        Half-spread of the book; 1 - fee of the pool.
    """
    if kind == BOOK:
        return notional * (spread + (2.0 * taken + notional) / (200.0 * depth))
    if side == SELL:
        return notional - sale_proceeds(notional, 1.0, depth, taken, keep)
    return purchase_cost(notional, 1.0, depth, taken, keep) - notional


@kernel(inline=True)
def fill_slippage(kind, side, notional, depth, taken, spread, keep):
    """Slippage of one dollar more after `notional`: derivative of `fill_cost`."""
    if kind == BOOK:
        return spread + (taken + notional) / (100.0 * depth)
    x = depth + taken
    if side == SELL:
        return 1.0 - keep * (depth / (x + keep * notional)) ** 2
    return (depth / (depth * depth / x - notional)) ** 2 / keep - 1.0


@kernel(inline=True)
def fill_limit(kind, side, limit, reach, depth, taken, spread, keep):
    """Largest notional whose last dollar is filled at `limit` or better; 0 where not even the first is."""
    if kind == BOOK:
        most = (min(limit, reach) - spread) * 100.0 * depth - taken
    elif side == SELL:
        most = (depth * root(keep / (1.0 - limit)) - depth - taken) / keep
    else:
        most = depth * depth / (depth + taken) - depth / root(keep * (1.0 + limit))
    return max(most, 0.0)


@kernel(inline=True)
def fill_take(kind, side, notional, cost, keep):
    """What a fill adds to `taken`: the notional, or what went into the pool net of its fee."""
    if kind == BOOK:
        return notional
    return keep * (notional if side == SELL else notional + cost)
