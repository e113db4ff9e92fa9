"""State of a venue on a block of paths, and the entries that every part of account life makes in it."""

from typing import NamedTuple

import numpy as np

from riskengine.jit import kernel

# rows of `Life.sums`, by kind of account
CALLS, LIQUIDATED, VOLUME, SLIPPAGE, FEES, BANKRUPT, SHORTFALL, ADL_VOLUME, ADL_LOSS, ADL_COUNT, SOCIALISED = range(11)
SUMS = 11
# rows of `Life.fund`
FUND_IN, FUND_OUT, NEED, EXHAUSTED, UNCOVERED = range(5)
# positions in `Life.terms`
TARGET, FEE, LIMIT, KEEP, START = range(5)
# positions in `Life.quote`; of the maker from the third on
SPREAD, REACH, MAKER_SPREAD, VEGA_LIMIT, VEGA_SLOPE, DELTA_LIMIT, DELTA_SLOPE = range(7)
# rows of `Life.made`
CHARGED, MADE = range(2)
# whose an account is; odd: it is taken in every step, whatever its margin
OWN, TAKEN, CLOSED, SOLVENT, INSOLVENT = 0, 1, 2, 3, 5

# equity may miss its requirement by rounding: this share of it and a millionth of a dollar, which is also nothing owed
SHARE, DOLLAR = 1e-12, 1e-6


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
        `OWN`, `TAKEN` over by the fund, `CLOSED`, or in a `SOLVENT` or `INSOLVENT` auction.
    liquidated : (K, P)
        1 once anything was closed; with auctions 2 once it was settled with a shortfall.
    kind : (K,)
    entry : (K, M)
        USD.
    asset, book, settle : (M,)
        Asset of each instrument; the liquidity it is sold to, of B; the holding in which it pays.
    inverse, ranked : (M,)
        Whether it is an inverse perpetual, and whether it can be deleveraged.
    present : (2,) or (3,)
        Whether there is a book, a pool, and a maker of options.
    quote : (2, B) or (7, B)
        Half-spread and reach of each book; how the maker quotes each asset.
    taken : (2, 2, B, P) or (3, 2, B, P)
        Liquidity used up, by kind and side, USD; vega and delta that the maker holds, by asset.
    made : (2, P)
        What the maker charged beside the mark, and the notional of options that it took, USD.
    inventory : (M, P) or (0, P)
        Units that the maker holds.
    terms : (5,)
    sums : (J, 11, P)
    fund : (5, P)
    market : (H, P)
        What the market gained from the accounts.
    sold : (A, P)
        Coins sold to the market in the step, net.
    closed : (A, P)
        Notional closed in the step, USD.
    """

    start: np.ndarray
    state: np.ndarray
    touched: np.ndarray
    status: np.ndarray
    liquidated: np.ndarray
    kind: np.ndarray
    entry: np.ndarray
    asset: np.ndarray
    book: np.ndarray
    settle: np.ndarray
    inverse: np.ndarray
    ranked: np.ndarray
    present: np.ndarray
    quote: np.ndarray
    taken: np.ndarray
    made: np.ndarray
    inventory: np.ndarray
    terms: np.ndarray
    sums: np.ndarray
    fund: np.ndarray
    market: np.ndarray
    sold: np.ndarray
    closed: np.ndarray


class Now(NamedTuple):
    """The market at one step.

    Attributes
    ----------
    price : (H, P)
        USD of one unit of each holding, what funding has paid included.
    notional : (M, P)
        USD.
    need : (2, M, P)
        Maintenance requirement of one unit held long, and held short, USD.
    delta : (M, P)
        Coins of its asset that one unit moves like.
    mark : (M, P)
    depth : (2, B, P) or (3, B, P)
        Of book and pool, as `fill_cost` has it; nothing for the maker.
    vega, exposure : (M, P) or (0, P)
        Of one unit of an option: USD per 1.00 of volatility, and delta in USD.
    """

    price: np.ndarray
    notional: np.ndarray
    need: np.ndarray
    delta: np.ndarray
    mark: np.ndarray
    depth: np.ndarray
    vega: np.ndarray
    exposure: np.ndarray


@kernel(inline=True)
def held(life, k, h, p):
    """Units of holding `h` of account `k` on lane `p`."""
    return life.state[k, h, p] if life.touched[k] else life.start[k, h]


@kernel
def touch(life, k):
    """Give account `k` rows of its own, which it shares with all lanes until something happens to it."""
    if life.touched[k] == 0:
        life.touched[k] = 1
        for h in range(life.start.shape[1]):
            for p in range(life.state.shape[2]):
                life.state[k, h, p] = life.start[k, h]


@kernel
def account_figures(life, now, k, p):
    """(equity, maintenance requirement, gross notional) of account `k` on lane `p`."""
    first = life.start.shape[1] - life.asset.size
    equity, need, gross = 0.0, 0.0, 0.0
    for h in range(life.start.shape[1]):
        x = held(life, k, h, p)
        equity += x * now.price[h, p]
        if h >= first:
            need += abs(x) * now.need[0 if x > 0.0 else 1, h - first, p]
            gross += abs(x) * now.notional[h - first, p]
    return equity, need, gross


@kernel(inline=True)
def bears_losses(status):
    """Whether an account is a trader's own, in an auction or not."""
    return status == OWN or status >= SOLVENT


@kernel(inline=True)
def is_short(equity, need):
    """Whether equity misses the requirement by more than rounding."""
    return need - equity > SHARE * need + DOLLAR


@kernel
def trade(life, now, k, p, m, units, cost):
    """Account `k` gives up `units` of instrument `m` to the market at the mark less `cost` USD."""
    first = life.start.shape[1] - life.asset.size
    s = life.settle[m]
    paid = (units * now.price[first + m, p] - cost) / now.price[s, p]
    life.state[k, first + m, p] -= units
    life.market[first + m, p] += units
    life.state[k, s, p] += paid
    life.market[s, p] -= paid


@kernel(inline=True)
def note_close(life, now, p, m, units):
    """Note that `units` of instrument `m` were closed in the step."""
    life.sold[life.asset[m], p] += units * now.delta[m, p]
    life.closed[life.asset[m], p] += abs(units) * now.notional[m, p]


@kernel(inline=True)
def note_liquidated(life, k, p):
    """Count account `k` among the liquidated, once."""
    if life.liquidated[k, p] == 0:
        life.liquidated[k, p] = 1
        life.sums[life.kind[k], LIQUIDATED, p] += 1.0


@kernel(inline=True)
def fund_left(life, p):
    """What the fund holds, USD."""
    return max(life.terms[START] + life.fund[FUND_IN, p] - life.fund[FUND_OUT, p], 0.0)


@kernel
def draw_on_fund(life, k, p, owed):
    """Pay account `k` what it owes from the fund; returns what the fund could not pay, which exhausts it."""
    paid = min(owed, fund_left(life, p))
    life.state[k, 0, p] += paid
    life.fund[FUND_OUT, p] += paid
    life.fund[NEED, p] = max(life.fund[NEED, p], life.fund[FUND_OUT, p] - life.fund[FUND_IN, p])
    if paid < owed:
        life.fund[EXHAUSTED, p] = 1.0
    return owed - paid
