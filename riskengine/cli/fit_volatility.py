"""``riskengine fit volatility``."""

import os
import shlex
from pathlib import Path

import click

from riskengine.cli.inputs import asset_names, check_writable, spot_prices
from riskengine.errors import UsageError


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--assets", required=True, help="Assets in the order of the world, such as BTC,ETH.")
@click.option("--filter", "kind", type=click.Choice(["garch", "ewma"]), default="garch", show_default=True)
@click.option("--likelihood", type=click.Choice(["t", "normal"]), default="t", show_default=True, help="Of the GARCH.")
@click.option(
    "--long-run",
    type=click.Choice(["sample", "free"]),
    default="sample",
    show_default=True,
    help="Long-run variance of the GARCH: that of the data, or a parameter (needs arch).",
)
@click.option("--decay", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Of the EWMA, such as 0.94.")
@click.option("--step-hours", type=click.FloatRange(0, 8760, min_open=True), help="Step; that of the data by default.")
@click.option("--start", help="First date, such as 2021-01-01.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--spot", help="Prices of the world at time 0, such as 34500,1810; the last of the sample by default.")
@click.option("--max-missing", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Accepted gaps.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="World file to write.")
@click.option("--json", "json_", is_flag=True, help="Report of the fit as JSON.")
def volatility(
    data, assets, kind, likelihood, long_run, decay, step_hours, start, end, source, spot, max_missing, out, json_
) -> int:  # fmt: skip
    """Fit a variance filter to the prices in DATA, and write the world that resamples its residuals.

    The world names DATA, so that residuals are made again from it; no return bridges a gap.
    """
    from riskengine.calibrate.volatility import filtered_world, fit_garch, given_ewma
    from riskengine.calibrate.world_file import write_record
    from riskengine.cli.output import as_json, table
    from riskengine.cli.progress import compile_notice
    from riskengine.data.prices import load_prices
    from riskengine.market.series import PriceSeries

    if (kind == "ewma") != (decay is not None):
        raise UsageError(f"--decay must be given for an EWMA and for nothing else, got {decay} for {kind}")
    names = asset_names(assets)
    at = spot_prices(spot, names)
    check_writable(out)
    prices = load_prices(data, names, start=start, end=end, source=source, max_missing_share=max_missing)
    origin = {"start": start, "end": end, "source": source, "step_hours": step_hours, "max_missing_share": max_missing}
    origin = {"file": str(data)} | {name: value for name, value in origin.items() if value is not None}
    command = ["riskengine", "fit", "volatility", data.name, "--assets", ",".join(names), "--filter", kind]
    command += ["--likelihood", likelihood, "--long-run", long_run] if kind == "garch" else ["--decay", f"{decay:g}"]
    for name in ("step_hours", "start", "end", "source"):
        command += [f"--{name.replace('_', '-')}", str(origin[name])] if name in origin else []
    command += ["--spot", spot] if spot is not None else []
    try:
        series = PriceSeries(names, prices.seconds, prices.prices, prices.step_seconds, prices.sha256, origin)
        series = series if step_hours is None else series.thinned(round(step_hours * 3600.0))
        with compile_notice():
            fit = fit_garch(series, likelihood, long_run) if kind == "garch" else given_ewma(decay)
            beside = os.path.relpath(data, out.parent)
            record = filtered_world(series, fit, at, beside, shlex.join([*command, "--out", out.name]))
    except ValueError as error:
        raise UsageError(f"{data}: {error}") from None
    write_record(out, record)
    if json_:
        as_json({"file": str(out), "filter": record["model"]["filter"], "fit": record["fit"]})
        return 0
    found, errors = record["model"]["filter"], record["fit"]["standard_errors"]
    rows = [
        (
            f"{name}[{asset}]",
            f"{value:.6g}",
            f"{errors[f'{name}[{asset}]']:.2g}" if f"{name}[{asset}]" in errors else "",
        )
        for name in ("omega", "alpha", "beta")
        for asset, value in zip(names, found.get(name, ()), strict=False)
    ]
    table(rows or [("decay", f"{found['decay']:g}", "given")], ("parameter", "value", "standard error"))
    for bound in record["fit"]["on_bound"] if kind == "garch" else ():
        click.echo(f"{bound} is 1: no long-run variance; forecasts grow with the horizon", err=True)
    last = ", ".join(f"{a} {v:.1%}" for a, v in zip(names, record["fit"]["last_volatility"], strict=True))
    click.echo(f"\n{out}: volatility at the end of the data {last} a year")
    return 0
