"""Account life with Dutch auctions: an account below its requirement is auctioned instead of sold into the book.

The rules are those of `riskengine.liquidation.dutch_auction`, with equity E for the mark-to-market, E - R for the net
maintenance margin and target - 1 for the buffer, so that E - target R is the buffer margin.  In every step the
accounts in an auction are taken first, then those with E < R, the lowest E / R first, ties by name; all bids on one
account until the next step are made at the prices of the step, before the next account is taken.

1. An account with E < R goes into a solvent auction, with none left into an insolvent one.
2. At each arrival a bidder takes the share f that pays him most: of every position, coin and dollar, but not of the
   cash that earlier bids left.  He unwinds it in the book, then another share in the pool.
3. A solvent auction ends where E >= target R, and turns insolvent where its bid would be 0 or less; an insolvent one
   ends where E >= R.
4. What a bidder is paid comes from the fund, then from all accounts with equity in proportion to it; what no equity
   bears, from the venue.  Nobody is deleveraged.  Of a payment for the share f the account's shortfall is
   max(-E, 0) f, what it owes beyond its equity; the rest is what the bidder asks beyond that.
5. At the last step what an account owes is paid in the same way.

No bid depends on the fund, so a fund of F is exhausted on a path exactly where `NEED` exceeds F, as without auctions.
"""

import math
from typing import NamedTuple

import numpy as np

from riskengine.jit import kernel
from riskengine.liquidation.dutch_auction import DutchAuction, discount, insolvent_bid, max_fraction
from riskengine.liquidation.margin_calls import called_accounts, line_up
from riskengine.liquidation.partial_sale import close_orders, fill_orders, largest_share, paying_share, share_cost
from riskengine.liquidation.venue_losses import socialise
from riskengine.liquidation.venue_state import (
    BANKRUPT,
    CALLS,
    DOLLAR,
    FEE,
    FEES,
    FUND_IN,
    INSOLVENT,
    OWN,
    SHORTFALL,
    SLIPPAGE,
    SOLVENT,
    TARGET,
    VOLUME,
    account_figures,
    draw_on_fund,
    is_short,
    note_close,
    note_liquidated,
)  # fmt: skip

# rows of `Auctions.sums`
STARTED, GIVEN, PROFIT, PAYMENT = range(4)
# positions in `Auctions.rules`
FROM, CUTOFF, FAST, SLOW, LENGTH, REQUIRED, CAPITAL, ARRIVAL = range(8)


class Auctions(NamedTuple):
    """State of the auctions of a venue on a block: K accounts, J kinds, P lanes.

    Attributes
    ----------
    rules : (8,)
    clock : (K, P)
        Second of the path at which the auction of an account began, or turned insolvent.
    reserved : (K, P)
        Cash that earlier bids left, USD.
    tied : (P,)
        Capital of bidders that is not free, USD.
    sums : (J, 4, P)
        Auctions started; what bidders were given beside the mark; what of it is left to them; what others paid for
        accounts beyond what these owed.
    """

    rules: np.ndarray
    clock: np.ndarray
    reserved: np.ndarray
    tied: np.ndarray
    sums: np.ndarray


def no_auctions(terms: DutchAuction, accounts: int, kinds: int, lanes: int) -> Auctions:
    """State in which no auction has begun."""
    who = terms.bidders
    rules = (terms.start, terms.cutoff, terms.fast_seconds, terms.slow_seconds, terms.insolvent_seconds,
             who.required_profit, who.capital_usd, who.arrival_seconds)  # fmt: skip
    clock, reserved = np.zeros((2, accounts, lanes))
    return Auctions(np.array(rules), clock, reserved, np.zeros(lanes), np.zeros((kinds, 4, lanes)))


@kernel
def _pay_for(life, now, sale, k, p, owed, short):
    """Give account `k` what is paid for it, `short` of which it owes beyond its equity: from the fund, then others."""
    kind = life.kind[k]
    life.sums[kind, SHORTFALL, p] += short
    sale.sums[kind, PAYMENT, p] += owed - short
    note_liquidated(life, k, p)
    if short > DOLLAR and life.liquidated[k, p] == 1:
        life.liquidated[k, p] = 2
        life.sums[kind, BANKRUPT, p] += 1.0
    socialise(life, now, k, p, draw_on_fund(life, k, p, owed))


@kernel
def _hand_over(life, now, k, p, f, kept):
    """Give the share `f` of all that `k` holds but `kept` USD to who bid for it."""
    first = life.start.shape[1] - life.asset.size
    for h in range(life.start.shape[1]):
        x = life.state[k, h, p]
        moved = f * (x - kept) if h == 0 else (x if f >= 1.0 else f * x)
        life.state[k, h, p] = x - moved
        life.market[h, p] += moved
        if h >= first:
            note_close(life, now, p, h - first, moved)


