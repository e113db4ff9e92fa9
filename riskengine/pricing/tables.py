"""Book tables: the value of a book under every scenario, tabulated once per step over log-spot, and over variance too.

At one step each asset's part of a book is a function of its log-spot x alone, or, where the surface moves, of x and of
the variance v.  The vector of its values under S scenarios is tabulated at nodes even in x, and in

    y = log(v + c),   c = (add + long min(1 / L - 1, 1)) / premium,   L = (1 - e^{-q tau}) / (q tau),

with tau the shortest expiry: the logarithm of that expiry's at-the-money variance but for a constant, or, where that
would be too straight for the skew, of the distance from the pole of the skew's state.  A path reads the whole vector
with one four-point Lagrange interpolation in each direction: contiguous loads, no gathers, and S prices for the work of
one.  Several assets add before the worst scenario is taken.

Built from few prices: scenarios that share a factor on volatility differ by a move of log-spot alone, so the exact
pricer is asked once per factor, and each scenario's nodes are read from that grid with eight points.

Error.  Midway between nodes, where a cubic errs most, the grid is read as a path would read it and compared with exact
prices, in x (on every fourth variance) and in y (on every eighth log-spot); nodes of every scenario are compared with
the exact pricer at points along the table.  With the Lebesgue constant 5/4 of the central interval, and E_x and E_y a
tenth above what was found (where the fourth derivative turns within a cell, the largest error is off its middle),

    error = sum over assets (E_x + 5/4 E_y) + (5/4)^d E_nodes,   d directions,

is stated with every table, and nodes are refined until it keeps the tolerance.  The error grows as
(h / (sigma sqrt(tau)))^4: options too near their expiry for the most nodes that a table may have are left out of it and
priced exactly on every lane, as all options are on lanes outside the table.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.market.surface import ADD, LONG_VARIANCE, PREMIUM, REVERSION
from riskengine.pricing.rows import ROW, add_rows, copy_row, least_of_row
from riskengine.pricing.scenario_book import ScenarioBook, add_asset
from riskengine.vecmath import fma, log

TOLERANCE = 1e-7
_LANES = 128
# the most cells in log-spot and in variance
_MOST = (1024, 128)
# the coarsest spacing, in standard deviations of log-spot to the nearest expiry and in y: beyond it an error looked for
# midway between nodes could be missed
_COARSEST = (0.3, 0.4)
# error of a cubic midway between nodes, over the spacing's fourth power and the fourth derivative
_MIDWAY = 3.0 / 128.0
# every so many variances, and log-spots, are looked at in between
_EVERY = (4, 8)
# the largest error lies near, not always at, the middle
_BETWEEN = 1.1
# points along a table at which its nodes are compared with the exact pricer
_CHECKED = 24
_LEBESGUE = 1.25
# keeps quotients finite where a book holds nothing
_NOTHING = 1e-30


class Scan(NamedTuple):
    """What a table read: `value` and `worst` value over the scenarios, shape (P,), and lanes priced exactly instead."""

    value: Floats
    worst: Floats
    outside: int


@dataclass(frozen=True)
class BookTable:
    """Values of one `ScenarioBook` at one time.

    Attributes
    ----------
    book : ScenarioBook
    time : float
        Years since time 0.
    low, spacing : ndarray, shape (2, A)
        First node and node spacing of each asset, in log-spot and in y.
    offset : ndarray, shape (A,)
        c of each asset.
    values : ndarray, shape (padded S / 32, A, nodes in y, nodes in log-spot, 32)
        Each asset's part of the book under each scenario; padding repeats scenario 0.
    near : ScenarioBook or None
        The options priced exactly on every lane.
    error : float
        Largest error of a value that the build found, in units of the spot scale.
    """

    book: ScenarioBook
    time: float
    low: Floats
    spacing: Floats
    offset: Floats
    values: Floats
    near: ScenarioBook | None
    error: float

    @classmethod
    def build(cls, book: ScenarioBook, time: float, log_spot, variance=None, tolerance: float = TOLERANCE):
        """Tabulate with the exact pricer.

        Parameters
        ----------
        book : ScenarioBook
        time : float
            Years since time 0, before every expiry.
        log_spot, variance : (low, high)
            Range of the lanes to be read, one number each or one per asset; variance where the book has a surface.
        tolerance : float
            Largest error as a share of the book's notional.

        Raises
        ------
        ValueError
            Where a range is empty or missing, the tolerance not positive, or an option has expired.
        """
        if not tolerance > 0.0:
            raise ValueError(f"tolerance must be positive, got {tolerance!r}")
        if book.surface is not None and variance is None:
            raise ValueError("variance must give a range for a book whose surface moves with it, got None")
        left = book.packed(time).left
        prices = _ends("log_spot", log_spot, book.assets)
        states = None if book.surface is None else _ends("variance", variance, book.assets)
        deviation = _deviation(book, left, states)
        # an empty book is tabulated as any other
        allowed = max(tolerance * book.notional, _NOTHING)
        far, refined = book.quantity != 0.0, np.ones(1 if states is None else 2)
        while True:
            ends, offset = [prices], np.ones(book.assets)
            if states is not None:
                offset = _offset(book, np.where(far, left, np.inf))
                low, high = np.log(states + offset)
                # a range that is a point is widened, so that it has cells
                ends.append(np.array([low, np.maximum(high, low + 1e-3)]))
            steps = _steps(book, far, deviation, float(prices.max()), allowed / len(ends))
            cells = [
                max(1, int(np.ceil(float((high - low).max()) / step * more)))
                for (low, high), step, more in zip(ends, steps, refined, strict=False)
            ]
            if any(n > most for n, most in zip(cells, _MOST, strict=False)):
                if not far.any():
                    raise ValueError(f"tolerance must be larger for tables of at most {_MOST} cells, got {tolerance!r}")
                far &= left > left[far].min()
                refined[:] = 1.0
                continue
            near = ~far & (book.quantity != 0.0)
            inner = replace(book, quantity=np.where(far, book.quantity, 0.0)) if near.any() else book
            low, spacing, values, errors, nodes = _tabulated(inner, time, ends, cells, offset)
            errors *= _BETWEEN
            error = float(errors @ [1.0, _LEBESGUE][: len(ends)] + _LEBESGUE ** len(ends) * nodes)
            if error <= allowed:
                break
            refined *= 1.05 * np.maximum(1.0, (errors * len(ends) / allowed) ** 0.25)
        outer = replace(book, quantity=np.where(near, book.quantity, 0.0), perpetual=np.zeros(book.assets))
        return cls(book, time, low, spacing, offset, values, outer if near.any() else None, error)

    def scan(self, log_spot: Floats, variance: Floats | None = None) -> Scan:
        """Read every lane; lanes outside the table are priced exactly, and counted.

        Parameters
        ----------
        log_spot, variance : ndarray, shape (A, P)
            Variance per year, where the book has a surface.
        """
        log_spot = np.ascontiguousarray(log_spot)
        state = self.book.state(log_spot, variance)
        lanes = log_spot.shape[1]
        value, worst = np.empty(lanes), np.empty(lanes)
        start = np.zeros((1, self.values.shape[0] * ROW))
        if self.near is not None:
            exact = self.near.values(self.time, log_spot, variance).T
            start = np.repeat(exact[:, :1], start.shape[1], axis=1)
            start[:, : exact.shape[1]] = exact
        outside = _scan(self.values, self.low, 1.0 / self.spacing, self.offset, log_spot, state, start, value, worst)
        if outside:
            at = np.flatnonzero(np.isnan(value))
            value[at], worst[at] = self.book.exact(self.time, log_spot[:, at], state[:, at])
        return Scan(value, worst, outside)

    def difference(self, log_spot: Floats, variance: Floats | None = None) -> float:
        """Largest difference from the exact pricer on these lanes: the spot check of a run."""
        read, exact = self.scan(log_spot, variance), self.book.exact(self.time, log_spot, variance)
        return max(float(np.max(np.abs(a - b))) for a, b in zip(read[:2], exact, strict=True))


def reach(lanes: Floats, margin: float = 0.25) -> Floats:
    """(low, high) of each asset over pilot lanes, widened on either side by `margin` of their width.

    Parameters
    ----------
    lanes : ndarray, shape (..., A, P)
        Log-spot, or variance (whose low is for the caller to keep at zero or above).

    Returns
    -------
    ndarray, shape (2, ..., A)
    """
    low, high = lanes.min(axis=-1), lanes.max(axis=-1)
    wider = margin * (high - low)
    return np.array([low - wider, high + wider])


def _ends(name: str, ends, assets: int) -> Floats:
    """(low, high) of each asset, shape (2, A)."""
    low, high = (np.broadcast_to(np.asarray(x, dtype=np.float64), (assets,)) for x in ends)
    fair = (low >= 0.0) & (low <= high) if name == "variance" else low < high
    if not (fair & np.isfinite(low) & np.isfinite(high)).all():
        raise ValueError(f"{name} must give a range (low, high), got {low.tolist()} to {high.tolist()}")
    return np.array([low, high])


def _offset(book: ScenarioBook, left: Floats) -> Floats:
    """c of each asset from its options' years to expiry; where the state moves nothing, any will do."""
    rows = book.surface.packed
    tau = left.min(axis=1)
    x = rows[:, REVERSION] * np.where(np.isfinite(tau), tau, 1.0)
    loading = -np.expm1(-x) / x
    level = rows[:, ADD] + rows[:, LONG_VARIANCE] * (1.0 - loading) / loading
    premium = rows[:, PREMIUM]
    found = np.minimum(level, rows[:, ADD] + rows[:, LONG_VARIANCE])
    return np.where(premium > 0.0, found / np.where(premium > 0.0, premium, 1.0), 1.0)


