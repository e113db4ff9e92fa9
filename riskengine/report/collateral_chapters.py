"""Chapters of a choice of collateral parameters: front, what other methods say, steps that end in a payload."""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import INK, MUTED, PAPER, SERIES, handle, legend, marker_of, sheet, svg, unit_axis
from riskengine.report.choice_words import after, chosen, in_text, name_of, rows_of_choice, setting
from riskengine.report.figures import Figure
from riskengine.report.labels import title_of, words
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Cell, Table, cell
from riskengine.report.wording import amount, percent, plain

METHODS = {
    "in_force": "in force",
    "smart_ltv": "SmartLTV",
    "untouched_loan": "loan nobody liquidates",
    "drawdown_step": "drawdown in steps",
}


def parameter_fronts(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Every parameter set that was tried, in bad debt, liquidations and borrow capacity."""
    items: list[Figure | Table | None] = []
    for i, found in enumerate(result.get("parameter_fronts") or ()):
        if len(found["points"]) > 2:
            if pictures:
                items.append(_front(f"parameter-front-{i}", found))
            items.append(_front_table(found))
    sized = any("protocol_revenue" in f["measures"] for f in result.get("parameter_fronts") or ())
    who, over = ("loans", "liquidated volume and borrow capacity")
    if sized:
        who, over = ("borrowers", "liquidated volume, borrow capacity and protocol revenue")
    lead = (
        f"All sets live on the same fresh paths and the same {who}. A set is on the front where none is better in one "
        f"of bad debt, {over} and no worse in the others.",
    )
    return Chapter("front", "What else could be had?", lead, items)


def _front(name: str, found: Mapping[str, Any]) -> Figure:
    """Bad debt against borrow capacity, which is known exactly, and the other measures, with joint regions."""
    from riskengine.tune.frontier import ellipse

    points, measures = found["points"], found["measures"]
    title = f"{len(points)} parameter sets, {found['world']}"
    z = NormalDist().inv_cdf(0.5 + 0.5 * found["confidence"])
    across = [(2, "borrow capacity"), (1, "liquidated volume, mean"), (3, "protocol revenue, mean")][
        : len(measures) - 1
    ]
    with sheet(1, len(across), 3.9) as (figure, axes):
        for ax, (x_at, label) in zip(axes, across, strict=True):
            for p in points:
                x, y = p["mean"][x_at], p["mean"][0]
                k = 0 if p["on_front"] else 1
                colour, face = (SERIES[0], SERIES[0]) if p["on_front"] else (MUTED, PAPER)
                error = np.array(p["covariance"])[np.ix_((x_at, 0), (x_at, 0))]
                if p["on_front"] and error[0, 0] > 0:
                    outline = ellipse(error, found["confidence"])
                    ax.fill(x + outline[:, 0], y + outline[:, 1], color=colour, alpha=0.12, lw=0, zorder=1)
                elif p["on_front"]:
                    reach = z * error[1, 1] ** 0.5
                    ax.plot([x, x], [max(y - reach, 0.0), y + reach], color=colour, lw=0.8, alpha=0.5, zorder=2)
                ax.plot(x, y, marker=marker_of(k), ms=4.5, mfc=face, mec=colour, mew=0.9, lw=0, zorder=3 - k)
                if p["in_force"]:
                    ax.plot(x, y, marker="o", ms=10, mfc="none", mec=INK, mew=1.2, zorder=4)
            ax.set_ylim(0, None)
            unit_axis(ax.xaxis, "USD")
            unit_axis(ax.yaxis, "USD")
            ax.set_xlabel(label)
            ax.locator_params(axis="x", nbins=4 if len(across) == 2 else 2)
        axes[0].set_ylabel(f"{in_text(measures[0])}, mean")
        legend(figure, [handle(0)], ["on the front; hollow: some other set is better"])
        drawing = svg(figure, name, title)
    off = [p for p in points if not p["on_front"]]
    sure = sum(p["surely_dominated"] for p in off)
    note = (
        f"Bars: {percent(found['confidence'])} intervals; shaded: joint {percent(found['confidence'])} regions of both "
        f"means; n = {plain(found['n'])}. Ringed: in force. Of {len(off)} sets off "
        f"the front {sure or 'none'} {'are' if sure > 1 else 'is'} surely dominated by one on it (paired, in all "
        f"{'three' if len(measures) == 3 else 'four'} measures)."
    )
    return Figure(name, title, drawing, note)


def _front_table(found: Mapping[str, Any]) -> Table:
    points = sorted((p for p in found["points"] if p["on_front"]), key=lambda p: p["mean"][2])
    z = NormalDist().inv_cdf(0.5 + 0.5 * found["confidence"])
    lines = []
    for p in points:
        cells = [Cell(str(p["set"]))]
        for m, mean in enumerate(p["mean"]):
            error = z * p["covariance"][m][m] ** 0.5
            cells.append(Cell(amount(mean, "USD"), f"± {amount(error, 'USD')}" if error > 0 else ""))
        lines.append(tuple(cells))
    left = (
        f"; {found['left_out']} combinations could not be configured or break a constraint" if found["left_out"] else ""
    )
    note = f"{len(points)} of {len(found['points'])} sets; ± {percent(found['confidence'])} on fresh paths{left}"
    columns = ("Parameters", *(title_of(m) for m in found["measures"]))
    return Table(f"On the front, {found['world']}", columns, tuple(lines), note, True, 1)


def collateral_baselines(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What other methods say of each token, and what decides the drawdown-step rule."""
    own = select(rows, "baseline", measure="baseline_factor")
    items: list[Figure | Table | None] = []
    if own:
        items.append(_baselines(result, rows, own))
        items += [_steps_decide(f"drawdown-step-{i}", own, t, pictures) for i, t in enumerate(_tokens(own))]
    lead = (
        "None of these knows keepers, oracle or the book: they are baselines, not truth. SmartLTV is a formula in a "
        "daily volatility; a loan that nobody liquidates is a put on its collateral; the drawdown rule lets the price "
        "fall in steps that have no time unit.",
    )
    return Chapter("baselines", "What would other methods say?", lead, items)


def _tokens(own: list[Row]) -> list[str]:
    return unique(r.parameters["token"] for r in own)


def _baselines(result: Result, rows: list[Row], own: list[Row]) -> Table:
    certified = _certified(result, rows)
    lines = []
    for world in unique(r.parameters["world"] for r in own):
        for token in _tokens(own):
            at = select(own, world=world, token=token)
            for method, said in METHODS.items():
                found = [r for r in at if r.model == method]
                if method == "drawdown_step" and found:
                    values = [r.value for r in found if r.value is not None]
                    text = f"{percent(round(min(values), 3))} to {percent(round(max(values), 3))}"
                    lines.append((Cell(world), Cell(token), Cell(said), Cell(text, "by step and drawdown"), Cell("–")))
                    continue
                for r in found:
                    target = r.parameters.get("target")
                    name = said if target is None else f"{said}, P(bad debt) {percent(target)}"
                    put = [q for q in select(rows, "baseline", measure="baseline_bad_debt", world=world, token=token)
                           if q.parameters.get("target") == target and target is not None]  # fmt: skip
                    lines.append((Cell(world), Cell(token), Cell(name), cell(r), cell(put[0]) if put else Cell("–")))
            for name, value in certified.get(token, {}).items():
                lines.append((Cell(world), Cell(token), Cell(name), Cell(percent(value), "", "pass"), Cell("–")))
    notes = [
        f"SmartLTV of {r.parameters['token']} in {r.parameters['world']}: {r.estimate.get('method')}"
        for r in own
        if r.model == "smart_ltv"
    ]
    columns = ("World", "Token", "Method", "Threshold or loan-to-value", "Expected bad debt")
    return Table("Factors by method", columns, tuple(lines), "; ".join(notes), False, 4)


def _certified(result: Result, rows: list[Row]) -> dict[str, dict[str, float]]:
    """Threshold of each token after the steps of every schedule."""
    out: dict[str, dict[str, float]] = {}
    for plan in result.get("schedules") or ():
        for step in plan["steps"]:
            for c in step["changes"]:
                if c["parameter"] == "liquidation_threshold":
                    name = f"certified: {str(plan['choice']).replace('_', ' ')}"
                    out.setdefault(c["token"], {})[name] = c["to"]
    return out


def _steps_decide(name: str, own: list[Row], token: str, pictures: bool) -> Figure | None:
    found = [r for r in own if r.model == "drawdown_step" and r.parameters["token"] == token]
    found = [r for r in found if r.parameters["world"] == found[0].parameters["world"]]
    if not found or not pictures:
        return None
    title = f"{token}: what the drawdown-step rule recommends, by its untimed step"
    now = next((r.value for r in own if r.model == "in_force" and r.parameters["token"] == token), None)
    with sheet(1, 1, 3.4) as (figure, (ax,)):
        falls = unique(r.parameters["drawdown"] for r in found)
        steps = sorted(unique(r.parameters["step_size"] for r in found))
        for i, fall in enumerate(falls):
            at = {r.parameters["step_size"]: r.value for r in found if r.parameters["drawdown"] == fall}
            ax.plot(
                range(len(steps)),
                [at[s] for s in steps],
                color=SERIES[i % len(SERIES)],
                marker=marker_of(i),
                ms=5.5,
                lw=1.4,
            )
        if now is not None:
            ax.axhline(now, color=INK, lw=1.2, ls=(0, (4, 3)))
        ax.set_xticks(range(len(steps)), [percent(s) for s in steps])
        ax.set_xlabel("size of one step of the price; no time belongs to it")
        ax.set_ylabel("largest loan-to-value")
        unit_axis(ax.yaxis, "share")
        legend(figure, [handle(i, line=True) for i in range(len(falls))], [f"drawdown {percent(f)}" for f in falls])
        drawing = svg(figure, name, title)
    note = "Dashed: threshold in force. Exact figures of the rule; no volatility and no probability enters them."
    return Figure(name, title, drawing, note)


def collateral_schedule(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Current, recommended, steps, each judged, and the payload."""
    items: list[Figure | Table | None] = []
    entries = {(e["model"], e["choice"]): e for e in result.get("choices") or ()}
    for k, plan in enumerate(result.get("schedules") or ()):
        entry = entries[plan["model"], plan["choice"]]
        items += [_change(entry, plan, rows), _judged(entry, plan, rows), _payload(entry, plan, k)]
    lead = (
        "Steps are those that the steward of the study may take; times count from the recommendation. Each step was "
        "judged on fresh paths as if the market stayed there.",
        "The payload was read back and executed on the parameters in force: it makes exactly the certified ones. Every "
        "entry names the value it expects to find.",
    )
    return Chapter("schedule", "How does one get there?", lead, items)


def _change(entry: Mapping[str, Any], plan: Mapping[str, Any], rows: list[Row]) -> Table:
    """Parameter | token | current | recommended."""
    ends: dict[tuple[Any, str], list[Any]] = {}
    for step in plan["steps"]:
        for c in step["changes"]:
            ends.setdefault((c["token"], c["parameter"]), [c["from"], None])[1] = c["to"]
    lines = [
        (
            Cell(words(parameter)),
            Cell(str(token or "market")),
            Cell(_value(parameter, a)),
            Cell(_value(parameter, b), "", "pass"),
        )
        for (token, parameter), (a, b) in ends.items()
    ]
    made = chosen(rows_of_choice(rows, entry, "choice"), "certified")
    to = "" if made is None else f": {setting(entry, entry['current'])} → {setting(entry, made.value)}"
    note = (
        f"{in_text(str(entry['risk']))} at most {percent(entry['target'])} with confidence "
        f"{percent(round(1 - entry['delta'], 12))}, given the worlds named"
    )
    return Table(
        f"Recommended{to} ({name_of(entry)})",
        ("Parameter", "Token", "Current", "Recommended"),
        tuple(lines),
        note,
        False,
        2,
    )


def _value(parameter: str, value: Any) -> str:
    if value is None:
        return "none"
    return plain(round(value)) if parameter.endswith("_cap") else percent(round(value, 6))


def _judged(entry: Mapping[str, Any], plan: Mapping[str, Any], rows: list[Row]) -> Table:
    """One line for each step: the world with the largest upper bound."""
    own = [r for r in select(rows, "schedule", choice=entry["choice"]) if r.model == entry["model"]]
    lines = []
    for k in unique(r.parameters["step"] for r in own):
        bounds = select(own, measure="risk_upper_bound", step=k)
        bound = max(bounds, key=lambda r: r.estimate["upper"])
        at = {r.measure: r for r in select(own, world=bound.parameters["world"], step=k)}
        passed = bound.parameters["walk"] == "passed"
        lines.append(
            (
                Cell("now" if k == 0 else f"step {k}"),
                Cell("–" if k == 0 else after(float(bound.parameters["hours"]))),
                Cell("–" if k == 0 else plan["steps"][k - 1]["by"]),
                Cell(amount(bound.value, bound.unit)),
                Cell(amount(bound.estimate["upper"], bound.unit)),
                Cell("below target" if passed else "not shown", "", "pass" if passed else "fail"),
                cell(at["cost_fresh"]),
                cell(at["liquidated_at_once"]),
            )
        )
    head = ("Step", "After", "By", "Risk, fresh paths", "Upper bound", "Target", title_of(entry["cost"]))
    several = unique(r.parameters["world"] for r in own)
    note = (
        f"upper bound one-sided at {percent(round(1 - entry['delta'], 12))}, each step alone, n = "
        f"{plain(own[0].estimate['n'])}{', of the world where it is largest' if len(several) > 1 else ''}; "
        "liquidatable at once: loans that the step itself makes liquidatable at today's prices (of now: those that are "
        "already)"
    )
    return Table(f"Every step judged: {name_of(entry)}", (*head, "Liquidatable at once"), tuple(lines), note, False, 3)


def _payload(entry: Mapping[str, Any], plan: Mapping[str, Any], number: int) -> Table:
    lines = []
    for step in plan["payload"]["steps"]:
        for e in step["set"]:
            lines.append(
                (
                    Cell(after(float(step["after_hours"]))),
                    Cell(str(step["by"])),
                    Cell(str(e["token"] or "market")),
                    Cell(str(e["parameter"])),
                    Cell("none" if e["from"] is None else str(e["from"])),
                    Cell("none" if e["to"] is None else str(e["to"])),
                )
            )
    columns = ("After", "By", "Token", "Parameter", "From", "To")
    note = f"payload/{number:03d}.json of the run; basis points as the contract stores them, bonus 10500 for 5 %"
    return Table(f"Payload: {name_of(entry)}", columns, tuple(lines), note, True, 4)