@kernel
def _bid(life, now, sale, k, p, where, elapsed, orders, equity, need, gross):
    """The bid of one bidder who unwinds at liquidity `where`; returns whether he made any."""
    rules = sale.rules
    solvent = life.status[k, p] == SOLVENT
    kept, most, fee = sale.reserved[k, p], 1.0, 0.0
    if solvent:
        share = discount(elapsed, rules[FROM], rules[CUTOFF], rules[FAST], rules[SLOW])
        price, fee = share * (equity - kept), life.terms[FEE]
        given = (1.0 - share) * (equity - kept)
        most = max_fraction(equity, equity - life.terms[TARGET] * need, kept, share)
    else:
        price = insolvent_bid(equity, equity - need, elapsed, rules[LENGTH])
        given = equity - price
    if gross <= 0.0:
        return False
    depth, taken = now.depth[where, :, p], life.taken[where, :, :, p]
    capital = max(price, 0.0) + need
    most = min(most, max(rules[CAPITAL] - sale.tied[p], 0.0) / capital)
    most = min(most, largest_share(where, orders, depth, taken, life.quote, life.terms))
    worth = given - (rules[REQUIRED] + fee) * gross
    if not worth > share_cost(where, orders, depth, taken, life.quote, life.terms, 0.0)[1]:
        return False
    f = paying_share(where, orders, depth, taken, life.quote, life.terms, most, worth)
    if not f * gross > DOLLAR:
        return False
    kind = life.kind[k]
    cost = fill_orders(life, now, p, where, orders, f)
    paid = price * f
    if solvent:
        life.market[0, p] -= fee * f * gross
        life.fund[FUND_IN, p] += fee * f * gross
        sale.reserved[k, p] += paid
    elif paid < 0.0:
        _pay_for(life, now, sale, k, p, -paid, max(-equity, 0.0) * f)
    _hand_over(life, now, k, p, f, kept if solvent else max(-paid, 0.0))
    life.state[k, 0, p] += paid
    life.market[0, p] -= paid
    sale.tied[p] += capital * f
    life.sums[kind, VOLUME, p] += f * gross
    life.sums[kind, SLIPPAGE, p] += cost
    life.sums[kind, FEES, p] += fee * f * gross
    sale.sums[kind, GIVEN, p] += given * f
    sale.sums[kind, PROFIT, p] += given * f - cost - fee * f * gross
    note_liquidated(life, k, p)
    return True


@kernel
def _auction(life, now, sale, k, p, orders, time, seconds):
    """Start, go on with or end the auction of one account on one lane: everything until the next step."""
    rules = sale.rules
    equity, need, gross = account_figures(life, now, k, p)
    if is_short(equity, need):
        life.sums[life.kind[k], CALLS, p] += 1.0
    elif life.status[k, p] == OWN:
        return
    if life.status[k, p] == OWN:
        life.status[k, p] = SOLVENT if equity > DOLLAR else INSOLVENT
        sale.clock[k, p] = time
        sale.reserved[k, p] = 0.0
        sale.sums[life.kind[k], STARTED, p] += 1.0
    close_orders(life, now, k, p, orders)
    number = max(math.ceil((time - sale.clock[k, p]) / rules[ARRIVAL]), 1)
    while True:
        solvent = life.status[k, p] == SOLVENT
        if not is_short(equity, life.terms[TARGET] * need if solvent else need):
            life.status[k, p] = OWN
            return
        elapsed = number * rules[ARRIVAL]
        if sale.clock[k, p] + elapsed >= time + seconds:
            return
        number += 1
        if solvent:
            share = discount(elapsed, rules[FROM], rules[CUTOFF], rules[FAST], rules[SLOW])
            if not share * (equity - sale.reserved[k, p]) > DOLLAR:
                life.status[k, p] = INSOLVENT
                sale.clock[k, p] += elapsed
                sale.reserved[k, p] = 0.0
                number = 1
                continue
        for where in range(2):
            if life.present[where] and _bid(life, now, sale, k, p, where, elapsed, orders, equity, need, gross):
                equity, need, gross = account_figures(life, now, k, p)
                close_orders(life, now, k, p, orders)


@kernel(scratch=True)
def auction_one_step(life, now, sale, ratio, found, time, seconds, last):
    """Call every account on every lane and auction it; returns how many (account, lane) pairs were called.

    Parameters
    ----------
    life, now, sale : Life, Now, Auctions
    ratio, found : ndarray, shape (K, P)
        Scratch.
    time, seconds : float
        Second of the path, and length of the step.
    last : bool
        Whether what accounts owe is settled now.
    """
    head, count = called_accounts(life, now, ratio, found)
    if count == 0:
        return 0
    queue = np.empty(life.start.shape[0], np.int64)
    orders = np.empty((2, life.quote.shape[1]))
    for p in range(life.sold.shape[1]):
        n = line_up(ratio, found, head, p, queue)
        for j in range(n):
            _auction(life, now, sale, queue[j], p, orders, time, seconds)
        for j in range(n if last else 0):
            equity = account_figures(life, now, queue[j], p)[0]
            if equity < -DOLLAR:
                _pay_for(life, now, sale, queue[j], p, -equity, -equity)
    return count
