"""Sentences on lending markets."""

from collections.abc import Mapping
from math import inf
from typing import Any

from riskengine.report.labels import model_of
from riskengine.report.rows import Row, select, subject, unique
from riskengine.report.wording import against, phrase, plain, signed

# markets that a sentence names all of
_NAMED = 3


def _mechanisms(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Which lending market costs protocol and suppliers least once all is sold, and by how much; the intervals hold
    together."""
    own = {r.model: r for r in select(rows, "lending", measure="protocol_result_sold", threshold_shift=0.0)}
    if len(own) < 2 or any(r.value is None for r in own.values()):
        return ""
    if (result.get("compared") or {}).get("assumed"):
        return _assumed(result, rows, next(iter(own)))
    best = max(own, key=lambda m: own[m].value)
    less = _differences(rows, "protocol_result_sold", best, down=True)
    said = []
    for other, estimate in less if len(less) <= _NAMED else (less[0], less[-1]):
        told = against(estimate, 0.0) != "not distinguishable from"
        said.append(f"{model_of(other)} {phrase(estimate, 'USD')} less" + ("" if told else " (not distinguishable)"))
    if len(less) > _NAMED:
        said = [f"{said[0]} (the nearest of {plain(len(less))})", f"{said[1]} (the farthest)"]
    capacity = [r.value for r in select(rows, "lending", measure="borrow_capacity", threshold_shift=0.0)]
    equal = capacity and max(capacity) - min(capacity) <= 1e-9 * max(capacity)
    where = "at equal borrow capacity" if equal else "with the borrow capacity that each offers"
    mean = phrase(own[best].estimate, own[best].unit)
    at_market = {r.model: r.value for r in select(rows, "lending", measure="protocol_result", threshold_shift=0.0)}
    first = max(at_market, key=lambda m: -inf if at_market[m] is None else at_market[m], default=best)
    rank = f"; at market prices {model_of(first)} would be first" if first != best else ""
    unsold = [
        f"; {model_of(r.model)} ends with unsold coins of {phrase(r.estimate, r.unit)} at market prices"
        for r in select(rows, "lending", measure="unsold_inventory_mean", threshold_shift=0.0)
    ]
    return (
        f"Best result of protocol and suppliers {where}, if all that is for sale at the end is sold at once: "
        f"{model_of(best)}, mean {mean}; on the same paths {', '.join(said)}{rank}{''.join(unsold)}."
    )


def _assumed(result: Mapping[str, Any], rows: list[Row], first: str) -> str:
    """What assumptions about one market change, against the first: the ends of the differences."""
    said = []
    for measure, words in (("bad_debt", "bad debt"), ("protocol_result_sold", "result with all sold at the end")):
        found = _differences(rows, measure, first)
        ends = (found[0], found[-1]) if len(found) > 1 else found
        moved = " to ".join(f"{signed(estimate, 'USD')} ({model_of(other)})" for other, estimate in ends)
        mean = "bad_debt_mean" if measure == "bad_debt" else measure
        base = [r for r in select(rows, "lending", measure=mean, threshold_shift=0.0) if r.model == first]
        said += [f"{words}, {phrase(base[0].estimate, 'USD')} there, by {moved}"] if base and found else []
    what = " and ".join(result["compared"]["assumed"])
    return f"What the assumption about {what} changes, against {model_of(first)} on the same paths: {'; '.join(said)}."


def _differences(rows: list[Row], measure: str, base: str, down: bool = False) -> list[tuple[str, Mapping[str, Any]]]:
    """(other market, its mean less that of `base`), by size; with `down` that of `base` less its own."""
    out = []
    for r in select(rows, "sweep", axis="market", measure="paired_difference"):
        ends = (r.parameters["from"], r.parameters["to"])
        if subject(r) == measure and base in ends and r.value is not None:
            forward = (ends[0] == base) != down
            out.append((ends[ends[0] == base], r.estimate if forward else _turned(r.estimate)))
    return sorted(out, key=lambda found: found[1]["value"])


def _turned(estimate: Mapping[str, Any]) -> dict[str, Any]:
    """An estimate of the negative."""
    turned = {"value": "value", "lower": "upper", "upper": "lower"}
    return {**estimate, **{k: None if estimate[v] is None else -estimate[v] for k, v in turned.items()}}


def _incidence(result: Mapping[str, Any], rows: list[Row]) -> str:
    """What liquidations cost borrowers and leave keepers and protocol: the markets at both ends of each."""
    said = []
    for measure, words in (
        ("liquidation_penalty", "borrowers lose"),
        ("keeper_profit", "keepers earn"),
        ("protocol_result", "protocol and suppliers end, all at market prices,"),
    ):
        own = select(rows, "lending", measure=measure, threshold_shift=0.0)
        if len(own) > 1 and all(r.value is not None for r in own):
            ends = sorted(own, key=lambda r: r.value)
            least, most = (f"{phrase(r.estimate, r.unit)} ({model_of(r.model)})" for r in (ends[0], ends[-1]))
            said.append(f"{words} between {least} and {most}")
    return f"Liquidations, mean on a path: {'; '.join(said)}." if said else ""


def _rates(result: Mapping[str, Any], rows: list[Row]) -> str:
    """How long suppliers wait, and what they are refused, market by market."""
    said = []
    for hours in select(rows, "lending", measure="hours_waiting", threshold_shift=0.0):
        at = {r.measure: r for r in select(rows, "lending", threshold_shift=0.0) if r.model == hours.model}
        refused, peak = at["withdrawals_refused_mean"], at["utilisation_peak"]
        if None in (hours.value, refused.value, peak.value):
            return ""
        part = (
            f"{model_of(hours.model)} {phrase(hours.estimate, hours.unit)}, refusing {phrase(refused.estimate, 'USD')}"
        )
        said.append(part if hours.value else f"{model_of(hours.model)} never, peak {phrase(peak.estimate, peak.unit)}")
    return f"Suppliers wait, mean on a path and most refused at one time: {'; '.join(said)}." if said else ""


def _lending(result: Mapping[str, Any], rows: list[Row]) -> str:
    if len(unique(r.model for r in select(rows, "lending"))) > 1:
        return ""
    found = {r.measure: r for r in select(rows, "lending", threshold_shift=0.0)}
    parts_said = [
        template.format(phrase(found[m].estimate, found[m].unit))
        for m, template in (
            ("liquidation_probability", "loans are liquidated on {} of paths"),
            ("bad_debt_probability", "bad debt is left on {} of paths"),
            ("bad_debt_mean", "its mean over all paths is {}"),
            ("bad_debt_es_99", "its mean over the worst 1 % of paths is {}"),
        )
        if m in found
    ]
    if not parts_said:
        return ""
    return f"In the lending market {', '.join(parts_said)}.{_at_once(rows)}"


def _at_once(rows: list[Row]) -> str:
    """The smallest cut of the thresholds that leaves somebody liquidatable before any price moves."""
    hit = [r for r in select(rows, "lending", measure="liquidatable_at_start") if r.value]
    cuts = [r for r in hit if r.parameters["threshold_shift"] < 0.0]
    if not cuts:
        return ""
    least = max(cuts, key=lambda r: r.parameters["threshold_shift"])
    points = -100.0 * least.parameters["threshold_shift"]
    by = f"{points:g} point{'' if points == 1.0 else 's'}"
    return f" A cut of all thresholds by {by} leaves {least.value:g} borrowers liquidatable at once."


LENDING = (_mechanisms, _incidence, _rates, _lending)
