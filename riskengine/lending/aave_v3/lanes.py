"""Aave v3 on lanes: the same rules as ``integer`` in float64, for blocks of paths.

Works in USD at oracle prices.  Every comparison that the contract makes on integers is made here with a slack of
1e-12 of the compared value, towards the side an exact tie falls on: a position exactly at a boundary (health factor
0.95, 2,000 of debt, 1,000 left over) must not be pushed across it by the rounding of a product.
"""

from riskengine.jit import kernel
from riskengine.lending.due import DEFICIT, LESS, MORE, SKIPPED, mark
from riskengine.lending.sale import CAPITAL, REPAID_OF, sale_range, settle

# positions in `terms`; the last two are 0 and 1 but for Aave v2, whose close factor is one of the reserve's own debt,
# and which writes nothing off
CLOSE_FACTOR, FULL_CLOSE_HEALTH, FULL_CLOSE_BELOW, MIN_LEFTOVER, GAS, KEEP, OF_RESERVE, WRITES_OFF = range(8)


@kernel(inline=True)
def closable(terms, weighted, total_debt, collateral, debt):
    """Debt (USD) the close factor allows one call to repay on a pair of reserves holding `collateral` and `debt`.

    `weighted` is the account's threshold-weighted collateral: health factor times `total_debt`.
    """
    cap = terms[CLOSE_FACTOR] * (debt if terms[OF_RESERVE] > 0.0 else total_debt)
    limited = (
        collateral >= terms[FULL_CLOSE_BELOW] * LESS
        and debt >= terms[FULL_CLOSE_BELOW] * LESS
        and weighted > terms[FULL_CLOSE_HEALTH] * total_debt * MORE
        and debt > cap * MORE
    )
    return cap if limited else debt


@kernel(inline=True)
def leaves_dust(terms, collateral, debt, bonus, repaid):
    """Whether repaying `repaid` leaves something on both sides and too little on one."""
    both = repaid < debt * LESS and repaid * bonus < collateral * LESS
    least = terms[MIN_LEFTOVER] * LESS
    return both and (debt - repaid < least or collateral - repaid * bonus < least)


@kernel
def liquidation_call_lanes(
    collateral, debt, threshold, bonus, fee_share, price, terms, collateral_at, debt_at, cover, out, deficit
):
    """One liquidation call per lane on the pair (`collateral_at`, `debt_at`); nothing is changed.

    `collateral`, `debt`, `price` are (R, P), whole tokens and USD; `threshold`, `bonus` (1.05), `fee_share` are (R,);
    `cover` (P,) tokens.  Rows of `out` (6, P): health factor, largest debt allowed, debt repaid, collateral to the
    liquidator, treasury's fee (tokens), and 1 where the call reverts for dust, 2 where the account is healthy.
    `deficit` (R, P) receives the tokens written off.
    """
    reserves, lanes = collateral.shape
    for p in range(lanes):
        weighted = 0.0
        total_collateral = 0.0
        total_debt = 0.0
        for r in range(reserves):
            value = collateral[r, p] * price[r, p]
            weighted += value * threshold[r]
            total_collateral += value
            total_debt += debt[r, p] * price[r, p]
            deficit[r, p] = 0.0
        held = collateral[collateral_at, p] * price[collateral_at, p]
        owed = debt[debt_at, p] * price[debt_at, p]
        allowed = closable(terms, weighted, total_debt, held, owed)
        repaid = min(cover[p] * price[debt_at, p], allowed)
        seized = repaid * bonus[collateral_at]
        if seized > held * LESS:
            seized = held
            repaid = min(repaid, held / bonus[collateral_at])
        fee = seized * (1.0 - 1.0 / bonus[collateral_at]) * fee_share[collateral_at]
        state = 0.0
        if weighted >= total_debt * LESS:
            state = 2.0
        elif leaves_dust(terms, held, owed, bonus[collateral_at], repaid):
            state = 1.0
        elif terms[WRITES_OFF] > 0.0 and seized >= total_collateral * LESS:
            for r in range(reserves):
                deficit[r, p] = debt[r, p]
            deficit[debt_at, p] = max(owed - repaid, 0.0) / price[debt_at, p]
        out[0, p] = weighted / total_debt
        out[1, p] = allowed / price[debt_at, p]
        out[2, p] = repaid / price[debt_at, p]
        out[3, p] = (seized - fee) / price[collateral_at, p]
        out[4, p] = fee / price[collateral_at, p]
        out[5, p] = state


@kernel
def liquidate_account(
    loan,
    p,
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
    """Call one account up to `calls` times while it is liquidatable and a call pays; returns the calls made.

    Each call takes the pair of reserves and the amount that repay most; results go to `sums` (K, P), `sold` and
    `outstanding` (A, P), and the scaled balances `collateral`, `debt` (L, R, P).
    """
    reserves = collateral.shape[1]
    made = 0
    for _ in range(calls):
        weighted = 0.0
        total_debt = 0.0
        for r in range(reserves):
            weighted += collateral[loan, r, p] * indices[0, r] * oracle[r, p] * parameters[0, r]
            total_debt += debt[loan, r, p] * indices[1, r] * oracle[r, p]
        if weighted >= total_debt * LESS:
            break
        best = 0.0
        best_collateral = 0
        best_debt = 0
        for c in range(reserves):
            held = collateral[loan, c, p] * indices[0, c] * oracle[c, p]
            # a token with threshold 0 is not enabled as collateral
            if held <= 0.0 or parameters[0, c] <= 0.0:
                continue
            bonus = parameters[1, c]
            # coins a liquidator receives for 1 USD of debt repaid, and what those cost at market prices
            coins = (bonus - (bonus - 1.0) * parameters[2, c]) / oracle[c, p]
            for d in range(reserves):
                owed = debt[loan, d, p] * indices[1, d] * oracle[d, p]
                if owed <= 0.0:
                    continue
                cost = market[d, p] / oracle[d, p] / coins
                low, high = sale_range(c, p, cost, terms[GAS], market, reserve_asset, depth, outstanding, terms[KEEP])
                x = min(closable(terms, weighted, total_debt, held, owed), held / bonus)
                x = min(x, high / coins)
                x = min(x, (sums[CAPITAL, p] - terms[GAS]) / (cost * coins))
                if leaves_dust(terms, held, owed, bonus, x):
                    # the caller offers less, so that just enough stays
                    x = min(x, min(owed - terms[MIN_LEFTOVER], (held - terms[MIN_LEFTOVER]) / bonus))
                if low <= high and x * coins >= low * LESS and x > best * MORE:
                    best, best_collateral, best_debt = x, c, d
        if best <= 0.0:
            # debt without collateral stands for ever where nobody writes it off: no keeper comes
            if made == 0 and (weighted > 0.0 or terms[WRITES_OFF] > 0.0):
                sums[SKIPPED, p] += 1.0
            break
        made += 1
        bonus = parameters[1, best_collateral]
        settle(
            loan,
            p,
            best_collateral,
            best_debt,
            best * bonus,
            best,
            1.0 - 1.0 / bonus,
            parameters[2, best_collateral],
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
            left += collateral[loan, r, p] if parameters[0, r] > 0.0 else 0.0
        if left <= 0.0 and terms[WRITES_OFF] > 0.0:
            for r in range(reserves):
                lost = debt[loan, r, p] * indices[1, r] * oracle[r, p]
                sums[DEFICIT, p] += lost
                if sums.shape[0] > REPAID_OF + reserves:
                    sums[REPAID_OF + reserves + r, p] += lost
                debt[loan, r, p] = 0.0
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
    """Call every (loan, path) whose keeper has arrived, in `order`."""
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
