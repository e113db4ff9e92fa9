"""Variance recursions that filter a return series: GARCH(1,1) and EWMA.

    h_{t+1} = omega + alpha e_t^2 + beta h_t          EWMA: omega = 0, alpha = 1 - decay, beta = decay

h_t is the variance of the return of step t given what came before it: no look-ahead, but for the starting variance,
which is the backcast sum_i 0.94^i e_i^2 / sum_i 0.94^i over the first 75 returns (the convention of `arch`), moved on
by one step.  Over a gap the variance moves by its own forecast, one step for each missing return.  References:
Bollerslev, Journal of Econometrics 31 (1986), 307-327; RiskMetrics technical document (1996).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.scenario.jumps import Vector
from riskengine.scenario.parameters import ParameterCheck
from riskengine.stats.variance import backcast, filter_variance


@dataclass(frozen=True)
class GarchFilter:
    """GARCH(1,1), one recursion per asset.

    Attributes
    ----------
    omega : tuple of float
        Constant, squared log-return of one step of the data; positive.
    alpha, beta : tuple of float
        Weights of the last squared return and of the last variance; not negative.
    """

    kind: Literal["garch"]
    omega: Vector
    alpha: Vector
    beta: Vector

    def __post_init__(self) -> None:
        check = ParameterCheck()
        count = np.size(self.omega)
        object.__setattr__(self, "omega", check.vector("omega", self.omega, count, 0.0))
        for name in ("alpha", "beta"):
            values = check.vector(name, getattr(self, name), count, 0.0, 1.5, closed=True)
            object.__setattr__(self, name, values)
        check.finish()


@dataclass(frozen=True)
class EwmaFilter:
    """Exponentially weighted variance, one decay for all assets.

    Attributes
    ----------
    decay : float
        Weight of the last variance, in (0, 1); the last squared return has the rest.
    """

    kind: Literal["ewma"]
    decay: float

    def __post_init__(self) -> None:
        if not 0.0 < self.decay < 1.0:
            raise ValueError(f"decay must lie in (0, 1), got {self.decay!r}")


VarianceFilter = GarchFilter | EwmaFilter


@dataclass(frozen=True)
class Recursion:
    """Coefficients of the recursion of every asset, shape (A,) each."""

    omega: Floats
    alpha: Floats
    beta: Floats

    @classmethod
    def of(cls, chosen: VarianceFilter, count: int) -> "Recursion":
        """Those of a filter for `count` assets."""
        if isinstance(chosen, EwmaFilter):
            one = np.ones(count)
            return cls(0.0 * one, (1.0 - chosen.decay) * one, chosen.decay * one)
        return cls(np.array(chosen.omega), np.array(chosen.alpha), np.array(chosen.beta))

    @property
    def persistence(self) -> Floats:
        """alpha + beta: share of a variance shock that is left after one step."""
        return self.alpha + self.beta

    @property
    def long_run(self) -> Floats:
        """Variance of one step to which forecasts tend, omega / (1 - persistence); infinite where
        they do not (persistence within 1e-6 of 1)."""
        gone = 1.0 - self.persistence
        return np.divide(self.omega, gone, out=np.full_like(gone, np.inf), where=gone > 1e-6)

    def forecast(self, first: Floats, steps: int) -> Floats:
        """Expected variance of each of the next `steps` steps given that of the first (A,); shape (steps, A)."""
        out = np.empty((steps, len(self.omega)))
        out[0] = first
        for t in range(1, steps):
            out[t] = self.omega + self.persistence * out[t - 1]
        return out

    def filter(self, e: Floats, missing: Ints, first: Floats | None = None) -> Floats:
        """Variance of every return given those before it, and of the next one, shape (R + 1, A).

        Parameters
        ----------
        e : ndarray, shape (R, A)
            Returns less their mean.
        missing : ndarray of int, shape (R,)
            Returns missing before each.
        first : ndarray, shape (A,), optional
            Variance of the first return; from the backcast where not given.
        """
        out = np.empty((e.shape[0] + 1, e.shape[1]))
        if first is None:
            first = self.omega + self.persistence * backcast(e)
        for j in range(e.shape[1]):
            column = np.empty(e.shape[0] + 1)
            column[0] = first[j]
            filter_variance(
                column, np.ascontiguousarray(e[:, j]), missing, self.omega[j], self.alpha[j], self.beta[j]
            )  # fmt: skip
            out[:, j] = column
        return out

    def burn_in(self, left: float) -> int:
        """Steps after which the share `left` of a variance shock is left; 0 where shocks do not outlive a step."""
        slowest = float(self.persistence.max())
        return 0 if slowest <= 0.0 else max(0, math.ceil(math.log(left) / math.log(slowest)))
