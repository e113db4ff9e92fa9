"""Fit of a peg to hourly deviations: match the distribution functions of the deviation and of its change.

Moments.  For horizons h of 1 to 72 hours and thresholds q_hp, the data's own p-quantiles of the h-hour change of the
log deviation d, and for thresholds q_p, those of d itself:

    E[1{d_{t+h} - d_t <= q_hp}] = F_h(q_hp; parameters),       E[1{d_t <= q_p}] = F(q_p - level; parameters),

F_h and F the exact laws `PegLaw` and `DeviationLaw` of `riskengine.law.peg`, weighted by their circular-block-bootstrap
errors; standard errors of the parameters by the delta method from the bootstrap covariance of all moments.
Distribution functions are bounded, so one wild quote is one count, not a moment.

Parameters.  The level; sd and half-life of one noise; rate, mean size and half-life of two kinds of dislocations,
frequent and rare, each of which comes down and up alike.  What the sample does not hold is not fitted: a depeg that
happened outside it, and permanent breaks, are for the writer of a world to state.  A parameter that ended on its bound
is named as not identified; the others have their standard error to be judged by.

Reference: Hansen, Econometrica 50 (1982), 1029-1054.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.calibrate.bands import (
    BLOCK_HOURS,
    CONFIDENCE,
    HORIZONS_HOURS,
    LEVELS,
    Bands,
    FitReport,
    check_fit,
    loss_bands,
)
from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.calibrate.sample import ReturnSample
from riskengine.errors import RunError
from riskengine.law.peg import DeviationLaw, Dislocation, PegLaw, PegNoise

PROBABILITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.75, 0.9, 0.97, 0.99, 0.997, 0.999)
_SPIKE = 0.05  # log size from which a single observation that comes back at once is a wrong quote
# name -> (start, low, high); sizes are multiples of the sample's own spread
_FREE = {
    "noise.sd": (0.5, 0.01, 50.0),
    "noise.half_life_hours": (100.0, 0.25, 2000.0),
    "frequent.intensity": (3000.0, 10.0, 20_000.0),
    "frequent.mean": (1.0, 0.05, 100.0),
    "frequent.half_life_hours": (0.5, 0.25, 100.0),
    "rare.intensity": (100.0, 0.5, 5000.0),
    "rare.mean": (3.0, 0.05, 100.0),
    "rare.half_life_hours": (2.0, 0.25, 1000.0),
}
_APART = 7200  # seconds
_CENTRE = (0.0, -100.0, 100.0)  # of the level, from the sample's median, likewise
_LEVELS = (0.01, 0.1, 0.25, 0.75, 0.9, 0.99)
_SIZES = ("noise.sd", "frequent.mean", "rare.mean")


@dataclass(frozen=True)
class QuoteSample(ReturnSample):
    """Hourly quotes with hours missing here and there: a change needs a quote at both its ends and none in between."""

    def returns(self, horizon: int) -> tuple[Floats, np.ndarray]:
        """Overlapping log-changes over `horizon` hours, shape (N, A), and which exist, shape (N,)."""
        if not 1 <= horizon < self.count:
            raise ValueError(f"horizon must lie in [1, {self.count - 1}] hours, got {horizon}")
        end = np.minimum(np.searchsorted(self.hours, self.hours + horizon), self.count - 1)
        exists = self.hours[end] == self.hours + horizon
        logs = np.log(self.prices)
        return np.where(exists[:, None], logs[end] - logs, 0.0), exists


@dataclass(frozen=True)
class PegFit:
    """What was fitted, how well it is known, and how it stands against the data's bands.

    Attributes
    ----------
    asset : str
    noise : tuple of PegNoise
    dislocations : tuple of Dislocation
    level : float
        Mean log deviation of the data, less that of the fitted dislocations.
    numbers, standard_errors : dict of str to float
    on_bound : tuple of str
        Parameters that ended at the edge of their range: not identified.
    report : FitReport
        Losses of the peg (not of what it is pegged to) against the bands.
    bands : Bands
    residuals : dict of str to float
        Model less data of every moment, in bootstrap errors.
    cost : float
    sample : ReturnSample
    """

    asset: str
    noise: tuple[PegNoise, ...]
    dislocations: tuple[Dislocation, ...]
    level: float
    numbers: dict[str, float]
    standard_errors: dict[str, float]
    on_bound: tuple[str, ...]
    report: FitReport
    bands: Bands
    residuals: dict[str, float]
    cost: float
    sample: ReturnSample


@dataclass(frozen=True)
class PegAlone:
    """A peg as a world of one asset, for `check_fit`."""

    assets: tuple[str, ...]
    noise: tuple[PegNoise, ...]
    dislocations: tuple[Dislocation, ...]

    def law(self, asset: str, horizon: float, variance: float | None = None) -> PegLaw:
        """Law of the change of the log deviation."""
        return PegLaw(self.noise, self.dislocations, 0.0, horizon)


def without_spikes(seconds: Ints, prices: Floats) -> tuple[Ints, Floats, int]:
    """Quotes in time order without single ones that leap and come back.

    Parameters
    ----------
    seconds : ndarray of int, shape (N,)
        Unix time, any order.
    prices : ndarray, shape (N,)

    Returns
    -------
    seconds : ndarray of int, shape (M,)
    prices : ndarray, shape (M,)
    dropped : int
        Quotes more than 5 % from both neighbours, which lie within 2.5 % of each other.
    """
    order = np.argsort(seconds, kind="stable")
    at, price = np.asarray(seconds)[order], np.asarray(prices, dtype=np.float64)[order]
    x = np.log(price)
    leap, back, apart = np.abs(x[1:-1] - x[:-2]), np.abs(x[1:-1] - x[2:]), np.abs(x[2:] - x[:-2])
    spike = np.zeros(x.size, dtype=bool)
    spike[1:-1] = (leap > _SPIKE) & (back > _SPIKE) & (apart < 0.5 * _SPIKE)
    return at[~spike], price[~spike], int(spike.sum())


def between_quotes(seconds: Ints, quotes: tuple[Ints, Floats], apart: int = _APART) -> Floats:
    """Price at each of `seconds`, by linear interpolation of its logarithm between neighbouring quotes at most `apart`
    seconds from each other; NaN where there are none."""
    at, price = quotes
    after = np.clip(np.searchsorted(at, seconds), 1, at.size - 1)
    near = (at[after - 1] <= seconds) & (seconds <= at[after]) & (at[after] - at[after - 1] <= apart)
    return np.where(near, np.exp(np.interp(seconds, at, np.log(price))), np.nan)


def over_par(quotes: tuple[Ints, Floats], par: tuple[Ints, Floats], apart: int = _APART) -> tuple[Ints, Floats]:
    """Quotes over par at their own times, so that stamps of different minutes make no deviation (`between_quotes`)."""
    theirs = between_quotes(quotes[0], par, apart)
    known = np.isfinite(theirs)
    return quotes[0][known], quotes[1][known] / theirs[known]


def peg_sample(asset: str, quotes: tuple[Ints, Floats], par: tuple[Ints, Floats] | None = None) -> QuoteSample:
    """Hourly ratio of an asset to its par: the last quote of each hour over par at that quote's own time.

    Parameters
    ----------
    asset : str
    quotes : tuple of (seconds, prices)
        Of the asset, in time order, from `without_spikes`.
    par : tuple of (seconds, prices), optional
        Of what it is pegged to (`over_par`); 1 where not given.
    """
    seconds, price = quotes if par is None else over_par(quotes, par)
    hours = seconds // 3600
    last = np.append(hours[1:] != hours[:-1], True)
    return QuoteSample((asset,), hours[last], price[last][:, None])


def fit_peg(
    sample: ReturnSample,
    horizons_hours: tuple[int, ...] = HORIZONS_HOURS,
    levels: tuple[float, ...] = LEVELS,
    confidence: float = CONFIDENCE,
    block_hours: int = BLOCK_HOURS,
    replicates: int = 1000,
    seed: int = 1,
) -> PegFit:
    """Fit noise and dislocations to `sample` and hold the peg against the data's bands.

    Parameters
    ----------
    sample : ReturnSample
        One asset: its price over par, hourly, at least a year; from `peg_sample`.
    horizons_hours, levels, confidence, block_hours, replicates, seed
        Of moments and bands, see `loss_bands`.

    Raises
    ------
    ValueError
        More than one asset, a sample shorter than a year, or one that does not move.
    RunError
        The search did not converge.
    """
    from scipy.optimize import least_squares

    if len(sample.assets) != 1:
        raise ValueError(f"sample must hold one pegged asset, got {', '.join(sample.assets)}")
    if sample.count < 8760:
        raise ValueError(f"sample must hold at least a year of hours (8760), got {sample.count}")
    bands = loss_bands(sample, horizons_hours, levels, confidence, block_hours, replicates, seed)
    names, data, points, covariance, where = _moments(
        sample, horizons_hours, BlockBootstrap(sample.count, block_hours, replicates, seed)
    )
    unit, median = _unit(points, horizons_hours[0]), float(np.median(np.log(sample.prices)))
    # a floor of one count: a threshold that no resample moved is not known exactly
    weight = 1.0 / np.maximum(np.sqrt(np.diag(covariance)), 1.0 / sample.count)
    free = list(_FREE)
    start, low, high = (np.array([*np.log([_FREE[f][i] for f in free]), centre]) for i, centre in enumerate(_CENTRE))

    def residuals(at: Floats) -> Floats:
        noise, dislocations = _parts(_values(free, at, unit))
        model = [DeviationLaw(noise, dislocations).cdf(where - median - unit * at[-1])]
        model += [PegLaw(noise, dislocations, 0.0, h / 8760.0).cdf(points[h]) for h in horizons_hours]
        return weight * (np.concatenate(model) - data)

    found = least_squares(residuals, start, bounds=(low, high), x_scale=0.3, diff_step=1e-4, xtol=1e-6, max_nfev=200)
    if not found.success:
        raise RunError(f"the fit must converge within 200 steps, got: {found.message}")
    numbers = {k: float(f"{v:.5g}") for k, v in _values(free, found.x, unit).items()}
    sandwich = np.linalg.pinv(found.jac) * weight
    spread = np.sqrt(np.diag(sandwich @ covariance @ sandwich.T))
    errors = {f: float(s * numbers[f]) for f, s in zip(free, spread, strict=False)}
    numbers["level"], errors["level"] = float(f"{median + unit * found.x[-1]:.5g}"), float(unit * spread[-1])
    noise, dislocations = _parts(numbers)
    return PegFit(
        sample.assets[0],
        noise,
        dislocations,
        numbers["level"],
        numbers,
        errors,
        tuple(f for f, x, a, b in zip(free, found.x, low, high, strict=False) if min(x - a, b - x) < 1e-2),
        check_fit(PegAlone(sample.assets, noise, dislocations), bands),
        bands,
        dict(zip(names, found.fun.tolist(), strict=True)),
        float(found.cost),
        sample,
    )


def _moments(
    sample: ReturnSample, horizons: tuple[int, ...], bootstrap: BlockBootstrap
) -> tuple[list[str], Floats, dict[int, Floats], Floats, Floats]:
    """Names, shares below the thresholds, the thresholds of changes by horizon, the bootstrap covariance of the shares,
    and the thresholds of the deviation itself, whose moments come first."""
    deviation = np.log(sample.prices[:, 0])
    where = np.quantile(deviation, _LEVELS)
    if np.ptp(deviation) == 0.0:
        raise ValueError(f"sample must hold a price that moves, got a ratio of {sample.prices[0, 0]:g} throughout")
    names, points = [f"deviation/{p:g}" for p in _LEVELS], {}
    columns, counts = [deviation[:, None] <= where], [np.ones((sample.count, len(_LEVELS)), dtype=bool)]
    for h in horizons:
        values, exist = sample.returns(h)
        points[h] = np.quantile(values[exist, 0], PROBABILITIES)
        columns.append((values <= points[h]) & exist[:, None])
        counts.append(np.repeat(exist[:, None], len(PROBABILITIES), axis=1))
        names += [f"{h} h/{p:g}" for p in PROBABILITIES]
    below, count = np.concatenate(columns, axis=1), np.concatenate(counts, axis=1)
    drawn = bootstrap.sums(below) / bootstrap.sums(count)
    return names, below.sum(axis=0) / count.sum(axis=0), points, np.cov(drawn, rowvar=False), where


def _unit(points: dict[int, Floats], shortest: int) -> float:
    """Spread of the shortest change: half its distance between the 10 % and 90 % points, over that of a normal."""
    inner = points[shortest][[PROBABILITIES.index(0.1), PROBABILITIES.index(0.9)]]
    return float(max(np.diff(inner)[0] / 2.563, 1e-8))


def _values(free: list[str], at: Floats, unit: float) -> dict[str, float]:
    return {f: float(np.exp(x)) * (unit if f in _SIZES else 1.0) for f, x in zip(free, at, strict=False)}


def _parts(v: dict[str, float]) -> tuple[tuple[PegNoise, ...], tuple[Dislocation, ...]]:
    noise = (PegNoise(v["noise.sd"], v["noise.half_life_hours"]),)
    kinds = [
        [v[f"{kind}.{name}"] for name in ("intensity", "mean", "half_life_hours")] for kind in ("frequent", "rare")
    ]
    return noise, tuple(Dislocation(rate, sign * mean, life) for rate, mean, life in kinds for sign in (-1.0, 1.0))
