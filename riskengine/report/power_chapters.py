"""Chapters of a study of backtests: true size, power by alternative, what is found when, many tests, overlaps."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import (
    MUTED,
    Point,
    handle,
    legend,
    log_axis,
    marks,
    sheet,
    sparse_names,
    svg,
    unit_axis,
)
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import Figure, interval_note
from riskengine.report.labels import model_of, value_of
from riskengine.report.rows import Row, at_level, headline_level, select, unique
from riskengine.report.tables import pivot
from riskengine.report.wording import percent, plain

# what a chart can hold, chosen for what the test reads; the tables have every test
_RATE = ("kupiec", "traffic_light", "christoffersen", "gmm_duration", "z2", "berkowitz_tail", "berkowitz", "e_var")
_EXCESS = (
    "z1",
    "z2",
    "z3",
    "mcneil_frey",
    "berkowitz_tail",
    "du_escanciano",
    "conditional_calibration_one_sided",
    "e_es",
)
_CLUSTERS = (
    "kupiec",
    "christoffersen_independence",
    "weibull_duration",
    "gmm_duration",
    "dynamic_quantile",
    "du_escanciano_conditional",
    "berkowitz",
    "e_var",
)
_ROLLING = ("kupiec", "traffic_light", "christoffersen_independence", "christoffersen", "dynamic_quantile", "e_var")


def _judged(rows: Sequence[Row]) -> list[Row]:
    """Each test once, by the way that keeps its size: Kupiec's chi-squared is left to the tables."""
    return [r for r in rows if (r.model, r.parameters.get("p_value")) != ("kupiec", "asymptotic")]


def _setting(result: Result, name: str, otherwise: float) -> float:
    return float((result.get("settings") or {}).get(name, otherwise))


