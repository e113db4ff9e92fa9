"""``riskengine fit``."""

import shlex
from pathlib import Path

import click

from riskengine.cli.fit_peg import peg
from riskengine.cli.fit_volatility import volatility
from riskengine.errors import UsageError


@click.group()
def fit() -> None:
    """Fit a world to market data."""


@fit.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="Scenario model: gbm, merton or bates.")
@click.option("--assets", required=True, help="Assets in the order of the world, such as BTC,ETH.")
@click.option("--start", help="First date, such as 2021-01-01.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--spot", help="Prices of the world at time 0, such as 34500,1810; the last of the sample by default.")
@click.option("--max-missing", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Accepted gaps.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="World file to write.")
@click.option("--json", "json_", is_flag=True, help="Report of the fit as JSON.")
def returns(data, model, assets, start, end, source, spot, max_missing, out, json_) -> int:
    """Fit a world to the hourly prices in DATA across horizons, and write it with standard errors.

    No return bridges a gap.  The world is stamped UNFIT where its tail losses leave the data's bands.
    """
    from riskengine.cli.progress import compile_notice
    from riskengine.data.prices import load_prices
    from riskengine.registry import kinds, suggest

    known = kinds("scenarios")
    if model not in known:
        raise UsageError(f"--model must be one of {', '.join(known)}, got {model!r}{suggest(model, known)}")
    names = asset_names(assets)
    at = spot_prices(spot, names)
    check_writable(out)
    prices = load_prices(data, names, start=start, end=end, source=source, max_missing_share=max_missing)
    if prices.step_seconds != 3600:
        raise UsageError(f"{data}: prices must be hourly, got a step of {prices.step_seconds} s")
    if (prices.seconds % 3600).any():
        raise UsageError(f"{data}: stamps must lie on full hours")
    command = ["riskengine", "fit", "returns", data.name, "--model", model, "--assets", ",".join(names)]
    for name, value in (("--start", start), ("--end", end), ("--source", source), ("--spot", spot)):
        command += [name, value] if value is not None else []
    with compile_notice():
        return _fit(prices, model, at, out, shlex.join([*command, "--out", out.name]), json_)


def asset_names(text: str) -> tuple[str, ...]:
    """Names of ``--assets``."""
    names = tuple(a.strip() for a in text.split(",") if a.strip())
    if not names or len(set(names)) != len(names):
        raise UsageError(f"--assets must be distinct names such as BTC,ETH, got {text!r}")
    return names


def spot_prices(text: str | None, names: tuple[str, ...]) -> tuple[float, ...] | None:
    """Prices of ``--spot``, one for each name; None where it is not given."""
    from riskengine.config.reader import parse_number

    if text is None:
        return None
    values = [parse_number(part.strip()) for part in text.split(",")]
    if len(values) != len(names) or any(v is None or v <= 0 for v in values):
        raise UsageError(f"--spot must be one positive price for each of {', '.join(names)}, got {text!r}")
    return tuple(values)


def check_writable(out: Path) -> None:
    """A fit takes minutes: refuse a place that cannot be written before it starts."""
    import os

    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise UsageError(f"{out}: must be a file in a folder that can be written")


def _fit(prices, model: str, spot, out: Path, command: str, json_: bool) -> int:
    from riskengine.calibrate.returns import fit_returns
    from riskengine.calibrate.sample import ReturnSample
    from riskengine.calibrate.world_file import world_record, write_world
    from riskengine.cli.output import as_json, table

    try:
        sample = ReturnSample(prices.assets, prices.seconds // 3600, prices.prices, prices.flat_bars)
        result = fit_returns(sample, model, spot)
    except ValueError as error:
        raise UsageError(f"{prices.name}: {error}") from None
    record = world_record(result, command=command, data_sha256=prices.sha256)
    write_world(out, result, command=command, data_sha256=prices.sha256)
    if json_:
        as_json({"file": str(out), "model": model, "parameters": result.numbers, "fit": record["fit"]})
        return 0
    rows = [(name, f"{value:.6g}", f"{result.standard_errors[name]:.2g}") for name, value in result.numbers.items()]
    table(rows, ("parameter", "value", "standard error"))
    outside = record["fit"]["outside"]
    click.echo(
        f"\n{out}: {result.report.verdict}" + (f", outside the data's bands: {', '.join(outside)}" if outside else "")
    )
    return 0


fit.add_command(volatility)
fit.add_command(peg)

COMMANDS = {"fit": fit}
