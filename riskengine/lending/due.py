"""Which loans a keeper may liquidate now, on all lanes of a block: the part of a step that every protocol shares.

A loan is liquidatable where its collateral, each token times its liquidation threshold, is worth less than its debt at
the protocol's oracle prices.  Its keeper arrives after a delay and only if the loan still is.  What happens then is the
protocol's own business: its ``lanes`` walk through the loans that are `ready`.

An exact tie counts as healthy: comparisons have a slack of 1e-12 of the compared value, so that the rounding of a
product cannot push a position across a boundary that it is on.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import Purpose, draw
from riskengine.vecmath import uniform

LESS = 1.0 - 1e-12
MORE = 1.0 + 1e-12

# positions in `sums`, accumulated per path
CALLS, NEW_LOANS, SEIZED, REPAID, DEFICIT, FEE, PROFIT, SKIPPED, RETURNED = range(9)


_PURPOSE = np.uint64(Purpose.KEEPER_DELAY)


@kernel(inline=True)
def arrival(step, loan, lane, clock):
    """Step at which a keeper comes to a loan that becomes liquidatable at `step`; `clock` is `Keeper.clock`'s."""
    least, beyond, keys, number, first_path, step_seconds = clock
    late = step + least
    if beyond.size > 0:
        word, _ = draw(first_path + lane, step * step_seconds, _PURPOSE, number[loan], keys[loan, 0], keys[loan, 1])
        u = uniform(word)
        k = 0
        while k < beyond.size and u < beyond[k]:
            k += 1
        late += k
    return late


# lanes that are passed over together
GROUP = 256


@kernel(inline=True)
def extremes(price, low, width, out):
    """Widen ``out[0]`` and ``out[1]`` to the lowest and highest `price` (R, P) of each token in lanes `low` on."""
    for r in range(price.shape[0]):
        own = price[r, low : low + width]
        least, most = out[0, r], out[1, r]
        for p in range(width):
            # comparisons with the NaN of a failed path are false: it liquidates nothing, so no bound need cover it
            least = own[p] if own[p] < least else least
            most = own[p] if own[p] > most else most
        out[0, r], out[1, r] = least, most


@kernel(inline=True)
def weigh(count, rows, weight, price, low, width, out):
    """Sum of `count` products of `weight` with rows `rows` of `price` (R, P) for `width` lanes from `low` on, into
    `out`; returns how many are negative.  One order of adding for any count."""
    below = 0
    w, a = weight[0], price[rows[0], low : low + width]
    if count == 1:
        for p in range(width):
            total = w * a[p]
            out[p] = total
            below += 1 if total < 0.0 else 0
        return below
    x, b = weight[1], price[rows[1], low : low + width]
    if count == 2:
        for p in range(width):
            total = w * a[p] + x * b[p]
            out[p] = total
            below += 1 if total < 0.0 else 0
        return below
    y, c = weight[2], price[rows[2], low : low + width]
    if count == 3:
        for p in range(width):
            total = w * a[p] + x * b[p] + y * c[p]
            out[p] = total
            below += 1 if total < 0.0 else 0
        return below
    z, d = weight[3], price[rows[3], low : low + width]
    for p in range(width):
        total = w * a[p] + x * b[p] + y * c[p] + z * d[p]
        out[p] = total
        below += 1 if total < 0.0 else 0
    for k in range(4, count):
        x, b = weight[k], price[rows[k], low : low + width]
        below = 0
        for p in range(width):
            total = out[p] + x * b[p]
            out[p] = total
            below += 1 if total < 0.0 else 0
    return below


