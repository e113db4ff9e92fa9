"""Chapters of the estimator lab: error over level and sample size, breach rate against nominal, capital, level."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log2
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import (
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
from riskengine.report.figures import Figure, against_nominal, interval_note
from riskengine.report.heat import Tile, heat
from riskengine.report.labels import model_of
from riskengine.report.rows import Row, at_level, headline_level, select, unique
from riskengine.report.tables import Table, pivot
from riskengine.report.wording import percent, plain

_FULL_RATIO, _FULL_BIAS = 4.0, 0.4  # where the colours of the two heat maps end
_MAIN = ("relative_bias", "relative_sd", "relative_rmse", "mean_breach_probability", "probability_below_truth")
_MORE = ("capital_ratio", "log10_breach_ratio", "score_regret", "refused")
_SPLIT = ("model_error", "finite_sample_bias", "relative_sd", "relative_rmse")
_INTERVALS = ("interval_coverage", "interval_width", "unbounded_intervals")
_LEVEL = ("calibrated_level", "calibrated_breach", "calibrated_capital")


def _settings(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows of each world and exposure; the name is empty where there is one only."""
    keys = unique((r.parameters.get("world"), r.parameters.get("exposure")) for r in rows)
    one = len(keys) == 1
    return [
        ("" if one else f", {world}, {exposure}", select(rows, world=world, exposure=exposure))
        for world, exposure in keys
    ]


