"""Chapter on lending markets whose utilisation moves with the path: how far they are lent out, who waits, who earns."""

from riskengine.report.chapter import Chapter, Result
from riskengine.report.dots import Dot, dots
from riskengine.report.labels import model_of, title_of
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import pivot

_WAITING = ("withdrawals_refused_probability", "withdrawals_refused_mean", "withdrawals_refused_given_positive",
            "withdrawals_refused_p99", "withdrawals_refused_es_99")  # fmt: skip
_LOST = ("supplier_loss_probability", "supplier_loss_mean", "supplier_loss_p99", "supplier_loss_es_99")
_INTEREST = ("borrower_interest", "supplier_interest", "interest_kept")
_REVENUE = ("interest_kept", "protocol_fee", "protocol_revenue", "protocol_revenue_es_99")


def rates(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Utilisation, refused withdrawals and interest, by market or by shift of the thresholds."""
    own = [r for r in select(rows, "lending") if r.parameters["threshold_shift"] == 0.0]
    if not select(own, measure="utilisation_mean"):
        return Chapter("rates", "", (), ())

    def panel(measure: str) -> tuple[str, list[Dot]]:
        return title_of(measure), [Dot(model_of(r.model), "", r) for r in select(own, measure=measure)]

    pairs = (
        ("How far the pool is lent out", ("utilisation_mean", "hours_above_kink")),
        ("Who waits", ("hours_waiting", "withdrawals_refused_mean")),
        ("Who gets the interest that borrowers pay", ("supplier_interest", "interest_kept")),
    )
    figures = (
        pictures
        and len(unique(r.model for r in own)) > 1
        and [
            dots(f"rates-{i}", title, [panel(m) for m in measures], zero=True)
            for i, (title, measures) in enumerate(pairs)
        ]
    )
    lead = (
        "Borrowers and suppliers answer the rates that the protocol's own curve sets; liquidations repay debt. Where a "
        "pool has no idle cash, suppliers who want out are refused, ask again at every step, and wait until enough is "
        "repaid or deposited.",
        "The most that suppliers are ever refused at one time on a path is what counts as refused. Of what a protocol "
        "earns, interest kept and fees on liquidations are told apart: in a crash the second may be far larger.",
    )
    used = ("utilisation_mean", "utilisation_peak", "hours_above_kink", "hours_waiting")
    tables = [
        pivot("Utilisation", own, used),
        pivot("Withdrawals refused", own, _WAITING),
        pivot("Interest", own, _INTEREST),
        pivot("What the protocol earns", own, _REVENUE),
        pivot("What bad debt leaves to suppliers", own, _LOST),
    ]
    return Chapter("rates", "What do rates and utilisation do?", lead, [*(figures or ()), *tables])
