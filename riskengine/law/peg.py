"""Law of a peg: how far a pegged asset stands from its par value, and how that changes over a horizon.

log deviation d = sum of Ornstein-Uhlenbeck noises + dislocations.  A dislocation arrives at Poisson times, has an
exponential log size (its sign is that of its mean m), and decays at speed l; with probability q it never does.  From a
stationary start, with a = e^{-l T},

    E[e^{s (d_T - d_0)}] = prod exp(s^2 sd^2 (1 - e^{-k T}))                                  noises of speed k
                         * prod [(1 - s m a) / ((1 - s m) (1 - s (a - 1) m))]^{r (1 - q) / l}   what recovers
                         * prod exp(r q T (1 / (1 - s m) - 1))                                 what does not
    E[e^{s d_0}]         = prod exp(s^2 sd^2 / 2) * prod (1 - s m)^{-r (1 - q) / l}

for arrivals at rate r: shot noise with exponential shots is a Gamma process of Ornstein-Uhlenbeck type, so everything
is in closed form.  The change has mean zero but for growth and what does not recover.  References: Barndorff-Nielsen
and Shephard, JRSS B 63 (2001), 167-241 (Gamma-OU); Cont and Tankov, Financial Modelling with Jump Processes (2004),
section 15.3.
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.law.fourier import FourierLaw

_LOG2_HOURS_PER_YEAR = np.log(2.0) * 8760.0


@dataclass(frozen=True)
class PegNoise:
    """Small stationary deviation.

    Attributes
    ----------
    sd : float
        Standard deviation of the log deviation.
    half_life_hours : float
    """

    sd: float
    half_life_hours: float

    def __post_init__(self) -> None:
        check_range("sd", self.sd, 0.0, 1.0, open_low=True)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)

    @property
    def speed(self) -> float:
        """Mean reversion per year."""
        return _LOG2_HOURS_PER_YEAR / self.half_life_hours


@dataclass(frozen=True)
class Dislocation:
    """Sudden deviations of one sign that fade.

    Attributes
    ----------
    intensity : float
        Arrivals per year.
    mean : float
        Mean log size; sizes are exponential, a negative mean is below the peg.
    half_life_hours : float
        Of the recovery.
    break_probability : float
        Share of arrivals that never recover.
    """

    intensity: float
    mean: float
    half_life_hours: float
    break_probability: float = 0.0

    def __post_init__(self) -> None:
        check_range("intensity", self.intensity, 0.0, 1e5)
        check_range("mean", self.mean, -0.9, 0.9)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)
        check_range("break_probability", self.break_probability, 0.0, 1.0)
        if self.mean == 0.0:
            raise ValueError("mean must not be 0 (a dislocation without size), got 0")

    @property
    def speed(self) -> float:
        """Speed of recovery per year."""
        return _LOG2_HOURS_PER_YEAR / self.half_life_hours

    @property
    def shape(self) -> float:
        """Shape of the stationary Gamma law of what is still open; its scale is the mean size."""
        return self.intensity * (1.0 - self.break_probability) / self.speed


class _ShotLaw(FourierLaw):
    """What the two laws of a peg share: complex and real exponent by one formula, and closed-form cumulants."""

    dislocations: tuple[Dislocation, ...]

    def _at(self, s: np.ndarray) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} must define _at")

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s` (complex128, shape of `s`)."""
        return self._at(np.asarray(s, dtype=np.complex128))

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where the moment does not exist."""
        s = np.asarray(s, dtype=np.float64)
        low, high = self._strip
        inside = (s > low) & (s < high)
        # a power within rounding of the edge may still divide by zero: no moment there either
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self._at(np.where(inside, s, 0.0))
        return np.where(inside & np.isfinite(value), value, np.inf)

    @cached_property
    def _strip(self) -> tuple[float, float]:
        """Open interval of real powers whose moments exist."""
        ends = [1.0 / b for d in self.dislocations if d.intensity > 0.0 for b in self._scales(d) if b != 0.0]
        return max([e for e in ends if e < 0.0], default=-np.inf), min([e for e in ends if e > 0.0], default=np.inf)

    def _scales(self, d: Dislocation) -> tuple[float, ...]:
        """Scales of the exponential tails that a dislocation gives to X."""
        return (d.mean,)

    @property
    def largest_jump(self) -> float:
        """Largest mean size of a dislocation; 0 without any."""
        return max((abs(d.mean) for d in self.dislocations if d.intensity > 0.0), default=0.0)

    @cached_property
    def scale(self) -> float:
        """Standard deviation, or a tenth of the largest dislocation where that is more: exponential tails, however
        rare, bound the moments that windows are made from."""
        return float(max(np.sqrt(self.cumulants()[1]), 0.1 * self.largest_jump))


@dataclass(frozen=True)
class DeviationLaw(_ShotLaw):
    """Stationary law of the log deviation.

    Attributes
    ----------
    noise : tuple of PegNoise
    dislocations : tuple of Dislocation
    """

    noise: tuple[PegNoise, ...]
    dislocations: tuple[Dislocation, ...] = ()

    def _at(self, s: np.ndarray) -> np.ndarray:
        total = 0.5 * s * s * sum(n.sd**2 for n in self.noise)
        for d in self.dislocations:
            total = total - d.shape * np.log(1.0 - s * d.mean)
        return total

    def cumulants(self) -> Floats:
        """First four cumulants, shape (4,), in closed form."""
        out = np.array([0.0, sum(n.sd**2 for n in self.noise), 0.0, 0.0])
        for d in self.dislocations:
            out += [d.shape * factorial(n - 1) * d.mean**n for n in range(1, 5)]
        return out


@dataclass(frozen=True)
class PegLaw(_ShotLaw):
    """Law of the change of the log deviation over a horizon, from a stationary start, plus the growth of par.

    Attributes
    ----------
    noise : tuple of PegNoise
        At least one.
    dislocations : tuple of Dislocation
    growth : float
        Of the par value, per year.
    horizon : float
        Years of 365 days.
    """

    noise: tuple[PegNoise, ...]
    dislocations: tuple[Dislocation, ...]
    growth: float
    horizon: float

    def __post_init__(self) -> None:
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)
        if not self.noise:
            raise ValueError("noise must hold at least one part, got none")

    def _at(self, s: np.ndarray) -> np.ndarray:
        gone = -np.expm1(-np.array([n.speed for n in self.noise]) * self.horizon)
        total = s * s * float(np.dot([n.sd**2 for n in self.noise], gone)) + s * (self.growth * self.horizon)
        for d in self.dislocations:
            left, m = np.exp(-d.speed * self.horizon), d.mean
            # one logarithm: 1 - s m and 1 - s (a - 1) m turn opposite ways by less than a quarter, so the quotient's
            # argument stays inside (-pi, pi)
            quotient = (1.0 - s * (m * left)) / ((1.0 - s * m) * (1.0 - s * ((left - 1.0) * m)))
            total = total + d.shape * np.log(quotient)
            if d.break_probability > 0.0:
                total = total + d.intensity * d.break_probability * self.horizon * (s * m / (1.0 - s * m))
        return total

    def _scales(self, d: Dislocation) -> tuple[float, ...]:
        return d.mean, d.mean * np.expm1(-d.speed * self.horizon)

    def cumulants(self) -> Floats:
        """First four cumulants of X, shape (4,), in closed form."""
        gone = [-np.expm1(-n.speed * self.horizon) * 2.0 * n.sd**2 for n in self.noise]
        out = np.array([self.growth * self.horizon, sum(gone), 0.0, 0.0])
        for d in self.dislocations:
            left = np.exp(-d.speed * self.horizon)
            broken = d.intensity * d.break_probability * self.horizon
            for n in range(1, 5):
                moved = (left - 1.0) ** n + 1.0 - left**n
                out[n - 1] += d.mean**n * (d.shape * factorial(n - 1) * moved + broken * factorial(n))
        return out

    def lanes(self) -> None:
        """Refused: paths do not show how far the peg stands from par, so no law given a path's state is known."""
        raise ValueError(_NO_STATE)


