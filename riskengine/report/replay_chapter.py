"""Chapters and sentences on a lending market replayed over real crises."""

from dataclasses import replace

from riskengine.report.chapter import Chapter, Result
from riskengine.report.dots import Dot, dots
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import pivot, records
from riskengine.report.wording import amount


def _base(rows: list[Row], measure: str) -> dict[str, Row]:
    own = select(rows, "replay", measure, threshold_shift=0.0)
    return {r.parameters["event"]: r for r in own if r.value is not None}


def replay(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Every event: what the book would have lost, what really happened, and other thresholds."""
    own = select(rows, "replay")
    if not own:
        return Chapter("replay", "", (), ())
    shown = (
        ("replayed_seized_least", "least over starting hours"),
        ("replayed_seized", "replayed"),
        ("replayed_seized_most", "most over starting hours"),
        ("happened_seized", "really seized"),
    )
    marks = [Dot(event, label, r) for measure, label in shown for event, r in _base(rows, measure).items()]
    figure = pictures and dots("replay", "Collateral seized", [("Collateral seized (USD)", marks)])
    real = "the real figure is of the market's own book on those days: orders of magnitude may be compared."
    there = "The book did not stand there on the days of the events"
    lead = (
        f"{there}, and {real}" if _base(rows, "happened_seized") else f"{there}.",
        f"Number of events: {len(result['series'])}, one history each. No figure here has a sampling error, and none "
        "says what another crisis would do.",
    )
    here = select(own, threshold_shift=0.0)
    main = ("replayed_seized", "replayed_seized_least", "replayed_seized_most", "happened_seized")
    counts = ("replayed_borrowers", "happened_borrowers", "replayed_bad_debt", "replayed_penalty")
    other = ("liquidatable_at_start", "replayed_borrowers", "replayed_seized", "replayed_bad_debt", "borrow_capacity")
    base = [r for r in here if r.parameters["event"] != "all" and "asset" not in r.parameters]
    items = [
        figure or None,
        pivot("Collateral seized", base, main, lead=("event",)),
        pivot("Borrowers and bad debt", base, counts, lead=("event",)),
        pivot(
            "Other thresholds",
            [r for r in own if "asset" not in r.parameters],
            other,
            lead=("event", "threshold_shift"),
        ),
        pivot("Prices", select(own, measure="deepest_fall"), ("deepest_fall",), lead=("event", "asset")),
        records("Events", [{**r, "first": r["first"].replace("T", " ")} for r in result["series"]]),
    ]
    heading = "What would the book have lost" + (", and what was really liquidated?" if real in lead[0] else "?")
    return Chapter("replay", heading, lead, items)


def recommended(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Recommended parameters beside those in force, as they stand and at equal borrow capacity."""
    own = select(rows, "recommended")
    if not own:
        return Chapter("recommended", "", (), ())
    live = [
        replace(r, parameters={"event": r.parameters["event"], "parameter_set": "in force", "capacity": "equal"})
        for r in select(rows, "replay", threshold_shift=0.0)
        if r.parameters["event"] != "all"
    ]
    each = [r for r in own if r.parameters["event"] != "all"]
    count, tested = len(result["series"]), len(select(own, measure="sign_p_value"))
    floor = 2.0 ** (1 - count)
    equal = select(each, capacity="equal")
    shown = (
        ("seized_difference_least", "least over starting hours"),
        ("seized_difference", "at the stated start"),
        ("seized_difference_most", "most over starting hours"),
    )
    sets = unique(r.parameters["parameter_set"] for r in equal)
    panels = [
        (name, [Dot(r.parameters["event"], label, r) for m, label in shown for r in select(equal, measure=m)
                if r.parameters["parameter_set"] == name])
        for name in sets
    ]  # fmt: skip
    figure = pictures and dots("recommended", "Collateral seized at equal capacity, against live", panels, zero=True)
    lead = (
        f"{_counted(count)} are {_counted(count).lower()}: events of one history each, chosen because prices fell, not "
        "a sample of crises. The p-value of the sign counts events and nothing else; where a set only has higher "
        "thresholds it liquidates less by construction, and a small p says no more than that. "
        f"{_tests(own)} Holm's adjusted p bounds the chance that luck alone makes any of them as small. "
        f"{_counted(count)} event{'s' * (count != 1)} cannot bring a p below {floor:.2g} or an adjusted one below "
        f"{min(1.0, tested * floor):.2g}: adjusted for all, these tests can hardly find anything.",
        "Capacity equal: LTV and threshold of every token that a set names are multiplied by one factor, in whole "
        "basis points, so that the book may borrow what it may borrow in force. Capacity its own: the set as it "
        "stands. A liquidation reads no LTV, so these figures are also those of the set's thresholds with LTVs alone "
        "brought down to the capacity in force.",
    )
    main = ("borrow_capacity", "liquidatable_at_start", "replayed_borrowers", "replayed_seized", "replayed_bad_debt")
    gaps = ("seized_difference", "seized_difference_least", "seized_difference_most", "bad_debt_difference",
            "bad_debt_difference_most")  # fmt: skip
    axes = ("parameter_set", "capacity")
    totals = [r for r in own if r.parameters["event"] == "all"]
    signs = ("events_lower", "events_higher", "sign_p_value", "sign_p_value_holm")
    items = [
        figure or None,
        pivot("Events won and lost", totals, ("events_dominant", "events_dominated"), lead=axes),
        pivot("Events with less and with more", totals, signs, lead=(*axes, "measure")),
        pivot("Against the parameters in force", each, gaps, lead=("event", *axes)),
        pivot("Recommended and in force", _by_event([*live, *each]), main, lead=("event", *axes)),
    ]
    return Chapter("recommended", "Would the recommended parameters have done better?", lead, items)


def compared(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """The same book under other protocols."""
    own = select(rows, "compared")
    if not own:
        return Chapter("compared", "", (), ())
    live = [
        replace(r, parameters={"event": r.parameters["event"]}) for r in select(rows, "replay", threshold_shift=0.0)
    ]
    main = ("replayed_borrowers", "replayed_seized", "replayed_penalty", "replayed_bad_debt", "borrow_capacity")
    gaps = ("seized_difference", "seized_difference_least", "seized_difference_most", "bad_debt_difference",
            "bad_debt_difference_least", "bad_debt_difference_most")  # fmt: skip
    lead = (
        "Book, prices and depth of pools are the same, parameters those that each market states. One history for each "
        "event: which protocol does better is a matter of these prices, this book and the depth that keepers find.",
    )
    items = [
        pivot("Protocols side by side", _by_event([*live, *own]), main, lead=("event",)),
        pivot("Less the replayed market", own, gaps, lead=("event",)),
    ]
    return Chapter("compared", "What would other protocols have done?", lead, items)


def _by_event(rows: list[Row]) -> list[Row]:
    order = unique(r.parameters["event"] for r in rows)
    return sorted(rows, key=lambda r: order.index(r.parameters["event"]))


def _counted(count: int) -> str:
    small = "One Two Three Four Five Six Seven Eight Nine Ten".split()
    return small[count - 1] if count <= len(small) else str(count)


def recommended_sentence(result: Result, rows: list[Row]) -> str:
    """In how many events each set does better and worse at equal borrow capacity."""
    own = [r for r in select(rows, "recommended", capacity="equal") if r.parameters["event"] == "all"]
    said, adjusted = [], []
    for name in unique(r.parameters["parameter_set"] for r in own):
        found = {
            (r.measure, r.parameters.get("measure")): r.value for r in own if r.parameters["parameter_set"] == name
        }
        if found["events_lower", "replayed_seized"] is None:
            said.append(f"{name} has none in any event")
            continue
        parts = []
        for of, less, noun in _COMPARED:
            lower, higher, p = (found[m, of] for m in ("events_lower", "events_higher", "sign_p_value"))
            chance = "" if p is None else f" (p = {p:.2g})"
            parts.append(f"{less} {noun} in {lower:g} and more in {higher:g}{chance}")
            adjusted += [q for q in [found.get(("sign_p_value_holm", of))] if q is not None]
        said.append(f"{name} {', '.join(parts[:-1])}, and {parts[-1]}")
    if not said:
        return ""
    count = len(result["series"])
    events = f"{count} event{'s' * (count != 1)} of one history each"
    least = f" Adjusted by Holm, the least at equal capacity is p = {min(adjusted):.2g}." if adjusted else ""
    head = f"Recommended against live parameters at equal borrow capacity, over {events}"
    return f"{head}: {'; '.join(said)}. {_tests(select(rows, 'recommended'))}{least}"


# measures that a sentence compares, with what less of each is called
_COMPARED = (
    ("replayed_seized", "seizes less", "collateral"),
    ("replayed_bad_debt", "leaves less", "bad debt"),
    ("replayed_borrowers", "liquidates fewer", "borrowers"),
)


def _tests(own: list[Row]) -> str:
    """How many sign tests there are, and of what."""
    count = len(select(own, measure="sign_p_value"))
    of = "every set, as it stands and at equal capacity, by three measures"
    return f"p is of exact sign tests, of which {count} are made: {of}."


def replay_sentence(result: Result, rows: list[Row]) -> str:
    """Replayed against real, event by event."""
    replayed, real = _base(rows, "replayed_seized"), _base(rows, "happened_seized")
    least, most = _base(rows, "replayed_seized_least"), _base(rows, "replayed_seized_most")
    said = []
    for event, row in replayed.items():
        over = f" ({amount(least[event].value, 'USD')} to {amount(most[event].value, 'USD')})" if event in least else ""
        beside = f", really {amount(real[event].value, 'USD')}" if event in real else ""
        said.append(f"{event} {amount(row.value, 'USD')}{over}{beside}")
    head = "Collateral that the replayed book loses to liquidations" + (" (range over starting hours)" if least else "")
    return f"{head}: {'; '.join(said)}." if said else ""


def order_sentence(result: Result, rows: list[Row]) -> str:
    """Whether the replay ranks the events as they were."""
    found, chance = (select(rows, "replay", m) for m in ("order_correlation", "order_p_value"))
    if not found:
        return ""
    count = len(_base(rows, "happened_seized"))
    return (
        f"The order of the {count} events by collateral seized correlates {found[0].value:.2f} with the real one; "
        f"{100.0 * chance[0].value:.0f} % of all orders do so as well."
    )
