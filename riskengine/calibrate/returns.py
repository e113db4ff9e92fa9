"""`fit_returns`: fit a world to hourly prices across horizons.

A law fitted at one horizon can be false at another: Merton by maximum likelihood on hourly data puts the clustering of
volatility into thousands of small jumps, which average out over a day, and its 24-hour 99.9 % loss is a third too
small.  So this is a method-of-moments fit to several horizons at once: tail probabilities at the data's quantiles on
both sides, variances, fourth moments, the autocovariance of daily realised variance, and the spreads between assets,
all against the exact unconditional law.  The weight of a moment is one over its bootstrap standard error, which is kept
above 5 %, so that the centre, known to a percent, does not outvote the tails.

Standard errors come from refits to histories simulated from the fitted law (`riskengine.calibrate.uncertainty`); where
none are asked for, from the delta method: with J the Jacobian of the weighted residuals and S the bootstrap covariance
of the moments, cov = (J'J)^-1 J' (W S W) J (J'J)^-1.

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
from riskengine.calibrate.free import Free, free_assets, free_values
from riskengine.calibrate.joint_tails import JointRow, joint_rows
from riskengine.calibrate.moments import Moments, measure
from riskengine.calibrate.parameters import candidate_law, free_parameters, published, scenario_model
from riskengine.calibrate.sample import ReturnSample
from riskengine.calibrate.uncertainty import Uncertainty, assess, loss_errors, refit
from riskengine.errors import RunError
from riskengine.roles import HasLaw

REFITS = 24
_ERROR_FLOOR = 0.05
_STEP, _STEP_AT_ZERO = 1e-5, 2.0**-26  # of the differences: relative, and where there is nothing to be relative to
_REFIT_REPLICATES = 100  # they only weigh moments there


@dataclass(frozen=True)
class FitResult:
    """A fitted world and how well it fits.

    Attributes
    ----------
    kind : str
    model : ScenarioModel
        With the parameters as published (six digits), drift zero and a stationary start.
    numbers : dict of str to float
        Parameters by name as in the world file.
    known : Uncertainty
        Errors, intervals and which parameters are identified.
    loss_errors : ndarray, shape (cells,)
        Standard error of the model's exact loss in every cell of `bands`: the fit's error carried into the margin.
    on_bound : tuple of str
        Free numbers that ended within 1e-3 of a bound of the search, where the errors are too good.
    report : FitReport
        The model's exact losses against the data's bands.
    bands : Bands
    joint : tuple of JointRow
        Correlations, joint falls and joint rises of every pair beside the data; empty for one asset.
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
    known: Uncertainty
    loss_errors: Floats
    on_bound: tuple[str, ...]
    report: FitReport
    bands: Bands
    joint: tuple[JointRow, ...]
    residuals: dict[str, float]
    cost: float
    sample_span: tuple[str, str]
    observations: int
    gaps: int
    flat_bars: int

    @property
    def standard_errors(self) -> dict[str, float]:
        """Of `numbers`, by name."""
        return self.known.standard_errors


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
    refits: int = REFITS,
    components: int = 1,
) -> FitResult:
    """Fit `model` to `sample` across horizons and hold it against the data's bands.

    Parameters
    ----------
    sample : ReturnSample
        Hourly closes; at least a year.
    model : str
        One of `riskengine.calibrate.parameters.KINDS`.
    spot : tuple of float, optional
        Prices of the world at time 0; the last of the sample where not given.
    horizons_hours, levels, confidence, block_hours, replicates, seed
        Of moments and bands, see `loss_bands`.
    refits : int
        Histories simulated and refitted for the errors; 0 for the delta method, which is quick and too narrow.
    components : {1, 2}
        Jump components of a world of one asset.

    Raises
    ------
    ValueError
        Unknown model, a sample shorter than a year, a series that does not move or in which one hour is the variance.
    RunError
        The search did not converge.
    """
    _check(sample)
    if refits and refits < 10:
        raise ValueError(f"refits must be 0 or at least 10, got {refits}")
    bootstrap = BlockBootstrap(sample.count, block_hours, replicates, seed)
    moments = measure(sample, horizons_hours, bootstrap)
    free = free_parameters(model, sample.assets, _hourly_variance(sample), components)
    point, residuals, jacobian, weight, cost = _search(moments, model, sample.assets, free)
    values = free_values(free, point)
    numbers = {k: float(f"{v:.6g}") for k, v in published(model, sample.assets, values).items()}
    on_bound = tuple(f.name for f, x in zip(free, point, strict=True) if min(x - f.bounds[0], f.bounds[1] - x) < 1e-3)
    world = scenario_model(model, sample.assets, numbers, spot or tuple(float(p) for p in sample.prices[-1]))
    # the search takes a minute or more for three and more assets: what is searched again starts from what was found
    near = point if len(sample.assets) > 2 else None
    draws, failed = np.empty((0, point.size)), 0
    if refits:

        def estimate(history: ReturnSample) -> Floats:
            boot = BlockBootstrap(history.count, block_hours, _REFIT_REPLICATES, seed)
            theirs = free_parameters(model, history.assets, _hourly_variance(history), components)
            return _search(measure(history, horizons_hours, boot), model, history.assets, theirs, start=near)[0]

        draws, failed = refit(world, sample.hours, refits, seed, estimate)
    sandwich = np.linalg.pinv(jacobian) * weight
    known = assess(
        model, sample.assets, tuple(free), point, sandwich @ moments.covariance @ sandwich.T, draws, failed, on_bound,
        lambda i, value: _search(moments, model, sample.assets, free, (i, value), near)[-1],
    )  # fmt: skip
    bands = loss_bands(sample, horizons_hours, levels, confidence, block_hours, replicates, seed)
    return FitResult(
        model,
        world,
        numbers,
        known,
        loss_errors(model, sample.assets, known, bands.cells),
        on_bound,
        check_fit(world, bands),
        bands,
        joint_rows(sample, world, bootstrap, confidence),
        dict(zip(moments.names, residuals.tolist(), strict=True)),
        cost,
        sample.span,
        sample.count,
        sample.gaps,
        sample.flat_bars,
    )


