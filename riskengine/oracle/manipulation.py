"""Manipulating the price that a lending market reads: what it costs to hold a pool off, and what a loan then gains.

A constant-product pool L USD deep on each side, fee f, g = 1 - f, in units in which the true price is 1.  Pushing its
price from a^2 to s^2 buys L (1/a - 1/s) coins for L (s - a) / g USD; with coins worth 1 elsewhere that loses

    c(a, s) = L (s - a) (1/g - 1/(a s)).

With arbitrage, which sells into the pool after every block until a coin brings 1 (at the price 1/g), holding the price
up by delta for n blocks costs c(1, s) + (n - 1) c(g^{-1/2}, s), s^2 = 1 + delta; the first term alone where s^2 <= 1/g.
Without, the pool is the only market: the price stands by itself, and selling all Q coins back into it leaves a loss of

    L (s - 1) / g - L s g Q / (L / s + g Q),   Q = L (1 - 1/s),

the fees of a round trip, however long it lasted.  An oracle that means the price (`twap`, `ema`) or takes it (`push`)
moves by x(delta, n): its own ``moved``.  At the wrong price collateral worth C borrows LTV (1 + x) C and is left:

    profit = C (LTV (1 + x) - 1) - cost,   C = min(supply cap, available / (LTV (1 + x))),

so that x <= 1/LTV - 1 gains nothing at any cost.  Cost is proportional to depth, hence the least depth at which no
attack pays is the largest (gain - fixed costs) / (cost per USD of depth) over delta and n.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.oracle.mark_attack import highest


class PoolOracle(Protocol):
    """An oracle that reads a pool and says how far a push moves it: `push`, `twap`, `ema`."""

    kind: str

    def moved(self, push: Floats, held_seconds: Floats) -> Floats:
        """Relative move of its answer after the pool's price was held up by `push` for so long."""


@dataclass(frozen=True)
class ManipulatedPool:
    """The pool whose price is read.

    Attributes
    ----------
    depth_usd : float
        USD on one side at the true price; the other side is worth as much.
    fee : float
    fixed_usd : float
        Cost of every push, whatever its size: gas, a builder's bribe.
    block_seconds : float
    arbitrage : bool
        Whether others bring the price back after every block; else the pool is the only market there is.
    """

    depth_usd: float
    fee: float = 0.003
    fixed_usd: float = 0.0
    block_seconds: float = 12.0
    arbitrage: bool = True

    def __post_init__(self) -> None:
        check_range("depth_usd", self.depth_usd, 0.0, 1e15, open_low=True)
        check_range("fee", self.fee, 0.0, 1.0, open_high=True)
        check_range("fixed_usd", self.fixed_usd, 0.0, 1e12)
        check_range("block_seconds", self.block_seconds, 0.0, 86_400.0, open_low=True)

    def per_depth(self, push: Floats, blocks: int) -> Floats:
        """USD lost per USD of depth by holding the price up by `push` (relative) for `blocks`, fixed costs apart."""
        d, g = np.asarray(push, dtype=np.float64), 1.0 - self.fee
        root = np.sqrt(1.0 + d)
        rise = d / (root + 1.0)
        if not self.arbitrage:
            # bought 1 - 1/s = rise / s coins for rise / g, sold for s g Q / (1/s + g Q)
            return rise / g - root * g * rise / (1.0 + g * rise)
        again = np.maximum(root - g**-0.5, 0.0)
        return _loss(1.0, rise, g) + (blocks - 1) * _loss(g**-0.5, again, g)

    def fixed(self, push: Floats, blocks: int) -> Floats:
        """USD of fixed costs: a push in every block, in the first only where no arbitrage undoes it, and a sale."""
        if not self.arbitrage:
            return np.full(np.shape(push), 2.0 * self.fixed_usd)
        undone = np.asarray(push) > self.fee / (1.0 - self.fee)
        return self.fixed_usd * np.where(undone, blocks, 1)

    def cost(self, push: Floats, blocks: int) -> Floats:
        """USD lost in all by holding the price up by `push` for `blocks`; shape of `push`."""
        return self.depth_usd * self.per_depth(push, blocks) + self.fixed(push, blocks)


