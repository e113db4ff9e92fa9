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
    "seized_difference": (
        "Collateral seized, against live",
        "Collateral seized, less that under the parameters in force.",
    ),
    "seized_difference_least": ("Seized against live: least", "Least such difference over all starting hours."),
    "seized_difference_most": ("Seized against live: most", "Most such difference over all starting hours."),
    "bad_debt_difference": ("Bad debt, against live", "Bad debt, less that under the parameters in force."),
    "bad_debt_difference_least": ("Bad debt against live: least", "Least such difference over all starting hours."),
    "bad_debt_difference_most": ("Bad debt against live: most", "Most such difference over all starting hours."),
    "borrowers_difference": (
        "Borrowers, against live",
        "Borrowers liquidated, less those under the parameters in force.",
    ),
    "borrowers_difference_least": ("Borrowers against live: least", "Least such difference over all starting hours."),
    "borrowers_difference_most": ("Borrowers against live: most", "Most such difference over all starting hours."),
    "events_lower": ("Events with less", "Events in which a set has less than the parameters in force."),
    "events_higher": ("Events with more", "Events in which a set has more than the parameters in force."),
    "sign_p_value": (
        "p of the sign",
        "Chance of a split at least as uneven, were less and more as likely; events without a difference left out.",
    ),
    "sign_p_value_holm": (
        "p, adjusted (Holm)",
        "The same, adjusted by Holm over all such tests of the study: sets, capacities and measures.",
    ),
    "events_dominant": (
        "Events that the set wins",
        "Events with no more bad debt and no more collateral seized than in force, and less of one.",
    ),
    "events_dominated": (
        "Events that live wins",
        "Events with no less bad debt and no less collateral seized than in force, and more of one.",
    ),
}
