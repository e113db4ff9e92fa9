"""`fit_returns`: fit a world to hourly prices across horizons.

A law fitted at one horizon can be false at another: Merton by maximum likelihood on hourly data puts the clustering of
volatility into thousands of small jumps, which average out over a day, and its 24-hour 99.9 % loss is a third too
small.  So this is a method-of-moments fit to several horizons at once: tail probabilities at the data's quantiles on
both sides, variances, fourth moments, the autocovariance of daily realised variance, and the spreads between assets,
all against the exact unconditional law.  The weight of a moment is one over its bootstrap standard error, which is kept
above 5 %, so that the centre, known to a percent, does not outvote the tails.

Standard errors come by the delta method: with J the Jacobian of the weighted residuals and S the bootstrap covariance
of the moments, cov = (J'J)^-1 J' (W S W) J (J'J)^-1.  They hold to first order and for a law that is right; parameters
of jump laws are weakly identified, so judge the quantiles they imply, which is what the bands do.

References: Hansen, Econometrica 50 (1982), 1029-1054; Honore (1998) on pitfalls of jump likelihoods.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
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
from riskengine.calibrate.moments import Moments, measure
from riskengine.calibrate.parameters import Free, free_parameters, joint_law, published, scenario_model
from riskengine.calibrate.sample import ReturnSample
from riskengine.errors import RunError
from riskengine.roles import HasLaw

_ERROR_FLOOR = 0.05


@dataclass(frozen=True)
class FitResult:
    """A fitted world and how well it fits.

    Attributes
    ----------
    kind : str
    model : ScenarioModel
        With the parameters as published (six digits), drift zero and a stationary start.
    numbers, standard_errors : dict of str to float
        Parameters by name as in the world file, and their errors.
    on_bound : tuple of str
        Free numbers that ended within 1e-3 of a bound of the search, where the errors are too good.
    report : FitReport
        The model's exact losses against the data's bands.
    bands : Bands
    residuals : dict of str to float
        Every moment's distance from the data in its standard errors.
    cost : float
        Half the sum of squared residuals.
    sample_span : tuple of str
    observations, gaps, flat_bars : int
    """

    kind: str
    model: HasLaw
    numbers: dict[str, float]
    standard_errors: dict[str, float]
    on_bound: tuple[str, ...]
    report: FitReport
    bands: Bands
    residuals: dict[str, float]
    cost: float
    sample_span: tuple[str, str]
    observations: int
    gaps: int
    flat_bars: int


def fit_returns(
    sample: ReturnSample,
    model: str = "bates",
    spot: tuple[float, ...] | None = None,
    horizons_hours: tuple[int, ...] = HORIZONS_HOURS,
    levels: tuple[float, ...] = LEVELS,
    confidence: float = CONFIDENCE,
    block_hours: int = BLOCK_HOURS,
    replicates: int = 1000,
    seed: int = 1,
) -> FitResult:
    """Fit `model` to `sample` across horizons and hold it against the data's bands.

    Parameters
    ----------
    sample : ReturnSample
        Hourly closes; at least a year.
    model : {"bates", "merton", "gbm"}
    spot : tuple of float, optional
        Prices of the world at time 0; the last of the sample where not given.
    horizons_hours, levels, confidence, block_hours, replicates, seed
        Of moments and bands, see `loss_bands`.

    Raises
    ------
    ValueError
        Unknown model, or a sample shorter than a year.
    RunError
        The search did not converge.
    """
    if sample.count < 8760:
        raise ValueError(f"sample must hold at least a year of hours (8760), got {sample.count}")
    bootstrap = BlockBootstrap(sample.count, block_hours, replicates, seed)
    moments = measure(sample, horizons_hours, bootstrap)
    hourly, exist = sample.returns(1)
    free = free_parameters(model, sample.assets, (hourly[exist] ** 2).mean(axis=0) * 8760.0)
    point, residuals, jacobian, weight, cost = _search(moments, model, sample.assets, free)
    values = _values(free, point)
    numbers = {k: float(f"{v:.6g}") for k, v in published(model, sample.assets, values).items()}
    errors = _errors(moments, jacobian, weight, model, sample.assets, free, point)
    on_bound = tuple(f.name for f, x in zip(free, point, strict=True) if min(x - _low(f), _high(f) - x) < 1e-3)
    world = scenario_model(model, sample.assets, numbers, spot or tuple(float(p) for p in sample.prices[-1]))
    bands = loss_bands(sample, horizons_hours, levels, confidence, block_hours, replicates, seed)
    return FitResult(
        model,
        world,
        numbers,
        errors,
        on_bound,
        check_fit(world, bands),
        bands,
        dict(zip(moments.names, residuals.tolist(), strict=True)),
        cost,
        sample.span,
        sample.count,
        sample.gaps,
        sample.flat_bars,
    )


def _values(free: list[Free], point: Floats) -> dict[str, float]:
    return {f.name: float(np.exp(x) if f.log else x) for f, x in zip(free, point, strict=True)}


def _search(
    moments: Moments, kind: str, assets: tuple[str, ...], free: list[Free]
) -> tuple[Floats, Floats, Floats, Floats, float]:
    from scipy.optimize import least_squares

    weight = 1.0 / np.maximum(np.sqrt(np.diag(moments.covariance)), _ERROR_FLOOR)
    if kind == "gbm":
        # one number per asset cannot bend to tails: with all moments its volatility comes out half as high again
        weight = np.where([name.endswith("/variance") for name in moments.names], weight, 0.0)

    def residuals(point: Floats) -> Floats:
        return weight * moments.residuals(joint_law(kind, assets, _values(free, point)))

    found = least_squares(
        residuals,
        np.array([np.log(f.start) if f.log else f.start for f in free]),
        bounds=(np.array([_low(f) for f in free]), np.array([_high(f) for f in free])),
        x_scale=np.array([0.3 if f.log else 0.1 * (f.high - f.low) for f in free]),
        diff_step=1e-5,
        xtol=1e-6,
        ftol=1e-7,
        max_nfev=200,
    )
    if not found.success:
        raise RunError(f"the fit must converge within 200 steps, got: {found.message}")
    return found.x, found.fun, found.jac, weight, float(found.cost)


def _errors(
    moments: Moments,
    jacobian: Floats,
    weight: Floats,
    kind: str,
    assets: tuple[str, ...],
    free: list[Free],
    point: Floats,
) -> dict[str, float]:
    """Delta-method standard errors of the published numbers."""
    sandwich = np.linalg.pinv(jacobian) * weight
    covariance = sandwich @ moments.covariance @ sandwich.T
    base = published(kind, assets, _values(free, point))
    slopes = np.empty((len(base), len(free)))
    for i in range(len(free)):
        step = 1e-5
        moved = point.copy()
        moved[i] += step
        other = published(kind, assets, _values(free, moved))
        slopes[:, i] = [(other[k] - base[k]) / step for k in base]
    variance = np.einsum("ij,jk,ik->i", slopes, covariance, slopes)
    return {k: float(np.sqrt(v)) for k, v in zip(base, variance, strict=True)}


def _low(f: Free) -> float:
    return float(np.log(f.low)) if f.log else f.low


def _high(f: Free) -> float:
    return float(np.log(f.high)) if f.log else f.high