def _loss(start: float, rise: Floats, keep: float) -> Floats:
    """c(a, a + rise) / L, written so that no digits cancel for a small rise."""
    return rise * ((1.0 / keep - start**-2) + rise / (start * start * (start + rise)))


@dataclass(frozen=True)
class WrongPriceLoan:
    """What can be borrowed at the price that is read.

    Attributes
    ----------
    ltv : float
    available_usd : float
        Most that can be borrowed: what suppliers have left in, or a borrow cap.
    supply_cap_usd : float
        Most collateral that is taken, at its true price.
    """

    ltv: float
    available_usd: float
    supply_cap_usd: float = 1e18

    def __post_init__(self) -> None:
        check_range("ltv", self.ltv, 0.0, 1.0, open_low=True, open_high=True)
        check_range("available_usd", self.available_usd, 0.0, 1e15, open_low=True)
        check_range("supply_cap_usd", self.supply_cap_usd, 0.0, 1e18, open_low=True)

    def gain(self, move: Floats) -> Floats:
        """USD borrowed above what the collateral left behind is worth, when the oracle is too high by `move`."""
        lent = self.ltv * (1.0 + np.asarray(move, dtype=np.float64))
        return np.minimum(self.supply_cap_usd, self.available_usd / lent) * np.maximum(lent - 1.0, 0.0)


@dataclass(frozen=True)
class Manipulation:
    """The most profitable attack; all zero where none pays.

    Attributes
    ----------
    push : float
        Of the pool's price, relative.
    blocks : int
        For which it is held.
    move : float
        Of the oracle.
    cost, profit : float
        USD; the profit is net of the cost.
    """

    push: float
    blocks: int
    move: float
    cost: float
    profit: float


def best_manipulation(
    pool: ManipulatedPool, oracle: PoolOracle, loan: WrongPriceLoan, max_blocks: int, max_push: float = 1e4
) -> Manipulation:
    """The push and number of blocks of most profit.

    Parameters
    ----------
    pool, oracle, loan
    max_blocks : int
        For which an attacker can hold the price: consecutive blocks that he proposes, or until others interfere.
    max_push : float
        Largest push that is looked at.
    """

    def profit(push: Floats, blocks: int) -> Floats:
        return loan.gain(oracle.moved(push, blocks * pool.block_seconds)) - pool.cost(push, blocks)

    push, blocks, best = _search(profit, max_blocks, max_push)
    if best <= 0.0:
        return Manipulation(0.0, 0, 0.0, 0.0, 0.0)
    move = float(oracle.moved(np.array(push), blocks * pool.block_seconds))
    return Manipulation(push, blocks, move, float(pool.cost(np.array(push), blocks)), best)


def safe_depth(
    pool: ManipulatedPool, oracle: PoolOracle, loan: WrongPriceLoan, max_blocks: int, max_push: float = 1e4
) -> float:
    """Least depth (USD on one side) from which on no attack pays; that of `pool` itself does not matter."""

    def worth(push: Floats, blocks: int) -> Floats:
        gain = loan.gain(oracle.moved(push, blocks * pool.block_seconds)) - pool.fixed(push, blocks)
        cost = pool.per_depth(push, blocks)
        return np.divide(gain, cost, out=np.where(gain > 0.0, np.inf, 0.0), where=cost > 0.0)

    return max(_search(worth, max_blocks, max_push)[2], 0.0)


def _search(f, max_blocks: int, max_push: float) -> tuple[float, int, float]:
    """(push, blocks, value) at which ``f(push, blocks)`` is highest: every number of blocks, each by its own push."""
    check_range("max_blocks", max_blocks, 1, 100_000)
    check_range("max_push", max_push, 0.0, 1e12, open_low=True)
    found = []
    for blocks in range(1, max_blocks + 1):
        at = highest(lambda u, n=blocks: f(np.expm1(u), n), float(np.log1p(max_push)))
        found.append((float(np.expm1(at)), blocks, float(f(np.expm1(np.array(at)), blocks))))
    return max(found, key=lambda each: each[2])
