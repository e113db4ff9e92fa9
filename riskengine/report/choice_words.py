"""Certified choices in words: the choice in one sentence, and what such a choice is worth where the truth is known."""

from collections.abc import Iterator, Mapping
from typing import Any

from riskengine.report.labels import model_of, title_of, value_of
from riskengine.report.rows import Row, rows_of, select
from riskengine.report.wording import percent, phrase, plain
from riskengine.study.names import ALL, WITH_VARIANTS

ROLES = {
    "current": "in force",
    "certified": "certified",
    "point_estimate": "by point estimate",
    "conformal": "conformal risk control",
}
RULES = {
    "certified": "certified",
    "hoeffding_bentkus": "certified, Hoeffding–Bentkus",
    "conformal": "conformal risk control",
    "point_estimate": "by point estimate",
}


def in_text(measure: str) -> str:
    """Title of a measure inside a sentence: small first letter, no ``, mean``; ``P(bad debt)`` as it is."""
    title = title_of(measure)
    return title if title[1:2] == "(" else title[:1].lower() + title[1:].removesuffix(", mean")


def name_of(entry: Mapping[str, Any]) -> str:
    """A choice of ``choices`` in words: ``Historical VaR, multiplier at 99 %``."""
    return f"{model_of(str(entry['model']))}, {str(entry['choice']).replace('_', ' ')}"


def rows_of_choice(rows: list[Row], entry: Mapping[str, Any], section: str) -> list[Row]:
    """Rows of one choice."""
    return [r for r in select(rows, section, choice=entry["choice"]) if r.model == entry["model"]]


def setting(entry: Mapping[str, Any], value: float | None) -> str:
    """A setting as people write it on its axis; a parameter set by its name."""
    if value is not None and entry.get("names"):
        name = str(entry["names"][int(value)])
        # models of one kind are told apart by settings, which are words already
        return model_of(name) if entry.get("axis") == "model" and " " not in name.partition(" (")[0] else name
    return "none" if value is None else value_of(str(entry["axis"]), value)


def found(entry: Mapping[str, Any], value: float | None) -> str:
    """A setting that a search found; one at an end of its candidates may not be the best there is, and says so.

    In a grid of parameter sets each axis has ends of its own.
    """
    if entry.get("ends") and value is not None:
        own = entry["ends"][int(value)]
        return setting(entry, value) + (f", at the end of its axis: {' and '.join(own)}" if own else "")
    candidates = entry.get("candidates") or ()
    ends = (candidates[0], candidates[-1]) if candidates else ()
    return setting(entry, value) + (", an end of the candidates" if value in ends else "")


def chosen(own: list[Row], role: str, world: str | None = None) -> Row | None:
    """Row of the setting that a rule takes; of the certificate the widest claim made."""
    found = select(own, measure="chosen_setting", role=role)
    worlds = [WITH_VARIANTS, ALL] if world is None else [world]
    return next((r for w in worlds for r in found if r.parameters.get("world") == w), None)


def figure_of(own: list[Row], measure: str, role: str) -> Row | None:
    """A figure of a rule's choice; over several worlds the largest."""
    found = [r for r in select(own, measure=measure, role=role) if r.value is not None]
    return max(found, key=lambda r: r.value or 0.0, default=None)


def choice_sentences(result: Mapping[str, Any], rows: list[Row]) -> Iterator[str]:
    """One or two sentences for each choice."""
    settings = result.get("settings") or {}
    for entry in result.get("choices") or ():
        own = rows_of_choice(rows, entry, "choice")
        made = chosen(own, "certified")
        if made is None:
            continue
        if made.value is None:
            alone = chosen(own, "certified", ALL)
            said = f"{name_of(entry)}: {made.estimate.get('method')}"
            if alone is not None and alone.value is not None:
                said += f". Without the draws from the law of the fit: {found(entry, alone.value)}"
            yield said + "."
            continue
        yield _said(entry, own, made, settings)


