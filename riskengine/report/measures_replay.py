"""Titles and definitions of the measures of a lending market replayed over real crises."""

# measure -> (title, definition)
REPLAY: dict[str, tuple[str, str]] = {
    "deepest_fall": ("Deepest fall", "Lowest price of the event over its first, less one."),
    "replayed_seized": ("Replay: collateral seized", "Collateral that liquidations of the replayed book seize."),
    "replayed_seized_least": ("Replay: least over starts", "Least collateral seized over all starting hours."),
    "replayed_seized_most": ("Replay: most over starts", "Most collateral seized over all starting hours."),
    "replayed_borrowers": ("Replay: borrowers", "Borrowers of the replayed book that are liquidated."),
    "replayed_bad_debt": ("Replay: bad debt", "Debt of the replayed book left without enough collateral."),
    "replayed_penalty": (
        "Replay: taken from borrowers",
        "Collateral seized from the replayed book less debt settled.",
    ),
    "happened_seized": ("Really seized", "Collateral that real liquidations seized during the event."),
    "happened_borrowers": (
        "Borrowers really liquidated",
        "Accounts that were really liquidated during the event.",
    ),
    "order_correlation": (
        "Order of the events",
        "Rank correlation of collateral seized, replayed against real, over the events.",
    ),
    "order_p_value": ("p of the order", "Share of all orders of the events that agree with the real one as well."),
}
