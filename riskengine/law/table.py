"""A tabulated cdf for very many points: quintic Hermite interpolation of an exact law.

On a uniform grid of step h the interpolant that matches cdf, density and its slope at both ends is wrong by at most
h^6 max|f^(5)| / 46080, f the density.  For a mixture of normals h = s / 40, s the narrowest component's standard
deviation: about 1e-13 of the local scale of the density, in the tails as well.  For a cosine series
max|f^(5)| <= sum |F_j| u_j^5, so h is chosen for an absolute error of `SERIES_ERROR`, and the nodes come from one fast
sine or cosine transform each.  Two dozen operations a point replace one normal cdf for each component, or one sine for
each term.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.law.inversion import CosSeries, chernoff_window
from riskengine.law.merton import MertonLaw

SERIES_ERROR = 1e-14  # of the interpolation, absolute: that of the series itself
_STEPS_PER_SD = 40.0
_MAX_NODES = 1 << 18
_MAX_SERIES_NODES = 1 << 21  # 50 MB


@dataclass(frozen=True)
class TabulatedCdf:
    """Nodes of the interpolant.

    Attributes
    ----------
    low, step : float
    value, first, second : ndarray, shape (N,)
        cdf, density times step, slope of the density times step squared.
    """

    low: float
    step: float
    value: Floats
    first: Floats
    second: Floats

    @classmethod
    def build(cls, law: MertonLaw) -> "TabulatedCdf | None":
        """Table of `law`; None where it would need more than 2**18 nodes."""
        _, variance = law.cumulants()[:2]
        low, high = chernoff_window(law.log_mgf, float(np.sqrt(variance)))
        step = law.narrowest / _STEPS_PER_SD
        nodes = int(np.ceil((high - low) / step)) + 1
        if nodes > _MAX_NODES:
            return None
        x = low + step * np.arange(nodes)
        return cls(low, step, law.cdf(x), step * law.pdf(x), step * step * law.pdf_slope(x))

    @classmethod
    def of_series(cls, series: CosSeries) -> "TabulatedCdf | None":
        """Table of `series`, `SERIES_ERROR` from it at most; None where it would need more than 2**21 nodes."""
        from scipy.fft import dct, dst, next_fast_len

        u, f = series.frequency, series.coefficient
        width = series.high - series.low
        steepest = float((np.abs(f) * u**5).sum())
        cells = max(u.size, int(np.ceil(width * (steepest / (46080.0 * SERIES_ERROR)) ** (1.0 / 6.0))))
        if cells > _MAX_SERIES_NODES:
            return None
        cells = next_fast_len(cells, real=True)
        step = width / cells

        # the grid divides the window, so u_j (x_n - low) = pi j n / cells; coefficients of the terms from the second on
        def sines(weight):
            padded = np.zeros(cells - 1)
            padded[: u.size - 1] = weight
            return np.pad(0.5 * dst(padded, type=1), 1)

        padded = np.zeros(cells + 1)
        padded[: u.size] = f
        padded[1:-1] *= 0.5
        value = f[0] * step * np.arange(cells + 1) + sines(f[1:] / u[1:])
        return cls(series.low, step, value, step * dct(padded, type=1), -step * step * sines(f[1:] * u[1:]))

    def cdf(self, x: Floats) -> Floats:
        """P(X <= x), shape of `x`; 0 and 1 beyond the table, whose ends leave out 1e-17 each."""
        place = (np.asarray(x, dtype=np.float64) - self.low) / self.step
        inside = np.clip(place, 0.0, self.value.size - 1.0)
        i = np.minimum(inside.astype(np.int64), self.value.size - 2)
        t = inside - i
        u = 1.0 - t
        # f = left part in powers of u times u^3, plus right part in powers of t times t^3
        left = self.value[i] * (1 + t * (3 + 6 * t)) + t * (self.first[i] * (1 + 3 * t) + 0.5 * t * self.second[i])
        j = i + 1
        right = self.value[j] * (1 + u * (3 + 6 * u)) - u * (self.first[j] * (1 + 3 * u) - 0.5 * u * self.second[j])
        value = u * u * u * left + t * t * t * right
        return np.where(place < 0, 0.0, np.where(place > self.value.size - 1, 1.0, np.clip(value, 0.0, 1.0)))
