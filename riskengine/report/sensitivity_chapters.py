"""Chapters of a sensitivity study: causes of each figure, tornado, indices, screening, quantile derivatives."""

from collections.abc import Sequence

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import INK, PAPER, SERIES, legend, sheet, svg, unit_axis
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import Figure, interval_note
from riskengine.report.labels import model_of
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Table, pivot, records
from riskengine.report.wording import percent

_TORNADO = ("tornado_low", "tornado_high", "tornado_swing")
_INDICES = ("first_index", "total_index", "shapley_effect")
_EFFECTS = ("effect_mean", "effect_absolute", "effect_spread")
_ANSWER = ("base_value", "answer_mean", "answer_sd", "noise_share")
_DERIVATIVES = (
    "quantile_change", "quantile_change_simulated", "quantile_change_z", "quantile_elasticity", "uncertainty_share",
)  # fmt: skip
_SHORTFALLS = ("shortfall_change", "shortfall_change_simulated", "shortfall_change_z")
_TAILS = (
    "true_quantile",
    "true_shortfall",
    "quantile_simulated",
    "shortfall_simulated",
    "fit_uncertainty",
    "kernel_width",
)
SHORT = 3  # panels beside each other


def sensitivity(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How much of each figure is due to which cause, and which input moves it how far."""
    own = select(rows, "sensitivity")
    settings = result.get("settings") or {}
    items: list[Figure | Table | None] = []
    if pictures:
        items += [_causes(own), *_tornado(own), *_indices(own)]
    single = [r for r in own if "input" in r.parameters]
    groups = [r for r in own if "group" in r.parameters and "input" not in r.parameters]
    whole = [r for r in own if not r.parameters]
    items += [
        pivot("Causes", groups, _INDICES, lead=("group",)),
        pivot("Answers over all inputs", whole, _ANSWER),
        pivot("Shares of the variance, input by input", single, _INDICES, lead=("input",), folded=True),
        pivot("What each end of an input moves", single, _TORNADO, lead=("input",), folded=True),
        pivot("Screening: elementary effects", single, _EFFECTS, lead=("input",), folded=True),
    ]
    if own:
        tied = any("correlated" in i for i in settings.get("inputs") or ())
        told = [
            {"input": i["name"], "group": i["group"], "law": i["law"]}
            | ({"correlated with": i.get("correlated", "none")} if tied else {})
            | {"sets": ", ".join(i["set"])}
            for i in settings.get("inputs") or ()
        ]
        items.append(records("Inputs and their laws", told, folded=True))
    lead = (
        "Inputs vary over their laws all at once; the variance of each figure is shared out among the causes. A first "
        "index is what an input explains alone, a total index what would go if only it were known, and Shapley effects "
        "share the interactions too, so they add up to 100 %.",
        "The noise of the simulation is taken out of every share; negative numbers near zero are estimates of zero.",
    )
    return Chapter("sensitivity", "How much of the answer is due to what?", lead, items)


def _outputs(rows: Sequence[Row]) -> list[str]:
    return unique(r.model for r in rows)


def _causes(rows: list[Row]) -> Figure | None:
    """One bar for each figure, one segment for each group: Shapley effects, or first indices with what is left over."""
    shown = [r for r in rows if "group" in r.parameters and "input" not in r.parameters and r.value is not None]
    measure = "shapley_effect" if select(shown, measure="shapley_effect") else "first_index"
    shown = select(shown, measure=measure)
    names, groups = _outputs(shown), unique(r.parameters["group"] for r in shown)
    if not shown:
        return None
    title = "What the variance of each figure is made of"
    with sheet(1, 1, 0.95 + 0.52 * len(names)) as (figure, (ax,)):
        handles, ends = [], [1.0]
        for k, name in enumerate(names):
            at = 0.0
            for g, group in enumerate(groups):
                value = max(0.0, next((r.value for r in select(shown, group=group) if r.model == name), 0.0))
                colour = SERIES[g % len(SERIES)]
                bar = ax.barh(k, value, 0.62, left=at, color=colour, edgecolor=PAPER, linewidth=1.2)
                if value >= 0.07:
                    ax.text(at + value / 2, k, percent(round(value, 2)), ha="center", va="center", color=PAPER)
                at += value
                if k == 0:
                    handles.append(bar[0])
            ends.append(at)
        ax.set_xlim(0.0, max(ends))
        ax.set_ylim(len(names) - 0.45, -0.55)
        ax.set_yticks(range(len(names)), [model_of(n) for n in names])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        unit_axis(ax.xaxis, "share")
        legend(figure, handles, groups)
        drawing = svg(figure, "sensitivity-causes", title)
    what = "Shapley effects of groups of inputs (right where inputs depend on each other too)"
    if measure == "first_index":
        what = "First indices of groups of inputs; what is left of 100 % is interaction"
    note = f"{what}; an estimate below zero is not drawn, and the rest then ends beyond 100 %. Intervals: in the table."
    return Figure("sensitivity-causes", title, drawing, note)


def _tornado(rows: list[Row]) -> list[Figure | None]:
    """Bars from the study's own figure to what each end of an input makes of it, widest first."""
    made: list[Figure | None] = []
    for k, name in enumerate(_outputs(select(rows, measure="tornado_swing"))):
        own = [r for r in rows if r.model == name]
        swing = {r.parameters["input"]: r for r in select(own, measure="tornado_swing")}
        order = sorted(swing, key=lambda i: -abs(swing[i].value or 0.0))
        base = next(r for r in own if r.measure == "base_value")
        ends = {m: {r.parameters["input"]: r for r in select(own, measure=m)} for m in _TORNADO[:2]}
        title = f"{model_of(name)}: what each input moves alone"
        with sheet(1, 1, 1.05 + 0.27 * len(order)) as (figure, (ax,)):
            handles = []
            for i, measure in enumerate(_TORNADO[:2]):
                for at, who in enumerate(order):
                    e = ends[measure][who].estimate
                    place = at + (0.18 if i else -0.18)
                    bar = ax.barh(place, e["value"], 0.32, color=SERIES[i], alpha=0.85)
                    ax.plot([e["lower"], e["upper"]], [place, place], color=INK, lw=1.0, zorder=4)
                    if at == 0:
                        handles.append(bar[0])
            ax.axvline(0.0, color=INK, lw=1.0, zorder=3)
            ax.set_ylim(len(order) - 0.4, -0.6)
            ax.set_yticks(range(len(order)), order)
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="y", visible=False)
            unit_axis(ax.xaxis, base.unit)
            ax.set_xlabel("change from the study's own figure" + (", points" if base.unit != "USD" else ""))
            legend(figure, handles, ["input at its 5 % quantile", "at its 95 % quantile"])
            drawing = svg(figure, f"tornado-{k}", title)
        shown = [r.estimate for m in _TORNADO[:2] for r in ends[m].values()]
        note = "All other inputs as the study has them; the same paths at every bar. "
        made.append(Figure(f"tornado-{k}", title, drawing, note + interval_note(shown)))
    return made


