"""How much of an account to close at the price that its own sale makes, and the sale.

The margin after closing the share f of every position, h(f) = E - cost(f) - fee f G - target (1 - f) R, is concave in
f: it rises up to the share where a further dollar costs what it frees, and crosses zero at most once on the way.
"""

from riskengine.jit import kernel
from riskengine.liquidation.venue_state import (
    CHARGED,
    DELTA_LIMIT,
    DELTA_SLOPE,
    FEE,
    KEEP,
    LIMIT,
    MADE,
    MAKER_SPREAD,
    REACH,
    SPREAD,
    TARGET,
    VEGA_LIMIT,
    VEGA_SLOPE,
    note_close,
    trade,
)  # fmt: skip
from riskengine.liquidity.execution import BUY, MAKER, SELL, fill_cost, fill_limit, fill_slippage, fill_take
from riskengine.liquidity.option_maker import DELTA, NOTIONAL, PAID, VEGA, maker_cost, maker_limit


@kernel
def close_orders(life, now, k, p, orders):
    """Notional to sell and to buy of each book to close the whole account, into `orders` (2, B)."""
    orders[:, :] = 0.0
    first = life.start.shape[1] - life.asset.size
    for m in range(life.asset.size):
        x = life.state[k, first + m, p]
        orders[SELL if x > 0.0 else BUY, life.book[m]] += abs(x) * now.notional[m, p]


@kernel
def ask_maker(life, now, k, p, asked):
    """What closing all options of `k` asks of the maker, into `asked` (4, A); returns their (requirement, notional)."""
    asked[:, :] = 0.0
    first = life.start.shape[1] - life.asset.size
    need, gross = 0.0, 0.0
    for m in range(life.asset.size):
        x, a = life.state[k, first + m, p], life.asset[m]
        if life.ranked[m] or x == 0.0:
            continue
        asked[PAID, a] += abs(x) * now.vega[m, p] * life.quote[MAKER_SPREAD, a]
        asked[VEGA, a] += x * now.vega[m, p]
        asked[DELTA, a] += x * now.exposure[m, p]
        asked[NOTIONAL, a] += abs(x) * now.notional[m, p]
        need += abs(x) * now.need[0 if x > 0.0 else 1, m, p]
        gross += abs(x) * now.notional[m, p]
    return need, gross


@kernel(inline=True)
def _asset_cost(asked, taken, quote, a, f):
    """Cost, and its derivative, of the share `f` of what is asked of the maker in asset `a`."""
    z, w = taken[0, a], taken[1, a]
    slopes = quote[VEGA_SLOPE, a], quote[DELTA_SLOPE, a]
    return maker_cost(f, asked[PAID, a], asked[VEGA, a], asked[DELTA, a], z, w, slopes[0], slopes[1])


@kernel
def share_cost(where, orders, depth, taken, quote, terms, f):
    """Cost beside the mark, and its derivative in f, of filling the share `f` of `orders` at liquidity `where`.

    `depth` (B,) and `taken` (2, B) are those of one lane; `orders` is what is asked of the maker where that is it.
    """
    cost, rate = 0.0, 0.0
    if where == MAKER:
        for a in range(orders.shape[1]):
            more, faster = _asset_cost(orders, taken, quote, a, f)
            cost += more
            rate += faster
        return cost, rate
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
    if where == MAKER:
        for a in range(orders.shape[1]):
            most = maker_limit(
                terms[LIMIT], orders[PAID, a], orders[VEGA, a], orders[DELTA, a], orders[NOTIONAL, a], taken[0, a],
                taken[1, a], quote[VEGA_LIMIT, a], quote[VEGA_SLOPE, a], quote[DELTA_LIMIT, a], quote[DELTA_SLOPE, a],
            )  # fmt: skip
            share = min(share, most)
        return share
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


@kernel(inline=True)
def _fill(life, now, p, where, side, b, x):
    """Fill `x` USD of one book at `where`; returns the cost."""
    taken, keep = life.taken[where, side, b, p], life.terms[KEEP]
    cost = fill_cost(where, side, x, now.depth[where, b, p], taken, life.quote[SPREAD, b], keep)
    life.taken[where, side, b, p] = taken + fill_take(where, side, x, cost, keep)
    return cost


@kernel
def fill_orders(life, now, p, where, orders, f):
    """Fill the share `f` of `orders` at `where`; returns the cost."""
    total = 0.0
    for side in range(2):
        for b in range(orders.shape[1]):
            if orders[side, b] > 0.0:
                total += _fill(life, now, p, where, side, b, f * orders[side, b])
    return total


@kernel(inline=True)
def _give_up(life, now, k, p, m, f, cost, whole):
    """Account `k` gives up the share `f` of instrument `m`, with its part of the `cost` of an order that closes
    `f` times `whole` USD; returns the units."""
    units = life.state[k, life.start.shape[1] - life.asset.size + m, p]
    given = units if f >= 1.0 else f * units
    trade(life, now, k, p, m, given, cost * (abs(units) * now.notional[m, p] / whole))
    note_close(life, now, p, m, given)
    return given


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
            cost = _fill(life, now, p, where, side, b, f * x)
            for m in range(life.asset.size):
                units = life.state[k, first + m, p]
                if life.book[m] == b and units != 0.0 and (units > 0.0) == (side == SELL):
                    _give_up(life, now, k, p, m, f, cost, x)
            total += cost
            volume += f * x
    return total, volume


@kernel
def sell_to_maker(life, now, k, p, asked, f):
    """Close the share `f` of all options of `k` with the maker; returns (cost, notional)."""
    first = life.start.shape[1] - life.asset.size
    total, volume = 0.0, 0.0
    for a in range(asked.shape[1]):
        if asked[NOTIONAL, a] <= 0.0:
            continue
        taken = life.taken[MAKER, :, :, p]
        cost = _asset_cost(asked, taken, life.quote, a, f)[0]
        for m in range(life.asset.size):
            if not life.ranked[m] and life.asset[m] == a and life.state[k, first + m, p] != 0.0:
                life.inventory[m, p] += _give_up(life, now, k, p, m, f, cost, asked[NOTIONAL, a])
        taken[0, a] += f * asked[VEGA, a]
        taken[1, a] += f * asked[DELTA, a]
        total += cost
        volume += f * asked[NOTIONAL, a]
    life.made[CHARGED, p] += total
    life.made[MADE, p] += volume
    return total, volume
