"""Chapters of the estimator lab: error over level and sample size, breach rate against nominal, capital, level."""

from collections.abc import Callable, Mapping, Sequence
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

_FULL_RATIO, _FULL_BIAS, _FULL_ERROR = 4.0, 0.4, 0.5  # where the colours of the heat maps end
_NOTHING = (None, "refused")
_MANY = 6  # series that colours and markers tell apart
_LONG = 400  # cells of a grid beyond which a page only shows the headline level, and the files hold the rest
_MAIN = ("relative_bias", "relative_sd", "relative_rmse", "mean_breach_probability", "probability_below_truth")
_MORE = ("capital_ratio", "log10_breach_ratio", "score_regret", "refused")
_SPLIT = ("model_error", "finite_sample_bias", "relative_sd", "relative_rmse")
_INTERVALS = ("interval_coverage", "interval_width", "unbounded_intervals")
_ES = ("es_relative_bias", "es_relative_sd", "es_relative_rmse", "joint_score_regret", "es_interval_coverage")
_ES_MORE = ("es_probability_below_truth", "es_model_error", "es_finite_sample_bias", "es_interval_width", "es_refused")
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
        items += [
            _ratio_map(f"lab-ratio-{i}", where, part),
            _bias_map(f"lab-bias-{i}", where, part, "relative_bias", "", "quantile"),
            _error_map(f"lab-error-{i}", where, part),
            _bias_map(f"lab-es-{i}", where, part, "es_relative_bias", " of ES", "expected shortfall"),
        ]
    level = headline_level(own)
    at = f"at {percent(level)}" if level else ""
    names = ("estimator", "sample_size")
    every = ("estimator", "level", "sample_size")
    tracked = ("log_tracking_error", "log_tracking_difference")
    items += [
        pivot(f"Error of the estimate {at}", at_level(own, level), (*_MAIN, *tracked), lead=names),
        pivot(f"Error of ES {at}", at_level(own, level), _ES, lead=names),
    ]
    long = len({tuple(r.parameters.values()) for r in own}) > _LONG
    part, where = (at_level(own, level), at) if long else (own, "at every level")
    lead_by = names if long else every
    items += [
        pivot(
            f"Error of the estimate {where}, all figures", part, (*_MAIN, *_MORE, *tracked), lead=lead_by, folded=True
        ),
        pivot(f"Where the error comes from, {where}", part, _SPLIT, lead=lead_by, folded=True),
        pivot(f"The estimator's own interval, {where}", part, _INTERVALS, lead=lead_by, folded=True),
        pivot(f"Error of ES {where}, all figures", part, (*_ES, *_ES_MORE), lead=lead_by, folded=True),
        pivot("Exact quantiles and shortfalls", own, ("true_quantile", "true_shortfall"), lead=("level",), folded=True),
    ]
    lead = (
        "The truth is known, because the world is ours; every estimate is held against it. An estimate too low is "
        "breached more often than its level says.",
        "Error has three parts: what the form of the estimator gets wrong however long the sample (model error), what "
        "a short sample adds to its mean, and its scatter. The brackets are the error of this lab itself.",
        f"Tables show {at.removeprefix('at ')}; all levels are in tables/estimator_lab.csv." if long else "",
    )
    return Chapter("lab", "How wrong is the tail estimate, by level and sample size?", lead, items)


def _ratio_map(name: str, where: str, rows: list[Row]) -> Figure | None:
    def tile(r: Row) -> tuple[float, str]:
        ratio = r.value / (1.0 - r.parameters["level"])
        return log2(max(ratio, 1e-9)) / log2(_FULL_RATIO), f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}"

    caption = (
        "Exact mean breach probability divided by the nominal one: 1.00 is right, 2.00 breaches twice as often as "
        f"promised. Orange: too often; purple: too seldom; full colour from a factor {_FULL_RATIO:g}. "
    )
    title = f"Realised over nominal breach probability{where}"
    return _map(name, title, rows, "mean_breach_probability", tile, caption, lambda r: 1.0 - r.parameters["level"])


def _bias_map(name: str, where: str, rows: list[Row], measure: str, what: str, truth: str) -> Figure | None:
    def tile(r: Row) -> tuple[float, str]:
        return -r.value / _FULL_BIAS, _short(r.value * 100, "+")

    caption = (
        f"Mean estimate less the true {truth}, in percent of it. Orange: too little capital; purple: too much; full "
        f"colour from {_FULL_BIAS * 100:g} %. "
    )
    return _map(name, f"Relative bias{what}, %{where}", rows, measure, tile, caption, lambda _: 0.01)


def _error_map(name: str, where: str, rows: list[Row]) -> Figure | None:
    def tile(r: Row) -> tuple[float, str]:
        return r.value / _FULL_ERROR, _short(r.value * 100)

    caption = (
        "Root mean squared error of the estimate, in percent of the true quantile: bias and scatter together. Full "
        f"colour from {_FULL_ERROR * 100:g} %. "
    )
    return _map(name, f"Relative RMSE, %{where}", rows, "relative_rmse", tile, caption, lambda _: 0.01)


def _map(
    name: str,
    title: str,
    rows: list[Row],
    measure: str,
    tile: Callable[[Row], tuple[float, str]],
    caption: str,
    unit: Callable[[Row], float],
) -> Figure | None:
    """One measure over level and sample size, a panel for each estimator; `tile` gives tone and text of a cell."""
    shown = select(rows, measure=measure)
    panels = []
    for who in unique(r.model for r in rows if r.model):
        tiles = [
            Tile(r.parameters["level"], r.parameters["sample_size"], *(tile(r) if r.value is not None else _NOTHING))
            for r in shown
            if r.model == who
        ]
        panels.append((model_of(who), tiles))
    axes = ("level", "losses in the sample")
    full = caption + _cell_errors([(r.estimate, unit(r)) for r in shown])
    return heat(name, title, panels, (percent, plain), axes, full)


def _short(value: float, sign: str = "") -> str:
    """At most four characters and a sign, so that it fits a cell."""
    return f"{value:{sign}.1f}" if abs(value) < 9.95 else f"{value:{sign}.0f}"


def _cell_errors(shown: Sequence[tuple[Mapping[str, Any], float]]) -> str:
    """How large the standard errors of cells are, each with the unit that its number is in."""
    errors = sorted(e["std_error"] / unit for e, unit in shown if e.get("std_error") is not None)
    sizes = [e["n"] for e, _ in shown if e.get("n")]
    if not errors:
        return ""
    few, many = plain(min(sizes)), plain(max(sizes))
    samples = many if few == many else f"{few} to {many}"
    usual = errors[len(errors) * 9 // 10]
    return (
        f"Standard error of a number: nine in ten below {usual:.2g}, the largest {errors[-1]:.2g}, from {samples} "
        "samples. A dash or no number: refused."
    )


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
        # beyond that the lines hide each other, and the map of ratios says the same
        if len(unique(r.model for r in panels)) <= _MANY:
            by = lambda r: model_of(r.model)  # noqa: E731
            figures.append(against_nominal(f"lab-nominal-{i}", title, panels, names, by, names))
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