def surface(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Realised over nominal breach probability and relative bias over level and sample size."""
    own = select(rows, "estimator_lab")
    items: list[Figure | Table | None] = []
    for i, (where, part) in enumerate(_settings(own) if pictures else ()):
        items += [_ratio_map(f"lab-ratio-{i}", where, part), _bias_map(f"lab-bias-{i}", where, part)]
    level = headline_level(own)
    at = f"at {percent(level)}" if level else ""
    names = ("estimator", "sample_size")
    every = ("estimator", "level", "sample_size")
    items += [
        pivot(f"Error of the estimate {at}", at_level(own, level), _MAIN, lead=names),
        pivot("Error of the estimate at every level", own, (*_MAIN, *_MORE), lead=every, folded=True),
        pivot("Where the error comes from, at every level", own, _SPLIT, lead=every, folded=True),
        pivot("The estimator's own interval, at every level", own, _INTERVALS, lead=every, folded=True),
        pivot("Exact quantiles", own, ("true_quantile",), lead=("level",), folded=True),
    ]
    lead = (
        "The truth is known, because the world is ours; every estimate is held against it. An estimate too low is "
        "breached more often than its level says.",
        "Error has three parts: what the form of the estimator gets wrong however long the sample (model error), what "
        "a short sample adds to its mean, and its scatter. The brackets are the error of this lab itself.",
    )
    return Chapter("lab", "How wrong is the tail estimate, by level and sample size?", lead, items)


def _ratio_map(name: str, where: str, rows: list[Row]) -> Figure | None:
    panels = []
    for who in unique(r.model for r in rows if r.model):
        tiles = []
        for r in select(rows, measure="mean_breach_probability"):
            if r.model == who:
                ratio = None if r.value is None else r.value / (1.0 - r.parameters["level"])
                tone = None if ratio is None else log2(max(ratio, 1e-9)) / log2(_FULL_RATIO)
                said = "refused" if ratio is None else f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}"
                tiles.append(Tile(r.parameters["level"], r.parameters["sample_size"], tone, said))
        panels.append((model_of(who), tiles))
    caption = (
        "Exact mean breach probability divided by the nominal one: 1.00 is right, 2.00 breaches twice as often as "
        f"promised. Orange: too often; purple: too seldom; full colour from a factor {_FULL_RATIO:g}. "
    )
    shown = [(r.estimate, 1.0 - r.parameters["level"]) for r in select(rows, measure="mean_breach_probability")]
    axes = ("level", "losses in the sample")
    title = f"Realised over nominal breach probability{where}"
    return heat(name, title, panels, (percent, plain), axes, caption + _worst_error(shown))


def _bias_map(name: str, where: str, rows: list[Row]) -> Figure | None:
    panels = []
    for who in unique(r.model for r in rows if r.model):
        tiles = []
        for r in select(rows, measure="relative_bias"):
            if r.model == who:
                tone = None if r.value is None else -r.value / _FULL_BIAS
                said = "refused" if r.value is None else f"{r.value * 100:+.1f}"
                tiles.append(Tile(r.parameters["level"], r.parameters["sample_size"], tone, said))
        panels.append((model_of(who), tiles))
    caption = (
        "Mean estimate less the true quantile, in percent of it. Orange: too little capital; purple: too much; full "
        f"colour from {_FULL_BIAS * 100:g} %. "
    )
    shown = [(r.estimate, 0.01) for r in select(rows, measure="relative_bias")]
    axes = ("level", "losses in the sample")
    return heat(name, f"Relative bias, %{where}", panels, (percent, plain), axes, caption + _worst_error(shown))


def _worst_error(shown: Sequence[tuple[Mapping[str, Any], float]]) -> str:
    """The largest standard error among cells, each with the unit that its number is in."""
    errors = [e["std_error"] / unit for e, unit in shown if e.get("std_error") is not None]
    sizes = [e["n"] for e, _ in shown if e.get("n")]
    if not errors:
        return ""
    return f"Largest standard error of a number: {max(errors):.2g}, from {plain(max(sizes))} samples."


def nominal(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Breach rate against the nominal one, and capital against coverage."""
    own = select(rows, "estimator_lab")
    figures: list[Figure | None] = []
    for i, (where, part) in enumerate(_settings(own) if pictures else ()):
        shown = select(part, measure="mean_breach_probability")
        sizes = sorted(unique(r.parameters["sample_size"] for r in shown))
        if not sizes:
            continue
        chosen = sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})
        panels = [replace(r, measure=_losses(r)) for r in shown if r.parameters["sample_size"] in chosen]
        names = unique(r.measure for r in panels)
        title = f"Breach probability against nominal{where}"
        figures.append(against_nominal(f"lab-nominal-{i}", title, panels, names, lambda r: model_of(r.model), names))
        figures.append(_capital(f"lab-capital-{i}", where, part))
    lead = (
        "What the mean estimate costs against how often it is breached: right is where the dashed lines cross; left of "
        "it and above is too little capital.",
    )
    return Chapter("nominal", "What is promised, what is kept, and what it costs", lead, figures)


def _losses(row: Row) -> str:
    return f"{plain(row.parameters['sample_size'])} losses"


