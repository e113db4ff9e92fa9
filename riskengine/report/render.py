"""Writing reports: read the run folder, lay out the sections, write HTML, Markdown and CSV.

Same run folder, same bytes: nothing here reads a clock, an environment variable or anything outside the folder.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from riskengine.errors import Fault, InputError, RunError
from riskengine.report.document import Document, document

FORMATS = ("html", "md", "csv")


def write_reports(run: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write the reports of a finished run into its folder.

    Parameters
    ----------
    run : Path
        A run folder that holds ``result.json``; ``manifest.json`` and ``study.yaml`` are shown where they are there.
    formats : tuple of {"html", "md", "csv"}

    Returns
    -------
    list of Path
        The files written: ``report.html``, ``report.md``, ``tables/*.csv``.

    Raises
    ------
    InputError
        Where a format is unknown, or ``result.json`` is missing or not a result.
    RunError
        Where the folder cannot be written.
    """
    run = Path(run)
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, got {', '.join(unknown)}")
    result = _result(run / "result.json")
    cells = _optional(run / "cells.json")
    result |= {"cells": cells} if cells else {}
    manifest = _optional(run / "manifest.json")
    study = _text(run / "study.yaml")
    files: dict[Path, bytes] = {}
    if "html" in formats or "md" in formats:
        page = document(result, manifest, study, pictures="html" in formats)
        if "html" in formats:
            files[run / "report.html"] = html(page).encode()
        if "md" in formats:
            files[run / "report.md"] = markdown(page).encode()
    if "csv" in formats:
        files |= {run / "tables" / name: content.encode() for name, content in tables(result).items()}
    try:
        for path, content in files.items():
            path.parent.mkdir(exist_ok=True)
            _replace(path, content)
    except OSError as error:
        raise RunError(f"report could not be written to {error.filename or run}: {error.strerror}") from error
    return list(files)


def _replace(path: Path, content: bytes) -> None:
    """Write whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _result(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(Fault("no result.json here; a finished run has one", str(path.parent))) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(Fault(f"result.json could not be read: {error}", str(path))) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != "riskengine-result/1":
        raise InputError(Fault(f"schema must be 'riskengine-result/1', got {schema!r}", str(path)))
    return content


def _text(path: Path) -> str:
    """Content of a file, empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Fault(f"{path.name} could not be read: {error}", str(path))) from error


def _optional(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(Fault(f"{path.name} could not be read: {error}", str(path))) from error
    return content if isinstance(content, dict) else {}


@cache
def _environment() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escape_markdown
    return environment


def html(page: Document) -> str:
    """The page as one HTML file: style and pictures inside, nothing fetched, no scripts."""
    return _environment().get_template("report.html.j2").render(page=page)


def markdown(page: Document) -> str:
    """The page as forum Markdown: narrow tables, long ones folded, no pictures."""
    text = _environment().get_template("report.md.j2").render(page=page)
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept).strip() + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, inside a table cell too."""
    out = " ".join(str(text).split())
    for sign in ("\\", "`", "*", "_", "|", "#", "~"):
        out = out.replace(sign, "\\" + sign)
    out = out.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return out.replace("](", "]\\(")


_FIELDS = ("value", "std_error", "lower", "upper", "confidence", "n", "n_effective", "method")
_POWER = ("value", "lower", "upper", "method")


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """CSV files by name: one for each section of rows, one for curves, cells, and the bands of the fit.

    Figures are written as ``result.json`` has them, unrounded, without units in the cell.
    """
    rows = result.get("rows") or []
    files = {}
    for section in dict.fromkeys(str(r.get("section", "")) for r in rows):
        own = [r for r in rows if str(r.get("section", "")) == section]
        names = list(dict.fromkeys(k for r in own for k in r.get("parameters") or {}))
        power = [f"power_{k}" for k in _POWER] if any(r.get("power") for r in own) else []
        head = ["model", *names, "measure", "unit", *_FIELDS, "verdict", "limit", *power]
        files[f"{_file_name(section)}.csv"] = _csv(head, own, lambda r, n=names, p=bool(power): _line(r, n, p))
    curves = result.get("curves") or []
    if curves:
        points = [(c, i) for c in curves for i in range(len(c["x"]))]
        head = ["name", "parameters", "x", "y", "lower", "upper"]
        files["curves.csv"] = _csv(head, points, lambda p: _point(*p))
    cells = result.get("cells") or {}
    if cells:
        files["cells.csv"] = _csv(list(cells["columns"]), cells["rows"], list)
    bands = ((result.get("world") or {}).get("fit") or {}).get("bands") or []
    if bands:
        head = list(dict.fromkeys(k for b in bands for k in b))
        files["fit_bands.csv"] = _csv(head, bands, lambda b: [b.get(k) for k in head])
    return files


def _line(row: Mapping[str, Any], names: list[str], power: bool) -> list[Any]:
    estimate, parameters = row.get("estimate") or {}, row.get("parameters") or {}
    settings = [parameters.get(k) for k in names]
    figures = [estimate.get(k) for k in _FIELDS]
    head, tail = [row.get("model"), *settings], [row.get("verdict"), row.get("limit")]
    beside = [(row.get("power") or {}).get(k) for k in _POWER] if power else []
    return [*head, row.get("measure"), row.get("unit"), *figures, *tail, *beside]


def _point(curve: Mapping[str, Any], i: int) -> list[Any]:
    parameters = json.dumps(curve.get("parameters") or {}, sort_keys=True)
    return [
        curve.get("name"),
        parameters,
        *((curve.get(k) or [None] * (i + 1))[i] for k in ("x", "y", "lower", "upper")),
    ]


def _csv(head: list[str], items: list[Any], line: Callable[[Any], list[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_safe(value) for value in line(item)] for item in items)
    return buffer.getvalue()


def _safe(value: Any) -> Any:
    """A cell that a spreadsheet does not take for a formula."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def _file_name(section: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in section)[:60] or "rows"