def size(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """True size of every test against its nominal level."""
    own = select(rows, "test_size", "test_size")
    level, nominal = headline_level(own), _setting(result, "test_level", 0.05)
    figure = _sizes(at_level(own, level), level or 0.99, nominal) if pictures else None
    lead = (
        f"How often a test rejects a forecast that is right, where {percent(nominal)} is promised: too often is false "
        "alarm, too seldom wastes what the data could say.",
        "Asymptotic p-values are those of textbooks. A simulated one ranks the statistic among draws of it under the "
        "forecast, and keeps its size whatever the number of days; counts move in steps and stay below.",
    )
    lines = ("level", "sample_size", "p_value")
    both = ("test_size", "untestable")
    table = pivot("True size and untestable histories", select(rows, "test_size"), both, lead=lines, folded=True)
    return Chapter("power-size", "Does a test keep what it promises?", lead, [figure, table])


def _sizes(rows: Sequence[Row], level: float, nominal: float) -> Figure | None:
    """True sizes on a logarithmic axis: a line for each test, a mark for each way to its p-value, a panel for days."""
    if not rows:
        return None
    tests, ways = unique(r.model for r in rows), unique(r.parameters["p_value"] for r in rows)
    days = unique(r.parameters["sample_size"] for r in rows)
    title = f"True size of a {percent(nominal)} test at {percent(level)}"
    with sheet(1, len(days), 1.3 + 0.26 * len(tests), share_y=True) as (figure, axes):
        for ax, n in zip(axes, days, strict=True):
            log_axis(ax, "x", (0.0025, 0.6), "probability")
            ticks = (0.005, 0.02, nominal, 0.1, 0.3)
            ax.set_xticks(ticks, [f"{100 * t:g}" for t in ticks])
            ax.axvline(nominal, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
            for i, way in enumerate(ways):
                own = [r for r in select(rows, sample_size=n) if r.parameters["p_value"] == way]
                at = [tests.index(r.model) + 0.3 * (i / max(1, len(ways) - 1) - 0.5) for r in own]
                marks(ax, [Point(y, r.estimate) for y, r in zip(at, own, strict=True)], i, sideways=True)
            ax.set_title(f"{plain(n)} days")
            ax.set_xlabel("rejected, %")
            ax.set_yticks(range(len(tests)), [model_of(t) for t in tests])
            ax.set_ylim(len(tests) - 0.4, -0.6)
            ax.tick_params(axis="y", length=0)
        legend(figure, [handle(i) for i in range(len(ways))], [f"{value_of('p_value', w)} p-value" for w in ways])
        drawing = svg(figure, "power-size", title)
    note = f"Dashed: {percent(nominal)}. Hollow marks on the left edge: less than a quarter of a percent. "
    return Figure("power-size", title, drawing, note + interval_note([r.estimate for r in rows]))


def rate(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Power against a breach rate that is a multiple of the promised one, what is detectable, and when."""
    own = select(rows, "test_power", "test_power", alternative="rate")
    figures = _against_multiple(result, rows, own, _RATE, "power-rate", "a breach rate that is wrong", "times the rate")
    detect = select(rows, "detection")
    lead = (
        "Every return is larger by one factor, so that VaR is breached the stated multiple as often, on independent "
        "days. What a test does not find at the number of days at hand, its pass does not rule out.",
        "Smallest rate found: the multiple of the promised breach rate that the test rejects with the stated power. "
        "A dash among the months: outside the numbers of days that were simulated.",
    )
    at = headline_level(detect)
    few = [r for r in at_level(detect, at) if r.model in _RATE]
    return Chapter(
        "power-rate",
        "How wrong must the breach rate be before a test sees it?",
        lead if own else (),
        [
            *(figures if pictures else ()),
            _wide(f"Smallest rate found with {_found(result)} power, at {percent(at or 0.99)}", few,
                  "detectable_multiple", "sample_size", lambda n: f"{plain(n)} days", (), folded=False),
            _wide(f"Months until found with {_found(result)} power, at {percent(at or 0.99)}", few,
                  "months_to_detect", "multiple", lambda m: f"×{m:g}", (), folded=False),
            _wide("Smallest rate found, at every level", detect, "detectable_multiple", "sample_size",
                  lambda n: f"{plain(n)} days", ("level",)),
            _wide("Months until found, at every level", detect, "months_to_detect", "multiple", lambda m: f"×{m:g}",
                  ("level",)),
            _wide("Power by multiple of the rate", own, "test_power", "multiple", lambda m: f"×{m:g}",
                  ("level", "sample_size")),
        ],
    )  # fmt: skip


def _found(result: Result) -> str:
    return percent(_setting(result, "detection_power", 0.8))


def excess(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Power against an ES that is too small at the right VaR."""
    own = select(rows, "test_power", "test_power", alternative="excess")
    heading = "an ES too small at the right VaR"
    figures = _against_multiple(result, rows, own, _EXCESS, "power-excess", heading, "times the excess over VaR")
    ratio = select(rows, "test_power", "es_ratio")
    lead = (
        "What a return has beyond the VaR point is multiplied: VaR is breached as often as promised, but what is lost "
        "then is more. Tests of the days of breaches cannot see it.",
    )
    return Chapter(
        "power-excess",
        "How wrong must ES be before a test sees it?",
        lead if own else (),
        [
            *(figures if pictures else ()),
            _wide("True over forecast ES", ratio, "es_ratio", "multiple", lambda m: f"excess ×{m:g}", ("level",),
                  folded=False),
            _wide("Power by multiple of the excess", own, "test_power", "multiple", lambda m: f"×{m:g}",
                  ("level", "sample_size")),
        ],
    )  # fmt: skip


def clusters(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Power against breaches that come together at the right average rate."""
    lead = (
        "The world has stochastic volatility, the forecast is its unconditional law: breaches are as frequent as "
        "promised on average and come in bunches. A test of the rate rejects here because bunches scatter the count.",
    )
    title = "Does a test see breaches that come together?"
    return _by_days(result, rows, pictures, "clusters", _CLUSTERS, title, lead)


def rolling(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Power against the estimation error of a rolling window."""
    lead = (
        "Losses are independent draws of one law, VaR is estimated anew from the window before each day: nothing is "
        "wrong but estimation. A window learns from its own breaches, so that counts scatter less than those of "
        "independent days, and a rate that is too high on average may pass more often than a right one.",
    )
    return _by_days(result, rows, pictures, "rolling", _ROLLING, "Does a test see the error of estimation?", lead)


def _by_days(
    result: Result,
    rows: list[Row],
    pictures: bool,
    alternative: str,
    tests: Sequence[str],
    title: str,
    lead: Sequence[str],
) -> Chapter:
    own = select(rows, "test_power", "test_power", alternative=alternative)
    about = [
        r for r in select(rows, "test_power", alternative=alternative) if not r.model and "alternative" in r.parameters
    ]
    figures = []
    for i, case in enumerate(unique(r.parameters["case"] for r in own) if pictures else ()):
        here = select(_judged(own), case=case)
        panels = [
            (percent(level), select(here, level=level)) for level in sorted(unique(r.parameters["level"] for r in here))
        ]
        heading = f"How often forecasts are rejected: {model_of(str(case))}"
        x = [float(n) for n in sorted(unique(r.parameters["sample_size"] for r in here))]
        figures.append(
            _curves(
                f"power-{alternative}-{i}",
                heading,
                panels,
                [t for t in tests if t in unique(r.model for r in here)],
                lambda r: float(r.parameters["sample_size"]),
                (x, [plain(int(n)) for n in x], "days"),
                _setting(result, "test_level", 0.05),
                None,
            )
        )
    measures = ("mean_breach_probability", "breach_after_breach")
    return Chapter(
        f"power-{alternative}",
        title,
        lead if own else (),
        [
            *figures,
            pivot("What is true", about, measures, lead=("case", "level")),
            _wide("Power by number of days", own, "test_power", "sample_size", lambda n: f"{plain(n)} days",
                  ("case", "level")),
        ],
    )  # fmt: skip


def _against_multiple(
    result: Result, rows: list[Row], own: list[Row], tests: Sequence[str], name: str, what: str, axis: str
) -> list[Figure | None]:
    """Power over the multiple, one panel for each number of days; at 1 stands the true size."""
    level = headline_level(own)
    if level is None:
        return []
    shown = _judged(at_level(own, level))
    sizes = _judged(at_level(select(rows, "test_size", "test_size"), level))
    chosen = [t for t in tests if t in unique(r.model for r in shown)]
    way = {r.model: r.parameters.get("p_value") for r in shown}
    panels = []
    for n in sorted(unique(r.parameters["sample_size"] for r in shown)):
        start = [r for r in select(sizes, sample_size=n) if way.get(r.model) == r.parameters.get("p_value")]
        panels.append((f"{plain(n)} days", start + select(shown, sample_size=n)))
    at = sorted(unique([1.0, *(r.parameters["multiple"] for r in shown)]))
    ticks = (at, [f"{v:g}" for v in at], axis)
    title = f"Power at {percent(level)} against {what}"
    marked = _setting(result, "test_level", 0.05), _setting(result, "detection_power", 0.8)
    return [_curves(name, title, panels, chosen, lambda r: r.parameters.get("multiple", 1.0), ticks, *marked)]


def _curves(
    name: str,
    title: str,
    panels: Sequence[tuple[str, Sequence[Row]]],
    tests: Sequence[str],
    x: Callable[[Row], float],
    ticks: tuple[Sequence[float], Sequence[str], str],
    nominal: float,
    target: float | None,
) -> Figure | None:
    """Shares of rejections from 0 to 1 over a logarithmic setting, one line for each test."""
    panels = [(head, [r for r in p if r.model in tests and r.value is not None]) for head, p in panels]
    panels = [(head, p) for head, p in panels if p]
    if not panels:
        return None
    at, names, axis = ticks
    highest = max(r.estimate.get("upper") or r.value for _, p in panels for r in p)
    top = next(t for t in (0.1, 0.2, 0.4, 0.6, 1.0) if highest <= t or t == 1.0)
    with sheet(1, len(panels), 4.2, share_y=True) as (figure, axes):
        for ax, (head, shown) in zip(axes, panels, strict=True):
            ax.set_xscale("log")
            ax.set_xlim(min(at) / 1.12, max(at) * 1.12)
            ax.set_ylim(0.0, top)
            ax.minorticks_off()
            ax.set_xticks(at, sparse_names(at, names, (min(at), max(at)), len(panels)))
            unit_axis(ax.yaxis, "probability")
            for line in (nominal, target):
                if line is not None:
                    ax.axhline(line, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
            for i, test in enumerate(tests):
                own = sorted((r for r in shown if r.model == test), key=x)
                marks(ax, [Point(x(r), r.estimate) for r in own], i, line=True)
            ax.set_title(head)
            ax.set_xlabel(axis)
        axes[0].set_ylabel("rejected")
        legend(figure, [handle(i, line=True) for i in range(len(tests))], [model_of(t) for t in tests])
        drawing = svg(figure, name, title)
    also = "" if target is None else f" and {percent(target)}"
    note = f"Dashed: {percent(nominal)}, the nominal size{also}. "
    return Figure(name, title, drawing, note + interval_note([r.estimate for _, p in panels for r in p]))


def _wide(
    title: str,
    rows: Sequence[Row],
    measure: str,
    across: str,
    say: Callable[[float], str],
    lead: Sequence[str],
    *,
    folded: bool = True,
):
    """One measure with a column for each value of a setting."""
    own = select(rows, measure=measure)
    values = sorted(unique(r.parameters[across] for r in own))
    renamed = [
        replace(
            r,
            measure=say(r.parameters[across]),
            parameters={k: v for k, v in r.parameters.items() if k not in (across, "alternative")},
        )
        for r in own
    ]
    table = pivot(title, renamed, [say(v) for v in values], lead=lead, folded=folded)
    return None if table is None else replace(table, folded=folded)


def many(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """False alarms of many tests, with and without adjustment."""
    own = select(rows, "multiplicity")
    level = headline_level(own)
    here = at_level(own, level)
    tests = [r for r in here if "family" in r.parameters]
    accounts = [r for r in here if "accounts" in r.parameters]
    lead = (
        "Many tests of one history, or one test of many accounts: each at its own level, some alarm is likely though "
        "nothing is wrong. Holm and Hommel keep the chance of any false alarm at the level of one test and cost power. "
        "Benjamini–Hochberg bounds the share of false alarms among alarms, which is that chance where all is right.",
    )
    plain_or_holm = [r for r in tests if r.parameters["procedure"] in ("none", "holm")]
    lines = ("family", "tests", "p_value", "procedure")
    return Chapter(
        "power-many",
        "What do many tests cost?",
        lead if own else (),
        [
            _wide(f"Chance of at least one false alarm among tests of one history, {percent(level or 0.99)}",
                  plain_or_holm, "false_alarm", "sample_size", lambda n: f"{plain(n)} days", lines, folded=False),
            _wide(f"Chance of at least one false alarm among independent accounts, {percent(level or 0.99)}",
                  accounts, "false_alarm", "sample_size", lambda n: f"{plain(n)} days",
                  ("accounts", "p_value", "procedure"), folded=False),
            _wide(f"Chance that at least one test finds a wrong rate, {percent(level or 0.99)}", tests, "family_power",
                  "sample_size", lambda n: f"{plain(n)} days", ("multiple", "family", "tests", "procedure")),
            pivot("Many tests, at every level", own, ("false_alarm", "family_power"), folded=True,
                  lead=("level", "sample_size", "family", "tests", "accounts", "p_value", "procedure")),
        ],
    )  # fmt: skip


def overlaps(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What overlapping losses do to a test of their count."""
    own = select(rows, "overlap")
    level = headline_level(own)
    shown = at_level(select(own, measure="test_size"), level)
    figure = None
    if pictures and shown:
        panels = []
        for h in sorted(unique(r.parameters["overlap"] for r in shown)):
            made = []
            for r in select(shown, overlap=h):
                label = f"{plain(r.parameters['sample_size'])} days, {model_of(r.model)}"
                if (r.model, r.parameters["p_value"]) == ("kupiec", "asymptotic"):
                    label += " χ²"
                made.append(Dot(label, str(r.parameters["losses"]), r))
            panels.append((f"losses over {plain(h)} days", made))
        title = f"True size of tests of overlapping losses at {percent(level or 0.99)}"
        figure = dots("power-overlap", title, panels, log=True)
    lead = (
        "A loss over several days that begins on every day shares days with its neighbours: one bad day is a breach of "
        "many, and the count scatters far more than a binomial one. Bounds simulated under the forecast hold; losses "
        "apart are fewer, and counts of few move in large steps.",
    )
    table = pivot("Overlapping losses", own, ("test_size", "test_power"), folded=True,
                  lead=("overlap", "level", "sample_size", "losses"))  # fmt: skip
    return Chapter("power-overlap", "May losses overlap?", lead if own else (), [figure, table])
