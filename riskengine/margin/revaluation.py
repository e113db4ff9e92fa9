"""Full revaluation of every account under a window of past returns: the part that quantile models share.

On each path the window holds the last W returns over one margin period that are known at the decision: the history
before time 0, then the margin periods completed on the path, oldest dropped.  Scenario w moves every spot by
exp(r_w), rolls time forward by the margin period, and moves the volatility of each option along the surface,

    vol' = vol * surface(k', tau', v) / surface(k, tau, v) * atm(tau', v_end_w) / atm(tau', v_start_w),

with k = ln(K / F) and tau' the tenor left at the end, so that spot, skew and level risk all enter; the mark's own
volatility is the anchor.  Where the
scenarios are draws from the state of now, not moves of the past, the surface at their end is known, and

    vol' = vol * surface(k', tau', v_end_w) / surface(k, tau, v).

An option that expires inside the margin period is worth its intrinsic value at the end of it.  A pool token is revalued
at the moved prices of both its coins; fees that it would earn inside the margin period are left out.

Lanes are the W scenarios of one path: prices of a few dozen options stay in the second-level cache, accounts add,
and only the tail is kept, so no loss vector is ever sorted.
"""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.estimator.filtered_historical import ewma_variances, rescaled
from riskengine.jit import kernel, wide_vectors
from riskengine.margin.sensitivities import delta_beside_marks
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import WING, FactorSurface, surface_smile, surface_state, surface_tenor
from riskengine.pricing.black import black_forward, clip_total
from riskengine.pricing.pool import liquidity_value, packed
from riskengine.roles import Requirement
from riskengine.vecmath import exp, log, root


@dataclass(frozen=True)
class State:
    """Book maps, and the returns of the paths it was last stepped on.

    Attributes
    ----------
    portfolio : Portfolio
    packed : ndarray, shape (A, columns)
        Parameters of the surface.
    offsets, column, quantity : ndarray
        Option and pool-token positions of each account, compressed rows, options first.
    linear, coins : ndarray, shape (K, A)
        Perpetual and coin positions.
    source : MarketPaths or None
    returns, start, end : ndarray, shape (P, A, H + periods)
        Log-return of each margin period, and the variance state at its start and end, oldest first.
    first, length : int
        The window: periods ``first`` to ``first + length - 1``.
    variance : ndarray, shape (A, P)
        Variance state at the decision.
    rescaled : ndarray, shape (P, A, H + periods), or None
        What stands for `returns` inside the window, where the model filters them.
    drawn : bool
        Whether scenarios are draws from the state of now, so that the variance at their end is that of the market then.
    """

    portfolio: Portfolio
    packed: Floats
    offsets: Ints
    column: Ints
    quantity: Floats
    linear: Floats
    coins: Floats
    source: MarketPaths | None = None
    returns: Floats | None = None
    start: Floats | None = None
    end: Floats | None = None
    first: int = 0
    length: int = 0
    variance: Floats | None = None
    rescaled: Floats | None = None
    drawn: bool = False


def check_levels(levels: tuple[float, ...], margin_period_hours: float, maintenance_ratio: float) -> None:
    """Raise ValueError unless the fields that every quantile model has are in range."""
    if not levels:
        raise ValueError("levels must hold at least one confidence level, got none")
    for level in levels:
        check_range("levels", level, 0.5, 1.0, open_low=True, open_high=True)
    if len(set(levels)) != len(levels):
        raise ValueError(f"levels must be distinct, got {levels}")
    check_range("margin_period_hours", margin_period_hours, 0.0, 8760.0, open_low=True)
    check_range("maintenance_ratio", maintenance_ratio, 0.0, 1.0, open_low=True)


def init(portfolio: Portfolio, surface: FactorSurface) -> State:
    """Book maps; no market yet."""
    options = portfolio.quantity[:, np.concatenate([portfolio.options, portfolio.pools])]
    row, column = np.nonzero(options)
    linear = np.zeros((portfolio.accounts, len(portfolio.assets)))
    for m in portfolio.perpetuals:
        linear[:, portfolio.asset_index[m]] += portfolio.quantity[:, m]
    return State(
        portfolio=portfolio,
        packed=surface.packed,
        offsets=np.searchsorted(row, np.arange(portfolio.accounts + 1)).astype(np.int64),
        column=column.astype(np.int64),
        quantity=np.ascontiguousarray(options[row, column]),
        linear=linear,
        coins=np.ascontiguousarray(portfolio.coins),
    )


def check_window(window: int | None) -> None:
    """ValueError unless a window is None (all of the history) or holds at least two margin periods."""
    if window is not None:
        check_range("window", window, 2, 100_000)