def _check(sample: ReturnSample) -> None:
    """Refuse what no law can be fitted to, all faults at once."""
    faults = []
    if sample.count < 8760:
        raise ValueError(f"sample must hold at least a year of hours (8760), got {sample.count}")
    hourly, exist = sample.returns(1)
    for asset, x in zip(sample.assets, hourly[exist].T, strict=True):
        square = x * x
        still = float((square == 0.0).mean())
        if still > 0.5:
            faults.append(f"prices of {asset} must move in most hours, got {still:.0%} of hours without a change")
        elif np.partition(square, -2)[-2:].sum() > 0.5 * square.sum():  # a wrong price moves twice: there and back
            faults.append(
                f"no two hours of {asset} may hold half of all variance, got a log-return of "
                f"{x[square.argmax()]:+.3g} (a wrong price?)"
            )
    if faults:
        raise ValueError("; ".join(faults))


def _hourly_variance(sample: ReturnSample) -> Floats:
    """Mean square of hourly returns per year, shape (A,)."""
    hourly, exist = sample.returns(1)
    return (hourly[exist] ** 2).mean(axis=0) * 8760.0


def _search(
    moments: Moments,
    kind: str,
    assets: tuple[str, ...],
    free: list[Free],
    held: tuple[int, float] | None = None,
    start: Floats | None = None,
) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Point, residuals, Jacobian, weights and cost; with the free number `held` = (which, value) left where it is.

    A `start` other than the usual one is a point on the scale of the search, moved into the bounds.
    """
    from scipy.optimize import least_squares

    weight = 1.0 / np.maximum(np.sqrt(np.diag(moments.covariance)), _ERROR_FLOOR)
    # A (A - 1) / 2 spreads are combinations of A - 1 of them and would outvote the assets
    weight[moments.of_spreads] *= np.sqrt(2.0 / max(len(assets), 2))
    if kind == "gbm":
        # one number per asset cannot bend to tails: with all moments its volatility comes out half as high again
        weight = np.where([name.endswith("/variance") for name in moments.names], weight, 0.0)
    full = np.array([f.scaled(f.start) for f in free])
    if start is not None:
        inner = np.array([f.bounds for f in free]).T
        full = np.clip(start, *(inner + 1e-6 * np.array([[1.0], [-1.0]]) * (inner[1] - inner[0])))
    moves = np.arange(full.size)
    if held is not None:
        moves, full[held[0]] = np.delete(moves, held[0]), held[1]
    low, high = np.array([f.bounds for f in free])[moves].T
    touched = [moments.moved_by(free_assets(free[i].name, assets)) for i in moves]
    rows = [moments.rows(chosen) for chosen in touched]

    def at(point: Floats):
        full[moves] = point
        return candidate_law(kind, assets, free_values(free, full))

    def residuals(point: Floats) -> Floats:
        return weight * moments.residuals(at(point))

    def jacobian(point: Floats) -> Floats:
        # forward differences; a number of one asset, or of a pair, moves only the moments in which they take part
        base, out = residuals(point), np.zeros((weight.size, point.size))
        for k, x in enumerate(point):
            step = _STEP * x if x != 0.0 else _STEP_AT_ZERO
            if not low[k] <= x + step <= high[k]:
                step = -step
            moved = point.copy()
            moved[k] = x + step
            there = weight[rows[k]] * moments.residuals(at(moved), touched[k])
            out[rows[k], k] = (there - base[rows[k]]) / (moved[k] - x)
        return out

    if not moves.size:
        fun = residuals(full[moves])
        return full, fun, np.empty((fun.size, 0)), weight, float(0.5 * fun @ fun)
    found = least_squares(
        residuals,
        full[moves],
        jac=jacobian,
        bounds=(low, high),
        x_scale=np.array([f.unit for f in free])[moves],
        xtol=1e-6,
        ftol=1e-7,
        max_nfev=200,
    )
    if not found.success:
        raise RunError(f"the fit must converge within 200 steps, got: {found.message}")
    full[moves] = found.x
    return full, found.fun, found.jac, weight, float(found.cost)
