"""What a call does once its amount is known: balances move, and seized collateral is sold into the liquidity of the
asset it follows, at par where its price is fixed.

`market` holds the prices of the R tokens, (R, P).  Where one of them wraps others (`riskengine.lending.wrapping`) three
more blocks of R rows say what each is sold as: the price of a coin, how many coins a token is, and dollars at par.
"""

from riskengine.jit import kernel
from riskengine.lending.due import CALLS, FEE, LESS, PROFIT, REPAID, RETURNED, SEIZED
from riskengine.liquidity.constant_product import profitable_range
from riskengine.liquidity.sale_curve import curve_range, curve_sale

# row of `sums` behind those of `riskengine.lending.due`: USD that keepers have left, infinite without a limit
CAPITAL = RETURNED + 1
# from here on, where `sums` has rows for it: what keepers repaid of each token, USD, then what was written off
REPAID_OF = CAPITAL + 1


@kernel(inline=True)
def sale_range(c, p, cost, gas, market, reserve_asset, depth, outstanding, keep):
    """Smallest and largest sale of token `c` (coins) that pays `cost` USD a coin and `gas`; (1, 0) for none."""
    if market.shape[0] == reserve_asset.size:
        return coin_range(c, p, cost, gas, market[c, p], reserve_asset, depth, outstanding, keep)
    price, coins, dollars = sold_as(c, p, market, reserve_asset)
    if coins <= 0.0:
        # all of it is dollars
        spare = dollars - cost
        return (gas / spare, 1e300) if spare > 0.0 else (1.0, 0.0)
    # what the dollars leave for the coins to pay; next to nothing where they pay for all
    left = max((cost - dollars) / coins, 1e-9 * price)
    low, high = coin_range(c, p, left, gas, price, reserve_asset, depth, outstanding, keep)
    return low / coins, high / coins


@kernel(inline=True)
def sold_as(c, p, market, reserve_asset):
    """Price of a coin, coins and dollars that one token `c` is sold as."""
    tokens = reserve_asset.size
    return market[tokens + c, p], market[2 * tokens + c, p], market[3 * tokens + c, p]


@kernel(inline=True)
def coin_range(c, p, cost, gas, price, reserve_asset, depth, outstanding, keep):
    """As `sale_range`, of coins at market price `price`."""
    a = reserve_asset[c]
    # collateral of fixed price is not sold into a pool
    if depth.ndim == 1:
        deep = depth[a] if a >= 0 else 1e300
        before = outstanding[a, p] if a >= 0 else 0.0
        return profitable_range(cost, gas, price, deep, before, keep if a >= 0 else 1.0)
    if a < 0:
        return profitable_range(cost, gas, price, 1e300, 0.0, 1.0)
    return curve_range(depth, a, outstanding, p, cost, gas, price, keep)


@kernel(inline=True)
def sell(c, p, coins, market, reserve_asset, depth, outstanding, sold, keep):
    """USD paid for `coins` of token `c`; what is outstanding and the coins sold move with it."""
    a = reserve_asset[c]
    if a < 0:
        return coins * market[c, p]
    if market.shape[0] > reserve_asset.size:
        price, each, dollars = sold_as(c, p, market, reserve_asset)
        sold[a, p] += coins * each
        return curve_sale(depth, a, outstanding, p, coins * each, price, keep) + coins * dollars
    paid = curve_sale(depth, a, outstanding, p, coins, market[c, p], keep)
    sold[a, p] += coins
    return paid


@kernel(inline=True)
def settle(
    loan,
    p,
    c,
    d,
    seized,
    repaid,
    spread,
    share,
    collateral,
    debt,
    indices,
    oracle,
    market,
    reserve_asset,
    depth,
    outstanding,
    sold,
    keep,
    gas,
    sums,
):
    """A keeper repays `repaid` USD of debt in token `d` of a loan for `seized` USD of its collateral in token `c`.

    All that is there goes where an amount reaches it.  The protocol keeps `share` of the `spread` (the part of what is
    seized that is bonus); the keeper sells the rest.  What was done is added to `sums` (K, P).
    """
    held = collateral[loan, c, p] * indices[0, c] * oracle[c, p]
    owed = debt[loan, d, p] * indices[1, d] * oracle[d, p]
    if seized >= held * LESS:
        seized = held
        collateral[loan, c, p] = 0.0
    else:
        collateral[loan, c, p] -= seized / (indices[0, c] * oracle[c, p])
    if repaid >= owed * LESS:
        repaid = owed
        debt[loan, d, p] = 0.0
    else:
        debt[loan, d, p] -= repaid / (indices[1, d] * oracle[d, p])
    fee = seized * spread * share
    paid = sell(c, p, (seized - fee) / oracle[c, p], market, reserve_asset, depth, outstanding, sold, keep)
    spent = repaid * market[d, p] / oracle[d, p]
    sums[CAPITAL, p] -= spent + gas
    sums[CALLS, p] += 1.0
    sums[SEIZED, p] += seized
    sums[REPAID, p] += repaid
    if sums.shape[0] > REPAID_OF:
        sums[REPAID_OF + d, p] += repaid
    sums[FEE, p] += fee
    sums[PROFIT, p] += paid - spent - gas
