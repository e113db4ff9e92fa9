"""``riskengine run`` and ``riskengine tune``."""

import shlex
from pathlib import Path

import click

from riskengine.errors import UsageError, suggest

_COMMON = (
    click.argument("study"),
    click.option("--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Override one value of the study."),
    click.option("--paths", type=int, help="Number of paths; a longer run extends a shorter one."),
    click.option("--seed", type=int, help="Seed of all random draws."),
    click.option("--workers", type=click.IntRange(1, 4096), help="Threads; the results do not depend on it."),
    click.option("--resume", is_flag=True, help="Keep finished blocks of an interrupted run."),
    click.option("--dry-run", is_flag=True, help="Check everything, say what would run, write nothing."),
    click.option("--out", type=click.Path(path_type=Path), help="Run folder; runs/<study>-<hash> by default."),
    click.option("--json", "json_", is_flag=True, help="Result as JSON on stdout."),
)


def _common(command):
    """The argument and the options that every command which runs a study takes."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


@click.command()
@_common
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File of accounts, of prices, or of option chains and then of prices: CSV, JSON or parquet; "
    "repeat it for several.",
)
@click.option("--source", help="Which source to read, in a price file that holds several.")
@click.option("--start", help="First date of the prices, such as 2021-01-01.")
@click.option("--end", help="Prices before this date.")
def run(study, overrides, paths, seed, workers, resume, dry_run, out, json_, data, source, start, end) -> int:
    """Run STUDY: the name of a shipped study, or a file.

    Writes a run folder with result.json, tables and reports, prints a short table and where the report is.
    """
    loaded, files = _load(study, overrides, paths, seed, data)
    price_options = {"--source": source, "--start": start, "--end": end}
    _agree(loaded.study, files, price_options, resume)
    prices = records = chains = None
    if "chains" in loaded.study.options:
        chains = _chains(loaded.study, files, source, start, end)
    if "records" in loaded.study.options:
        records = _records(loaded.study, files, source, start, end)
    if "history" in loaded.study.options:
        from riskengine.data.prices import load_prices

        prices = load_prices(
            files[0],
            loaded.study.priced,
            start=start,
            end=end,
            source=source,
            max_missing_share=loaded.study.max_missing_share,
        )
    rest = files[1:]
    if getattr(loaded.study, "quoted", None):
        from riskengine.data.quotes import with_quoted

        prices, rest = with_quoted(prices, rest[0], loaded.study.quoted), rest[1:]
    happened = None
    if "happened" in loaded.study.options and rest:
        from riskengine.data.liquidations import load_liquidations

        happened = load_liquidations(rest[0], loaded.study.happened)
    if dry_run:
        _describe(loaded, prices, records, chains, json_)
        return 0
    command = _command("run", study, data, overrides, paths, seed, price_options)
    return _run(loaded, prices, records, chains, out, workers, resume, command, json_, happened)


@click.command()
@_common
def tune(study, overrides, paths, seed, workers, resume, dry_run, out, json_) -> int:
    """Run STUDY, a study that ends in a choice or a search: the name of a shipped one, or a file.

    The same as `riskengine run`, for kinds of study that choose: settings with a certificate, what such a certificate
    is worth, the account that a model covers worst.
    """
    loaded, _ = _load(study, overrides, paths, seed)
    if loaded.study.verb != "tune":
        raise UsageError(f"STUDY must ask for a choice, got {loaded.study.named}: riskengine run runs it")
    _agree(loaded.study, (), {}, resume)
    if dry_run:
        _describe(loaded, None, None, None, json_)
        return 0
    command = _command("tune", study, (), overrides, paths, seed, {})
    return _run(loaded, None, None, None, out, workers, resume, command, json_)


def _load(study, overrides, paths, seed, data=()):
    """The study, and the files of ``--data`` that are left: the first is the book where the study describes one."""
    from riskengine.config.study import load_study

    numbers = {name: value for name, value in (("paths", paths), ("seed", seed)) if value is not None}
    loaded = load_study(study, overrides)
    asked = loaded.study
    for name in numbers:
        if not hasattr(asked, name):
            other = "; --set replications=N does" if hasattr(asked, "replications") and name == "paths" else ""
            raise UsageError(f"--{name} must not be given for {asked.named}, which has no {name}{other}")
    book = None
    if asked.awaits_book:
        if not data:
            raise UsageError(asked.awaits_book)
        book, *data = data
    if numbers or book is not None:
        overrides = (*overrides, *(f"{name}={value}" for name, value in numbers.items()))
        loaded = load_study(study, overrides, book)
    return loaded, tuple(data)


def _records(study, files: tuple[Path, ...], source: str | None, start: str | None, end: str | None) -> list:
    """Series of all files; names that occur in two files get that of their file."""
    from dataclasses import replace

    from riskengine.data.records import forecast_record, price_records

    if study.forecasts is not None:
        f = study.forecasts
        if any(v is not None for v in (source, start, end)):
            raise UsageError("--source, --start and --end must not be given for a file of forecasts")
        found = [forecast_record(file, f.returns, f.var, f.es, f.level, f.unit) for file in files]
    else:
        found = []
        for file in files:
            own = study.settings_of(file.name)
            returns = {name: (what.log, what.unit) for name, what in own.returns.items()}
            ordinal = {name: round(hours * 3600) for name, hours in own.ordinal.items()}
            found += price_records(file, study.series, source, start, end, returns, ordinal)
        for name in study.files:
            known = [file.name for file in files]
            if name not in known:
                raise UsageError(
                    f"files must name files given by --data ({', '.join(known)}), got {name!r}{suggest(name, known)}"
                )
    names = [r.name for r in found]
    return [replace(r, name=f"{r.name} ({r.file})") if names.count(r.name) > 1 else r for r in found]


def _chains(study, files: tuple[Path, ...], source: str | None, start: str | None, end: str | None):
    """Chains of the assets of the study from the first file, prices of the time before from the second."""
    from riskengine.data.chains import load_chain_series
    from riskengine.data.prices import load_prices
    from riskengine.study.chain_backtest import ChainData

    series = load_chain_series(files[0], study.assets, start=start, end=end)
    if len(files) == 1:
        if source is not None:
            raise UsageError("--source must not be given without a price file as the second --data")
        return ChainData(series)
    # a period over a gap is left out of the history, so gaps do no harm
    prices = load_prices(files[1], study.assets, source=source, max_missing_share=0.5)
    return ChainData(series, prices.seconds, prices.prices, prices.name, prices.sha256)


def _agree(study, data: tuple[Path, ...], price_options: dict, resume: bool) -> None:
    """Refuse options that do not belong to the kind of study."""
    takes = {"history", "records", "chains"} & set(study.options)
    if takes and not data:
        needs = "option chains: --data CHAINS, and may take prices of the time before: --data PRICES"
        raise UsageError(f"{study.named} needs {needs if 'chains' in takes else 'prices: --data FILE'}")
    if "chains" in takes and len(data) > 2:
        raise UsageError(f"--data must be given once or twice for {study.named}, got {len(data)} files")
    quoted = bool(getattr(study, "quoted", None))
    if quoted and len(data) < 2:
        raise UsageError(f"{study.named} with quoted assets needs prices and then quotes: --data FILE --data FILE")
    most = 2 + quoted if "happened" in study.options else 1
    if "history" in takes and len(data) > most:
        times = "once" if most == 1 else "once or twice, after its book where that is not in the study,"
        times = times.replace("once or twice", "two or three times") if quoted else times
        raise UsageError(f"--data must be given {times} for {study.named}, got {len(data)} files")
    given = [name for name, value in {"--data": data or None, **price_options}.items() if value is not None]
    if not takes and given:
        raise UsageError(f"{', '.join(given)} must not be given for a study on simulated paths")
    if "resume" not in study.options and resume:
        raise UsageError(f"--resume must not be given for {study.named}: it has no blocks to keep")


def _command(verb, study, data, overrides, paths, seed, price_options: dict) -> str:
    """The command that makes the same run, for the report: no folder and no number of workers, which change nothing."""
    words = ["riskengine", verb, study]
    for file in data:
        words += ["--data", Path(file).name]
    for name, value in (*price_options.items(), ("--paths", paths), ("--seed", seed)):
        if value is not None:
            words += [name, str(value)]
    for text in overrides:
        words += ["--set", text]
    return shlex.join(words)


def _describe(loaded, prices, records, chains, json_: bool) -> None:
    """What would run."""
    from riskengine.cli.output import as_json
    from riskengine.study.manifest import question_hash

    asked = loaded.study
    plan = {"study": loaded.name, "kind": asked.kind, "title": asked.title}
    worlds = ", ".join(w.name for w in asked.all_worlds())
    plan |= {"world": worlds} if worlds else {}
    plan |= {"question": question_hash(loaded.resolved)}
    if asked.imported is not None:
        plan |= {"accounts": f"{len(asked.imported.names)} in {asked.imported.origin['file']}"}
    if prices is not None:
        plan |= {"prices": prices.name, "bars": len(prices.seconds), "gaps": len(prices.gaps)}
    if records is not None:
        plan |= {"series": ", ".join(r.name for r in records)}
    if chains is not None:
        plan |= {"files": ", ".join(chains.files), "snapshots": len(chains.series[0].snapshots)}
    plan |= asked.plan()
    if json_:
        as_json(plan)
        return
    for name, value in plan.items():
        click.echo(f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    click.echo("everything is in order; nothing was run")


def _run(loaded, prices, records, chains, out, workers, resume, command, json_, happened=None) -> int:
    from riskengine.cli.output import as_json
    from riskengine.cli.progress import Bar, compile_notice
    from riskengine.config.dump import to_yaml
    from riskengine.report.render import write_reports
    from riskengine.report.summary import summary_lines
    from riskengine.study.folder import RunFolder
    from riskengine.study.result import load_result

    plan = loaded.study.plan()
    if "stops" in plan:
        looks = ", ".join(f"{n:,}" for n in plan["looks_at_paths"])
        click.echo(f"looks at {looks} paths; stops {plan['stops']}", err=True)
    bar = Bar()
    with compile_notice():
        try:
            folder, result = loaded.study.run(
                loaded.resolved,
                loaded.name,
                out=out,
                workers=workers,
                resume=resume,
                progress=bar,
                command=command,
                history=prices,
                records=records,
                chains=chains,
                happened=happened,
            )
        finally:
            bar.close()
    RunFolder(folder).write_bytes("study.yaml", to_yaml(loaded.resolved).encode())
    files = write_reports(folder)
    code = result.exit_code()
    if json_:
        as_json(
            {"run": str(folder), "files": [str(f) for f in files], "exit_code": code, "result": load_result(folder)}
        )
        return code
    for text in summary_lines(load_result(folder)):
        click.echo(text)
    click.echo(f"\nreport: {folder / 'report.html'}")
    return code


COMMANDS = {"run": run, "tune": tune}
