"""A loss that the fund cannot pay: deleveraging by rank, then socialised loss; and the end of an account taken over."""

from riskengine.jit import kernel
from riskengine.liquidation.adl import rank_score
from riskengine.liquidation.venue_state import (
    ADL_COUNT,
    ADL_LOSS,
    ADL_VOLUME,
    CLOSED,
    DOLLAR,
    FUND_IN,
    OWN,
    SOCIALISED,
    UNCOVERED,
    account_figures,
    bears_losses,
    held,
    touch,
    trade,
)  # fmt: skip


@kernel
def _first_in_line(life, now, k, p, m):
    """Account on the other side of instrument `m` that is deleveraged first; -1 where there is none."""
    first = life.start.shape[1] - life.asset.size
    side = 1.0 if life.state[k, first + m, p] > 0.0 else -1.0
    mark = now.mark[m, p]
    best, chosen = 0.0, -1
    for i in range(life.start.shape[0]):
        x = held(life, i, first + m, p)
        if i == k or life.status[i, p] != OWN or x * side >= 0.0:
            continue
        equity, _, gross = account_figures(life, now, i, p)
        if equity <= DOLLAR:
            continue
        entry = life.entry[i, m]
        rise = 1.0 - entry / mark if life.inverse[m] else mark / entry - 1.0
        score = rank_score(-side * rise, gross / equity)
        if chosen < 0 or score > best:
            best, chosen = score, i
    return chosen


@kernel
def deleverage(life, now, k, p, owed):
    """Close the positions of `k` against ranked accounts; returns what is still owed."""
    first = life.start.shape[1] - life.asset.size
    gross = 0.0
    for m in range(life.asset.size):
        if life.ranked[m]:
            gross += abs(life.state[k, first + m, p]) * now.notional[m, p]
    if gross <= 0.0:
        return owed
    rate = owed / gross
    for m in range(life.asset.size):
        while life.ranked[m] and life.state[k, first + m, p] != 0.0:
            i = _first_in_line(life, now, k, p, m)
            if i < 0:
                break
            touch(life, i)
            mine, theirs = life.state[k, first + m, p], life.state[i, first + m, p]
            units = mine if abs(mine) <= abs(theirs) else -theirs
            notional = abs(units) * now.notional[m, p]
            loss = min(rate * notional, account_figures(life, now, i, p)[0])
            # at the mark both give up what they hold; beside it the loss passes from one to the other
            trade(life, now, k, p, m, units, 0.0)
            trade(life, now, i, p, m, -units, 0.0)
            life.state[k, 0, p] += loss
            life.state[i, 0, p] -= loss
            owed -= loss
            life.sums[life.kind[i], ADL_VOLUME, p] += notional
            life.sums[life.kind[i], ADL_LOSS, p] += loss
            life.sums[life.kind[i], ADL_COUNT, p] += 1.0
    return max(owed, 0.0)


@kernel
def socialise(life, now, k, p, owed):
    """Charge what `k` still owes to accounts with equity, in proportion to it; the venue bears the rest."""
    if not owed > DOLLAR:
        return
    total = 0.0
    for i in range(life.start.shape[0]):
        if i != k and bears_losses(life.status[i, p]):
            total += max(account_figures(life, now, i, p)[0], 0.0)
    share = min(owed / total, 1.0) if total > 0.0 else 0.0
    charged = 0.0
    for i in range(life.start.shape[0]):
        if share > 0.0 and i != k and bears_losses(life.status[i, p]):
            charge = share * max(account_figures(life, now, i, p)[0], 0.0)
            if charge > 0.0:
                touch(life, i)
                life.state[i, 0, p] -= charge
                life.sums[life.kind[i], SOCIALISED, p] += charge
                charged += charge
    # all of it was borne where there was equity for it: a difference is rounding, and stays where it is
    rest = owed - charged if share >= 1.0 or total <= 0.0 else 0.0
    life.fund[UNCOVERED, p] += rest
    life.state[k, 0, p] += charged + rest


@kernel
def wind_up(life, now, k, p):
    """What an account that was taken over is worth goes to the fund, its coins sold at the index."""
    coins = life.sold.shape[0]
    worth = life.state[k, 0, p]
    life.state[k, 0, p] = 0.0
    for a in range(coins):
        x = life.state[k, 1 + a, p]
        life.market[1 + a, p] += x
        life.market[0, p] -= x * now.price[1 + a, p]
        worth += x * now.price[1 + a, p]
        life.state[k, 1 + a, p] = 0.0
    life.fund[FUND_IN, p] += worth
    life.status[k, p] = CLOSED
