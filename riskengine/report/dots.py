"""Dot plots: one line for each label, every dot with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from riskengine.report.chart import (
    GRID,
    INK,
    MUTED,
    Point,
    handle,
    legend,
    log_axis,
    log_range,
    marks,
    sheet,
    svg,
    unit_axis,
)
from riskengine.report.figures import Figure, interval_note
from riskengine.report.rows import Row, unique

_LABEL = 48  # letters of a label in one line: more would leave the panels no room


@dataclass(frozen=True)
class Dot:
    """One line of a dot plot: label on the left, series (colour), and the row."""

    label: str
    series: str
    row: Row


def dots(
    name: str, title: str, panels: Sequence[tuple[str, Sequence[Dot]]], *, log: bool = False, zero: bool = False,
    right: dict[str, float] | None = None,
):  # fmt: skip
    """Dots with intervals, one line per label, one panel for each of `panels`; each panel has its own axis.

    `right` gives, by the head of a panel, where a dashed line marks what was promised.
    """
    panels = [(head, [d for d in p if d.row.value is not None]) for head, p in panels]
    panels = [(head, p) for head, p in panels if p]
    if not panels:
        return None
    labels = unique(d.label for _, p in panels for d in p)
    series = unique(d.series for _, p in panels for d in p)
    shown_labels = ["\n".join(wrap(label, _LABEL)) for label in labels]
    lines = 1 + max(label.count("\n") for label in shown_labels)
    hollow = ""
    height = 1.5 + 0.24 * len(labels) * max(1.0, 0.55 * len(series), 0.8 * lines)
    with sheet(1, len(panels), height, share_y=True) as (figure, axes):
        for ax, (head, shown) in zip(axes, panels, strict=True):
            unit = shown[0].row.unit
            if log or (not zero and _spread([d.row.estimate for d in shown])):
                hollow = "Hollow marks on the left edge: zero. "
                log_axis(ax, "x", log_range([d.row.estimate for d in shown]), unit)
            else:
                _linear_range(ax, [d.row.estimate for d in shown], zero)
                unit_axis(ax.xaxis, unit)
            if zero:
                ax.axvline(0, color=INK, lw=1, zorder=1)
            if right and head in right:
                ax.axvline(right[head], color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
            for d in shown:
                i = series.index(d.series)
                shift = 0.0 if len(series) == 1 else 0.56 * (i / (len(series) - 1) - 0.5)
                marks(ax, [Point(labels.index(d.label) + shift, d.row.estimate)], i, sideways=True)
            ax.set_title(head)
            ax.set_yticks(range(len(labels)), shown_labels)
            ax.set_ylim(len(labels) - 0.4, -0.6)
            ax.grid(axis="y", visible=False)
            ax.tick_params(axis="y", length=0, pad=8)
            for edge in range(1, len(labels)):
                ax.axhline(edge - 0.5, color=GRID, lw=0.5, zorder=0)
        if len(series) > 1:
            legend(figure, [handle(i) for i in range(len(series))], series)
        drawing = svg(figure, name, title)
    estimates = [d.row.estimate for _, p in panels for d in p]
    return Figure(name, title, drawing, hollow + interval_note(estimates))


def _spread(estimates: Sequence[Mapping[str, Any]]) -> bool:
    """Whether positive figures span so much that a linear axis would hide the small ones."""
    values = [e["value"] for e in estimates]
    positive = [v for v in values if v > 0]
    return min(values) >= 0 and bool(positive) and max(positive) > 30 * min(positive)


def _linear_range(ax: Any, estimates: Sequence[Mapping[str, Any]], zero: bool) -> None:
    seen = [e[k] for e in estimates for k in ("value", "lower", "upper") if e.get(k) is not None]
    if zero or min(seen) >= 0:
        seen.append(0.0)
    low, high = min(seen), max(seen)
    pad = 0.06 * (high - low) or 1.0
    ax.set_xlim(low - (pad if low < 0 else 0), high + pad)
    ax.locator_params(axis="x", nbins=4)
