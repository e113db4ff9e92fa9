"""Stationary block bootstrap of real prices: blocks of history in random order, all assets together.

    log S(t + 1) = log S(t) + r(row) + drift,   row -> row + 1 with probability 1 - 1/b, else any row, each alike

A path is a chain of blocks of consecutive rows of joint log-returns with geometric lengths of mean b, so it keeps the
marginal law, the cross-correlation, and the dependence in time up to the length of a block.  Politis and Romano wrap
the series around at its end; here a block that reaches the end of an unbroken stretch of data goes on at the beginning
of a stretch drawn at random, which is the same for data without gaps, never puts the two sides of a gap together, and
leaves every row equally likely at every step: the mean and the marginal law of a step are exactly those of the data.
Reference: Politis and Romano, Journal of the American Statistical Association 89 (1994), 1303-1313.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.jit import kernel, wide_vectors
from riskengine.market.grid import SECONDS_PER_YEAR, TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.series import PriceSeries, whole_steps
from riskengine.random import DrawKeys, Purpose, draw
from riskengine.scenario.block_length import clustering_block_length
from riskengine.scenario.clock import LANES
from riskengine.scenario.jumps import Vector
from riskengine.scenario.lanes import anchor, write_lanes, write_prices
from riskengine.scenario.parameters import ParameterCheck, check_series
from riskengine.vecmath import log, uniform

PURPOSES = np.array([Purpose.RESAMPLE, Purpose.RESAMPLE_NEXT], dtype=np.int64)
HISTORY_PURPOSES = np.array([Purpose.HISTORY_RESAMPLE, Purpose.HISTORY_RESAMPLE_NEXT], dtype=np.int64)


@kernel(inline=True)
def pick(word, count):
    """One of 0 to ``count - 1``, each alike, from a 64-bit word."""
    return min(np.int64(uniform(word) * count), count - 1)


@kernel
def _add_drift(x, drift):
    wide_vectors()
    for i in range(x.size):
        x[i] += drift


@kernel(scratch=True)
def block_paths(
    out, failed, row, left, spot, logs, last, begins, heads, log_keep, drift, stride, first_path, history, purposes,
    k0, k1,
):  # fmt: skip
    """Fill one block.

    Parameters
    ----------
    out : ndarray, shape (T + 1, A, P)
        Written: prices in USD.
    failed : ndarray of bool, shape (P,)
        Set where a price left the range of float64.
    row, left : ndarray of int, shape (P,)
        Bar that each path stands on and returns left of its block; read and written, so that a history goes on.
    spot : ndarray, shape (A,)
    logs : ndarray, shape (N, A)
        Log-prices of the data; the return of m steps from bar r is the difference of two rows.
    last : ndarray of int, shape (N,)
        Last bar of the unbroken stretch of each bar.
    begins, heads : ndarray of int
        Bars from which a return starts, and first bars of the stretches.
    log_keep : float
        log(1 - 1/b), minus infinity for b = 1.
    drift : ndarray, shape (A,)
        Added to the log-price at every step of the grid.
    stride : int
        Steps of the data in a step of the grid.
    first_path : int
    history : bool
        The path ends, rather than starts, at `spot`.
    purposes : ndarray of int, shape (2,)
    k0, k1 : uint64
    """
    steps, assets, count = out.shape[0] - 1, out.shape[1], out.shape[2]
    x = np.empty((assets, LANES))
    bad = np.empty(LANES)
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        x[:] = 0.0
        bad[:] = 0.0
        for j in range(assets):
            out[0, j, base:end] = 0.0 if history else spot[j]
        for t in range(steps):
            for lane in range(base, end):
                r, n = row[lane], left[lane]
                time, stop = t * stride, (t + 1) * stride
                while time < stop:
                    if n == 0:
                        a, b = draw(first_path + lane, time, purposes[0], 0, k0, k1)
                        r = begins[pick(a, begins.size)]
                        n = 1 + np.int64(log(uniform(b)) / log_keep)
                    elif r == last[r]:
                        a, b = draw(first_path + lane, time, purposes[1], 0, k0, k1)
                        r = heads[pick(a, heads.size)]
                    m = min(stop - time, min(n, last[r] - r))
                    for j in range(assets):
                        x[j, lane - base] += logs[r + m, j] - logs[r, j]
                    r += m
                    n -= m
                    time += m
                row[lane], left[lane] = r, n
            for j in range(assets):
                _add_drift(x[j], drift[j])
                if history:
                    write_lanes(out[t + 1, j, base:end], x[j])
                else:
                    write_prices(out[t + 1, j, base:end], x[j], bad, spot[j])
        if history:
            for j in range(assets):
                anchor(out[:, j, base:end], bad, spot[j])
        for i in range(base, end):
            failed[i] = failed[i] or bad[i - base] != 0.0


@dataclass(frozen=True)
class BlockBootstrap:
    """Blocks of real joint log-returns in random order.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    prices : PriceSeries
        The data; a step of the grid must be a whole number of its steps.
    block_hours : float or "auto"
        Expected length of a block; ``auto`` is the longest of the Politis-White lengths of returns and of absolute
        returns over the assets.
    log_drift : "sample" or tuple of float
        Mean of the log-return per year: that of the data, or the number given, to which the data are shifted.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = PriceSeries(("BTC",), 3600 * np.arange(500), np.exp(0.01 * rng.normal(size=(500, 1)).cumsum(0)), 3600)
    >>> BlockBootstrap(("BTC",), (6e4,), data, 24.0).sample(TimeGrid(7200, 12), 0, 4, DrawKeys(1)).spot.shape
    (13, 4, 1)
    """

    kind: ClassVar[str] = "block_bootstrap"
    starts_stationary: ClassVar[bool] = True
    has_variance: ClassVar[bool] = False

    assets: tuple[str, ...]
    spot: Vector
    prices: PriceSeries
    block_hours: float | Literal["auto"] = "auto"
    log_drift: Vector | Literal["sample"] = "sample"

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "spot", check.vector("spot", self.spot, len(assets), 0.0))
        check_series(check, assets, self.prices)
        if not isinstance(self.log_drift, str):
            object.__setattr__(self, "log_drift", check.vector("log_drift", self.log_drift, len(assets)))
        step = self.prices.step_seconds / 3600.0
        if not isinstance(self.block_hours, str):
            hours = check.number("block_hours", self.block_hours, step)
            if hours > self.prices.returns.shape[0] * step:
                check.faults.append(
                    f"block_hours must not exceed the {self.prices.returns.shape[0] * step:g} h of data, got {hours:g}"
                )
        if isinstance(self.block_hours, str) and not check.faults:
            try:
                _ = self.block_steps
            except ValueError as error:
                check.faults.append(f"block_hours must be a number where the data cannot choose it: {error}")
        check.finish()

    @cached_property
    def block_steps(self) -> float:
        """Expected length of a block in steps of the data."""
        if isinstance(self.block_hours, str):
            return clustering_block_length(self.prices.returns)
        return self.block_hours * 3600.0 / self.prices.step_seconds

    @cached_property
    def step_drift(self) -> Floats:
        """What is added to every log-return of the data, shape (A,): 0 where the mean of the data is kept."""
        return drift_shift(self.prices, self.log_drift)

    def path_limit(self, grid: TimeGrid) -> None:
        """No limit; ValueError where a step of `grid` is no whole number of the data's."""
        grid_strides(grid, self.prices.step_seconds)

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``, spot (T + 1, A, P) in USD.

        The block in which a history ends goes on into the path.
        """
        k0, k1 = keys.words()
        stride, before_stride = grid_strides(grid, self.prices.step_seconds)
        data, spot = self.prices, np.array(self.spot)
        row, left = np.zeros((2, count), dtype=np.int64)
        failed = np.zeros(count, dtype=bool)
        with np.errstate(divide="ignore"):  # a block of one step is never kept
            log_keep = float(np.log1p(-1.0 / self.block_steps))

        def fill(steps: int, each: int, history: bool) -> Floats:
            out = np.empty((steps + 1, len(self.assets), count))
            block_paths(
                out, failed, row, left, spot, data.log_prices, data.stretch_last, data.return_ends - 1, self._heads,
                log_keep, self.step_drift * each, each, first_path, history,
                HISTORY_PURPOSES if history else PURPOSES, k0, k1,
            )  # fmt: skip
            return out

        before = fill(grid.history_steps, before_stride, True) if grid.history_steps else None
        out = fill(grid.steps, stride, False)
        return MarketPaths(grid, self.assets, first_path, out, history_spot_lanes=before, failed=failed)

    @cached_property
    def _heads(self) -> Ints:
        """First bar of every stretch that holds a return."""
        first = np.flatnonzero(np.append(True, self.prices.missing_before[1:] > 0))
        return first[self.prices.stretch_last[first] > first]


def drift_shift(series: PriceSeries, log_drift: Vector | str) -> Floats:
    """Shift of every log-return of `series` that makes their mean `log_drift` per year, shape (A,)."""
    if isinstance(log_drift, str):
        return np.zeros(len(series.assets))
    return np.array(log_drift) * (series.step_seconds / SECONDS_PER_YEAR) - series.returns.mean(axis=0)


def grid_strides(grid: TimeGrid, data_seconds: int) -> tuple[int, int]:
    """Steps of the data in a step of the path and in one of its history (0: none); ValueError where not whole."""
    before = whole_steps(grid.history_step_seconds, data_seconds, "history step") if grid.history_steps else 0
    return whole_steps(grid.step_seconds, data_seconds), before
