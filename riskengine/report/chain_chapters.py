"""Chapters of a backtest on option chains: disclosure, exceptions by account, cost over time, models compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import SERIES, dash_of, handle, legend, sheet, svg, unit_axis
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import Figure
from riskengine.report.labels import model_of, setup_of, title_of, words
from riskengine.report.rows import Row, select, unique
from riskengine.report.summary_chain import promised
from riskengine.report.tables import Cell, Table, pivot
from riskengine.report.wording import amount, parts, percent

_RISES = ("margin_peak_to_trough", "margin_rise_1", "margin_rise_5", "margin_rise_30")
_MOST_LINES = 6  # models in the picture of requirements over time


def chain_disclosure(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How often, and by how much, requirements were exceeded."""
    own = select(rows, "chain")
    settings = result.get("settings") or {}
    target = float(settings.get("coverage_target") or 0.99)
    items: list[Figure | Table | None] = []
    if pictures and own:
        heads = {title_of(m): m for m in ("exception_rate", "equal_exception_rate")}
        panels = [(h, [Dot(setup_of(r), "", r) for r in select(own, measure=m)]) for h, m in heads.items()]
        right = dict.fromkeys(heads, round(1 - target, 12))
        items.append(dots("chain-rate", "Exception rate, all accounts together", panels, right=right))
    items.append(_disclosure(own, target))
    lead = (
        f"The dashed line is one less the coverage target, {percent(target)}. A level is a promise; a grid has none "
        "and is held against the target. On the right requirements are multiplied so that all models cost the same.",
        "The table has the items that central counterparties disclose (CPMI-IOSCO 2015, 6.5): achieved coverage, "
        "number of exceptions, peak and average uncovered exposure, as shares of the account's spot notional. How "
        "often maintenance margin was exceeded is a lower bound: one snapshot a day does not show the worst of it.",
    )
    return Chapter("chain", "How often was the requirement exceeded?", lead if own else (), items)


def _disclosure(own: Sequence[Row], target: float) -> Table | None:
    models = unique((r.model, r.parameters.get("level")) for r in own)
    if not models:
        return None
    lines = []
    for model, level in models:
        found = {r.measure: r for r in own if (r.model, r.parameters.get("level")) == (model, level)}
        rate = found["exception_rate"]
        low, high = rate.estimate.get("lower"), rate.estimate.get("upper")
        tone = "fail" if low is not None and low > promised(rate, target) else ""
        bounds = "" if low is None or high is None else f"[{100 * (1 - high):.2f}, {100 * (1 - low):.2f}]"
        rejected = found["accounts_rejected_bh"]
        lines.append(
            (
                Cell(setup_of(rate)),
                Cell(f"{percent(level)}" if level else f"{percent(target)}", "level" if level else "target"),
                Cell("–" if rate.value is None else f"{100 * (1 - rate.value):.2f} %", bounds, tone),
                Cell(
                    f"{found['exceptions'].value:,.0f}",
                    f"of {found['expected_exceptions'].value:.1f}, on {_days(found['exception_days'].value)}",
                ),
                *(
                    _sized(found.get(m))
                    for m in ("uncovered_peak", "uncovered_mean", "maintenance_exception_rate", "margin_share")
                ),
                Cell(f"{rejected.value:.0f} of {rejected.estimate['n']}", "", "fail" if rejected.value else ""),
            )
        )
    n = select(own, measure="observations")[0].value
    note = (
        f"{n:,.0f} observations of each model; exceptions: of how many promised; brackets: intervals that take the day "
        "as the unit, with Student's t for few days with exceptions, and hold the truth in 95 % and more of simulated "
        "histories of 36 accounts alike and 121 days; accounts rejected: exact binomial, Benjamini–Hochberg"
    )
    columns = ("Model", "Coverage promised", "Coverage achieved", "Exceptions", "Peak uncovered", "Mean uncovered",
               "Above maintenance", "Mean requirement", "Accounts rejected")  # fmt: skip
    return Table("Disclosure table", columns, tuple(lines), note, False, 1)


def _days(n: float) -> str:
    return "1 day" if n == 1 else f"{n:.0f} days"


def _sized(row: Row | None) -> Cell:
    if row is None or row.value is None:
        return Cell("–")
    value, interval = parts(row.estimate, row.unit)
    return Cell(value, "" if interval == "exact" else interval)


