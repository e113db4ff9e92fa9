"""Sentences and the terminal table: fixed templates, filled from rows."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any

from riskengine.report.choice_words import told
from riskengine.report.labels import model_of, setup_of, title_of, value_of
from riskengine.report.power_summary import POWER, headline_power
from riskengine.report.replay_chapter import order_sentence, recommended_sentence, replay_sentence
from riskengine.report.rows import (
    Row,
    as_it_stands,
    at_level,
    headline,
    headline_level,
    on_real_series,
    rows_of,
    select,
    subject,
    unique,
    whole_book,
)
from riskengine.report.summary_black_scholes import BLACK_SCHOLES, headline_black
from riskengine.report.summary_chain import CHAIN
from riskengine.report.summary_lending import LENDING
from riskengine.report.summary_life import LIFE
from riskengine.report.summary_rolling import ROLLING
from riskengine.report.wording import against, amount, parts, percent, phrase, plain, signed
from riskengine.report.worst_chapter import worst_sentence

_ORDER = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}


def status(rows: Iterable[Row]) -> str | None:
    """The worst verdict among declared criteria; None where none was declared."""
    return min((r.verdict for r in rows if r.verdict), key=lambda v: _ORDER.get(v, 0), default=None)


def outside(world: Mapping[str, Any]) -> list[str]:
    """Where a world leaves the data's bands, for example ``ETH 24 h 99.9 %``."""
    bands = (world.get("fit") or {}).get("bands") or ()
    judged = [b for b in bands if b.get("side", "long") == "long"]
    return [f"{b['asset']} {plain(b['horizon_hours'])} h {percent(b['level'])}" for b in judged if not b.get("inside")]


def difference(row: Row) -> str:
    """A paired difference: ``capital +340k USD [320, 360]``, with a note where it cannot be told from zero."""
    what = title_of(subject(row)).lower()
    said = f"{what} {signed(row.estimate, row.unit)}"
    if row.value is not None and against(row.estimate, 0.0) == "not distinguishable from":
        said += " (not distinguishable from no change)"
    return said


def step_of(row: Row) -> tuple[str, str]:
    """What a paired difference changes, and from where to where: ``("level", "99 % to 99.5 %")``."""
    low, high = row.parameters.get("from"), row.parameters.get("to")
    name = row.parameters.get("parameter") or row.parameters.get("axis")
    if name is None and isinstance(low, Mapping) and low:
        name = next(iter(low))
    if isinstance(low, Mapping) and isinstance(high, Mapping):
        low, high = low.get(str(name)), high.get(str(name))
    if name is None and all(isinstance(v, float) and 0.5 < v < 1 for v in (low, high)):
        name = "level"
    return str(name or ""), f"{value_of(str(name), low)} to {value_of(str(name), high)}"


def sentences(result: Mapping[str, Any]) -> list[str]:
    """At most six sentences that say what the run found, each figure with its interval."""
    rows = rows_of(result)
    makers = (_world, _margin, _kinds, _level, *LENDING, _joint, _backtest)
    makers += (_calibration, _lab)
    makers += (replay_sentence, recommended_sentence, order_sentence)
    makers += (_level_to_use, *POWER, *ROLLING, *CHAIN, worst_sentence, _forecasts, _worth, _causes, _widest, _fit)
    makers += (_routes, *LIFE, *BLACK_SCHOLES)
    return [*(text for text in (make(result, rows) for make in makers) if text), *told(result)][:6]


def _world(result: Mapping[str, Any], rows: list[Row]) -> str:
    world, settings = result.get("world") or {}, result.get("settings") or {}
    if on_real_series(result):
        return ""
    stamp = world.get("stamp", "NOT FITTED")
    said = str(world.get("title") or world.get("name") or "The world")
    if not said.endswith(stamp):
        said += f" ({stamp})"
    if settings.get("paths") and any(r.section != "backtest" for r in rows):
        said += f": {plain(settings['paths'])} paths"
        if settings.get("horizon_hours"):
            said += f" over {plain(settings['horizon_hours'])} hours"
    return said + "."


def _margin(result: Mapping[str, Any], rows: list[Row]) -> str:
    level = headline_level(select(rows, "margin"))
    shown = select(at_level(headline(rows), level), measure="initial_margin_breach")
    said = []
    for r in shown:
        said.append(f"{setup_of(r)}: {phrase(r.estimate, r.unit)}{_promise(r)}")
    return f"Share of accounts and margin periods that breach initial margin: {'; '.join(said)}." if said else ""


