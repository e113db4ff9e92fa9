"""GARCH(1,1) by quasi-maximum likelihood, one recursion per asset, and the filtered-bootstrap world that it makes.

    h_{t+1} = omega + alpha e_t^2 + beta h_t,   e_t = r_t - mean(r)

Fitted with a normal or Student-t likelihood; the world resamples residuals, so the likelihood only weighs observations:
under the t, jumps pull alpha up less.  Near alpha + beta = 1, where hourly crypto returns are, omega over
1 - alpha - beta is next to nothing over next to nothing: left free (fitted by `arch`) the long-run volatility of five
years of BTC comes out at 250 % or infinite.  So omega is held at (1 - alpha - beta) times the variance of the data
unless it is asked to be free.  Returns on both sides of a gap follow each other in the likelihood; the filter of the
world forecasts over it.  References: Bollerslev, Journal of Econometrics 31 (1986), 307-327; Engle and Mezrich, Risk 9
(1996), 36-40 (targeting); Bollerslev and Wooldridge, Econometric Reviews 11 (1992), 143-172 (standard errors where the
law is not the fitted one).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.linked_surface import surface_of_level
from riskengine.calibrate.world_file import plain_record
from riskengine.errors import UsageError
from riskengine.market.grid import SECONDS_PER_YEAR
from riskengine.market.series import PriceSeries
from riskengine.scenario.filtered_bootstrap import FilteredBootstrap
from riskengine.scenario.jumps import Vector
from riskengine.scenario.variance_filter import EwmaFilter, GarchFilter, Recursion, VarianceFilter

_FEWEST = 500
_NEAREST_ONE = 1e-5  # a persistence as near to 1 as this has no long-run variance to speak of


@dataclass(frozen=True)
class VolatilityFit:
    """A fitted filter.

    Attributes
    ----------
    filter : GarchFilter or EwmaFilter
    standard_errors : dict of str to float
        By ``name[ASSET]``, robust to a wrong likelihood; empty where nothing was estimated.
    degrees : tuple of float
        Degrees of freedom of the Student-t, one per asset; empty under the normal likelihood.
    method : str
    """

    filter: VarianceFilter
    standard_errors: dict[str, float]
    degrees: Vector
    method: str


def fit_garch(
    series: PriceSeries, likelihood: Literal["t", "normal"] = "t", long_run: Literal["sample", "free"] = "sample"
) -> VolatilityFit:
    """GARCH(1,1) of every asset of `series`.

    Parameters
    ----------
    series : PriceSeries
    likelihood : {"t", "normal"}
    long_run : {"sample", "free"}
        Whether omega is (1 - alpha - beta) times the variance of the data, or a parameter of its own (by `arch`).

    Raises
    ------
    UsageError
        Where `arch` is needed and not installed.
    ValueError
        Where there are fewer than 500 returns, one series does not vary, or the optimiser gives up.
    """
    returns = series.returns
    if returns.shape[0] < _FEWEST:
        raise ValueError(f"prices must hold at least {_FEWEST} returns to fit a GARCH filter, got {returns.shape[0]}")
    found: dict[str, list[float]] = {name: [] for name in ("omega", "alpha", "beta", "nu")}
    errors = {}
    for asset, column in zip(series.assets, returns.T, strict=True):
        scale = column.std()
        if not scale > 0.0:
            raise ValueError(f"prices of {asset} must vary, got one price throughout")
        e = (column - column.mean()) / scale
        value, error = fit_targeted(e, likelihood) if long_run == "sample" else _fit_free(e, likelihood)
        if not value:
            raise ValueError(f"the GARCH likelihood of {asset} must have a maximum, got none: the optimiser gave up")
        for name, estimate in value.items():
            unit = scale**2 if name == "omega" else 1.0
            found[name].append(estimate * unit)
            if name in error:
                errors[f"{name}[{asset}]"] = error[name] * unit
    chosen = GarchFilter("garch", *(tuple(found[n]) for n in ("omega", "alpha", "beta")))
    method = f"quasi-maximum likelihood, {'Student-t' if likelihood == 't' else 'normal'}, long-run variance " + (
        "that of the data" if long_run == "sample" else "free"
    )
    return VolatilityFit(chosen, errors, tuple(found["nu"]), method)


def log_likelihood(e: Floats, h: Floats, degrees: float | None) -> Floats:
    """Log-density of every return `e` given its variance `h`, shape as `e`.

    Parameters
    ----------
    e, h : ndarray, shape (R,)
    degrees : float or None
        Of a Student-t with unit variance, above 2; None is the normal law.
    """
    if degrees is None:
        return -0.5 * (math.log(2.0 * math.pi) + np.log(h) + e * e / h)
    half = 0.5 * (degrees + 1.0)
    constant = math.lgamma(half) - math.lgamma(0.5 * degrees) - 0.5 * math.log(math.pi * (degrees - 2.0))
    return constant - 0.5 * np.log(h) - half * np.log1p(e * e / (h * (degrees - 2.0)))


def fit_targeted(e: Floats, likelihood: str) -> tuple[dict[str, float], dict[str, float]]:
    """(estimates, standard errors) of one series of unit variance whose long-run variance is held at 1.

    Sandwich standard errors by central differences, given the target: the error of the sample variance is not in them.
    Both are empty where no start leads to a maximum.
    """
    from scipy.optimize import minimize

    missing = np.zeros(e.size, dtype=np.int64)

    def terms(theta: Floats) -> Floats:
        alpha, beta = theta[:2]
        step = Recursion(np.array([1.0 - alpha - beta]), np.array([alpha]), np.array([beta]))
        h = step.filter(e[:, None], missing)[:-1, 0]
        return log_likelihood(e, h, float(theta[2]) if likelihood == "t" else None)

    bounds = [(1e-6, 0.999), (0.0, 0.9999), (2.05, 200.0)][: 3 if likelihood == "t" else 2]
    room = {"type": "ineq", "fun": lambda theta: 1.0 - _NEAREST_ONE - theta[0] - theta[1]}
    tries = [
        minimize(
            lambda theta: -terms(theta).mean(), np.array([*start, 5.0][: len(bounds)]), method="SLSQP", bounds=bounds,
            constraints=[room], options={"ftol": 1e-12, "maxiter": 500},
        )
        for start in ((0.05, 0.9), (0.1, 0.85), (0.03, 0.96))
    ]  # fmt: skip
    tries = [t for t in tries if t.success and np.isfinite(t.fun)]
    if not tries:
        return {}, {}
    best = min(tries, key=lambda t: t.fun).x
    width = 1e-4 * np.minimum(np.maximum(best, 1e-2), 1.0)
    shift = np.diag(width)
    score = np.stack(
        [(terms(best + d) - terms(best - d)) / (2.0 * w) for d, w in zip(shift, width, strict=True)], axis=1
    )
    curvature = np.array(
        [
            [
                (terms(best + a + b) - terms(best + a - b) - terms(best - a + b) + terms(best - a - b)).mean()
                for b in shift
            ]
            for a in shift
        ]
    ) / (4.0 * np.outer(width, width))
    bread = np.linalg.pinv(curvature)
    spread = np.sqrt(np.diagonal(bread @ (score.T @ score / e.size) @ bread) / e.size)
    names = ("alpha", "beta", "nu")
    value = {"omega": float(1.0 - best[0] - best[1])} | dict(zip(names, map(float, best), strict=False))
    return value, dict(zip(names, map(float, spread), strict=False))


def _fit_free(e: Floats, likelihood: str) -> tuple[dict[str, float], dict[str, float]]:
    """(estimates, robust standard errors) of one series of unit variance, by `arch`; empty where it gives up."""
    try:
        from arch import arch_model
    except ImportError:
        raise UsageError("a free long-run variance is fitted by arch: pip install arch") from None
    result = arch_model(e, mean="Zero", p=1, q=1, dist=likelihood, rescale=False).fit(disp="off", show_warning=False)
    if result.convergence_flag != 0:
        return {}, {}
    names = {"omega": "omega", "alpha[1]": "alpha", "beta[1]": "beta", "nu": "nu"}
    kept = [name for name in names if name in result.params]
    return (
        {names[n]: float(result.params[n]) for n in kept},
        {names[n]: float(result.std_err[n]) for n in kept},
    )


def given_ewma(decay: float) -> VolatilityFit:
    """An exponentially weighted filter: nothing is estimated."""
    return VolatilityFit(EwmaFilter("ewma", decay), {}, (), "decay as given")


def filtered_world(
    series: PriceSeries, fit: VolatilityFit, spot: Vector | None, file: str, command: str
) -> dict[str, Any]:
    """The filtered-bootstrap world of `fit` as plain values, in the order of a world file.

    Parameters
    ----------
    series : PriceSeries
        The data, with the origin under which the world names them.
    fit : VolatilityFit
    spot : tuple of float, optional
        Prices at time 0; the last of the data where not given.
    file : str
        Path of the data from the world file.
    command : str
        What reproduces the file.
    """
    names = ", ".join(series.assets)
    spot = tuple(series.prices[-1].tolist()) if spot is None else spot
    zero = (0.0,) * len(series.assets)
    model = FilteredBootstrap(series.assets, spot, series, fit.filter, "last", zero)
    # not that of the filter: near persistence 1 its long-run variance is omega over next to nothing
    per_year = SECONDS_PER_YEAR / series.step_seconds
    long_run = model.recursion.long_run * per_year
    level = series.returns.var(axis=0) * per_year
    surface = surface_of_level(series.assets, level.tolist(), zero, True)
    stamps = [f"{np.datetime64(int(s), 's')}Z" for s in (series.seconds[0], series.seconds[-1])]
    return {
        "title": f"{names}: filtered bootstrap of {series.step_seconds / 3600:g} h returns, {fit.filter.kind}",
        "measure": "P",
        "model": {
            "kind": model.kind,
            "assets": list(series.assets),
            "spot": [float(f"{s:.10g}") for s in spot],
            "prices": {**series.origin, "file": file, "sha256": series.sha256},
            "filter": plain_record(fit.filter),
            "initial_variance": "last",
            "log_drift": list(zero),
        },
        "surface": {"kind": "factor_surface"} | plain_record(surface),
        "fit": {
            "model": fit.filter.kind,
            "method": fit.method,
            "command": command,
            "data_sha256": series.sha256,
            "sample_start": stamps[0],
            "sample_end": stamps[1],
            "observations": series.return_ends.size,
            "gaps": int((series.missing_before > 0).sum()),
            "standard_errors": {k: float(f"{v:.3g}") for k, v in fit.standard_errors.items()},
            "degrees_of_freedom": [float(f"{v:.4g}") for v in fit.degrees],
            "on_bound": [
                f"persistence[{a}]" for a, v in zip(series.assets, long_run, strict=True) if not np.isfinite(v)
            ],
            "persistence": [float(f"{v:.6g}") for v in model.recursion.persistence],
            "long_run_volatility": [float(f"{v:.4g}") if np.isfinite(v) else None for v in np.sqrt(long_run)],
            "sample_volatility": [float(f"{v:.4g}") for v in np.sqrt(level)],
            "last_volatility": [float(f"{v:.4g}") for v in np.sqrt(model.filtered[-1] * per_year)],
        },
        "source": [
            "log_drift: 0 by choice; the mean of the data has a standard error as large as any plausible mean",
            "surface: shape fitted to Deribit chains of BTC and ETH, 2025-12-30 to 2026-05-31; at-the-money variance "
            "is 1.05 times the variance of the data (implied over realised, BTC, 2022-11 to 2025-10); other assets "
            "have the shape of BTC",
        ],
    }
