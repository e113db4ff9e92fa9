"""``riskengine fit peg``."""

import shlex
from pathlib import Path

import click

from riskengine.cli.inputs import check_writable
from riskengine.errors import UsageError


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--asset", required=True, help="Symbol of the pegged asset in DATA, such as USDC.")
@click.option("--to", default="USD", show_default=True, help="What it is pegged to: USD or an asset of the base world.")
@click.option("--par", help="Symbol in DATA of what it is pegged to; that of --to by default.")
@click.option("--base", default="btc_eth", show_default=True, help="World whose assets stand beside it.")
@click.option(
    "--depeg",
    "depegs",
    multiple=True,
    metavar="RATE,MEAN,HOURS",
    help="A depeg that the sample does not hold: arrivals a year, mean log size, half-life; may be repeated.",
)
@click.option("--start", help="First date, such as 2021-01-01.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="World file to write.")
@click.option("--json", "json_", is_flag=True, help="Report of the fit as JSON.")
def peg(data, asset, to, par, base, depegs, start, end, source, out, json_) -> int:
    """Fit the peg of a stablecoin or staked token to the quotes in DATA, and write a world with it.

    Quotes may have any stamps: the last of each hour counts, over par at its own time.  The world is stamped UNFIT
    where the peg's tail losses leave the data's bands, or its base world is.
    """
    from riskengine.calibrate.peg import fit_peg, peg_sample
    from riskengine.calibrate.peg_file import peg_record
    from riskengine.calibrate.world_file import write_record
    from riskengine.cli.output import as_json, table
    from riskengine.cli.progress import compile_notice
    from riskengine.config.study import load_world
    from riskengine.data.quotes import load_quotes

    check_writable(out)
    stated = tuple(_depeg(text) for text in depegs)
    world = load_world(base)
    if to not in ("USD", *world.model.assets):
        raise UsageError(f"--to must be one of {', '.join(('USD', *world.model.assets))}, got {to!r}")
    if par is not None and to == "USD":
        raise UsageError(f"--par must be left out where the asset is pegged to USD, got {par!r}")
    symbol = None if to == "USD" else par or to
    symbols = (asset,) if symbol is None else (asset, symbol)
    quotes, spikes, digest = load_quotes(data, symbols, start, end, source)
    command = ["riskengine", "fit", "peg", data.name, "--asset", asset, "--to", to]
    for name, value in (("--par", par), ("--start", start), ("--end", end), ("--source", source)):
        command += [name, value] if value is not None else []
    command += ["--base", base, *(x for text in depegs for x in ("--depeg", text)), "--out", out.name]
    try:
        with compile_notice():
            fit = fit_peg(peg_sample(asset, *quotes))
        record = peg_record(fit, world, to, stated, command=shlex.join(command), data_sha256=digest, spikes=spikes)
    except ValueError as error:
        raise UsageError(f"{data}: {error}") from None
    write_record(out, record)
    if json_:
        as_json({"file": str(out), "asset": asset, "parameters": fit.numbers, "fit": record["fit"]})
        return 0
    rows = [(name, f"{value:.6g}", f"{fit.standard_errors[name]:.2g}") for name, value in fit.numbers.items()]
    table(rows, ("parameter", "value", "standard error"))
    outside = record["fit"]["outside"]
    click.echo(
        f"\n{out}: {record['fit']['verdict']}"
        + (f", outside the data's bands: {', '.join(outside)}" if outside else "")
        + (f"; not identified, at the edge of its range: {', '.join(fit.on_bound)}" if fit.on_bound else "")
    )
    return 0


def _depeg(text: str):
    from riskengine.config.reader import parse_number
    from riskengine.law.peg import Dislocation

    values = [parse_number(part.strip()) for part in text.split(",")]
    try:
        if len(values) != 3 or None in values:
            raise ValueError("three numbers are needed")
        return Dislocation(*values)
    except ValueError as error:
        raise UsageError(f"--depeg must be RATE,MEAN,HOURS such as 0.2,-0.09,12, got {text!r}: {error}") from None