def _kinds(result: Mapping[str, Any], rows: list[Row]) -> str:
    """The kind of account that each model covers least, where kinds are compared."""
    own = [r for r in select(rows, "margin", multiplier=1.0) if r.parameters.get("account_kind") not in (None, "all")]
    if not select(own, measure="capital_of_notional"):
        return ""
    breach = select(at_level(own, headline_level(own)), measure="initial_margin_breach")
    said = []
    for setup in unique(setup_of(r) for r in breach):
        worst = max((r for r in breach if setup_of(r) == setup and r.value is not None), key=lambda r: r.value or 0.0)
        kind = value_of("account_kind", worst.parameters["account_kind"])
        said.append(f"{setup} {kind}, {phrase(worst.estimate, worst.unit)}")
    return f"Least covered kind of account: {'; '.join(said)}."


def _promise(row: Row) -> str:
    """Where a rate stands to the one that its level promises; nothing for a model without a level."""
    level = row.parameters.get("level")
    if row.value is None or level is None:
        return ""
    nominal = round(1 - level, 12)
    return f" ({against(row.estimate, nominal)} its nominal {percent(nominal)})"


def _level(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown = [r for r in select(rows, "sweep") if step_of(r)[0] == "level"]
    measures = ("initial_margin_breach", "liquidations", "capital")
    start = [r for r in shown if r.parameters.get("from") == headline_level(select(rows, "margin"))] or shown
    first = [r for r in start if (r.model, step_of(r)) == (start[0].model, step_of(start[0]))]
    said = [difference(r) for m in measures for r in first if subject(r) == m]
    if not said:
        return ""
    return f"From {step_of(first[0])[1]} with {model_of(first[0].model)}, on the same paths, {'; '.join(said)}."


def _joint(result: Mapping[str, Any], rows: list[Row]) -> str:
    own = as_it_stands(select(rows, "joint"))
    own = at_level(own, headline_level(own))
    own = [r for r in own if r.model == own[0].model]
    told = ("lending_liquidation_given_insolvency", "lending_liquidation_given_no_insolvency")
    shown = [r for r in own if r.measure in told] or own[:2]
    said = [f"{title_of(r.measure)}{_of(r)}: {phrase(r.estimate, r.unit)}" for r in shown]
    return f"One market hits both books: {'; '.join(said)}." if said else ""


def _of(row: Row) -> str:
    return f" ({setup_of(row)})" if row.model else ""


def _backtest(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown = [r for r in select(rows, "backtest") if whole_book(r)]
    level = headline_level(shown)
    said = []
    for r in select(at_level(shown, level), measure="breach_rate"):
        told = f"{setup_of(r)}: {phrase(r.estimate, r.unit)}, n = {plain(r.estimate.get('n'))}{_promise(r)}"
        own = {o.measure: o for o in shown if (o.model, o.parameters) == (r.model, r.parameters)}
        if "accounts_rejected_holm" in own and own["detectable_rate"].value is not None:
            told += f", {own['accounts_rejected_holm'].value:.0f} accounts rejected after Holm"
            told += f" (a test finds {amount(own['detectable_rate'].value, 'probability')} with 80 % power)"
        said.append(told)
    return f"Share of windows of real prices in which the requirement was exceeded: {'; '.join(said)}." if said else ""


def _calibration(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown = select(rows, "calibration", "relative_bias")
    level = headline_level(shown)
    shown = [r for r in shown if r.parameters.get("level") == level]
    if not shown:
        return ""
    exposure = shown[0].parameters.get("exposure")
    own = [r for r in shown if r.parameters.get("exposure") == exposure]
    said = [f"{model_of(str(r.parameters.get('estimator', r.model)))}: {phrase(r.estimate, r.unit)}" for r in own]
    return f"Bias of the {percent(level or 0.99)} estimate for {exposure}, relative to the truth: {'; '.join(said)}."


def _lab(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown = select(rows, "estimator_lab", "mean_breach_probability")
    level = headline_level(shown)
    shown = [r for r in _first_setting(shown) if r.parameters.get("level") == level]
    if not shown or level is None:
        return ""
    size = min(r.parameters["sample_size"] for r in shown)
    said = [f"{model_of(r.model)} {phrase(r.estimate, r.unit)}" for r in select(shown, sample_size=size)]
    return (
        f"Breach probability of a {percent(level)} estimate from {plain(size)} losses, {percent(round(1 - level, 12))} "
        f"promised: {'; '.join(said)}."
    )


def _level_to_use(result: Mapping[str, Any], rows: list[Row]) -> str:
    shown = _first_setting(select(rows, "level_search", "calibrated_level"))
    if not shown:
        return ""
    target, size = shown[0].parameters["target"], min(r.parameters["sample_size"] for r in shown)
    own = select(shown, target=target, sample_size=size)
    said = [f"{model_of(r.model)} {phrase(r.estimate, r.unit) if r.value else 'none found'}" for r in own]
    return f"Level that keeps {percent(target)} with {plain(size)} losses: {'; '.join(said)}."


def _forecasts(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Which forecasts are kept: calibration error beside that of a perfect forecast."""
    own = select(rows, "probability_calibration")
    level = min((r.parameters["level"] for r in own if "level" in r.parameters), default=None)
    said = []
    for r in select(own, measure="calibration_error", level=level):
        same = {s.measure: s for s in select(own, level=level) if s.model == r.model}
        perfect, p = same["calibration_error_perfect"], same["calibration_error_p"]
        told = "not kept" if (p.value or 0.0) < 0.05 else "no evidence against it"
        said.append(
            f"{r.model} {amount(r.value, r.unit)}, a perfect forecast {phrase(perfect.estimate, perfect.unit)} ({told})"
        )
    if not said or level is None:
        return ""
    what = f"the probability of a loss beyond the {percent(level)} quantile"
    return f"Expected calibration error of {what}: {'; '.join(said)}."


def _worth(result: Mapping[str, Any], rows: list[Row]) -> str:
    """What knowing the state is worth in score."""
    own = select(rows, "probability_calibration", "brier_excess")
    level = min((r.parameters["level"] for r in own), default=None)
    said = []
    for r in select(own, level=level):
        far = against(r.estimate, 0.0)
        told = "" if far == "above" else " (not distinguishable from none)"
        said.append(f"{r.model} {phrase(r.estimate, r.unit)}{told}")
    return f"Brier score lost against the forecast that knows the state: {'; '.join(said)}." if said else ""


def _causes(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Which group of inputs most of each figure's variance is due to."""
    own = _groups(rows)
    measure = "shapley_effect" if select(own, measure="shapley_effect") else "first_index"
    said = []
    for name in unique(r.model for r in own):
        shown = [r for r in select(own, measure=measure) if r.model == name and r.value is not None]
        # what an interval cannot tell from nothing is no cause to name
        told = sorted((r for r in shown if (r.estimate.get("lower") or 0.0) > 0.0), key=lambda r: -r.value)[:2]
        causes = " and ".join(f"{r.parameters['group']} {phrase(r.estimate, r.unit)}" for r in told)
        said.append(f"{model_of(name)}: {causes or 'no cause that can be told from noise'}")
    return f"Most of the variance is due to, {'; '.join(f'for {text}' for text in said)}." if said else ""


def _widest(result: Mapping[str, Any], rows: list[Row]) -> str:
    """The input that moves each figure furthest on its own."""
    own, said = select(rows, "sensitivity"), []
    for name in unique(r.model for r in select(own, measure="tornado_swing")):
        shown = [r for r in select(own, measure="tornado_swing") if r.model == name and r.value is not None]
        base = next((r for r in select(own, measure="base_value") if r.model == name), None)
        if shown and base:
            far = max(shown, key=lambda r: abs(r.value))
            start = phrase(base.estimate, base.unit)
            said.append(f"{model_of(name)} ({start}): {far.parameters['input']}, {signed(far.estimate, far.unit)}")
    return (
        f"From the 5 % to the 95 % quantile of one input alone, the widest move is {'; '.join(said)}." if said else ""
    )


def _fit(result: Mapping[str, Any], rows: list[Row]) -> str:
    """How uncertain the exact quantile is for the errors of the fit."""
    own = select(rows, "quantile_derivative")
    level, said = headline_level(own), []
    for r in select(own, measure="fit_uncertainty", level=level):
        shares = [s for s in select(own, measure="uncertainty_share", level=level) if s.model == r.model and s.value]
        most = max(shares, key=lambda s: s.value, default=None)
        told = f", {phrase(most.estimate, 'share')} of it {most.parameters['parameter']}" if most else ""
        said.append(f"{r.model} {phrase(r.estimate, r.unit)}{told}")
    if not said or level is None:
        return ""
    return f"The errors of the fit leave the {percent(level)} loss quantile uncertain by (one sd) {'; '.join(said)}."


def _routes(result: Mapping[str, Any], rows: list[Row]) -> str:
    """Whether derivatives by simulation agree with the exact ones."""
    from scipy.special import ndtri

    own = [r for r in select(rows, "quantile_derivative") if r.measure.endswith("_change_z")]
    z = [abs(r.value) for r in own if r.value is not None]
    if not z:
        return ""
    limit = float(ndtri(1.0 - 0.025 / len(z)))
    left = f"; {len(own) - len(z)} are carried by too few paths to tell" if len(own) > len(z) else ""
    return (
        f"Derivatives by simulation against exact ones: the largest of {len(z)} differences is {max(z):.1f} standard "
        f"errors (one in twenty such families goes beyond {limit:.1f}){left}."
    )


def _groups(rows: list[Row]) -> list[Row]:
    return [r for r in select(rows, "sensitivity") if "input" not in r.parameters and "group" in r.parameters]


def _headline_lab(rows: list[Row]) -> list[Row]:
    shown = [r for r in _first_setting(select(rows, "estimator_lab")) if r.parameters.get("sample_size")]
    return at_level(shown, headline_level(shown))


def _headline_rolling(rows: list[Row]) -> list[Row]:
    shown = select(rows, "rolling", side="long")
    return at_level(shown, headline_level(shown))


def _first_setting(rows: list[Row]) -> list[Row]:
    """Rows of the world and exposure of the first of them."""
    first = rows[0].parameters if rows else {}
    return [r for r in rows if all(r.parameters.get(k) == first.get(k) for k in ("world", "exposure"))]


def summary_lines(result: Mapping[str, Any]) -> list[str]:
    """A short table for the terminal.

    Parameters
    ----------
    result : mapping
        Content of ``result.json``.

    Returns
    -------
    list of str
        Lines without colour codes, at most about 120 characters wide.
    """
    rows = rows_of(result)
    study, world = result.get("study") or {}, result.get("world") or {}
    lines = [str(study.get("title") or study.get("name") or "")]
    if not on_real_series(result):
        lines.append(f"world {world.get('name', '')}: {world.get('stamp', 'NOT FITTED')}")
    lines += [f"  {line}" for line in world.get("stress") or ()]
    if world.get("stamp") == "UNFIT":
        lines.append(f"  outside the data's bands: {', '.join(outside(world)) or 'not stated'}")
    for title, shown, measures in (
        ("margin", headline(rows), ("initial_margin_breach", "maintenance_margin_breach", "insolvency", "capital")),
        ("lending", select(rows, "lending"), ("bad_debt_probability", "bad_debt_mean", "bad_debt_es_99")),
        ("backtest", [r for r in select(rows, "backtest") if whole_book(r)], ("breaches", "breach_rate", "capital")),
        ("backtests", headline_power(rows), ("test_size", "detectable_multiple")),
        ("lab", _headline_lab(rows), ("relative_bias", "mean_breach_probability", "capital_ratio")),
        ("rolling", _headline_rolling(rows), ("breach_rate", "coverage_kept", "shortfall_kept", "fz0_in_set")),
        ("replay", select(rows, "replay"), ("replayed_seized", "happened_seized", "replayed_borrowers")),
        ("chains", select(rows, "chain"), ("exceptions", "exception_rate", "margin_share", "uncovered_peak")),
        ("forecast", select(rows, "probability_calibration"), ("event_rate", "mean_forecast", "calibration_error")),
        ("Black–Scholes", headline_black(rows), ("price_error", "margin_error", "margin_breach")),
        ("fund", select(rows, "fund_sizing"), ("fund_size", "certified_fund", "fresh_exhaustion")),
        ("sensitivity", _groups(rows), ("first_index", "total_index", "shapley_effect")),
    ):
        lines += _text_table(title, shown, measures)
    for text in told(result):
        lines += ["", *wrap(text, 110)]
    verdict = status(rows)
    if verdict:
        lines += ["", f"declared criteria: {verdict}"]
    failures = result.get("failures") or {}
    if failures.get("paths"):
        lines += ["", f"paths with numerical trouble: {plain(failures['paths'])}"]
    return lines


def _text_table(title: str, rows: Sequence[Row], measures: Sequence[str]) -> list[str]:
    measures = [m for m in measures if select(rows, measure=m)]
    if not measures:
        return []
    keep = ("event", "world", "days", "moneyness", "level", "threshold_shift", "sample_size", "group", "target")
    keys = unique((r.model, *(r.parameters.get(k) for k in keep)) for r in rows if r.measure in measures)
    grid = [[title, *(title_of(m) for m in measures)]]
    for key in keys:
        own = {r.measure: r for r in rows if (r.model, *(r.parameters.get(k) for k in keep)) == key}
        head = [model_of(key[0])] + [value_of(k, v) for k, v in zip(keep, key[1:], strict=True) if v is not None]
        grid.append([" ".join(head)] + [_short(own.get(m)) for m in measures])
    widths = [max(len(line[i]) for line in grid) for i in range(len(grid[0]))]
    return [""] + ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in grid]


def _short(row: Row | None) -> str:
    if row is None:
        return "–"
    value, interval = parts(row.estimate, row.unit)
    return value if value == "undetermined" or interval == "exact" else f"{value} {interval}"
