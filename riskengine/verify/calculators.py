"""Adapters of the lending calculators whose inputs are ours: one account, or several that share a pool or a limit.

Keys are the contracts' names where they have them; units as everywhere in the integer engines (see each module).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from riskengine.verify.cases import spelled
from riskengine.verify.integers import integer_or, integers, whole

Inputs = dict[str, Any]
Results = dict[str, Any]


def _aave_v4(x: Inputs) -> Results:
    from riskengine.lending.aave_v4 import CollateralReserve, DebtReserve, SpokeTerms, liquidation_amounts

    collateral, debt = x["collateral"], x["debt"]
    cover = x.get("cover", "max")
    done = liquidation_amounts(
        SpokeTerms(*integers(x, "target_health_factor", "health_factor_for_max_bonus", "liquidation_bonus_factor_bps")),
        *integers(x, "health_factor", "total_debt_value"),
        CollateralReserve(
            *integers(collateral, "balance", "price", "unit", "collateral_factor_bps", "max_liquidation_bonus_bps"),
            integer_or(collateral, "liquidation_fee_bps", 0),
        ),
        DebtReserve(*integers(debt, "balance", "price", "unit")),
        None if cover == "max" else whole("cover", cover),
        bool(x.get("other_collateral", False)),
        bool(x.get("other_debt", False)),
    )
    return {
        "liquidation_bonus_bps": done.bonus_bps,
        "debt_to_target": done.debt_to_target,
        "debt_to_liquidate": done.debt_liquidated,
        "collateral_to_liquidate": done.collateral_liquidated,
        "collateral_to_liquidator": done.collateral_to_liquidator,
        "protocol_fee_collateral": done.fee,
        "deficit": done.deficit,
        "reverts": done.reverts,
    }


def _liquity(done: Any) -> Results:
    return {
        "coll_gas_compensation": done.gas_compensation,
        "debt_offset": done.debt_offset,
        "coll_to_sp": done.collateral_to_pool,
        "debt_redistributed": done.debt_redistributed,
        "coll_redistributed": done.collateral_redistributed,
        "coll_surplus": done.collateral_surplus,
    }


def _liquity_v2(x: Inputs) -> Results:
    from riskengine.lending.liquity_v2 import BranchTerms, liquidate

    default = BranchTerms()
    terms = BranchTerms(
        integer_or(x, "penalty_sp", default.penalty_pool),
        integer_or(x, "penalty_redistribution", default.penalty_redistribution),
        integer_or(x, "gas_comp_cap", default.gas_compensation_cap),
    )
    return _liquity(liquidate(*integers(x, "debt", "coll", "stability_pool", "price"), terms))


def _liquity_v1(x: Inputs) -> Results:
    from riskengine.lending.liquity_system import LiquitySystem

    system = LiquitySystem(*integers(x, "stability_pool"))
    for vault in x["vaults"]:
        system = system.opened(vault["name"], *integers(vault, "debt", "coll"))
    closed = []
    for call in x["calls"]:
        system, done = system.liquidated(call["liquidate"], *integers(call, "price"))
        closed.append({name: _liquity(v) for name, v in done.items()})
        for vault in call.get("then_open", ()):
            system = system.opened(vault["name"], *integers(vault, "debt", "coll"))
    held = {name: dict(zip(("debt", "coll"), system.held(name), strict=True)) for name in system.vaults}
    stakes = {name: vault.stake for name, vault in system.vaults.items()}
    return {"closed": closed, "vaults": held, "stakes": stakes, "stability_pool": system.pool}


def _maker_house(x: Inputs) -> Results:
    from riskengine.lending.maker import linear_price, stairstep_price
    from riskengine.lending.maker_house import AuctionTerms, House

    t = x["terms"]
    if "tau_s" in t:
        (tau,) = integers(t, "tau_s")
        price = partial(_falling, linear_price, (tau,))
    else:
        price = partial(_falling, stairstep_price, integers(t, "cut", "step_s"))
    numbers = ("chop", "buf", "tail_s", "cusp", "tip", "chip", "hole", "Hole", "dust")
    house = House(AuctionTerms(price, *integers(t, *numbers)), integer_or(x, "dirt_elsewhere", 0))
    steps: list[Results] = []
    for e in x["events"]:
        kind = e["do"]
        if kind == "bark":
            house, done = house.barked(*integers(e, "ink", "art", "rate", "spot", "feed", "t"))
            steps.append({**vars(done), "reverts": spelled("Dog", done.reverts)})
        elif kind == "take":
            house, done = house.taken(*integers(e, "id", "amt", "max", "t"))
            steps.append({**vars(done), "reverts": spelled("Clipper", done.reverts)})
        elif kind == "redo":
            house, reward = house.redone(*integers(e, "id", "feed", "t"))
            steps.append({"reward": reward, "top": house.auctions[whole("id", e["id"])].top})
        else:
            raise ValueError(f"do must be bark, take or redo, got {kind!r}")
    running = {str(n): {"tab": a.tab, "lot": a.lot, "top": a.top} for n, a in house.auctions.items()}
    totals = {name: getattr(house, name) for name in ("dirt", "raised", "rewards", "returned", "bad_debt")}
    return {"steps": steps, "auctions": running, **totals}


def _falling(rule: Callable[..., int], settings: tuple[int, ...], top: int, elapsed: int) -> int:
    return rule(top, *settings, elapsed)


def _silo(x: Inputs) -> Results:
    from riskengine.lending.silo import SiloAccount, call, largest_call

    account = SiloAccount(*integers(x, "collateral", "collateral_value", "debt", "debt_value"))
    terms = integers(x, "ltv_after_liquidation", "liquidation_fee")
    repay, collateral = largest_call(account, *terms)
    done = call(account, integer_or(x, "max_debt_to_cover", account.debt), *terms)
    return {
        "max_debt_to_repay": repay,
        "max_collateral_to_liquidate": collateral,
        "debt_repaid": done.repaid,
        "collateral_liquidated": done.taken,
        "ltv_after": done.ltv_after,
    }


ADAPTERS: dict[str, Callable[[Inputs], Results]] = {
    "Aave v4 liquidationCall": _aave_v4,
    "Liquity v2 liquidation": _liquity_v2,
    "Liquity v1 batch liquidation": _liquity_v1,
    "Maker auction house": _maker_house,
    "Silo liquidationCall": _silo,
}
