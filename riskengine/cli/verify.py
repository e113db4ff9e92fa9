"""``riskengine verify``."""

from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--values", is_flag=True, help="What the engine finds for each case, compared or not.")
@click.option("--json", "json_", is_flag=True, help="As JSON, with what the engine finds.")
def verify(cases: tuple[Path, ...], values: bool, json_: bool) -> int:
    """Hold the reference cases in the files CASES against this engine.

    A case with nothing expected is a calculator: --values shows its figures.

    One line each: PASS, FAIL (expected, got, difference) or UNSUPPORTED; exit code 1 where any failed, 2 where a file
    could not be read (the others are run all the same).
    """
    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice
    from riskengine.errors import InputError
    from riskengine.verify.cases import read_cases, run_file, summary

    readable, faults = [], []
    for file in cases:
        try:
            read_cases(file)
            readable.append(file)
        except InputError as error:
            faults += [str(f) for f in error.faults]
    results = []
    with compile_notice():
        for file in readable:
            for result in run_file(file):
                results.append((file, result))
                if not json_:
                    click.echo(str(result))
                    for key, value in result.results.items() if values else ():
                        click.echo(f"  {key}: {value}")
    only = [r for _, r in results]
    if json_:
        told = [{"file": str(f), **asdict(r)} for f, r in results]
        as_json({"cases": told, "summary": summary(only), "faults": faults})
    elif readable:
        click.echo(summary(only))
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        return 2
    return 1 if any(r.verdict == "FAIL" for r in only) else 0


COMMANDS = {"verify": verify}
