"""Chapters of certified choices: bounds along the walk, the front, fresh paths, and what certificates are worth."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import (
    INK,
    MUTED,
    PAPER,
    SERIES,
    Point,
    band,
    handle,
    legend,
    log_axis,
    log_range,
    marker_of,
    marks,
    sheet,
    svg,
    unit_axis,
)
from riskengine.report.choice_words import (
    ALL,
    ROLES,
    RULES,
    WITH_VARIANTS,
    chosen,
    figure_of,
    in_text,
    name_of,
    rows_of_choice,
    setting,
)
from riskengine.report.figures import Figure
from riskengine.report.labels import title_of
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Cell, Table, cell
from riskengine.report.wording import against, amount, methods, parts, percent, plain
from riskengine.study.names import ODDS

_DASHED = (0, (4, 3))


def certified_choice(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What was chosen, and why nothing cheaper."""
    entries = result.get("choices") or ()
    items: list[Figure | Table | None] = [_made(entries, rows)] if entries else []
    for i, entry in enumerate(entries):
        if pictures:
            items.append(_walk(f"choice-walk-{i}", entry, rows))
    for i, found in enumerate(result.get("fronts") or ()):
        if pictures:
            items.append(_front(f"choice-front-{i}", entries, found, rows))
    for entry in entries:
        items += [_steps(entry, rows), _worlds(entry, rows), _candidates(entry, rows)]
    lead = (
        "Candidates are walked from safe to risky; the walk stops at the first whose risk cannot be shown to be below "
        "the target. What it passed is certified, all at once: the cheapest of that is the choice.",
        "What is chosen for looking good looks better than it is. Fresh paths had no part in the choice.",
    )
    return Chapter("choice", "Which setting is surely safe, and what does that cost?", lead, items)


def _made(entries: Sequence[Mapping[str, Any]], rows: list[Row]) -> Table:
    """One line for each choice and rule."""
    lines, shown, notes = [], [], []
    for entry in entries:
        own = rows_of_choice(rows, entry, "choice")
        for role, said in ROLES.items():
            made = chosen(own, role)
            if made is None:
                continue
            head = (Cell(name_of(entry)), Cell(_goal(entry)), Cell(said))
            if made.value is None:
                lines.append((*head, Cell("none", "", "muted"), *(Cell("–"),) * 4))
                notes.append(f"{name_of(entry)}, {said}: {made.estimate.get('method')}")
                continue
            figures = [figure_of(own, m, role) for m in ("risk_in_sample", "risk_fresh", "cost_fresh", "cost_ratio")]
            shown += [r.estimate for r in figures[:2] if r is not None]
            tone = "pass" if role == "certified" else ""
            lines.append((*head, Cell(setting(entry, made.value), "", tone), *(cell(r) for r in figures)))
    columns = ("Choice", "Target", "Rule", "Setting", "Risk, paths of the choice", "Risk, fresh paths", "Cost")
    if shown:
        notes.append(f"brackets: intervals by {methods(shown)}; over several worlds the largest risk and cost")
    return Table("What is chosen", (*columns, "Cost of now"), tuple(lines), ". ".join(notes), False, 4)


def _goal(entry: Mapping[str, Any]) -> str:
    return f"{in_text(str(entry['risk']))} ≤ {percent(entry['target'])}; cost: {in_text(str(entry['cost']))}"


