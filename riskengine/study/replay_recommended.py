"""Recommended parameters, and other protocols, against what is in force, on the same book and the same real prices.

A liquidation reads thresholds, bonus, fee and close factor, never an LTV: so what a set does as it stands is also what
its thresholds do beside LTVs brought down to the borrow capacity in force.  The other comparison at equal capacity
scales LTVs and thresholds together (`riskengine.lending.parameter_set.at_capacity`).
"""

from collections.abc import Iterator, Sequence
from math import comb

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.multiplicity import holm
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.market.paths import MarketPaths
from riskengine.roles import LendingProtocol, label_of
from riskengine.study.lending_replay_spec import LendingReplayStudy
from riskengine.study.names import REPLAY
from riskengine.study.result import Row

ONE = "one history, no sampling error"
# figure -> its difference from that of the parameters in force
DIFFERENCES = {
    "replayed_seized": "seized_difference",
    "replayed_bad_debt": "bad_debt_difference",
    "replayed_borrowers": "borrowers_difference",
}
# below a cent, and this share of the figure in force, two figures are the same
_SAME, _CENT = 1e-9, 0.01


def replayed(study: LendingReplayStudy, market: LendingProtocol, paths: MarketPaths) -> dict[str, Floats]:
    """Figures of the book in `market` along `paths`, measure -> (starting hours,)."""
    desk = LendingDesk(market, 0.0, study.book, paths, paths.spot_lanes[0], incidence=True, losses=True)
    run_loop(paths, [desk])
    columns = {key[-1]: column for key, column in desk.columns().items()}
    return {
        "liquidatable_at_start": columns["liquidatable_at_start"],
        "replayed_borrowers": columns["liquidated_loans"],
        # what is taken from borrowers and not handed back: debt settled, and what goes beyond it
        "replayed_seized": columns["liquidated_volume"] + columns["liquidation_penalty"],
        "replayed_bad_debt": columns["bad_debt"],
        "replayed_penalty": columns["liquidation_penalty"],
        "borrow_capacity": columns["borrow_capacity"],
    }


def recommended_rows(
    study: LendingReplayStudy, event: str, market: LendingProtocol, paths: MarketPaths, live: dict[str, Floats]
) -> Iterator[Row]:
    """Rows of section ``recommended`` of one event: figures of every set, and its differences from `live`."""
    for own, capacity, changed in study.compared(market):
        where = {"event": event, "parameter_set": own.name, "capacity": capacity}
        if isinstance(changed, str):
            told = undetermined(0, f"no such market: {changed}")
            ends = ("", "_least", "_most") if study.starts > 1 else ("",)
            missing = [*live, *(f"{name}{end}" for name in DIFFERENCES.values() for end in ends)]
            yield from (Row("recommended", label_of(market), where, m, REPLAY[m], told) for m in missing)
            continue
        yield from beside(study, changed, where, paths, live)


def beside(
    study: LendingReplayStudy,
    market: LendingProtocol,
    where: dict[str, str],
    paths: MarketPaths,
    live: dict[str, Floats],
    section: str = "recommended",
) -> Iterator[Row]:
    """Rows of one market on the same book and prices: its figures, and their differences from `live`."""
    columns = replayed(study, market, paths)
    for measure, column in columns.items():
        yield Row(section, label_of(market), where, measure, REPLAY[measure], exact(column[0], ONE))
    for measure, name in DIFFERENCES.items():
        gap = columns[measure] - live[measure]
        yield Row(section, label_of(market), where, name, REPLAY[name], exact(gap[0], f"on the same prices, {ONE}"))
        if gap.size > 1:
            for which, found in (("least", gap.min()), ("most", gap.max())):
                said = exact(found, f"{which} of {gap.size} starting hours")
                yield Row(section, label_of(market), where, f"{name}_{which}", REPLAY[name], said)


def sign_test(lower: int, higher: int) -> Estimate:
    """Exact two-sided p of `lower` falls and `higher` rises under even odds; undetermined where nothing differs."""
    n = lower + higher
    if n == 0:
        return undetermined(0, "no event differs")
    tail = sum(comb(n, k) for k in range(max(lower, higher), n + 1)) / 2**n
    return exact(min(1.0, 2.0 * tail), f"exact sign test over {n} events that differ")


def adjusted_signs(tests: Sequence[Estimate]) -> list[Estimate]:
    """p-values of all `tests` adjusted together by Holm; one where nothing differs counts as a test with p = 1."""
    found = np.array([e.value for e in tests])
    told = f"adjusted by Holm over {len(tests)} sign tests"
    adjusted = holm(np.where(np.isnan(found), 1.0, found)) if tests else found
    return [e if np.isnan(e.value) else exact(q, told) for e, q in zip(tests, adjusted, strict=True)]


def order_of_sets(study: LendingReplayStudy, rows: Sequence[Row]) -> Iterator[Row]:
    """In how many events a set does better or worse than the parameters in force, and what chance does alone."""
    live = {
        (r.parameters["event"], r.measure): r.estimate.value
        for r in rows
        if r.section == "replay" and r.parameters.get("threshold_shift") == 0.0
    }
    found = {
        (r.parameters["parameter_set"], r.parameters["capacity"], r.parameters["event"], r.measure): r.estimate.value
        for r in rows
        if r.section == "recommended"
    }
    kind, tests = label_of(study.market), []
    for name, capacity in dict.fromkeys(key[:2] for key in found):
        at = {"event": "all", "parameter_set": name, "capacity": capacity}
        # without a market at equal capacity there is nothing to count in an event
        events = [e.name for e in study.events if np.isfinite(found[name, capacity, e.name, "replayed_seized"])]
        of = f" of {len(study.events)}" if len(events) < len(study.events) else ""
        told = f"counted over {len(events)}{of} events"

        def counted(count: int, told: str = told, some: bool = bool(events)) -> Estimate:
            return exact(count, told) if some else undetermined(0, "no event has a market of that capacity")

        signs = {}
        for measure, gap in DIFFERENCES.items():
            gaps = [found[name, capacity, e, gap] for e in events]
            same = [max(_SAME * abs(live[e, measure]), _CENT) for e in events]
            signs[measure] = [(g > s) - (g < -s) for g, s in zip(gaps, same, strict=True)]
            lower, higher = signs[measure].count(-1), signs[measure].count(1)
            where = at | {"measure": measure}
            yield Row("recommended", kind, where, "events_lower", "count", counted(lower))
            yield Row("recommended", kind, where, "events_higher", "count", counted(higher))
            tests.append((where, sign_test(lower, higher)))
            yield Row("recommended", kind, where, "sign_p_value", "probability", tests[-1][1])
        both = list(zip(signs["replayed_seized"], signs["replayed_bad_debt"], strict=True))
        for measure, way in (("events_dominant", 1), ("events_dominated", -1)):
            count = sum(max(way * a, way * b) <= 0 and min(way * a, way * b) < 0 for a, b in both)
            yield Row("recommended", kind, at, measure, "count", counted(count))
    for (where, _), adjusted in zip(tests, adjusted_signs([e for _, e in tests]), strict=True):
        yield Row("recommended", kind, where, "sign_p_value_holm", "probability", adjusted)
