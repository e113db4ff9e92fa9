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


@kernel(scratch=True)
def find_due(
    step,
    clock,
    start_collateral,
    start_debt,
    collateral,
    debt,
    touched,
    pending,
    due,
    ready,
    indices,
    threshold,
    oracle,
    surplus,
):
    """Find every liquidatable (loan, path) and start or stop its keeper's clock.

    Rows of `collateral` and `debt` (L, R, P) hold a loan from its first call on: `touched` is 0 before
    (`start_collateral`, `start_debt` (L, R) hold on all lanes), 1 where the rows are filled and still equal on all
    lanes, 2 where they differ.  A loan below 2 is passed over in one comparison where even the worst prices of the
    block keep it safe.  `due` (L, P) receives the step at which a keeper is there by `clock` (`Keeper.clock`), -1 for
    none; `ready` (L,) marks loans with a lane at which one is there now, whose rows are filled.
    """
    wide_vectors()
    reserves, lanes = oracle.shape
    lowest = np.empty(reserves)
    highest = np.empty(reserves)
    weight = np.empty(reserves)
    for r in range(reserves):
        low = np.inf
        high = -np.inf
        for p in range(lanes):
            # comparisons with the NaN of a failed path are false: it liquidates nothing, so no bound need cover it
            low = oracle[r, p] if oracle[r, p] < low else low
            high = oracle[r, p] if oracle[r, p] > high else high
        lowest[r] = low
        highest[r] = high
    for loan in range(touched.size):
        ready[loan] = 0
        if touched[loan] < 2:
            bound = 0.0
            for r in range(reserves):
                held = start_collateral[loan, r] * indices[0, r] * threshold[r]
                weight[r] = held - start_debt[loan, r] * indices[1, r] * LESS
                bound += weight[r] * (lowest[r] if weight[r] > 0.0 else highest[r])
            if bound >= 0.0 and pending[loan] == 0:
                continue
            for p in range(lanes):
                surplus[p] = weight[0] * oracle[0, p]
            for r in range(1, reserves):
                w = weight[r]
                if w != 0.0:
                    for p in range(lanes):
                        surplus[p] += w * oracle[r, p]
        else:
            for p in range(lanes):
                surplus[p] = 0.0
            for r in range(reserves):
                held = indices[0, r] * threshold[r]
                owed = indices[1, r] * LESS
                if start_debt[loan, r] == 0.0:
                    # nobody borrows on the path: a reserve without debt at the start has none later
                    if start_collateral[loan, r] > 0.0:
                        for p in range(lanes):
                            surplus[p] += collateral[loan, r, p] * held * oracle[r, p]
                else:
                    for p in range(lanes):
                        surplus[p] += (collateral[loan, r, p] * held - debt[loan, r, p] * owed) * oracle[r, p]
        below = 0
        for p in range(lanes):
            below += 1 if surplus[p] < 0.0 else 0
        if pending[loan] == 0:
            if below == 0:
                continue
            for p in range(lanes):
                due[loan, p] = -1
        pending[loan] = 1 if below > 0 else 0
        if clock[1].size > 0:
            for p in range(lanes):
                if surplus[p] < 0.0 and due[loan, p] < 0:
                    due[loan, p] = arrival(step, loan, p, clock)
        arrived = 0
        for p in range(lanes):
            waiting = due[loan, p] if due[loan, p] >= 0 else np.int32(step + clock[0])
            due[loan, p] = waiting if surplus[p] < 0.0 else np.int32(-1)
            arrived += 1 if surplus[p] < 0.0 and waiting <= step else 0
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