def step(state: State, paths: MarketPaths, at: int, margin_period_hours: float, window: int | None = None) -> State:
    """The window known at time index `at`: the last `window` margin periods, or as many as the history holds.

    Raises
    ------
    ValueError
        Where the paths have no history, or a shorter one than `window`, its step is not the margin period, or the
        margin period does not fall on the grid.
    """
    grid = paths.grid
    period = grid.index("margin_period_hours", margin_period_hours)
    if paths.history_spot_lanes is None or grid.history_steps < 1:
        raise ValueError("a quantile model needs a history before time 0, got paths without one")
    if abs(grid.history_step_seconds - margin_period_hours * 3600.0) > 1e-6:
        raise ValueError(
            f"the history step must equal margin_period_hours = {margin_period_hours:g} h, "
            f"got {grid.history_step_seconds / 3600:g} h"
        )
    length = grid.history_steps if window is None else window
    if length > grid.history_steps:
        raise ValueError(f"window must not exceed the history of {grid.history_steps} margin periods, got {window}")
    if state.source is not paths:
        state = _read(state, paths, period)
    spot = paths.spot_lanes[at]
    variance = np.zeros_like(spot) if paths.variance_lanes is None else paths.variance_lanes[at]
    return replace(
        state, first=at // period + grid.history_steps - length, length=length, variance=variance, rescaled=None
    )


def _read(state: State, paths: MarketPaths, period: int) -> State:
    """Returns and variance states of the history and of every whole margin period on the paths."""
    along = paths.spot_lanes[::period][1:]
    logs = np.log(np.concatenate([paths.history_spot_lanes, along]))
    if paths.variance_lanes is None or paths.history_variance_lanes is None:
        states = np.zeros_like(logs)
    else:
        states = np.concatenate([paths.history_variance_lanes, paths.variance_lanes[::period][1:]])

    def by_path(x: Floats) -> Floats:
        return np.ascontiguousarray(x.transpose(2, 1, 0))

    return replace(
        state,
        source=paths,
        returns=by_path(np.diff(logs, axis=0)),
        start=by_path(states[:-1]),
        end=by_path(states[1:]),
    )


def filtered(state: State, decay: float) -> State:
    """The state with the returns of its window brought to the volatility of now.

        r_w sigma_now / sigma_w,   sigma2_{t+1} = decay sigma2_t + (1 - decay) r_t^2,

    asset by asset, from the mean square of the window, as the estimator `filtered_historical` has it.
    """
    last = state.first + state.length
    window = state.returns[:, :, state.first : last]
    rows = window.reshape(-1, state.length)
    variance = ewma_variances(rows, decay, np.square(rows).mean(axis=1))
    out = state.returns.copy()
    out[:, :, state.first : last] = rescaled(rows, variance).reshape(window.shape)
    return replace(state, rescaled=out)


def tail_ranks(count: int, levels: tuple[float, ...]) -> Ints:
    """Rank from the top of the order statistic at each level: the ``inverted_cdf`` quantile, sorted[ceil(n p) - 1]."""
    from riskengine.stats.quantile import quantile_rank  # costs 0.15 s that a single margin call need not pay

    return np.array([count - quantile_rank(count, p) + 1 for p in levels], dtype=np.int64)


def tail_losses(
    state: State, snapshot: MarketSnapshot, margin_period_hours: float, ranks: Ints, weights: Floats
) -> tuple[Floats, Floats]:
    """Order statistics and weighted second moment of every account's revalued profit and loss.

    Parameters
    ----------
    state : State
        From `step`.
    snapshot : MarketSnapshot
        Market at the decision, same lanes as the state.
    margin_period_hours : float
    ranks : ndarray of int, shape (R,)
        1 is the largest loss of the window.
    weights : ndarray, shape (W,) or (0,)
        Weight of each scenario, oldest first; empty to skip the second moment.

    Returns
    -------
    order : ndarray, shape (R, K, P)
        Losses, USD (negative where even that scenario gains); NaN on failed paths.
    second : ndarray, shape (K, P)
        Sum of weight times squared profit and loss.

    Raises
    ------
    ValueError
        Where the state was not stepped onto a market, or has other lanes than the snapshot.
    """
    if state.returns is None or state.variance is None:
        raise ValueError("the state must be stepped onto paths before a requirement is asked for")
    if state.variance.shape != snapshot.spot.shape:
        raise ValueError(f"snapshot must have the lanes of the state, got {snapshot.spot.shape}")
    book = state.portfolio
    shape = (book.accounts, snapshot.count)
    order, second = np.empty((ranks.size, *shape)), np.empty(shape)
    seconds = np.asarray(snapshot.seconds, dtype=np.float64)
    returns = state.returns if state.rescaled is None else state.rescaled
    later = np.maximum(seconds - margin_period_hours * 3600.0, 0.0) / 31_536_000.0
    _revalue(
        state.packed, snapshot.expiry_asset, snapshot.tau, later, np.exp(-snapshot.rate * snapshot.tau),
        np.exp(-snapshot.rate * later), book.strikes, book.call_sign, book.option_expiry, state.offsets, state.column,
        state.quantity, state.linear, state.coins, delta_beside_marks(book, snapshot),
        *packed(book, snapshot.elapsed_hours), snapshot.spot, snapshot.perpetual,
        snapshot.forward, snapshot.volatility, np.ascontiguousarray(state.variance), returns, state.start, state.end,
        state.drawn,
        state.first, state.length, ranks, weights, order, second,
    )  # fmt: skip
    return order, second


