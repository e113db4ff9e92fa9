"""Chapters of rolling forecasts on real series: survivors, breach rates, scores, reliability, each series, power."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log2
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import INK, MUTED, SERIES, handle, legend, sheet, svg, unit_axis
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import Figure
from riskengine.report.heat import Tile, heat
from riskengine.report.labels import TESTS, model_of
from riskengine.report.rows import Row, at_level, headline_level, select, unique
from riskengine.report.tables import LONG, Cell, Table, pivot, power_words, records
from riskengine.report.wording import amount, percent

_KEPT = ("coverage_kept", "shortfall_kept", "pinball_in_set", "fz0_in_set")
_FULL_RATIO = 4.0
_SIDES = {"long": "Long", "short": "Short"}


def _own(rows: Sequence[Row]) -> list[Row]:
    return select(rows, "rolling")


def _names(rows: Sequence[Row]) -> list[str]:
    return unique(r.model for r in rows if r.model)


def _estimator_heat(name: str, title: str, panels, own: Sequence[Row], caption: str) -> Figure | None:
    """Heat map with estimators down the side, the first on top, and levels across."""
    who = _names(own)
    show = (percent, lambda place: model_of(who[int(-place)]))
    return heat(name, title, panels, show, ("level", ""), caption)


def rolling_survivors(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """On how many series each estimator survives."""
    own = _own(rows)
    who, level = _names(own), headline_level(own)
    items: list[Figure | Table | None] = []
    if pictures and own:
        panels = [
            (head, _kept_tiles(own, who, measure))
            for measure, head in zip(
                _KEPT,
                ("VaR not rejected", "ES not rejected", "Among the best: VaR", "Among the best: VaR and ES"),
                strict=True,
            )
        ]
        sides = " and ".join(unique(r.parameters["side"] for r in own))
        caption = (
            f"Cells: series and sides ({sides}) on which the estimator survives, of those that could be judged. White "
            "is all of them, full orange none. Left two: no test rejects after adjustment over all cells. Right "
            "two: the model confidence set holds it. A level that an estimator refuses is left blank."
        )
        for i, pair in enumerate((panels[:2], panels[2:])):
            title = "Not rejected" if i == 0 else "Cannot be told from the best"
            items.append(_estimator_heat(f"rolling-kept-{i}", title, pair, own, caption if i else ""))
    main = ("coverage_kept", "shortfall_kept", "law_kept", "fz0_in_set", "breach_rate", "rate_power")
    at = f", {percent(level)}" if level else ""
    for side in unique(r.parameters["side"] for r in own):
        part = [replace(r, parameters={"estimator": r.model}) for r in at_level(select(own, side=side), level)]
        items.append(_of_series(pivot(f"{_SIDES.get(side, side)}{at}", part, main, lead=("estimator",)), part, main))
    lead = (
        "Nobody knows the truth here. What can be said is whether the breaches contradict the forecasts, and which "
        "forecasts score no worse than the best. Few days and high levels contradict little: power says how little.",
    )
    return Chapter("survivors", "Which estimators survive?", lead, items)


def _of_series(table: Table | None, rows: Sequence[Row], measures: Sequence[str]) -> Table | None:
    """The table with ``8 of 10`` where a cell counts series."""
    if table is None:
        return None
    shown = [m for m in measures if select(rows, measure=m)]
    lines = []
    for who, line in zip(_names(rows), table.rows, strict=True):
        cells = list(line)
        for k, measure in enumerate(shown):
            row = next((r for r in rows if r.model == who and r.measure == measure), None)
            if row is not None and row.unit == "series" and row.value is not None:
                cells[len(cells) - len(shown) + k] = Cell(f"{row.value:.0f} of {row.estimate['n']}", power_words(row))
        lines.append(tuple(cells))
    return replace(table, rows=tuple(lines), folded=False)


def _kept_tiles(own: Sequence[Row], who: Sequence[str], measure: str) -> list[Tile]:
    tiles = []
    for k, name in enumerate(who):
        for level in unique(r.parameters["level"] for r in own):
            found = [r for r in select(own, measure=measure, level=level) if r.model == name and r.value is not None]
            judged = sum(r.estimate["n"] for r in found)
            kept = sum(r.value for r in found)
            tone = 0.9 * (1.0 - kept / judged) if judged else None
            tiles.append(Tile(level, -k, tone, f"{kept:.0f}/{judged}" if judged else "–"))
    return tiles


def rolling_rates(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Breach rate against nominal."""
    own = _own(rows)
    level, items = headline_level(own), []
    if pictures and own:
        panels = [
            (f"{_SIDES.get(side, side)} positions", _ratio_tiles(select(own, side=side), _names(own)))
            for side in unique(r.parameters["side"] for r in own)
        ]
        caption = (
            "Breach rate over the nominal one, all series together. 1.00 is as promised; orange: too often, purple: "
            f"too seldom, full colour from a factor {_FULL_RATIO:g}. At the highest level a handful of breaches "
            "decide: the intervals are in the table."
        )
        items.append(_estimator_heat("rolling-ratio", "Breach rate over nominal", panels, own, caption))
        heads = {f"{_SIDES.get(s, s)}, {percent(level)}": s for s in unique(r.parameters["side"] for r in own)}
        parts = [
            (head, [Dot(model_of(r.model), "", r) for r in select(own, measure="breach_rate", side=s, level=level)])
            for head, s in heads.items()
        ]
        right = dict.fromkeys(heads, round(1 - level, 12)) if level else {}
        items.append(dots("rolling-rate", "Breach rate, all series together", parts, right=right))
    lead = ("Right is the dashed line. The unit of the intervals is the calendar day: markets fall together.",)
    table = pivot("Breach rate of every level", own, ("breach_rate", "alarms_low", "alarms_high"),
                  lead=("side", "level", "estimator"), folded=True)  # fmt: skip
    return Chapter("rates", "Breach rate against nominal", lead, [*items, table])


