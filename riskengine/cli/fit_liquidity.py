"""``riskengine fit liquidity``."""

import shlex
from pathlib import Path

import click

from riskengine.cli.inputs import check_writable
from riskengine.errors import UsageError, suggest


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--kind", required=True, help="constant_product, concentrated, order_book or square_root.")
@click.option(
    "--asset", "assets", multiple=True, required=True, metavar="NAME=SERIES", help="BTC=WBTC/USDC; may be repeated."
)
@click.option("--distances", default="0,0.002,0.01,0.03,0.1,0.3", show_default=True, help="Edges of bands.")
@click.option("--fee", type=click.FloatRange(0, 0.5), help="Fitted by default.")
@click.option("--within", type=click.FloatRange(0, 1, min_open=True), default=0.1, show_default=True, help="Slippage.")
@click.option("--daily-volatility", multiple=True, metavar="NAME=SHARE", help="Of square_root.")
@click.option("--half-life", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="Hours.")
@click.option("--contract-usd", type=click.FloatRange(0, min_open=True), help="Where quantities count contracts.")
@click.option(
    "--reach", multiple=True, metavar="NAME=SHARE", help="Distance to which a book is whole; found by default."
)
@click.option("--out", type=click.Path(path_type=Path), help="File of the liquidity to write.")
@click.option("--json", "json_", is_flag=True, help="JSON on stdout.")
def liquidity(data, kind, assets, distances, fee, within, daily_volatility, half_life, contract_usd, reach,
              out, json_) -> int:  # fmt: skip
    """Fit a kind of liquidity to a book or to quotes in DATA, and write it for the lending markets of a study.

    Says how far the fit is from sales up to the size at which some snapshot first slips by more than WITHIN, and how
    far depth moved between snapshots.
    How soon what was sold is bid again is not in such data: the half-life is yours. Nor is what nobody was asked for:
    the largest sale used is said, beyond which the fit is a curve drawn on. Beyond the reach of a book bands are empty.
    """
    from riskengine.calibrate.liquidity import KINDS, bands_to, fit_liquidity, joined
    from riskengine.cli.output import as_json, table
    from riskengine.cli.progress import compile_notice
    from riskengine.config.dump import dump, to_yaml
    from riskengine.data.depth import read_ladder
    from riskengine.liquidity.order_book import check_bands

    if kind == "hybrid":
        composed = "{kind: hybrid, book: FILE, pool: FILE}"
        raise UsageError(f"--kind hybrid is made of two fits: fit its book and its pool, then write a file {composed}")
    if kind not in KINDS:
        raise UsageError(f"--kind must be one of {', '.join(KINDS)}, got {kind!r}{suggest(kind, KINDS)}")
    if out is not None:
        check_writable(out)
    named = _pairs("--asset", assets)
    told = _pairs("--daily-volatility", daily_volatility)
    volatility = {a: _number("--daily-volatility", x) for a, x in told.items()}
    reaches = {a: _number("--reach", x) for a, x in _pairs("--reach", reach).items()}
    for asset, share in reaches.items():
        if asset not in named or not 0.0 < share <= 1.0:
            raise UsageError(f"--reach must name one of {', '.join(named)} and lie in (0, 1], got {asset}={share:g}")
    edges = tuple(_number("--distances", x) for x in distances.split(","))
    try:
        check_bands(edges, {})
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    if (kind == "square_root") != bool(volatility) or (volatility and set(volatility) != set(named)):
        raise UsageError("--daily-volatility must be given for every asset of square_root, and for no other kind")
    fits, ladders, digest, notes = [], {}, "", {}
    try:
        for asset, series in named.items():
            ladders[asset], digest = read_ladder(data, series, contract_usd, reaches.get(asset))
        when = {stamp[:10] for ladder in ladders.values() for stamp in ladder.stamps}
        known = [ladder.reach for ladder in ladders.values() if ladder.reach is not None]
        if known:
            edges = bands_to(edges, known)
        with compile_notice():
            for own_fee in (fee,) if fee is not None or len(named) == 1 else (None, "mean"):
                shared = round(sum(f.liquidity.fee for f in fits) / len(fits), 6) if own_fee == "mean" else own_fee
                # what was found on a bound stays said where the fee is then the mean of several
                notes = {f.asset: [n for n in f.notes if n.startswith("fee")] for f in fits}
                fits = []
                for asset, ladder in ladders.items():
                    given = {"daily_volatility": volatility[asset]} if volatility else {}
                    fits.append(fit_liquidity(kind, asset, ladder, distances=edges, fee=shared, within=within, **given))
                    notes.setdefault(asset, []).extend(fits[-1].notes)
        command = ["riskengine", "fit", "liquidity", data.name, "--kind", kind]
        command += [x for a, s in named.items() for x in ("--asset", f"{a}={s}")]
        command += [x for a, s in volatility.items() for x in ("--daily-volatility", f"{a}={s:g}")]
        command += [x for a, s in reaches.items() for x in ("--reach", f"{a}={s:g}")]
        context = click.get_current_context()
        for option in ("distances", "fee", "within", "half_life", "contract_usd"):
            if context.get_parameter_source(option) == click.core.ParameterSource.COMMANDLINE:
                command += [f"--{option.replace('_', '-')}", str(context.params[option])]
        source = (f"{data.name}, {', '.join(sorted(when))}; SHA-256 {digest}", shlex.join(command))
        said = (
            f"{f.asset}: slippage of {f.count} sales up to {within:g} within {f.rms:.2g} rms, {f.largest:.2g} at most; "
            + "; ".join(
                (f"largest sale {f.largest_sale:.3g} USD, largest slippage {f.largest_slippage:.2g}", *notes[f.asset])
            )
            for f in fits
        )
        made = joined(fits, half_life, (*source, *said))
    except ValueError as error:
        raise UsageError(f"{data}: {error}") from None
    plain = {"kind": kind} | dump(made)
    if out is not None:
        title = f"# What sales of {', '.join(named)} bring: {kind} fitted to {data.name}, by riskengine fit liquidity"
        out.write_text(f"{title}\n{to_yaml(plain)}", encoding="utf-8")
    if json_:
        shown = ("count", "snapshots", "rms", "largest", "depth_range", "largest_sale", "largest_slippage")
        found = {f.asset: {k: getattr(f, k) for k in shown} | {"notes": notes[f.asset]} for f in fits}
        as_json({"liquidity": plain, "fit": found})
        return 0
    rows = [
        (f.asset, str(f.snapshots), str(f.count), f"{f.rms * 1e4:.1f}", f"{f.largest * 1e4:.1f}",
         f"{f.depth_range[0]:.2f} to {f.depth_range[1]:.2f}", f"{f.largest_sale:,.3g}", f"{f.largest_slippage:.2%}")
        for f in fits
    ]  # fmt: skip
    head = ("asset", "snapshots", "sales", "rms error, bp", "largest, bp", "depth between snapshots, 5 to 95 %",
            "largest sale, USD", "largest slippage")  # fmt: skip
    table(rows, head)
    for asset, said in notes.items():
        for note in said:
            click.echo(f"{asset}: {note}")
    click.echo("\n" + to_yaml({k: v for k, v in plain.items() if k != "source"}))
    return 0


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    out = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not value or not equals:
            raise UsageError(f"{option} must have the form NAME=VALUE, got {text!r}")
        out[name] = value
    return out


def _number(option: str, text: str) -> float:
    from riskengine.config.reader import parse_number

    value = parse_number(text.strip())
    if value is None:
        raise UsageError(f"{option} must hold numbers, got {text!r}")
    return float(value)