@dataclass(frozen=True)
class SumLaw(FourierLaw):
    """Law of the sum of independent log-returns: an asset, and a peg to it.

    Attributes
    ----------
    parts : tuple of laws
        Each known by ``exponent`` and ``log_mgf``.
    """

    parts: tuple[FourierLaw, ...]
    largest_jump: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "largest_jump", max(getattr(p, "largest_jump", 0.0) for p in self.parts))

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s` (complex128, shape of `s`)."""
        s = np.asarray(s, dtype=np.complex128)
        return sum(part.exponent(s) for part in self.parts)

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, infinite where a part's moment does not exist."""
        return sum(np.asarray(part.log_mgf(s)) for part in self.parts)

    def cumulants(self) -> Floats:
        """First four cumulants of X, shape (4,): the sums of those of the parts."""
        return sum(part.cumulants() for part in self.parts)

    @cached_property
    def scale(self) -> float:
        """Standard deviation, or a tenth of the largest jump where that is more."""
        return float(max(np.sqrt(self.cumulants()[1]), 0.1 * self.largest_jump))

    def lanes(self) -> None:
        """Refused: paths do not show how far the peg stands from par, so no law given a path's state is known."""
        raise ValueError(_NO_STATE)


_NO_STATE = (
    "exposures must be in assets whose law given a path's state is known, got a pegged asset: its paths do not show "
    "how far the peg stands from par"
)