def _ratio_tiles(own: Sequence[Row], who: Sequence[str]) -> list[Tile]:
    tiles = []
    for r in select(own, measure="breach_rate"):
        ratio = None if r.value is None else r.value / round(1.0 - r.parameters["level"], 12)
        tone = None if ratio is None else log2(max(ratio, 1e-9)) / log2(_FULL_RATIO)
        said = "–" if ratio is None else f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}"
        tiles.append(Tile(r.parameters["level"], -who.index(r.model), tone, said))
    return tiles


def rolling_scores(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Scores against the benchmark."""
    own = _own(rows)
    level = headline_level(own)
    reference = str((result.get("settings") or {}).get("benchmark") or "")
    items: list[Figure | Table | None] = []
    if pictures and own:
        shown = [r for r in at_level(own, level) if r.model != reference]
        parts = [
            (head, [Dot(model_of(r.model), _SIDES[r.parameters["side"]], r) for r in select(shown, measure=m)])
            for m, head in (("pinball_gain", "pinball loss saved (VaR)"), ("fz0_gain", "FZ0 score saved (VaR and ES)"))
        ]
        title = f"Better or worse than {model_of(reference)}, {percent(level)}" if level else ""
        items.append(dots("rolling-gain", title, parts, zero=True))
    parts_of = ("pinball_gain", "fz0_gain", "pinball_in_set", "fz0_in_set")
    items.append(pivot("Scores of every level", own, parts_of, lead=("side", "level", "estimator"), folded=True))
    tracked = select(rows, "rolling_tracking")
    measures = ("var_tracking_error", "var_tracking_difference")
    tracked = [replace(r, parameters={**r.parameters, "estimator": r.model}, model="") for r in tracked]
    lead_of = ("side", "series", "estimator")
    items.append(
        pivot(f"How far VaR strays from {model_of(reference)} over time", tracked, measures, lead=lead_of, folded=True)
    )
    laws = [
        replace(r, parameters={"estimator": r.model, "side": r.parameters.get("side", "both")})
        for r in select(rows, "rolling_law")
    ]
    measures = ("crps_gain", "tail_crps_gain")
    items.append(pivot("Whole laws and their tails", laws, measures, lead=("side", "estimator")))
    lead = (
        f"Differences of mean scores on the same days, against {model_of(reference)}; right of zero is better. An "
        "interval that holds zero: not distinguishable.",
    )
    return Chapter("scores", "Which forecasts score better?", lead, items)


def rolling_portfolios(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Ex ante tracking error of portfolios against what came after."""
    own = select(rows, "rolling_portfolio")
    items: list[Figure | Table | None] = []
    ratios = select(own, measure="tracking_ratio")
    if pictures and ratios:
        shown = [r for r in ratios if r.parameters.get("group") or r.parameters.get("error") == "Newey-West"]
        part = [Dot(r.parameters["portfolio"], r.parameters.get("group", "all periods"), r) for r in shown]
        title = "Realised over forecast tracking error"
        items.append(dots("rolling-tracking-ratio", title, [("", part)], right={"": 1.0}))
    single = ("ex_ante_tracking_error", "tracking_difference", "tracking_exceedance")
    items.append(pivot("Forecast and difference", own, single, lead=("portfolio",)))
    lead_of = ("portfolio", "error")
    by_error = [r for r in own if "error" in r.parameters]
    measures = ("ex_post_tracking_error", "tracking_ratio")
    items.append(pivot("Ex post, and over the forecast, by way to the error", by_error, measures, lead=lead_of))
    groups = [r for r in ratios if "group" in r.parameters]
    items.append(
        pivot("By size of the forecast", groups, ("tracking_ratio",), lead=("portfolio", "group"), folded=True)
    )
    lead = (
        "A portfolio is held against its benchmark, weights restored every period; the tracking error of the next "
        "period is forecast from the covariance of the returns before it. Right is 1, the dashed line.",
    )
    return Chapter("portfolios", "Is the ex ante tracking error right?", lead if own else (), items if own else [])


def rolling_reliability(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Reliability and Murphy diagrams."""
    curves = result.get("curves") or ()
    own = [c for c in curves if c.get("name") == "quantile_reliability"]
    murphy = [c for c in curves if c.get("name") == "murphy"]
    transforms = [c for c in curves if c.get("name") == "transforms"]
    items: list[Figure | Table | None] = []
    if pictures and own:
        items.append(_reliability(own))
    if pictures and murphy:
        items.append(_murphy(murphy, rows))
    if pictures and transforms:
        items.append(_transforms(transforms))
    laws = [replace(r, parameters={"estimator": r.model}) for r in select(rows, "rolling_law")]
    items.append(
        pivot("Unevenness of forecast transforms", laws, ("pit_error", "pit_error_right"), lead=("estimator",))
    )
    parts = [r for r in _own(rows) if r.measure.startswith("pinball_") and not r.measure.endswith(("gain", "set"))]
    parts = [r for r in parts if r.measure != "pinball_in_set"]
    measures = ("pinball_miscalibration", "pinball_discrimination", "pinball_uncertainty")
    items.append(pivot("Parts of the mean pinball loss", parts, measures, lead=("side", "estimator"), folded=True))
    lead = (
        "On the diagonal a forecast is the quantile of the days on which it is made; below it VaR was too high on such "
        "days, above it too low. A flat line: forecasts move, the quantile does not.",
    )
    return Chapter("quantile-reliability", "Are high forecasts made on dangerous days?", lead if own else (), items)


def _reliability(curves: Sequence[Mapping[str, Any]]) -> Figure:
    who = unique(c["parameters"]["model"] for c in curves)
    sides = unique(c["parameters"]["side"] for c in curves)
    columns = min(4, len(who))
    deep = -(-len(who) // columns)
    level = curves[0]["parameters"]["level"]
    title = f"Reliability of the {percent(level)} VaR, all series"
    top = max(sorted(c["x"])[int(0.95 * len(c["x"])) - 1] for c in curves)
    with sheet(deep, columns, 2.3 * deep + 0.5, share_y=True) as (figure, axes):
        for number, (ax, name) in enumerate(zip(axes, who, strict=False)):
            ax.plot([0, top], [0, top], color=INK, lw=0.9, zorder=1)
            for i, side in enumerate(sides):
                for c in curves:
                    if (c["parameters"]["model"], c["parameters"]["side"]) == (name, side):
                        ax.plot(c["x"], c["y"], color=SERIES[i], lw=1.6, drawstyle="steps-mid", zorder=3)
            ax.set_xlim(0, top)
            ax.set_ylim(0, 1.35 * top)
            ax.locator_params(nbins=4)
            unit_axis(ax.xaxis, "share")
            unit_axis(ax.yaxis, "share")
            ax.set_title(model_of(name), fontsize=9)
            if number + columns >= len(who):
                ax.set_xlabel("forecast")
            if number % columns == 0:
                ax.set_ylabel("recalibrated")
        for ax in axes[len(who) :]:
            ax.remove()
        if len(sides) > 1:
            legend(figure, [handle(i, line=True) for i in range(len(sides))], [_SIDES.get(s, s) for s in sides])
        drawing = svg(figure, "rolling-reliability", title)
    n = max(c["n"] for c in curves)
    caption = f"Isotonic recalibration (CORP) of the forecast quantile, in sample, {n:,} days at most. Line: diagonal."
    return Figure("rolling-reliability", title, drawing, caption)


def _transforms(curves: Sequence[Mapping[str, Any]]) -> Figure:
    columns = min(4, len(curves))
    deep = -(-len(curves) // columns)
    title = "Where losses fall in the forecast law, all series"
    top = max(1.5, *(1.08 * max(c["y"]) for c in curves))
    with sheet(deep, columns, 2.1 * deep + 0.4, share_y=True) as (figure, axes):
        for number, (ax, c) in enumerate(zip(axes, curves, strict=False)):
            ax.bar(c["x"], c["y"], width=0.9 / len(c["x"]), color=SERIES[0], zorder=2)
            ax.axhline(1.0, color=INK, lw=0.9, zorder=3)
            ax.set_xlim(0, 1)
            ax.set_ylim(0, top)
            ax.set_xticks([0, 0.5, 1])
            unit_axis(ax.xaxis, "probability")
            ax.set_title(model_of(c["parameters"]["model"]), fontsize=9)
            if number % columns == 0:
                ax.set_ylabel("days, of even share")
        for ax in axes[len(curves) :]:
            ax.remove()
        drawing = svg(figure, "rolling-transforms", title)
    n = max(c["n"] for c in curves)
    caption = (
        f"Forecast probability of a smaller loss of a long position, {n:,} days at most: even at 1 where the law is "
        "right. High ends: too narrow a law; a hump in the middle: too wide."
    )
    return Figure("rolling-transforms", title, drawing, caption)


def _murphy(curves: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> Figure | None:
    """The benchmark and the five estimators with the largest gain, on the first side."""
    side = curves[0]["parameters"]["side"]
    own = [c for c in curves if c["parameters"]["side"] == side]
    level = own[0]["parameters"]["level"]
    gains = {r.model: r.value or 0.0 for r in select(_own(rows), measure="pinball_gain", side=side, level=level)}
    order = sorted(own, key=lambda c: -gains.get(c["parameters"]["model"], -9.0))
    kept = order[:5] + [c for c in order[5:] if gains.get(c["parameters"]["model"]) == 0.0][:1]
    title = f"Murphy diagram of the {percent(level)} VaR, {side} positions"
    with sheet(1, 1, 3.6) as (figure, (ax,)):
        for i, c in enumerate(kept):
            ax.plot(c["x"], c["y"], color=SERIES[i % len(SERIES)], lw=1.5, zorder=3)
        ax.set_xlim(0, max(kept[0]["x"]))
        ax.set_ylim(0, None)
        unit_axis(ax.xaxis, "share")
        ax.set_xlabel("threshold")
        ax.set_ylabel("mean elementary score")
        ax.tick_params(axis="y", colors=MUTED)
        legend(
            figure, [handle(i, line=True) for i in range(len(kept))], [model_of(c["parameters"]["model"]) for c in kept]
        )
        drawing = svg(figure, "rolling-murphy", title)
    caption = (
        "What decisions at each threshold cost: one line below another everywhere is better under every consistent "
        "score. Shown: the best five by pinball loss, and the benchmark; each on the days that it has."
    )
    return Figure("rolling-murphy", title, drawing, caption)


def rolling_by_series(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Every series: counts, verdicts, p-values, folded."""
    table = result.get("cells") or {}
    names = list(table.get("columns") or ())
    cells = [dict(zip(names, line, strict=True)) for line in table.get("rows") or ()]
    if not cells or "series" not in names:  # cells of another kind of study
        return Chapter("series", "Series by series", (), [])
    series = result.get("series") or []
    size = float((result.get("settings") or {}).get("significance") or 0.05)
    multiple = float((result.get("settings") or {}).get("rate_multiple") or 2.0)
    level = 0.99 if any(c["level"] == 0.99 for c in cells) else min(c["level"] for c in cells)
    items: list[Figure | Table | None] = [records("Series", series, folded=len(series) > LONG)]
    for name in unique(c["series"] for c in cells):
        items.append(_series_table(name, [c for c in cells if (c["series"], c["level"]) == (name, level)], size))
    tests = [t for t in TESTS if any(c.get(t) is not None for c in cells)]
    adjusted = ("coverage_p_bh", "shortfall_p_bh", "law_p_bh")
    shown = [c for c in cells if c["level"] == level and any((c.get(p) or 1.0) <= size for p in adjusted)]
    lines = tuple(
        (Cell(c["series"]), Cell(c["side"]), Cell(model_of(c["estimator"])), *(_p(c, t, t, 0.0) for t in tests))
        for c in shown
    )
    head = ("Series", "Side", "Estimator", *(TESTS[t] for t in tests))
    items.append(
        Table(f"What is rejected at {percent(level)}: every test, p-values as they come", head, lines, "", True, 3)
    )
    lead = [
        f"VaR p, ES p and law p are adjusted over all cells (Benjamini–Hochberg); at most {size:g} is a rejection. "
        "Beneath each stands its power, of all tests of its kind together before that adjustment, against breaches "
        f"{multiple:g} times as frequent as promised; beneath the zone and single tests, that of each by itself."
    ]
    lead += [f"Shown at {percent(level)}; every level is in tables/cells.csv."]
    lead += [f"Left out: {said}." for said in result.get("left_out") or ()]
    return Chapter("series", "Series by series", lead, items)


def _p(c: Mapping[str, Any], name: str, test: str, size: float) -> Cell:
    """A p-value of a cell of the study, and the power of its test."""
    value, power = c.get(name), c.get(f"{test}_power")
    if value is None:
        return Cell("–")
    small = "" if power is None else f"{100 * power:.0f} %"
    return Cell(f"{value:.3f}" if value >= 0.001 else f"{value:.0e}", small, "fail" if value <= size else "")


def _series_table(name: str, cells: Sequence[Mapping[str, Any]], size: float) -> Table:
    lines = []
    for c in cells:
        head = [Cell(c["side"]), Cell(percent(c["level"])), Cell(model_of(c["estimator"]))]
        if c["refused"]:
            lines.append((*head, Cell("refused", c["refused"], "muted"), *(Cell("–") for _ in range(8))))
            continue
        tail = round(1.0 - c["level"], 12)
        rate = c["breaches"] / c["days"]
        lines.append(
            (
                *head,
                Cell(f"{c['breaches']}", f"{tail * c['days']:.1f} promised"),
                Cell(amount(rate, "probability")),
                replace(
                    _p(c, "zone_power", "zone", 0.0),
                    text=c["zone"],
                    tone={"green": "", "yellow": "inconclusive", "red": "fail"}[c["zone"]],
                ),
                _p(c, "coverage_p_bh", "coverage", size),
                _p(c, "shortfall_p_bh", "shortfall", size),
                _p(c, "law_p_bh", "law", size),
                Cell("–" if c["pinball"] is None else f"{c['pinball'] * 1e4:.2f}", _in(c["pinball_set_p"])),
                Cell("–" if c["fz0"] is None else f"{c['fz0']:.3f}", _in(c["fz0_set_p"])),
                Cell(" / ".join(str(c[k]) if c[k] is not None else "–" for k in ("alarm_low", "alarm_high"))),
            )
        )
    columns = ("Side", "Level", "Estimator", "Breaches", "Rate", "Zone", "VaR p", "ES p", "Law p",
               "Pinball, bp", "FZ0",
               "Alarm low / high")  # fmt: skip
    return Table(name, columns, tuple(lines), "", True, 3)


def _in(p_value: float | None) -> str:
    return "" if p_value is None else f"set p {p_value:.2f}"


def rolling_power(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What the tests can see."""
    own = select(rows, "rolling_power")
    settings = result.get("settings") or {}
    lead = (
        f"Too many: breaches {settings.get('rate_multiple', 2):g} times as frequent as promised, forecasts too low by "
        f"one factor. Clusters: the rate is right, and {percent(float(settings.get('cluster_share') or 0.2))} of "
        "breaches are followed by another the next day. Each test by itself, before any adjustment.",
    )
    table = pivot(
        "Power", own, ("power_rate", "power_clusters", "test_size"), lead=("level", "days", "test"), folded=True
    )
    return Chapter("power", "What could the tests have seen?", lead, [table])
