"""Recommended parameters, and other protocols, against what is in force, on the same book and the same real prices.

A liquidation reads thresholds, bonus, fee and close factor, never an LTV: so what a set does as it stands is also what
its thresholds do beside LTVs brought down to the borrow capacity in force.  The other comparison at equal capacity
scales LTVs and thresholds together (`riskengine.lending.parameter_set.at_capacity`).
"""

from collections.abc import Iterator, Sequence
from math import comb

from riskengine.arrays import Floats
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


def order_of_sets(study: LendingReplayStudy, rows: Sequence[Row]) -> Iterator[Row]:
    """In how many events a set does better or worse than the parameters in force."""
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
    events = [e.name for e in study.events]
    told = f"counted over {len(events)} events"
    for name, capacity in dict.fromkeys(key[:2] for key in found):
        signs = {}
        for measure, gap in DIFFERENCES.items():
            gaps = [found[name, capacity, e, gap] for e in events]
            same = [max(_SAME * abs(live[e, measure]), _CENT) for e in events]
            signs[measure] = [(g > s) - (g < -s) for g, s in zip(gaps, same, strict=True)]
            lower, higher = signs[measure].count(-1), signs[measure].count(1)
            where = {"event": "all", "parameter_set": name, "capacity": capacity, "measure": measure}
            kind = label_of(study.market)
            yield Row("recommended", kind, where, "events_lower", "count", exact(lower, told))
            yield Row("recommended", kind, where, "events_higher", "count", exact(higher, told))
            yield Row("recommended", kind, where, "sign_p_value", "probability", sign_test(lower, higher))
        both = list(zip(signs["replayed_seized"], signs["replayed_bad_debt"], strict=True))
        where = {"event": "all", "parameter_set": name, "capacity": capacity}
        for measure, way in (("events_dominant", 1), ("events_dominated", -1)):
            count = sum(max(way * a, way * b) <= 0 and min(way * a, way * b) < 0 for a, b in both)
            yield Row("recommended", label_of(study.market), where, measure, "count", exact(count, told))
