"""Heston (1993): stochastic variance without jumps, for several correlated assets.

    dv_i = kappa_i (theta_i - v_i) dt + xi_i sqrt(v_i) dV_i
    d log S_i = (drift_i - v_i / 2) dt + sqrt(v_i) dW_i,   dW_i dV_i = rho_i dt

``correlation`` holds the correlations of the price motions W, ``variance_correlation`` those of the variance motions
V.  With W_i = rho_i V_i + sqrt(1 - rho_i^2) Z_i and Z independent of V, the residuals Z must have the correlation

    (R_ij - rho_i rho_j C_ij) / (sqrt(1 - rho_i^2) sqrt(1 - rho_j^2)),

and a world where that is not positive definite is refused.  With one variance motion (C = 1 everywhere), equal kappa
and equal theta_i / xi_i^2, variances started in proportion stay in proportion and the joint law is affine.

Worlds with jumps (`riskengine.scenario.bates`, `riskengine.scenario.svcj`) extend this record and share its verbs.
Reference: Heston, Review of Financial Studies 6 (1993), 327-343.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.correlation import check_correlation, factor
from riskengine.scenario.jumps import JumpTable, Matrix, Vector, jump_table
from riskengine.scenario.lanes import FORWARD, HISTORY
from riskengine.scenario.parameters import ParameterCheck, asset_index
from riskengine.scenario.proposal import PLAIN, Proposal, TiltedLanes, TiltSpace
from riskengine.scenario.qe import bates_paths
from riskengine.scenario.stationary import stationary_variance

if TYPE_CHECKING:
    from riskengine.law.bates import BatesLaw


@dataclass(frozen=True)
class Heston:
    """Stochastic variance.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    drift : tuple of float
        Growth rate per year: E[S_T] = S_0 exp(drift T).
    kappa : tuple of float
        Mean reversion of variance, per year.
    theta : tuple of float
        Long-run variance, per year.
    xi : tuple of float
        Volatility of variance.
    rho : tuple of float
        Correlation of an asset's price motion with its variance motion, in (-1, 1).
    initial_variance : tuple of float, or "stationary"
        Variance at the start of the path (of its history, where it has one), or a draw from its stationary law.
    correlation : matrix
        Of the price motions.
    variance_correlation : matrix
        Of the variance motions; may be singular (all ones: one motion for all).

    Examples
    --------
    >>> one = ((1.0,),)
    >>> world = Heston(("BTC",), (6e4,), (0.0,), (5.0,), (0.36,), (1.5,), (-0.5,), "stationary", one, one)
    >>> world.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).variance.shape
    (31, 4, 1)
    >>> world.notes
    ()
    """

    kind: ClassVar[str] = "heston"

    assets: tuple[str, ...]
    spot: Vector
    drift: Vector
    kappa: Vector
    theta: Vector
    xi: Vector
    rho: Vector
    initial_variance: Vector | Literal["stationary"]
    correlation: Matrix
    variance_correlation: Matrix

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        count = len(assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "drift", check.vector("drift", self.drift, count))
        for name in ("spot", "kappa", "theta", "xi"):
            object.__setattr__(self, name, check.vector(name, getattr(self, name), count, 0.0))
        object.__setattr__(self, "rho", check.vector("rho", self.rho, count, -1.0, 1.0))
        if not self.starts_stationary:
            initial = check.vector("initial_variance", self.initial_variance, count, 0.0, closed=True)
            object.__setattr__(self, "initial_variance", initial)
        object.__setattr__(self, "correlation", check.correlation("correlation", self.correlation, count))
        motion = check.correlation("variance_correlation", self.variance_correlation, count, allow_singular=True)
        object.__setattr__(self, "variance_correlation", motion)
        self._check_jumps(check)
        check.finish()
        check_correlation(
            "residual correlation implied by correlation, rho and variance_correlation",
            self.residual_correlation,
            count,
        )

    def _check_jumps(self, check: ParameterCheck) -> None:
        """Add what is wrong with the jump components: there are none here."""

    @property
    def starts_stationary(self) -> bool:
        """Whether paths start from a draw of the stationary variance."""
        return isinstance(self.initial_variance, str) and self.initial_variance == "stationary"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of these parameters and may not have meant; shown by ``riskengine check``."""
        return tuple(
            f"variance of {asset} reaches zero: 2 kappa theta = {2.0 * k * theta:.4g} is below xi^2 = {x * x:.4g} "
            "(Feller's condition fails); the scheme and the exact law allow for it"
            for asset, k, theta, x in zip(self.assets, self.kappa, self.theta, self.xi, strict=True)
            if 2.0 * k * theta < x * x
        )

    @property
    def residual_correlation(self) -> Floats:
        """Correlation of the price shocks that do not move variance, shape (A, A)."""
        rho = np.array(self.rho)
        free = np.sqrt(1.0 - rho * rho)
        out = (np.array(self.correlation) - np.outer(rho, rho) * np.array(self.variance_correlation)) / np.outer(
            free, free
        )
        np.fill_diagonal(out, 1.0)
        return out

    def sample(
        self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys, proposal: Proposal | None = None
    ) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``: spot in USD and variance per year, (T + 1, A, P) each.

        With a proposal they are drawn from its mixture and carry ``log_weight``; the history stays plain.
        """
        k0, k1 = keys.words()
        assets, spot, failed = len(self.assets), np.array(self.spot), np.zeros(count, dtype=bool)
        variance_mix, price_mix = self._mixes
        jumps = self._jumps
        lanes = PLAIN
        if proposal is not None:
            lanes = TiltedLanes.start(self.tilt_space(grid, proposal.hours), proposal, first_path, count, keys)

        def fill(state, steps, dt, history):
            out = np.empty((steps + 1, assets, count))
            variance = np.empty_like(out)
            bates_paths(
                out, variance, failed, spot, state, self._coefficients(dt), variance_mix, price_mix,
                jumps.intensity * dt, jumps.mean, jumps.mix, first_path, history, HISTORY if history else FORWARD,
                k0, k1, self._marks(dt), *(PLAIN if history else lanes).arrays,
            )  # fmt: skip
            return out, variance

        state = self.start(first_path, count, keys, *lanes.starts)
        before = before_variance = None
        if grid.history_steps:
            before, before_variance = fill(state, grid.history_steps, grid.history_dt, True)
            state = before_variance[-1]
        out, variance = fill(state, grid.steps, grid.dt, False)
        return MarketPaths(
            grid, self.assets, first_path, out, variance, before, before_variance,
            failed=failed, log_weight=lanes.log_weight(), tilt_statistics=lanes.statistics,
        )  # fmt: skip

    def tilt_space(self, grid: TimeGrid, hours: float | None = None) -> TiltSpace:
        """What a proposal may tilt on `grid` up to `hours` (None: the horizon).

        Of jumps that move variance too, when they come but not how far they go; nor the variance they leave at time 0.
        """
        alone = self._marks(grid.dt) is None
        initial = self._mixes[0] if alone and self.starts_stationary and not grid.history_steps else None
        return TiltSpace.of(grid, hours, self._mixes, self._jumps, initial, alone)

    def law(self, asset: str, horizon: float, variance: float | None = None) -> BatesLaw:
        """Exact law of the log-return of `asset` over `horizon` years from `variance` at its start.

        None means ``initial_variance``: its number, or the stationary law (which a history leaves as it is; from a
        number, variance at time 0 has moved on by the length of the history, and is to be given).
        """
        i = asset_index(self.assets, asset)
        if variance is None and not self.starts_stationary:
            variance = float(self.initial_variance[i])
        return self._law_class()(
            self.drift[i], self.kappa[i], self.theta[i], self.xi[i], self.rho[i], self._law_jumps(i), horizon, variance
        )

    @staticmethod
    def _law_class() -> type[BatesLaw]:
        from riskengine.law.bates import BatesLaw

        return BatesLaw

    def _law_jumps(self, index: int) -> tuple:
        """Jump components of asset `index` as the law reads them."""
        return ()

    def start(
        self, first_path: int, count: int, keys: DrawKeys, shift: Floats | None = None, statistics: Floats | None = None
    ) -> Floats:
        """Variance at the start of each path (of its history, where it has one), per year, shape (A, P).

        A tilt adds `shift` (A, P) to the normals that draw it and keeps them in `statistics`.
        """
        if self.starts_stationary:
            if shift is not None:
                return self._stationary(first_path, count, keys, shift, statistics)
            return self._stationary(first_path, count, keys)
        return np.repeat(np.array(self.initial_variance)[:, None], count, axis=1)

    def _stationary(
        self, first_path: int, count: int, keys: DrawKeys, shift: Floats | None = None, statistics: Floats | None = None
    ) -> Floats:
        """Draws of the stationary variances, shape (A, P)."""
        kappa, theta, xi = np.array(self.kappa), np.array(self.theta), np.array(self.xi)
        return stationary_variance(kappa, theta, xi, self._mixes[0], first_path, count, keys, shift, statistics)

    def _marks(self, dt: float) -> tuple[Floats, Floats] | None:
        """What jumps do to variance in steps of `dt` years, as the kernel reads it; None where they do nothing."""
        return None

    @cached_property
    def _mixes(self) -> tuple[Floats, Floats]:
        """Factors of the correlations of variance shocks and of residual price shocks, shape (A, A) each."""
        return factor(np.array(self.variance_correlation)), factor(self.residual_correlation)

    @cached_property
    def _jumps(self) -> JumpTable:
        return jump_table(len(self.assets), None, None)

    @cached_property
    def _steps(self) -> dict[float, Floats]:
        return {}

    def _coefficients(self, dt: float) -> Floats:
        """Columns of `riskengine.scenario.qe` for steps of `dt` years, shape (A, 8); the same for every block."""
        if dt not in self._steps:
            kappa, theta, xi, rho = (np.array(v) for v in (self.kappa, self.theta, self.xi, self.rho))
            decay, gone = np.exp(-kappa * dt), -np.expm1(-kappa * dt)
            k2 = 0.5 * dt * (kappa * rho / xi - 0.5) + rho / xi
            k3 = 0.5 * dt * (1.0 - rho * rho)
            columns = (
                decay,
                theta * gone,
                xi * xi * decay / kappa * gone,
                theta * xi * xi / (2.0 * kappa) * gone * gone,
                k2 + 0.5 * k3,
                k2,
                k3,
                (np.array(self.drift) - self._jumps.compensator) * dt,
            )
            self._steps[dt] = np.ascontiguousarray(np.stack(columns, axis=1))
        return self._steps[dt]
