"""Chapters on account life: size of the fund, who is closed, where losses go, what feedback adds, what was checked."""

from dataclasses import replace
from functools import partial

from riskengine.report.chapter import Chapter, Result
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import curve
from riskengine.report.labels import model_of, title_of, value_of
from riskengine.report.rows import Row, select, unique, whole_book
from riskengine.report.tables import Cell, Table, cell, pivot
from riskengine.report.wording import amount, percent

_AMOUNTS = (
    "liquidated_notional",
    "account_shortfall",
    "fund_draw",
    "deleveraged_notional",
    "deleveraging_loss",
    "socialised_loss",
)
_BY = "Feedback"
_RISE = ("volatility_rise_p99", "volatility_rise_largest")
_PARTS = {"probability": "Chance of any", "mean": "Mean", "given_positive": "Mean where any", "p99": "99 %",
          "p999": "99.9 %"}  # fmt: skip


def execution_routes(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Ways to close accounts, side by side."""
    own, effect = select(rows, "execution_routes"), select(rows, "route_effect")
    names = (result.get("settings") or {}).get("routes") or ()
    panels = []
    sizes = select(own, measure="fund_size")
    if sizes:
        target = min(r.parameters["target"] for r in sizes)
        shown = [Dot(model_of(r.model), "", r) for r in sizes if r.parameters["target"] == target]
        panels.append((f"{title_of('fund_size')} for {percent(target)}", shown))
    for measure in ("account_shortfall", "closing_cost"):
        panels.append((title_of(measure), [Dot(model_of(r.model), "", r) for r in select(own, measure=measure)]))
    lead = (
        f"The same accounts on the same paths, closed in {len(names)} ways, of which {model_of(names[0]).lower()} is "
        "the venue's own. All but the size of the fund is with the fund as it stands. Differences are path by path.",
    ) if own and names else ()  # fmt: skip
    measures = ("closing_cost", "liquidation_fees", "account_shortfall", "fund_exhausted", "deleveraged_notional",
                "socialised_loss")  # fmt: skip
    who = ("auctions", "auction_discount", "bidder_profit", "bidder_payment", "maker_notional", "maker_charge",
           "maker_profit", "maker_loss_probability", "maker_loss_p99")  # fmt: skip
    closed = ("liquidated_notional", "open_notional", "open_probability")
    table = partial(pivot, models="Way of closing")
    # one column for each measure
    effect = [replace(r, measure=r.parameters["measure"], parameters=_target(r)) for r in effect]
    return Chapter(
        "routes",
        "Which way of closing accounts?",
        lead,
        [
            (pictures and dots("routes", "Ways to close accounts", panels)) or None,
            table("Fund for a probability of exhaustion, by way of closing", own, ("fund_size",), lead=("target",)),
            table("Who loses what, means over paths", own, measures),
            table("What is closed and what is left", own, closed),
            table("Fund: difference from the venue's own way", select(effect, measure="fund_size"), ("fund_size",)),
            table("Difference from the venue's own way, on the same paths", effect, (*closed, *measures)),
            table("Bidders and the maker of options, means over paths", own, who),
            table("What closing does to the marks of options", own, _RISE),
        ],
    )


def _auctioned(rows: list[Row]) -> bool:
    """Whether the venue auctions accounts: then nobody is deleveraged."""
    return bool(select(rows, "account_life", "auctions"))


def _target(row: Row) -> dict:
    """The target of a row that has one."""
    return {name: value for name, value in row.parameters.items() if name == "target"}


def fund_size(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Fund for each probability, and what it did on fresh paths."""
    own = select(rows, "fund_sizing")
    others = "others pay" if _auctioned(rows) else "positions are deleveraged"
    lead = (
        f"With an endless fund each path shows how much was ever needed; a fund is exhausted, and {others}, "
        "exactly on the paths that need more than it holds. The fund for a probability is therefore a quantile of the "
        "need. Its upper bound is the certified fund, which was then run on fresh paths: the last column should not "
        "exceed the probability asked for.",
    )
    curves = [c for c in result.get("curves") or () if c.get("name") == "fund_need"]
    names = [model_of(str(c.get("title"))) for c in curves]
    figure = pictures and curve("fund-need", "How often a fund of this size is exhausted", curves, names)
    table = pivot(
        "Fund for a probability of exhaustion",
        own,
        ("fund_size", "certified_fund", "fresh_exhaustion"),
        lead=("target",),
        models=_BY,
    )
    return Chapter("fund", "How large a fund?", lead if own else (), [table, figure or None])


def closed_accounts(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Who is called, closed and deleveraged, by kind of account."""
    own = select(rows, "account_life")
    kinds = [r for r in own if not whole_book(r)]
    figures = []
    for name, measure in (("closed-kinds", "liquidated_share"), ("adl-kinds", "deleveraging_probability")):
        shown = [
            Dot(value_of("account_kind", r.parameters["account_kind"]), model_of(r.model), r)
            for r in select(kinds, measure=measure)
        ]
        figures.append(pictures and dots(name, f"{title_of(measure)}, by kind of account", [("", shown)]))
    counts = ("liquidated_share", "margin_calls", "bankrupt_accounts", "deleveraging_probability")
    table = partial(pivot, models=_BY)
    money = ("liquidated_notional", "account_shortfall", "deleveraged_notional", "deleveraging_loss", "socialised_loss")
    return Chapter(
        "closed",
        "Who is called, closed and deleveraged?",
        (),
        [
            table("All accounts", [r for r in own if whole_book(r)], (*counts, "fund_exhausted")),
            *(f or None for f in figures),
            table("By kind of account", kinds, counts, lead=("account_kind",), folded=True),
            table("By kind of account, mean amounts on a path", kinds, money, lead=("account_kind",), folded=True),
        ],
    )


def waterfall(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Where losses go, as distributions."""
    own = [r for r in select(rows, "account_life") if whole_book(r)]
    found = {(r.model, r.measure): r for r in own}
    modes = unique(r.model for r in own if r.measure == "fund_draw_mean")
    lines = tuple(
        (Cell(title_of(f"{a}_mean").removesuffix(", mean")), Cell(model_of(m)))
        + tuple(cell(found.get((m, f"{a}_{part}"))) for part in _PARTS)
        for a in _AMOUNTS
        for m in modes
    )
    if not lines:
        return Chapter("waterfall", "", (), ())
    fund = (result.get("settings") or {}).get("insurance_fund_usd")
    auctioned = _auctioned(rows)
    lead = (
        f"With a fund of {amount(fund, 'USD')}: what accounts owe beyond their equity"
        f"{', and what bidders are paid beyond that,' if auctioned else ''} is paid by the fund, then by "
        f"{'' if auctioned else 'those who are deleveraged, then by '}all with equity.",
    )
    note = "Amounts on a path, USD, with intervals; the last two columns are quantiles over paths."
    table = Table("From closing to loss", ("Amount", _BY, *_PARTS.values()), lines, note, False, 3)
    costs = ("execution_cost", "liquidation_fees", "open_notional", "open_probability", "deleveragings",
             "uncovered_loss", "auctions", "auction_discount", "bidder_profit", "bidder_payment", "maker_notional",
             "maker_charge", "maker_profit")  # fmt: skip
    return Chapter("waterfall", "Where do losses go?", lead, [table, pivot("Costs and counts", own, costs, models=_BY)])


def feedback_effect(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What feedback adds on the same paths."""
    own = select(rows, "feedback_effect")
    axes = unique(r.parameters["axis"] for r in own)
    tables = [
        pivot(title, select(own, axis=axis), ("paired_difference",), lead=("measure",))
        for axis, title in (
            ("feedback", "With price feedback minus without"),
            ("volatility_feedback", "With volatility feedback minus without"),
        )
    ]
    tables.append(pivot("What closing does to the marks of options", select(rows, "account_life"), _RISE, models=_BY))
    lead = "Differences on the same paths: with a feedback minus without it."
    if "volatility_feedback" in axes and len(axes) > 1:
        lead += " Volatility feedback is added to price feedback."
    what = "feedback" if "volatility_feedback" in axes else "price feedback"
    return Chapter("feedback", f"What does {what} add?", (lead,) if own else (), tables)


def life_checks(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What the run checked on itself."""
    own = [r for r in select(rows, "account_life") if r.measure in ("conservation_error", "need_mismatch")]
    checked = [r for r in own if r.model]
    by = f"{_BY} or way of closing" if (result.get("settings") or {}).get("routes") else _BY
    return Chapter(
        "books",
        "Do the books balance?",
        (
            "Every flow is entered twice; at the end of every path accounts, fund, venue and market must hold what was "
            "there. A path on which they do not fails.",
        )
        if own
        else (),
        [
            pivot("Money, coins and contracts", [r for r in own if not r.model], ("conservation_error",)),
            pivot(
                "Exhausted exactly where the need says",
                checked,
                ("need_mismatch",),
                models=by,
            ),
        ],
    )