def tail_requirements(
    state: State,
    snapshot: MarketSnapshot,
    margin_period_hours: float,
    levels: tuple[float, ...],
    shortfall: bool,
    maintenance_ratio: float,
) -> tuple[Requirement, ...]:
    """Requirement at each level from the empirical law of the revalued losses: its quantile (the ``inverted_cdf`` one)
    or its expected shortfall."""
    quantile = tail_ranks(state.length, levels)
    ranks = np.arange(1, quantile.max() + 1) if shortfall else quantile
    order, _ = tail_losses(state, snapshot, margin_period_hours, ranks, np.empty(0))
    figures = shortfalls(order, state.length, levels) if shortfall else order
    return tuple(Requirement(x, maintenance_ratio * x) for x in np.maximum(figures, 0.0))


def shortfalls(order: Floats, count: int, levels: tuple[float, ...]) -> Floats:
    """Expected shortfall at each level from the worst losses of `count`, largest first, shape (R, K, P).

    The mean of the worst share 1 - level, the loss at its edge counted in part:
    ES = (L_1 + ... + L_k + (W q - k) L_{k+1}) / (W q), q = 1 - level, k = floor(W q).
    """
    total = np.cumsum(order, axis=0)
    # L_1 alone where the share is less than one loss of the window
    share = [max(count * (1.0 - p), 1.0) for p in levels]
    ranks = tail_ranks(count, levels)
    return np.stack([(total[r - 1] - (r - w) * order[r - 1]) / w for r, w in zip(ranks, share, strict=True)])


@kernel
def _option_pnl(forward, strike, sign, anchor, square, slope, curvature, smile_tau, inverse_wing, tau, discount, base,
                returns, growth, ratio, out):  # fmt: skip
    """Profit and loss of one unit of one option under each scenario of one path."""
    wide_vectors()
    at_money = anchor * root(square) * root(tau)
    centre = np.log(strike / forward)
    for w in range(out.size):
        k = centre - returns[w]
        smile = surface_smile(square, slope, curvature, smile_tau, inverse_wing, k)
        total = clip_total(at_money * smile * ratio[w])
        out[w] = discount * black_forward(-k, forward * growth[w], strike, total, 1.0 / total, sign) - base


@kernel
def _drawn_pnl(packed, asset, forward, strike, sign, anchor, smile_tau, loading, skew, curvature, inverse_wing, tau,
               discount, base, returns, growth, end, out):  # fmt: skip
    """As `_option_pnl` on the surface that stands at the end of each scenario."""
    wide_vectors()
    scale = anchor * root(tau)
    centre = np.log(strike / forward)
    for w in range(out.size):
        k = centre - returns[w]
        square, slope = surface_state(packed, asset, loading, skew, end[w])
        smile = surface_smile(square, slope, curvature, smile_tau, inverse_wing, k)
        total = clip_total(scale * root(square) * smile)
        out[w] = discount * black_forward(-k, forward * growth[w], strike, total, 1.0 / total, sign) - base


@kernel
def _scenarios(packed, asset, loading, skew, returns, start, end, growth, ratio):
    """Growth of spot, and of the at-the-money volatility of one tenor, under each scenario of one path."""
    wide_vectors()
    for w in range(growth.size):
        growth[w] = exp(returns[w])
        before, _ = surface_state(packed, asset, loading, skew, start[w])
        after, _ = surface_state(packed, asset, loading, skew, end[w])
        ratio[w] = root(after / before)


@kernel
def _pool_pnl(asset, against, terms, growth, other, out):
    """Profit and loss of one unit of a pool token; `growth` and `other` are those of the prices of its two coins."""
    wide_vectors()
    low, high, earned = terms[0], terms[1], terms[2]
    base = liquidity_value(asset, against, low, high)
    for w in range(out.size):
        out[w] = earned * (liquidity_value(asset * growth[w], against * other[w], low, high) - base)


