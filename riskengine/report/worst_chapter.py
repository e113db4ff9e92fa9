"""Chapter and sentence on the account that each margin model covers worst."""

from dataclasses import replace

from riskengine.report.chapter import Chapter, Result
from riskengine.report.dots import Dot, dots
from riskengine.report.labels import model_of
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Cell, Table, cell, pivot
from riskengine.report.wording import amount, phrase, plain

_OWN = ("initial_margin_breach", "capital", "shortfall_given_breach", "tail_beyond_margin")


def _of(model: str) -> str:
    """The account found against a model, as rows name it."""
    return f"worst of {model}"


def worst_account(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How badly each model covers the account found against it, beside ordinary ones."""
    own = select(rows, "worst_account")
    found = [r for r in own if r.parameters["account"] == _of(r.model)]
    breach = select(own, measure="initial_margin_breach")
    series = {"found": found, "accounts of the book": own, "accounts drawn at random": own}
    marks = [
        Dot(model_of(r.model), "the account found" if name == "found" else name, r)
        for name, among in series.items()
        for r in select(among, measure="initial_margin_breach")
        if name == "found" or r.parameters["account"] == name
    ]
    figure = pictures and dots("worst", "Share of margin periods whose loss is beyond initial margin", [("", marks)])
    lead = (
        "An account that is covered badly on purpose: found on one set of paths, judged on another. Beside it stand "
        "the accounts of the book and accounts drawn at random, which see the same paths.",
        _none(result),
    )
    shown = [replace(r, parameters={k: v for k, v in r.parameters.items() if k != "account"}) for r in found]
    usual = [r for r in own if str(r.parameters["account"]).startswith("accounts ")]
    tables = [
        pivot("The account found against each model", shown, _OWN, lead=("level",)),
        pivot("Beside it", usual, _OWN[:1], lead=("level", "account")),
        _positions(result),
        _crossed(breach),
    ]
    return Chapter("worst", "Which account does each model cover worst?", lead, [figure or None, *tables])


def _none(result: Result) -> str:
    names = [model_of(w["model"]) for w in result.get("worst_accounts") or () if not w["positions"]]
    return f"None was found whose tail is beyond its margin under {', '.join(names)}." if names else ""


def _positions(result: Result) -> Table | None:
    lines = tuple(
        (Cell(model_of(w["model"])), Cell(name), Cell(f"{coins:+.4g}"))
        for w in result.get("worst_accounts") or ()
        for name, coins in w["positions"].items()
    )
    return (
        Table("What these accounts hold", ("Found against", "Instrument", "Coins"), lines, "", False, 2)
        if lines
        else None
    )


def _crossed(breach: list[Row]) -> Table | None:
    """The account found against each model under every other."""
    models = unique(r.model for r in breach)
    against = [m for m in models if any(r.parameters["account"] == _of(m) for r in breach)]
    if len(against) < 2:
        return None
    at = {(r.model, r.parameters["account"]): r for r in breach}
    lines = tuple((Cell(model_of(m)), *(cell(at.get((m, _of(a)))) for a in against)) for m in models)
    return Table(
        "The same accounts under every model", ("Margin by", *(f"Found against {model_of(a)}" for a in against)), lines,
        "Share of margin periods whose loss is beyond initial margin.", True,
    )  # fmt: skip


def worst_sentence(result: Result, rows: list[Row]) -> str:
    """How often the account found against each model is not covered."""
    own = select(rows, "worst_account", measure="initial_margin_breach")
    found = [r for r in own if r.parameters["account"] == _of(r.model) and r.value is not None]
    if not found:
        return ""
    size = plain((result.get("settings") or {}).get("notional_usd"))
    said = []
    for r in sorted(found, key=lambda r: -(r.value or 0.0)):
        usual = next(o for o in own if o.model == r.model and o.parameters["account"] == "accounts of the book")
        said.append(
            f"{model_of(r.model)} {phrase(r.estimate, r.unit)} (accounts of the book {amount(usual.value, usual.unit)})"
        )
    return f"The account of {size} USD covered worst loses more than its initial margin: {'; '.join(said)}."
