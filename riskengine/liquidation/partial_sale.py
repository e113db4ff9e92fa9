"""How much of an account to close at the price that its own sale makes, and the sale.

The margin after closing the share f of every position, h(f) = E - cost(f) - fee f G - target (1 - f) R, is concave in
f: it rises up to the share where a further dollar costs what it frees, and crosses zero at most once on the way.
"""

from riskengine.jit import kernel
from riskengine.liquidation.venue_state import FEE, KEEP, LIMIT, REACH, SPREAD, TARGET, trade
from riskengine.liquidity.execution import BUY, SELL, fill_cost, fill_limit, fill_slippage, fill_take


@kernel
def close_orders(life, now, k, p, orders):
    """Notional to sell and to buy of each book to close the whole account, into `orders` (2, B)."""
    orders[:, :] = 0.0
    first = life.start.shape[1] - life.asset.size
    for m in range(life.asset.size):
        x = life.state[k, first + m, p]
        orders[SELL if x > 0.0 else BUY, life.book[m]] += abs(x) * now.notional[m, p]


@kernel
def share_cost(where, orders, depth, taken, quote, terms, f):
    """Cost beside the mark, and its derivative in f, of filling the share `f` of `orders` at liquidity `where`.

    `depth` (B,) and `taken` (2, B) are those of one lane.
    """
    cost, rate = 0.0, 0.0
    for side in range(2):
        for b in range(orders.shape[1]):
            x = orders[side, b]
            if x > 0.0:
                cost += fill_cost(where, side, f * x, depth[b], taken[side, b], quote[SPREAD, b], terms[KEEP])
                rate += x * fill_slippage(where, side, f * x, depth[b], taken[side, b], quote[SPREAD, b], terms[KEEP])
    return cost, rate


@kernel
def largest_share(where, orders, depth, taken, quote, terms):
    """Share of `orders` that `where` fills at the limit or better."""
    share = 1.0
    for side in range(2):
        for b in range(orders.shape[1]):
            if orders[side, b] > 0.0:
                spread, reach = quote[SPREAD, b], quote[REACH, b]
                most = fill_limit(where, side, terms[LIMIT], reach, depth[b], taken[side, b], spread, terms[KEEP])
                share = min(share, most / orders[side, b])
    return share


@kernel
def paying_share(where, orders, depth, taken, quote, terms, most, freed):
    """Largest share up to `most` of which no further part costs more than the rate `freed`."""
    low, high = 0.0, most
    if not freed < share_cost(where, orders, depth, taken, quote, terms, most)[1]:
        return most
    for _ in range(60):
        middle = 0.5 * (low + high)
        if freed < share_cost(where, orders, depth, taken, quote, terms, middle)[1]:
            high = middle
        else:
            low = middle
    return low


@kernel
def restoring_share(where, orders, depth, taken, quote, terms, most, equity, need, gross):
    """(share to close, whether it restores the requirement), at most `most`."""
    target = terms[TARGET]
    freed = target * need - terms[FEE] * gross
    most = paying_share(where, orders, depth, taken, quote, terms, most, freed)
    if equity - target * need + most * freed - share_cost(where, orders, depth, taken, quote, terms, most)[0] < 0.0:
        return most, False
    f = 0.0
    for _ in range(60):
        # from the left the tangent of a concave function never oversteps the root
        cost, rate = share_cost(where, orders, depth, taken, quote, terms, f)
        move = (target * need - equity - f * freed + cost) / (freed - rate)
        f = min(f + move, most)
        if not move > 1e-15 * f:
            break
    return f, True


@kernel
def affordable_share(where, orders, depth, taken, quote, terms, most, room):
    """Largest share up to `most` that costs no more than `room`."""
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        if share_cost(where, orders, depth, taken, quote, terms, middle)[0] > room:
            high = middle
        else:
            low = middle
    return low


@kernel
def fill_orders(life, now, p, where, orders, f):
    """Fill the share `f` of `orders` at `where`; returns the cost."""
    total = 0.0
    for side in range(2):
        for b in range(orders.shape[1]):
            x = f * orders[side, b]
            if x > 0.0:
                taken = life.taken[where, side, b, p]
                spread, keep = life.quote[SPREAD, b], life.terms[KEEP]
                cost = fill_cost(where, side, x, now.depth[where, b, p], taken, spread, keep)
                life.taken[where, side, b, p] = taken + fill_take(where, side, x, cost, keep)
                total += cost
    return total


@kernel
def close_share(life, now, k, p, where, orders, f):
    """Fill the share `f` of all positions of `k` at `where`; returns (cost, notional)."""
    first = life.start.shape[1] - life.asset.size
    total, volume = 0.0, 0.0
    for side in range(2):
        for b in range(orders.shape[1]):
            x = orders[side, b]
            if x <= 0.0:
                continue
            taken = life.taken[where, side, b, p]
            cost = fill_cost(where, side, f * x, now.depth[where, b, p], taken, life.quote[SPREAD, b], life.terms[KEEP])
            for m in range(life.asset.size):
                units = life.state[k, first + m, p]
                if life.book[m] == b and units != 0.0 and (units > 0.0) == (side == SELL):
                    share = abs(units) * now.notional[m, p] / x
                    given = units if f >= 1.0 else f * units
                    trade(life, now, k, p, m, given, cost * share)
                    life.sold[life.asset[m], p] += given * now.delta[m, p]
            life.taken[where, side, b, p] = taken + fill_take(where, side, f * x, cost, life.terms[KEEP])
            total += cost
            volume += f * x
    return total, volume
