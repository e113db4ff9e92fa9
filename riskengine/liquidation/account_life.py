"""Account life on lanes: margin call, partial liquidation, execution, insurance fund, deleveraging, socialised loss.

An account holds USD, coins and positions; with prices V per unit, requirement m per unit and side, notional g per unit,

    E = sum_h x_h V_h,   R = sum_j |x_j| m_j,   G = sum_j |x_j| g_j.

In every step the accounts that the fund took over and those with E < R are called, the former first, then the lowest
E / R, ties by name, and each goes through the whole waterfall:

1. Close the share f of every position that restores the requirement at the price that the sale itself makes:
   E - cost(f) - fee f G = target (1 - f) R.  The book is asked first, then the pool (`riskengine.liquidity.execution`),
   then a maker of options, for the share of the options alone that does the same (`liquidity.option_maker`).
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

import numpy as np

from riskengine.jit import kernel
from riskengine.liquidation.margin_calls import called_accounts, line_up
from riskengine.liquidation.partial_sale import (
    affordable_share,
    ask_maker,
    close_orders,
    close_share,
    largest_share,
    restoring_share,
    sell_to_maker,
    share_cost,
)  # fmt: skip
from riskengine.liquidation.venue_losses import deleverage, socialise, wind_up
from riskengine.liquidation.venue_state import (
    BANKRUPT,
    CALLS,
    DOLLAR,
    EXHAUSTED,
    FEE,
    FEES,
    FUND_IN,
    OWN,
    SHORTFALL,
    SLIPPAGE,
    TAKEN,
    TARGET,
    VOLUME,
    account_figures,
    draw_on_fund,
    fund_left,
    is_short,
    note_liquidated,
)  # fmt: skip
from riskengine.liquidity.execution import MAKER


@kernel
def _resolve(life, now, k, p, orders, asked):
    """Take one called account on one lane through the waterfall."""
    kind = life.kind[k]
    if life.status[k, p] == OWN:
        equity, need, _ = account_figures(life, now, k, p)
        if not is_short(equity, need):
            # deleveraged against another since it was called
            return
        life.sums[kind, CALLS, p] += 1.0
    closed = 0.0
    exhausted = False
    for where in range(life.present.size):
        equity, need, gross = account_figures(life, now, k, p)
        if not life.present[where] or gross <= 0.0:
            continue
        quoted, left = orders, equity
        if where == MAKER:
            # equity less what the perpetuals left must keep: the rule for options alone
            quoted, left = asked, equity - life.terms[TARGET] * need
            need, gross = ask_maker(life, now, k, p, asked)
            left += life.terms[TARGET] * need
            if gross <= 0.0:
                continue
        else:
            close_orders(life, now, k, p, orders)
        depth, taken = now.depth[where, :, p], life.taken[where, :, :, p]
        f = largest_share(where, quoted, depth, taken, life.quote, life.terms)
        restored = False
        if life.status[k, p] == OWN:
            f, restored = restoring_share(where, quoted, depth, taken, life.quote, life.terms, f, left, need, gross)
        if f * gross <= DOLLAR:
            continue
        room = max(equity + fund_left(life, p), 0.0)
        if where == MAKER and room < DOLLAR:
            # an option without vega costs next to nothing to close: rounding must not pay for it
            room = 0.0
        if share_cost(where, quoted, depth, taken, life.quote, life.terms, f)[0] > room:
            f = affordable_share(where, quoted, depth, taken, life.quote, life.terms, f, room)
            restored, exhausted = False, True
        if f * gross > DOLLAR:
            if where == MAKER:
                cost, volume = sell_to_maker(life, now, k, p, asked, f)
            else:
                cost, volume = close_share(life, now, k, p, where, orders, f)
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
    if equity < -DOLLAR or exhausted:
        owed = max(-equity, 0.0)
        left = draw_on_fund(life, k, p, owed)
        life.sums[kind, SHORTFALL, p] += owed
        if life.status[k, p] == OWN:
            life.status[k, p] = TAKEN
            life.sums[kind, BANKRUPT, p] += 1.0
        if exhausted or left > 0.0:
            life.fund[EXHAUSTED, p] = 1.0
            socialise(life, now, k, p, deleverage(life, now, k, p, left if left > DOLLAR else 0.0))
    if closed > 0.0 or life.status[k, p] != OWN:
        note_liquidated(life, k, p)
    if life.status[k, p] == TAKEN and account_figures(life, now, k, p)[2] <= 0.0:
        wind_up(life, now, k, p)


@kernel(scratch=True)
def live_one_step(life, now, ratio, found):
    """Call, liquidate and settle every account on every lane; returns how many (account, lane) pairs were called.

    `ratio` and `found` (K, P) are scratch.
    """
    head, count = called_accounts(life, now, ratio, found)
    if count == 0:
        return 0
    queue = np.empty(life.start.shape[0], np.int64)
    orders, asked = np.empty((2, life.quote.shape[1])), np.empty((4, life.sold.shape[0]))
    for p in range(life.sold.shape[1]):
        for j in range(line_up(ratio, found, head, p, queue)):
            _resolve(life, now, queue[j], p, orders, asked)
    return count
