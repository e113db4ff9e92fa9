"""Maker liquidations 2.0 with several auctions at once: limits on what runs, rewards, resets and bad debt.

`bark` takes a vault into auction while what all auctions and the collateral's own still have to raise (Dirt, dirt) is
below their limits (Hole, hole); whoever starts or resets one is paid tip + chip tab; an auction older than `tail`, or
whose price has fallen below `cusp` of its start, must be reset at the feed's price before anybody may buy.  A take
frees its limit again; where the lot is gone before the tab is raised, the rest is a loss of the system.

Exact integers: collateral and chop WAD, prices and factors RAY, Dai RAD, seconds.

Reference: makerdao/dss fa4f663 ``dog``, ``clip`` (behaviour re-implemented).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from riskengine.lending.maker import Bark, Take, bark, take
from riskengine.pricing.fixed_point import RAY, check_integers, mul_div_floor, ray_mul_floor, wad_mul_floor


@dataclass(frozen=True)
class AuctionTerms:
    """Terms of a collateral's liquidations.

    Attributes
    ----------
    price : callable
        Auction price from (start price, seconds since the start): `linear_price`, `stairstep_price` with its settings.
    chop : int
        1 + penalty, WAD.
    buf : int
        Start price over the feed's, RAY.
    tail, cusp : int
        Seconds, and RAY of the start price, after which an auction must be reset.
    tip, chip : int
        Reward of who starts or resets: flat (RAD) and share of the tab (WAD).
    hole, hole_all : int
        Limits on what the collateral's auctions and all auctions have to raise, RAD.
    dust : int
        Least debt of a vault, RAD; no take may leave less than dust times chop to raise with collateral on sale.
    """

    price: Callable[[int, int], int]
    chop: int
    buf: int
    tail: int
    cusp: int
    tip: int
    chip: int
    hole: int
    hole_all: int
    dust: int

    def __post_init__(self) -> None:
        check_integers(1, chop=self.chop, buf=self.buf)
        numbers = ("tail", "cusp", "tip", "chip", "hole", "hole_all", "dust")
        check_integers(**{name: getattr(self, name) for name in numbers})

    @property
    def chost(self) -> int:
        """Least tab that a take may leave, RAD."""
        return wad_mul_floor(self.dust, self.chop)

    def reward(self, tab: int) -> int:
        """Paid to the keeper who starts an auction of `tab`, RAD."""
        return self.tip + wad_mul_floor(tab, self.chip)

    def needs_redo(self, top: int, elapsed: int) -> bool:
        """Whether an auction that started at `top` has to be reset after `elapsed` seconds."""
        return elapsed > self.tail or mul_div_floor(self.price(top, elapsed), RAY, top) < self.cusp


def start_price(feed: int, buf: int, par: int = RAY) -> int:
    """Start price (RAY) from the feed's (WAD): times `buf`, over the target price `par` of Dai."""
    check_integers(1, feed=feed, par=par)
    return ray_mul_floor(mul_div_floor(feed * 10**9, RAY, par), buf)


@dataclass(frozen=True)
class Auction:
    """A running auction: to raise (RAD), on sale (WAD), start time (s) and price (RAY)."""

    tab: int
    lot: int
    start: int
    top: int


@dataclass(frozen=True)
class House:
    """All auctions of a collateral, and what they have done so far.

    Attributes
    ----------
    terms : AuctionTerms
    dirt_elsewhere : int
        What auctions of other collaterals have to raise, RAD: it counts against the limit on all.
    auctions : dict of int to Auction
        By number, from 1.
    kicks : int
        Auctions started so far.
    raised, rewards, returned, bad_debt : int
        Dai paid by buyers and paid to keepers (RAD), collateral given back to owners (WAD), tab that was never raised.
    """

    terms: AuctionTerms
    dirt_elsewhere: int = 0
    auctions: dict[int, Auction] = field(default_factory=dict)
    kicks: int = 0
    raised: int = 0
    rewards: int = 0
    returned: int = 0
    bad_debt: int = 0

    @property
    def dirt(self) -> int:
        """What the running auctions still have to raise, RAD."""
        return sum(a.tab for a in self.auctions.values())

    def _running(self, number: int) -> Auction:
        if number not in self.auctions:
            raise ValueError(
                f"auction must be one that runs, {list(self.auctions) or 'of which there is none'}, got {number}"
            )
        return self.auctions[number]

    def barked(self, ink: int, art: int, rate: int, spot: int, feed: int, now: int) -> tuple["House", Bark]:
        """Take a vault of `ink` collateral and `art` debt (WAD) into auction, as far as the limits allow.

        `rate` and `spot` (RAY) are the debt's accumulator and the price with its safety margin; `feed` (WAD) is the
        price itself.  Where the contract reverts the house is unchanged.
        """
        t = self.terms
        all_dirt = self.dirt + self.dirt_elsewhere
        done = bark(ink, art, rate, spot, t.dust, t.hole_all, all_dirt, t.hole, self.dirt, t.chop)
        if done.reverts:
            return self, done
        new = Auction(done.tab, done.dink, now, start_price(feed, t.buf))
        kicks = self.kicks + 1
        rewards = self.rewards + t.reward(done.tab)
        return replace(self, auctions=self.auctions | {kicks: new}, kicks=kicks, rewards=rewards), done

    def taken(self, number: int, amount: int, limit: int, now: int) -> tuple["House", Take]:
        """Buy up to `amount` (WAD) from an auction at no more than `limit` (RAY) a coin."""
        t, a = self.terms, self._running(number)
        price = t.price(a.top, now - a.start)
        refused = "needs-reset" if t.needs_redo(a.top, now - a.start) else "too-expensive" if price > limit else None
        if refused:
            return self, Take(0, 0, a.tab, a.lot, False, refused)
        done = take(a.tab, a.lot, price, amount, t.chost)
        if done.reverts:
            return self, done
        left = {n: x for n, x in self.auctions.items() if n != number}
        if not done.done:
            left[number] = replace(a, tab=done.tab, lot=done.lot)
        over = done.done
        return replace(
            self,
            auctions=left,
            raised=self.raised + done.owe,
            returned=self.returned + (done.lot if over else 0),
            bad_debt=self.bad_debt + (done.tab if over else 0),
        ), done

    def redone(self, number: int, feed: int, now: int) -> tuple["House", int]:
        """Reset an auction at the feed's price (WAD): (house after, reward).

        ValueError where it needs no reset.  No reward is due for one too small to be worth it.
        """
        t, a = self.terms, self._running(number)
        if not t.needs_redo(a.top, now - a.start):
            raise ValueError(f"auction {number} must need a reset, got one that does not: cannot-reset")
        worth = a.lot * feed * 10**9
        reward = t.reward(a.tab) if a.tab >= t.chost and worth >= t.chost else 0
        again = replace(a, start=now, top=start_price(feed, t.buf))
        return replace(self, auctions=self.auctions | {number: again}, rewards=self.rewards + reward), reward
