"""Regime switching for several correlated assets: a Markov chain moves drift, volatility, correlation and jump pace.

    d log S_i = (drift_ik - sigma_ik^2 / 2 - m_k c_i) dt + sigma_ik dW_i + dJ_i,   k = regime(t),

the chain with generator Q (rates per year), J the jumps of `merton` with intensities times m_k, c_i their compensator.
While in regime k E[S] grows at drift_ik; with one drift for all regimes E[S_T] = S_0 exp(drift T).  All assets share
the regime: calm and stress come to all at once, and volatility clusters.  Holding times are exponential and followed
exactly inside a step, so the increment given the chain is exactly normal plus jumps, at any step.

The variance that a path shows is the diffusive variance sigma_ik^2 of its regime; jumps add pace times intensity times
E[J^2] on top, a constant of the regime.  An asset's volatility tells the regimes apart, so its variance is the whole
state.  References: Hamilton, Econometrica 57 (1989), 357-384; Buffington, Elliott, International Journal of Theoretical
and Applied Finance 5 (2002), 497-514.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.law.markov import generator_faults, reaches_one_class, stationary_law
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, Purpose, fill_uniforms
from riskengine.scenario.correlation import factor
from riskengine.scenario.jumps import (
    CommonJumps,
    JumpTable,
    Matrix,
    OwnJumps,
    Vector,
    check_jumps,
    jump_table,
    law_components,
)
from riskengine.scenario.lanes import FORWARD, HISTORY
from riskengine.scenario.parameters import ParameterCheck, asset_index
from riskengine.scenario.regimes import regime_paths

if TYPE_CHECKING:
    from riskengine.law.regime_switching import RegimeSwitchingLaw

_FORWARD = np.append(FORWARD, int(Purpose.REGIME))
_HISTORY = np.append(HISTORY, int(Purpose.HISTORY_REGIME))


def _depth(value: Any) -> int:
    """How many lists lie in each other at the first entry: 1 for a vector, 2 for a matrix, 3 for several."""
    return 1 + _depth(value[0]) if isinstance(value, (list, tuple)) and value else 0


def _exact_rows(generator: Matrix) -> Matrix:
    """The generator with a diagonal that balances its rows to the last bit: chain and law read the same rates."""
    rates = [[float(q) for q in row] for row in generator]
    for i, row in enumerate(rates):
        row[i] = -math.fsum(q for j, q in enumerate(row) if j != i)
    return tuple(tuple(row) for row in rates)


@dataclass(frozen=True)
class RegimeSwitching:
    """Lognormal diffusion with jumps under a Markov chain of regimes.

    Attributes
    ----------
    assets : tuple of str
    spot : tuple of float
        Price at time 0, USD.
    regimes : tuple of str
        Names, K of them.
    generator : matrix, K x K
        Rates of change per year, from row to column; rows sum to 0.
    drift : tuple of float, one per asset, or matrix, K x A
        Growth rate of E[S] per year, the same in all regimes or by regime.  Held as a matrix.
    volatility : matrix, K x A
        Of the diffusion alone, per square-root year; an asset's differ between regimes.
    correlations : matrix, A x A, or one for each regime
        Of the Brownian motions.  Held as one for each regime.
    initial_regime : str
        Name of the regime at the start of the path (of its history, where it has one), or ``stationary``.
    jumps_common : CommonJumps or None
    jumps_own : OwnJumps or None
        With their intensities at pace 1.
    pace : tuple of float, one per regime, or None
        Factor on the intensities of the jumps; None is 1 everywhere.

    Examples
    --------
    >>> world = RegimeSwitching(
    ...     ("BTC",), (6e4,), ("calm", "stress"), ((-6.0, 6.0), (40.0, -40.0)), (0.0,), ((0.4,), (1.2,)), ((1.0,),)
    ... )
    >>> world.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).variance.shape
    (31, 4, 1)
    """

    kind: ClassVar[str] = "regime_switching"

    assets: tuple[str, ...]
    spot: Vector
    regimes: tuple[str, ...]
    generator: Matrix
    drift: Vector | Matrix
    volatility: Matrix
    correlations: Matrix | tuple[Matrix, ...]
    initial_regime: str = "stationary"
    jumps_common: CommonJumps | None = None
    jumps_own: OwnJumps | None = None
    pace: Vector | None = None

    def __post_init__(self) -> None:
        check = ParameterCheck()
        assets = check.names(self.assets)
        regimes = self._check_regimes(check)
        a, k = len(assets), len(regimes)
        values: dict[str, Any] = {"assets": assets, "regimes": regimes}
        values["spot"] = check.vector("spot", self.spot, a, 0.0)
        faults = generator_faults("generator", self.generator, k)
        check.faults += faults
        if not faults:
            values["generator"] = _exact_rows(self.generator)
            if self.starts_stationary and not reaches_one_class(self.generator):
                check.faults.append(
                    "generator must lead to one class of regimes for a stationary start, got several never left"
                )
        drift = [self.drift] * k if _depth(self.drift) == 1 else self.drift
        values["drift"] = self._each(check, "drift", drift, lambda name, row: check.vector(name, row, a))
        values["volatility"] = self._each(
            check, "volatility", self.volatility, lambda name, row: check.vector(name, row, a, 0.0)
        )
        if _depth(self.correlations) == 2:
            values["correlations"] = (check.correlation("correlations", self.correlations, a),) * k
        else:
            values["correlations"] = self._each(
                check, "correlations", self.correlations, lambda name, matrix: check.correlation(name, matrix, a)
            )
        if self.pace is not None:
            values["pace"] = check.vector("pace", self.pace, k, 0.0, closed=True)
        check_jumps(check, a, self.jumps_common, self.jumps_own)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not check.faults:
            self._check_told_apart(check)
        check.finish()

    def _check_regimes(self, check: ParameterCheck) -> tuple[str, ...]:
        """Names of the regimes; faults where they are no names or the start is none of them."""
        names = tuple(self.regimes) if not isinstance(self.regimes, str) else (self.regimes,)
        proper = all(isinstance(n, str) and n and n != "stationary" for n in names)
        if not names or len(set(names)) != len(names) or not proper:
            check.faults.append(
                f"regimes must hold distinct, non-empty names other than 'stationary', got {list(names)!r}"
            )
        if self.initial_regime not in (*names, "stationary"):
            check.faults.append(
                f"initial_regime must be one of {', '.join(map(str, names))}, stationary, got {self.initial_regime!r}"
            )
        return names

    def _each(self, check: ParameterCheck, name: str, value: Any, checked: Callable[[str, Any], Any]) -> tuple:
        """``checked(name, entry)`` of each regime's entry; a fault and nothing where their number is another."""
        entries = list(value) if isinstance(value, (list, tuple)) else []
        if len(entries) != len(self.regimes):
            check.faults.append(f"{name} must hold {len(self.regimes)} entries, one per regime, got {value!r}")
            return ()
        return tuple(checked(f"{name} in {regime}", entry) for regime, entry in zip(self.regimes, entries, strict=True))

    def _check_told_apart(self, check: ParameterCheck) -> None:
        """The law of a path reads its regime off the asset's variance."""
        for i, asset in enumerate(self.assets):
            found = np.sort([row[i] for row in self.volatility])
            if (np.diff(found) <= 1e-6 * found[1:]).any():
                check.faults.append(
                    f"volatility of {asset} must differ between regimes, which it tells apart, got {found.tolist()}"
                )

    @property
    def starts_stationary(self) -> bool:
        """Whether paths start from the stationary law of the chain."""
        return self.initial_regime == "stationary"

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``: spot in USD and variance per year, (T + 1, A, P) each."""
        k0, k1 = keys.words()
        assets, spot, failed = len(self.assets), np.array(self.spot), np.zeros(count, dtype=bool)
        state = self._initial_state(first_path, count, k0, k1)
        table = self._jumps

        def fill(steps, dt, history):
            out = np.empty((steps + 1, assets, count))
            variance = np.empty_like(out)
            regime_paths(
                out, variance, failed, state, spot, *self._coefficients(dt), self._pace, table.intensity * dt,
                table.size, table.mix, first_path, history, _HISTORY if history else _FORWARD, k0, k1,
            )  # fmt: skip
            return out, variance

        before = before_variance = None
        if grid.history_steps:
            before, before_variance = fill(grid.history_steps, grid.history_dt, True)
        out, variance = fill(grid.steps, grid.dt, False)
        return MarketPaths(grid, self.assets, first_path, out, variance, before, before_variance, failed=failed)

    def law(self, asset: str, horizon: float, variance: float | None = None) -> RegimeSwitchingLaw:
        """Exact law of the log-return of `asset` over `horizon` years.

        `variance` chooses the regime at its start: it must be the squared volatility of the asset in one of them
        (to 1e-9), else ValueError names them.  None means ``initial_regime``: the stationary law (which a history
        leaves as it is), or the regime named (from which a history moves away; the variance at time 0 is then to be
        given).
        """
        from riskengine.law.regime_switching import RegimeSwitchingLaw, regime_of

        i = asset_index(self.assets, asset)
        sigma = tuple(row[i] for row in self.volatility)
        weight = self._start
        if variance is not None:
            weight = np.eye(len(sigma))[int(regime_of(variance, sigma))]
        return RegimeSwitchingLaw(
            tuple(row[i] for row in self.drift), sigma, self.generator, tuple(weight.tolist()), horizon,
            law_components(i, self.jumps_common, self.jumps_own), tuple(self._pace.tolist()),
        )  # fmt: skip

    @cached_property
    def _start(self) -> Floats:
        """Probabilities of the regimes at the start, shape (K,)."""
        if self.starts_stationary:
            return stationary_law(self.generator)
        return np.eye(len(self.regimes))[self.regimes.index(self.initial_regime)]

    def _initial_state(self, first_path: int, count: int, k0: np.uint64, k1: np.uint64) -> Ints:
        """Regime of each path at its start, int64, shape (P,)."""
        u = np.empty(count)
        fill_uniforms(u, first_path, 0, int(Purpose.INITIAL_STATE), 0, k0, k1)
        edges = np.cumsum(self._start)[:-1]
        return np.searchsorted(edges, u, side="right").astype(np.int64)

    @cached_property
    def _jumps(self) -> JumpTable:
        return jump_table(len(self.assets), self.jumps_common, self.jumps_own)

    @cached_property
    def _pace(self) -> Floats:
        return np.ones(len(self.regimes)) if self.pace is None else np.array(self.pace)

    @cached_property
    def _steps(self) -> dict[float, tuple[Floats, ...]]:
        return {}

    def _coefficients(self, dt: float) -> tuple[Floats, ...]:
        """Arrays of `riskengine.scenario.regimes.regime_paths` for steps of `dt` years; the same for every block."""
        if dt not in self._steps:
            drift, sigma = np.array(self.drift), np.array(self.volatility)
            correlation, rates = np.array(self.correlations), np.array(self.generator)
            shifts = (drift - 0.5 * sigma * sigma - self._pace[:, None] * self._jumps.compensator) * dt
            scaled = np.sqrt(dt) * sigma
            loads = scaled[:, :, None] * np.stack([factor(c) for c in correlation])
            covariances = scaled[:, :, None] * scaled[:, None, :] * correlation
            with np.errstate(divide="ignore"):
                hold = 1.0 / (np.abs(np.diagonal(rates)) * dt)
            follow = np.cumsum(np.where(np.eye(len(rates), dtype=bool), 0.0, rates), axis=1)
            # the last rate above 0 ends the row at exactly 1; a regime that is never left has no successor
            pick = follow / np.where(follow[:, -1:] > 0.0, follow[:, -1:], 1.0)
            self._steps[dt] = shifts, loads, covariances, sigma * sigma, hold, pick
        return self._steps[dt]