def _walk(name: str, entry: Mapping[str, Any], rows: list[Row]) -> Figure | None:
    """Upper bounds of all candidates from safe to risky with the target, and what fresh paths say."""
    own = rows_of_choice(rows, entry, "candidate")
    bounds, fresh = select(own, measure="risk_upper_bound"), select(own, measure="risk_fresh")
    variants = [r for r in bounds if r.parameters.get("variant")]
    bounds = [r for r in bounds if not r.parameters.get("variant")]
    if not bounds:
        return None
    at = {value: k for k, value in enumerate(entry["candidates"])}
    worlds = unique(r.parameters["world"] for r in bounds)
    made = chosen(rows_of_choice(rows, entry, "choice"), "certified")
    title = f"{name_of(entry)}: {in_text(str(entry['risk']))} along the walk"
    with sheet(1, 1, 4.0) as (figure, (ax,)):
        low, high = log_range([r.estimate for r in (*bounds, *variants, *fresh)], entry["target"])
        seen = [v for r in (*bounds, *fresh) if (v := r.value)] + [entry["target"]]
        low = max(low, min(seen) / 2.2)
        high = min(high, 1.8 * max([r.estimate["upper"] for r in (*bounds, *variants)] + [entry["target"]]))
        log_axis(ax, "y", (low, high), "probability")
        ax.set_xlim(-0.6, len(at) - 0.4)
        ax.axhline(entry["target"], color=INK, lw=1.3, ls=_DASHED, zorder=1)
        stopped = [at[r.parameters["setting"]] for r in (*bounds, *variants) if r.parameters["walk"] != "passed"]
        reached = min(stopped, default=len(at))
        if reached:
            ax.axvspan(-0.6, reached - 0.5, color=SERIES[2], alpha=0.09, lw=0, zorder=0)
        if made is not None and made.value is not None:
            ax.annotate("chosen", (at[made.value], high), (0, -12), textcoords="offset points", ha="center", color=INK)
        if entry.get("current") in at and (made is None or entry["current"] != made.value):
            where = (at[entry["current"]], high)
            ax.annotate("in force", where, (0, -12), textcoords="offset points", ha="center", color=MUTED)
        for r in variants:
            upper = max(r.estimate["upper"], low)
            ax.plot(
                at[r.parameters["setting"]] - 0.14, upper, marker="_", ms=9, mew=1.1, color=MUTED, alpha=0.8, zorder=2
            )
        handles, names = [], []
        for i, world in enumerate(worlds):
            shift = 0.28 * (i - (len(worlds) - 1) / 2) / max(1, len(worlds))
            points = [
                Point(at[r.parameters["setting"]] - 0.14 + shift, r.estimate | {"lower": r.value})
                for r in select(bounds, world=world)
            ]
            handles.append(marks(ax, points, 2 * i))
            names.append(f"{world}: estimate up to its bound" if len(worlds) > 1 else "estimate up to its upper bound")
            points = [Point(at[r.parameters["setting"]] + 0.14 + shift, r.estimate) for r in select(fresh, world=world)]
            handles.append(marks(ax, points, 2 * i + 1))
            names.append(f"{world}: fresh paths" if len(worlds) > 1 else "fresh paths with interval")
        letters = max(8, 100 // len(at))  # of a label that leaves its neighbours their room
        ax.set_xticks(range(len(at)), [fill(setting(entry, v), letters, break_long_words=False) for v in at])
        ax.set_ylabel(in_text(str(entry["risk"])))
        ax.set_xlabel("from safe to risky")
        legend(figure, handles, names)
        drawing = svg(figure, name, title)
    confidence = percent(round(1 - entry["delta"], 12))
    note = f"Dashed: the target. Bound: one-sided at {confidence}, {entry['method']}. Shaded: certified. "
    if variants:
        count = len(unique(r.parameters["world"] for r in variants))
        note += f"Grey ticks: upper bounds in {count} draws from the law of the fit. "
    sizes = sorted(unique(r.estimate["n"] for r in (*bounds, *fresh)))
    note += f"n = {plain(sizes[0])}" + (f" to {plain(sizes[-1])}." if len(sizes) > 1 else ".")
    return Figure(name, title, drawing, note)


def _front(name: str, entries: Sequence[Mapping[str, Any]], found: Mapping[str, Any], rows: list[Row]) -> Figure | None:
    """Risk against cost with joint error ellipses, and beside it how far a requirement rises where that was asked."""
    points, sign = found["points"], found["sign"]
    groups = unique((p["model"], p["choice"]) for p in points)
    known = {(e["model"], e["choice"]): e for e in entries}
    unit = next(r.unit for r in select(rows, "candidate", "cost_fresh") if (r.model, r.parameters["choice"]) in groups)
    risk, cost = in_text(found["risk"]), in_text(found["cost"])
    rises = len(points[0]["mean"]) == 3
    title = f"Front: {risk} against {cost}, {found['world']}"
    with sheet(1, 1 + rises, 4.3) as (figure, axes):
        for measure, ax in zip((0, 2), axes, strict=False):
            for i, group in enumerate(groups):
                own = [p for p in points if (p["model"], p["choice"]) == group]
                made = chosen(rows_of_choice(rows, known[group], "choice"), "certified")
                named = (known[group].get("current"), None if made is None else made.value)
                _front_points(ax, own, measure, sign, found["confidence"], i, known[group], named)
            ax.locator_params("x", nbins=5 if rises else 10)
            unit_axis(ax.xaxis, unit)
            ax.set_xlabel(cost)
        for target in unique(known[g]["target"] for g in groups):
            axes[0].axhline(target, color=INK, lw=1.3, ls=_DASHED, zorder=1)
        axes[0].set_ylim(0, None)
        unit_axis(axes[0].yaxis, "probability")
        axes[0].set_ylabel(risk)
        if rises:
            axes[1].set_ylabel("requirement, peak to trough")
        legend(figure, [handle(i) for i in range(len(groups))], [name_of(known[g]) for g in groups])
        drawing = svg(figure, name, title)
    off = [p for p in points if not p["on_front"]]
    sure = sum(p["surely_dominated"] for p in off)
    among = "all three" if rises else "both"
    note = (
        f"Ellipses: joint {percent(found['confidence'])} regions of two means on fresh paths, n = "
        f"{plain(found['n'])}. Filled: on the front; hollow: some other setting is no worse in {among} and better "
        "in one. Dashed: the target. Named: in force, and certified. "
    )
    for entry in known.values():
        if entry["axis"] == "model":
            named = (f"{k} {setting(entry, v)}" for k, v in enumerate(entry["candidates"], 1))
            note += f"Numbers: {', '.join(named)}. "
    if off:
        note += (
            f"Of {len(off)} hollow ones {sure or 'none'} {'are' if sure > 1 else 'is'} surely dominated by one on the "
        )
        note += "front (paired); what is not may be off it by noise."
    else:
        note += "A point may be on the front by noise."
    return Figure(name, title, drawing, note)


def _front_points(
    ax: Any, own: Sequence[Mapping[str, Any]], measure: int, sign: float, confidence: float, series: int,
    entry: Mapping[str, Any], named: tuple[Any, Any],
) -> None:  # fmt: skip
    """Settings of one choice: a measure (its place in the means) against the cost."""
    from riskengine.tune.frontier import ellipse

    colour = SERIES[series % len(SERIES)]
    for p in own:
        y, x = p["mean"][measure], sign * p["mean"][1]
        pair = [[p["covariance"][a][b] for b in (measure, 1)] for a in (measure, 1)]
        outline = ellipse(pair, confidence)
        ax.fill(x + sign * outline[:, 1], y + outline[:, 0], color=colour, alpha=0.22, lw=0, zorder=2)
        shape = {"marker": marker_of(series), "ms": 5.5, "mec": colour, "mew": 1.2, "lw": 0, "zorder": 3}
        ax.plot(x, y, mfc=colour if p["on_front"] else PAPER, **shape)
        if p["setting"] in named:
            side, align = ((6, 7), "left") if series % 2 == 0 else ((-6, -13), "right")
            text = setting(entry, p["setting"])
            ax.annotate(text, (x, y), side, textcoords="offset points", ha=align, color=colour, zorder=4)
        elif entry["axis"] == "model":
            place = str(1 + list(entry["candidates"]).index(p["setting"]))
            ax.annotate(place, (x, y), (5, 4), textcoords="offset points", color=MUTED, zorder=4)


def _steps(entry: Mapping[str, Any], rows: list[Row]) -> Table | None:
    """In force to certified, and each candidate to the next: does the risk differ, and what is paid for it?"""
    own = rows_of_choice(rows, entry, "step")
    if not own:
        return None
    worlds = unique(r.parameters["world"] for r in own)
    found = {(r.parameters["world"], r.parameters["from"], r.parameters["to"], r.parameters["measure"]): r for r in own}
    lines = []
    for world, before, after in unique(key[:3] for key in found):
        risk, cost = (found[world, before, after, m] for m in (entry["risk"], entry["cost"]))
        same = against(risk.estimate, 0.0) == "not distinguishable from"
        told = Cell("not distinguishable" if same else "differ", "", "muted" if same else "")
        head = [Cell(world)] if len(worlds) > 1 else []
        step = Cell(f"{setting(entry, before)} to {setting(entry, after)}")
        lines.append((*head, step, cell(risk), told, cell(cost)))
    columns = (*(["World"] if len(worlds) > 1 else []), "Step", f"{title_of(entry['risk'])}, change", "Risks")
    columns = (*columns, f"{title_of(entry['cost'])}, change")
    note = f"paired on the same fresh paths; brackets: intervals by {methods(r.estimate for r in own)}"
    title = f"Settings that differ, and that do not: {name_of(entry)}"
    return Table(title, columns, tuple(lines), note, len(lines) > 6, len(columns) - 3)


def _worlds(entry: Mapping[str, Any], rows: list[Row]) -> Table | None:
    """Each world's and variant's own certificate, and those over all."""
    own = rows_of_choice(rows, entry, "choice")
    found = select(own, measure="chosen_setting", role="certified")
    if len(found) < 2:
        return None
    lines = [
        (
            Cell({ALL: "all worlds together", WITH_VARIANTS: "all worlds and variants together"}.get(w, w)),
            Cell(setting(entry, r.value) if r.value is not None else "none"),
        )
        for r in found
        for w in [str(r.parameters["world"])]
    ]
    said = []
    passed, share = (select(own, measure=m) for m in ("variants_passed", "safe_share_of_fit"))
    if passed:
        r = passed[0]
        count = round((r.value or 0.0) * r.estimate["n"])
        said.append(
            f"{setting(entry, r.parameters['setting'])}, the choice of the worlds alone, passes in {count} of "
            f"{r.estimate['n']} draws from the law of the fit"
        )
    if share:
        r = share[0]
        said.append(
            f"{setting(entry, r.parameters['setting'])} passes in all of them, so it is safe for at least "
            f"{100 * r.estimate['lower']:.0f} % of that law with confidence {percent(r.estimate['confidence'])}, the "
            f"delta of {percent(entry['delta'])} on top"
        )
    title = f"World by world: {name_of(entry)}"
    return Table(title, ("World", "Certified setting"), tuple(lines), "; ".join(said), len(lines) > 6, 1)


def _candidates(entry: Mapping[str, Any], rows: list[Row]) -> Table | None:
    """Every candidate in every world."""
    own = rows_of_choice(rows, entry, "candidate")
    worlds = unique(r.parameters["world"] for r in own if not r.parameters.get("variant"))
    swing = unique(r.measure for r in select(own, measure="swing_fresh"))
    lines = []
    for world in worlds:
        for value in entry["candidates"]:
            at = {r.measure: r for r in select(own, world=world, setting=value)}
            bound = at["risk_upper_bound"]
            told = (amount(bound.value, bound.unit), amount(bound.estimate["upper"], bound.unit))
            walk = str(bound.parameters["walk"])
            head = (Cell(world), Cell(setting(entry, value)))
            measured = tuple(cell(at.get(m)) for m in ("risk_fresh", "cost_fresh", *swing))
            lines.append(
                (*head, *(Cell(t) for t in told), Cell(walk, "", "pass" if walk == "passed" else ""), *measured)
            )
    columns = ("World", "Setting", "Estimate", "Upper bound", "Walk", "Fresh paths", title_of(entry["cost"]))
    columns = (*columns, *map(title_of, swing))
    needed = rows_of_choice(rows, entry, "choice")
    note = ""
    for r in select(needed, measure="paths_needed"):
        where = f"{setting(entry, r.parameters['setting'])} in {r.parameters['world']}"
        if r.value is None:
            note = f"{where} stopped the walk: {r.estimate.get('method')}"
        else:
            value, interval = parts(r.estimate, r.unit)
            note = f"{where} stopped the walk; about {value} paths {interval}, {r.estimate['method']}, {ODDS}"
    return Table(f"Every candidate: {name_of(entry)}", columns, tuple(lines), note, True, 2)


def certificate_experiment(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Promise and truth of very many choices."""
    own = select(rows, "experiment")
    settings = result.get("settings") or {}
    items: list[Figure | Table | None] = []
    if own and pictures:
        items = [_true_risk(result.get("curves") or (), settings), _price(own)]
    if own:
        items.append(_against_theory(own, settings))
    lead = (
        "A margin is chosen again and again from samples of a world whose law is known, so the true breach probability "
        "of every choice is known too. The theory holds whatever the law of the losses.",
        "A certificate costs margin: the shorter the sample, the more.",
    )
    return Chapter("experiment", "What is a certificate worth?", lead, items)


def _true_risk(curves: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Figure | None:
    """How often the true risk of a choice exceeds x, measured and by the theory, at the largest sample."""
    curves = [c for c in curves if c.get("name") == "true_risk"]
    if not curves:
        return None
    size = max(c["parameters"]["sample_size"] for c in curves)
    shown = [c for c in curves if c["parameters"]["sample_size"] == size]
    title = f"True breach probability of a choice from {plain(size)} losses"
    with sheet(1, 1, 4.2) as (figure, (ax,)):
        ax.set_ylim(0, 1)
        for i, c in enumerate(shown):
            band(ax, c["x"], c["y"], c["lower"], c["upper"], i)
            ax.plot(c["x"], c["theory"], color=INK, lw=0.9, ls=(0, (1, 1.5)), zorder=4)
        ax.axvline(settings["target"], color=INK, lw=1.3, ls=_DASHED, zorder=1)
        ax.axhline(settings["delta"], color=MUTED, lw=1.1, ls=_DASHED, zorder=1)
        ax.set_xlim(min(c["x"][0] for c in shown), max(c["x"][-1] for c in shown))
        unit_axis(ax.xaxis, "probability")
        unit_axis(ax.yaxis, "share")
        ax.set_xlabel(str(shown[0]["x_label"]))
        ax.set_ylabel(str(shown[0]["y_label"]))
        labels = [RULES.get(c["parameters"]["rule"], c["parameters"]["rule"]) for c in shown]
        legend(figure, [handle(i, line=True) for i in range(len(shown))], labels)
        drawing = svg(figure, "true-risk", title)
    note = (
        f"Line with band: {plain(shown[0]['n'])} choices, pointwise interval. Dotted: the theory, Beta(x + 1, n − x). "
        "Where a curve crosses the upright dashed line, that share of choices breaks the target; the level one is what "
        "is allowed."
    )
    return Figure("true-risk", title, drawing, note)


def _price(rows: list[Row]) -> Figure | None:
    """Margin of each rule over that of the truth, and how often it breaks the target, by sample size."""
    panels = [
        ("mean_margin_ratio", "mean margin, of the true one"),
        ("violation_share", "choices that break the target"),
    ]
    measured = [r for r in rows if r.parameters["source"] == "measured" and r.value is not None]
    rules = unique(r.parameters["rule"] for r in measured)
    sizes = sorted(unique(r.parameters["sample_size"] for r in measured))
    title = "What certainty costs, by sample size"
    with sheet(1, 2, 3.7) as (figure, axes):
        for ax, (measure, head) in zip(axes, panels, strict=True):
            shown = select(measured, measure=measure)
            ends = [r.estimate.get(k) for r in shown for k in ("value", "lower", "upper")]
            ends = [v for v in ends if v is not None]
            pad = 0.06 * (max(ends) - min(ends)) or 0.01
            ax.set_ylim(min(ends) - pad if measure == "mean_margin_ratio" else 0, max(ends) + pad)
            ax.set_xlim(-0.5, len(sizes) - 0.5)
            for i, rule in enumerate(rules):
                shift = 0.12 * (i - (len(rules) - 1) / 2)
                points = [
                    Point(sizes.index(r.parameters["sample_size"]) + shift, r.estimate)
                    for r in select(shown, rule=rule)
                ]
                marks(ax, points, i, line=True)
            unit_axis(ax.yaxis, "share")
            ax.set_xticks(range(len(sizes)), [plain(n) for n in sizes])
            ax.set_xlabel("losses in the sample")
            ax.set_title(head)
        legend(figure, [handle(i, line=True) for i in range(len(rules))], [RULES.get(r, r) for r in rules])
        drawing = svg(figure, "certificate-price", title)
    missing = unique((r.parameters["rule"], r.parameters["sample_size"]) for r in rows if r.value is None)
    note = "Bars: intervals over choices. "
    if missing:
        note += (
            "Not drawn: " + ", ".join(f"{RULES.get(r, r)} from {plain(n)} losses, refused" for r, n in missing) + "."
        )
    return Figure("certificate-price", title, drawing, note)


def _against_theory(rows: list[Row], settings: Mapping[str, Any]) -> Table:
    """Measured beside theory for every rule and sample size."""
    found = {(r.parameters["rule"], r.parameters["sample_size"], r.parameters["source"], r.measure): r for r in rows}
    lines = []
    note = (
        f"target {percent(settings['target'])}, delta {percent(settings['delta'])}, {plain(settings['replications'])} "
        f"choices; brackets: {percent(settings['confidence'])} intervals"
    )
    for rule, size in unique((r.parameters["rule"], r.parameters["sample_size"]) for r in rows):
        head = (Cell(RULES.get(rule, rule)), Cell(plain(size)))
        count = found.get((rule, size, "theory", "allowed_breaches"))
        if count is None:
            why = found[rule, size, "measured", "mean_true_risk"].estimate.get("method")
            lines.append((*head, Cell("refused", "", "muted"), *(Cell("–"),) * 5))
            note += f"; {RULES.get(rule, rule)}, {plain(size)} losses: {why}"
            continue
        cells = [Cell(plain(int(count.value or 0)))]
        for measure in ("mean_true_risk", "violation_share"):
            theory = found[rule, size, "theory", measure]
            cells += [cell(found[rule, size, "measured", measure]), Cell(f"{100 * float(theory.value or 0):.4g} %")]
        lines.append((*head, *cells, cell(found.get((rule, size, "measured", "mean_margin_ratio")))))
    columns = ("Rule", "Losses", "Allowed breaches", "Mean true risk", "Theory", "Choices above target", "Theory")
    return Table("Measured and theory", (*columns, "Margin of the true one"), tuple(lines), note, False, 2)
