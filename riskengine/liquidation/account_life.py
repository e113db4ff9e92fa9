"""Account life on lanes: margin call, partial liquidation, execution, insurance fund, deleveraging, socialised loss.

An account holds USD, coins and positions; with prices V per unit, requirement m per unit and side, notional g per unit,

    E = sum_h x_h V_h,   R = sum_j |x_j| m_j,   G = sum_j |x_j| g_j.

In every step the accounts with E < R are called, the lowest E / R first, and each goes through the whole waterfall:

1. Close the share f of every position that restores the requirement at the price that the sale itself makes:
   E - cost(f) - fee f G = target (1 - f) R.  The book is asked first, then the pool (`riskengine.liquidity.execution`).
   An order stops at its limit, and where a further dollar costs more than the requirement that it frees; what is left
   waits for the next step, when liquidity has refilled.  An account taken over is sold up to the limit.
2. The fee, as far as equity reaches, goes to the fund.
3. What an account then owes is paid by the fund, which takes it over: it is sold as liquidity allows, and what is left
   when nothing is held is the fund's.  No sale is made whose loss the fund could not pay.
4. Where the fund is exhausted, the perpetuals left are closed against accounts on the other side, in the order of
   `riskengine.liquidation.adl`, at the mark worsened by what is still owed, in proportion to notional, and by no more
   than the equity of whoever is closed.
5. What is owed then is charged to the accounts with equity in proportion to it; what no equity bears, the venue.

Every flow is entered twice: accounts, fund, venue and the market they trade with hold together at the end, of USD, of
each coin and of each instrument, what the accounts held at the start.  A fund that never empties takes the same
decisions as any other until that one is exhausted, so a fund of F is exhausted on a path exactly where the largest
amount that the endless one is ever short of its start, `NEED`, exceeds F.
"""

from typing import NamedTuple

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.liquidation.adl import rank_score
from riskengine.liquidity.execution import BUY, SELL, fill_cost, fill_limit, fill_slippage, fill_take

# rows of `Life.sums`, by kind of account
CALLS, LIQUIDATED, VOLUME, SLIPPAGE, FEES, BANKRUPT, SHORTFALL, ADL_VOLUME, ADL_LOSS, ADL_COUNT, SOCIALISED = range(11)
SUMS = 11
# rows of `Life.fund`
FUND_IN, FUND_OUT, NEED, EXHAUSTED, UNCOVERED = range(5)
# positions in `Life.terms`
TARGET, FEE, LIMIT, REACH, SPREAD, KEEP, START = range(7)
# whose an account is
OWN, TAKEN, CLOSED = range(3)

# equity may miss its requirement by rounding: this share of it and a millionth of a dollar, which is also nothing owed
_SHARE, _DOLLAR = 1e-12, 1e-6


class Life(NamedTuple):
    """State of a venue on a block: K accounts, holdings H = 1 + A + M (USD, coins, positions), J kinds, P lanes.

    Attributes
    ----------
    start : (K, H)
        Holdings at the start, the same on all lanes.
    state : (K, H, P)
        Holdings of accounts that were ever touched; rows of others are not read.
    touched : (K,)
    status : (K, P)
        `OWN`, `TAKEN` over by the fund, or `CLOSED`.
    liquidated : (K, P)
    kind : (K,)
    entry : (K, M)
        USD.
    asset, settle : (M,)
        Asset of each instrument; the holding in which it pays.
    inverse : (M,)
    present : (2,)
        Whether there is a book, a pool.
    taken : (2, 2, A, P)
        Liquidity used up, by kind, side and asset, USD.
    terms : (7,)
    sums : (J, 11, P)
    fund : (5, P)
    market : (H, P)
        What the market gained from the accounts.
    sold : (A, P)
        Coins sold to the market in the step, net.
    """

    start: np.ndarray
    state: np.ndarray
    touched: np.ndarray
    status: np.ndarray
    liquidated: np.ndarray
    kind: np.ndarray
    entry: np.ndarray
    asset: np.ndarray
    settle: np.ndarray
    inverse: np.ndarray
    present: np.ndarray
    taken: np.ndarray
    terms: np.ndarray
    sums: np.ndarray
    fund: np.ndarray
    market: np.ndarray
    sold: np.ndarray


class Now(NamedTuple):
    """The market at one step.

    Attributes
    ----------
    price : (H, P)
        USD of one unit of each holding, what funding has paid included.
    notional : (M, P)
        USD.
    need : (M, P)
        Maintenance requirement of one unit, USD.
    mark, spot : (A, P)
    depth : (2, A, P)
        Of book and pool, as `fill_cost` has it.
    """

    price: np.ndarray
    notional: np.ndarray
    need: np.ndarray
    mark: np.ndarray
    spot: np.ndarray
    depth: np.ndarray