@kernel
def find_due(
    step,
    keepers,
    start_collateral,
    start_debt,
    collateral,
    debt,
    touched,
    pending,
    due,
    ready,
    wake,
    indices,
    threshold,
    oracle,
    bounds,
    rows,
    weight,
    surplus,
):
    """Find every liquidatable (loan, path) and start or stop its keeper's clock.

    Rows of `collateral` and `debt` (L, R, P) hold a loan from its first call on: `touched` is 0 before
    (`start_collateral`, `start_debt` (L, R) hold on all lanes), 1 where the rows are filled and still equal on all
    lanes, 2 where they differ.  A loan below 2 is passed over on a group of lanes in one comparison where even the
    worst prices of the group keep it safe, and any loan before the step `wake` (L, G) of the group, where that is
    known.  `due` (L, P) receives the step at which a keeper is there by `keepers` (`Keeper.clock`), -1 for none;
    `ready` (L,) marks loans with a lane at which one is there now, whose rows are filled.  `bounds` (G, 2, R), `rows`
    (R,), `weight` (R,) and `surplus` (GROUP,) are room to work in.
    """
    wide_vectors()
    reserves, lanes = oracle.shape
    for g in range(bounds.shape[0]):
        for r in range(reserves):
            bounds[g, 0, r] = np.inf
            bounds[g, 1, r] = -np.inf
        extremes(oracle, g * GROUP, min(lanes, (g + 1) * GROUP) - g * GROUP, bounds[g])
    for loan in range(touched.size):
        ready[loan] = 0
        asleep = True
        for g in range(bounds.shape[0]):
            asleep = asleep and step < wake[loan, g]
        if asleep:
            continue
        count = 0
        if touched[loan] < 2:
            for r in range(reserves):
                held = start_collateral[loan, r] * indices[0, r] * threshold[r]
                weight[count] = held - start_debt[loan, r] * indices[1, r] * LESS
                if weight[count] != 0.0:
                    rows[count] = r
                    count += 1
            if count == 0:
                continue
        below = 0
        arrived = 0
        for g in range(bounds.shape[0]):
            if step < wake[loan, g]:
                continue
            low = g * GROUP
            width = min(lanes, low + GROUP) - low
            clock = due[loan, low : low + width]
            short = 0
            if touched[loan] < 2:
                bound = 0.0
                for k in range(count):
                    product = weight[k] * bounds[g, 0 if weight[k] > 0.0 else 1, rows[k]]
                    bound = product if k == 0 else bound + product
                if bound < 0.0:
                    short = weigh(count, rows, weight, oracle, low, width, surplus)
            else:
                for p in range(width):
                    surplus[p] = 0.0
                for r in range(reserves):
                    held = indices[0, r] * threshold[r]
                    owed = indices[1, r] * LESS
                    coins, price = collateral[loan, r, low : low + width], oracle[r, low : low + width]
                    if start_debt[loan, r] == 0.0:
                        # nobody borrows on the path: a reserve without debt at the start has none later
                        if start_collateral[loan, r] > 0.0:
                            for p in range(width):
                                surplus[p] += coins[p] * held * price[p]
                    else:
                        borrowed = debt[loan, r, low : low + width]
                        for p in range(width):
                            surplus[p] += (coins[p] * held - borrowed[p] * owed) * price[p]
                for p in range(width):
                    short += 1 if surplus[p] < 0.0 else 0
            if short == 0:
                if pending[loan] > 0:
                    for p in range(width):
                        clock[p] = -1
                continue
            if pending[loan] == 0:
                pending[loan] = 1
                for p in range(lanes):
                    due[loan, p] = -1
            below += short
            if keepers[1].size > 0:
                for p in range(width):
                    if surplus[p] < 0.0 and clock[p] < 0:
                        clock[p] = arrival(step, loan, low + p, keepers)
            here, there, none = np.int32(step), np.int32(step + keepers[0]), np.int32(-1)
            for p in range(width):
                waiting = clock[p] if clock[p] >= 0 else there
                clock[p] = waiting if surplus[p] < 0.0 else none
            for p in range(width):
                arrived += 1 if clock[p] >= 0 and clock[p] <= here else 0
        pending[loan] = 1 if below > 0 else 0
        if arrived == 0:
            continue
        ready[loan] = 1
        if touched[loan] == 0:
            touched[loan] = 1
            for r in range(reserves):
                for q in range(lanes):
                    collateral[loan, r, q] = start_collateral[loan, r]
                    debt[loan, r, q] = start_debt[loan, r]


@kernel(inline=True)
def mark(loan, p, touched, owner, liquidated, sums):
    """Note that a call was made on `loan` at lane `p`: its rows differ now, and its borrower is liquidated."""
    touched[loan] = 2
    if liquidated[owner[loan], p] == 0:
        liquidated[owner[loan], p] = 1
        sums[NEW_LOANS, p] += 1.0
