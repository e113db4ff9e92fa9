"""Tracking error: how far a series strays from its benchmark, with standard errors.

    tracking error       sd(a) (ddof 1), a the active return; a constant drift is no error in this sense
    root mean square     sqrt(mean(a^2)); a drift is
    tracking difference  mean(a)
    residual             sd of a regression on the benchmark (ddof 2): what a wrong beta does not explain
    ex ante              sqrt(w' S w) of active weights w and a covariance S

Annual figures use 365 periods: crypto never closes, and sqrt(252) is a convention error.  The standard error of the
tracking error is sd / sqrt(2 (n - 1)) for independent normal active returns, and a circular block bootstrap otherwise;
that of the tracking difference is Newey and West's (1987).

The tracking error of a tail estimate over time is sd(log(estimate / truth)), the truth being the exact conditional
quantile of each day.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, Ints, as_floats, check_range
from riskengine.estimate import Estimate


def newey_west_error(values: ArrayLike, lags: int | None = None) -> float:
    """Standard error of the mean of a correlated series (n,), Bartlett weights.

    floor(4 (n / 100)^(2/9)) lags by default.
    """
    x = as_floats("values", values, 1)
    n = x.size
    if n < 3:
        raise ValueError(f"values must hold at least three, got {n}")
    used = int(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    check_range("lags", used, 0, n - 1)
    e = x - x.mean()
    total = float(e @ e) / n
    for k in range(1, used + 1):
        total += 2.0 * (1.0 - k / (used + 1.0)) * float(e[k:] @ e[:-k]) / n
    return math.sqrt(max(total, 0.0) / n)


def newey_west_deviation(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Standard deviation (ddof 1) of a correlated series (n,), with the error of the mean square by Newey and West."""
    from scipy.special import ndtri

    a = as_floats("values", values, 1)
    sd, n = float(a.std(ddof=1)), a.size
    spread = newey_west_error((a - a.mean()) ** 2) / (2.0 * sd) if sd > 0 else 0.0
    half = float(ndtri(0.5 + 0.5 * confidence)) * spread
    return Estimate(sd, spread, max(0.0, sd - half), sd + half, confidence, n, float(n), "newey-west")


def bootstrapped(figure: Callable[[Ints], Floats], n: int, block: int, replicates: int = 1000, seed: int = 1) -> Floats:
    """Draws (replicates,) of a figure by the circular block bootstrap of a series of `n`.

    Parameters
    ----------
    figure : callable
        Days of each resample (replicates, n) -> figures (replicates,).
    n, block, replicates, seed : int
    """
    random = np.random.default_rng(seed)
    starts = random.integers(0, n, (replicates, -(-n // block)))
    return figure(((starts[..., None] + np.arange(block)) % n).reshape(replicates, -1)[:, :n])


@dataclass(frozen=True)
class Tracking:
    """Figures of an active return series.

    Attributes
    ----------
    error : Estimate
        Standard deviation of the active return a period, with the standard error asked for.
    annual : float
        The same times sqrt(periods per year).
    root_mean_square : float
    difference : Estimate
        Mean active return a period.
    residual : float
        Standard deviation of the residual of the regression on the benchmark.
    mean_absolute : float
        Mean absolute active return.
    information_ratio : float
        Annual.
    """

    error: Estimate
    annual: float
    root_mean_square: float
    difference: Estimate
    residual: float
    mean_absolute: float
    information_ratio: float


def tracking(
    portfolio: ArrayLike, benchmark: ArrayLike, periods_per_year: float = 365.0, block: int | None = None,
    lags: int | None = None, replicates: int = 1000, confidence: float = 0.95, seed: int = 1,
) -> Tracking:  # fmt: skip
    """Tracking of `portfolio` against `benchmark`, returns a period, (n,) each.

    Parameters
    ----------
    portfolio, benchmark : array_like, shape (n,)
    periods_per_year : float
    block : int, optional
        Length of the blocks of the circular bootstrap behind the error of the tracking error; None takes the normal
        formula.
    lags : int, optional
        Of `newey_west_error`.
    replicates, seed : int
    confidence : float
    """
    from scipy.special import ndtri

    p, b = as_floats("portfolio", portfolio, 1), as_floats("benchmark", benchmark, 1)
    if p.size != b.size or p.size < 4:
        raise ValueError(f"portfolio and benchmark must have one length of at least 4, got {p.size} and {b.size}")
    check_range("periods_per_year", periods_per_year, 0.0, 1e6, open_low=True)
    a, n = p - b, p.size
    sd, z = float(a.std(ddof=1)), float(ndtri(0.5 + 0.5 * confidence))
    if block is None:
        spread, method = sd / math.sqrt(2.0 * (n - 1)), "normal active returns"
        low, high = sd - z * spread, sd + z * spread
    else:
        check_range("block", block, 1, n // 2)
        drawn = bootstrapped(lambda index: a[index].std(axis=1, ddof=1), n, block, replicates, seed)
        spread, method = float(drawn.std(ddof=1)), f"circular block bootstrap, blocks of {block}"
        # basic interval: a resample of blocks understates the spread it came from
        low, high = (2 * sd - q for q in np.quantile(drawn, (0.5 + 0.5 * confidence, 0.5 - 0.5 * confidence)))
    error = Estimate(sd, spread, max(0.0, min(low, sd)), max(high, sd), confidence, n, float(n), method)
    mean, hac = float(a.mean()), newey_west_error(a, lags)
    difference = Estimate(mean, hac, mean - z * hac, mean + z * hac, confidence, n, float(n), "newey-west")
    x = np.stack([np.ones(n), b], axis=1)
    left = p - x @ np.linalg.lstsq(x, p, rcond=None)[0]
    root = math.sqrt(periods_per_year)
    return Tracking(
        error,
        sd * root,
        float(np.sqrt((a * a).mean())),
        difference,
        float(np.sqrt(left @ left / (n - 2))),
        float(np.abs(a).mean()),
        mean / sd * root if sd > 0 else math.copysign(math.inf, mean) if mean else 0.0,
    )


def ex_ante_tracking_error(active: ArrayLike, covariance: ArrayLike) -> float:
    """sqrt(w' S w) of active weights (A,) and a covariance of returns (A, A), in the covariance's period."""
    w, s = as_floats("active", active, 1), as_floats("covariance", covariance, 2)
    if s.shape != (w.size, w.size) or not np.allclose(s, s.T, atol=1e-12 * max(1.0, float(np.abs(s).max()))):
        raise ValueError(f"covariance must be symmetric of shape ({w.size}, {w.size}), got {s.shape}")
    value = float(w @ s @ w)
    if value < -1e-12 * float(np.abs(s).max()):
        raise ValueError(f"covariance must be positive semidefinite, got a variance of {value:.4g}")
    return math.sqrt(max(value, 0.0))


def estimate_tracking_error(
    estimate: ArrayLike, truth: ArrayLike, block: int, confidence: float = 0.95, seed: int = 1
) -> Estimate:
    """sd of log(estimate / truth) over time: how much a tail estimate wanders round the exact conditional quantile.

    Parameters
    ----------
    estimate, truth : array_like, shape (n,)
        Positive, day by day.
    block : int
        Of the circular bootstrap: estimates share most of their window, so days are far from independent.
    """
    e, t = as_floats("estimate", estimate, 1), as_floats("truth", truth, 1)
    if not ((e > 0).all() and (t > 0).all()):
        raise ValueError("estimates and truths must be positive, got some that are not")
    return tracking(np.log(e), np.log(t), 1.0, block=block, confidence=confidence, seed=seed).error
