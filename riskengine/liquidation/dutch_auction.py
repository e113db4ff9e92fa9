"""Derive's Dutch auctions of under-margined accounts.

Solvent: the discount falls from `start` to `cutoff` over the fast leg, then to 0 over the slow one; at most

    f_max = BM / (BM - d MtM - (1 - d) R),   BM = MM + buffer (MM - MtM),   bid = d (MtM - R) f

of the account may be bid for, with MM the net maintenance margin (negative) and R the cash that earlier bids left.
Insolvent: the bid falls from min(MtM, 0) to MM over the auction, paid by the security module, then socialised.
Reference: derivexyz/v2-core, DutchAuction.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bid:
    """One bid in a solvent auction."""

    buffer_margin: float
    max_fraction: float
    fraction: float
    price: float


def discount(elapsed: float, start: float, cutoff: float, fast_seconds: float, slow_seconds: float) -> float:
    """Share of the mark that a bidder pays `elapsed` seconds into a solvent auction."""
    if elapsed < fast_seconds:
        return start - (start - cutoff) * elapsed / fast_seconds
    return cutoff * max(1.0 - (elapsed - fast_seconds) / slow_seconds, 0.0)


def solvent_bid(
    mark_to_market: float, maintenance_margin: float, reserved_cash: float, requested: float, share: float,
    buffer_percentage: float,
) -> Bid:  # fmt: skip
    """What a bid for `requested` of the account gets when bidders pay `share` of the mark."""
    margin = maintenance_margin + buffer_percentage * (maintenance_margin - mark_to_market)
    most = margin / (margin - mark_to_market * share - reserved_cash * (1.0 - share))
    fraction = min(requested, most)
    return Bid(margin, most, fraction, (mark_to_market - reserved_cash) * share * fraction)


def insolvent_bid(mark_to_market: float, maintenance_margin: float, elapsed: float, length: float) -> float:
    """Bid for a whole insolvent account; negative: the bidder is paid."""
    floor = min(mark_to_market, 0.0)
    return floor + (maintenance_margin - floor) * min(elapsed / length, 1.0)
