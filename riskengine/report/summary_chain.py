"""Sentences on a backtest on option chains."""

from collections.abc import Mapping, Sequence
from typing import Any

from riskengine.report.labels import model_of, setup_of, words
from riskengine.report.rows import Row, select
from riskengine.report.wording import amount, percent, phrase, plain


def _what(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = select(rows, "chain", "exception_rate")
    series, settings = result.get("series") or (), result.get("settings") or {}
    if not own or not series:
        return ""
    said = " and ".join(s["series"] for s in series)
    money = "coin" if settings.get("numeraire") == "coin" else "USD"
    models, hours = len({r.model for r in own}), plain(settings["margin_period_hours"])
    return (
        f"{plain(settings['accounts'])} accounts on real option chains of {said}, struck afresh for each of "
        f"{plain(settings['margin_periods'])} margin periods of {hours} hours from {series[0]['first']} to "
        f"{series[0]['last']}, margined by {plain(models)} models from what was known, losses in {money}."
    )


def promised(row: Row, target: float) -> float:
    """Exception rate that a model promises, or is held against where it has no level."""
    level = row.parameters.get("level")
    return round(1.0 - (target if level is None else level), 12)


def _told(shown: Sequence[Row]) -> str:
    return "; ".join(f"{setup_of(r)} {phrase(r.estimate, r.unit)}" for r in shown)


def _rates(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = [r for r in select(rows, "chain", "exception_rate") if r.value is not None]
    if not own:
        return ""
    target = float((result.get("settings") or {}).get("coverage_target") or 0.99)
    over = [r for r in own if (r.estimate.get("lower") or 0.0) > promised(r, target)]
    under = [r for r in own if (r.estimate.get("upper") or 1.0) < promised(r, target)]
    rest = [r for r in own if r not in over and r not in under]
    said = []
    for part, head in ((over, "above what is promised"), (under, "below it"), (rest, "not distinguishable from it")):
        if part:
            said.append(f"{head}: {_told(part)}")
    return f"Exception rate ({percent(target)} coverage for models without a level), {'; '.join(said)}."


def _where(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Of the models that are exceeded most, the account at which; and what stands apart."""
    apart = (result.get("settings") or {}).get("apart") or ()
    own = [r for r in select(rows, "chain_accounts", "exception_rate") if r.value]
    worst = [
        max(found, key=lambda r: r.value or 0.0)
        for model in dict.fromkeys((r.model, r.parameters.get("level")) for r in own)
        for found in [[r for r in own if (r.model, r.parameters.get("level")) == model
                       and r.parameters["account"] not in apart]]
        if found
    ]  # fmt: skip
    worst = sorted(worst, key=lambda r: -(r.value or 0.0))[:3]
    said = [f"{setup_of(r)} at {words(r.parameters['account'])} ({amount(r.value, 'share')})" for r in worst]
    told = f"Most exceptions of one account: {'; '.join(said)}." if said else ""
    for account in apart:
        some = [r for r in select(own, account=account) if (r.value or 0.0) > 0.1]
        if some:
            told += (
                f" Not pooled: {words(account)}, which {plain(len(some))} models leave uncovered in more than a tenth "
                "of the periods."
            )
    return told.strip()


def _size(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = [r for r in select(rows, "chain", "uncovered_peak") if r.value is not None]
    if not own:
        return ""
    order = sorted(own, key=lambda r: -(r.value or 0.0))[:2]
    said = " and ".join(f"{amount(r.value, 'share')} ({setup_of(r)})" for r in order)
    return f"Largest uncovered losses, of spot notional: {said}."


def _cost(result: Mapping[str, Any], rows: list[Row]) -> str:
    cost = {(r.model, r.parameters.get("level")): r for r in select(rows, "chain", "margin_share") if r.value}
    if len(cost) < 2:
        return ""
    order = sorted(cost.values(), key=lambda r: r.value or 0.0)
    swing = sorted((r for r in select(rows, "chain", "margin_peak_to_trough") if r.value), key=lambda r: r.value or 0.0)
    least, most = (f"{setup_of(r)} {amount(r.value, r.unit)}" for r in (order[0], order[-1]))
    told = f"Mean requirement, of spot notional: from {least} to {most}"
    if swing:
        told += (
            f"; from trough to peak it rose by a factor of {swing[0].value:.2f} ({setup_of(swing[0])}) to "
            f"{swing[-1].value:.2f} ({setup_of(swing[-1])})"
        )
    return f"{told}."


def _equal(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = [r for r in select(rows, "chain", "equal_exception_rate") if r.value is not None]
    if len(own) < 2:
        return ""
    order = sorted(own, key=lambda r: r.value or 0.0)
    none = [r for r in order if not r.value]
    if len(none) > 2:
        told = f"{plain(len(none))} of {plain(len(own))} models have no exception"
        rest = order[len(none) :][::-1]
    else:
        told, rest = f"the fewest exceptions: {_told(order[:2])}", order[-2:]
    more = f"; the most: {_told(rest[:3])}" if rest else ""
    return f"At equal mean requirement {told}{more}.{_apart_from_benchmark(result, rows)}"


def _apart_from_benchmark(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Models whose exceptions at equal cost differ from the benchmark's by more than chance, after adjustment."""
    settings = result.get("settings") or {}
    size = float(settings.get("significance") or 0.05)
    small = {setup_of(r) for r in select(rows, "chain_paired", "equal_exception_rate_difference_p")
             if r.value is not None and r.value <= size}  # fmt: skip
    own = [r for r in select(rows, "chain_paired", "equal_exception_rate_difference") if setup_of(r) in small]
    if not own:
        return ""
    own.sort(key=lambda r: r.value or 0.0)
    reference = model_of(str(settings.get("benchmark") or ""))
    return f" Told apart from {reference} (adjusted p at most {size:g}): {_told(own)}."


CHAIN = (_what, _rates, _where, _size, _cost, _equal)
