"""Regime switching: drift, volatility and jump intensity follow a Markov chain.  The law of a horizon log-return.

With psi_k(s) the exponent per year of regime k,

    psi_k(s) = s (drift_k - sigma_k^2 / 2 - m_k c) + s^2 sigma_k^2 / 2 + m_k sum of intensity (E[e^{sJ}] - 1),

m_k the pace of the jumps and c their compensator, E[e^{sX}] = w' expm(T (Q + diag psi(s))) 1, w the probabilities of
the regimes at the start.  One regime is Merton's law.  References: Hamilton, Econometrica 57 (1989), 357-384;
Buffington, Elliott, International Journal of Theoretical and Applied Finance 5 (2002), 497-514.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.law.fourier import FourierLaw
from riskengine.law.jump import NormalJump, compensator, jump_exponent
from riskengine.law.lanes import StatelessLanes
from riskengine.law.markov import exponentials, generator_faults

Vector = tuple[float, ...]

_LARGEST = 1e4  # log of a moment that counts as infinite: far beyond where a Chernoff bound has its least value


@dataclass(frozen=True)
class RegimeSwitchingLaw(FourierLaw):
    """Law of X = log(S_T / S_0).

    Attributes
    ----------
    drift : tuple of float, one per regime
        Growth rate of E[S] per year while in the regime: jumps are compensated.
    sigma : tuple of float, one per regime
        Diffusive volatility per year, > 0.
    generator : tuple of tuple of float
        Q: rates between regimes per year; rows sum to 0.
    weight : tuple of float, one per regime
        Probabilities of the regimes at the start.
    horizon : float
        T in years of 365 days, > 0.
    jumps : tuple of NormalJump
        Components with their intensities at pace 1.
    pace : tuple of float, one per regime
        Factor on the intensities.
    """

    drift: Vector
    sigma: Vector
    generator: tuple[Vector, ...]
    weight: Vector
    horizon: float
    jumps: tuple[NormalJump, ...] = ()
    pace: Vector = ()

    def __post_init__(self) -> None:
        count = len(self.sigma)
        object.__setattr__(self, "pace", self.pace or (1.0,) * count)
        faults = generator_faults("generator", self.generator, count)
        for name in ("drift", "weight", "pace"):
            if len(getattr(self, name)) != count:
                faults.append(f"{name} must hold {count} numbers, one per regime, got {len(getattr(self, name))}")
        if not (min(self.weight) >= 0.0 and abs(sum(self.weight) - 1.0) < 1e-9):
            faults.append(f"weight must hold probabilities that sum to 1, got {self.weight}")
        if faults:
            raise ValueError("; ".join(faults))
        for k in range(count):
            check_range("drift", self.drift[k], -100.0, 100.0)
            check_range("sigma", self.sigma[k], 0.0, 100.0, open_low=True)
            check_range("pace", self.pace[k], 0.0, 1e6)
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)

    def _regime_exponents(self, s: np.ndarray) -> np.ndarray:
        """psi_k(s) per year, shape (size of s, K)."""
        drift, variance, pace = np.array(self.drift), np.array(self.sigma) ** 2, np.array(self.pace)
        s = s.reshape(-1, 1)
        slope = drift - 0.5 * variance - pace * compensator(self.jumps)
        return s * slope + 0.5 * s * s * variance + pace * jump_exponent(s, self.jumps)

    def _log_moment(self, psi: np.ndarray) -> np.ndarray:
        """log(w' expm(T (Q + diag psi)) 1), shape (N,)."""
        top = psi.real.max(axis=1)
        # rounding grows with the changes of regime in the horizon, which may be thousands, and would shift the total
        # mass itself: extended precision leaves it below that of the result
        system = np.tile(self._rates.astype(np.result_type(psi, np.longdouble)), (psi.shape[0], 1, 1))
        k = np.arange(psi.shape[1])
        system[:, k, k] += psi - top[:, None]
        # the largest exponent is taken out first: the moment itself may leave the range of float64
        moment = (np.array(self.weight) @ exponentials(self.horizon * system)).sum(axis=-1)
        with np.errstate(divide="ignore"):
            return self.horizon * top + np.log(moment).astype(psi.dtype)

    @cached_property
    def _rates(self) -> np.ndarray:
        """The generator in extended precision, with rows that sum to 0 there; shape (K, K)."""
        rates = np.array(self.generator, dtype=np.longdouble)
        np.fill_diagonal(rates, 0.0)
        return rates - np.diag(rates.sum(axis=1))

    def exponent(self, s: ArrayLike) -> np.ndarray:
        """log E[e^{sX}] at complex `s` (complex128, shape of `s`), on the principal branch."""
        s = np.asarray(s, dtype=np.complex128)
        return self._log_moment(self._regime_exponents(s)).reshape(s.shape)

    def log_mgf(self, s: ArrayLike) -> Floats:
        """log E[e^{sX}] at real `s`, shape of `s`; values beyond 10,000 are given as infinite."""
        s = np.asarray(s, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            psi = self._regime_exponents(s)
            small = (np.abs(self.horizon * psi) <= _LARGEST).all(axis=1)
        out = np.full(s.size, np.inf)
        out[small] = self._log_moment(psi[small])
        return out.reshape(s.shape)

    @cached_property
    def occupation(self) -> Floats:
        """Mean time in years spent in each regime until the horizon, shape (K,); it sums to the horizon."""
        return np.array(self.weight) @ self._integral(self.horizon)

    def _integral(self, years: float) -> Floats:
        """Integral of e^{Qt} over t in [0, years], shape (K, K)."""
        # the upper right block of exp([[Q, I], [0, 0]] years)
        k = len(self.sigma)
        block = np.zeros((2 * k, 2 * k))
        block[:k, :k], block[:k, k:] = np.array(self.generator), np.eye(k)
        return exponentials(years * block[None])[0, :k, k:]

    @cached_property
    def scale(self) -> float:
        """Root of the mean quadratic variation: the standard deviation of X but for what moves its drift."""
        return float(np.sqrt(self.occupation @ self._variation))

    @property
    def _variation(self) -> Floats:
        """Quadratic variation of the log-price per year in each regime, shape (K,)."""
        jump = sum(j.intensity * j.mean_square for j in self.jumps)
        return np.array(self.sigma) ** 2 + np.array(self.pace) * jump

    def clustering(self, lag: float, window: float) -> float:
        """As `riskengine.law.bates.BatesLaw.clustering`; `weight` must be the stationary law of the chain.

        With r the quadratic variation per year in each regime less its mean m, A the mean of e^{Qt} over the window and
        w the weights it is w' diag(r) A e^{Q (lag - window)} A r / m^2.
        """
        w, rates = np.array(self.weight), np.array(self.generator)
        if np.abs(w @ rates).max() > 1e-9 * np.abs(rates).max():
            raise ValueError(f"weight must be the stationary law to say how volatility clusters, got {self.weight}")
        mean = float(w @ self._variation)
        r = self._variation - mean
        spell = self._integral(window) / window
        between = exponentials((lag - window) * rates[None])[0]
        return float((w * r) @ spell @ between @ spell @ r) / mean**2

    @property
    def largest_jump(self) -> float:
        """Size of a jump that is not unusual; 0 without jumps."""
        return max((abs(j.mean) + j.sd for j in self.jumps), default=0.0)

    def given(self, regime: int) -> "RegimeSwitchingLaw":
        """The same law from regime number `regime` at its start."""
        return replace(self, weight=tuple(float(k == regime) for k in range(len(self.sigma))))

    def lanes(self) -> "RegimeLanes":
        """This law on many paths, each with its own variance: `riskengine.law.lanes.lanes` asks for it."""
        return RegimeLanes(self)


def regime_of(variance: ArrayLike, sigma: Vector) -> np.ndarray:
    """Number of the regime whose diffusive variance sigma^2 is `variance`, to 1e-9; int64, shape of `variance`.

    ValueError naming the variances of the regimes where it is none of them.
    """
    v, legal = np.asarray(variance, dtype=np.float64), np.array(sigma) ** 2
    distance = np.abs(v[..., None] / legal - 1.0)
    near = distance.min(axis=-1)
    if not (near <= 1e-9).all():
        stray = v[~(near <= 1e-9)].flat[0]
        raise ValueError(
            f"variance must be that of a regime, {', '.join(f'{x:.6g}' for x in legal)}, got {float(stray)!r}"
        )
    return distance.argmin(axis=-1)


class RegimeLanes:
    """The verbs of `riskengine.law.lanes.AffineLanes` for a law whose variance tells the regime.

    Lanes are grouped by regime and each group reads the table of its regime's law, so the bits of a lane do not depend
    on its neighbours.

    Parameters
    ----------
    law : RegimeSwitchingLaw
        Its `weight` is ignored: every lane brings its own regime.
    """

    def __init__(self, law: RegimeSwitchingLaw):
        self._law = law
        self._regimes = [StatelessLanes(law.given(k)) for k in range(len(law.sigma))]

    def _each(self, shape: tuple[int, ...], variance: ArrayLike, answer) -> Floats:
        """``answer(regime, lanes)`` for the lanes of each regime, put together on the last axis."""
        index = regime_of(np.atleast_1d(variance), self._law.sigma)
        out = np.empty(shape)
        for k in np.unique(index):
            lanes = np.flatnonzero(index == k)
            out[..., lanes] = answer(self._regimes[k], lanes)
        return out

    def cdf(self, x: ArrayLike, variance: ArrayLike) -> Floats:
        """P(X <= x | v), shape of `x`: (M, P) or (P,), `variance` (P,)."""
        points, v = np.asarray(x, dtype=np.float64), np.asarray(variance, dtype=np.float64)
        return self._each(points.shape, v, lambda law, lanes: law.cdf(points[..., lanes], v[lanes]))

    def lower_expectation(self, x: ArrayLike, variance: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x} | v]; shapes as in `cdf`."""
        points, v = np.asarray(x, dtype=np.float64), np.asarray(variance, dtype=np.float64)
        return self._each(
            points.shape, v, lambda law, lanes: law.lower_expectation(points[..., lanes], v[lanes], power)
        )

    def expectation(self, variance: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} | v], shape (P,)."""
        v = np.asarray(variance, dtype=np.float64)
        return self._each(v.shape, v, lambda law, lanes: law.expectation(v[lanes], power))

    def quantile(self, probability: ArrayLike, variance: ArrayLike) -> Floats:
        """Point x with P(X <= x | v) = probability, shape (M, P) for M probabilities in [1e-9, 1 - 1e-9]."""
        p, v = np.atleast_1d(np.asarray(probability, dtype=np.float64)), np.asarray(variance, dtype=np.float64)
        return self._each((p.size, v.size), v, lambda law, lanes: law.quantile(p, v[lanes]))
