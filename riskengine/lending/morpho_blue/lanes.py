"""Morpho Blue on lanes: the same rules as ``integer`` in float64, for blocks of paths.

Works in USD at oracle prices.  A position is one collateral against one debt; there is no close factor and no dust
rule.  Debt that is left when the last collateral is seized is taken from suppliers in the same call.
"""

from riskengine.jit import kernel
from riskengine.lending.due import DEFICIT, LESS, SKIPPED, mark
from riskengine.lending.sale import CAPITAL, sale_range, settle

# rows of `parameters`: LLTV, incentive factor (1.05)
LLTV, INCENTIVE = range(2)
# positions in `terms`
GAS, KEEP = range(2)


@kernel
def liquidate_position(
    loan,
    p,
    c,
    d,
    collateral,
    debt,
    indices,
    parameters,
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
    """Liquidate one position, collateral `c` against debt `d`, while it is unhealthy and a call pays; calls made."""
    made = 0
    incentive = parameters[INCENTIVE, c]
    # coins for 1 USD of debt repaid, and what those cost at market prices
    coins = incentive / oracle[c, p]
    cost = market[d, p] / oracle[d, p] / coins
    for _ in range(calls):
        held = collateral[loan, c, p] * oracle[c, p]
        owed = debt[loan, d, p] * indices[1, d] * oracle[d, p]
        if held * parameters[LLTV, c] >= owed * LESS:
            break
        low, high = sale_range(c, p, cost, terms[GAS], market, reserve_asset, depth, outstanding, terms[KEEP])
        x = min(min(owed, held / incentive), high / coins)
        x = min(x, (sums[CAPITAL, p] - terms[GAS]) / (cost * coins))
        if not (low <= high and x > 0.0 and x * coins >= low * LESS):
            if made == 0:
                sums[SKIPPED, p] += 1.0
            break
        made += 1
        settle(
            loan,
            p,
            c,
            d,
            x * incentive,
            x,
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
        if collateral[loan, c, p] <= 0.0:
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
    held_in,
    owed_in,
    collateral,
    debt,
    indices,
    parameters,
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
    """Liquidate every (position, path) whose keeper has arrived, in `order`; columns `held_in`, `owed_in` (L,)."""
    for k in range(order.size):
        loan = order[k]
        if ready[loan] == 0:
            continue
        for p in range(due.shape[1]):
            if due[loan, p] < 0 or due[loan, p] > step:
                continue
            made = liquidate_position(
                loan,
                p,
                held_in[loan],
                owed_in[loan],
                collateral,
                debt,
                indices,
                parameters,
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
