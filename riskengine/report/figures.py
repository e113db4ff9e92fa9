"""The picture kinds a report is made of: each takes rows as they are and returns a `Figure`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskengine.report.chart import (
    INK,
    MUTED,
    SERIES,
    Point,
    band,
    handle,
    legend,
    log_axis,
    log_range,
    marks,
    sheet,
    sparse_names,
    svg,
    unit_axis,
)
from riskengine.report.labels import model_of, title_of
from riskengine.report.rows import Row, select, unique
from riskengine.report.wording import PERCENT_UNITS, methods, percent, plain


@dataclass(frozen=True)
class Figure:
    """A drawn figure: SVG text, a title, and a caption that states interval, method and sample size."""

    name: str
    title: str
    svg: str
    caption: str


def interval_note(estimates: Sequence[Mapping[str, Any]]) -> str:
    """One sentence on the intervals shown: confidence, methods, sample sizes."""
    shown = [e for e in estimates if e.get("value") is not None]
    random = [e for e in shown if e.get("confidence") != 1.0]
    if not random:
        return "Exact figures, no sampling error." if shown else "No figure could be formed."
    levels = " and ".join(percent(c) for c in unique(e.get("confidence") for e in random) if c)
    sizes = sorted(unique(e.get("n") for e in random if e.get("n")))
    n = "" if not sizes else f"; n = {plain(sizes[0])}" + (f" to {plain(sizes[-1])}" if len(sizes) > 1 else "")
    missing = len(estimates) - len(shown)
    lost = f" {missing} undetermined figure{'s are' if missing > 1 else ' is'} in the tables with the reason."
    return f"Bars and bands: {levels} intervals ({methods(random)}){n}." + (lost if missing else "")


def against_nominal(
    name: str,
    title: str,
    rows: Sequence[Row],
    measures: Sequence[str],
    by: Callable[[Row], str],
    promised: Sequence[str],
) -> Figure | None:
    """Rates against the nominal tail probability, log-log, one panel for each measure and one line for each model.

    The identity line is drawn for the measures in `promised`, those that a level promises.  A model without a level
    (a grid) has no nominal rate; it is a dotted line across the panel with its band.
    """
    panels = [(m, [r for r in select(rows, measure=m) if r.value is not None]) for m in measures]
    panels = [(m, p) for m, p in panels if p]
    if not panels:
        return None
    tails = sorted(unique(1 - r.parameters["level"] for _, p in panels for r in p if r.parameters.get("level")))
    names = unique(by(r) for _, p in panels for r in p)
    y_range = log_range([r.estimate for _, p in panels for r in p], *tails)
    x_range = (min(tails) / 1.8, max(tails) * 1.8) if tails else (1e-3, 0.1)
    with sheet(1, len(panels), 3.9 if len(panels) > 1 else 4.4, share_y=True) as (figure, axes):
        for ax, (measure, shown) in zip(axes, panels, strict=True):
            log_axis(ax, "x", x_range, "probability")
            log_axis(ax, "y", y_range, "probability")
            ax.set_xticks(tails, sparse_names(tails, [percent(round(t, 12)) for t in tails], x_range, len(panels)))
            if measure in promised:
                ax.plot(x_range, x_range, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
            for i, who in enumerate(names):
                own = [r for r in shown if by(r) == who]
                shift = 1 + 0.07 * (i - (len(names) - 1) / 2)
                marks(
                    ax,
                    [
                        Point(shift * (1 - r.parameters["level"]), r.estimate)
                        for r in sorted(own, key=lambda r: -(r.parameters.get("level") or 0))
                        if r.parameters.get("level")
                    ],
                    i,
                    line=True,
                )
                for r in own:
                    if not r.parameters.get("level"):
                        _across(ax, r, i, x_range)
            ax.set_title(title_of(measure))
            if tails:
                ax.set_xlabel("nominal: 1 − level")
        axes[0].set_ylabel("realised rate")
        legend(figure, [handle(i, line=True) for i in range(len(names))], names)
        drawing = svg(figure, name, title)
    note = (
        "Dashed: realised equals nominal; a model above it asks too little. Hollow marks on the lower edge: none seen. "
    )
    if any(not r.parameters.get("level") for _, p in panels for r in p):
        note += "A model without a level promises no rate and runs across as a band. "
    return Figure(name, title, drawing, note + interval_note([r.estimate for _, p in panels for r in p]))


def _across(ax: Any, row: Row, series: int, x_range: tuple[float, float]) -> None:
    """A model without a level: its rate as a line with a band over the whole width."""
    floor, top = ax.get_ylim()
    lower = max(row.estimate.get("lower") or floor, floor)
    upper = row.estimate.get("upper") or top
    colour = SERIES[series % len(SERIES)]
    ax.fill_between(x_range, lower, upper, color=colour, alpha=0.15, lw=0, zorder=1)
    ax.plot(x_range, [max(row.value or floor, floor)] * 2, color=colour, lw=1.6, ls=(0, (1, 1.2)), zorder=3)
    middle = (x_range[0] * x_range[1]) ** 0.5
    marks(ax, [Point(middle, row.estimate)], series)


def curve(name: str, title: str, curves: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Figure | None:
    """Exceedance curves with their bands: probability on a logarithmic axis against size."""
    kept = [(c, n) for c, n in zip(curves, names, strict=True) if c.get("x")]
    curves, names = [c for c, _ in kept], [n for _, n in kept]
    if not curves:
        return None
    # far below the tightest upper bound a weighted curve runs on into the dust of a few tiny weights
    dust = 1e-3 * min((u for c in curves for u in c.get("upper") or () if u), default=0.0)
    ys = [{"value": max(y, dust)} for c in curves for y in c["y"] if y]
    xs = [x for c in curves for x in c["x"] if x is not None]
    unit = "USD" if "USD" in str(curves[0].get("x_label")) else ""
    wide = min(xs) > 0 and max(xs) > 100 * min(xs)
    sizes = sorted(unique(c["n"] for c in curves if c.get("n")))
    with sheet(1, 1, 3.9) as (figure, (ax,)):
        log_axis(ax, "y", log_range(ys), "probability")
        if wide:
            log_axis(ax, "x", (min(xs), max(xs)), unit)
        unit_axis(ax.xaxis, unit)
        for i, c in enumerate(curves):
            band(ax, c["x"], c["y"], c.get("lower") or c["y"], c.get("upper") or c["y"], i)
        ax.set_xlim(min(xs), max(xs))
        ax.set_xlabel(str(curves[0].get("x_label", "")))
        ax.set_ylabel(str(curves[0].get("y_label", "")))
        if len(names) > 1:
            legend(figure, [handle(i, line=True) for i in range(len(names))], names)
        drawing = svg(figure, name, title)
    n = f" n = {', '.join(plain(s) for s in sizes)}." if sizes else ""
    return Figure(name, title, drawing, f"Shaded: pointwise interval. Where the line stops, nothing was seen.{n}")


def lines(
    name: str, title: str, rows: Sequence[Row], measures: Sequence[str], x: str, by: Callable[[Row], str], axis: str
):
    """Measures against a swept parameter `x`: one panel for each measure, one line with intervals for each series."""
    panels = [(m, [r for r in select(rows, measure=m) if r.value is not None and x in r.parameters]) for m in measures]
    panels = [(m, p) for m, p in panels if len(unique(r.parameters[x] for r in p)) > 1]
    if not panels:
        return None
    names = unique(by(r) for _, p in panels for r in p)
    columns = min(3, len(panels))
    deep = -(-len(panels) // columns)
    with sheet(deep, columns, 3.1 * deep + 0.5) as (figure, axes):
        for ax, (measure, shown) in zip(axes, panels, strict=False):
            at = sorted(unique(r.parameters[x] for r in shown))
            gap = (at[-1] - at[0]) / 60
            rates = shown[0].unit in PERCENT_UNITS and all(r.value <= 0.2 for r in shown)
            if rates:
                log_axis(ax, "y", log_range([r.estimate for r in shown]), shown[0].unit)
            else:
                _vertical_range(ax, [r.estimate for r in shown])
                unit_axis(ax.yaxis, shown[0].unit)
            for i, who in enumerate(names):
                own = sorted((r for r in shown if by(r) == who), key=lambda r: r.parameters[x])
                offset = gap * (i - (len(names) - 1) / 2)
                marks(ax, [Point(r.parameters[x] + offset, r.estimate) for r in own], i, line=True)
            ax.set_xticks(at, [f"{v * 100:+g}" if x == "threshold_shift" else f"{v:g}" for v in at])
            ax.set_title(title_of(measure))
            ax.set_xlabel(axis)
        for ax in axes[len(panels) :]:
            ax.remove()
        if len(names) > 1:
            legend(figure, [handle(i, line=True) for i in range(len(names))], names)
        drawing = svg(figure, name, title)
    return Figure(name, title, drawing, interval_note([r.estimate for _, p in panels for r in p]))


def _vertical_range(ax: Any, estimates: Sequence[Mapping[str, Any]]) -> None:
    seen = [e[k] for e in estimates for k in ("value", "lower", "upper") if e.get(k) is not None]
    low, high = min(0.0, *seen), max(0.0, *seen)
    pad = 0.06 * (high - low) or 1.0
    ax.set_ylim(low - (pad if low < 0 else 0), high + pad)


def frontier(name: str, title: str, rows: Sequence[Row], measure: str, cost: str, models: Sequence[str]):
    """Coverage against what it costs: every setting of every model, `measure` over `cost`."""
    key = lambda r: (r.model, r.parameters.get("level"), r.parameters.get("multiplier"))  # noqa: E731
    price = {key(r): r for r in select(rows, measure=cost) if r.value is not None}
    points = [(price[key(r)], r) for r in select(rows, measure=measure) if r.value is not None and key(r) in price]
    if len(points) < 2:
        return None
    with sheet(1, 1, 4.1) as (figure, (ax,)):
        log_axis(ax, "y", log_range([r.estimate for _, r in points]), points[0][1].unit)
        for i, model in enumerate(models):
            own = sorted(((c.value, c, r) for c, r in points if r.model == model), key=lambda t: t[0])
            for _, c, r in own:
                if c.estimate.get("lower") is not None and c.estimate.get("upper") is not None:
                    y = max(r.value, ax.get_ylim()[0])
                    ax.plot([c.estimate["lower"], c.estimate["upper"]], [y, y], color=SERIES[i % 6], lw=1.2, alpha=0.6)
            marks(ax, [Point(at, r.estimate) for at, _, r in own], i)
        unit_axis(ax.xaxis, points[0][0].unit)
        ax.set_xlabel(title_of(cost).lower())
        ax.set_ylabel(title_of(measure).lower())
        legend(figure, [handle(i) for i in range(len(models))], [model_of(m) for m in models])
        drawing = svg(figure, name, title)
    note = "One mark for each level and multiplier: at equal capital, lower is better. "
    return Figure(name, title, drawing, note + interval_note([r.estimate for _, r in points]))


def fit_bands(
    name: str, title: str, bands: Sequence[Mapping[str, Any]], confidence: float | None = None
) -> Figure | None:
    """Quantile losses of the world against the data's bands, by horizon; what is outside is marked."""
    bands = [b for b in bands if b.get("side", "long") == "long"]
    if not bands:
        return None
    panels = unique((b["asset"], b["level"]) for b in bands)
    columns = min(4, len(panels))
    deep = -(-len(panels) // columns)
    with sheet(deep, columns, 2.9 * deep + 0.5) as (figure, axes):
        for ax, (asset, level) in zip(axes, panels, strict=False):
            own = sorted((b for b in bands if (b["asset"], b["level"]) == (asset, level)), key=_horizon)
            at = list(range(len(own)))
            ax.set_ylim(0, 1.08 * max(v for b in own for v in (b["model"], b["upper"], b["data"]) if v is not None))
            band(ax, at, [b["data"] for b in own], [b["lower"] for b in own], [b["upper"] for b in own], 0)
            for i, b in enumerate(own):
                ok = b.get("inside", True)
                colour = INK if ok else SERIES[1]
                ax.plot(i, b["model"], marker="o" if ok else "X", ms=6 if ok else 9, color=colour, lw=0, zorder=4)
            ax.set_xticks(at, [f"{_horizon(b):g} h" for b in own])
            unit_axis(ax.yaxis, "share")
            ax.set_title(f"{asset}, {percent(level)} loss")
        for ax in axes[len(panels) :]:
            ax.remove()
        drawing = svg(figure, name, title)
    sure = f"{percent(confidence)} " if confidence else ""
    note = f"Band: {sure}block-bootstrap interval of the data around the data's own figure. Dot: the world. "
    return Figure(name, title, drawing, note + "Orange cross: outside the band.")


def _horizon(b: Mapping[str, Any]) -> float:
    return float(b["horizon_hours"])
