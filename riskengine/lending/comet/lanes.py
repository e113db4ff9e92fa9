"""Compound v3 on lanes: the same rules as ``integer`` in float64, for blocks of paths.

Works in USD at oracle prices; reserves are base tokens.  Nobody pays an absorber: a keeper absorbs an account to buy
its collateral at the storefront's discount, so it absorbs where buying some of the account's most valuable collateral
pays the gas.  What is not bought then is inventory, which keepers buy when that pays.
"""

from riskengine.jit import kernel
from riskengine.lending.due import CALLS, DEFICIT, FEE, LESS, PROFIT, REPAID, RETURNED, SEIZED, SKIPPED, mark
from riskengine.lending.sale import CAPITAL, sale_range, sell

# rows of `parameters`: liquidate collateral factor, liquidation factor, storefront price as a share of the oracle's
LIQUIDATE, CREDIT, ASK = range(3)
# positions in `terms`
GAS, KEEP, TARGET = range(3)


@kernel(inline=True)
def buyable(c, p, held, base, parameters, reserve_asset, oracle, market, depth, outstanding, terms, sums):
    """Most coins of collateral `c`, of `held`, that a keeper buys and sells on without losing money; 0 for none."""
    # USD that a coin costs: base tokens are bought at their market price
    cost = parameters[ASK, c] * oracle[c, p] / oracle[base, p] * market[base, p]
    low, high = sale_range(c, p, cost, terms[GAS], market, reserve_asset, depth, outstanding, terms[KEEP])
    coins = min(min(held, high), (sums[CAPITAL, p] - terms[GAS]) / cost)
    return coins if low <= high and coins >= low * LESS else 0.0


@kernel
def buy(
    c,
    p,
    coins,
    base,
    parameters,
    reserve_asset,
    oracle,
    market,
    depth,
    outstanding,
    sold,
    inventory,
    reserves,
    terms,
    sums,
):
    """A keeper buys `coins` of `c` from the inventory and sells them."""
    base_tokens = parameters[ASK, c] * oracle[c, p] / oracle[base, p] * coins
    left = inventory[c, p] - coins
    inventory[c, p] = left if left > inventory[c, p] * (1.0 - LESS) else 0.0
    reserves[p] += base_tokens
    got = sell(c, p, coins, market, reserve_asset, depth, outstanding, sold, terms[KEEP])
    spent = base_tokens * market[base, p]
    sums[CAPITAL, p] -= spent + terms[GAS]
    sums[PROFIT, p] += got - spent - terms[GAS]


@kernel
def absorb_account(
    loan,
    p,
    base,
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
    inventory,
    reserves,
    terms,
    sums,
):
    """Absorb one account, and buy some of its collateral, where that pays and the storefront will be open.

    Returns 1 where it was absorbed.
    """
    owed = debt[loan, base, p] * indices[1, base]
    credit = 0.0
    seized = 0.0
    kept = 0.0
    best = -1
    most = 0.0
    for c in range(collateral.shape[1]):
        value = collateral[loan, c, p] * oracle[c, p]
        if value > 0.0:
            seized += value
            credit += value * parameters[CREDIT, c]
            kept += value * (parameters[ASK, c] - parameters[CREDIT, c])
            if value > most:
                best, most = c, value
    paid_out = max(credit / oracle[base, p], owed)
    coins = 0.0
    if best >= 0 and reserves[p] - paid_out < terms[TARGET]:
        held = inventory[best, p] + collateral[loan, best, p]
        coins = buyable(best, p, held, base, parameters, reserve_asset, oracle, market, depth, outstanding, terms, sums)
    if coins <= 0.0:
        sums[SKIPPED, p] += 1.0
        return 0
    for c in range(collateral.shape[1]):
        inventory[c, p] += collateral[loan, c, p]
        collateral[loan, c, p] = 0.0
    debt[loan, base, p] = 0.0
    reserves[p] -= paid_out
    due = owed * oracle[base, p]
    sums[CALLS, p] += 1.0
    sums[SEIZED, p] += seized
    sums[REPAID, p] += min(due, credit)
    sums[RETURNED, p] += max(credit - due, 0.0)
    sums[DEFICIT, p] += max(due - credit, 0.0)
    sums[FEE, p] += kept
    buy(
        best,
        p,
        coins,
        base,
        parameters,
        reserve_asset,
        oracle,
        market,
        depth,
        outstanding,
        sold,
        inventory,
        reserves,
        terms,
        sums,
    )
    return 1


@kernel
def absorb_due(
    step,
    order,
    ready,
    due,
    touched,
    owner,
    liquidated,
    base,
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
    inventory,
    reserves,
    terms,
    sums,
):
    """Absorb every (loan, path) whose keeper has arrived, in `order`; then keepers buy from the inventory."""
    for k in range(order.size):
        loan = order[k]
        if ready[loan] == 0:
            continue
        for p in range(due.shape[1]):
            if due[loan, p] < 0 or due[loan, p] > step:
                continue
            made = absorb_account(
                loan,
                p,
                base,
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
                inventory,
                reserves,
                terms,
                sums,
            )
            if made > 0:
                mark(loan, p, touched, owner, liquidated, sums)
    for c in range(inventory.shape[0]):
        for p in range(due.shape[1]):
            if inventory[c, p] <= 0.0 or not reserves[p] < terms[TARGET]:
                continue
            coins = buyable(
                c,
                p,
                inventory[c, p],
                base,
                parameters,
                reserve_asset,
                oracle,
                market,
                depth,
                outstanding,
                terms,
                sums,
            )
            if coins > 0.0:
                buy(
                    c,
                    p,
                    coins,
                    base,
                    parameters,
                    reserve_asset,
                    oracle,
                    market,
                    depth,
                    outstanding,
                    sold,
                    inventory,
                    reserves,
                    terms,
                    sums,
                )
