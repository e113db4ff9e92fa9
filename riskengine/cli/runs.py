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
    """Compare the runs in the folders BEFORE and AFTER: figures that moved by more than three standard errors.

    The largest moves come first; z is the difference over its standard error, the runs taken as independent.
    """
    from riskengine.cli.output import as_json, table
    from riskengine.study.compare import compare_runs

    rows = compare_runs(before, after)
    both = [r for r in rows if r.common]
    moved = sorted((r for r in both if r.moved), key=lambda r: -abs(r.z or 0.0))
    shown = rows if everything else moved
    if json_:
        as_json({"compared": len(both), "moved": len(moved), "figures": [asdict(r) for r in shown]})
        return 0
    if shown:
        table([_cells(r) for r in shown], ("figure", "of", "before", "after", "z"))
    click.echo(f"{len(moved)} of {len(both)} figures moved")
    for name, own in (
        ("before", [r for r in rows if r.after is None]),
        ("after", [r for r in rows if r.before is None]),
    ):
        if own:
            click.echo(
                f"{len(own)} {'figure is' if len(own) == 1 else 'figures are'} only in the run {name}: {_whose(own)}"
            )
    return 0


def _cells(compared) -> tuple[str, ...]:
    """Title of the figure, what it is of, its value and interval in each run, z."""
    from riskengine.report.labels import model_of, title_of, value_of, words
    from riskengine.report.wording import parts

    row = compared.row
    # what is so unless said otherwise need not be said
    usual = {"account_kind": "all", "account": "all", "multiplier": 1.0}
    told = [
        value_of(k, v) if k in ("level", "multiplier") else f"{words(k)} {value_of(k, v)}"
        for k, v in row["parameters"].items()
        if v is not None and usual.get(k) != v
    ]
    of = ", ".join([model_of(row["model"])] * bool(row["model"]) + told)
    texts = ["" if e is None else " ".join(parts(e, row["unit"])) for e in (compared.before, compared.after)]
    return title_of(row["measure"]), of, *texts, "" if compared.z is None else f"{compared.z:+.1f}"


def _whose(own) -> str:
    """The models, or the sections, that figures are of."""
    from riskengine.report.labels import model_of, words

    names = dict.fromkeys(model_of(r.row["model"]) if r.row["model"] else words(r.row["section"]) for r in own)
    return ", ".join(names)


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