def _deviation(book: ScenarioBook, left: Floats, states: Floats | None) -> Floats:
    """Least standard deviation of log-spot to each option's expiry over the scenarios, at the money, shape (A, O)."""
    out = book.volatility * book.factor.min() * np.sqrt(left)
    if states is None:
        return out
    asset = np.repeat(np.arange(book.assets), book.strike.shape[1])
    money = np.log(book.strike).ravel()
    at_money = book.surface.volatility(asset, money, left.ravel(), money[:, None], states[0][:, None])
    return out * at_money.reshape(out.shape)


def _steps(book: ScenarioBook, far: np.ndarray, deviation: Floats, highest: float, allowed: float) -> list[float]:
    """First guess of the spacings in log-spot and in y that err by `allowed` each.

    From the rough size of the fourth derivatives: gamma's second, and vega's third.  Options peak at strikes of their
    own, so their squares add.
    """
    size, nearest = (book.quantity * book.strike)[far], deviation[far]
    curves = (
        0.6 * np.linalg.norm(size / nearest**3) + np.abs(book.perpetual).max() * np.exp(highest),
        0.6 * np.linalg.norm(size * nearest),
    )
    most = (_COARSEST[0] * nearest.min(initial=1.0), _COARSEST[1])
    return [
        min(float(bound), float(allowed / (_MIDWAY * curve + _NOTHING)) ** 0.25)
        for bound, curve in zip(most, curves, strict=True)
    ]


