"""The chapter and the sentences on a lending market replayed over real crises."""

from riskengine.report.chapter import Chapter, Result
from riskengine.report.dots import Dot, dots
from riskengine.report.rows import Row, select
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
    lead = (
        "The book did not stand there on the days of the events, and the real figure is of the market's own book on "
        "those days: orders of magnitude may be compared.",
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
    return Chapter("replay", "What would the book have lost, and what was really liquidated?", lead, items)


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
