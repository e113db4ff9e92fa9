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


def stored(parameter: str, value: int | None) -> float | None:
    """What a value that the contract stores means; the inverse of `raw`."""
    if value is None:
        return None
    if parameter in OF_SIZE:
        return float(value)
    return (value - (BPS if parameter == "liquidation_bonus" else 0)) / BPS


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


def check_shape(plain: Any) -> None:
    """ValueError with every reason why `plain` is no payload at all."""
    faults = []
    if not isinstance(plain, Mapping) or not isinstance(plain.get("steps"), list):
        raise ValueError("payload must be a mapping with a list of steps")
    for k, step in enumerate(plain["steps"], 1):
        if not isinstance(step, Mapping) or not isinstance(step.get("set"), list) or not step["set"]:
            faults.append(f"step {k} must set at least one parameter")
            continue
        for entry in step["set"]:
            keys = ("token", "parameter", "from", "to")
            whole = isinstance(entry, Mapping) and all(key in entry for key in keys)
            if not whole or any(v is not None and type(v) is not int for v in (entry["from"], entry["to"])):
                faults.append(f"step {k} must set token, parameter, from and to, whole numbers or null, got {entry!r}")
    if faults:
        raise ValueError("payload: " + "; ".join(faults))


def steps_done(rules: AaveV3Rules, plain: Mapping[str, Any]) -> int:
    """How many steps of a payload a market has behind it: the first so many are made, and none after.

    Raises
    ------
    ValueError
        Where its parameters are those of no place on the way.
    """
    check_shape(plain)
    keys = {(e["token"], e["parameter"]) for step in plain["steps"] for e in step["set"]}
    now = {key: _found(rules, *key) for key in keys}
    at: dict[tuple[str | None, str], int | None] = {}
    for step in reversed(plain["steps"]):
        at |= {(e["token"], e["parameter"]): e["from"] for e in step["set"]}
    start = dict(at)
    for k, step in enumerate([*plain["steps"], {"set": []}]):
        if at == now:
            return k
        at = at | {(e["token"], e["parameter"]): e["to"] for e in step["set"]}
    said = ", ".join(
        f"{token or 'market'} {parameter} {now[token, parameter]} (before {start[token, parameter]}, "
        f"after {at[token, parameter]})"
        for token, parameter in sorted(keys, key=str)
        if now[token, parameter] != start[token, parameter]
    )
    raise ValueError(f"parameters must be those before or after a step of the payload, got {said}")


def one_step(rules: AaveV3Rules, plain: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Step `number` (from 0) of a payload as a payload of its own for the market `rules`, which must stand before it.

    Its ``after_hours`` is the wait from the step before.
    """
    step = plain["steps"][number]
    before = plain["steps"][number - 1].get("after_hours", 0.0) if number else 0.0
    own = {**step, "after_hours": step.get("after_hours", 0.0) - before}
    return {"format": FORMAT, "market": rules.name, "as_of": rules.as_of, "steps": [own]}


def _found(rules: AaveV3Rules, token: str | None, parameter: str) -> int | None:
    """What a market holds of a parameter, as the contract stores it; ValueError where there is no such parameter."""
    known = ("close_factor",) if token is None else OF_RESERVE
    if parameter not in known:
        raise ValueError(f"parameter must be one of {', '.join(known)}, got {parameter!r}")
    return raw(parameter, rules.close_factor if token is None else rules.reserve(token).parameter(parameter))


def executed(rules: AaveV3Rules, plain: Mapping[str, Any]) -> AaveV3Rules:
    """The market after all steps of a payload, each checked as the contract would.

    Raises
    ------
    ValueError
        Where the payload is none or for another market, a value found is not the one expected, or a step makes a
        market that could not be configured.
    """
    check_shape(plain)
    for name, own in (("format", FORMAT), ("market", rules.name), ("as_of", rules.as_of)):
        if plain.get(name) != own:
            raise ValueError(f"payload {name} must be {own!r}, got {plain.get(name)!r}")
    for k, step in enumerate(plain["steps"], 1):
        for entry in step["set"]:
            token, parameter = entry["token"], entry["parameter"]
            try:
                found = _found(rules, token, parameter)
            except ValueError as error:
                raise ValueError(f"payload step {k}: {error}") from None
            if found != entry["from"]:
                raise ValueError(
                    f"payload step {k}: {token or 'market'} {parameter} must be {entry['from']} before it, got {found}"
                )
        rules = _after(rules, step["set"])
    return rules


def _after(rules: AaveV3Rules, entries: Sequence[Mapping[str, Any]]) -> AaveV3Rules:
    """All changes of one step at once: on the way from one to the next an LTV may stand above its threshold."""
    new = {(e["token"], e["parameter"]): stored(e["parameter"], e["to"]) for e in entries}
    reserves = tuple(
        r.with_values({p: v for (token, p), v in new.items() if token == r.symbol}) for r in rules.reserves
    )
    return replace(rules, reserves=reserves, **{p: v for (token, p), v in new.items() if token is None})
