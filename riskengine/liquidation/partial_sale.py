"""How much of an account to close at the price that its own sale makes, and the sale.

The margin after closing the share f of every position, h(f) = E - cost(f) - fee f G - target (1 - f) R, is concave in
f: it rises up to the share where a further dollar costs what it frees, and crosses zero at most once on the way.
"""

from riskengine.jit import kernel
from riskengine.liquidation.venue_state import FEE, KEEP, LIMIT, REACH, SPREAD, TARGET, trade
from riskengine.liquidity.execution import BUY, SELL, fill_cost, fill_limit, fill_slippage, fill_take


@kernel
def close_orders(life, now, k, p, orders):
    """Notional to sell and to buy of each asset to close the whole account, into `orders` (2, A)."""
    orders[:, :] = 0.0
    first = life.start.shape[1] - now.need.shape[0]
    for m in range(now.need.shape[0]):
        x = life.state[k, first + m, p]
        orders[SELL if x > 0.0 else BUY, life.asset[m]] += abs(x) * now.notional[m, p]


@kernel
def share_cost(life, now, p, where, orders, f):
    """Cost beside the mark, and its derivative in f, of filling the share `f` of `orders` at liquidity `where`."""
    cost, rate = 0.0, 0.0
    for side in range(2):
        for a in range(orders.shape[1]):
            x = orders[side, a]
            if x > 0.0:
                depth, taken = now.depth[where, a, p], life.taken[where, side, a, p]
                cost += fill_cost(where, side, f * x, depth, taken, life.terms[SPREAD], life.terms[KEEP])
                rate += x * fill_slippage(where, side, f * x, depth, taken, life.terms[SPREAD], life.terms[KEEP])
    return cost, rate


@kernel
def largest_share(life, now, p, where, orders):
    """Share of `orders` that `where` fills at the limit or better."""
    share = 1.0
    for side in range(2):
        for a in range(orders.shape[1]):
            x = orders[side, a]
            if x > 0.0:
                most = fill_limit(
                    where,
                    side,
                    life.terms[LIMIT],
                    life.terms[REACH],
                    now.depth[where, a, p],
                    life.taken[where, side, a, p],
                    life.terms[SPREAD],
                    life.terms[KEEP],
                )
                share = min(share, most / x)
    return share


@kernel
def restoring_share(life, now, p, where, orders, most, equity, need, gross):
    """(share to close, whether it restores the requirement), at most `most`."""
    target, fee = life.terms[TARGET], life.terms[FEE]
    freed = target * need - fee * gross
    low, high = 0.0, most
    if freed < share_cost(life, now, p, where, orders, most)[1]:
        for _ in range(60):
            middle = 0.5 * (low + high)
            if freed < share_cost(life, now, p, where, orders, middle)[1]:
                high = middle
            else:
                low = middle
        most = low
    if equity - target * need + most * freed - share_cost(life, now, p, where, orders, most)[0] < 0.0:
        return most, False
    f = 0.0
    for _ in range(60):
        # from the left the tangent of a concave function never oversteps the root
        cost, rate = share_cost(life, now, p, where, orders, f)
        move = (target * need - equity - f * freed + cost) / (freed - rate)
        f = min(f + move, most)
        if not move > 1e-15 * f:
            break
    return f, True


@kernel
def affordable_share(life, now, p, where, orders, most, room):
    """Largest share up to `most` that costs no more than `room`."""
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        if share_cost(life, now, p, where, orders, middle)[0] > room:
            high = middle
        else:
            low = middle
    return low


@kernel
def close_share(life, now, k, p, where, orders, f):
    """Fill the share `f` of all positions of `k` at `where`; returns (cost, notional)."""
    first = life.start.shape[1] - now.need.shape[0]
    total, volume = 0.0, 0.0
    for side in range(2):
        for a in range(orders.shape[1]):
            x = orders[side, a]
            if x <= 0.0:
                continue
            taken = life.taken[where, side, a, p]
            cost = fill_cost(where, side, f * x, now.depth[where, a, p], taken, life.terms[SPREAD], life.terms[KEEP])
            for m in range(now.need.shape[0]):
                units = life.state[k, first + m, p]
                if life.asset[m] == a and units != 0.0 and (units > 0.0) == (side == SELL):
                    share = abs(units) * now.notional[m, p] / x
                    trade(life, now, k, p, m, units if f >= 1.0 else f * units, cost * share)
            life.taken[where, side, a, p] = taken + fill_take(where, side, f * x, cost, life.terms[KEEP])
            life.sold[a, p] += (f if side == SELL else -f) * x / now.spot[a, p]
            total += cost
            volume += f * x
    return total, volume
