"""Drawing: one style, and the marks every figure is made of.  matplotlib is imported only when something is drawn.

Figures are SVG whose text stays text and whose colours are CSS variables with a fallback, so that one file reads well
on light and dark pages and on paper.  Bytes depend on the content only: fixed hash salt, no date, default settings.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from riskengine.report.wording import PERCENT_UNITS, amount

# Okabe-Ito, told apart with every common colour blindness; CSS variables --c1.. override them on dark pages.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "D", "^", "v", "P")
INK, MUTED, GRID, PAPER = "#1b1f24", "#59636e", "#d5dae0", "#fffffe"
_VARIABLES = {colour: f"--c{i + 1}" for i, colour in enumerate(SERIES)} | {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
}
WIDTH = 9.6
LEGEND_COLUMNS = 4

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titley": 1.0,
    "axes.titlepad": 7,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True)
class Point:
    """One mark: a position, and an estimate with its interval (None where not bounded)."""

    at: float
    estimate: Mapping[str, Any]


@contextmanager
def sheet(rows: int, columns: int, height: float, *, share_x: bool = False, share_y: bool = False) -> Iterator[Any]:
    """A figure with a grid of panels in the project's style; yields (figure, list of axes)."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        # a name may hold characters that the metrics font lacks; the page's own font draws them
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y)
        yield figure, list(axes.flat)


def svg(figure: Any, name: str, description: str) -> str:
    """The figure as an SVG element to put into a page.

    Parameters
    ----------
    name : str
        Unique on the page; it salts the identifiers inside.
    description : str
        Read aloud instead of the picture.
    """
    import matplotlib

    _arrange(figure)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :].strip()
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: m.group(0) if m.group(1) in used else "", text)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # a hundredth of a pixel is enough, and half of the file is digits, empty turns and indentation
    text = re.sub(r"<[^>]+>", lambda m: re.sub(r"(\d\.\d\d)\d+", r"\1", m.group(0)), text)
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    text = re.sub(r"\n +", "\n", text)
    for colour, variable in _VARIABLES.items():
        text = re.sub(rf"(?<=[:\s]){colour}\b", f"var({variable}, {colour})", text)
    # shorthand such as  font: 10px 'DejaVu Sans'  keeps its size and takes the page's own typeface
    text = re.sub(r"font: ((?:\w+ )?[\d.]+px) [^;\"]*", r"font: \1 var(--sans, sans-serif)", text)
    head, body = text.split(">", 1)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{_attribute(description)}">{body}'


def _arrange(figure: Any) -> None:
    """Place the panels by the length of their labels: a tenth of the cost of matplotlib's own layout engines."""
    letter, line = 0.077, 0.21  # inches: mean width and height of a letter of 9.5 points
    width, height = figure.get_size_inches()
    axes = figure.axes
    grid = axes[0].get_subplotspec().get_gridspec()

    def reach(ax: Any) -> float:
        shared = column(ax) > 0 and ax.get_shared_y_axes().joined(ax, axes[0])
        rows = [] if shared else [row for t in ax.get_yticklabels() for row in t.get_text().split("\n")]
        ticks = max(map(len, rows), default=0)
        # short labels may be of wide letters
        return letter * ticks + 0.2 * (ticks > 0) + (line + 0.05 if ax.get_ylabel() else 0.0)

    def column(ax: Any) -> int:
        return ax.get_subplotspec().colspan.start

    left = max(reach(ax) for ax in axes if column(ax) == 0)
    right = 0.36
    # panels side by side without labels between them: the last tick of one and the first of the next need room
    gap = max(0.5, 0.22 + max((reach(ax) for ax in axes if column(ax) > 0), default=0.0))
    ticks = max((text.get_text().count("\n") for ax in axes for text in ax.get_xticklabels()), default=0)
    below = 0.12 + line * (1 + ticks + any(ax.get_xlabel() for ax in axes))
    above = 0.1 + (line + 0.08) * any(ax.get_title(loc="left") for ax in axes)
    rows = [ceil(len(shown.get_texts()) / shown._ncols) for shown in figure.legends]
    # the panels keep their height: a legend of more rows makes the figure taller
    height += line * sum(n - 1 for n in rows)
    figure.set_size_inches(width, height)
    top = above + sum(line * n + 0.14 for n in rows)
    figure.subplots_adjust(left=left / width, right=1 - right / width, bottom=below / height, top=1 - top / height)
    panel_width = (width - left - right - gap * (grid.ncols - 1)) / grid.ncols
    panel_height = (height - top - below - (above + below) * (grid.nrows - 1)) / grid.nrows
    figure.subplots_adjust(wspace=gap / panel_width, hspace=(above + below) / panel_height)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def unit_axis(axis: Any, unit: str) -> None:
    """Tick labels with the unit: ``0.1 %``, ``2M USD``."""
    from matplotlib.ticker import FuncFormatter

    shown = unit if unit in (*PERCENT_UNITS, "USD") else ""
    axis.set_major_formatter(FuncFormatter(lambda v, _: amount(float(f"{v:.12g}"), shown)))


