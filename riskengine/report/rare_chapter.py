"""The chapter on rare events: losses of single accounts, and how far the weighted paths carry each figure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.labels import model_of, title_of, value_of, words
from riskengine.report.rows import Row, select, unique, varying
from riskengine.report.tables import Cell, Table, cell, pairs
from riskengine.report.wording import amount, percent, plain

DUST = 1e-6  # USD: what rounding leaves of an account whose legs cancel
LOSSES = ("account_loss_quantile", "account_loss_es")


def rare_events(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Losses of accounts with their effective hits, the sampling, and the figures that it does not carry."""
    sampling = result.get("sampling") or {}
    own = select(rows, "accounts")
    weighted = bool(sampling)
    strata = sampling.get("strata") or []
    return Chapter(
        "rare-events",
        "What happens once in a thousand days?" if own else "Rare events",
        _lead(sampling, strata) if weighted else [],
        [
            _losses(own, weighted),
            _breaches(own, weighted),
            _strata(strata),
            _uncarried(rows) if weighted else None,
            pairs("Sampling", {k: v for k, v in sampling.items() if k != "strata"}, folded=True),
        ],
    )


def _lead(sampling: Mapping[str, Any], strata: Sequence[Mapping[str, Any]]) -> list[str]:
    share = f"{100 * sampling['plain_share']:.3g} %"
    drawn = (
        f"{share} of the paths follow the world's own law, the rest were given how many jumps they have."
        if strata
        else f"Paths were drawn from a mixture: {share} follow the world's own law, the rest "
        f"{plain(sampling['tilts'])} tilts towards the tails of {plain(sampling['targets'])} targets."
    )
    return [
        f"{drawn} Every figure is weighted back to the world. Hits are effective ones, counted in each figure's own "
        "tail: below 100 an interval is refused or replaced by a bound that holds however the paths were drawn."
    ]


def _strata(strata: Sequence[Mapping[str, Any]]) -> Table | None:
    """How likely each number of jumps is, and how many paths have it."""
    if not strata:
        return None
    lines = []
    for s in strata:
        least, most = plain(s["least"]), s["most"]
        name = f"{least} or more" if most is None else least if most == s["least"] else f"{least} to {plain(most)}"
        lines.append((Cell(name), Cell(amount(s["probability"], "probability")), Cell(amount(s["share"], "share"))))
    note = "plain paths included; what is missing are plain paths with other counts"
    return Table("Jumps of a path", ("Jumps", "Probability", "Share of paths"), tuple(lines), note)


def _hits(row: Row | None) -> Cell:
    found = None if row is None else row.estimate.get("n_effective")
    return Cell("–" if found is None else plain(round(found)))


def _losses(rows: list[Row], weighted: bool) -> Table | None:
    """One line for each account, quantile and ES at each level."""
    levels = sorted(unique(r.parameters.get("level") for r in rows if r.measure in LOSSES))
    if not levels:
        return None
    found = {(r.parameters["account"], r.parameters["level"], r.measure): r for r in rows if r.measure in LOSSES}
    lines, still = [], []
    for account in unique(r.parameters["account"] for r in rows if r.measure in LOSSES):
        own = [found.get((account, level, measure)) for level in levels for measure in LOSSES]
        if all(r is not None and r.value is not None and abs(r.value) < DUST for r in own):
            still.append(words(account))
            continue
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
    if still:
        note += f"; no loss beyond rounding: {', '.join(still)}"
    return Table("Loss of each account", ("Account", *heads), tuple(lines), note)


def _breaches(rows: list[Row], weighted: bool) -> Table | None:
    """How often the loss of each account exceeds its requirement."""
    shown = select(rows, measure="account_breach")
    if not shown:
        return None
    settings = unique((r.model, r.parameters.get("level")) for r in shown)
    found = {(r.parameters["account"], r.model, r.parameters.get("level")): r for r in shown}
    lines, unseen = [], []
    for account in unique(r.parameters["account"] for r in shown):
        own = [found.get((account, *setting)) for setting in settings]
        if all(r is not None and r.value is not None and not round(r.estimate.get("n_effective") or 0.0) for r in own):
            unseen += own
            continue
        line = [Cell(words(account))]
        for row in own:
            line += [cell(row)] + ([_hits(row)] if weighted else [])
        lines.append(tuple(line))
    note = "brackets: intervals"
    if unseen:
        who = ", ".join(unique(words(r.parameters["account"]) for r in unseen))
        bounds = [r.estimate.get("upper") for r in unseen]
        bound = "" if None in bounds else f" (at most {amount(max(bounds), 'probability')} each)"
        note += f"; not seen: {who}{bound}"
    names = [model_of(m) + ("" if level is None else f" {value_of('level', level)}") for m, level in settings]
    heads = [h for n in names for h in ((n, "Hits") if weighted else (n,))]
    title = "How often an account loses more than its requirement"
    return Table(title, ("Account", *heads), tuple(lines), note, folded=True) if lines else None


def _uncarried(rows: list[Row]) -> Table | None:
    """Figures whose tail the tilts do not cover well enough for an asymptotic interval, with the reason."""
    told = []
    for r in rows:
        method = str(r.estimate.get("method") or "")
        reason = next((match.group(1) for mark in _MARKS if (match := mark.search(method))), "")
        if reason and r.section != "accounts":
            told.append((r, reason))
    if not told:
        return None
    names = varying([r for r, _ in told])
    lines = []
    for r, reason in told:
        where = ", ".join(
            f"{words(k)} {value_of(k, r.parameters[k])}" for k in names if r.parameters.get(k) is not None
        )
        # the number of hits stands in its own column
        why = _WITNESS.search(reason)
        lines.append((Cell(title_of(r.measure), where), Cell(why.group(1) if why else reason), cell(r), _hits(r)))
    title = "Figures outside the tails that were sampled"
    note = "below 100 effective hits there is no asymptotic interval"
    return Table(title, ("Figure", "Why", "Value", "Hits"), tuple(lines), note, True, 2)


_MARKS = (re.compile("interval refused: (.+)"), re.compile(r"for weights up to [\d.e+]+: (.+)"))
_WITNESS = re.compile(r"\((.+)\)")
