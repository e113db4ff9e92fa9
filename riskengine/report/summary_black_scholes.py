"""Sentences of a study of Black-Scholes: what it costs to believe it."""

from collections.abc import Mapping
from typing import Any

from riskengine.report.rows import Row, headline_level, select, unique
from riskengine.report.wording import amount, percent, phrase, plain


def headline_black(rows: list[Row]) -> list[Row]:
    """Rows of the first volatility at the headline level, the shortest maturity beyond a day or the shortest."""
    own = [r for r in rows if r.section in ("black_scholes", "black_scholes_margin") and "moneyness" in r.parameters]
    if not own:
        return []
    level, rule = headline_level(own), own[0].model
    days = sorted(unique(r.parameters["days"] for r in own))
    day = next((d for d in days if d > 1), days[0])
    # one line for an option: what has no level is shown beside what has the headline one
    return [
        Row(r.section, r.model, r.measure, r.unit, r.estimate, {k: v for k, v in r.parameters.items() if k != "level"})
        for r in select(own, days=day)
        if r.model == rule and r.parameters.get("level") in (None, level)
    ]


def _first(rows: list[Row], section: str, measure: str, **where: Any) -> list[Row]:
    own = [r for r in select(rows, section, measure, **where) if r.value is not None]
    return [r for r in own if r.model == own[0].model] if own else []


def option_of(row: Row) -> str:
    """``put at −2 sd, 7 days``."""
    z = row.parameters["moneyness"]
    kind = "at-the-money option" if z == 0 else f"{'put' if z < 0 else 'call'} at {z:+g} sd".replace("-", "−")
    days = row.parameters["days"]
    return f"{plain(days)}-day {kind}"


def _price(result: Mapping[str, Any], rows: list[Row]) -> str:
    said = []
    own = _first(rows, "black_scholes", "price_error")
    for world in unique(r.parameters["world"] for r in own):
        far = min((r for r in select(own, world=world) if r.value > -1.0), key=lambda r: r.value)
        times = 1.0 / (1.0 + far.value)
        if times < 1.005:
            continue
        gaps = [r for r in select(rows, "black_scholes", "volatility_error", **far.parameters) if r.model == far.model]
        short = f" ({amount(-gaps[0].value * 100, 'number')} points of volatility)" if gaps and gaps[0].value else ""
        said.append(f"on {world} the {option_of(far)} is worth {amount(times, 'number')} times its price{short}")
    if not said:
        return ""
    rule = own[0].model.replace("_", " ")
    return f"Black–Scholes with one volatility ({rule}) sells wings too cheap: {'; '.join(said)} (exact)."


def _margin(result: Mapping[str, Any], rows: list[Row]) -> str:
    said = []
    levels = sorted(unique(r.parameters["level"] for r in select(rows, "black_scholes_margin")))
    for world in unique(r.parameters["world"] for r in select(rows, "black_scholes_margin")):
        parts = []
        for level in levels:
            own = _first(rows, "black_scholes_margin", "margin_breach", world=world, level=level)
            values = sorted(r.value for r in own)
            middle = values[len(values) // 2]
            parts.append(
                f"{amount(middle, 'probability')} at {percent(level)} (up to {amount(values[-1], 'probability')})"
            )
        said.append(f"on {world} {', '.join(parts)}")
    if not said:
        return ""
    return (
        "A margin that assumes Black–Scholes is breached, in the median over options, with a probability of "
        f"{'; '.join(said)} (exact)."
    )


def _hedge(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = select(rows, "hedge_tracking", "hedge_sd", hedged_in="world")
    hours = sorted(unique(r.parameters["interval_hours"] for r in own))
    if len(hours) < 2:
        return ""
    said, kept = [], []
    for world in unique(r.parameters["world"] for r in own):
        mine = [
            r for r in select(own, world=world, moneyness=own[0].parameters["moneyness"]) if r.model == own[0].model
        ]
        rare, often = (select(mine, interval_hours=h)[0] for h in (hours[-1], hours[0]))
        (promised,) = select(rows, "hedge_tracking", "hedge_sd_lognormal", **often.parameters)
        said.append(
            f"on {world} from {phrase(rare.estimate, rare.unit)} to {phrase(often.estimate, often.unit)}, where a "
            f"lognormal world would leave {amount(promised.value, promised.unit)}"
        )
        kept.append((often.estimate.get("lower") or 0.0) < 1.1 * (promised.value or 0.0))
    end = "" if any(kept) else ": jumps cannot be hedged away"
    return (
        f"Hedging every {plain(hours[0])} h instead of every {plain(hours[-1])} h takes the tracking error of the "
        f"Black–Scholes delta, in per cent of the spot, {'; '.join(said)}{end}."
    )


def _vault(result: Mapping[str, Any], rows: list[Row]) -> str:
    said = []
    for world in unique(r.parameters["world"] for r in select(rows, "vault_total")):
        own = select(rows, "vault_total", world=world)
        most = max(select(own, measure="vault_profit"), key=lambda r: r.value)
        same = {r.measure: r for r in own if r.parameters == most.parameters}
        spread = max(
            r.value for r in select(rows, "vault", "vault_break_even", **most.parameters) if r.value is not None
        )
        told = {m: phrase(same[m].estimate, same[m].unit) for m in ("vault_loss_probability", "vault_loss_es_99")}
        days = plain(most.parameters["days"])
        said.append(
            f"on {world} {amount(most.value, 'return')} of a coin with its {days}-day options (exact), losing "
            f"{told['vault_loss_probability']} of the time, ES 99 % {told['vault_loss_es_99']}, and "
            f"{amount(100 * spread, 'number')} points of spread would end it"
        )
    quote = (result.get("settings") or {}).get("vault")
    if not said or not quote:
        return ""
    return (
        f"A vault that asks {100 * quote['spread']:g} points over its one volatility, for at most "
        f"{plain(quote['limit'])} coins of an option, expects to lose to who knows the law {'; '.join(said)}."
    )


def _attack(result: Mapping[str, Any], rows: list[Row]) -> str:
    own, said = select(rows, "mark_attack"), []
    for name in unique(r.model for r in own):
        mine = [r for r in own if r.model == name]
        first = mine[0].parameters
        here = {r.measure: r for r in mine if r.parameters == first}
        stop = [r for r in select(rows, "mark_attack_stop", "attack_observations", cap=first["cap"]) if r.model == name]
        ends = (
            f"{plain(int(stop[0].value))} observations end it" if stop and stop[0].value else "no average tried ends it"
        )
        said.append(
            f"{name} {amount(here['attack_profit'].value, 'USD')} (cost {amount(here['attack_cost'].value, 'USD')}), "
            f"open interest below {amount(here['attack_break_even'].value, 'USD')} is safe, {ends}"
        )
    if not said:
        return ""
    start = own[0].parameters
    return (
        f"Moving the mark, {plain(start['observations'])} observation{'s' * (start['observations'] > 1)} and a cap of "
        f"{percent(start['cap'])}, pays: {'; '.join(said)} (exact)."
    )


BLACK_SCHOLES = (_price, _margin, _hedge, _vault, _attack)