def log_range(estimates: Iterable[Mapping[str, Any]], *more: float) -> tuple[float, float]:
    """Decades that hold every positive figure; what is zero is drawn as a hollow mark on the lower edge."""
    seen = [e.get(k) for e in estimates for k in ("value", "lower", "upper")] + list(more)
    positive = [v for v in seen if v is not None and v > 0]
    if not positive:
        return 1e-4, 1.0
    values = [e["value"] for e in estimates if e.get("value")] + [m for m in more if m > 0]
    low = min(values) if values else min(positive)
    return 10.0 ** floor(log10(low) - 0.31), 10.0 ** ceil(log10(max(positive)) + 0.01)


def log_axis(axes: Any, which: str, limits: tuple[float, float], unit: str) -> None:
    """A logarithmic axis over `limits` with one label per decade (and 2, 5 where there are few decades)."""
    from matplotlib.ticker import LogLocator, NullLocator

    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(*limits)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if log10(limits[1] / limits[0]) <= 2.01 else (1.0,)))
    axis.set_minor_locator(NullLocator())
    unit_axis(axis, unit)


def sparse_names(at: Sequence[float], names: Sequence[str], limits: tuple[float, float], panels: int) -> list[str]:
    """Labels of ticks on a logarithmic axis, from the left; one that would run into the label before it is left out."""
    inch = 7.4 / panels / log10(limits[1] / limits[0])
    out, end = [], -9.0
    for v, name in zip(at, names, strict=True):
        middle, half = inch * log10(v / limits[0]), 0.04 * len(name) + 0.03
        out.append(name if middle - half >= end else "")
        end = middle + half if out[-1] else end
    return out


def marks(axes: Any, points: Sequence[Point], series: int, *, sideways: bool = False, line: bool = False) -> Any:
    """Draw points with their intervals; returns the handle for a legend.

    An interval without an upper bound is dotted and ends in an arrow; a zero on a logarithmic axis is a hollow mark
    on its edge.  A point without a value is not drawn: the table beside the figure says why.
    """
    colour, marker = SERIES[series % len(SERIES)], marker_of(series)
    low, high = axes.get_xlim() if sideways else axes.get_ylim()
    is_log = (axes.get_xscale() if sideways else axes.get_yscale()) == "log"
    points = [p for p in points if p.estimate.get("value") is not None]
    for p in points:
        lower, upper, value = (p.estimate.get(k) for k in ("lower", "upper", "value"))
        start = low if lower is None or (is_log and lower < low) else lower
        end = high if upper is None else upper
        span = ([start, end], [p.at, p.at]) if sideways else ([p.at, p.at], [start, end])
        open_end = lower is None or upper is None
        axes.plot(*span, color=colour, lw=1.4, ls=":" if open_end else "-", alpha=0.75, solid_capstyle="butt", zorder=2)
        if upper is None:
            tip = (end, p.at) if sideways else (p.at, end)
            axes.plot(*tip, marker=">" if sideways else "^", color=colour, ms=6, clip_on=False, zorder=3)
        hidden = is_log and value < low
        place = low if hidden else value
        spot = (place, p.at) if sideways else (p.at, place)
        axes.plot(
            *spot,
            marker=marker,
            ms=6,
            mfc=PAPER if hidden else colour,
            mec=colour if hidden else PAPER,
            mew=1.3 if hidden else 0.8,
            clip_on=False,
            zorder=4,
        )
    if line and len(points) > 1:
        values = [max(p.estimate["value"], low) if is_log else p.estimate["value"] for p in points]
        axes.plot([p.at for p in points], values, color=colour, lw=1.2, ls=dash_of(series), alpha=0.7, zorder=2)
    return handle(series, line=line)


def marker_of(series: int) -> str:
    """Marker of a series; where colours come round again the markers do not."""
    return MARKERS[(series + series // len(SERIES)) % len(MARKERS)]


def dash_of(series: int) -> Any:
    """Line style of a series: where colours come round again lines are dashed."""
    return "-" if series < len(SERIES) else (0, (5, 2))


def handle(series: int, *, line: bool = False) -> Any:
    """Legend entry of a series."""
    from matplotlib.lines import Line2D

    colour, marker = SERIES[series % len(SERIES)], marker_of(series)
    ls = dash_of(series) if line else "-"
    return Line2D([], [], color=colour, marker=marker, ms=6, lw=1.4 if line else 0, ls=ls, mec=PAPER, mew=0.6)


def band(axes: Any, x: Sequence[float], y: Sequence[Any], low: Sequence[Any], high: Sequence[Any], series: int) -> None:
    """A line with its band; None leaves a gap in the line and an open band."""
    colour = SERIES[series % len(SERIES)]
    nan = float("nan")
    bottom, top = axes.get_ylim()
    is_log = axes.get_yscale() == "log"
    edge_low = [bottom if v is None or (is_log and v <= 0) else v for v in low]
    edge_high = [top if v is None else v for v in high]
    axes.fill_between(x, edge_low, edge_high, color=colour, alpha=0.18, lw=0, zorder=1)
    axes.plot(
        x, [nan if v is None or (is_log and v <= 0) else v for v in y], color=colour, ls=dash_of(series), zorder=3
    )


def legend(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """One legend above the panels; a leading underscore would hide its entry, so it is dropped from the text."""
    if handles:
        shown = [label.lstrip("_") or " " for label in labels]
        width = 0.6 + 0.075 * max(map(len, shown))  # inches of the longest entry with its mark
        columns = min(LEGEND_COLUMNS, max(1, int(figure.get_figwidth() / width)))
        figure.legend(
            list(handles), shown, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=columns, handletextpad=0.4
        )
