"""Conditional laws on many paths at once: one variance and several points per lane.

The estimator lab asks, on every path, how likely the loss beyond an estimate really is given that path's variance.
In an affine law log E[e^{iuX} | v] = A(u) + B(u) v, so A and B are computed once per frequency and the series of a
lane costs one complex exponential a term.  Lanes are grouped in classes of variance (a factor 4 each): the widest
variance of a class sets its window, the narrowest its number of terms.  A lane's class depends on its own variance
only, and terms that have died add an exact zero, so the bits of a lane do not depend on its neighbours.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.jit import kernel, wide_vectors
from riskengine.law.fourier import AffineLaw, FourierLaw
from riskengine.law.inversion import chernoff_window, frequency_limit
from riskengine.law.merton import MertonLaw
from riskengine.law.root import invert_cdf
from riskengine.law.table import TabulatedCdf
from riskengine.roles import Law
from riskengine.vecmath import exp, sincos_turn

_DEAD = -39.0  # log of a term's modulus below which it is an exact zero
_LANES = 128
_LOWEST_CLASS = -10  # variances below theta * 4**-9 share one class, which reaches down to zero
_TURN = 0.15915494309189535


@kernel(scratch=True)
def _series_lanes(a_real, a_imag, b_real, b_imag, low, width, variance, x, cdf, pdf):
    """Cosine series of lanes: log phi_j = a_j + b_j v.  x, cdf, pdf (M, P); variance (P,)."""
    wide_vectors()
    terms, points = a_real.size, x.shape[0]
    coefficient = np.empty(_LANES)
    sine, cosine = np.empty((points, _LANES)), np.empty((points, _LANES))
    turn_sine, turn_cosine = np.empty((points, _LANES)), np.empty((points, _LANES))
    du = np.pi / width
    for first in range(0, variance.size, _LANES):
        lanes = min(_LANES, variance.size - first)
        smallest = variance[first]
        for i in range(lanes):
            smallest = min(smallest, variance[first + i])
        for m in range(points):
            for i in range(lanes):
                cdf[m, first + i] = (x[m, first + i] - low) / width
                pdf[m, first + i] = 1.0 / width
                t = (x[m, first + i] - low) * (du * _TURN)
                s, c = sincos_turn(t - np.floor(t))
                turn_sine[m, i] = s
                turn_cosine[m, i] = c
                sine[m, i] = 0.0
                cosine[m, i] = 1.0
        for j in range(1, terms):
            # once the narrowest lane is dead for good so are all: real parts of b are negative and falling in u
            if a_real[j] + b_real[j] * smallest < _DEAD and j > 64:
                break
            weight = 2.0 / width
            over = 1.0 / (j * du)
            lift = low * (j * du)
            for i in range(lanes):
                v = variance[first + i]
                log_modulus = a_real[j] + b_real[j] * v
                t = (a_imag[j] + b_imag[j] * v - lift) * _TURN
                _, c = sincos_turn(t - np.floor(t))
                coefficient[i] = weight * exp(log_modulus) * c if log_modulus >= _DEAD else 0.0
            for m in range(points):
                for i in range(lanes):
                    s = sine[m, i] * turn_cosine[m, i] + cosine[m, i] * turn_sine[m, i]
                    c = cosine[m, i] * turn_cosine[m, i] - sine[m, i] * turn_sine[m, i]
                    sine[m, i] = s
                    cosine[m, i] = c
                    cdf[m, first + i] += coefficient[i] * over * s
                    pdf[m, first + i] += coefficient[i] * c


class AffineLanes:
    """P(X <= x | v) and its inverse for many variances under one affine law.

    Parameters
    ----------
    law : AffineLaw
        Its `variance` is ignored: every lane brings its own.

    Notes
    -----
    Absolute error about 1e-13, so relative 1e-9 down to tail probabilities of 1e-4; nothing is drawn or cached that
    depends on the lanes.
    """

    def __init__(self, law: AffineLaw):
        self._law = law
        self._class = lru_cache(maxsize=None)(self._build_class)
        self._table = lru_cache(maxsize=None)(self._build_table)

    def _ends(self, index: int) -> tuple[float, float]:
        """Least and greatest variance of a class."""
        bottom = self._law.theta * 4.0**index if index > _LOWEST_CLASS else 0.0
        return bottom, self._law.theta * 4.0 ** (index + 1)

    def _build_class(self, index: int, power: float):
        """Packed exponents, window and total moment exponents of one class of variances under one tilt."""
        bottom, top = self._ends(index)
        wide, narrow = self._law.given(top), self._law.given(bottom)
        shift = [float(law.log_mgf(power)) for law in (wide, narrow)]
        if not np.isfinite(shift).all():
            raise RunError(f"E[e^(power X)] must exist at variance {top:g}, got an infinite moment for power {power:g}")
        # the window must hold the law of every variance of the class: hull of both ends
        windows = [
            chernoff_window(lambda s, law=law, c=c: law.log_mgf(power + s) - c, law.scale)
            for law, c in zip((wide, narrow), shift, strict=True)
        ]
        low, high = min(w[0] for w in windows), max(w[1] for w in windows)

        def narrowest(u):
            a, b = self._law.exponents(power + 1j * u)
            return np.exp(a + b * bottom - shift[1])

        limit = frequency_limit(narrowest, narrow.scale, high - low)
        u = np.arange(int(np.ceil(limit * (high - low) / np.pi)) + 1) * (np.pi / (high - low))
        a, b = self._law.exponents(power + 1j * u)
        a0, b0 = a[0].real, b[0].real  # the tilt's own moment: subtracted so that the series is of a probability law
        packed = tuple(np.ascontiguousarray(z) for z in (a.real - a0, a.imag, b.real - b0, b.imag))
        return packed, low, high, a0, b0

    def _classes(self, variance: Floats) -> np.ndarray:
        if not (np.isfinite(variance) & (variance >= 0)).all():
            raise ValueError(f"variance must be finite and >= 0, got {variance.min()!r} to {variance.max()!r}")
        with np.errstate(divide="ignore"):
            index = np.floor(0.5 * np.log2(variance / self._law.theta))
        return np.maximum(index, _LOWEST_CLASS).astype(np.int64)

    def _evaluate(self, x: Floats, variance: Floats, index: np.ndarray, power: float) -> tuple[Floats, Floats]:
        """cdf and pdf of the tilted law, (M, P)."""
        cdf, pdf = np.empty(x.shape), np.empty(x.shape)
        for k in np.unique(index):
            packed, low, high, _, _ = self._class(int(k), power)
            lanes = np.flatnonzero(index == k)
            points = np.ascontiguousarray(np.clip(x[:, lanes], low, high))
            f, d = np.empty(points.shape), np.empty(points.shape)
            _series_lanes(*packed, low, high - low, variance[lanes], points, f, d)
            cdf[:, lanes], pdf[:, lanes] = np.clip(f, 0.0, 1.0), d
        return cdf, pdf

    def cdf(self, x: ArrayLike, variance: ArrayLike) -> Floats:
        """P(X <= x | v).

        Parameters
        ----------
        x : array_like, shape (P,) or (M, P)
            Points, one or M on each lane.
        variance : array_like, shape (P,)

        Returns
        -------
        ndarray
            Shape of `x`.
        """
        points, v = np.asarray(x, dtype=np.float64), np.ascontiguousarray(variance, dtype=np.float64)
        return self._evaluate(points.reshape(-1, v.size), v, self._classes(v), 0.0)[0].reshape(points.shape)

    def lower_expectation(self, x: ArrayLike, variance: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x} | v]; shapes as in `cdf`."""
        points, v = np.asarray(x, dtype=np.float64), np.ascontiguousarray(variance, dtype=np.float64)
        share = self._evaluate(points.reshape(-1, v.size), v, self._classes(v), float(power))[0].reshape(points.shape)
        return share * self.expectation(v, power)

    def expectation(self, variance: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} | v], shape (P,)."""
        a, b = self._law.exponents(np.array([complex(power)]))
        return np.exp(a.real + b.real * np.asarray(variance, dtype=np.float64))

    def _build_table(self, probability: float, index: int) -> Floats:
        """Quantile at five variances of a class, evenly spaced in volatility: where Newton starts."""
        v = self._rungs(index)
        scale = np.array([self._law.given(float(x)).scale for x in v])
        start = self._law.horizon * self._law.drift + ndtri(probability) * scale
        return self._solve(np.array([probability]), v, np.full(5, index), start[None])[0]

    def _rungs(self, index: int) -> Floats:
        low, high = self._ends(index)
        return (np.sqrt(low) + (np.sqrt(high) - np.sqrt(low)) * np.arange(5) / 4) ** 2

    def _start(self, probability: float, variance: Floats, index: np.ndarray) -> Floats:
        """Quartic interpolation of the class's table in volatility, shape (P,)."""
        out = np.empty(variance.size)
        for k in np.unique(index):
            lanes = index == k
            rung = np.sqrt(self._rungs(int(k)))
            t = np.sqrt(variance[lanes])
            basis = [
                np.prod([(t - rung[j]) / (rung[i] - rung[j]) for j in range(5) if j != i], axis=0) for i in range(5)
            ]
            # a Python sum: BLAS would round a lane differently with other neighbours
            out[lanes] = sum(q * weight for q, weight in zip(self._table(probability, int(k)), basis, strict=True))
        return out

    def quantile(self, probability: ArrayLike, variance: ArrayLike) -> Floats:
        """Point x with P(X <= x | v) = probability.

        Parameters
        ----------
        probability : array_like, shape (M,)
            Inside [1e-6, 1 - 1e-6].
        variance : array_like, shape (P,)

        Returns
        -------
        ndarray, shape (M, P)
        """
        p, v = np.atleast_1d(np.asarray(probability, dtype=np.float64)), np.asarray(variance, dtype=np.float64)
        if not ((p >= 1e-6) & (p <= 1 - 1e-6)).all():
            raise ValueError(f"probability must lie in [1e-6, 1 - 1e-6], got {probability!r}")
        index = self._classes(v)
        return self._solve(p, v, index, np.stack([self._start(float(q), v, index) for q in p]))

    def _solve(self, p: Floats, v: Floats, index: np.ndarray, start: Floats) -> Floats:
        low, high = np.empty(v.size), np.empty(v.size)
        for k in np.unique(index):
            _, low[index == k], high[index == k], _, _ = self._class(int(k), 0.0)
        target = np.repeat(p[:, None], v.size, axis=1)
        low, high = np.broadcast_to(low, target.shape), np.broadcast_to(high, target.shape)

        def cdf_pdf(x, open_):
            # lanes where every level has converged are left out; their bits do not depend on it
            lanes = np.flatnonzero(open_.any(axis=0))
            value, density = np.zeros(x.shape), np.zeros(x.shape)
            value[:, lanes], density[:, lanes] = self._evaluate(x[:, lanes], v[lanes], index[lanes], 0.0)
            return value, density

        return invert_cdf(cdf_pdf, target, low, high, np.clip(start, low, high), 1e-12 * self._law.scale, 1e-13)


