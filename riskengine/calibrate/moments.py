"""What the fit matches: tail probabilities at the data's quantiles, second and fourth moments, clustering, spreads.

Every moment is a ratio model / data, so residuals have no unit.  Quantiles are matched through probabilities: with x
the data's p-quantile the moment is log(F(x) / p), which to first order is proportional to the error of the quantile
and needs no root search.  Errors and their joint covariance come from one circular block bootstrap of all moments.
"""

from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.calibrate.joint import HOURS, CosPoints, JointLaw
from riskengine.calibrate.sample import ReturnSample

TAIL_PROBS = (0.001, 0.01, 0.05, 0.25)
SPREAD_HORIZONS = (1, 24, 72)
KURTOSIS_HORIZONS = (1, 24, 72)
CLUSTER_LAGS_DAYS = (1, 2, 5, 10, 20, 40)


@dataclass(frozen=True)
class Moments:
    """Moments of a sample and how each is computed from a law.

    Attributes
    ----------
    names : tuple of str
        ``asset/horizon/what``.
    probabilities : tuple of (weights (A,), hours, CosPoints, P (Q,), upper (Q,))
        Combinations w.X with the points at which probabilities are compared.
    variances, kurtoses, clusters : tuples of (weights (A,), hours or lag in days, value in the data)
    covariance : ndarray, shape (M, M)
        Of the relative moments, by bootstrap.
    """

    names: tuple[str, ...]
    probabilities: tuple
    variances: tuple
    kurtoses: tuple
    clusters: tuple
    covariance: Floats = field(repr=False)

    def residuals(self, law: JointLaw) -> Floats:
        """Log or relative distance of `law` from the data for every moment, shape (M,)."""
        out = []
        for weights, hours, points, probs, upper in self.probabilities:
            below = points.cdf(law, weights, hours)
            out.append(np.log(np.maximum(np.where(upper, 1.0 - below, below), 1e-12) / probs))
        second, fourth = [], []
        for weights, hours, value in self.variances:
            second.append(np.log(law.cumulants(weights, hours / HOURS)[1] * HOURS / hours / value))
        for weights, hours, value in self.kurtoses:
            c = law.cumulants(weights, hours / HOURS)
            fourth.append(np.log((3.0 + c[3] / c[1] ** 2) / value))
        cluster = [cluster_moment(law, weights, lag) / value - 1.0 for weights, lag, value in self.clusters]
        return np.concatenate([*out, second, fourth, cluster])


def cluster_moment(law: JointLaw, weights: Floats, lag_days: float) -> float:
    """E[RV_t RV_{t+lag}] / E[RV]^2 - 1 of daily sums of squared hourly returns, for one asset and a lag of >= 1 day.

    Only the diffusive variance clusters: its autocovariance over disjoint days of length d is
    theta^2 xi0^2 / (2 kappa) ((1 - e^{-kappa d}) / (kappa d))^2 e^{-kappa (lag - d)}; the feedback of an hour's return
    on later variance is of second order in the hour and left out.
    """
    if law.xi0 == 0.0:
        return 0.0
    a = int(np.flatnonzero(weights)[0])
    day = 24.0 / HOURS
    rate, m, d = law.own
    intensity, mean, sd, _ = law.common
    jumps = intensity * (mean[a] ** 2 + sd[a] ** 2) + rate[a] * (m[a] ** 2 + d[a] ** 2)
    share = law.theta[a] / (law.theta[a] + jumps)
    x = law.kappa * day
    spread = law.xi0**2 / (2.0 * law.kappa)
    return float(share**2 * spread * (-np.expm1(-x) / x) ** 2 * np.exp(-law.kappa * (lag_days / 365.0 - day)))


class _Collector:
    """Gathers moments with their bootstrap replicates, relative to the value in the data."""

    def __init__(self, bootstrap: BlockBootstrap) -> None:
        self._bootstrap = bootstrap
        self.entries: dict[str, list[tuple]] = {"probability": [], "variance": [], "kurtosis": [], "cluster": []}
        self._names: dict[str, list[str]] = {kind: [] for kind in self.entries}
        self._relative: dict[str, list[Floats]] = {kind: [] for kind in self.entries}

    def average(self, columns: Floats, exist: np.ndarray) -> tuple[Floats, Floats]:
        """Means over the existing rows, shape (M,), and over those of every resample, shape (replicates, M)."""
        drawn = self._bootstrap.sums(np.column_stack([np.where(exist[:, None], columns, 0.0), exist]))
        return columns[exist].mean(axis=0), drawn[:, :-1] / drawn[:, -1:]

    def add(self, kind: str, entry: tuple, names: list[str], relative: Floats) -> None:
        """One entry with the names of its moments; `relative` has shape (replicates,) or (replicates, M)."""
        self.entries[kind].append(entry)
        self._names[kind] += names
        self._relative[kind].append(relative.reshape(relative.shape[0], -1))

    def finish(self) -> Moments:
        """All moments in the order of `Moments.residuals`."""
        relative = np.concatenate([r for kind in self.entries for r in self._relative[kind]], axis=1)
        names = tuple(n for kind in self.entries for n in self._names[kind])
        return Moments(names, *(tuple(e) for e in self.entries.values()), np.cov(relative, rowvar=False))


