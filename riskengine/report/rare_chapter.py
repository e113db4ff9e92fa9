"""The chapter on rare events: losses of single accounts, and how far the weighted paths carry each figure."""

from riskengine.report.chapter import Chapter, Result
from riskengine.report.labels import title_of, value_of, words
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Cell, Table, cell, pairs
from riskengine.report.wording import percent, plain

LOSSES = ("account_loss_quantile", "account_loss_es")


def rare_events(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Losses of accounts with their effective hits, the sampling, and the figures that it does not carry."""
    sampling = result.get("sampling") or {}
    own = select(rows, "accounts")
    weighted = bool(sampling)
    lead = []
    if weighted:
        share = f"{100 * sampling['plain_share']:.3g} %"
        lead.append(
            f"Paths were drawn from a mixture: {share} follow the world's own law, the rest {plain(sampling['tilts'])} "
            f"tilts towards the tails of {plain(sampling['targets'])} targets. Every figure is weighted back to the "
            "world. Hits are effective ones, counted in each figure's own tail: below 100 an interval is refused or "
            "replaced by a bound that holds whatever the tilt."
        )
    return Chapter(
        "rare-events",
        "What happens once in a thousand days?" if own else "Rare events",
        lead,
        [
            _losses(own, weighted),
            _breaches(own, weighted),
            _uncarried(rows) if weighted else None,
            pairs("Sampling", sampling, folded=True),
        ],
    )


def _hits(row: Row | None) -> Cell:
    found = None if row is None else row.estimate.get("n_effective")
    return Cell("–" if found is None else plain(round(found)))


def _losses(rows: list[Row], weighted: bool) -> Table | None:
    """One line for each account, quantile and ES at each level."""
    levels = sorted(unique(r.parameters.get("level") for r in rows if r.measure in LOSSES))
    if not levels:
        return None
    found = {(r.parameters["account"], r.parameters["level"], r.measure): r for r in rows if r.measure in LOSSES}
    lines = []
    for account in unique(r.parameters["account"] for r in rows if r.measure in LOSSES):
        line = [Cell(words(account))]
        for level in levels:
            shown = [found.get((account, level, measure)) for measure in LOSSES]
            line += [cell(r) for r in shown] + ([_hits(shown[0])] if weighted else [])
        lines.append(tuple(line))
    heads = [
        f"{title_of(m)}, {percent(level)}" if m else f"Hits, {percent(level)}"
        for level in levels
        for m in (*LOSSES, *([""] if weighted else []))
    ]
    note = "over the first margin period, positions left alone; brackets: intervals"
    return Table("Loss of each account", ("Account", *heads), tuple(lines), note)


def _breaches(rows: list[Row], weighted: bool) -> Table | None:
    """How often the loss of each account exceeds its requirement."""
    shown = select(rows, measure="account_breach")
    if not shown:
        return None
    settings = unique((r.model, r.parameters.get("level")) for r in shown)
    found = {(r.parameters["account"], r.model, r.parameters.get("level")): r for r in shown}
    lines = []
    for account in unique(r.parameters["account"] for r in shown):
        line = [Cell(words(account))]
        for setting in settings:
            row = found.get((account, *setting))
            line += [cell(row)] + ([_hits(row)] if weighted else [])
        lines.append(tuple(line))
    names = [words(m) + ("" if level is None else f" {value_of('level', level)}") for m, level in settings]
    heads = [h for n in names for h in ((n, "Hits") if weighted else (n,))]
    title = "How often an account loses more than its requirement"
    return Table(title, ("Account", *heads), tuple(lines), folded=True)


def _uncarried(rows: list[Row]) -> Table | None:
    """Figures whose tail the tilts do not cover well enough for an asymptotic interval, with the reason."""
    lines = []
    for r in rows:
        method = str(r.estimate.get("method") or "")
        reason = next((method.partition(mark)[2] for mark in _MARKS if mark in method), "")
        if reason and r.section != "accounts":
            where = ", ".join(f"{words(k)} {value_of(k, v)}" for k, v in r.parameters.items() if v is not None)
            lines.append((Cell(title_of(r.measure), where), cell(r), Cell(reason.strip(": "))))
    title = "Figures outside the tails that were sampled"
    return Table(title, ("Figure", "Value", "Why no asymptotic interval"), tuple(lines), folded=True) if lines else None


_MARKS = ("interval refused: ", "for weights up to ")
