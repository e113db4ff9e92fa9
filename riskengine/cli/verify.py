"""``riskengine verify``."""

from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def verify(cases: tuple[Path, ...], json_: bool) -> int:
    """Hold the reference cases in the files CASES against this engine.

    One line each: PASS, FAIL (expected, got, difference) or UNSUPPORTED; exit code 1 where any failed.
    """
    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice
    from riskengine.verify.cases import read_cases, run_file, summary

    for file in cases:
        read_cases(file)  # all files are checked before the first case runs
    results = []
    with compile_notice():
        for file in cases:
            for result in run_file(file):
                results.append((file, result))
                if not json_:
                    click.echo(str(result))
    only = [r for _, r in results]
    if json_:
        as_json({"cases": [{"file": str(f), **asdict(r)} for f, r in results], "summary": summary(only)})
    else:
        click.echo(summary(only))
    return 1 if any(r.verdict == "FAIL" for r in only) else 0


COMMANDS = {"verify": verify}
