"""Margin calls: which accounts are called in a step, and in which order they are taken."""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.liquidation.venue_state import OWN, account_figures, is_short, touch
from riskengine.vecmath import round_even


@kernel
def _find(life, now, low, high, margin, ratio, found, head):
    """Chain the called accounts of each lane: `head` (P,) and `found` (K, P) hold 1 + the next account, 0 for none."""
    wide_vectors()
    first = life.start.shape[1] - life.asset.size
    lanes = life.sold.shape[1]
    count = 0
    for k in range(life.start.shape[0]):
        if life.touched[k] == 0:
            bound = 0.0
            for h in range(life.start.shape[1]):
                x = life.start[k, h]
                bound += x * (low[h] if x > 0.0 else high[h])
                if h >= first:
                    bound -= abs(x) * high[h + life.asset.size * (1 if x > 0.0 else 2)]
            # most accounts are safe at the worst prices of the whole block
            if bound >= 0.0:
                continue
            for p in range(lanes):
                margin[p] = life.start[k, 0]
            for h in range(1, life.start.shape[1]):
                x = life.start[k, h]
                if x != 0.0:
                    price = now.price[h]
                    for p in range(lanes):
                        margin[p] += x * price[p]
                    if h >= first:
                        need = now.need[0 if x > 0.0 else 1, h - first]
                        for p in range(lanes):
                            margin[p] -= abs(x) * need[p]
        else:
            for p in range(lanes):
                margin[p] = life.state[k, 0, p] - (1e300 if life.status[k, p] % 2 == 1 else 0.0)
            for h in range(1, life.start.shape[1]):
                if h >= first and life.start[k, h] == 0.0:
                    # nobody trades: what was not held at the start never is
                    continue
                units, price = life.state[k, h], now.price[h]
                for p in range(lanes):
                    margin[p] += units[p] * price[p]
                if h >= first:
                    # positions shrink and never turn
                    need = now.need[0 if life.start[k, h] > 0.0 else 1, h - first]
                    for p in range(lanes):
                        margin[p] -= abs(units[p]) * need[p]
        below = 0
        for p in range(lanes):
            below += 1 if margin[p] < 0.0 else 0
        if below == 0:
            continue
        for p in range(lanes):
            if not margin[p] < 0.0:
                continue
            equity, wanted, _ = account_figures(life, now, k, p)
            if is_short(equity, wanted) or life.status[k, p] % 2 == 1:
                own = life.status[k, p] == OWN and wanted > 0.0
                # equal but for rounding is equal: accounts of one leverage go by their names
                ratio[k, p] = round_even(1e9 * equity / wanted) if own else -np.inf
                found[k, p] = head[p]
                head[p] = k + 1
                count += 1
                touch(life, k)
    return count


@kernel(scratch=True)
def called_accounts(life, now, ratio, found):
    """Chain the called accounts of each lane; returns (head (P,) as `line_up` reads it, number of calls).

    `ratio` and `found` (K, P) are scratch that `line_up` reads.
    """
    holdings = life.start.shape[1]
    instruments, lanes = life.asset.size, life.sold.shape[1]
    low, high = np.empty(holdings + 2 * instruments), np.empty(holdings + 2 * instruments)
    for h in range(low.size):
        side, m = divmod(h - holdings, instruments)
        row = now.price[h] if h < holdings else now.need[side, m]
        lowest, highest = np.inf, -np.inf
        for p in range(lanes):
            # a failed path has no price and is never called
            lowest = row[p] if row[p] < lowest else lowest
            highest = row[p] if row[p] > highest else highest
        low[h], high[h] = lowest, highest
    margin = np.empty(lanes)
    head = np.zeros(lanes, np.int64)
    return head, _find(life, now, low, high, margin, ratio, found, head)


@kernel
def add_called_notional(life, now, head, found, out):
    """Add to `out` (J, P), by kind, the notional of the accounts that `called_accounts` found."""
    for p in range(head.size):
        k = head[p] - 1
        while k >= 0:
            out[life.kind[k], p] += account_figures(life, now, k, p)[2]
            k = found[k, p] - 1


@kernel
def line_up(ratio, found, head, p, queue):
    """Accounts called on lane `p` into `queue` (K,), in the order in which they are taken; returns how many."""
    n, k = 0, head[p] - 1
    while k >= 0:
        # insertion by (ratio, account): chains come with the last account first
        j = n
        while j > 0 and ratio[queue[j - 1], p] >= ratio[k, p]:
            queue[j] = queue[j - 1]
            j -= 1
        queue[j] = k
        n += 1
        k = found[k, p] - 1
    return n
