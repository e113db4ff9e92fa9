"""Option values of every account under a grid of price and volatility moves, whatever the venue's rule for them.

    value[c, s] = sum over positions of q D_e Black(F_e x_s, K, v_{d(s)}),

x_s the factor on forwards in scenario s, v_d the total volatility of each option under volatility direction d, which
the model computes by its own rule.  Options are priced once per scenario and added by account, lanes innermost.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.pricing.black import black_forward, clip_total
from riskengine.vecmath import log

# lanes handled at once: the prices of a few dozen options stay in the first-level cache
_LANES = 128


@kernel
def _money(lo, n, strike, option_expiry, forward, totals, money, total, inverse):
    """ln(F / K), and total volatility with its inverse under each direction."""
    wide_vectors()
    for o in range(strike.size):
        e = option_expiry[o]
        log_strike = np.log(strike[o])
        for i in range(n):
            money[o, i] = log(forward[e, lo + i]) - log_strike
        for d in range(totals.shape[0]):
            for i in range(n):
                v = clip_total(totals[d, o, lo + i])
                total[d, o, i] = v
                inverse[d, o, i] = 1.0 / v


@kernel
def _price(lo, n, factor, strike, sign, option_expiry, discount, forward, money, total, inverse, price):
    """Price of each option with its forward moved by `factor`."""
    wide_vectors()
    shift = np.log(factor)
    for o in range(strike.size):
        e = option_expiry[o]
        k, s, rate = strike[o], sign[o], discount[e]
        for i in range(n):
            f = forward[e, lo + i] * factor
            price[o, i] = rate * black_forward(money[o, i] + shift, f, k, total[o, i], inverse[o, i], s)


@kernel
def _add(n, quantity, price, out):
    wide_vectors()
    for i in range(n):
        out[i] += quantity * price[i]


@kernel(scratch=True)
def grid_values(
    strike, sign, option_expiry, discount, forward, totals, factors, directions, offsets, column, quantity, out
):
    """Option value of every account under every scenario.

    Parameters
    ----------
    strike, sign : ndarray, shape (O,)
        USD; +1 call, -1 put.
    option_expiry : ndarray of int, shape (O,)
        Row of `discount` and `forward`.
    discount : ndarray, shape (E,)
    forward : ndarray, shape (E, P)
        USD.
    totals : ndarray, shape (D, O, P)
        sigma sqrt(tau) of each option under each volatility direction.
    factors : ndarray, shape (S,)
        Factor on every forward, positive.
    directions : ndarray of int, shape (S,)
        Row of `totals`.
    offsets, column, quantity : ndarray
        Compressed rows: account -> positions, by number of the option.
    out : ndarray, shape (C, S, P)
        Written: USD.
    """
    options, lanes = strike.size, forward.shape[1]
    money = np.empty((options, _LANES))
    total = np.empty((totals.shape[0], options, _LANES))
    inverse = np.empty((totals.shape[0], options, _LANES))
    price = np.empty((options, _LANES))
    for lo in range(0, lanes, _LANES):
        n = min(_LANES, lanes - lo)
        _money(lo, n, strike, option_expiry, forward, totals, money, total, inverse)
        for s in range(factors.size):
            d = directions[s]
            _price(lo, n, factors[s], strike, sign, option_expiry, discount, forward, money, total[d], inverse[d],
                   price)  # fmt: skip
            for c in range(out.shape[0]):
                row = out[c, s, lo : lo + n]
                for i in range(n):
                    row[i] = 0.0
                for j in range(offsets[c], offsets[c + 1]):
                    _add(n, quantity[j], price[column[j]], row)
