"""``riskengine compare`` and ``riskengine report``: what can be done with finished runs."""

from dataclasses import asdict
from pathlib import Path

import click

FORMATS = ("md", "html", "csv", "json")


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Also figures that did not move.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def compare(before: Path, after: Path, everything: bool, json_: bool) -> int:
    """Compare the runs in the folders BEFORE and AFTER: figures that moved by more than three standard errors."""
    from riskengine.cli.output import as_json, table
    from riskengine.study.compare import compare_runs

    rows = compare_runs(before, after)
    moved = [r for r in rows if r.moved]
    if json_:
        as_json({"compared": len(rows), "moved": [asdict(r) for r in (rows if everything else moved)]})
        return 0
    shown = rows if everything else moved
    if shown:
        cells = [(r.label, *(_number(x) for x in (r.before, r.after, r.z))) for r in shown]
        table(cells, ("figure", "before", "after", "z"))
    click.echo(f"{len(moved)} of {len(rows)} figures moved")
    return 0


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", "formats", default="md,html,csv", show_default=True, help="Any of md, html, csv, json.")
@click.option("--json", "json_", is_flag=True, help="The list of files as JSON.")
def report(run: Path, formats: str, json_: bool) -> int:
    """Write the reports of the run in the folder RUN; the same run gives the same bytes."""
    from riskengine.cli.output import as_json
    from riskengine.errors import UsageError
    from riskengine.registry import suggest
    from riskengine.report.render import write_reports
    from riskengine.study.result import load_result

    wanted = tuple(dict.fromkeys(f.strip() for f in formats.split(",") if f.strip()))
    for name in wanted:
        if name not in FORMATS:
            raise UsageError(f"--to must be of {', '.join(FORMATS)}, got {name!r}{suggest(name, FORMATS)}")
    if not wanted:
        raise UsageError(f"--to must name at least one of {', '.join(FORMATS)}, got nothing")
    load_result(run)
    files = write_reports(run, tuple(f for f in wanted if f != "json"))
    if "json" in wanted:
        # result.json is the report as JSON: it is what every other format is made from
        files = [*files, run / "result.json"]
    if json_:
        as_json([str(f) for f in files])
    else:
        for file in files:
            click.echo(str(file))
    return 0


COMMANDS = {"compare": compare, "report": report}
