"""Results on stdout: aligned text or JSON."""

import json
import math
from collections.abc import Sequence
from typing import Any

import click


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> None:
    """Print rows of text in aligned columns; the first column is left-aligned, numbers to the right."""
    lines = [list(head), *map(list, rows)] if head else list(map(list, rows))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))] if lines else []
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(widths))]
    for line in lines:
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _is_number(text: str) -> bool:
    return text == "" or text.lstrip("-+")[:1].isdigit()


def as_json(value: Any) -> None:
    """Print a plain value as JSON; what is not finite becomes null."""
    click.echo(json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