def measure(sample: ReturnSample, horizons_hours: tuple[int, ...], bootstrap: BlockBootstrap) -> Moments:
    """All moments of `sample` with their bootstrap covariance."""
    unit = np.eye(len(sample.assets))
    single = [(unit[a], name, False) for a, name in enumerate(sample.assets)]
    pairs = [(a, b) for a in range(len(unit)) for b in range(a + 1, len(unit))]
    spreads = [(unit[b] - unit[a], f"{sample.assets[b]}-{sample.assets[a]}", True) for a, b in pairs]
    out = _Collector(bootstrap)
    for hours in horizons_hours:
        values, exist = sample.returns(hours)
        for weights, label, spread in single + spreads:
            if not spread or hours in SPREAD_HORIZONS:
                _horizon(out, values @ weights, exist, weights, f"{label}/{hours}h", hours, spread)
    for weights, label, _ in single:
        _clusters(out, sample, weights, label)
    return out.finish()


def _horizon(
    out: _Collector, x: Floats, exist: np.ndarray, weights: Floats, label: str, hours: int, spread: bool
) -> None:
    """Moments of one combination over one horizon."""
    probs = np.array([p for p in TAIL_PROBS if p * exist.sum() >= 10 and not (spread and p < 0.005)])
    points = np.concatenate([np.quantile(x[exist], probs), np.quantile(x[exist], 1.0 - probs)])
    upper = np.repeat([False, True], probs.size)
    hit = np.where(upper, x[:, None] > points, x[:, None] <= points).astype(np.float64)
    mean, drawn = out.average(np.column_stack([hit, x * x, x**4]), exist)
    sides = [f"{label}/{'gain' if up else 'loss'} {p:g}" for up, p in zip(upper, np.tile(probs, 2), strict=True)]
    at = CosPoints.build(points, float(np.sqrt(mean[-2])), float(np.abs(x[exist]).max()))
    out.add("probability", (weights, hours, at, mean[:-2], upper), sides, drawn[:, :-2] / mean[:-2] - 1.0)
    per_year = float(mean[-2] * HOURS / hours)
    out.add("variance", (weights, hours, per_year), [f"{label}/variance"], drawn[:, -2] / mean[-2] - 1.0)
    if hours in KURTOSIS_HORIZONS and not spread:
        kurtosis = float(mean[-1] / mean[-2] ** 2)
        relative = drawn[:, -1] / drawn[:, -2] ** 2 / kurtosis - 1.0
        out.add("kurtosis", (weights, hours, kurtosis), [f"{label}/kurtosis"], relative)


def _clusters(out: _Collector, sample: ReturnSample, weights: Floats, label: str) -> None:
    """Products of daily realised variances `lag` days apart, relative to the product of their means."""
    hourly, exist = sample.returns(1)
    day = np.ones(24)
    rest = np.zeros(23)
    whole = np.concatenate([np.convolve(exist, day, "valid") > 23.5, rest]).astype(bool)
    rv = np.concatenate([np.convolve((hourly @ weights) ** 2, day, "valid"), rest])
    for lag in CLUSTER_LAGS_DAYS:
        shift = 24 * lag
        if shift * 4 > sample.count:
            continue
        both = np.zeros(sample.count, dtype=bool)
        both[:-shift] = whole[:-shift] & whole[shift:] & (sample.hours[shift:] - sample.hours[:-shift] == shift)
        ahead = np.concatenate([rv[shift:], np.zeros(shift)])
        mean, drawn = out.average(np.column_stack([rv * ahead, rv, ahead]), both)
        value = float(mean[0] / (mean[1] * mean[2]) - 1.0)
        if value > 0.0:  # a sample without clustering at this lag has no relative error to speak of
            relative = (drawn[:, 0] / (drawn[:, 1] * drawn[:, 2]) - 1.0) / value - 1.0
            out.add("cluster", (weights, lag, value), [f"{label}/{lag}d/clustering"], relative)
