"""Euler v2 on lanes: the same rules as ``integer`` in float64, for blocks of paths.

Works in USD at oracle prices.  The discount factor max(score, 1 - largest discount) is that of the account at the
moment of the call: just below health 1 there is next to nothing to earn, so keepers wait until the discount pays.
"""

from riskengine.jit import kernel
from riskengine.lending.due import DEFICIT, LESS, MORE, SKIPPED, mark
from riskengine.lending.sale import CAPITAL, sale_range, settle

# positions in `terms`
GAS, KEEP, LEAST_FACTOR = range(3)


@kernel
def liquidate_account(
    loan,
    p,
    d,
    collateral,
    debt,
    indices,
    threshold,
    reserve_asset,
    oracle,
    market,
    depth,
    outstanding,
    sold,
    terms,
    calls,
    sums,
):
    """Liquidate one account with debt `d` while its score is below 1 and a call pays; returns the calls made.

    Each call takes the collateral and the amount that repay most.
    """
    reserves = collateral.shape[1]
    made = 0
    for _ in range(calls):
        weighted = 0.0
        for r in range(reserves):
            weighted += collateral[loan, r, p] * oracle[r, p] * threshold[r]
        owed = debt[loan, d, p] * indices[1, d] * oracle[d, p]
        if weighted >= owed * LESS:
            break
        factor = max(weighted / owed, terms[LEAST_FACTOR])
        best = 0.0
        c = -1
        for r in range(reserves):
            held = collateral[loan, r, p] * oracle[r, p]
            if held <= 0.0:
                continue
            # coins for 1 USD of debt repaid, and what those cost at market prices
            coins = 1.0 / (factor * oracle[r, p])
            cost = market[d, p] / oracle[d, p] / coins
            low, high = sale_range(r, p, cost, terms[GAS], market, reserve_asset, depth, outstanding, terms[KEEP])
            x = min(min(owed, held * factor), high / coins)
            x = min(x, (sums[CAPITAL, p] - terms[GAS]) / (cost * coins))
            if low <= high and x * coins >= low * LESS and x > best * MORE:
                best, c = x, r
        if best <= 0.0:
            if made == 0:
                sums[SKIPPED, p] += 1.0
            break
        made += 1
        settle(
            loan,
            p,
            c,
            d,
            best / factor,
            best,
            0.0,
            0.0,
            collateral,
            debt,
            indices,
            oracle,
            market,
            reserve_asset,
            depth,
            outstanding,
            sold,
            terms[KEEP],
            terms[GAS],
            sums,
        )
        left = 0.0
        for r in range(reserves):
            left += collateral[loan, r, p]
        if left <= 0.0:
            sums[DEFICIT, p] += debt[loan, d, p] * indices[1, d] * oracle[d, p]
            debt[loan, d, p] = 0.0
            break
    return made


@kernel
def liquidate_due(
    step,
    order,
    ready,
    due,
    touched,
    owner,
    liquidated,
    d,
    collateral,
    debt,
    indices,
    threshold,
    reserve_asset,
    oracle,
    market,
    depth,
    outstanding,
    sold,
    terms,
    calls,
    sums,
):
    """Liquidate every (account, path) whose keeper has arrived, in `order`; debt is in column `d`."""
    for k in range(order.size):
        loan = order[k]
        if ready[loan] == 0:
            continue
        for p in range(due.shape[1]):
            if due[loan, p] < 0 or due[loan, p] > step:
                continue
            made = liquidate_account(
                loan,
                p,
                d,
                collateral,
                debt,
                indices,
                threshold,
                reserve_asset,
                oracle,
                market,
                depth,
                outstanding,
                sold,
                terms,
                calls,
                sums,
            )
            if made > 0:
                mark(loan, p, touched, owner, liquidated, sums)
