"""``riskengine fit chain``."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import click

from riskengine.cli.inputs import check_writable
from riskengine.errors import UsageError

_LIVE = "live:"


@click.command()
@click.argument("data", metavar="DATA")
@click.option(
    "--model",
    required=True,
    metavar="NAME",
    help="black, merton, kou, heston, bates or svcj (with ++: and a deterministic shift of variance), or svi.",
)
@click.option("--asset", required=True, help="Which underlying, such as BTC.")
@click.option("--at", "at", metavar="STAMP", help="Take the last snapshot at or before it; the last of all by default.")
@click.option("--loss", default="huber", show_default=True, help="huber, square, cauchy or inside.")
@click.option("--weights", default="spread", show_default=True, help="spread, vega or coin.")
@click.option("--otm", is_flag=True, help="Out-of-the-money options only.")
@click.option("--moneyness", default="0.6,1.4", show_default=True, help="Lowest and highest strike over forward.")
@click.option("--max-spread", type=click.FloatRange(0, min_open=True), default=0.5, show_default=True, help="Relative.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the law to write.")
@click.option("--follow", is_flag=True, help="Walk all snapshots in time.")
@click.option("--start", help="With --follow: first date.")
@click.option("--end", help="With --follow: before this date.")
@click.option("--log", type=click.Path(path_type=Path), help="With --follow: log to write or continue, JSON lines.")
@click.option("--pull", type=click.FloatRange(0), help="With --follow: weight of the pull to the last fit.")
@click.option("--every", type=click.FloatRange(1), default=300.0, show_default=True, help="Live: seconds between.")
@click.option("--count", type=click.IntRange(1), help="Live: stop after so many snapshots.")
@click.option("--json", "json_", is_flag=True, help="JSON on stdout.")
def chain(data, model, asset, at, out, follow, log, json_, **more) -> int:
    """Fit a pricing law to the option chain in DATA, or follow it through time.

    DATA is a CSV or parquet file of snapshots, or live:EXCHANGE with --follow (needs the package ccxt).
    """
    smiles = model == "svi"
    rules = _rules("black" if smiles else model, more)
    if smiles and follow:
        raise UsageError("--model svi is a description of one snapshot and cannot be followed")
    if data.startswith(_LIVE) and not follow:
        raise UsageError(f"{data} has no snapshot to choose: add --follow")
    if follow and at:
        raise UsageError("--at chooses one snapshot and --follow takes all; give one of them")
    if not follow and (log or more["start"] or more["end"] or more["pull"] is not None):
        raise UsageError("--log, --start, --end and --pull belong to --follow")
    for place in (out, log):
        if place is not None:
            check_writable(place)
    words = ["riskengine", "fit", "chain", data if data.startswith(_LIVE) else Path(data).name]
    words += ["--model", model, "--asset", asset] + (["--at", at] if at else []) + (["--follow"] if follow else [])
    defaults = {"loss": "huber", "weights": "spread", "otm": False, "moneyness": "0.6,1.4", "max_spread": 0.5}
    for name, default in ({"start": None, "end": None, "pull": None} | defaults).items():
        if more[name] != default:
            words += [f"--{name.replace('_', '-')}"] + ([] if more[name] is True else [str(more[name])])
    from riskengine.cli.progress import compile_notice

    with compile_notice():
        if smiles:
            return _smiles(Path(data), asset, at, rules[2], out, json_)
        if follow:
            return _follow(data, model, asset, rules, out, log, json_, more, shlex.join(words))
        return _fit(Path(data), model, asset, at, rules, out, json_, shlex.join(words))


def _rules(model: str, more: dict):
    """(family, rules of the fit, rules of the quotes)."""
    from riskengine.calibrate.pricing_law.objective import FitRules
    from riskengine.calibrate.pricing_law.quotes import QuoteRules
    from riskengine.config.reader import parse_number
    from riskengine.pricing.chain_prices import FAMILIES
    from riskengine.registry import suggest

    family = model.removesuffix("++")
    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise UsageError(
            f"--model must be svi or one of {known}, these also with ++, got {model!r}{suggest(family, FAMILIES)}"
        )
    ends = [parse_number(part.strip()) for part in more["moneyness"].split(",")]
    if len(ends) != 2 or None in ends:
        raise UsageError(f"--moneyness must be two numbers such as 0.6,1.4, got {more['moneyness']!r}")
    try:
        fit = FitRules(loss=more["loss"], weights=more["weights"], shift=model.endswith("++"))
        quotes = QuoteRules(max_relative_spread=more["max_spread"], moneyness=tuple(ends), out_of_the_money=more["otm"])
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    return family, fit, quotes


def _fit(data: Path, model: str, asset: str, at, rules, out: Path | None, json_: bool, command: str) -> int:
    from riskengine.calibrate.pricing_law.fit import fit_law
    from riskengine.calibrate.pricing_law.quotes import select
    from riskengine.calibrate.pricing_law.record import law_record
    from riskengine.cli.output import as_json
    from riskengine.data.chains import load_chains

    family, fit_rules, quote_rules = rules
    file = load_chains(data, asset)
    quotes = file.at(at)
    try:
        found = fit_law(select(quotes, quote_rules), family, fit_rules)
    except ValueError as error:
        raise UsageError(f"{file.name}: {error}") from None
    record = law_record(found, command=command, data=file.name, data_sha256=file.sha256)
    _write(out, record)
    if json_:
        as_json(record)
        return 0
    _show(found, record)
    if out is not None:
        click.echo(f"\n{out}: written")
    return 0


def _smiles(data: Path, asset: str, at, quote_rules, out: Path | None, json_: bool) -> int:
    from riskengine.calibrate.pricing_law.quotes import select
    from riskengine.calibrate.pricing_law.smiles import fit_smiles
    from riskengine.cli.output import as_json, table
    from riskengine.data.chains import load_chains

    file = load_chains(data, asset)
    try:
        found = fit_smiles(select(file.at(at), quote_rules))
    except ValueError as error:
        raise UsageError(f"{file.name}: {error}") from None
    record = found.record()
    _write(out, record)
    if json_:
        as_json(record)
        return 0
    click.echo(record["title"] + "\n")
    names = ("days", "a", "b", "rho", "m", "sigma", "rmse", "lowest_g")
    table([[f"{row[n]:.4g}" for n in names] for row in record["slices"]], names)
    click.echo(f"\ninside bid and ask: {found.slice_quality.inside:.1%} by slices")
    if found.surface is not None:
        s = found.surface
        click.echo(
            f"SSVI, free of arbitrage: rho {s.rho:.4g}, eta {s.eta:.4g}, gamma {s.gamma:.4g}; "
            f"{found.surface_quality.inside:.1%} inside bid and ask"
        )
    for text in found.arbitrage or ["no butterfly and no calendar spread between slices"]:
        click.echo(text)
    return 0


def _write(out: Path | None, record: dict) -> None:
    import os

    from riskengine.calibrate.world_file import to_yaml

    if out is not None:
        beside = out.with_name(out.name + ".part")
        beside.write_text(to_yaml(record), encoding="utf-8")
        os.replace(beside, out)


def _show(found, record: dict) -> None:
    from riskengine.cli.output import table

    click.echo(record["title"] + "\n")
    notes = {n: "on its bound" for n in found.on_bound}
    notes = dict.fromkeys(found.unidentified, "not identified") | notes
    rows = [
        (name, f"{value:.6g}", f"{found.standard_errors[name]:.2g}", notes.get(name, ""))
        for name, value in found.law.values.items()
    ]
    table(rows, ("parameter", "value", "standard error", ""))
    q = found.quality
    click.echo(
        f"\n{q.quotes} quotes: {q.inside:.1%} inside bid and ask, root-mean-square error {q.rmse:.6f}, "
        f"mean error {q.mae:.6f} coin or {q.spreads:.2f} half spreads"
    )
    if found.refused:
        click.echo("not used: " + "; ".join(f"{count} {reason}" for reason, count in found.refused.items()))
    for valley in found.valleys:
        click.echo(f"valley: {valley}")
    for text in found.violations:
        click.echo(f"arbitrage: {text}")
    if found.law.feller < 1.0:
        click.echo(f"Feller: 2 kappa theta / xi^2 = {found.law.feller:.3g}, below 1: the variance reaches zero")


def _snapshots(data: str, asset: str, more: dict) -> tuple[Iterator, str, str]:
    """Snapshots in time, and the name and hash of what they come from."""
    if data.startswith(_LIVE):
        from riskengine.data.exchange import exchange_errors, fetch_chain, open_exchange

        exchange = open_exchange(data.removeprefix(_LIVE))

        def live() -> Iterator:
            taken = 0
            while more["count"] is None or taken < more["count"]:
                try:
                    quotes = fetch_chain(exchange, asset)
                except exchange_errors() as error:
                    click.echo(f"{data}: {error}; trying again in {more['every']:g} s", err=True)
                else:
                    yield quotes
                taken += 1
                if more["count"] is None or taken < more["count"]:
                    time.sleep(more["every"])

        return live(), data, ""
    from riskengine.data.chains import load_chains

    file = load_chains(Path(data), asset, start=more["start"], end=more["end"])
    return iter(file.snapshots), file.name, file.sha256


def _follow(data: str, model: str, asset: str, rules, out, log, json_: bool, more: dict, command: str) -> int:
    import json
    from dataclasses import replace

    from riskengine.calibrate.pricing_law.follow import Follower, FollowRules
    from riskengine.calibrate.pricing_law.quotes import select
    from riskengine.calibrate.pricing_law.record import law_record
    from riskengine.data.follow_log import FollowLog
    from riskengine.errors import RunError

    family, fit_rules, quote_rules = rules
    pull = {} if more["pull"] is None else {"pull": more["pull"]}
    follower = Follower(family, FollowRules(fit=fit_rules, quotes=quote_rules, **pull), asset)
    book = None if log is None else FollowLog(log)
    if book is not None and book.state is not None:
        try:
            follower.restore(book.state)
        except ValueError as error:
            raise UsageError(f"{log}: {error}") from None
    snapshots, name, sha256 = _snapshots(data, asset, more)
    last, failed, taken = None, 0, 0
    for quotes in snapshots:
        if book is not None and quotes.seconds <= book.seen:
            continue
        taken += 1
        try:
            entry = follower.step(select(quotes, quote_rules))
        except (ValueError, RunError) as error:
            failed += 1
            record = {"time": _stamp(quotes.seconds), "model": model, "refused": str(error)}
        else:
            last, record = entry, entry.record()
        if book is not None:
            book.append(record, quotes.seconds, follower.state())
        click.echo(json.dumps(record) if json_ else _line(record))
    if last is not None:
        # what is published, with the errors of the fit behind it
        held = replace(last.fit, law=last.published, quality=last.tracking)
        _write(out, law_record(held, command=command, data=name, data_sha256=sha256))
    if taken and failed == taken:
        raise RunError(f"{name}: at least one of {taken} snapshots must be usable, got none")
    if not json_:
        click.echo(f"{taken} snapshots taken, {failed} refused")
    return 0


def _stamp(seconds: int) -> str:
    import numpy as np

    return f"{np.datetime64(seconds, 's')}Z"


def _line(record: dict) -> str:
    if "refused" in record:
        return f"{record['time']}  refused: {record['refused']}"
    tracking = record["tracking"]
    told = f"  published: {record['reason']}" if record["renewed"] else ""
    return (
        f"{record['time']}  {tracking['quotes']} quotes, {tracking['inside']:.1%} inside, "
        f"{tracking['spreads']:.2f} half spreads, evidence of drift {record['evidence']:.2f}{told}"
    )