def chain_accounts(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Which accounts are under-margined by which model."""
    table = result.get("cells") or {}
    names = list(table.get("columns") or ())
    if "account" not in names:
        return Chapter("chain-accounts", "Which accounts break?", (), [])
    cells = [dict(zip(names, line, strict=True)) for line in table.get("rows") or ()]
    settings = result.get("settings") or {}
    size = float(settings.get("significance") or 0.05)
    multiple = float(settings.get("rate_multiple") or 3.0)
    lead = [
        "Counts are over all assets; marked where on one of them the count is too high after adjustment over all "
        f"models and accounts (Benjamini–Hochberg, {size:g}). Such a test of one account sees exceptions {multiple:g} "
        f"times as frequent as promised with a probability of {_range(cells, 'power')} % before adjustment and of "
        f"{_range(cells, 'power_adjusted')} % at the p-value that the adjustment asks for: an unmarked cell is no "
        "proof.",
    ]
    apart = settings.get("apart") or ()
    if apart:
        lead.append(f"No part of what is pooled over accounts: {', '.join(words(a) for a in apart)}.")
    counted = result.get("left_out") or ()
    lead += [f"Counted: {'; '.join(counted)}."] if counted else []
    setups = _setups(cells)
    # two tables, as so many columns do not fit a page
    grids, others = ([s for s in setups if (s[1] is None) == has_none] for has_none in (True, False))
    items = [_counts("without a level", cells, grids, size), _counts("with a level", cells, others, size)]
    items.append(_every_cell(cells, size))
    pooled = [replace(r, parameters=dict(r.parameters)) for r in select(rows, "chain_accounts")]
    measures = ("exception_rate", "uncovered_mean", "uncovered_peak", "margin_share")
    items.append(pivot("By account, assets together", pooled, measures, lead=("account",), folded=True))
    return Chapter("chain-accounts", "Which accounts break?", lead, items)


def _range(cells: Sequence[Mapping[str, Any]], name: str) -> str:
    """Least and greatest of a probability over cells, per cent."""
    found = sorted(unique(f"{100 * c[name]:.0f}" for c in cells if c.get(name) is not None), key=float)
    return f"{found[0]} to {found[-1]}" if len(found) > 1 else "".join(found) or "–"


def _setups(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, float | None]]:
    return unique((c["model"], c["level"]) for c in cells)


def _named(model: str, level: float | None) -> str:
    return model_of(model) if level is None else f"{model_of(model)} {percent(level)}"


def _counts(
    which: str, cells: Sequence[Mapping[str, Any]], setups: Sequence[tuple[str, float | None]], size: float
) -> Table | None:
    if not setups:
        return None
    lines = []
    for account in unique(c["account"] for c in cells):
        line = [Cell(words(account).capitalize())]
        for setup in setups:
            own = [c for c in cells if c["account"] == account and (c["model"], c["level"]) == setup and c["days"]]
            if not own:
                line.append(Cell("–"))
                continue
            count = sum(c["exceptions"] for c in own)
            bad = any(c["too_many_p_bh"] <= size for c in own)
            line.append(Cell(f"{count}", "", "fail" if bad else "" if count else "muted"))
        lines.append(tuple(line))
    expected = unique(round(sum(c["expected"] for c in cells
                                if (c["model"], c["level"]) == s and c["account"] == cells[0]["account"]), 1)
                      for s in setups)  # fmt: skip
    note = f"promised: {' or '.join(f'{p:g}' for p in expected)} of an account that could be struck every day"
    # a column says its level only where a model has several
    several = [m for m, _ in setups if [n for n, _ in setups].count(m) > 1]
    heads = (_named(m, level if m in several else None) for m, level in setups)
    return Table(f"Exceptions, models {which}", ("Account", *heads), tuple(lines), note, False, 1)


def _every_cell(cells: Sequence[Mapping[str, Any]], size: float) -> Table:
    lines = []
    for c in cells:
        if not c["days"]:
            continue
        lines.append(
            (
                Cell(_named(c["model"], c["level"])),
                Cell(words(c["account"])),
                Cell(c["asset"]),
                Cell(f"{c['days']}"),
                Cell(f"{c['exceptions']}", f"{c['expected']:.1f} promised"),
                Cell(amount(c["rate"], "share"), f"[{100 * c['rate_lower']:.1f}, {100 * c['rate_upper']:.1f}]"),
                *(_p(c[p], 0.0) for p in ("too_many_p", "binomial_p", "kupiec_exact_p", "independence_p")),
                _p(c["too_many_p_bh"], size),
                _p(c["too_many_p_holm"], size),
                Cell(amount(c["margin_share"], "share")),
                Cell(amount(c["uncovered_peak"], "share") if c["exceptions"] else "–"),
                *(Cell("–" if c[k] is None else f"{c[k]:.2f}")
                  for k in ("peak_to_trough", "rise_1", "rise_5", "rise_30")),
                Cell(f"{c['equal_exceptions']}"),
            )
        )  # fmt: skip
    columns = ("Model", "Account", "Asset", "Days", "Exceptions", "Rate", "p too many", "p two-sided",
               "p Kupiec, exact", "p independence", "p BH", "p Holm", "Mean requirement", "Peak uncovered",
               "Peak to trough", "Rise 1", "Rise 5", "Rise 30", "Exceptions at equal cost")  # fmt: skip
    return Table("Every model, account and asset", columns, tuple(lines), "", True, 4)


def _p(value: float | None, size: float) -> Cell:
    if value is None:
        return Cell("–")
    return Cell(f"{value:.3f}" if value >= 0.001 else f"{value:.0e}", "", "fail" if value <= size else "")


def chain_cost(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What requirements cost and how they move."""
    own = select(rows, "chain")
    curves = [c for c in result.get("curves") or () if c.get("name") == "chain_margin"]
    items: list[Figure | Table | None] = []
    if pictures and curves:
        items.append(_over_time(curves, own))
    measures = ("margin_share", *_RISES)
    items.append(pivot("All accounts together", own, measures, lead=("level",)))
    items.append(pivot("By account", select(rows, "chain_accounts"), _RISES, lead=("account",), folded=True))
    lead = (
        "Accounts are struck afresh for every margin period, so what moves is the price of the same kind of risk. "
        "Requirements hardly change from one day to the next, so these are figures of this one history, without "
        "intervals.",
    )
    return Chapter("chain-cost", "What does it cost, and how does it move?", lead if own else (), items)


def _over_time(curves: Sequence[Mapping[str, Any]], own: Sequence[Row]) -> Figure:
    """Requirement over time of the models that swing most and least."""
    swing = {(r.model, r.parameters.get("level")): r.value or 0.0 for r in select(own, measure="margin_peak_to_trough")}

    def key(c: Mapping[str, Any]) -> float:
        return swing.get((c["parameters"]["model"], c["parameters"].get("level")), 0.0)

    order = sorted(curves, key=key)
    half = _MOST_LINES // 2
    shown = curves if len(curves) <= _MOST_LINES else [c for c in curves if c in order[:half] or c in order[-half:]]
    title = "Requirement over time, mean over accounts"
    with sheet(1, 1, 3.6) as (figure, (ax,)):
        for i, c in enumerate(shown):
            y = [float("nan") if v is None else v for v in c["y"]]
            ax.plot(c["x"], y, color=SERIES[i % len(SERIES)], ls=dash_of(i), lw=1.5, zorder=3)
        x = shown[0]["x"]
        first, last = (np.datetime64(int(t), "s").astype("datetime64[M]") for t in (x[0], x[-1]))
        months = np.arange(first + 1, last + 1)
        stamps = months.astype("datetime64[s]").astype(np.int64)
        ax.set_xticks(stamps.tolist(), [str(m) for m in months])
        ax.set_xlim(x[0], x[-1])
        ax.set_ylim(0, None)
        unit_axis(ax.yaxis, "share")
        ax.set_ylabel("of spot notional")
        names = [_named(c["parameters"]["model"], c["parameters"].get("level")) for c in shown]
        legend(figure, [handle(i, line=True) for i in range(len(shown))], names)
        drawing = svg(figure, "chain-margin", title)
    left = "" if len(shown) == len(curves) else " Shown: the three that swing least and the three that swing most."
    return Figure("chain-margin", title, drawing, f"{len(x)} margin periods, {shown[0]['n']} accounts.{left}")


def chain_paired(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Models against the benchmark on the same days."""
    own = select(rows, "chain_paired")
    reference = model_of(str((result.get("settings") or {}).get("benchmark") or ""))
    items: list[Figure | Table | None] = []
    if pictures and own:
        panels = [
            (head, [Dot(setup_of(r), "", r) for r in select(own, measure=m)])
            for m, head in (
                ("exception_rate_difference", "as they stand"),
                ("equal_exception_rate_difference", "at equal mean requirement"),
            )
        ]
        items.append(dots("chain-paired", f"Exception rate less that of {reference}", panels, zero=True))
    multipliers = select(rows, "chain", "equal_multiplier")
    measures = ("exception_rate_difference", "exception_rate_difference_p", "margin_share_difference",
                "equal_multiplier", "equal_exception_rate_difference", "equal_exception_rate_difference_p")  # fmt: skip
    items.append(pivot(f"Against {reference}", [*own, *multipliers], measures, lead=("level",)))
    lead = (
        "The same accounts on the same days: right of zero is more exceptions. Days are resampled whole, with the "
        "multiplier to equal cost found again in each resample; intervals and p-values take Student's t, with as many "
        "degrees of freedom as days on which the counts differ, those of few exceptions counting less. They are "
        "approximate: on simulated days like these 5 % tests reject a right null in 4 to 9 %, and in up to 21 % where "
        "a model seems better only for want of a rare day on which it fails on 30 accounts at once.",
    )
    return Chapter("chain-paired", "Which model covers better for what it costs?", lead if own else (), items)
