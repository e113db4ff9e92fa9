"""``riskengine init``, ``check``, ``list`` and ``copy``: files to start from, and whether they are in order."""

import re
from pathlib import Path

import click

_REFERENCE = re.compile(r"^(\s*)(world|book|parameters|rules|liquidity|study): *([A-Za-z0-9_]+) *(#.*)?$")
_INLINE = re.compile(r"\b(parameters|rules|liquidity): *([A-Za-z0-9_]+)(?=[,}])")
_LIST = re.compile(r"^(worlds|variants): *\[([A-Za-z0-9_, ]+)\] *$")
_FOLDER_OF = {"world": "scenarios", "book": "books"} | dict.fromkeys(("parameters", "rules", "liquidity"), "protocols")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--study", default="quickstart", show_default=True, help="Shipped study to start from.")
@click.option("--json", "json_", is_flag=True, help="The list of files as JSON.")
def init(directory: Path, study: str, json_: bool) -> int:
    """Make DIRECTORY with a copy of a study and of every file that it names, ready to edit and run."""
    from riskengine.cli.output import as_json
    from riskengine.config.locate import shipped_file
    from riskengine.config.reader import read_text
    from riskengine.errors import UsageError

    files: dict[Path, str] = {}

    def local(key: str, name: str) -> str:
        """Path, from the study, of the copy of a named file; another study lies beside it."""
        if key == "study":
            return copied(name)
        found = shipped_file(_FOLDER_OF[key], name)
        target = Path(_FOLDER_OF[key]) / found.name
        files[target] = read_text(found, limit=50_000_000)
        return target.as_posix()

    def copied(name: str) -> str:
        """File name of the copy of a study, whose references are to copies."""
        source = shipped_file("studies", name)
        lines = []
        for line in read_text(source).splitlines():
            match, several = _REFERENCE.match(line), _LIST.match(line)
            if line.lstrip().startswith("#"):
                pass
            elif match:
                line = f"{match[1]}{match[2]}: {local(match[2], match[3])}" + (f"  {match[4]}" if match[4] else "")
            elif several:
                names = [local("world", name.strip()) for name in several[2].split(",") if name.strip()]
                line = f"{several[1]}: [{', '.join(names)}]"
            else:
                line = _INLINE.sub(lambda m: f"{m[1]}: {local(m[1], m[2])}", line)
            lines.append(line)
        files[Path(source.name)] = "\n".join(lines) + "\n"
        return source.name

    start = copied(study)
    existing = [directory / f for f in files if (directory / f).exists()]
    if existing:
        raise UsageError("\n".join(f"{f}: exists already, and is left alone" for f in existing))
    for target, text in sorted(files.items()):
        (directory / target).parent.mkdir(parents=True, exist_ok=True)
        (directory / target).write_text(text, encoding="utf-8")
    if json_:
        as_json([str(directory / f) for f in sorted(files)])
        return 0
    for target in sorted(files):
        click.echo(str(directory / target))
    click.echo(f"\nriskengine run {directory / start}")
    return 0


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def check(files: tuple[str, ...], json_: bool) -> int:
    """Check FILES (studies, worlds, books, parameter sets; shipped ones by name) and run nothing.

    Every fault is shown with its place.
    """
    from riskengine.cli.output import as_json
    from riskengine.config.check import inspect_file
    from riskengine.config.locate import anywhere
    from riskengine.errors import InputError

    found: list[dict] = []
    for file in files:
        try:
            kind, notes = inspect_file(anywhere(file))
            found.append({"file": str(file), "kind": kind, "notes": list(notes), "faults": []})
        except InputError as error:
            found.append({"file": str(file), "kind": None, "notes": [], "faults": [str(f) for f in error.faults]})
    if json_:
        as_json(found)
    for each in found if not json_ else ():
        if each["kind"]:
            click.echo(f"{each['file']}: in order ({each['kind']})")
        for note in each["notes"]:
            click.echo(f"{each['file']}: note: {note}")
        for fault in each["faults"]:
            click.echo(fault, err=True)
    return 2 if any(each["faults"] for each in found) else 0


@click.command("list")
@click.argument("kind")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def list_(kind: str, json_: bool) -> int:
    """List all of a KIND, such as scenarios, studies, books, protocols, lending, oracles, liquidity or estimators."""
    from riskengine.cli.output import as_json, table
    from riskengine.config.locate import FOLDERS, shipped
    from riskengine.errors import UsageError
    from riskengine.registry import MODELS, kinds, suggest, summary

    if kind in FOLDERS:
        rows = [(name, _title(file)) for name, file in shipped(kind).items()]
    elif kind in MODELS:
        rows = [(name, summary(kind, name)) for name in kinds(kind)]
    else:
        known = list(dict.fromkeys([*FOLDERS, *MODELS]))
        raise UsageError(f"kind must be one of {', '.join(known)}, got {kind!r}{suggest(kind, known)}")
    if json_:
        as_json([{"name": name, "title": title} for name, title in rows])
    else:
        table(rows)
    return 0


def _title(file: Path) -> str:
    """Title of a YAML file, else its first comment, else its kind of file."""
    if file.suffix == ".csv":
        return "CSV"
    head = file.read_text(encoding="utf-8")[:20_000].splitlines()
    title = next((line.partition(":")[2] for line in head if line.startswith("title:")), "")
    comment = next((line for line in head if line.startswith("#")), "")
    return (title or comment.lstrip("#")).strip().strip("\"'")


@click.command()
@click.argument("kind")
@click.argument("name")
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="File or folder; the working directory by default."
)
@click.option("--json", "json_", is_flag=True, help="The file as JSON.")
def copy(kind: str, name: str, target: Path | None, json_: bool) -> int:
    """Copy the shipped file NAME of KIND (scenarios, studies, books or protocols) here, to edit."""
    from riskengine.cli.output import as_json
    from riskengine.config.locate import shipped_file
    from riskengine.errors import UsageError

    source = shipped_file(kind, name)
    target = Path() if target is None else target
    if target.is_dir():
        target = target / source.name
    if target.exists():
        raise UsageError(f"{target}: exists already, and is left alone")
    target.write_bytes(source.read_bytes())
    if json_:
        as_json({"file": str(target)})
    else:
        click.echo(str(target))
    return 0


COMMANDS = {"init": init, "check": check, "list": list_, "copy": copy}