def _indices(rows: list[Row]) -> list[Figure | None]:
    """First and total index (or Shapley effect) of every input, a panel for each figure."""
    single = [r for r in rows if "input" in r.parameters and r.value is not None]
    measures = [m for m in _INDICES if select(single, measure=m)]
    names = {"first_index": "first index", "total_index": "total index", "shapley_effect": "Shapley effect"}
    outputs = _outputs([r for r in single if r.measure in measures])
    made = []
    for at in range(0, len(outputs), SHORT):
        panels = [
            (
                model_of(o),
                [
                    Dot(r.parameters["input"], names[r.measure], r)
                    for m in measures
                    for r in select(single, measure=m)
                    if r.model == o
                ],
            )
            for o in outputs[at : at + SHORT]
        ]
        made.append(dots(f"sensitivity-indices-{at}", "Share of the variance by input", panels, zero=True))
    return made


def derivatives(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Derivatives of loss quantiles and shortfalls in the parameters of the fit, and what its errors do to them."""
    own = select(rows, "quantile_derivative")
    items: list[Figure | Table | None] = []
    levels = unique(r.parameters["level"] for r in own)
    if pictures and levels:
        level = 0.99 if 0.99 in levels else levels[0]
        for what, named in (("quantile", "loss quantile"), ("shortfall", "expected shortfall")):
            series = {f"{what}_change": "exact", f"{what}_change_simulated": "simulated, with interval"}
            shown = [r for r in select(own, level=level) if r.measure in series]
            panels = [
                (name, [Dot(r.parameters["parameter"], series[r.measure], r) for r in shown if r.model == name])
                for name in _outputs(shown)
            ]
            title = f"Change of the {percent(level)} {named} for one standard error of a parameter"
            items.append(dots(f"{what}-derivatives", title, panels, zero=True))
    lead = ("exposure", "level", "parameter")
    items += [
        pivot("Tails, and what the fit leaves open of the quantile", own, _TAILS, lead=lead[:2]),
        pivot("Loss quantile by parameter", own, _DERIVATIVES, lead=lead, folded=True),
        pivot("Expected shortfall by parameter", own, _SHORTFALLS, lead=lead, folded=True),
    ]
    said = [
        "Exact derivatives differentiate the law's distribution function: no simulated path. A parameter's share is "
        "what its standard error contributes to the uncertainty of the quantile (delta method).",
    ]
    simulated = [r for r in own if r.measure.endswith("_simulated") and "parameter" in r.parameters]
    if simulated:
        counted = [r for r in simulated if str(r.estimate.get("method")).startswith("score")]
        counts = unique(r.parameters["parameter"] for r in counted)
        score = f"; {', '.join(counts)}: by the score of the number of jumps, which no path shows" if counts else ""
        said.append(
            "Simulated ones need no law: every path is run again with the parameter a small step up and down, on the "
            f"same draws{score}."
        )
    return Chapter("derivatives", "What the errors of the fit do to the loss quantile", tuple(said), items)
