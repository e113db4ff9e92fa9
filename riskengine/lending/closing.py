"""Where a block's loans stand at given prices: sums over loans, lane by lane, without an array of loans by lanes.

Sums are taken loan after loan, so that their bits do not depend on how lanes are split.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.lending.due import GROUP, LESS

if TYPE_CHECKING:
    from riskengine.lending.block_market import BookState

# rows of `totals`
HELD, OWED, CAPACITY, SHORTFALL, BELOW, MISSING = range(6)


@kernel(inline=True)
def worth(loan, start, lanes, filled, price, low, width, out):
    """Value of a loan's balances at `price` (R, P) in `width` lanes from `low` on, into `out`."""
    for r in range(price.shape[0]):
        own = price[r, low : low + width]
        if filled:
            balance = lanes[loan, r, low : low + width]
            if r == 0:
                for p in range(width):
                    out[p] = balance[p] * own[p]
            else:
                for p in range(width):
                    out[p] += balance[p] * own[p]
        else:
            amount = start[loan, r]
            if r == 0:
                for p in range(width):
                    out[p] = amount * own[p]
            else:
                for p in range(width):
                    out[p] += amount * own[p]


@kernel
def stand(
    start_collateral, start_debt, collateral, debt, touched, enabled, owing, lendable, weighted, totals, coins, room
):  # fmt: skip
    """Add to `totals` (6, P) what all loans hold, owe, could borrow, fall short by, and how many are below health 1;
    to `coins` (R, P) the collateral of the latter, scaled.

    `enabled`, `owing`, `lendable` and `weighted` (R, P) are prices times the index, with the LTV or the liquidation
    threshold in the last two; `room` (4, GROUP) is room to work in.
    """
    wide_vectors()
    tokens, lanes = enabled.shape
    held, owed, lend, safe = room[0], room[1], room[2], room[3]
    for low in range(0, lanes, GROUP):
        width = min(GROUP, lanes - low)
        all_held, all_owed = totals[HELD, low : low + width], totals[OWED, low : low + width]
        capacity, shortfall = totals[CAPACITY, low : low + width], totals[SHORTFALL, low : low + width]
        below = totals[BELOW, low : low + width]
        for loan in range(touched.size):
            filled = touched[loan] > 0
            worth(loan, start_collateral, collateral, filled, enabled, low, width, held)
            worth(loan, start_debt, debt, filled, owing, low, width, owed)
            worth(loan, start_collateral, collateral, filled, lendable, low, width, lend)
            worth(loan, start_collateral, collateral, filled, weighted, low, width, safe)
            for p in range(width):
                all_held[p] += held[p]
                all_owed[p] += owed[p]
                capacity[p] += lend[p]
                gap = owed[p] - held[p]
                # the NaN of a failed path stays one
                shortfall[p] += 0.0 if gap <= 0.0 else gap
            number = 0
            for p in range(width):
                short = (owed[p] > 0.0) & (safe[p] / owed[p] < LESS)
                safe[p] = 1.0 if short else 0.0
                number += 1 if short else 0
            if number == 0:
                continue
            for p in range(width):
                below[p] += safe[p]
            for r in range(tokens):
                out = coins[r, low : low + width]
                if filled:
                    balance = collateral[loan, r, low : low + width]
                    for p in range(width):
                        out[p] += balance[p] if safe[p] > 0.0 else 0.0
                else:
                    amount = start_collateral[loan, r]
                    for p in range(width):
                        out[p] += amount if safe[p] > 0.0 else 0.0


@kernel
def sell(
    start_collateral, start_debt, collateral, debt, touched, enabled, owing, weighted, fetched, totals, room
):  # fmt: skip
    """Add to ``totals[MISSING]`` by how much more the loans below health 1 fall short at the prices `fetched` (R, P)
    than at those of `enabled`; arguments as of `stand`."""
    wide_vectors()
    lanes = enabled.shape[1]
    held, owed, sold, safe = room[0], room[1], room[2], room[3]
    for low in range(0, lanes, GROUP):
        width = min(GROUP, lanes - low)
        missing = totals[MISSING, low : low + width]
        for loan in range(touched.size):
            filled = touched[loan] > 0
            worth(loan, start_debt, debt, filled, owing, low, width, owed)
            worth(loan, start_collateral, collateral, filled, weighted, low, width, safe)
            number = 0
            for p in range(width):
                number += 1 if (owed[p] > 0.0) & (safe[p] / owed[p] < LESS) else 0
            if number == 0:
                continue
            worth(loan, start_collateral, collateral, filled, enabled, low, width, held)
            worth(loan, start_collateral, collateral, filled, fetched, low, width, sold)
            for p in range(width):
                gap, more = owed[p] - held[p], owed[p] - sold[p]
                extra = (0.0 if more <= 0.0 else more) - (0.0 if gap <= 0.0 else gap)
                missing[p] += extra if (owed[p] > 0.0) & (safe[p] / owed[p] < LESS) else 0.0


def figures(
    state: "BookState", price: Floats, inventory: Floats, fetched: Callable[[Floats], Floats]
) -> dict[str, Floats]:
    """What `BlockMarket.close` reports.

    Parameters
    ----------
    state : BookState
    price : ndarray, shape (R, P)
        USD of each token.
    inventory : ndarray, shape (R, P) or broadcast to it
        Coins that the protocol took over and has not sold.
    fetched : callable
        USD that each coin brings where so many (R, P) are sold at once.
    """
    enabled = state.indices[0] * (state.parameters[0] > 0)
    owing = state.indices[1][:, None] * price
    weighted = (state.indices[0] * state.parameters[0])[:, None] * price
    lendable = (state.indices[0] * state.ltv)[:, None] * price
    book = state.start_collateral, state.start_debt, state.collateral_lanes, state.debt_lanes, state.touched
    totals, below, room = np.zeros((6, price.shape[1])), np.zeros_like(price), np.empty((4, GROUP))
    held = enabled[:, None] * price
    stand(*book, held, owing, lendable, weighted, totals, below, room)
    # what is no collateral waits for nobody
    waiting = below * state.indices[0][:, None] * (state.parameters[0] > 0)[:, None]
    paid = fetched(waiting + inventory)
    sell(*book, held, owing, weighted, enabled[:, None] * paid, totals, room)
    missing = totals[MISSING]
    for coins, each, got in zip(inventory, price, paid, strict=True):
        missing = missing + coins * (each - got)
    reacted = state.own.get("reacted")
    return {
        "residual_shortfall": totals[SHORTFALL],
        "deficit": state.deficit_usd.copy(),
        "bad_debt": state.deficit_usd + totals[SHORTFALL],
        "liquidatable": totals[BELOW],
        "liquidated_loans": state.liquidated.sum(axis=0, dtype=np.float64),
        "collateral": totals[HELD],
        "debt": totals[OWED],
        "borrow_capacity": state.borrow_capacity.copy(),
        "borrow_capacity_at_close": totals[CAPACITY],
        "initially_liquidatable": state.initially_liquidatable.copy(),
        "inventory_result": np.zeros_like(totals[SHORTFALL]),
        "sale_loss": missing,
    } | ({} if reacted is None else {"reacting_borrowers": reacted.sum(axis=0, dtype=np.float64)})
