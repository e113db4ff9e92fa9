"""Scenario profit and loss of every account, lanes innermost.

For each underlying and each chunk of lanes every distinct option is priced once per scenario; accounts then only add.
Options of one account and expiry form a *segment*: the static discount depends on the sign of a segment's value.
"""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.pricing.black import black_forward, clip_total
from riskengine.vecmath import log

# lanes handled at once: the prices of a few dozen options stay in the first-level cache
_LANES = 128
NONE, UP, DOWN, LINEAR, ABS = range(5)

# columns of the per-expiry table
(ROOT_TAU, DISCOUNT, LONG, SHORT, BASIS, FORWARD_SHARE, UP_FACTOR, DOWN_FACTOR, UP_FLOOR,
 LINEAR_CAP, ABS_CAP, SKEW_WIDTH) = range(12)  # fmt: skip
EXPIRY_COLUMNS = 12


@kernel
def _volatilities(lo, n, options, strike, option_expiry, expiry_table, forward, volatility, money, total, inverse):
    """Log-moneyness ln(F/K), and total volatility with its inverse, of each option under each volatility direction."""
    wide_vectors()
    for o in range(options.size):
        e = option_expiry[o]
        s = expiry_table[e, ROOT_TAU]
        up, down, floor = expiry_table[e, UP_FACTOR], expiry_table[e, DOWN_FACTOR], expiry_table[e, UP_FLOOR]
        cap_linear, cap_abs = expiry_table[e, LINEAR_CAP], expiry_table[e, ABS_CAP]
        width = expiry_table[e, SKEW_WIDTH]
        log_strike = np.log(strike[o])
        source = options[o]
        for i in range(n):
            m = log(forward[e, lo + i]) - log_strike
            sigma = volatility[source, lo + i]
            money[o, i] = m
            linear = min(max(-m * cap_linear * width, -abs(cap_linear)), abs(cap_linear))
            wings = min(max(abs(m) * cap_abs * width, -abs(cap_abs)), abs(cap_abs))
            v0 = clip_total(sigma * s)
            v1 = clip_total(max(sigma * up, floor) * s)
            v2 = clip_total(sigma * down * s)
            v3 = clip_total(sigma * max(1.0 + linear, 0.0) * s)
            v4 = clip_total(sigma * max(1.0 + wings, 0.0) * s)
            total[NONE, o, i], total[UP, o, i], total[DOWN, o, i] = v0, v1, v2
            total[LINEAR, o, i], total[ABS, o, i] = v3, v4
            inverse[NONE, o, i], inverse[UP, o, i], inverse[DOWN, o, i] = 1.0 / v0, 1.0 / v1, 1.0 / v2
            inverse[LINEAR, o, i], inverse[ABS, o, i] = 1.0 / v3, 1.0 / v4


@kernel
def _prices(lo, n, multiplier, strike, sign, option_expiry, expiry_table, forward, money, total, inverse, price):
    """Discounted price of each option with the forward moved by `multiplier`."""
    wide_vectors()
    for o in range(strike.size):
        e = option_expiry[o]
        # inside the last half hour part of the settlement average is already fixed and does not move
        move = 1.0 + (multiplier - 1.0) * expiry_table[e, FORWARD_SHARE]
        shift = np.log(move)
        discount = expiry_table[e, DISCOUNT]
        k = strike[o]
        s = sign[o]
        for i in range(n):
            f = forward[e, lo + i] * move
            price[o, i] = discount * black_forward(money[o, i] + shift, f, k, total[o, i], inverse[o, i], s)


@kernel
def _segments(n, first, last, position_offsets, position_option, position_quantity, price, value):
    wide_vectors()
    for g in range(first, last):
        for i in range(n):
            value[g - first, i] = 0.0
        for j in range(position_offsets[g], position_offsets[g + 1]):
            q = position_quantity[j]
            o = position_option[j]
            for i in range(n):
                value[g - first, i] += q * price[o, i]


@kernel
def _contingency(n, cells, segment_offsets, segment_expiry, expiry_table, base, up, down, basis):
    """B of every cell: sum over expiries of min(V(up) - V, V(down) - V, 0) (add + mult T)."""
    wide_vectors()
    zero = segment_offsets[0]
    for c in range(cells):
        for i in range(n):
            basis[c, i] = 0.0
        for g in range(segment_offsets[c], segment_offsets[c + 1]):
            factor = expiry_table[segment_expiry[g], BASIS]
            for i in range(n):
                v = base[g - zero, i]
                basis[c, i] += factor * min(min(up[g - zero, i] - v, down[g - zero, i] - v), 0.0)