def _said(entry: Mapping[str, Any], own: list[Row], made: Row, settings: Mapping[str, Any]) -> str:
    now, cost = entry.get("current"), in_text(str(entry["cost"]))
    move = found(entry, made.value)
    if now is not None:
        move = f"stays {move}" if now == made.value else f"{setting(entry, now)} → {move}"
    said = f"{name_of(entry)}: {move}, certified at {percent(round(1 - entry['delta'], 12))}: "
    said += f"{in_text(str(entry['risk']))} at most {percent(entry['target'])} in {_where(made, settings)}"
    alone = chosen(own, "certified", ALL)
    if alone is not None and alone.value != made.value:
        said += f" (without those draws {found(entry, alone.value)})"
    fresh = figure_of(own, "risk_fresh", "certified")
    if fresh is not None:
        said += f"; fresh paths say {phrase(fresh.estimate, fresh.unit)}"
    ratio = figure_of(own, "cost_ratio", "certified")
    if ratio is not None and now != made.value:
        said += f"; {cost} {phrase(ratio.estimate, ratio.unit)} of now"
    naive = chosen(own, "point_estimate")
    if naive is not None and naive.value is not None and naive.value != made.value:
        seen, again = figure_of(own, "risk_in_sample", "point_estimate"), figure_of(own, "risk_fresh", "point_estimate")
        said += f". By point estimates alone it would be {found(entry, naive.value)}"
        if seen is not None and again is not None:
            said += f" ({phrase(seen.estimate, seen.unit)} on the paths of the choice, "
            said += f"{phrase(again.estimate, again.unit)} on fresh ones)"
    return said + "."


def _where(made: Row, settings: Mapping[str, Any]) -> str:
    worlds = settings.get("worlds") or ()
    said = str(worlds[0]) if len(worlds) == 1 else f"every one of {', '.join(map(str, worlds))}"
    if made.parameters.get("world") == WITH_VARIANTS:
        said += f" and in each of {plain(len(settings.get('variants') or ()))} draws from the law of its fit"
    return said


def experiment_sentences(result: Mapping[str, Any], rows: list[Row]) -> Iterator[str]:
    """What a certified choice is worth, against one by point estimates, at the largest sample."""
    settings = result.get("settings") or {}
    own = select(rows, "experiment")
    if not own:
        return
    size = max(r.parameters["sample_size"] for r in own)
    found = {
        (r.parameters["rule"], r.parameters["source"], r.measure): r for r in select(own, sample_size=size) if r.value
    }

    def both(rule: str, measure: str) -> str:
        measured, theory = (found.get((rule, source, measure)) for source in ("measured", "theory"))
        if measured is None or theory is None:
            return "none"
        return f"{phrase(measured.estimate, measured.unit)} (theory {100 * float(theory.value or 0):.3g} %)"

    target, delta = percent(settings["target"]), percent(settings["delta"])
    yield (
        f"From {plain(size)} losses a margin certified for a breach probability of {target} has a true one of "
        f"{both('certified', 'mean_true_risk')} on average, and above the target in "
        f"{both('certified', 'violation_share')} of {plain(settings['replications'])} choices; {delta} is allowed."
    )
    yield (
        f"The smallest margin whose estimate is at most {target} is above it in "
        f"{both('point_estimate', 'violation_share')} of choices."
    )


def after(hours: float) -> str:
    """A time after the recommendation: ``3 days``, ``8 h``."""
    return f"{hours / 24:g} days" if hours % 24 == 0 else f"{hours:g} h"


def schedule_sentences(result: Mapping[str, Any], rows: list[Row]) -> Iterator[str]:
    """How long the way is and whether every step of it is below the target."""
    entries = {(e["model"], e["choice"]): e for e in result.get("choices") or ()}
    for plan in result.get("schedules") or ():
        entry = entries[plan["model"], plan["choice"]]
        bounds = select(rows, "schedule", choice=plan["choice"], measure="risk_upper_bound")
        bad = [r for r in bounds if r.parameters["walk"] != "passed"]
        last = max((s["hours"] for s in plan["steps"]), default=0.0)
        count = len(plan["steps"])
        text = (
            f"{name_of(entry)}: {count} step{'s' if count > 1 else ''}, the last {after(last)} after the first decision"
        )
        text += "; on fresh paths the upper bound of every step is below the target" if not bad else (
            f"; on fresh paths {len(bad)} of {len(bounds)} upper bounds are not below the target"
        )  # fmt: skip
        yield text + "."


def told(result: Mapping[str, Any]) -> list[str]:
    """All sentences of both kinds."""
    rows = rows_of(result)
    return [
        *choice_sentences(result, rows),
        *schedule_sentences(result, rows),
        *experiment_sentences(result, rows),
    ]