def _capital(name: str, where: str, rows: list[Row]) -> Figure | None:
    level = headline_level(rows)
    at = at_level(rows, level)
    cost = {(r.model, r.parameters["sample_size"]): r for r in select(at, measure="capital_ratio") if r.value}
    points = [
        (cost[r.model, r.parameters["sample_size"]], r)
        for r in select(at, measure="mean_breach_probability")
        if r.value and (r.model, r.parameters["sample_size"]) in cost
    ]
    if len(points) < 2 or level is None:
        return None
    names = unique(r.model for _, r in points)
    title = f"Capital against breach probability at {percent(level)}{where}"
    with sheet(1, 1, 4.1) as (figure, (ax,)):
        low, high = log_range([r.estimate for _, r in points], 1 - level)
        values = [r.value for _, r in points] + [1 - level]
        log_axis(ax, "y", (max(low, min(values) / 1.6), min(high, max(values) * 1.6)), "probability")
        seen = [c.value for c, _ in points] + [1.0]
        pad = 0.06 * (max(seen) - min(seen)) or 0.05
        ax.set_xlim(min(seen) - pad, max(seen) + pad)
        ax.axvline(1.0, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
        ax.axhline(1 - level, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
        for i, who in enumerate(names):
            own = sorted(((c, r) for c, r in points if r.model == who), key=lambda t: t[1].parameters["sample_size"])
            marks(ax, [Point(c.value, r.estimate) for c, r in own], i, line=True)
            ax.plot(own[0][0].value, own[0][1].value, marker="o", ms=2.6, color=INK, zorder=5)
        unit_axis(ax.xaxis, "share")
        ax.set_xlabel("mean estimate, of the true quantile")
        ax.set_ylabel("breach probability")
        legend(figure, [handle(i, line=True) for i in range(len(names))], [model_of(n) for n in names])
        drawing = svg(figure, name, title)
    note = "Lines run over sample sizes; a dark dot marks the smallest. Dashed: true quantile and nominal rate. "
    return Figure(name, title, drawing, note + interval_note([r.estimate for _, r in points]))


def level_to_use(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Which nominal level keeps the target."""
    own = select(rows, "level_search")
    items: list[Figure | Table | None] = []
    for i, (where, part) in enumerate(_settings(own) if pictures else ()):
        for target in unique(r.parameters.get("target") for r in part):
            items.append(_level_figure(f"lab-level-{i}-{target}", where, select(part, target=target), target))
    items.append(pivot("Level that keeps the target", own, _LEVEL, lead=("target", "estimator", "sample_size")))
    lead = (
        "The lowest nominal level at which the mean breach probability does not exceed the target, on the same draws "
        "at every level. The upper end of its interval is the level that keeps it at that confidence.",
        "An order statistic moves in steps: it cannot breach exactly as often as asked, and pays for the step.",
    )
    return Chapter("level", "Which level must be used?", lead, items)


def _level_figure(name: str, where: str, rows: list[Row], target: float) -> Figure | None:
    """The level to use and the capital at it: one line for each sample size, one mark for each estimator."""
    wanted = percent(round(1 - target, 12))
    panels = [("calibrated_level", "level to use", 1 - target)]
    panels.append(("calibrated_capital", f"mean capital, of the true {wanted} quantile", 1.0))
    shown = {m: [r for r in select(rows, measure=m) if r.value is not None] for m, _, _ in panels}
    if not shown["calibrated_level"]:
        return None
    sizes = sorted(unique(r.parameters["sample_size"] for r in shown["calibrated_level"]), reverse=True)
    names = unique(r.model for r in shown["calibrated_level"])
    title = f"What keeps a breach probability of {percent(target)}{where}"
    with sheet(1, 2, 1.4 + 0.16 * len(sizes) * (len(names) + 1), share_y=True) as (figure, axes):
        for ax, (measure, head, right) in zip(axes, panels, strict=True):
            seen = [r.estimate.get(k) for r in shown[measure] for k in ("value", "lower", "upper")] + [right]
            ends = [v for v in seen if v is not None]
            pad = 0.06 * (max(ends) - min(ends)) or 0.01
            ax.set_xlim(min(ends) - pad, max(ends) + pad)
            ax.axvline(right, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
            for i, who in enumerate(names):
                spread = 0.72 * (0.5 - (i + 0.5) / len(names))
                own = [r for r in shown[measure] if r.model == who]
                points = [Point(sizes.index(r.parameters["sample_size"]) + spread, r.estimate) for r in own]
                marks(ax, points, i, sideways=True)
            unit_axis(ax.xaxis, "share")
            ax.set_title(head)
            ax.set_ylim(-0.5, len(sizes) - 0.5)
            ax.set_yticks(range(len(sizes)), [f"{plain(n)} losses" for n in sizes])
        legend(figure, [handle(i) for i in range(len(names))], [model_of(n) for n in names])
        drawing = svg(figure, name, title)
    note = "Dashed: the level that the target names, and the true quantile. "
    return Figure(name, title, drawing, note + interval_note([r.estimate for part in shown.values() for r in part]))