class StatelessLanes:
    """The verbs of `AffineLanes` for a law without a variance state: the same answer on every lane.

    Probabilities come from a table (`riskengine.law.table`): to about 1e-12 relative for a mixture of normals, and
    for a law by Fourier inversion as absolutely exact as its series is.
    """

    def __init__(self, law: Law):
        self._law = law
        self._table = lru_cache(maxsize=None)(self._build_table)

    def _build_table(self, power: float) -> tuple[TabulatedCdf | None, float]:
        """Table of the law tilted by e^{power x}, None where there is none, and E[e^{power X}]."""
        if isinstance(self._law, FourierLaw):
            series, total = self._law.tilted(power)
            return TabulatedCdf.of_series(series), total
        mixture = isinstance(self._law, MertonLaw) and power == 0.0
        return (TabulatedCdf.build(self._law) if mixture else None), 1.0

    @property
    def table(self) -> TabulatedCdf | None:
        """The tabulated cdf of the law; None where a table would be too large or there is no rule for one."""
        return self._table(0.0)[0]

    def cdf(self, x: ArrayLike, variance: ArrayLike) -> Floats:
        """P(X <= x), shape of `x`."""
        points = np.asarray(x, dtype=np.float64)
        table, _ = self._table(0.0)
        return self._law.cdf(points) if table is None else table.cdf(points)

    def lower_expectation(self, x: ArrayLike, variance: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x}], shape of `x`."""
        table, total = self._table(float(power))
        return self._law.lower_expectation(x, power) if table is None else total * table.cdf(x)

    def expectation(self, variance: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X}], shape (P,)."""
        return np.full(np.shape(variance), self._law.expectation(power))

    def quantile(self, probability: ArrayLike, variance: ArrayLike) -> Floats:
        """Quantiles, shape (M, P)."""
        value = self._law.quantile(np.atleast_1d(np.asarray(probability, dtype=np.float64)))
        return np.repeat(value[:, None], np.size(variance), axis=1)


def lanes(law: Law) -> "AffineLanes | StatelessLanes":
    """The conditional law of `law` on many lanes; build it once and keep it, it holds the precomputed series.

    A law of one's own with a variance state brings its own lanes: a method ``lanes()`` that returns an object with the
    verbs of `AffineLanes`.  A law without such a method has no state, and says the same on every lane.
    """
    own = getattr(law, "lanes", None)
    if own is not None:
        return own()
    return AffineLanes(law) if isinstance(law, AffineLaw) else StatelessLanes(law)
