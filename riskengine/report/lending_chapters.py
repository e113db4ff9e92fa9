"""Chapters on liquidations and bad debt."""

from riskengine.report.chapter import Chapter, Result, curve_labels, level_label
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import curve
from riskengine.report.labels import model_of, title_of, value_of
from riskengine.report.rows import Row, headline, select, unique
from riskengine.report.tables import pivot
from riskengine.report.wording import percent, phrase

BAD_DEBT = (
    "bad_debt_mean",
    "bad_debt_p95",
    "bad_debt_p99",
    "bad_debt_p999",
    "bad_debt_es_99",
    "bad_debt_given_positive",
)
BY_TOKEN = ("bad_debt_by_token_probability", "bad_debt_by_token_mean", "bad_debt_by_token_es_99")

MECHANISMS = ("bad_debt_mean", "liquidation_penalty", "keeper_profit", "protocol_result_sold")


def mechanisms(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Lending markets side by side: the same borrowers on the same paths."""
    own = select(rows, "lending", threshold_shift=0.0)
    if len(unique(r.model for r in own)) < 2:
        return Chapter("mechanisms", "", (), ())
    panels = [(title_of(m), [Dot(model_of(r.model), "", r) for r in select(own, measure=m)]) for m in MECHANISMS]
    figures = pictures and [
        dots(f"mechanisms-{i}", title, panels[2 * i : 2 * i + 2], zero=True)
        for i, title in enumerate(("What suppliers and borrowers lose on a path", "Who earns on a path"))
    ]
    main = ("bad_debt_mean", "liquidated_loans", "liquidated_volume_mean", *MECHANISMS[1:], "protocol_result")
    worst = ("protocol_result_sold_es_99", "protocol_result_es_99")
    held = ("unsold_inventory_mean", "unsold_inventory_es_99", "reserves", "reserves_es_99")
    compared = result.get("compared") or {"kinds": [], "assumed": []}
    one_rule, assumed = len(compared["kinds"]) == 1, " and ".join(compared["assumed"])
    lead = (
        "Every market has the same rules, borrowers, balances and paths: only what its name says differs."
        if one_rule
        else "Every market has the same borrowers and balances on the same paths: only the rules differ.",
        f"Nobody chooses {assumed}: these are assumptions about one market, so none is the best."
        if assumed
        else "At equal borrow capacity no market is safer by lending less; where capacities differ, part of it is "
        "that.",
        "Selling at once at the end all coins that a protocol holds and all collateral of loans then liquidatable is "
        "the dear end, market prices are the cheap one: what waits is worth something between.",
    )
    tables = [
        pivot("Markets" if one_rule else "Mechanisms", own, main),
        pivot("What is left for the protocol on the worst paths", own, worst, folded=True),
        pivot("What the protocol holds at the end", own, held),
    ]
    asked = "Which market loses least?" if one_rule else "Which mechanism loses least?"
    if assumed:
        asked = f"What does the assumption about {assumed} change?"
    return Chapter("mechanisms", asked, lead, [*(figures or ()), *tables])


def liquidation_counts(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How many are liquidated."""
    margin = select(headline(rows), measure="liquidations")
    levels = sorted(unique(r.parameters.get("level") for r in margin if r.parameters.get("level") is not None))
    order = [*levels, None]
    margin = sorted(margin, key=lambda r: order.index(r.parameters.get("level")))
    shown = [Dot(level_label(r), model_of(r.model), r) for r in margin]
    figure = pictures and dots("liquidations", "Liquidations on a path", [("Liquidations on a path, mean", shown)])
    counts = ("liquidations", "liquidated_share")
    table = pivot("Liquidations of margin accounts", headline(rows), counts, lead=("level",), folded=True)
    volume = (
        "liquidatable_at_start",
        "reacting_borrowers",
        "liquidations",
        "liquidated_loans",
        "liquidated_volume",
        "liquidated_volume_p95",
        "liquidated_volume_p99",
    )
    loans = pivot("Liquidations of loans", select(rows, "lending"), volume, lead=("threshold_shift",))
    more = ("liquidated_volume_p999", "protocol_fee", "skipped_unprofitable")
    rest = pivot("Liquidations of loans, more", select(rows, "lending"), more, lead=("threshold_shift",), folded=True)
    lead = _at_once(select(rows, "lending", measure="liquidatable_at_start"))
    sizes = ("clearable_at_once", "clearable_in_a_day")
    clear = pivot("What keepers can clear", select(rows, "clearing"), sizes, lead=("token",), folded=True)
    return Chapter("liquidations", "Who is liquidated?", lead, [figure or None, table, loans, rest, clear])


def _at_once(own: list[Row]) -> tuple[str, ...]:
    """What every move of the thresholds does before any price moves, in a sentence."""
    said = [
        f"{r.value:g} by {value_of('threshold_shift', r.parameters['threshold_shift'])}"
        for r in own
        if r.parameters["threshold_shift"] != 0.0
    ]
    return (f"Borrowers that a move of all thresholds leaves liquidatable at once: {', '.join(said)}.",) if said else ()


def bad_debt(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Bad debt as a distribution."""
    own = select(rows, "lending")
    markets = unique(r.model for r in own)
    base = select(own, threshold_shift=0.0)
    found = {r.measure: r for r in base} if len(markets) == 1 else {}
    lead = []
    chance = found.get("bad_debt_probability")
    if chance is not None:
        lead.append(f"Bad debt is left on {phrase(chance.estimate, chance.unit)} of paths.")
        for name, tail in (("bad_debt_p95", 0.05), ("bad_debt_p99", 0.01), ("bad_debt_p999", 0.001)):
            row = found.get(name)
            if row is not None and row.value == 0:
                lead.append(
                    f"{title_of(name)} is zero because no more than {percent(tail)} of the simulated paths leave any: "
                    "that is a statement about how often, not about how much."
                )
    several = len(markets) > 1
    shown = [
        Dot(title_of(m).removeprefix("Bad debt").strip(", "), model_of(r.model) if several else "", r)
        for m in BAD_DEBT
        for r in select(base, measure=m)
    ]
    ladder = pictures and dots("bad-debt", "Bad debt as a distribution", [("Bad debt (USD)", shown)])
    curves = [c for c in result.get("curves") or () if c.get("name") == "bad_debt_exceedance"]
    tail = pictures and curve("bad-debt-curve", "Bad debt: how often more than", curves, curve_labels(curves))
    table = pivot("Bad debt", own, ("bad_debt_probability", *BAD_DEBT), lead=("threshold_shift",))
    # one market whose incidence is asked for; several have a chapter of their own
    paid = ("supplier_loss_probability", "supplier_loss", "supplier_loss_p99", "supplier_loss_es_99", *MECHANISMS[1:])
    who = pivot("Who pays and who earns", own, paid, lead=("threshold_shift",)) if not several else None
    by_token = pivot("Bad debt by token", own, BY_TOKEN, lead=("threshold_shift",), folded=True)
    return Chapter("bad-debt", "How much bad debt is left?", lead, [ladder or None, tail or None, table, by_token, who])
