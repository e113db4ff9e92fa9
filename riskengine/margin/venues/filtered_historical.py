"""Filtered historical simulation of a futures margin, Eurex-like: volatility-scaled returns without overlap.

Returns are summed over the margin period of risk H and dealt to H interleaved buckets, so that the sums of one bucket
do not overlap.  Inside a bucket, with X_k its k-th member going back in time, b = burn_in / H and weights
w_j = (1 - lambda) / (1 - lambda^b) lambda^j:
    mu_k = sum_j w_j X_{k+j},   vol_k = sqrt(sum_j w_j (X_{k+j} - mu_{k+j})^2),   z_k = (X_k - mu_{k+1}) / vol_{k+1}.
Each z over the look-back is revalued at f = max(median vol of the bucket, mean of the newest vols over all buckets),
    v = factor (exp(z f) - 1),
and the margin is the mean over buckets of the type-2 quantile of v, at 1 - quantile for a long and quantile for a short
position, without its sign.  A return is set against the mean and volatility known before its window began.

Reference: Eurex PRISMA; Barone-Adesi, Giannopoulos and Vosper (1999); Hyndman and Fan (1996) for the quantile.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats, check_range


@dataclass(frozen=True)
class Parameters:
    """Figures of the model.

    Attributes
    ----------
    period : int
        Margin period of risk, days.
    lookback : int
        Newest rows whose scaled returns count, days.
    burn_in : int
        Days that feed one mean or volatility; a multiple of `period`.
    decay : float
        lambda, per member of a bucket.
    factor : float
        Multiplier of the revalued return.
    quantile : float
        For example 0.99.
    """

    period: int
    lookback: int
    burn_in: int
    decay: float
    factor: float = 1.37
    quantile: float = 0.99

    def __post_init__(self) -> None:
        for name in ("period", "lookback", "burn_in"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        if self.burn_in % self.period:
            raise ValueError(f"burn_in must be a multiple of period {self.period}, got {self.burn_in}")
        if self.lookback < self.period:
            raise ValueError(f"lookback must be at least period {self.period}, got {self.lookback}")
        check_range("decay", self.decay, 0.0, 1.0, open_low=True, open_high=True)
        check_range("factor", self.factor, 0.0, np.inf, open_low=True, open_high=True)
        check_range("quantile", self.quantile, 0.0, 1.0, open_low=True, open_high=True)

    @property
    def least_returns(self) -> int:
        """Number of daily returns that the look-back needs."""
        last = self.lookback - 1  # oldest row that counts; its bucket reaches 2 b - 1 members further back
        return last + self.period * (2 * (self.burn_in // self.period) - 1) + self.period + 1


@dataclass(frozen=True)
class Margin:
    """Margin as a share of the position's value, and the filter at the newest row."""

    margin: float
    volatility: float
    mean: float


def margin(log_returns: ArrayLike, parameters: Parameters, short: bool = False) -> Margin:
    """Margin of one contract.

    Parameters
    ----------
    log_returns : array_like, shape (n,)
        Daily, newest first.
    parameters : Parameters
    short : bool
        Position sold.

    Raises
    ------
    ValueError
        Where the returns do not reach back far enough, or a volatility is zero.
    """
    p, r = parameters, as_floats("log_returns", log_returns, 1)
    if r.size < p.least_returns:
        raise ValueError(f"log_returns must hold at least {p.least_returns} days, got {r.size}")
    sums = np.convolve(r, np.ones(p.period), "valid")[: r.size - p.period]
    filtered = [_filter(sums[k :: p.period], p) for k in range(p.period)]
    newest = float(np.mean([vol[0] for _, vol, _ in filtered]))
    level = p.quantile if short else 1.0 - p.quantile
    found = []
    for k, (_, vol, scaled) in enumerate(filtered):
        rows = len(range(k, p.lookback, p.period))
        scale = max(averaged_quantile(vol[:rows], 0.5), newest)
        found.append(averaged_quantile(np.expm1(scaled[:rows] * scale) * p.factor, level))
    return Margin(abs(float(np.mean(found))), float(filtered[0][1][0]), float(filtered[0][0][0]))


def _filter(x: Floats, p: Parameters) -> tuple[Floats, Floats, Floats]:
    """(mean, volatility, scaled value) of one bucket, newest first; each as far back as the bucket allows."""
    b = p.burn_in // p.period
    weight = p.decay ** np.arange(b) * (1.0 - p.decay) / (1.0 - p.decay**b)
    mean = np.lib.stride_tricks.sliding_window_view(x, b) @ weight
    square = (x[: mean.size] - mean) ** 2
    vol = np.sqrt(np.lib.stride_tricks.sliding_window_view(square, b) @ weight)
    if not (vol > 0.0).all():
        raise ValueError("log_returns must vary inside every burn-in, got a volatility of zero")
    return mean, vol, (x[: vol.size - 1] - mean[1 : vol.size]) / vol[1:]


def averaged_quantile(sample: ArrayLike, level: float) -> float:
    """Type-2 quantile: the order statistic at ceil(n level), averaged with the next where n level is whole."""
    x = np.sort(as_floats("sample", sample, 1))
    if not x.size:
        raise ValueError("sample must hold at least one value, got none")
    position = x.size * level
    whole = round(position)
    # n level within rounding of a whole number is one: 20 (1 - 0.9) < 2 in floating point
    if abs(position - whole) <= 1e-9 * max(position, 1.0):
        return 0.5 * float(x[max(whole, 1) - 1] + x[min(whole, x.size - 1)])
    return float(x[min(math.ceil(position), x.size) - 1])
