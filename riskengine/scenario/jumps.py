"""Jump components of a world: what jumps, how often and how far.

Jumps are compound Poisson with normal *log* sizes: at an arrival S becomes S e^J, J ~ N(mean, sd^2).  The mean
relative jump E[e^J] - 1 = exp(mean + sd^2 / 2) - 1 is a different number; reading one as the other moves tails
(Broadie and Kaya's "-12 %" is the relative one).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats
from riskengine.scenario.correlation import equicorrelation, factor
from riskengine.scenario.parameters import ParameterCheck

Vector = tuple[float, ...]
Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class CommonJumps:
    """Arrivals that move every asset at once, with correlated sizes.

    Attributes
    ----------
    intensity : float
        Arrivals per year.
    mean, sd : tuple of float, one per asset
        Mean and standard deviation of the log jump.
    correlation : float or matrix
        Correlation of the sizes of one arrival; one number is the same for every pair.  May be singular (1: one size).
    """

    intensity: float
    mean: Vector
    sd: Vector
    correlation: float | Matrix = 0.0

    def __post_init__(self) -> None:
        check = ParameterCheck()
        self._check(check)
        check.finish()

    def _check(self, check: ParameterCheck) -> None:
        count = np.size(self.mean)
        object.__setattr__(self, "intensity", check.number("common jump intensity", self.intensity, 0.0))
        object.__setattr__(self, "mean", check.vector("common jump mean", self.mean, count))
        object.__setattr__(self, "sd", check.vector("common jump sd", self.sd, count, 0.0, closed=True))
        object.__setattr__(self, "correlation", check_size_correlation(check, self.correlation, count))
        _check_sizes(check, "common jump", (self.intensity,), self.mean, self.sd)

    @property
    def size_correlation(self) -> Floats:
        """Correlation of the sizes of one arrival, shape (A, A)."""
        return correlation_matrix(self.correlation, len(self.mean))


@dataclass(frozen=True)
class OwnJumps:
    """Arrivals of one asset alone, independent of all else.

    Attributes
    ----------
    intensity : tuple of float, one per asset
        Arrivals per year.
    mean, sd : tuple of float, one per asset
        Mean and standard deviation of the log jump.
    """

    intensity: Vector
    mean: Vector
    sd: Vector

    def __post_init__(self) -> None:
        check = ParameterCheck()
        self._check(check)
        check.finish()

    def _check(self, check: ParameterCheck) -> None:
        count = np.size(self.intensity)
        object.__setattr__(
            self, "intensity", check.vector("own jump intensity", self.intensity, count, 0.0, closed=True)
        )
        object.__setattr__(self, "mean", check.vector("own jump mean", self.mean, count))
        object.__setattr__(self, "sd", check.vector("own jump sd", self.sd, count, 0.0, closed=True))
        _check_sizes(check, "own jump", self.intensity, self.mean, self.sd)


def _check_sizes(check: ParameterCheck, name: str, intensity: Vector, mean: Vector, sd: Vector) -> None:
    """Bounds beyond which a jump is no price move: the exact laws have the same ones, the clock would not end."""
    for part, values, limit in (("intensity", intensity, 1e5), ("mean", mean, 5.0), ("sd", sd, 5.0)):
        for value in values:
            if abs(value) > limit:
                check.faults.append(
                    f"{name} {part} must lie in [{-limit if part == 'mean' else 0:g}, {limit:g}], got {value:g}"
                )


def correlation_matrix(value: float | Matrix, count: int) -> Floats:
    """`value` as a matrix (count, count): one number is the same for every pair."""
    return equicorrelation(value, count) if isinstance(value, (int, float)) else np.array(value)


def check_size_correlation(check: ParameterCheck, value: float | Matrix, count: int) -> float | Matrix:
    """`value` as a float or as rows; a fault where it is no correlation of `count` sizes.  It may be singular."""
    number = isinstance(value, (int, float))
    rows = correlation_matrix(value, count) if number else value
    # one number for all pairs is no matrix that has a nearest one of its kind
    matrix = check.correlation("jump size correlation", rows, count, allow_singular=True, repair=not number)
    return float(value) if number else matrix


def mean_relative_jump(mean: float, sd: float) -> float:
    """E[e^J] - 1 of a normal log jump: what a jump does to the price on average (the compensator's factor)."""
    return math.expm1(mean + 0.5 * sd * sd)


def check_jumps(check: ParameterCheck, count: int, common: CommonJumps | None, own: OwnJumps | None) -> None:
    """Add a fault where a component does not hold one number per asset."""
    for name, component in (("jumps_common", common), ("jumps_own", own)):
        if component is not None and len(component.mean) != count:
            check.faults.append(f"{name} must hold {count} numbers, one per asset, got {len(component.mean)}")


@dataclass(frozen=True)
class JumpTable:
    """Both components in the arrays that kernels read.

    Attributes
    ----------
    intensity : ndarray, shape (1 + A,)
        Arrivals per year: the common clock, then each asset's own; 0 where there is none.
    mean : ndarray, shape (2, A)
        Mean log jump: common, own.
    mix : ndarray, shape (2, A, A)
        Lower-triangular factor from independent normals to sizes: common, own.
    compensator : ndarray, shape (A,)
        Sum of intensity times mean relative jump, per year: subtracted from the drift so that E[S_T] is kept.
    """

    intensity: Floats
    mean: Floats
    mix: Floats
    compensator: Floats = field(init=False)

    def __post_init__(self) -> None:
        relative = np.expm1(self._log_mean())
        object.__setattr__(self, "compensator", self.intensity[0] * relative[0] + self.intensity[1:] * relative[1])

    def _log_mean(self) -> Floats:
        """log E[e^J], shape (2, A)."""
        return self.mean + 0.5 * np.einsum("cij,cij->ci", self.mix, self.mix)

    @property
    def size(self) -> Floats:
        """The size law in the form that `riskengine.scenario.clock` reads: of normal sizes, their means."""
        return self.mean


def jump_table(count: int, common: CommonJumps | None, own: OwnJumps | None) -> JumpTable:
    """`JumpTable` of `count` assets; None is a component that never arrives."""
    intensity, mean, mix = np.zeros(1 + count), np.zeros((2, count)), np.zeros((2, count, count))
    if common is not None:
        intensity[0] = common.intensity
        mean[0] = common.mean
        mix[0] = np.array(common.sd)[:, None] * factor(common.size_correlation)
    if own is not None:
        intensity[1:] = own.intensity
        mean[1] = own.mean
        mix[1] = np.diag(own.sd)
    return JumpTable(intensity, mean, mix)


def law_components(index: int, common: CommonJumps | None, own: OwnJumps | None) -> tuple:
    """The components that move asset `index`, as ``riskengine.law.jump.NormalJump`` objects."""
    from riskengine.law.jump import NormalJump

    found = []
    if common is not None and common.intensity > 0.0:
        found.append(NormalJump(common.intensity, common.mean[index], common.sd[index]))
    if own is not None and own.intensity[index] > 0.0:
        found.append(NormalJump(own.intensity[index], own.mean[index], own.sd[index]))
    return tuple(found)
