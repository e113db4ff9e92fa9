"""Derive's Dutch auctions of under-margined accounts, and who bids in them.

Solvent: the discount falls from `start` to `cutoff` over the fast leg, then to 0 over the slow one; at most

    f_max = BM / (BM - d MtM - (1 - d) R),   BM = MM + buffer (MM - MtM),   bid = d (MtM - R) f

of the account may be bid for, with MM the net maintenance margin (negative) and R the cash that earlier bids left.
Insolvent: the bid falls from min(MtM, 0) to MM over the auction, paid by the security module, then socialised.
Reference: derivexyz/v2-core, DutchAuction.

A bidder who takes the share f unwinds it at once into the venue's own book or pool at cost C(f).  Bidders come one at a
time, `arrival_seconds` apart; each takes what earns him most above the return that he requires on notional,

    max over f of  (value - bid) f - C(f) - (required_profit + fee) f G,

within f_max, what liquidity fills at the limit of the order, and the capital that bidders have: what they pay and the
requirement of what they take, half of it free again after the half-life.  The fee is that of the venue, to its fund,
on solvent bids only.
"""

from dataclasses import dataclass

from riskengine.arrays import check_range
from riskengine.jit import kernel


@dataclass(frozen=True)
class Bidders:
    """Who bids.

    Attributes
    ----------
    capital_usd : float
        Of all bidders together: pays for bids and margins what they take.
    capital_half_life_hours : float
        Time in which half of what is tied is free again.
    required_profit : float
        Share of the notional taken that a bidder must earn after unwinding.
    arrival_seconds : float
        The first bidder comes this long after the start of an auction, the others as long after one another.
    """

    capital_usd: float
    capital_half_life_hours: float = 1.0
    required_profit: float = 0.0005
    arrival_seconds: float = 300.0

    def __post_init__(self) -> None:
        check_range("capital_usd", self.capital_usd, 0.0, 1e15, open_low=True)
        check_range("capital_half_life_hours", self.capital_half_life_hours, 0.0, 1e6, open_low=True)
        check_range("required_profit", self.required_profit, 0.0, 1.0, open_high=True)
        check_range("arrival_seconds", self.arrival_seconds, 1.0, 1e9)


@dataclass(frozen=True)
class DutchAuction:
    """How accounts are auctioned; the buffer is what the venue's `target` exceeds 1 by.

    Attributes
    ----------
    bidders : Bidders
    start, cutoff : float
        Share of the value that a bidder pays at the start of a solvent auction, and at the end of its fast leg.
    fast_seconds, slow_seconds : float
        Length of the two legs.
    insolvent_seconds : float
        Time in which the bid of an insolvent auction falls to the net maintenance margin.
    """

    bidders: Bidders
    start: float = 0.98
    cutoff: float = 0.8
    fast_seconds: float = 100.0
    slow_seconds: float = 14_400.0
    insolvent_seconds: float = 600.0

    def __post_init__(self) -> None:
        check_range("start", self.start, 0.0, 1.0, open_low=True)
        check_range("cutoff", self.cutoff, 0.0, self.start, open_low=True)
        for name in ("fast_seconds", "slow_seconds", "insolvent_seconds"):
            check_range(name, getattr(self, name), 0.0, 1e9, open_low=True)


@dataclass(frozen=True)
class Bid:
    """One bid in a solvent auction."""

    buffer_margin: float
    max_fraction: float
    fraction: float
    price: float


@kernel(inline=True)
def discount(elapsed, start, cutoff, fast_seconds, slow_seconds):
    """Share of the value that a bidder pays `elapsed` seconds into a solvent auction."""
    if elapsed < fast_seconds:
        return start - (start - cutoff) * elapsed / fast_seconds
    return cutoff * max(1.0 - (elapsed - fast_seconds) / slow_seconds, 0.0)


@kernel(inline=True)
def max_fraction(mark_to_market, margin, reserved_cash, share):
    """Share of an account whose bid at `share` of the value restores its buffer margin `margin`, which is negative."""
    return margin / (margin - mark_to_market * share - reserved_cash * (1.0 - share))


@kernel(inline=True)
def insolvent_bid(mark_to_market, maintenance_margin, elapsed, length):
    """Bid for a whole insolvent account; negative: the bidder is paid."""
    floor = min(mark_to_market, 0.0)
    return floor + (maintenance_margin - floor) * min(elapsed / length, 1.0)


def solvent_bid(
    mark_to_market: float, maintenance_margin: float, reserved_cash: float, requested: float, share: float,
    buffer_percentage: float,
) -> Bid:  # fmt: skip
    """What a bid for `requested` of the account gets when bidders pay `share` of the mark."""
    margin = maintenance_margin + buffer_percentage * (maintenance_margin - mark_to_market)
    most = max_fraction.py_func(mark_to_market, margin, reserved_cash, share)
    fraction = min(requested, most)
    return Bid(margin, most, fraction, (mark_to_market - reserved_cash) * share * fraction)
