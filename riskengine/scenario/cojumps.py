"""Jumps that move variance and price at once, as `riskengine.scenario.svcj` has them.

At an arrival variance rises by z, exponential with mean ``variance_mean``, and the price becomes S e^J with J ~
N(mean + slope z, sd^2): the larger the shock to variance, the further the price goes.  The mean relative jump

    E[e^J] - 1 = exp(mean + sd^2 / 2) / (1 - slope variance_mean) - 1

is finite for slope * variance_mean < 1 only.  A common arrival has one exponential for all assets: in a crash all
variances jump together, each by its own mean times the same number.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.scenario.jumps import CommonJumps, JumpTable, OwnJumps, Vector, jump_table
from riskengine.scenario.parameters import ParameterCheck

_SMALLEST = 1e-12  # a mean variance jump below leaves the range in which moments can be squared


@dataclass(frozen=True, kw_only=True)
class CommonCoJumps(CommonJumps):
    """Arrivals that move price and variance of every asset at once: the fields of `CommonJumps`, and

    Attributes
    ----------
    variance_mean : tuple of float, one per asset
        Mean jump of variance, per year, 1e-12 or more; 0 where jumps leave it alone.
    slope : tuple of float, one per asset
        Log-price per unit of variance jump (rho_J): negative where the price falls as variance rises.
    """

    variance_mean: Vector
    slope: Vector

    def _check(self, check: ParameterCheck) -> None:
        super()._check(check)
        _check_extents(self, check, "common jump", np.size(self.mean))


@dataclass(frozen=True, kw_only=True)
class OwnCoJumps(OwnJumps):
    """Arrivals that move price and variance of one asset alone: the fields of `OwnJumps`, and

    Attributes
    ----------
    variance_mean, slope : tuple of float, one per asset
        As in `CommonCoJumps`.
    """

    variance_mean: Vector
    slope: Vector

    def _check(self, check: ParameterCheck) -> None:
        super()._check(check)
        _check_extents(self, check, "own jump", np.size(self.intensity))


def _check_extents(jumps: CommonCoJumps | OwnCoJumps, check: ParameterCheck, name: str, count: int) -> None:
    mean = check.vector(f"{name} variance_mean", jumps.variance_mean, count, 0.0, 1e4, closed=True)
    slope = check.vector(f"{name} slope", jumps.slope, count)
    object.__setattr__(jumps, "variance_mean", mean)
    object.__setattr__(jumps, "slope", slope)
    for m in mean:
        if 0.0 < m < _SMALLEST:
            check.faults.append(f"{name} variance_mean must be 0 or at least {_SMALLEST:g}, got {m:g}")
    for m, r in zip(mean, slope, strict=False):
        if r * m >= 1.0:
            check.faults.append(
                f"{name} slope * variance_mean must be below 1, else the mean relative jump and its compensator are "
                f"infinite, got {r:g} * {m:g} = {r * m:g}"
            )


@dataclass(frozen=True)
class CoJumpTable(JumpTable):
    """`JumpTable` with what jumps do to variance.

    Attributes
    ----------
    variance_mean, slope : ndarray, shape (2, A)
        Mean variance jump and log-price per unit of it: common, own.
    """

    variance_mean: Floats
    slope: Floats

    def _log_mean(self) -> Floats:
        return super()._log_mean() - np.log1p(-self.slope * self.variance_mean)


def cojump_table(count: int, common: CommonCoJumps | None, own: OwnCoJumps | None) -> CoJumpTable:
    """`CoJumpTable` of `count` assets; None is a component that never arrives."""
    plain = jump_table(count, common, own)
    variance_mean, slope = np.zeros((2, count)), np.zeros((2, count))
    for row, jumps in enumerate((common, own)):
        if jumps is not None:
            variance_mean[row], slope[row] = jumps.variance_mean, jumps.slope
    return CoJumpTable(plain.intensity, plain.mean, plain.mix, variance_mean, slope)


def cojump_components(index: int, common: CommonCoJumps | None, own: OwnCoJumps | None) -> tuple:
    """The components that move asset `index`, as ``riskengine.law.svcj.CoJump`` objects."""
    from riskengine.law.svcj import CoJump

    found = []
    for jumps, intensity in ((common, common and common.intensity), (own, own and own.intensity[index])):
        if jumps is not None and intensity > 0.0:
            found.append(
                CoJump(
                    intensity, jumps.mean[index], jumps.sd[index], jumps.variance_mean[index], jumps.slope[index]
                )  # fmt: skip
            )
    return tuple(found)
