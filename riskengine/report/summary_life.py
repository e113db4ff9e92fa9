"""Sentences on account life."""

from collections.abc import Mapping
from typing import Any

from riskengine.report.labels import model_of, title_of
from riskengine.report.rows import Row, select, unique, whole_book
from riskengine.report.wording import amount, percent, phrase

# notional left open, as a share of what was closed, that is worth a sentence
_MATERIAL = 0.05


def _fund(result: Mapping[str, Any], rows: list[Row]) -> str:
    """The answer in words: the fund for the smallest probability, with feedback where it was run."""
    own = select(rows, "fund_sizing", "fund_size")
    if not own:
        return ""
    hours = (result.get("settings") or {}).get("horizon_hours")
    mode = unique(r.model for r in own)[-1]
    said = []
    for r in own:
        if r.model == mode:
            target = r.parameters["target"]
            fresh = select(rows, "fund_sizing", "fresh_exhaustion", target=target)
            found = next(f for f in fresh if f.model == mode)
            said.append(
                f"{percent(target)}: {phrase(r.estimate, r.unit)}, whose upper bound was exhausted on "
                f"{phrase(found.estimate, found.unit)} of fresh paths"
            )
    how = model_of(mode).lower()
    return f"Fund that is exhausted within {hours:g} hours ({how}) with probability {'; '.join(said)}."


def _now(result: Mapping[str, Any], rows: list[Row]) -> str:
    """What happens with the fund as it stands."""
    own = [r for r in select(rows, "account_life") if whole_book(r)]
    told = (
        ("liquidated_share", "{} of accounts are liquidated"),
        ("account_shortfall_probability", "some account owes beyond its equity on {} of paths"),
        ("deleveraging_probability", "somebody is deleveraged on {}"),
    )
    said = []
    for mode in unique(r.model for r in own if r.measure == "liquidated_share"):
        found = {r.measure: r for r in own if r.model == mode}
        parts = [text.format(phrase(found[m].estimate, found[m].unit)) for m, text in told if m in found]
        said.append(f"{model_of(mode)}: {', '.join(parts)}")
    fund = (result.get("settings") or {}).get("insurance_fund_usd")
    return f"With a fund of {amount(fund, 'USD')}. {'. '.join(said)}." if said else ""


def _feedback(result: Mapping[str, Any], rows: list[Row]) -> str:
    """What feedback adds to shortfall and to exhaustion."""
    told = []
    for axis, name in (("feedback", "Price feedback"), ("volatility_feedback", "Volatility feedback")):
        said = [
            f"{title_of(r.parameters['measure']).lower()} {phrase(r.estimate, r.unit)}"
            for r in select(rows, "feedback_effect", "paired_difference", axis=axis)
            if r.parameters["measure"] in ("account_shortfall", "fund_exhausted")
        ]
        if said:
            told.append(f"{name} adds, on the same paths, to {'; to '.join(said)}.")
    return " ".join(told)


def _ways(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Fund and cost of every way to close accounts."""
    own = select(rows, "execution_routes")
    sizes = select(own, measure="fund_size")
    if not sizes:
        return ""
    target = min(r.parameters["target"] for r in sizes)
    costs, left, closed = (
        {r.model: r for r in select(own, measure=m)} for m in ("closing_cost", "open_notional", "liquidated_notional")
    )
    said = [
        f"{model_of(r.model)}: fund for {percent(target)} {phrase(r.estimate, r.unit)}, mean cost of closing "
        f"{phrase(costs[r.model].estimate, 'USD')}"
        for r in sizes
        if r.parameters["target"] == target
    ]
    unfinished = [
        f"{model_of(name)} leaves {phrase(r.estimate, r.unit)}"
        for name, r in left.items()
        if (r.estimate.get("lower") or 0.0) > _MATERIAL * closed[name].value
    ]
    also = f" Notional still open at the end: {'; '.join(unfinished)}; closing it is not in fund and cost."
    return f"By way of closing: {'; '.join(said)}.{also if unfinished else ''}"


LIFE = (_ways, _fund, _now, _feedback)
