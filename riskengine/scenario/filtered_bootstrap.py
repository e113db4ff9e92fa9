"""Filtered bootstrap: variance by recursion along the path, shocks resampled from the residuals of real prices.

    log S(t + 1) = log S(t) + m + e_t,   e_t = sqrt(h_t) z(row_t),   h_{t+1} = omega + alpha e_t^2 + beta h_t

The rows z are the returns of the data divided by their own filtered volatility, all assets of one moment in one row: a
draw of a row keeps cross-correlation and joint extremes, the recursion keeps the clustering of volatility.  Residuals
are shifted and scaled to mean 0 and mean square 1, so that log-drift and persistence on a path are the stated ones.
References: Hull and White, Journal of Risk 1 (1998), 5-19; Barone-Adesi, Giannopoulos and Vosper, Journal of Futures
Markets 19 (1999), 583-602.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.jit import kernel, wide_vectors
from riskengine.market.grid import SECONDS_PER_YEAR, TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.series import PriceSeries
from riskengine.random import DrawKeys, Purpose, fill_words
from riskengine.scenario.block_bootstrap import drift_shift, grid_strides, pick
from riskengine.scenario.clock import LANES
from riskengine.scenario.jumps import Vector
from riskengine.scenario.lanes import anchor, write_lanes, write_prices
from riskengine.scenario.parameters import ParameterCheck, check_series
from riskengine.scenario.variance_filter import GarchFilter, Recursion, VarianceFilter
from riskengine.scenario.windows import scaled
from riskengine.vecmath import fma, root

_FORGOTTEN = 1e-4  # share of the starting variance that a burn-in leaves
_LONGEST_BURN_IN = 100_000
_LARGEST = 1e8  # variance per year beyond which a path is marked


@kernel
def _rows(row, words, count):
    wide_vectors()
    for i in range(row.size):
        row[i] = pick(words[i], count)


@kernel
def _advance(x, h, row, z, drift, omega, alpha, beta):
    wide_vectors()
    for i in range(x.size):
        e = root(h[i]) * z[row[i]]
        x[i] = x[i] + drift + e
        h[i] = fma(alpha, e * e, fma(beta, h[i], omega))


@kernel
def _write_variance(out, h, bad, per_year):
    wide_vectors()
    for i in range(out.size):
        out[i] = h[i] * per_year
        bad[i] = bad[i] if out[i] < _LARGEST else 1.0


@kernel(scratch=True)
def filtered_paths(
    out, variance, failed, spot, state, z, drift, omega, alpha, beta, per_year, stride, first_path, history, purpose,
    k0, k1,
):  # fmt: skip
    """Fill one block.

    Parameters
    ----------
    out, variance : ndarray, shape (T + 1, A, P)
        Written: prices in USD, variance per year of the next step.
    failed : ndarray of bool, shape (P,)
        Set where a price or variance left its range.
    spot : ndarray, shape (A,)
    state : ndarray, shape (A, P)
        Variance of the next step; read and written, so that a history goes on.
    z : ndarray, shape (A, R)
        Residual rows.
    drift, omega, alpha, beta : ndarray, shape (A,)
        Of one step of the data.
    per_year : float
        Steps of the data in a year.
    stride : int
        Steps of the data in a step of the grid.
    first_path : int
    history : bool
        The path ends, rather than starts, at `spot`.
    purpose : int
    k0, k1 : uint64
    """
    steps, assets, count = out.shape[0] - 1, out.shape[1], out.shape[2]
    x = np.empty((assets, LANES))
    h = np.ones((assets, LANES))
    bad = np.empty(LANES)
    words = np.empty((2, LANES), np.uint64)
    row = np.empty((2, LANES), np.int64)
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        x[:] = 0.0
        bad[:] = 0.0
        for j in range(assets):
            h[j, : end - base] = state[j, base:end]
            out[0, j, base:end] = 0.0 if history else spot[j]
            _write_variance(variance[0, j, base:end], h[j], bad, per_year)
        for t in range(steps):
            for time in range(t * stride, (t + 1) * stride):
                half = time & 1
                if half == 0:
                    # one call serves two successive steps, whatever the step of the grid
                    fill_words(words[0], words[1], first_path + base, time >> 1, purpose, 0, k0, k1)
                    _rows(row[0], words[0], z.shape[1])
                    _rows(row[1], words[1], z.shape[1])
                for j in range(assets):
                    _advance(x[j], h[j], row[half], z[j], drift[j], omega[j], alpha[j], beta[j])
            for j in range(assets):
                _write_variance(variance[t + 1, j, base:end], h[j], bad, per_year)
                if history:
                    write_lanes(out[t + 1, j, base:end], x[j])
                else:
                    write_prices(out[t + 1, j, base:end], x[j], bad, spot[j])
        for j in range(assets):
            state[j, base:end] = h[j, : end - base]
            if history:
                anchor(out[:, j, base:end], bad, spot[j])
        for i in range(base, end):
            failed[i] = failed[i] or bad[i - base] != 0.0


@kernel(scratch=True)
def burn_in(state, z, omega, alpha, beta, steps, first_path, purpose, k0, k1):
    """Let `state` (A, P) run for `steps` steps of the data before the path begins; see `filtered_paths`."""
    assets, count = state.shape
    x = np.zeros(LANES)
    h = np.ones((assets, LANES))
    words = np.empty((2, LANES), np.uint64)
    row = np.empty(LANES, np.int64)
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        for j in range(assets):
            h[j, : end - base] = state[j, base:end]
        for time in range(steps):
            half = time & 1
            if half == 0:
                fill_words(words[0], words[1], first_path + base, time >> 1, purpose, 0, k0, k1)
            _rows(row, words[half], z.shape[1])
            for j in range(assets):
                _advance(x, h[j], row, z[j], 0.0, omega[j], alpha[j], beta[j])
        for j in range(assets):
            state[j, base:end] = h[j, : end - base]


@dataclass(frozen=True)
class FilteredBootstrap:
    """Resampled residual rows under a variance that moves along the path.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    prices : PriceSeries
        The data; its step is the step of the recursion, and a step of the grid must be a whole number of them.
    filter : GarchFilter or EwmaFilter
    initial_variance : "last", "stationary" or tuple of float
        ``last``: the path begins where the data end, with the forecast after the last return; its history, where it
        has one, is the real one, the same on every path.  Otherwise the variance per year at the start of the path, or
        of its simulated history: a draw from the stationary law (the recursion runs until 1e-4 of its long-run start
        is left), or the number given.
    log_drift : "sample" or tuple of float
        Mean of the log-return per year: that of the data, or the number given.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = PriceSeries(("BTC",), 3600 * np.arange(500), np.exp(0.01 * rng.normal(size=(500, 1)).cumsum(0)), 3600)
    >>> world = FilteredBootstrap(("BTC",), (6e4,), data, GarchFilter("garch", (1e-6,), (0.1,), (0.89,)))
    >>> world.sample(TimeGrid(3600, 12), 0, 4, DrawKeys(1)).variance.shape
    (13, 4, 1)
    """

    kind: ClassVar[str] = "filtered_bootstrap"
    has_variance: ClassVar[bool] = True

    assets: tuple[str, ...]
    spot: Vector
    prices: PriceSeries
    filter: VarianceFilter
    initial_variance: Vector | Literal["last", "stationary"] = "last"
    log_drift: Vector | Literal["sample"] = "sample"

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        count = len(assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "spot", check.vector("spot", self.spot, count, 0.0))
        check_series(check, assets, self.prices, 100)
        if not isinstance(self.log_drift, str):
            object.__setattr__(self, "log_drift", check.vector("log_drift", self.log_drift, count))
        if isinstance(self.filter, GarchFilter) and len(self.filter.omega) != count:
            check.faults.append(f"filter must hold {count} numbers, one per asset, got {len(self.filter.omega)}")
        elif self.starts_stationary:
            slowest = float(self.recursion.persistence.max())
            if slowest >= 1.0 or self.recursion.burn_in(_FORGOTTEN) > _LONGEST_BURN_IN:
                check.faults.append(
                    "initial_variance must not be stationary where alpha + beta is 1 or so near it that the law is "
                    f"reached after more than {_LONGEST_BURN_IN:,} steps, got {slowest:.6g}"
                )
        elif not isinstance(self.initial_variance, str):
            initial = check.vector("initial_variance", self.initial_variance, count, 0.0)
            object.__setattr__(self, "initial_variance", initial)
        check.finish()

    @property
    def starts_stationary(self) -> bool:
        """Whether paths start from a draw of the stationary variance."""
        return isinstance(self.initial_variance, str) and self.initial_variance == "stationary"

    @cached_property
    def recursion(self) -> Recursion:
        """Coefficients of the recursion of every asset."""
        return Recursion.of(self.filter, len(self.assets))

    @cached_property
    def filtered(self) -> Floats:
        """Variance of every return of the data given those before it, and of the next one, (R + 1, A), per step."""
        ends = self.prices.return_ends
        stamps = self.prices.seconds[ends]
        missing: Ints = np.diff(stamps, prepend=stamps[0] - self.prices.step_seconds) // self.prices.step_seconds - 1
        returns = self.prices.returns
        return self.recursion.filter(returns - returns.mean(axis=0), missing)

    @cached_property
    def residuals(self) -> Floats:
        """Rows that are resampled, shape (A, R): mean 0 and mean square 1."""
        returns = self.prices.returns
        z = (returns - returns.mean(axis=0)) / np.sqrt(self.filtered[:-1])
        z -= z.mean(axis=0)
        return np.ascontiguousarray((z / np.sqrt((z * z).mean(axis=0))).T)

    @property
    def _from_last(self) -> bool:
        return isinstance(self.initial_variance, str) and self.initial_variance == "last"

    def path_limit(self, grid: TimeGrid) -> None:
        """No limit; ValueError where a step of `grid` is no whole number of the data's, or the data are too short for
        the real history before time 0."""
        stride = grid_strides(grid, self.prices.step_seconds)[1]
        held = self.prices.regular[0].size - 1
        if self._from_last and stride * grid.history_steps > held:
            hour = self.prices.step_seconds / 3600.0
            raise ValueError(
                f"prices must hold the {stride * grid.history_steps * hour:g} h of real history before time 0 "
                f"(initial_variance: last), got {held * hour:g} h"
            )

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``: spot in USD and variance per year, (T + 1, A, P) each."""
        k0, k1 = keys.words()
        stride, before_stride = grid_strides(grid, self.prices.step_seconds)
        spot, failed, step = np.array(self.spot), np.zeros(count, dtype=bool), self.recursion
        per_year = SECONDS_PER_YEAR / self.prices.step_seconds
        drift = self.prices.returns.mean(axis=0) + drift_shift(self.prices, self.log_drift)
        state = np.repeat(self._start(per_year)[:, None], count, axis=1)
        if self.starts_stationary:
            burn_in(
                state, self.residuals, step.omega, step.alpha, step.beta, step.burn_in(_FORGOTTEN), first_path,
                int(Purpose.RESAMPLE_NEXT), k0, k1,
            )  # fmt: skip

        def fill(steps: int, each: int, history: bool) -> tuple[Floats, Floats]:
            out = np.empty((steps + 1, len(self.assets), count))
            variance = np.empty_like(out)
            purpose = int(Purpose.HISTORY_RESAMPLE if history else Purpose.RESAMPLE)
            filtered_paths(
                out, variance, failed, spot, state, self.residuals, drift, step.omega, step.alpha, step.beta, per_year,
                each, first_path, history, purpose, k0, k1,
            )  # fmt: skip
            return out, variance

        before = before_variance = None
        if grid.history_steps and self._from_last:
            self.path_limit(grid)
            back = before_stride * np.arange(-grid.history_steps, 1)
            last = np.array([self.prices.regular[0].size - 1])
            before = np.repeat(scaled(self.prices, last, back, spot), count, axis=2)
            before_variance = np.repeat(self._regular_variance[last + back, :, None] * per_year, count, axis=2)
        elif grid.history_steps:
            before, before_variance = fill(grid.history_steps, before_stride, True)
        out, variance = fill(grid.steps, stride, False)
        return MarketPaths(grid, self.assets, first_path, out, variance, before, before_variance, failed=failed)

    @cached_property
    def _regular_variance(self) -> Floats:
        """Variance of the next return as known at every regular bar, (N, A), per step of the data."""
        ended = self.prices.seconds[self.prices.return_ends]
        return self.filtered[np.searchsorted(ended, self.prices.regular[0], side="right")]

    def _start(self, per_year: float) -> Floats:
        """Variance of the first step, shape (A,), before any burn-in."""
        if self.starts_stationary:
            return self.recursion.long_run
        if isinstance(self.initial_variance, str):
            return self.filtered[-1]
        return np.array(self.initial_variance) / per_year
