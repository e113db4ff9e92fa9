"""Tables: rows turned on their side, one column for each measure, every cell with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from riskengine.report.labels import model_of, setup_of, title_of, value_of, words
from riskengine.report.rows import Row, fixed, select, unique, varying
from riskengine.report.wording import amount, methods, parts, percent, plain

LONG = 16  # lines after which a table is closed until a reader opens it


@dataclass(frozen=True)
class Cell:
    """Text, what stands small beneath it, and a tone that colours it."""

    text: str
    small: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """A table for every format; `folded` ones are closed until a reader opens them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False
    numeric_from: int = 1

    def repeats(self, line: int, column: int) -> bool:
        """Whether a leading cell says what the one above it says, and so do the cells before it."""
        if line == 0 or column >= self.numeric_from - 1:
            return False
        return self.rows[line][: column + 1] == self.rows[line - 1][: column + 1]


def cell(row: Row | None) -> Cell:
    """A figure with its interval; a dash where the run did not report it; the reason where it is undetermined."""
    if row is None:
        return Cell("–")
    if row.measure == "traffic_light":
        zone = str(row.estimate.get("method")).partition(" ")[0]
        return Cell(zone, "", {"green": "pass", "red": "fail"}.get(zone, "unknown"))
    value, interval = parts(row.estimate, row.unit)
    if value == "undetermined":
        return Cell("undetermined", interval, "muted")
    small = ["" if interval == "exact" else interval, power_words(row)]
    return Cell(value, "; ".join(s for s in small if s))


def power_words(row: Row) -> str:
    """``power 51 %`` of a row that says what a test found; empty where none is stated, which its note explains."""
    value = (row.power or {}).get("value")
    return "" if value is None else f"power {round(100 * value)} %"


def pivot(
    title: str,
    rows: Sequence[Row],
    measures: Sequence[str],
    *,
    lead: Sequence[str] = (),
    folded: bool = False,
    models: str = "Model",
) -> Table | None:
    """One line for each model and setting, one column for each measure that was reported.

    Parameters
    ----------
    lead : sequence of str
        Parameters that come first, whether they vary or not.
    models : str
        What the models of the rows are, over their column.
    """
    rows = [r for r in rows if r.measure in measures]
    shown = [m for m in measures if select(rows, measure=m)]
    if not shown:
        return None
    names = [*lead, *(p for p in varying(rows) if p not in lead)]
    if all(r.parameters.get("estimator") == r.model for r in rows):
        rows = [replace(r, model="") for r in rows]
    named = unique(r.model for r in rows)
    by_model = len(named) > 1 or (named != [""] and not names)
    keys = unique((r.model, *(r.parameters.get(p) for p in names)) for r in rows)
    found = {(repr((r.model, *(r.parameters.get(p) for p in names))), r.measure): r for r in rows}
    lines = []
    for key in keys:
        head = [Cell(model_of(key[0]))] if by_model else []
        head += [Cell(value_of(p, v)) for p, v in zip(names, key[1:], strict=True)]
        lines.append(tuple(head + [cell(found.get((repr(key), m))) for m in shown]))
    columns = ([models] if by_model else []) + [words(p).capitalize() for p in names]
    return Table(
        title,
        (*columns, *(title_of(m) for m in shown)),
        tuple(lines),
        _note(rows, [] if by_model else [m for m in named if m]),
        folded or len(lines) > LONG,
        len(columns),
    )


def cross(title: str, rows: Sequence[Row], measure: str, down: str, folded: bool = False) -> Table | None:
    """One measure: a line for each value of the parameter `down`, a column for each model and setting."""
    own = select(rows, measure=measure)
    if not own:
        return None
    found = {(repr(r.parameters.get(down)), setup_of(r)): r for r in own}
    across = unique(setup_of(r) for r in own)
    lines = [
        (Cell(value_of(down, v)), *(cell(found.get((repr(v), s))) for s in across))
        for v in unique(r.parameters.get(down) for r in own)
    ]
    return Table(title, (words(down).capitalize(), *across), tuple(lines), _note(own, []), folded)


