"""Sentences of a study of backtests: what a pass is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from riskengine.report.labels import model_of
from riskengine.report.rows import Row, at_level, headline_level, select, unique
from riskengine.report.wording import percent, phrase, plain

_TEXTBOOK = ("kupiec", "asymptotic")


def _first(rows: Sequence[Row], model: str, **parameters: Any) -> Row | None:
    return next((r for r in select(rows, **parameters) if r.model == model and r.value is not None), None)


def _said(row: Row | None) -> str:
    return phrase(row.estimate, row.unit) if row is not None else "not reported"


def _start(rows: Sequence[Row], section: str, measure: str) -> tuple[list[Row], float | None, int | None]:
    """Rows at the level that sentences speak of, that level, and the fewest days."""
    own = select(rows, section, measure)
    level = headline_level(own)
    shown = at_level(own, level)
    return shown, level, min((r.parameters["sample_size"] for r in shown), default=None)


def _size(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown, level, days = _start(rows, "test_size", "test_size")
    if level is None or days is None:
        return ""
    nominal = percent((result.get("settings") or {}).get("test_level", 0.05))
    kupiec = _first(shown, "kupiec", sample_size=days, p_value="asymptotic")
    worst = max((r for r in select(shown, sample_size=days) if r.value is not None), key=lambda r: r.value)
    way = worst.parameters["p_value"]
    return (
        f"Kupiec's chi-squared test, {nominal} by name, rejects a right {percent(level)} VaR on {_said(kupiec)} of "
        f"histories of {plain(days)} days; farthest off is {model_of(worst.model)} ({way}) with {_said(worst)}."
    )


def _rate(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown, level, days = _start(rows, "detection", "detectable_multiple")
    if level is None or days is None:
        return ""
    wanted = percent((result.get("settings") or {}).get("detection_power", 0.8))
    said = []
    for n in sorted(unique(r.parameters["sample_size"] for r in shown)):
        light = _first(shown, "traffic_light", sample_size=n)
        if light is not None:
            said.append(f"{light.value:.3g} times the promised rate at {plain(n)} days")
    months = at_level(select(rows, "detection", "months_to_detect"), level)
    twice = _first(months, "traffic_light", multiple=2.0)
    when = f"; to find twice the rate it takes {twice.value:.0f} months" if twice is not None else ""
    sizes = at_level(select(rows, "test_size", "test_size"), level)
    true = _first(sizes, "traffic_light", sample_size=days)
    if not said or true is None:
        return ""
    return (
        f"With {wanted} power the yellow zone (true size {_said(true)} at {plain(days)} days) finds "
        f"{', '.join(said)}{when}: a pass before rules little out."
    )


def _best(result: Mapping[str, Any], rows: list[Row]) -> str:
    said = []
    for alternative, what in (
        ("rate", "of twice the rate"),
        ("excess", "of twice the excess over a right VaR"),
        ("clusters", "of breaches that come together"),
    ):
        own = select(rows, "test_power", "test_power", alternative=alternative)
        level = headline_level(own)
        shown = [r for r in at_level(own, level) if r.value is not None and r.parameters.get("multiple", 2.0) == 2.0]
        if shown:
            days = min(r.parameters["sample_size"] for r in shown)
            best = max(select(shown, sample_size=days), key=lambda r: r.value)
            said.append(f"{what} {model_of(best.model)}, {_said(best)}")
    return f"Highest power at the fewest days: {'; '.join(said)}." if said else ""


def _many(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown, level, days = _start(rows, "multiplicity", "false_alarm")
    own = [r for r in select(shown, sample_size=days, p_value="best") if r.parameters.get("family") == "battery"]
    found = {r.parameters["procedure"]: r for r in own}
    if "none" not in found or "holm" not in found:
        return ""
    tests = found["none"].parameters["tests"]
    return (
        f"Of {plain(tests)} tests of one right history of {plain(days)} days at least one alarms with probability "
        f"{_said(found['none'])}, adjusted by Holm {_said(found['holm'])}."
    )


def _overlap(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown, level, days = _start(rows, "overlap", "test_size")
    if days is None:
        return ""
    h = max(r.parameters["overlap"] for r in shown)
    own = select(shown, overlap=h, sample_size=days)
    naive = _first(own, "kupiec", p_value="asymptotic")
    fixed = _first(own, "kupiec", p_value="simulated")
    return (
        f"On {plain(h)}-day losses that overlap, Kupiec's chi-squared test rejects a right forecast on {_said(naive)} "
        f"of histories of {plain(days)} days, with simulated bounds on {_said(fixed)}."
    )


def headline_power(rows: Sequence[Row]) -> list[Row]:
    """True size and smallest rate found of each test, by the way that keeps its size, at the fewest days."""
    shown, _, days = _start(rows, "detection", "detectable_multiple")
    found = [r for r in select(shown, sample_size=days) if (r.model, r.parameters["p_value"]) != _TEXTBOOK]
    ways = {(r.model, r.parameters["p_value"]) for r in found}
    sizes, _, _ = _start(rows, "test_size", "test_size")
    own = [r for r in select(sizes, sample_size=days) if (r.model, r.parameters["p_value"]) in ways]
    return own + found


POWER = (_size, _rate, _best, _many, _overlap)