@kernel(inline=True)
def _held(life, k, h, p):
    return life.state[k, h, p] if life.touched[k] else life.start[k, h]


@kernel
def _touch(life, k):
    if life.touched[k] == 0:
        life.touched[k] = 1
        for h in range(life.start.shape[1]):
            for p in range(life.state.shape[2]):
                life.state[k, h, p] = life.start[k, h]


@kernel
def account_figures(life, now, k, p):
    """(equity, maintenance requirement, gross notional) of account `k` on lane `p`."""
    first = life.start.shape[1] - now.need.shape[0]
    equity, need, gross = 0.0, 0.0, 0.0
    for h in range(life.start.shape[1]):
        x = _held(life, k, h, p)
        equity += x * now.price[h, p]
        if h >= first:
            need += abs(x) * now.need[h - first, p]
            gross += abs(x) * now.notional[h - first, p]
    return equity, need, gross


@kernel(inline=True)
def _is_short(equity, need):
    return need - equity > _SHARE * need + _DOLLAR


@kernel
def _orders(life, now, k, p, orders):
    """Notional to sell and to buy of each asset to close the whole account, into `orders` (2, A)."""
    orders[:, :] = 0.0
    first = life.start.shape[1] - now.need.shape[0]
    for m in range(now.need.shape[0]):
        x = life.state[k, first + m, p]
        orders[SELL if x > 0.0 else BUY, life.asset[m]] += abs(x) * now.notional[m, p]


@kernel
def _cost(life, now, p, where, orders, f):
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
def _largest_share(life, now, p, where, orders):
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
def _restoring_share(life, now, p, where, orders, most, equity, need, gross):
    """(share to close, whether it restores the requirement), at most `most`.

    The margin h(f) = E - cost(f) - fee f G - target (1 - f) R is concave: it rises up to the share where a further
    dollar costs what it frees, and crosses zero at most once on the way.
    """
    target, fee = life.terms[TARGET], life.terms[FEE]
    freed = target * need - fee * gross
    low, high = 0.0, most
    if freed < _cost(life, now, p, where, orders, most)[1]:
        for _ in range(60):
            middle = 0.5 * (low + high)
            if freed < _cost(life, now, p, where, orders, middle)[1]:
                high = middle
            else:
                low = middle
        most = low
    if equity - target * need + most * freed - _cost(life, now, p, where, orders, most)[0] < 0.0:
        return most, False
    f = 0.0
    for _ in range(60):
        # from the left the tangent of a concave function never oversteps the root
        cost, rate = _cost(life, now, p, where, orders, f)
        move = (target * need - equity - f * freed + cost) / (freed - rate)
        f = min(f + move, most)
        if not move > 1e-15 * f:
            break
    return f, True


@kernel
def _affordable_share(life, now, p, where, orders, most, room):
    """Largest share up to `most` that costs no more than `room`."""
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _cost(life, now, p, where, orders, middle)[0] > room:
            high = middle
        else:
            low = middle
    return low


@kernel
def _trade(life, now, k, p, m, units, cost):
    """Account `k` gives up `units` of instrument `m` to the market at the mark less `cost` USD."""
    first = life.start.shape[1] - now.need.shape[0]
    s = life.settle[m]
    paid = (units * now.price[first + m, p] - cost) / now.price[s, p]
    life.state[k, first + m, p] -= units
    life.market[first + m, p] += units
    life.state[k, s, p] += paid
    life.market[s, p] -= paid


@kernel
def _close(life, now, k, p, where, orders, f):
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
                    _trade(life, now, k, p, m, units if f >= 1.0 else f * units, cost * share)
            life.taken[where, side, a, p] = taken + fill_take(where, side, f * x, cost, life.terms[KEEP])
            life.sold[a, p] += (f if side == SELL else -f) * x / now.spot[a, p]
            total += cost
            volume += f * x
    return total, volume


@kernel(inline=True)
def _fund_left(life, p):
    return max(life.terms[START] + life.fund[FUND_IN, p] - life.fund[FUND_OUT, p], 0.0)


