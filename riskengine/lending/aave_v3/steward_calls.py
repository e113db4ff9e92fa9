"""A step of a payload as calls of the risk steward's contract: ``updateCollateralSide`` and ``updateCaps``.

The steward takes one structure for each asset; a field that stays as it is holds 2^256 - 1 - 42.  The bonus is given
without the 100 % that the pool stores with it.  Numbers are decimal strings, since most readers of JSON cut large ones.

Reference: aave-dao/aave-v3-risk-stewards ``IRiskSteward``, ``IAaveV3ConfigEngine`` (names of functions and fields).
"""

import re
from collections.abc import Mapping
from typing import Any

from riskengine.pricing.fixed_point import BPS

KEEP_CURRENT = 2**256 - 1 - 42
# parameter -> (function, field of its structure)
_FIELDS = {
    "ltv": ("updateCollateralSide", "ltv"),
    "liquidation_threshold": ("updateCollateralSide", "liqThreshold"),
    "liquidation_bonus": ("updateCollateralSide", "liqBonus"),
    "supply_cap": ("updateCaps", "supplyCap"),
    "borrow_cap": ("updateCaps", "borrowCap"),
}
_STRUCTURES = {
    "updateCollateralSide": ("ltv", "liqThreshold", "liqBonus", "debtCeiling", "liqProtocolFee"),
    "updateCaps": ("supplyCap", "borrowCap"),
}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def steward_calls(step: Mapping[str, Any], assets: Mapping[str, str]) -> dict[str, Any]:
    """Calls of the steward that make one step of a payload.

    Parameters
    ----------
    step : mapping
        As `riskengine.lending.aave_v3.payload.payload` makes it, by the steward.
    assets : mapping of str to str
        Symbol -> address of the token's contract.

    Raises
    ------
    ValueError
        With every reason: a step that takes a vote, parameters that no steward moves, tokens without an address.
    """
    faults = [] if step.get("by") == "steward" else [f"a step by {step.get('by')} has no calls of the steward"]
    tokens = list(dict.fromkeys(e["token"] for e in step["set"]))
    faults += [f"{t} needs the address of its contract" for t in tokens if t is not None and t not in assets]
    faults += [f"{t} must have an address of 0x and 40 digits, got {a!r}" for t, a in assets.items()
               if not _ADDRESS.fullmatch(a)]  # fmt: skip
    faults += [f"a steward cannot move {e['parameter']}" for e in step["set"] if e["parameter"] not in _FIELDS]
    if faults:
        raise ValueError("; ".join(faults))
    calls: dict[str, dict[str, dict[str, str]]] = {}
    for entry in step["set"]:
        function, field = _FIELDS[entry["parameter"]]
        value = entry["to"] - (BPS if entry["parameter"] == "liquidation_bonus" else 0)
        blank = {"asset": assets[entry["token"]], **dict.fromkeys(_STRUCTURES[function], str(KEEP_CURRENT))}
        calls.setdefault(function, {}).setdefault(entry["token"], blank)[field] = str(value)
    return {
        "contract": "RiskSteward",
        "calls": [{"function": name, "updates": list(own.values())} for name, own in calls.items()],
    }


def moved(calls: Mapping[str, Any], assets: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """What calls of the steward set, (token, parameter) -> value as the pool stores it: `steward_calls` read back."""
    symbols = {address: symbol for symbol, address in assets.items()}
    names = {(function, field): parameter for parameter, (function, field) in _FIELDS.items()}
    found = {}
    for call in calls["calls"]:
        for update in call["updates"]:
            for field, text in update.items():
                if field != "asset" and int(text) != KEEP_CURRENT:
                    parameter = names[call["function"], field]
                    bonus = BPS if parameter == "liquidation_bonus" else 0
                    found[symbols[update["asset"]], parameter] = int(text) + bonus
    return found