def _misread(packed, a: int, factors: Floats, x: Floats, variance: Floats, nodes: Floats, axis: int) -> float:
    """Largest error of cubics midway between `nodes` along `axis`, where prices are those at (`variance`, `x`)."""
    exact = np.empty((factors.size, variance.size, x.size))
    _tabulate(packed, a, factors, x, variance, exact)
    n = np.moveaxis(nodes, axis, 0)
    read = (9.0 * (n[1:-2] + n[2:-1]) - n[:-3] - n[3:]) / 16.0
    return _largest(np.moveaxis(read, 0, axis) - exact)


def _lagrange(u: Floats) -> Floats:
    """Weights of eight points -3 .. 4 at `u` in [0, 1), shape (S, 8)."""
    points = np.arange(-3.0, 5.0)
    others = ~np.eye(points.size, dtype=bool)
    distance = np.where(others, u[:, None, None] - points, 1.0)
    return np.prod(distance / np.where(others, points[:, None] - points, 1.0), axis=2)


def _tabulated(book: ScenarioBook, time: float, ends, cells, offset):
    """(first nodes, spacings, values, errors by direction, error of the nodes) of a table with so many cells."""
    packed = book.packed(time)
    factors, which = np.unique(book.factor, return_inverse=True)
    spacing, low = np.ones((2, book.assets)), np.zeros((2, book.assets))
    for d, ((first, last), n) in enumerate(zip(ends, cells, strict=True)):
        # one node more on either side, for the four points of the outer cells
        spacing[d] = (last - first) / n
        low[d] = first - spacing[d]
    count = cells[0] + 3
    levels = cells[1] + 3 if len(cells) > 1 else 1
    state = low[1, :, None] + spacing[1, :, None] * np.arange(levels)
    values = np.empty((-(-book.scenarios // ROW), book.assets, levels, count, ROW))
    errors = np.zeros(len(cells))
    for a in range(book.assets):
        h = spacing[0, a]
        at = 4.0 + (book.shift - book.shift.min()) / h
        x = low[0, a] + book.shift.min() + h * (np.arange(count + int(at.max()) + 5) - 4.0)
        grid = np.empty((factors.size, levels, x.size))
        _tabulate(packed, a, factors, x, np.exp(state[a]) - offset[a], grid)
        few = np.exp(state[a, :: _EVERY[0]]) - offset[a]
        errors[0] += _misread(packed, a, factors, x[1:-2] + 0.5 * h, few, grid[:, :: _EVERY[0]], 2)
        if levels > 1:
            between = np.exp(state[a, 1:-2] + 0.5 * spacing[1, a]) - offset[a]
            errors[1] += _misread(packed, a, factors, x[:: _EVERY[1]], between, grid[:, :, :: _EVERY[1]], 1)
        base = np.floor(at).astype(np.int64)
        _spread(grid, which, base - 3, _lagrange(at - base), values[:, a])
    # nodes along the table: every scenario, a different state at each
    node = np.unique(np.linspace(0, count - 1, _CHECKED).astype(np.int64))
    level = np.arange(node.size) % levels
    found = values[:, :, level, node].sum(axis=1)
    lanes = low[0, :, None] + spacing[0, :, None] * node
    exact = book.values(time, lanes, np.exp(state[:, level]) - offset[:, None])
    found = found.transpose(0, 2, 1).reshape(-1, node.size)[: book.scenarios]
    return low, spacing, values, errors, _largest(found - exact)


def _largest(difference: Floats) -> float:
    return float(np.max(np.abs(difference), initial=0.0))


@kernel(scratch=True)
def _tabulate(book, a, factors, x, variance, grid):
    """Value of one asset's part of the book for every factor and variance, along `x`."""
    work = np.empty((5, _LANES))
    state = np.empty(_LANES)
    for f in range(factors.size):
        for k in range(variance.size):
            for i in range(_LANES):
                state[i] = variance[k]
            for lo in range(0, x.size, _LANES):
                n = min(_LANES, x.size - lo)
                out = grid[f, k, lo : lo + n]
                for i in range(n):
                    out[i] = 0.0
                add_asset(n, book, a, 0.0, factors[f], x[lo : lo + n], state, work, out)


@kernel
def _stencil(n, grid, at, weights, column):
    """Eight points of the grid for each of `n` nodes."""
    wide_vectors()
    w0, w1, w2, w3, w4, w5, w6, w7 = weights
    for i in range(n):
        left = fma(w3, grid[at + i + 3], fma(w2, grid[at + i + 2], fma(w1, grid[at + i + 1], w0 * grid[at + i])))
        right = fma(w7, grid[at + i + 7], fma(w6, grid[at + i + 6], fma(w5, grid[at + i + 5], w4 * grid[at + i + 4])))
        column[i] = left + right


@kernel(scratch=True)
def _spread(grid, which, at, weights, values):
    """Nodes of every scenario from the grid of its factor; padding repeats scenario 0."""
    blocks, levels, nodes, _ = values.shape
    # a square at a time, so that writing across it stays in the nearest cache
    square = np.empty((ROW, ROW))
    for b in range(blocks):
        for k in range(levels):
            for lo in range(0, nodes, ROW):
                n = min(ROW, nodes - lo)
                for r in range(ROW):
                    s = b * ROW + r if b * ROW + r < which.size else 0
                    w = weights[s]
                    eight = (w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7])
                    _stencil(n, grid[which[s], k, at[s] + lo : at[s] + lo + n + 7], 0, eight, square[r])
                for i in range(n):
                    for r in range(ROW):
                        values[b, k, lo + i, r] = square[r, i]


@kernel(inline=True)
def _cubic(u):
    """Weights of four points -1 .. 2 at u in [0, 1]."""
    w0 = -u * (u - 1.0) * (u - 2.0) * (1.0 / 6.0)
    w1 = (u + 1.0) * (u - 1.0) * (u - 2.0) * 0.5
    w2 = -(u + 1.0) * u * (u - 2.0) * 0.5
    w3 = (u + 1.0) * u * (u - 1.0) * (1.0 / 6.0)
    return w0, w1, w2, w3


@kernel
def _positions(n, x, low, inverse, at):
    wide_vectors()
    for i in range(n):
        at[i] = (x[i] - low) * inverse


@kernel
def _levels(n, variance, offset, low, inverse, at):
    wide_vectors()
    for i in range(n):
        state = variance[i] + offset
        at[i] = (log(state) - low) * inverse if state > 0.0 else np.nan


@kernel(scratch=True)
def _scan(values, low, inverse, offset, log_spot, variance, start, value, worst):
    """Read a table on every lane; returns how many lanes lie outside it, where both results are NaN."""
    wide_vectors()
    blocks, assets, levels, nodes, _ = values.shape
    flat, first = values.reshape(values.size), start.reshape(start.size)
    at = np.empty((2, assets, _LANES))
    total = np.empty(ROW)
    outside = 0
    several = 1 if start.shape[0] > 1 else 0
    for lo in range(0, log_spot.shape[1], _LANES):
        n = min(_LANES, log_spot.shape[1] - lo)
        for a in range(assets):
            _positions(n, log_spot[a, lo : lo + n], low[0, a], inverse[0, a], at[0, a])
            if levels > 1:
                _levels(n, variance[a, lo : lo + n], offset[a], low[1, a], inverse[1, a], at[1, a])
        for i in range(n):
            p = lo + i
            inside = True
            for a in range(assets):
                inside &= at[0, a, i] >= 1.0 and at[0, a, i] <= nodes - 2.0
                inside &= levels == 1 or (at[1, a, i] >= 1.0 and at[1, a, i] <= levels - 2.0)
            if not inside:
                outside += 1
                value[p] = np.nan
                worst[p] = np.nan
                continue
            for b in range(blocks):
                copy_row(total, first, (several * p * blocks + b) * ROW)
                for a in range(assets):
                    j = min(np.int64(at[0, a, i]), nodes - 3)
                    w0, w1, w2, w3 = _cubic(at[0, a, i] - j)
                    plane = (b * assets + a) * levels
                    if levels == 1:
                        add_rows(total, flat, (plane * nodes + j - 1) * ROW, w0, w1, w2, w3)
                    else:
                        k = min(np.int64(at[1, a, i]), levels - 3)
                        for r, v in enumerate(_cubic(at[1, a, i] - k)):
                            row = ((plane + k - 1 + r) * nodes + j - 1) * ROW
                            add_rows(total, flat, row, v * w0, v * w1, v * w2, v * w3)
                least = least_of_row(total)
                if b == 0:
                    value[p] = total[0]
                    worst[p] = least
                else:
                    worst[p] = min(worst[p], least)
    return outside
