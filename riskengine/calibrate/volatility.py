"""GARCH(1,1) by quasi-maximum likelihood, one recursion per asset, and the filtered-bootstrap world that it makes.

    h_{t+1} = omega + alpha e_t^2 + beta h_t,   e_t = r_t - mean(r)

Fitted by `arch` to returns scaled to unit variance (its optimiser fails on returns of 1e-3), with a normal or Student-t
likelihood; the world resamples residuals, so the likelihood only weighs observations: under the t, jumps pull alpha up
less.  Returns on both sides of a gap follow each other in the likelihood; the filter of the world forecasts over it.
A fit on the bound alpha + beta = 1 has no long-run variance: that is said, since long paths of it drift upwards.
References: Bollerslev, Journal of Econometrics 31 (1986), 307-327; Bollerslev and Wooldridge, Econometric Reviews 11
(1992), 143-172 (standard errors where the law is not the fitted one).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from riskengine.calibrate.linked_surface import surface_of_level
from riskengine.calibrate.world_file import plain_record
from riskengine.errors import UsageError
from riskengine.market.grid import SECONDS_PER_YEAR
from riskengine.market.series import PriceSeries
from riskengine.scenario.filtered_bootstrap import FilteredBootstrap
from riskengine.scenario.jumps import Vector
from riskengine.scenario.variance_filter import EwmaFilter, GarchFilter, VarianceFilter

_FEWEST = 500


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


def fit_garch(series: PriceSeries, likelihood: Literal["t", "normal"] = "t") -> VolatilityFit:
    """GARCH(1,1) of every asset of `series`.

    Raises
    ------
    UsageError
        Where `arch` is not installed.
    ValueError
        Where there are fewer than 500 returns, one series does not vary, or the optimiser gives up.
    """
    try:
        from arch import arch_model
    except ImportError:
        raise UsageError("fitting a GARCH filter needs arch: pip install 'riskengine[arch]'") from None
    returns = series.returns
    if returns.shape[0] < _FEWEST:
        raise ValueError(f"prices must hold at least {_FEWEST} returns to fit a GARCH filter, got {returns.shape[0]}")
    found: dict[str, list[float]] = {"omega": [], "alpha[1]": [], "beta[1]": [], "nu": []}
    errors = {}
    for asset, column in zip(series.assets, returns.T, strict=True):
        scale = column.std()
        if not scale > 0.0:
            raise ValueError(f"prices of {asset} must vary, got one price throughout")
        model = arch_model(
            (column - column.mean()) / scale, mean="Zero", p=1, q=1, dist={"t": "t", "normal": "normal"}[likelihood],
            rescale=False,
        )  # fmt: skip
        result = model.fit(disp="off", show_warning=False)
        if result.convergence_flag != 0:
            raise ValueError(f"the GARCH likelihood of {asset} must have a maximum, got none: the optimiser gave up")
        for name, values in found.items():
            if name in result.params:
                unit = scale**2 if name == "omega" else 1.0
                values.append(float(result.params[name]) * unit)
                errors[f"{name.removesuffix('[1]')}[{asset}]"] = float(result.std_err[name]) * unit
    chosen = GarchFilter("garch", *(tuple(found[n]) for n in ("omega", "alpha[1]", "beta[1]")))
    method = f"quasi-maximum likelihood, {'Student-t' if likelihood == 't' else 'normal'}"
    return VolatilityFit(chosen, errors, tuple(found["nu"]), method)


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
