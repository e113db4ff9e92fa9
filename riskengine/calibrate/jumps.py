"""Jumps in a price history without a model of them: realised measures, a daily ratio test, a test of every bar.

Over n returns r_i of one period, with mu_p = E|Z|^p:
    RV    = sum r_i^2                                    estimates integrated variance plus squared jumps;
    BV    = (pi / 2) n / (n - 1) sum |r_i||r_{i-1}|      integrated variance alone (Barndorff-Nielsen, Shephard 2004);
    MedRV = pi / (6 - 4 sqrt 3 + pi) n / (n - 2) sum med(|r_{i-1}|, |r_i|, |r_{i+1}|)^2, which also stands one zero
            return or one jump next to another (Andersen, Dobrev, Schaumburg 2012).
Ratio test (Huang, Tauchen 2005): z = (1 - BV / RV) / sqrt((pi^2/4 + pi - 5) / n max(1, TQ / BV^2)), one-sided normal,
with the tripower quarticity TQ = n mu_{4/3}^-3 n / (n - 2) sum |r_i r_{i-1} r_{i-2}|^{4/3}.
Local test (Lee, Mykland 2008): L_i = r_i / sigma_i, sigma_i^2 the mean of |r_j||r_{j-1}| over the window before bar i;
without jumps the largest |L| of n bars lies below C_n + S_n beta(a) with probability 1 - a (Gumbel), so that one
threshold covers all bars.  Truncation (Mancini 2009): |r_i| > 3 sqrt(BV / T) dt^0.49, dt and T in years.

Traps.  Bars of a minute or less show bid-ask bounce as jumps: use five minutes or more.  Many tests at once find many
"jumps": days are adjusted by Holm (1979), bars by the Gumbel threshold.  Volatility that moves within the window, such
as its daily pattern, makes the local test find too many.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gamma, ndtr

from riskengine.arrays import Floats
from riskengine.backtest.multiplicity import holm

_MU_43 = 2.0 ** (2.0 / 3.0) * gamma(7.0 / 6.0) / gamma(0.5)
_MEDIAN = np.pi / (6.0 - 4.0 * np.sqrt(3.0) + np.pi)
_SECONDS_PER_YEAR = 31_536_000.0


def _returns(values: Floats, least: int) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    if x.size < least or not np.isfinite(x).all():
        raise ValueError(f"returns must hold at least {least} finite values, got {x.size}")
    return x


def realised_variance(returns: Floats) -> float:
    """Sum of squared returns: variance of the period, jumps included."""
    return float((_returns(returns, 1) ** 2).sum())


def bipower_variation(returns: Floats) -> float:
    """Variance of the period without its jumps, from products of neighbours."""
    x = np.abs(_returns(returns, 2))
    return float(0.5 * np.pi * x.size / (x.size - 1) * (x[1:] * x[:-1]).sum())


def med_rv(returns: Floats) -> float:
    """Variance of the period without its jumps, from medians of three neighbours."""
    x = np.abs(_returns(returns, 3))
    middle = np.median(np.stack([x[:-2], x[1:-1], x[2:]]), axis=0)
    return float(_MEDIAN * x.size / (x.size - 2) * (middle**2).sum())


def ratio_test(returns: Floats) -> tuple[float, float]:
    """Huang-Tauchen statistic z of "no jump in this period" and its one-sided p-value.

    A period without variation has no jump either: z = 0, p = 0.5.
    """
    x = np.abs(_returns(returns, 3))
    n = x.size
    rv, bv = realised_variance(x), bipower_variation(x)
    if bv == 0.0:
        return 0.0, 0.5
    quarticity = n * _MU_43**-3 * n / (n - 2) * ((x[2:] * x[1:-1] * x[:-2]) ** (4.0 / 3.0)).sum()
    z = (1.0 - bv / rv) / np.sqrt((np.pi**2 / 4.0 + np.pi - 5.0) / n * max(1.0, quarticity / bv**2))
    return float(z), float(ndtr(-z))


def lee_mykland_threshold(bars: int, level: float = 0.01) -> float:
    """What the largest |L| of `bars` bars without a jump exceeds with probability `level`: C_n + S_n beta."""
    if bars < 3 or not 0.0 < level < 1.0:
        raise ValueError(f"bars must be at least 3 and level lie in (0, 1), got {bars} and {level!r}")
    c, root = np.sqrt(2.0 / np.pi), np.sqrt(2.0 * np.log(bars))
    centre = root / c - (np.log(np.pi) + np.log(np.log(bars))) / (2.0 * c * root)
    return float(centre - np.log(-np.log1p(-level)) / (c * root))


def lee_mykland(returns: Floats, window: int) -> Floats:
    """Statistic L_i of every bar, shape (N,): its return in units of the volatility of the `window` bars before it.

    NaN for the first `window` bars, and where those before a bar did not move at all.
    """
    x = _returns(returns, 3)
    if not 3 <= window < x.size:
        raise ValueError(f"window must lie in [3, {x.size - 1}] bars, got {window}")
    product = np.abs(x[1:] * x[:-1])  # element j belongs to bar j + 1
    total = np.concatenate([[0.0], np.cumsum(product)])
    out = np.full(x.size, np.nan)
    # bars i - window + 1 to i - 1, whose products with their predecessors are elements i - window to i - 2
    i = np.arange(window, x.size)
    local = (total[i - 1] - total[i - window]) / (window - 1)
    # running sums leave rounding behind where nothing moved
    moved = local > 1e-13 * total[-1]
    out[i[moved]] = x[i[moved]] / np.sqrt(local[moved])
    return out


def mancini_threshold(bipower: float, bars: int, step_years: float) -> float:
    """Absolute return above which a bar counts as a jump: 3 sqrt(BV / T) dt^0.49 from the BV of `bars` bars."""
    return float(3.0 * np.sqrt(bipower / (bars * step_years)) * step_years**0.49)


@dataclass(frozen=True)
class Jump:
    """A bar that the local test calls a jump: its stamp (Unix seconds), its log-return, its statistic."""

    seconds: int
    log_return: float
    statistic: float


@dataclass(frozen=True)
class JumpReport:
    """Jump diagnostics of one price history.

    Attributes
    ----------
    bars : int
        Returns between neighbouring bars; none bridges a gap.
    bars_left_out : int
        Of these, in stretches no longer than the window: they have no local test.
    step_seconds : int
    volatility, volatility_bipower, volatility_median : float
        Per year: from RV, BV and MedRV of all stretches of at least three bars.
    jump_share : float
        1 - BV / RV of the same.
    days, jump_days : int
        Whole days tested by the ratio, and those that reject after Holm.
    jump_days_unadjusted : int
        Those that reject one by one: a share `level` of them would without any jump.
    threshold : float
        Of |L| for all bars together.
    window : int
    jumps : tuple of Jump
        Bars beyond it, in time order.
    bars_truncated : int
        Bars beyond Mancini's threshold.
    jumps_per_year : float
        Of the local test.
    level : float
    """

    bars: int
    bars_left_out: int
    step_seconds: int
    volatility: float
    volatility_bipower: float
    volatility_median: float
    jump_share: float
    days: int
    jump_days: int
    jump_days_unadjusted: int
    threshold: float
    window: int
    jumps: tuple[Jump, ...]
    bars_truncated: int
    jumps_per_year: float
    level: float


def jump_report(
    seconds: np.ndarray, prices: Floats, step_seconds: int, level: float = 0.01, window: int | None = None
) -> JumpReport:
    """All diagnostics of one history.

    Parameters
    ----------
    seconds : ndarray of int, shape (N,)
        Unix time of each price, increasing; a step above `step_seconds` is a gap.
    prices : ndarray, shape (N,)
    step_seconds : int
    level : float
        Family-wise level of the local test and of the daily tests.
    window : int, optional
        Bars of local volatility; the square root of the bars of a year where not given (Lee and Mykland).
    """
    seconds, prices = np.asarray(seconds, dtype=np.int64), np.asarray(prices, dtype=np.float64)
    if prices.shape != seconds.shape or not (prices > 0).all():
        raise ValueError("prices must be positive, one for each stamp")
    x = np.diff(np.log(prices))
    whole = np.diff(seconds) == step_seconds
    step_years = step_seconds / _SECONDS_PER_YEAR
    window = int(np.ceil(np.sqrt(1.0 / step_years))) if window is None else window
    edges = np.flatnonzero(np.diff(np.concatenate([[False], whole, [False]]).astype(np.int8)))
    # medians need three neighbours
    stretches = [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 3]
    if not any(part.stop - part.start > window for part in stretches):
        raise ValueError(f"prices must hold an unbroken stretch of more than {window} bars (the window), got none")
    statistic = np.full(x.size, np.nan)
    rv = bv = median = 0.0
    bars = reached = 0
    for part in stretches:
        if part.stop - part.start > window:
            statistic[part] = lee_mykland(x[part], window)
            reached += int(part.stop - part.start)
        rv, bv, median = rv + realised_variance(x[part]), bv + bipower_variation(x[part]), median + med_rv(x[part])
        bars += int(part.stop - part.start)
    if rv == 0.0:
        raise ValueError("prices must vary, got a constant series")
    p_values = _daily(x, whole, seconds, step_seconds)
    threshold = lee_mykland_threshold(int(np.isfinite(statistic).sum()), level)
    found = np.flatnonzero(np.abs(np.nan_to_num(statistic)) > threshold)
    tested_years = np.isfinite(statistic).sum() * step_years
    cut = mancini_threshold(bv, bars, step_years)
    kept = np.concatenate([x[part] for part in stretches])
    yearly = bars * step_years
    return JumpReport(
        int(whole.sum()),
        int(whole.sum()) - reached,
        step_seconds,
        float(np.sqrt(rv / yearly)),
        float(np.sqrt(bv / yearly)),
        float(np.sqrt(median / yearly)),
        float(1.0 - bv / rv),
        p_values.size,
        int((holm(p_values) <= level).sum()) if p_values.size else 0,
        int((p_values <= level).sum()),
        threshold,
        window,
        tuple(Jump(int(seconds[i + 1]), float(x[i]), float(statistic[i])) for i in found),
        int((np.abs(kept) > cut).sum()),
        float(found.size / tested_years),
        level,
    )


def _daily(x: Floats, whole: np.ndarray, seconds: np.ndarray, step_seconds: int) -> Floats:
    """p-values of the ratio test of every whole UTC day, at least 24 bars long."""
    per_day = 86_400 // step_seconds
    if per_day < 24 or 86_400 % step_seconds:
        return np.empty(0)
    day = seconds[1:] // 86_400  # bars are stamped by their opening, and a return is made within the later bar
    first, counts = np.unique(day[whole], return_counts=True)
    out = [ratio_test(x[whole & (day == d)])[1] for d in first[counts == per_day]]
    return np.array(out)
