"""Sentences on rolling forecasts of real series."""

from collections.abc import Mapping, Sequence
from typing import Any

from riskengine.report.labels import model_of
from riskengine.report.rows import Row, headline_level, select, unique
from riskengine.report.wording import percent, phrase, plain

_MOST = 4  # names in a list


def _what(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = select(rows, "rolling", "breach_rate")
    if not own:
        return ""
    series = result.get("series") or ()
    days = sum(s["forecasts"] for s in series)
    dated = [s for s in series if not isinstance(s["first"], int)] or series
    first, last = min(s["first"] for s in dated), max(s["last"] for s in dated)
    if isinstance(first, int):  # a file without dates
        first, last = f"row {first}", f"row {last}"
    who = len(unique(r.model for r in own))
    hours = sorted({s["horizon_hours"] for s in series if s.get("horizon_hours")})
    over = f"{plain(hours[-1])}-hour " if hours else ""
    if len(hours) > 1:
        over = f"{plain(hours[0])} to {plain(hours[-1])}-hour "
    return (
        f"{plain(who)} {'estimators' if who > 1 else 'forecast'} on {plain(len(series))} real series: {plain(days)} "
        f"{over}forecasts from {first} to {last}, each made from the past alone and judged by what happened."
    )


def _totals(rows: Sequence[Row], measure: str, level: float | None) -> dict[str, tuple[int, int]]:
    """Series and sides on which each estimator is kept, and how many could be judged."""
    out: dict[str, tuple[int, int]] = {}
    for r in select(rows, "rolling", measure, level=level):
        if r.value is not None:
            kept, judged = out.get(r.model, (0, 0))
            out[r.model] = kept + int(r.value), judged + int(r.estimate["n"])
    return out


def _ranked(found: dict[str, tuple[int, int]]) -> str:
    order = sorted(found, key=lambda who: -found[who][0] / max(found[who][1], 1))
    said = [f"{model_of(w)} {found[w][0]} of {found[w][1]}" for w in order]
    if len(said) <= 2 * _MOST:
        return "; ".join(said)
    return f"most {'; '.join(said[:_MOST])}; fewest {'; '.join(said[-_MOST:])}"


def _survivors(result: Mapping[str, Any], rows: list[Row]) -> str:
    level = headline_level(select(rows, "rolling"))
    found = _totals(rows, "coverage_kept", level)
    if not found or level is None:
        return ""
    with_power = _with_power(rows, "coverage_kept", level)
    return f"{percent(level)} VaR is not rejected on so many series and sides{with_power}: {_ranked(found)}."


def _with_power(rows: Sequence[Row], measure: str, level: float | None) -> str:
    """`` (power 68 %)``: mean over estimators of the power beside a count of series."""
    said = [(r.power or {}).get("value") for r in select(rows, "rolling", measure, level=level)]
    known = [value for value in said if value is not None]
    return f" (power {100 * sum(known) / len(known):.0f} %)" if known else ""


def _shortfall(result: Mapping[str, Any], rows: list[Row]) -> str:
    level = headline_level(select(rows, "rolling"))
    found, best = (_totals(rows, measure, level) for measure in ("shortfall_kept", "fz0_in_set"))
    said = []
    if found:
        with_power = _with_power(rows, "shortfall_kept", level)
        said.append(f"Its expected shortfall is not rejected on{with_power}: {_ranked(found)}.")
    if best:
        said.append(f"By FZ0 score (VaR and ES together) it cannot be told from the best on: {_ranked(best)}.")
    return " ".join(said)


def _rates(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = select(rows, "rolling", "breach_rate")
    level = headline_level(own)
    shown = [r for r in select(own, side=own[0].parameters["side"], level=level) if r.value is not None] if own else []
    if not shown or level is None:
        return ""
    order = sorted(shown, key=lambda r: r.value or 0.0)
    told = order if len(order) <= 4 else [order[0], order[-2], order[-1]]
    said = "; ".join(f"{model_of(r.model)} {phrase(r.estimate, r.unit)}" for r in told)
    part = "" if len(order) <= 4 else " (the lowest and the two highest)"
    side = shown[0].parameters["side"]
    return f"Breach rate at {percent(level)}, {side} positions, {percent(round(1 - level, 12))} promised{part}: {said}."


def _power(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = [r for r in select(rows, "rolling", "rate_power") if r.value is not None]
    if not own:
        return ""
    multiple = (result.get("settings") or {}).get("rate_multiple", 2.0)
    said = []
    for level in sorted(unique(r.parameters["level"] for r in own)):
        values = [r.value for r in select(own, level=level)]
        said.append(f"{percent(level)}: {100 * sum(values) / len(values):.0f} %")
    return (
        f"No rejection proves little where power is low: breaches {multiple:g} times as frequent as promised would be "
        f"seen in one series with a probability of, on average, {'; '.join(said)}."
    )


def _portfolios(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = select(rows, "rolling_portfolio", "tracking_ratio", error="Newey-West")
    said = [f"{r.parameters['portfolio']} {phrase(r.estimate, r.unit)}" for r in own if "group" not in r.parameters]
    return f"Tracking error that came after, over the one forecast ex ante: {'; '.join(said)}." if said else ""


ROLLING = (_what, _survivors, _shortfall, _rates, _power, _portfolios)
