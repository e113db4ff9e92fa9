"""Kou (2002) jump diffusion for several correlated assets: double-exponential jumps, common and own.

    dS_i / S_i- = (drift_i - lambda k_i - lambda_i k'_i) dt + sigma_i dW_i + (e^{J_i} - 1) dN + (e^{J'_i} - 1) dN_i

An up-jump is exponential with rate eta_up > 1, a down-jump with rate eta_down.  Jumps are compensated: E[S_T] =
S_0 exp(drift T).  Increments are exact at any step.

Common sizes are J_i = Q_i(N(Z_i)), Q_i the double-exponential quantile and Z jointly normal with the stated correlation
(a Gaussian copula): every margin is exactly double exponential, so the law of one asset stays exact, and
P(J_1 <= x_1, J_2 <= x_2) = N_2(N^-1 F_1(x_1), N^-1 F_2(x_2); correlation).  Jumping together makes joint losses of
every size far more likely than diffusion does; but below a correlation of 1 the copula has no tail dependence:
P(J_2 < q_2(u) | J_1 < q_1(u)) falls to 0 like u^{(1 - r) / (1 + r)} (at r = 0.8: 0.50 at u = 5 %, 0.26 at 0.1 %).
Correlation 1 moves all assets along one quantile.

References: Kou, Management Science 48 (2002), 1086-1101; Ledford, Tawn, Biometrika 83 (1996), 169-187 (joint tails).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.clock import PER_DOWN, PER_UP, REACH_DOWN, REACH_UP, SPLIT
from riskengine.scenario.correlation import factor
from riskengine.scenario.jumps import Matrix, Vector, check_size_correlation, correlation_matrix
from riskengine.scenario.lognormal import lognormal_tilt_space, sample_lognormal
from riskengine.scenario.parameters import ParameterCheck, asset_index
from riskengine.scenario.proposal import Proposal, TiltSpace

if TYPE_CHECKING:
    from riskengine.law.kou import KouLaw

_MOST_ARRIVALS = 1e5  # per year: beyond it the clock of a path would not end


@dataclass(frozen=True)
class KouCommonJumps:
    """Arrivals that move every asset at once, with correlated double-exponential sizes.

    Attributes
    ----------
    intensity : float
        Arrivals per year.
    up_share : tuple of float, one per asset
        Probability that the asset goes up.
    eta_up, eta_down : tuple of float, one per asset
        Rates of the log sizes: an up-jump is 1 / eta_up on average, a down-jump 1 / eta_down.  eta_up > 1.
    correlation : float or matrix
        Of the normals under the sizes of one arrival; one number is the same for every pair.  May be singular.
    """

    intensity: float
    up_share: Vector
    eta_up: Vector
    eta_down: Vector
    correlation: float | Matrix = 0.0

    def __post_init__(self) -> None:
        check = ParameterCheck()
        intensity = _checked(check, self, "common jump", (self.intensity,), np.size(self.up_share))
        object.__setattr__(self, "intensity", intensity[0] if intensity else self.intensity)
        correlation = check_size_correlation(check, self.correlation, np.size(self.up_share))
        object.__setattr__(self, "correlation", correlation)
        check.finish()


@dataclass(frozen=True)
class KouOwnJumps:
    """Arrivals of one asset alone, independent of all else, with double-exponential sizes.

    Attributes
    ----------
    intensity : tuple of float, one per asset
        Arrivals per year.
    up_share : tuple of float, one per asset
        Probability that the asset goes up.
    eta_up, eta_down : tuple of float, one per asset
        Rates of the log sizes, as in `KouCommonJumps`.
    """

    intensity: Vector
    up_share: Vector
    eta_up: Vector
    eta_down: Vector

    def __post_init__(self) -> None:
        check = ParameterCheck()
        count = np.size(self.intensity)
        object.__setattr__(self, "intensity", _checked(check, self, "own jump", self.intensity, count))
        check.finish()


def _checked(check: ParameterCheck, record: Any, name: str, intensity: Vector, count: int) -> Vector:
    """Check and set the size parameters of a record; its intensities as a tuple."""
    up = check.vector(f"{name} up_share", record.up_share, count)
    check.faults += [f"{name} up_share must hold probabilities in [0, 1], got {v!r}" for v in up if not 0.0 <= v <= 1.0]
    eta_up = check.vector(f"{name} eta_up", record.eta_up, count, 0.0)
    check.faults += [
        f"{name} eta_up must hold numbers in (1, inf), got {v!r}: E[e^J], and with it the compensator, is infinite"
        for v in eta_up
        if 0.0 < v <= 1.0
    ]
    eta_down = check.vector(f"{name} eta_down", record.eta_down, count, 0.0)
    for field, value in (("up_share", up), ("eta_up", eta_up), ("eta_down", eta_down)):
        object.__setattr__(record, field, value)
    rates = check.vector(f"{name} intensity", intensity, np.size(intensity), 0.0, closed=True)
    check.faults += [
        f"{name} intensity must lie in [0, {_MOST_ARRIVALS:g}], got {v:g}" for v in rates if v > _MOST_ARRIVALS
    ]
    return rates


@dataclass(frozen=True)
class KouTable:
    """Both components in the arrays that kernels read: `riskengine.scenario.lognormal.SizeTable`.

    Attributes
    ----------
    intensity : ndarray, shape (1 + A,)
        Arrivals per year: the common clock, then each asset's own; 0 where there is none.
    size : ndarray, shape (2, A, 5)
        Columns ``SPLIT`` to ``REACH_UP`` of `riskengine.scenario.clock`: common, own.
    mix : ndarray, shape (2, A, A)
        Lower-triangular factor of the correlation of the normals under the sizes: common, own.
    compensator : ndarray, shape (A,)
        Sum of intensity times mean relative jump, per year.
    """

    intensity: Floats
    size: Floats
    mix: Floats
    compensator: Floats


def kou_table(count: int, common: KouCommonJumps | None, own: KouOwnJumps | None) -> KouTable:
    """`KouTable` of `count` assets; None is a component that never arrives."""
    intensity, size, mix = np.zeros(1 + count), np.zeros((2, count, 5)), np.zeros((2, count, count))
    compensator = np.zeros(count)
    if common is not None:
        intensity[0], mix[0] = common.intensity, factor(correlation_matrix(common.correlation, count))
    if own is not None:
        intensity[1:], mix[1] = own.intensity, np.eye(count)
    for row, part in enumerate((common, own)):
        if part is not None:
            up, eta_up, eta_down = np.array(part.up_share), np.array(part.eta_up), np.array(part.eta_down)
            # N(z) may round to 1: without up-jumps the split lies beyond it
            size[row, :, SPLIT] = np.where(up > 0.0, 1.0 - up, 2.0)
            size[row, :, PER_DOWN] = 1.0 / np.where(up < 1.0, 1.0 - up, 1.0)
            size[row, :, PER_UP] = 1.0 / np.where(up > 0.0, up, 1.0)
            size[row, :, REACH_DOWN], size[row, :, REACH_UP] = 1.0 / eta_down, 1.0 / eta_up
            compensator += part.intensity * (up / (eta_up - 1.0) - (1.0 - up) / (eta_down + 1.0))
    return KouTable(intensity, size, mix, compensator)


@dataclass(frozen=True)
class Kou:
    """Correlated lognormal diffusion with compound Poisson jumps of double-exponential size.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    drift : tuple of float
        Growth rate per year: E[S_T] = S_0 exp(drift T).
    volatility : tuple of float
        Of the diffusion alone, per square-root year.
    correlation : matrix
        Of the Brownian motions.
    jumps_common : KouCommonJumps or None
    jumps_own : KouOwnJumps or None

    Examples
    --------
    >>> jumps = KouOwnJumps((20.0,), (0.4,), (25.0,), (20.0,))
    >>> world = Kou(("BTC",), (60_000.0,), (0.0,), (0.6,), ((1.0,),), None, jumps)
    >>> world.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).spot.shape
    (31, 4, 1)
    """

    kind: ClassVar[str] = "kou"
    starts_stationary: ClassVar[bool] = True

    assets: tuple[str, ...]
    spot: Vector
    drift: Vector
    volatility: Vector
    correlation: Matrix
    jumps_common: KouCommonJumps | None = None
    jumps_own: KouOwnJumps | None = None

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        count = len(assets)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "spot", check.vector("spot", self.spot, count, 0.0))
        object.__setattr__(self, "drift", check.vector("drift", self.drift, count))
        object.__setattr__(self, "volatility", check.vector("volatility", self.volatility, count, 0.0))
        object.__setattr__(self, "correlation", check.correlation("correlation", self.correlation, count))
        for name, part in (("jumps_common", self.jumps_common), ("jumps_own", self.jumps_own)):
            if part is not None and len(part.up_share) != count:
                check.faults.append(f"{name} must hold {count} numbers, one per asset, got {len(part.up_share)}")
        check.finish()

    def sample(
        self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys, proposal: Proposal | None = None
    ) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``, spot (T + 1, A, P) in USD; weighted under a proposal."""
        return sample_lognormal(
            self.assets, self.spot, self.drift, self.volatility, self.correlation, self.jumps_common, self.jumps_own,
            grid, first_path, count, keys, kou_table, proposal,
        )  # fmt: skip

    def tilt_space(self, grid: TimeGrid, hours: float | None = None) -> TiltSpace:
        """What a proposal may tilt on `grid` up to `hours` (None: the horizon); sizes by the normals behind them."""
        return lognormal_tilt_space(self.correlation, self.jumps_common, self.jumps_own, grid, hours, kou_table)

    def law(self, asset: str, horizon: float, variance: float | None = None) -> KouLaw:
        """Exact law of the log-return of `asset` over `horizon` years; there is no variance state to condition on."""
        from riskengine.law.kou import DoubleExponentialJump, KouLaw

        i = asset_index(self.assets, asset)
        parts = []
        if self.jumps_common is not None:
            parts.append((self.jumps_common.intensity, self.jumps_common))
        if self.jumps_own is not None:
            parts.append((self.jumps_own.intensity[i], self.jumps_own))
        jumps = tuple(
            DoubleExponentialJump(rate, part.up_share[i], part.eta_up[i], part.eta_down[i])
            for rate, part in parts
            if rate
        )
        return KouLaw(self.drift[i], self.volatility[i], jumps, horizon)