@kernel
def _scenario(lo, n, scenario, number, perpetual_quantity, coin, perpetual, spot, segment_offsets, segment_expiry,
              expiry_table, base, value, work, worst, binding, detail):  # fmt: skip
    """Profit and loss of every cell under one scenario; keeps the worst and its number."""
    wide_vectors()
    move = (scenario[0] - 1.0) * scenario[2]
    dampening = scenario[2]
    skew = scenario[1] >= LINEAR
    zero = segment_offsets[0]
    for c in range(worst.shape[0]):
        q_perp, q_coin = perpetual_quantity[c] * move, coin[c] * move
        for i in range(n):
            work[i] = q_perp * perpetual[lo + i] + q_coin * spot[lo + i]
        for g in range(segment_offsets[c], segment_offsets[c + 1]):
            e = segment_expiry[g]
            gain, loss = expiry_table[e, LONG], expiry_table[e, SHORT]
            for i in range(n):
                v = value[g - zero, i]
                pnl = (v * (gain if v >= 0.0 else loss) - base[g - zero, i]) * dampening
                work[i] += -abs(pnl) if skew else pnl
        for i in range(n):
            lower = work[i] < worst[c, i]
            worst[c, i] = work[i] if lower else worst[c, i]
            binding[c, i] = number if lower else binding[c, i]
        if detail.shape[1] > number:
            for i in range(n):
                detail[c, number, lo + i] = work[i]


@kernel(scratch=True)
def underlying_losses(options, strike, sign, option_expiry, expiry_table, forward, volatility, scenarios, spot_up,
                      spot_down, perpetual_quantity, coin, perpetual, spot, segment_offsets, segment_expiry,
                      position_offsets, position_option, position_quantity, worst, binding, basis, detail):  # fmt: skip
    """min(B, min over scenarios of P&L) of every account in one underlying, for all lanes.

    Parameters
    ----------
    options : ndarray of int, shape (O,)
        Rows of `volatility` of this underlying's options.
    strike, sign, option_expiry : ndarray, shape (O,)
        USD; +1 call, -1 put; row of `expiry_table` and `forward`.
    expiry_table : ndarray, shape (E, EXPIRY_COLUMNS)
    forward, volatility : ndarray, shape (E, P) and (all options, P)
    scenarios : ndarray, shape (S, 3)
        Multiplier, direction, dampening.
    spot_up, spot_down : float
        Moves of the basis contingency.
    perpetual_quantity, coin : ndarray, shape (C,)
        Signed coins of each cell (an account's position in this underlying).
    perpetual, spot : ndarray, shape (P,)
        USD.
    segment_offsets, segment_expiry, position_offsets, position_option, position_quantity : ndarray
        Compressed rows: cell -> segments (one per expiry) -> positions.
    worst, binding, basis : ndarray, shape (C, P)
        Written: worst loss as a negative number, its scenario number (S where the basis contingency binds), and B.
    detail : ndarray, shape (C, S, P) or (C, 0, P)
        Written where it has room: profit and loss per scenario.
    """
    n_options, n_cells, lanes = strike.size, worst.shape[0], worst.shape[1]
    first, last = segment_offsets[0], segment_offsets[n_cells]
    n_segments = last - first
    money = np.empty((n_options, _LANES))
    total = np.empty((5, n_options, _LANES))
    inverse = np.empty((5, n_options, _LANES))
    price = np.empty((n_options, _LANES))
    base = np.empty((n_segments, _LANES))
    value = np.empty((n_segments, _LANES))
    other = np.empty((n_segments, _LANES))
    low = np.empty((n_cells, _LANES))
    add = np.empty((n_cells, _LANES))
    which = np.empty((n_cells, _LANES), np.int64)
    work = np.empty(_LANES)
    for lo in range(0, lanes, _LANES):
        n = min(_LANES, lanes - lo)
        _volatilities(lo, n, options, strike, option_expiry, expiry_table, forward, volatility, money, total, inverse)
        for move, book in ((1.0, base), (spot_up, value), (spot_down, other)):
            _prices(lo, n, move, strike, sign, option_expiry, expiry_table, forward, money, total[NONE], inverse[NONE],
                    price)  # fmt: skip
            _segments(n, first, last, position_offsets, position_option, position_quantity, price, book)
        _contingency(n, n_cells, segment_offsets, segment_expiry, expiry_table, base, value, other, add)
        for c in range(n_cells):
            for i in range(n):
                low[c, i] = add[c, i]
                which[c, i] = scenarios.shape[0]
        for s in range(scenarios.shape[0]):
            d = np.int64(scenarios[s, 1])
            _prices(lo, n, scenarios[s, 0], strike, sign, option_expiry, expiry_table, forward, money, total[d],
                    inverse[d], price)  # fmt: skip
            _segments(n, first, last, position_offsets, position_option, position_quantity, price, value)
            _scenario(lo, n, scenarios[s], s, perpetual_quantity, coin, perpetual, spot, segment_offsets,
                      segment_expiry, expiry_table, base, value, work, low, which, detail)  # fmt: skip
        for c in range(n_cells):
            for i in range(n):
                worst[c, lo + i] = low[c, i]
                binding[c, lo + i] = which[c, i]
                basis[c, lo + i] = add[c, i]
