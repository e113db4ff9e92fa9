"""The change of a market as a payload: what to set, when and from what, and the market that it makes when executed.

Values are those of the contract: basis points (rates a year among them), the bonus as it is stored (10500 for 5 %),
caps in whole tokens, the close factor in basis points.  Every entry names the value that it expects to find, so a
payload made for another market is refused instead of executed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.lending.parameter_set import OF_RESERVE, OF_SIZE
from riskengine.pricing.fixed_point import BPS

FORMAT = "riskengine.aave_v3.parameters/1"


def raw(parameter: str, value: float | None) -> int | None:
    """A parameter as the contract stores it; None for no cap."""
    if value is None:
        return None
    if parameter in OF_SIZE:
        return round(value)
    return round(value * BPS) + (BPS if parameter == "liquidation_bonus" else 0)


def _value(parameter: str, stored: int | None) -> float | None:
    if stored is None:
        return None
    if parameter in OF_SIZE:
        return float(stored)
    return (stored - (BPS if parameter == "liquidation_bonus" else 0)) / BPS


def payload(rules: AaveV3Rules, steps: Sequence[Any]) -> dict[str, Any]:
    """The steps of a schedule as plain values.

    Parameters
    ----------
    rules : AaveV3Rules
        The market before the first.
    steps : sequence of Step
        As `riskengine.tune.steward.schedule` makes them.
    """
    return {
        "format": FORMAT,
        "market": rules.name,
        "as_of": rules.as_of,
        "steps": [
            {
                "after_hours": s.hours,
                "by": s.by,
                "set": [
                    {
                        "token": c.token,
                        "parameter": c.parameter,
                        "from": raw(c.parameter, c.before),
                        "to": raw(c.parameter, c.after),
                    }
                    for c in s.changes
                ],
            }
            for s in steps
        ],
    }


def executed(rules: AaveV3Rules, plain: Mapping[str, Any]) -> AaveV3Rules:
    """The market after all steps of a payload, each checked as the contract would.

    Raises
    ------
    ValueError
        Where the payload is for another market, a value found is not the one expected, or a step makes a market that
        could not be configured.
    """
    for name, own in (("format", FORMAT), ("market", rules.name), ("as_of", rules.as_of)):
        if plain.get(name) != own:
            raise ValueError(f"payload {name} must be {own!r}, got {plain.get(name)!r}")
    for k, step in enumerate(plain["steps"], 1):
        for entry in step["set"]:
            token, parameter = entry["token"], entry["parameter"]
            holder = rules if token is None else rules.reserve(token)
            known = ("close_factor",) if token is None else OF_RESERVE
            if parameter not in known:
                raise ValueError(f"payload step {k}: parameter must be one of {', '.join(known)}, got {parameter!r}")
            value = holder.close_factor if token is None else holder.parameter(parameter)
            found = raw(parameter, value)
            if found != entry["from"]:
                raise ValueError(
                    f"payload step {k}: {token or 'market'} {parameter} must be {entry['from']} before it, got {found}"
                )
        rules = _after(rules, step["set"])
    return rules


def _after(rules: AaveV3Rules, entries: Sequence[Mapping[str, Any]]) -> AaveV3Rules:
    """All changes of one step at once: on the way from one to the next an LTV may stand above its threshold."""
    new = {(e["token"], e["parameter"]): _value(e["parameter"], e["to"]) for e in entries}
    reserves = tuple(
        r.with_values({p: v for (token, p), v in new.items() if token == r.symbol}) for r in rules.reserves
    )
    return replace(rules, reserves=reserves, **{p: v for (token, p), v in new.items() if token is None})
