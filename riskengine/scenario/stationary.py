"""Draws from the stationary law of a square-root (CIR) variance, fast enough to start every path from it.

The law is Gamma with shape 2 kappa theta / xi^2 and scale xi^2 / (2 kappa) (Cox, Ingersoll, Ross 1985).  Its quantile
costs a microsecond; log-quantile against normal score is smooth, so it is tabulated once per shape and read by cubic
interpolation (relative error below 1e-9).
"""

from functools import lru_cache

import numpy as np

from riskengine.arrays import Floats
from riskengine.random import DrawKeys, Purpose, fill_words, normals_from_words

_SCORE = 8.5  # |z| of a 52-bit uniform stays below 8.3
_CELLS = 2048
_LOG_TINY = -690.0  # a small shape puts mass below the smallest normal number


@lru_cache(maxsize=64)
def _log_quantile_table(shape: float) -> tuple[Floats, Floats]:
    """Log-quantile of Gamma(`shape`, 1) at equally spaced normal scores, and its slope times the spacing."""
    from scipy.special import gammainccinv, gammaincinv, ndtr

    z = np.linspace(-_SCORE, _SCORE, _CELLS + 1)
    quantile = np.where(z < 0.0, gammaincinv(shape, ndtr(z)), gammainccinv(shape, ndtr(-z)))
    y = np.log(np.maximum(quantile, np.exp(_LOG_TINY)))
    # fourth-order differences; one-sided second-order ones at the ends, where no draw falls
    slope = np.gradient(y, edge_order=2)
    slope[2:-2] = (8.0 * (y[3:-1] - y[1:-3]) - (y[4:] - y[:-4])) / 12.0
    return y, slope


def gamma_from_score(z: Floats, shape: float, scale: float) -> Floats:
    """Quantile of Gamma(`shape`, `scale`) at probability N(z); same shape as `z`."""
    y, slope = _log_quantile_table(shape)
    at = (np.clip(z, -_SCORE, _SCORE) + _SCORE) * (_CELLS / (2.0 * _SCORE))
    cell = np.minimum(at.astype(np.int64), _CELLS - 1)
    t = at - cell
    y0, y1, m0, m1 = y[cell], y[cell + 1], slope[cell], slope[cell + 1]
    rise = y1 - y0
    cubic = y0 + t * (m0 + t * ((3.0 * rise - 2.0 * m0 - m1) + t * (m0 + m1 - 2.0 * rise)))
    return scale * np.exp(cubic)


def stationary_variance(
    kappa: Floats,
    theta: Floats,
    xi: Floats,
    mix: Floats,
    first_path: int,
    count: int,
    keys: DrawKeys,
    shift: Floats | None = None,
    statistics: Floats | None = None,
) -> Floats:
    """Stationary variances, shape (A, P): Gaussian copula with factor `mix` (A, A) over the assets.

    A tilt adds `shift` (A, P) to the independent normals, and keeps the shifted ones in `statistics` (A, P).
    """
    k0, k1 = keys.words()
    assets = len(kappa)
    z = np.empty((assets, count))
    spare, a, b = np.empty(count), np.empty(count, np.uint64), np.empty(count, np.uint64)
    for i in range(assets):
        fill_words(a, b, first_path, 0, int(Purpose.INITIAL_STATE), i, k0, k1)
        normals_from_words(a, b, z[i], spare)
    if shift is not None:
        z += shift
        statistics[:] = z
    mixed = np.empty_like(z)
    for i in range(assets):
        # not a matrix product: BLAS may round differently for another number of paths
        mixed[i] = mix[i, 0] * z[0]
        for j in range(1, i + 1):
            mixed[i] += mix[i, j] * z[j]
    for i in range(assets):
        shape = 2.0 * kappa[i] * theta[i] / xi[i] ** 2
        z[i] = gamma_from_score(mixed[i], float(shape), float(xi[i] ** 2 / (2.0 * kappa[i])))
    return z


def stationary_jumps(
    intensity: Floats, extent: Floats, kappa: Floats, floor: Floats, first_path: int, count: int, keys: DrawKeys
) -> Floats:
    """What past jumps have left of themselves in stationary variances, shape (A, P): exact for each asset.

    A jump of mean size m that arrived at age t is still felt with probability m y / w, w = c (1 - y) + m y,
    y = e^{-kappa t}, c = xi^2 / (2 kappa), and is then exponential with mean w.  So the jumps that are still felt are a
    Poisson number, with mean Lambda = intensity / kappa * m log(m / c) / (m - c), of exponentials whose means w are
    log-uniform between m (just now) and c (long ago).  The common clock runs in units of Lambda from the youngest jump
    on and, as its exponentials, is shared: assets remember the same crashes.

    Parameters
    ----------
    intensity : ndarray, shape (1 + A,)
        Arrivals per year: the common clock, then each asset's own.
    extent : ndarray, shape (2, A)
        Mean variance jump: common, own.
    kappa, floor : ndarray, shape (A,)
        Speed, and c.
    first_path, count, keys
        As in `stationary_variance`.
    """
    assets = kappa.size
    out = np.zeros((assets, count))
    for clock in range(1 + assets):
        common = clock == 0
        members = range(assets) if common else (clock - 1,)
        felt, ratio = np.zeros(assets), np.ones(assets)
        for i in members:
            mean = extent[0 if common else 1, i]
            # what is rarer or smaller moves no digit of a variance, and would overflow the ratio
            if mean > 1e-30 and intensity[clock] > 1e-30:
                ratio[i] = floor[i] / mean
                # m log(m / c) / (m - c), which is 1 where m = c
                gap = 1.0 - ratio[i]
                felt[i] = intensity[clock] / kappa[i] * (-np.log1p(-gap) / gap if gap != 0.0 else 1.0)
        # one draw for the wait and the size of each arrival; the steps beyond 0 of INITIAL_STATE are free
        base = 1 << 30 if common else 1
        time, n = np.zeros(count), 0
        a, b = np.empty(count, np.uint64), np.empty(count, np.uint64)
        while (time < felt.max()).any():
            fill_words(a, b, first_path, base + n, int(Purpose.INITIAL_STATE), max(clock - 1, 0), *keys.words())
            time += _exponential(a)
            size = _exponential(b)
            for i in members:
                if felt[i] > 0.0:
                    mean = extent[0 if common else 1, i] * ratio[i] ** np.minimum(time / felt[i], 1.0)
                    out[i] += np.where(time < felt[i], mean * size, 0.0)
            n += 1
    return out


def _exponential(word: np.ndarray) -> Floats:
    """Standard exponentials from 64-bit words: -log of the uniform of `riskengine.vecmath`."""
    return -np.log(((word >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)
