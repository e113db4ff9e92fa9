"""Titles and definitions of the measures of a lending market whose utilisation moves with the path."""

# measure -> (title, definition)
RATES: dict[str, tuple[str, str]] = {
    "utilisation_mean": ("Utilisation, mean", "Mean over the horizon, then over paths, of the share that is lent out."),
    "utilisation_peak": ("Utilisation, peak", "Mean over paths of the highest utilisation of any pool on the path."),
    "hours_above_kink": ("Hours above the kink", "Mean hours on a path with a pool beyond the kink of its rate curve."),
    "hours_waiting": (
        "Hours with suppliers waiting",
        "Mean hours on a path in which some supplier's withdrawal is refused and not yet paid.",
    ),
    "borrower_interest": ("Borrowers' interest", "Mean interest that accrues on debt on a path."),
    "supplier_interest": ("Suppliers' interest", "Mean interest that suppliers are credited on a path."),
    "interest_kept": (
        "Interest kept by the protocol",
        "Mean on a path of borrowers' interest less suppliers'; fees on liquidations are not in it.",
    ),
    "interest_kept_es_99": (
        "Interest kept, worst 1 %",
        "Mean over the worst 1 % of paths of borrowers' interest less suppliers'.",
    ),
    "protocol_revenue": (
        "Protocol's revenue",
        "Mean on a path of what the protocol keeps of interest, and of its fees on liquidations.",
    ),
    "protocol_revenue_es_99": (
        "Protocol's revenue, worst 1 %",
        "Mean over the worst 1 % of paths of what the protocol keeps of interest and of its fees on liquidations.",
    ),
}