@kernel
def _first_in_line(life, now, k, p, m):
    """Account on the other side of instrument `m` that is deleveraged first; -1 where there is none."""
    first = life.start.shape[1] - now.need.shape[0]
    side = 1.0 if life.state[k, first + m, p] > 0.0 else -1.0
    mark = now.mark[life.asset[m], p]
    best, chosen = 0.0, -1
    for i in range(life.start.shape[0]):
        x = _held(life, i, first + m, p)
        if i == k or life.status[i, p] != OWN or x * side >= 0.0:
            continue
        equity, _, gross = account_figures(life, now, i, p)
        if equity <= _DOLLAR:
            continue
        entry = life.entry[i, m]
        rise = 1.0 - entry / mark if life.inverse[m] else mark / entry - 1.0
        score = rank_score(-side * rise, gross / equity)
        if chosen < 0 or score > best:
            best, chosen = score, i
    return chosen


@kernel
def _deleverage(life, now, k, p, owed):
    """Close the positions of `k` against ranked accounts; returns what is still owed."""
    first = life.start.shape[1] - now.need.shape[0]
    gross = account_figures(life, now, k, p)[2]
    if gross <= 0.0:
        return owed
    rate = owed / gross
    for m in range(now.need.shape[0]):
        while life.state[k, first + m, p] != 0.0:
            i = _first_in_line(life, now, k, p, m)
            if i < 0:
                break
            _touch(life, i)
            mine, theirs = life.state[k, first + m, p], life.state[i, first + m, p]
            units = mine if abs(mine) <= abs(theirs) else -theirs
            notional = abs(units) * now.notional[m, p]
            loss = min(rate * notional, account_figures(life, now, i, p)[0])
            # at the mark both give up what they hold; beside it the loss passes from one to the other
            _trade(life, now, k, p, m, units, 0.0)
            _trade(life, now, i, p, m, -units, 0.0)
            life.state[k, 0, p] += loss
            life.state[i, 0, p] -= loss
            owed -= loss
            life.sums[life.kind[i], ADL_VOLUME, p] += notional
            life.sums[life.kind[i], ADL_LOSS, p] += loss
            life.sums[life.kind[i], ADL_COUNT, p] += 1.0
    return max(owed, 0.0)


@kernel
def _socialise(life, now, k, p, owed):
    """Charge what `k` still owes to accounts with equity, in proportion to it; the venue bears the rest."""
    total = 0.0
    for i in range(life.start.shape[0]):
        if i != k and life.status[i, p] == OWN:
            total += max(account_figures(life, now, i, p)[0], 0.0)
    share = min(owed / total, 1.0) if total > 0.0 else 0.0
    charged = 0.0
    for i in range(life.start.shape[0]):
        if share > 0.0 and i != k and life.status[i, p] == OWN:
            charge = share * max(account_figures(life, now, i, p)[0], 0.0)
            if charge > 0.0:
                _touch(life, i)
                life.state[i, 0, p] -= charge
                life.sums[life.kind[i], SOCIALISED, p] += charge
                charged += charge
    # all of it was borne where there was equity for it: a difference is rounding, and stays where it is
    rest = owed - charged if share >= 1.0 or total <= 0.0 else 0.0
    life.fund[UNCOVERED, p] += rest
    life.state[k, 0, p] += charged + rest


@kernel
def _wind_up(life, now, k, p):
    """What an account that was taken over is worth goes to the fund, its coins sold at the index."""
    coins = now.spot.shape[0]
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


@kernel
def _resolve(life, now, k, p, orders):
    """Take one called account on one lane through the waterfall."""
    kind = life.kind[k]
    if life.status[k, p] == OWN:
        equity, need, _ = account_figures(life, now, k, p)
        if not _is_short(equity, need):
            # deleveraged against another since it was called
            return
        life.sums[kind, CALLS, p] += 1.0
    closed = 0.0
    exhausted = False
    for where in range(2):
        equity, need, gross = account_figures(life, now, k, p)
        if not life.present[where] or gross <= 0.0:
            continue
        _orders(life, now, k, p, orders)
        f = _largest_share(life, now, p, where, orders)
        restored = False
        if life.status[k, p] == OWN:
            f, restored = _restoring_share(life, now, p, where, orders, f, equity, need, gross)
        room = max(equity + _fund_left(life, p), 0.0)
        if _cost(life, now, p, where, orders, f)[0] > room:
            f, restored, exhausted = _affordable_share(life, now, p, where, orders, f, room), False, True
        if f * gross > _DOLLAR:
            cost, volume = _close(life, now, k, p, where, orders, f)
            fee = min(life.terms[FEE] * volume, max(equity - cost, 0.0))
            life.state[k, 0, p] -= fee
            life.fund[FUND_IN, p] += fee
            closed += volume
            life.sums[kind, VOLUME, p] += volume
            life.sums[kind, SLIPPAGE, p] += cost
            life.sums[kind, FEES, p] += fee
        if restored or exhausted:
            break
    equity = account_figures(life, now, k, p)[0]
    if equity < -_DOLLAR or exhausted:
        owed = max(-equity, 0.0)
        paid = min(owed, _fund_left(life, p))
        life.state[k, 0, p] += paid
        life.fund[FUND_OUT, p] += paid
        life.fund[NEED, p] = max(life.fund[NEED, p], life.fund[FUND_OUT, p] - life.fund[FUND_IN, p])
        life.sums[kind, SHORTFALL, p] += owed
        if life.status[k, p] == OWN:
            life.status[k, p] = TAKEN
            life.sums[kind, BANKRUPT, p] += 1.0
        if exhausted or paid < owed:
            life.fund[EXHAUSTED, p] = 1.0
            left = _deleverage(life, now, k, p, owed - paid if owed - paid > _DOLLAR else 0.0)
            if left > _DOLLAR:
                _socialise(life, now, k, p, left)
    if life.liquidated[k, p] == 0 and (closed > 0.0 or life.status[k, p] != OWN):
        life.liquidated[k, p] = 1
        life.sums[kind, LIQUIDATED, p] += 1.0
    if life.status[k, p] == TAKEN and account_figures(life, now, k, p)[2] <= 0.0:
        _wind_up(life, now, k, p)


