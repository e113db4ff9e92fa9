"""Chapters that compare: estimators with the truth, settings with each other, margin with lending."""

from riskengine.report.chapter import Chapter, Result, level_label
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import Figure, frontier, lines
from riskengine.report.labels import model_of, setup_of, title_of, words
from riskengine.report.rows import Row, as_it_stands, at_level, headline_level, select, subject, unique
from riskengine.report.summary import step_of
from riskengine.report.tables import Table, pivot
from riskengine.report.wording import percent

EFFECTS = ("initial_margin_breach", "liquidations", "capital", "bad_debt", "bad_debt_mean", "borrow_capacity")
AXES = ("level", "multiplier", "threshold_shift")
JOINT = {
    "Probability": "How often both are hit",
    "USD": "How large bad debt is when margin breaks",
    "Count": "How many are hit",
}


def calibration(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How wrong the estimators are: against a known truth, and against a simulated reference where none is known."""
    every = select(rows, "calibration")
    simulated = unique(r.parameters.get("exposure") for r in select(every, measure="reference_quantile"))
    own = [r for r in every if r.parameters.get("exposure") not in simulated]
    books = [r for r in every if r.parameters.get("exposure") in simulated]
    level = headline_level(every)
    figures: list[Figure | None] = []
    if pictures:
        panels = [
            (str(exposure), [Dot(level_label(r), _estimator(r), r) for r in part])
            for exposure in unique(r.parameters.get("exposure") for r in own)
            for part in [select(own, measure="relative_bias", exposure=exposure)]
        ]
        for i in range(0, len(panels), 3):
            title = "Relative bias of each estimator, by level"
            figures.append(dots(f"calibration-{i}", title, panels[i : i + 3], zero=True))
    main = ("true_quantile", "relative_bias", "rmse", "mean_breach_probability", "interval_coverage")
    more = ("bias", "rmse_conditional", "probability_below_truth", "refused")
    if any(r.value for r in select(own, measure="refused")):
        main = (*main, "refused")
        more = more[:-1]
    against = ("reference_quantile", "bias", "mean_breach_probability")
    who = ("exposure", "estimator", "level")
    at = f"at {percent(level)}" if level else ""
    lead = (
        "The truth is known here, because the world is ours: the estimate is held against the exact quantile.",
        "An estimate too low breaches more often than its level says; an interval that covers less often than its "
        "confidence is not one.",
    )
    tables = [
        pivot(f"Calibration error {at}", at_level(own, level), main, lead=who[:2]),
        pivot("Calibration error at every level", own, (*main, *more), lead=who, folded=True),
        pivot(f"Accounts against a simulated reference {at}", at_level(books, level), against, lead=who[:2]),
        pivot("Accounts against a simulated reference, at every level", books, against, lead=who, folded=True),
    ]
    return Chapter("calibration", "How wrong is the tail estimate?", lead, [*figures, *tables])


def _estimator(row: Row) -> str:
    return model_of(str(row.parameters.get("estimator") or row.model))


def effect_of_level(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Paired differences between levels, multipliers and thresholds."""
    own = select(rows, "sweep")
    level = headline_level(select(rows, "margin"))
    items: list[Figure | Table | None] = []
    found = unique(step_of(r)[0] for r in own)
    for name in sorted(found, key=lambda n: (AXES.index(n) if n in AXES else len(AXES), found.index(n))):
        part = [r for r in own if step_of(r)[0] == name]
        measured = unique(subject(r) for r in part)
        told = [m for m in EFFECTS if m in measured][:3] or measured[:3]
        if pictures:
            panels = [
                (
                    title_of(m),
                    [Dot(step_of(r)[1], model_of(r.model), r) for r in at_level(part, level) if subject(r) == m],
                )
                for m in told
            ]
            title = f"What a change of {words(name) or 'setting'} does"
            if any(r.parameters.get("level") is not None for r in part) and level is not None:
                title += f", at {percent(level)}"
            items.append(dots(f"difference-{name}", title, panels, zero=True))
        items.append(_differences(part, name))
    lead = (
        "Differences are paired: both settings meet the same draws, and the interval is that of the difference.",
        "An interval that holds zero means: not distinguishable at this number of paths.",
    )
    return Chapter("effect", "What does a change of setting buy?", lead, items)


def _differences(own: list[Row], name: str) -> Table | None:
    """Paired differences along one setting: one line for each model and step, one column for each measure."""
    hidden = ("measure", "from", "to", "parameter", "axis")
    flat = []
    for r in own:
        rest = {k: v for k, v in r.parameters.items() if k not in hidden}
        flat.append(Row(r.section, r.model, subject(r), r.unit, r.estimate, {"step": step_of(r)[1], **rest}))
    measures = unique(r.measure for r in flat)
    return pivot(f"Paired differences, {words(name) or 'setting'}", flat, measures, lead=("step",))


def sweep(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Multiplier and threshold."""
    margin = [r for r in select(rows, "margin", account_kind="all")]
    level = headline_level(margin)
    at = at_level(margin, level)
    lending = select(rows, "lending")
    figures: list[Figure | None] = []
    if pictures:
        named = lambda r: model_of(r.model)  # noqa: E731
        figures = [
            lines(
                "multiplier",
                "Multiplier on the requirement" + (f", at {percent(level)}" if level else ""),
                at,
                ("initial_margin_breach", "liquidations", "capital"),
                "multiplier",
                setup_of,
                "multiplier",
            ),
            frontier(
                "frontier",
                "Coverage against capital",
                margin,
                "initial_margin_breach",
                "capital",
                unique(r.model for r in margin),
            ),
            lines(
                "threshold",
                "Liquidation threshold of every asset",
                lending,
                ("liquidation_probability", "liquidations", "bad_debt_probability", "bad_debt_mean", "bad_debt_es_99")
                + ("borrow_capacity",),
                "threshold_shift",
                named,
                "shift in percentage points",
            ),
        ]
    moved = [r for r in margin if r.parameters.get("multiplier") not in (None, 1.0)]
    table = pivot(
        "Level and multiplier",
        margin if moved else [],
        ("initial_margin_breach", "liquidations", "capital"),
        lead=("level", "multiplier"),
        folded=True,
    )
    return Chapter("sweep", "Level, multiplier, threshold", (), [*figures, table])


def joint(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """One shock on margin and lending."""
    grid = select(rows, "joint")
    own = as_it_stands(grid)
    shown = at_level(own, headline_level(own))
    if pictures:
        panels = [
            (head, [Dot(title_of(r.measure), setup_of(r) if r.model else "", r) for r in shown if r.unit in units])
            for head, units in (("Probability", ("probability", "share")), ("USD", ("USD",)), ("Count", ("count", "")))
        ]
        figures = [dots(f"joint-{i}", head, [panel]) for i, panel in enumerate(panels) for head in [JOINT[panel[0]]]]
    else:
        figures = []
    lead = ("Margin accounts and borrowers live on the same paths; one shock meets both.",)
    measures = unique(r.measure for r in own)
    tables = [pivot("Joint effect", own, measures, lead=("level",))]
    if len(grid) > len(own):
        axes = ("level", "multiplier", "threshold_shift")
        tables.append(pivot("Joint effect at every setting", grid, measures, lead=axes, folded=True))
    return Chapter("joint", "One shock, both books", lead, [*figures, *tables])