def _note(rows: Sequence[Row], models: Sequence[str]) -> str:
    """What all figures of a table share: model, parameters, confidence, sample size, method."""
    random = [r.estimate for r in rows if r.value is not None and r.estimate.get("confidence") != 1.0]
    said = [model_of(m) for m in models]
    said += [f"{words(k)} {value_of(k, v)}" for k, v in fixed(list(rows)).items() if k not in ("measure",)]
    levels = [percent(c) for c in unique(e.get("confidence") for e in random) if c]
    if levels:
        said.append(f"brackets: {' and '.join(levels)} intervals")
    sizes = sorted(unique(e.get("n") for e in random if e.get("n")))
    if sizes:
        said.append(f"n = {plain(sizes[0])}" + (f" to {plain(sizes[-1])}" if len(sizes) > 1 else ""))
    if random:
        said.append(f"by {methods(random)}")
    said += unique(f"power {p['method']}" for p in (r.power for r in rows) if p and p.get("value") is not None)[:2]
    said += unique(f"power {p['method']}" for p in (r.power for r in rows) if p and p.get("value") is None)[:2]
    return "; ".join(said)


def verdicts(rows: Sequence[Row]) -> Table | None:
    """Declared criteria with their verdicts."""
    judged = [r for r in rows if r.verdict]
    if not judged:
        return None
    lines = []
    for r in judged:
        where = ", ".join(f"{words(k)} {value_of(k, v)}" for k, v in r.parameters.items() if v is not None)
        value = cell(r)
        name = Cell(title_of(r.measure), ", ".join(x for x in (model_of(r.model) if r.model else "", where) if x))
        lines.append((name, value, Cell(amount(r.limit, r.unit)), Cell(str(r.verdict), "", str(r.verdict).lower())))
    return Table("Declared criteria", ("Criterion", "Figure", "Limit", "Verdict"), tuple(lines))


def pairs(title: str, values: Mapping[str, Any], *, folded: bool = False) -> Table | None:
    """Names and values as a two-column table."""
    stated = {str(k): v for k, v in values.items() if v is not None and v != []}
    lines = tuple((Cell(words(k).capitalize()), Cell(_setting(k, v))) for k, v in stated.items())
    return Table(title, ("Setting", "Value"), lines, "", folded, 2) if lines else None


def _setting(name: str, value: Any) -> str:
    if name == "seed":
        return str(value)
    if name in ("level", "confidence") and isinstance(value, float):
        return percent(value)
    if name in ("first_window", "last_window") and isinstance(value, int):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return plain(value)


def records(title: str, items: Sequence[Mapping[str, Any]], *, folded: bool = False) -> Table | None:
    """A list of like records as a table, as they are."""
    if not items:
        return None
    names = unique(k for item in items for k in item)
    lines = tuple(tuple(Cell(_setting(k, item.get(k))) for k in names) for item in items)
    first_number = next((i for i, k in enumerate(names) if all(_is_number(item.get(k)) for item in items)), len(names))
    return Table(title, tuple(words(k).capitalize() for k in names), lines, "", folded, first_number)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def bands_table(bands: Sequence[Mapping[str, Any]]) -> Table | None:
    """Quantile losses of world and data by asset, horizon and level."""
    if not bands:
        return None
    lines = []
    for b in bands:
        band = f"[{amount(b['lower'], 'share')}, {amount(b['upper'], 'share')}]"
        ok = b.get("inside", True)
        side = f", {b['side']}" if "side" in b else ""
        lines.append(
            (
                Cell(f"{b['asset']}{side}, {plain(b['horizon_hours'])} h, {percent(b['level'])}"),
                Cell(amount(b["model"], "share")),
                Cell(amount(b["data"], "share"), band),
                Cell("inside" if ok else "OUTSIDE", "", "pass" if ok else "fail"),
            )
        )
    title = "Quantile losses: world against data"
    return Table(title, ("Loss of", "World", "Data [band]", "Verdict"), tuple(lines), "", True)