@kernel
def _find(life, now, low, high, margin, ratio, found, head):
    """Chain the called accounts of each lane: `head` (P,) and `found` (K, P) hold 1 + the next account, 0 for none."""
    wide_vectors()
    first = life.start.shape[1] - now.need.shape[0]
    lanes = now.spot.shape[1]
    count = 0
    for k in range(life.start.shape[0]):
        if life.touched[k] == 0:
            bound = 0.0
            for h in range(life.start.shape[1]):
                x = life.start[k, h]
                bound += x * (low[h] if x > 0.0 else high[h])
                if h >= first:
                    bound -= abs(x) * high[h - first + life.start.shape[1]]
            # most accounts are safe at the worst prices of the whole block
            if bound >= 0.0:
                continue
            for p in range(lanes):
                margin[p] = life.start[k, 0]
            for h in range(1, life.start.shape[1]):
                x = life.start[k, h]
                if x != 0.0:
                    for p in range(lanes):
                        margin[p] += x * now.price[h, p]
                    if h >= first:
                        for p in range(lanes):
                            margin[p] -= abs(x) * now.need[h - first, p]
        else:
            for p in range(lanes):
                margin[p] = life.state[k, 0, p] - (1e300 if life.status[k, p] == TAKEN else 0.0)
            for h in range(1, life.start.shape[1]):
                for p in range(lanes):
                    margin[p] += life.state[k, h, p] * now.price[h, p]
                if h >= first:
                    for p in range(lanes):
                        margin[p] -= abs(life.state[k, h, p]) * now.need[h - first, p]
        below = 0
        for p in range(lanes):
            below += 1 if margin[p] < 0.0 else 0
        if below == 0:
            continue
        for p in range(lanes):
            if not margin[p] < 0.0:
                continue
            equity, need, _ = account_figures(life, now, k, p)
            if _is_short(equity, need) or life.status[k, p] == TAKEN:
                ratio[k, p] = equity / need if need > 0.0 else -np.inf
                found[k, p] = head[p]
                head[p] = k + 1
                count += 1
                _touch(life, k)
    return count


@kernel(scratch=True)
def live_one_step(life, now, ratio, found):
    """Call, liquidate and settle every account on every lane; returns how many (account, lane) pairs were called.

    `ratio` and `found` (K, P) are scratch.
    """
    accounts, holdings = life.start.shape
    instruments, lanes = now.need.shape
    low, high = np.empty(holdings + instruments), np.empty(holdings + instruments)
    for h in range(holdings + instruments):
        row = now.price[h] if h < holdings else now.need[h - holdings]
        lowest, highest = np.inf, -np.inf
        for p in range(lanes):
            # a failed path has no price and is never called
            lowest = row[p] if row[p] < lowest else lowest
            highest = row[p] if row[p] > highest else highest
        low[h], high[h] = lowest, highest
    margin = np.empty(lanes)
    head = np.zeros(lanes, np.int64)
    count = _find(life, now, low, high, margin, ratio, found, head)
    if count == 0:
        return 0
    queue = np.empty(accounts, np.int64)
    orders = np.empty((2, now.spot.shape[0]))
    for p in range(lanes):
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
        for j in range(n):
            _resolve(life, now, queue[j], p, orders)
    return count