@kernel
def _add(scale, values, shift, out):
    wide_vectors()
    for w in range(out.size):
        out[w] += scale * (values[w] - shift)


@kernel
def _keep_tail(pnl, top):
    """The largest losses of the window in `top`, ascending."""
    size = top.size
    for j in range(size):
        top[j] = -np.inf
    for w in range(pnl.size):
        loss = -pnl[w]
        if loss > top[0]:
            j = 1
            while j < size and top[j] < loss:
                top[j - 1] = top[j]
                j += 1
            top[j - 1] = loss


@kernel(scratch=True)
def _revalue(packed, expiry_asset, tau, later, discount, discount_later, strike, sign, option_expiry, offsets, column,
             quantity, linear, coins, beside, pool_coins, pool_terms, spot, perpetual, forward, volatility, variance,
             returns, start, end, drawn, first, length, ranks, weights, order, second):  # fmt: skip
    assets, expiries, options = spot.shape[0], tau.size, strike.size
    growth = np.empty((assets, length))
    ratio = np.empty((expiries, length))
    unit = np.empty((options + pool_coins.shape[1], length))
    pnl = np.empty(length)
    deepest = 1
    for r in range(ranks.size):
        deepest = max(deepest, ranks[r])
    top = np.empty(deepest)
    last = first + length
    for p in range(spot.shape[1]):
        for a in range(assets):
            # one tenor of no consequence: this call is for the growth of spot, asset by asset
            _scenarios(packed, a, 0.0, 0.0, returns[p, a, first:last], start[p, a, first:last], end[p, a, first:last],
                       growth[a], pnl)  # fmt: skip
        for e in range(expiries):
            a = expiry_asset[e]
            _, loading, skew, _ = surface_tenor(packed, a, later[e])
            _scenarios(packed, a, loading, skew, returns[p, a, first:last], start[p, a, first:last],
                       end[p, a, first:last], growth[a], ratio[e])  # fmt: skip
        for o in range(options):
            e = option_expiry[o]
            a = expiry_asset[e]
            f, k, v = forward[e, p], strike[o], variance[a, p]
            inverse_wing = 1.0 / packed[a, WING]
            money = log(f / k)
            years, loading, skew, curvature = surface_tenor(packed, a, tau[e])
            square, slope = surface_state(packed, a, loading, skew, v)
            quoted = volatility[o, p]
            anchor = quoted / (root(square) * surface_smile(square, slope, curvature, years, inverse_wing, -money))
            total = clip_total(quoted * root(tau[e]))
            base = discount[e] * black_forward(money, f, k, total, 1.0 / total, sign[o])
            years, loading, skew, curvature = surface_tenor(packed, a, later[e])
            if drawn:
                _drawn_pnl(packed, a, f, k, sign[o], anchor, years, loading, skew, curvature, inverse_wing, later[e],
                           discount_later[e], base, returns[p, a, first:last], growth[a], end[p, a, first:last],
                           unit[o])  # fmt: skip
                continue
            square, slope = surface_state(packed, a, loading, skew, v)
            _option_pnl(f, k, sign[o], anchor, square, slope, curvature, years, inverse_wing, later[e],
                        discount_later[e], base, returns[p, a, first:last], growth[a], ratio[e], unit[o])  # fmt: skip
        for j in range(pool_coins.shape[1]):
            a, b = pool_coins[0, j], pool_coins[1, j]
            for w in range(length):
                pnl[w] = 1.0 if b < 0 else growth[b, w]
            _pool_pnl(spot[a, p], 1.0 if b < 0 else spot[b, p], pool_terms[j], growth[a], pnl, unit[options + j])
        for i in range(offsets.size - 1):
            for w in range(length):
                pnl[w] = 0.0
            for a in range(assets):
                delta = linear[i, a] * perpetual[a, p] + coins[i, a] * spot[a, p]
                if beside.size > 0:
                    delta += beside[i, a, p]
                if delta != 0.0:
                    _add(delta, growth[a], 1.0, pnl)
            for j in range(offsets[i], offsets[i + 1]):
                _add(quantity[j], unit[column[j]], 0.0, pnl)
            if ranks.size > 0:
                _keep_tail(pnl, top)
                for r in range(ranks.size):
                    found = top[deepest - ranks[r]]
                    order[r, i, p] = found if found > -np.inf else np.nan
            moment = 0.0
            for w in range(weights.size):
                moment += weights[w] * pnl[w] * pnl[w]
            second[i, p] = moment
