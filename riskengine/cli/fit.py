"""``riskengine fit``."""

import shlex
from pathlib import Path

import click

from riskengine.cli.fit_chain import chain
from riskengine.cli.fit_jumps import jumps
from riskengine.cli.fit_likelihood import likelihood
from riskengine.cli.fit_liquidity import liquidity
from riskengine.cli.fit_peg import peg
from riskengine.cli.fit_variance import variance
from riskengine.cli.fit_volatility import volatility
from riskengine.cli.inputs import asset_names, check_hourly, check_writable, spot_prices
from riskengine.errors import UsageError


@click.group()
def fit() -> None:
    """Fit a world to prices, a pricing law to options, or liquidity to books and quotes."""


@fit.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, metavar="NAME",
    help="gbm, merton, heston or bates; of one asset also kou, svcj or regime_switching.",
)  # fmt: skip
@click.option("--assets", required=True, help="Assets in the order of the world, such as BTC,ETH.")
@click.option("--start", help="First date, such as 2021-01-01.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--spot", help="Prices of the world at time 0, such as 34500,1810; the last of the sample by default.")
@click.option("--max-missing", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Accepted gaps.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="World file to write.")
@click.option(
    "--refits", type=click.IntRange(0), default=24, show_default=True,
    help="Simulated histories refitted for the errors; 0: delta method, quick and too narrow.",
)  # fmt: skip
@click.option(
    "--components", type=click.IntRange(1, 2), default=1, show_default=True,
    help="Jump components of a world of one asset: 2 for small ones and large ones.",
)  # fmt: skip
@click.option("--variants", type=click.IntRange(1), help="Also write this many worlds drawn from the law of the fit.")
@click.option("--json", "json_", is_flag=True, help="Report of the fit as JSON.")
def returns(
    data, model, assets, start, end, source, spot, max_missing, out, refits, components, variants, json_
) -> int:
    """Fit a world to the hourly prices in DATA across horizons, and write it with standard errors.

    No return bridges a gap.  The world is stamped UNFIT where its tail losses leave the data's bands, and parameters
    that the data do not decide are named.  With --variants K, OUT gets K neighbours NAME_v01.yaml and on: the same
    world with parameters drawn from the law of the fit, to carry its uncertainty through a study.
    """
    from riskengine.calibrate.parameters import KINDS, check_kind
    from riskengine.cli.progress import compile_notice
    from riskengine.data.prices import load_prices
    from riskengine.registry import suggest

    if model not in KINDS:
        raise UsageError(f"--model must be one of {', '.join(KINDS)}, got {model!r}{suggest(model, KINDS)}")
    names = asset_names(assets)
    try:
        check_kind(model, names, components)
    except ValueError as error:
        raise UsageError(str(error)) from None
    at = spot_prices(spot, names)
    check_writable(out)
    prices = load_prices(data, names, start=start, end=end, source=source, max_missing_share=max_missing)
    check_hourly(prices, data)
    command = ["riskengine", "fit", "returns", data.name, "--model", model, "--assets", ",".join(names)]
    for name, value in (("--start", start), ("--end", end), ("--source", source), ("--spot", spot)):
        command += [name, value] if value is not None else []
    command += ["--refits", str(refits)] if refits != 24 else []
    command += ["--components", str(components)] if components != 1 else []
    command += ["--variants", str(variants)] if variants else []
    with compile_notice():
        return _fit(
            prices,
            model,
            at,
            out,
            shlex.join([*command, "--out", out.name]),
            (refits, components),
            variants or 0,
            json_,
        )


def _fit(prices, model: str, spot, out: Path, command: str, how: tuple[int, int], variants: int, json_: bool) -> int:
    from riskengine.calibrate.returns import fit_returns
    from riskengine.calibrate.sample import ReturnSample
    from riskengine.calibrate.variants import fit_variants
    from riskengine.calibrate.world_file import world_record, write_world
    from riskengine.cli.output import as_json, table

    try:
        sample = ReturnSample(prices.assets, prices.seconds // 3600, prices.prices, prices.flat_bars)
        result = fit_returns(sample, model, spot, refits=how[0], components=how[1])
    except ValueError as error:
        raise UsageError(f"{prices.name}: {error}") from None
    record = world_record(result, command=command, data_sha256=prices.sha256)
    write_world(out, result, command=command, data_sha256=prices.sha256)
    drawn = []
    for number, variant in enumerate(fit_variants(result, variants, seed=1), 1):
        place = out.with_name(f"{out.stem}_v{number:02d}{out.suffix}")
        title = f"{', '.join(prices.assets)}: draw {number} of {variants} from the law of {out.name}"
        write_world(place, variant, title=title, command=command, data_sha256=prices.sha256)
        drawn.append(str(place))
    if json_:
        as_json(
            {"file": str(out), "model": model, "parameters": result.numbers, "fit": record["fit"], "variants": drawn}
        )
        return 0
    known = result.known
    rows = [
        (
            name, f"{value:.6g}", f"{known.standard_errors[name]:.2g}", f"{known.intervals[name][0]:.4g}",
            f"{known.intervals[name][1]:.4g}", "no" if name in known.unidentified else "yes",
        )
        for name, value in result.numbers.items()
    ]  # fmt: skip
    table(rows, ("parameter", "value", "standard error", "95 % from", "to", "identified"))
    click.echo(f"\nerrors: {known.method}")
    if known.unidentified:
        click.echo(f"not identified: {'; '.join(known.unidentified.values())}")
        valley = ", ".join(f"{cost:.4g} at {value:.3g}" for value, cost in known.valley)
        click.echo(f"known worst along: {known.flat}" + (f"; cost over {known.worst}: {valley}" if valley else ""))
    click.echo("\nloss of a long position in 24 hours, with the error that the fit leaves:")
    losses = [
        (c["asset"], f"{c['level']:g}", *(f"{100 * c[k]:.2f}" for k in ("model", "error", "data", "lower", "upper")))
        for c in record["fit"]["bands"]
        if c["horizon_hours"] == 24
    ]
    table(losses, ("asset", "level", "model %", "error", "data %", "band from", "to"))
    if result.joint:
        click.echo("\ncorrelations, and how often one asset's worst (best) 1 % of 24 hours is the other's too:")
        rows = [
            ("-".join(r.assets), r.measure, str(r.horizon_hours))
            + tuple(f"{v:.2f}" for v in (r.model, r.data, r.lower, r.upper))
            for r in result.joint
        ]
        table(rows, ("pair", "figure", "hours", "model", "data", "band from", "to"))
    outside = record["fit"]["outside"]
    click.echo(
        f"\n{out}: {result.report.verdict}" + (f", outside the data's bands: {', '.join(outside)}" if outside else "")
    )
    return 0


fit.add_command(jumps)
fit.add_command(likelihood)
fit.add_command(variance)
fit.add_command(chain)
fit.add_command(volatility)
fit.add_command(peg)
fit.add_command(liquidity)

COMMANDS = {"fit": fit}
