"""The order of a report: header, summary, sections with their figures and tables, provenance, glossary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskengine.report.black_scholes_chapters import (
    black_scholes_attacks,
    black_scholes_errors,
    black_scholes_hedges,
    black_scholes_integers,
    black_scholes_margins,
    black_scholes_vault,
)
from riskengine.report.chain_chapters import chain_accounts, chain_cost, chain_disclosure, chain_paired
from riskengine.report.chapter import Chapter
from riskengine.report.choice_chapters import certificate_experiment, certified_choice
from riskengine.report.collateral_chapters import collateral_baselines, collateral_schedule, parameter_fronts
from riskengine.report.effect_chapters import calibration, effect_of_level, joint, sweep
from riskengine.report.figures import Figure
from riskengine.report.lab_chapters import level_to_use, nominal, surface
from riskengine.report.lending_chapters import bad_debt, liquidation_counts, mechanisms
from riskengine.report.life_chapters import (
    closed_accounts,
    execution_routes,
    feedback_effect,
    fund_size,
    life_checks,
    waterfall,
)
from riskengine.report.margin_chapters import (
    backtest,
    coverage,
    glance,
    kinds,
    losses,
    pool_tokens,
    procyclicality,
    scheme,
)
from riskengine.report.measures import MEASURES, Measure
from riskengine.report.power_chapters import clusters, excess, many, overlaps, rate, rolling, size
from riskengine.report.provenance import provenance
from riskengine.report.rare_chapter import rare_events
from riskengine.report.rates_chapter import rates
from riskengine.report.reliability_chapter import reliability
from riskengine.report.replay_chapter import compared, recommended, replay
from riskengine.report.rolling_chapters import (
    rolling_by_series,
    rolling_portfolios,
    rolling_power,
    rolling_rates,
    rolling_reliability,
    rolling_scores,
    rolling_survivors,
)
from riskengine.report.rows import Row, on_real_series, rows_of, subject
from riskengine.report.sensitivity_chapters import derivatives, sensitivity
from riskengine.report.stress_chapter import stress
from riskengine.report.summary import outside, sentences, status
from riskengine.report.tables import Table, verdicts
from riskengine.report.wording import percent, plain
from riskengine.report.worst_chapter import worst_account

SHOWN = 20_000  # characters of a study that a page holds; a longer one stays in its file
Maker = Callable[[Mapping[str, Any], list[Row], bool], Chapter]
ORDER: tuple[Maker, ...] = (
    glance,
    stress,
    mechanisms,
    rates,
    coverage,
    procyclicality,
    losses,
    pool_tokens,
    rare_events,
    liquidation_counts,
    bad_debt,
    calibration,
    effect_of_level,
    sweep,
    joint,
    kinds,
    backtest,
    scheme,
    surface,
    nominal,
    level_to_use,
    rolling_survivors,
    rolling_rates,
    rolling_scores,
    rolling_reliability,
    rolling_portfolios,
    rolling_by_series,
    rolling_power,
    replay,
    recommended,
    compared,
    chain_disclosure,
    chain_accounts,
    chain_cost,
    chain_paired,
    reliability,
    sensitivity,
    derivatives,
    size,
    rate,
    excess,
    clusters,
    rolling,
    many,
    overlaps,
    certified_choice,
    parameter_fronts,
    collateral_baselines,
    collateral_schedule,
    worst_account,
    certificate_experiment,
    black_scholes_margins,
    black_scholes_errors,
    black_scholes_hedges,
    black_scholes_vault,
    black_scholes_attacks,
    black_scholes_integers,
    execution_routes,
    fund_size,
    closed_accounts,
    waterfall,
    feedback_effect,
    life_checks,
)


@dataclass(frozen=True)
class Badge:
    """A short fact in the header, with the tone that colours it."""

    label: str
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Section:
    """One chapter: a title, what to look for, then figures and tables in order."""

    anchor: str
    title: str
    lead: tuple[str, ...]
    items: tuple[Figure | Table, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The pictures of the chapter."""
        return tuple(i for i in self.items if isinstance(i, Figure))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the chapter."""
        return tuple(i for i in self.items if isinstance(i, Table))


@dataclass(frozen=True)
class Document:
    """Everything a template needs."""

    title: str
    subtitle: str
    badges: tuple[Badge, ...]
    warning: str
    summary: tuple[str, ...]
    criteria: Table | None
    sections: tuple[Section, ...]
    provenance: tuple[Section, ...]
    assumptions: tuple[str, ...]
    command: str
    study: str
    manifest: str
    glossary: tuple[Measure, ...]


def document(result: Mapping[str, Any], manifest: Mapping[str, Any], study: str, *, pictures: bool = True) -> Document:
    """Lay out a report.

    Parameters
    ----------
    result, manifest : mapping
        Content of ``result.json`` and ``manifest.json``.
    study : str
        Text of ``study.yaml``.
    pictures : bool
        Whether figures are drawn (Markdown has none).
    """
    rows = rows_of(result)
    about, world = result.get("study") or {}, result.get("world") or {}
    return Document(
        title=str(about.get("title") or about.get("name") or "Study"),
        subtitle=f"{about.get('name', '')} · {about.get('kind', '')} study".strip(" ·"),
        badges=tuple(_badges(result, rows)),
        warning="" if on_real_series(result) else _warning(world),
        summary=tuple(sentences(result)),
        criteria=verdicts(rows),
        sections=_sections(ORDER, result, rows, pictures),
        provenance=_sections((provenance,), result, rows, pictures),
        assumptions=tuple(str(a) for a in result.get("assumptions") or ()),
        command=" ".join(str(result.get("command") or "").split()),
        study=study.strip() if len(study) <= SHOWN else "",
        manifest="\n".join(_flat(manifest)),
        glossary=_glossary(rows),
    )


def _sections(makers: Sequence[Maker], result: Mapping[str, Any], rows: list[Row], pictures: bool):
    """The chapters that have something to show."""
    made = (make(result, rows, pictures) for make in makers)
    kept = ((c, tuple(i for i in c.items if i is not None)) for c in made)
    return tuple(Section(c.anchor, c.title, tuple(t for t in c.lead if t), items) for c, items in kept if items)


def _badges(result: Mapping[str, Any], rows: list[Row]) -> list[Badge]:
    world, settings = result.get("world") or {}, result.get("settings") or {}
    failures = result.get("failures") or {}
    stamp = str(world.get("stamp") or "NOT FITTED")
    verdict = status(rows)
    badges = [
        *(
            [Badge("world", stamp, {"FIT": "pass", "UNFIT": "fail"}.get(stamp, "unknown"))]
            if not on_real_series(result)
            else []
        ),
        *([Badge("stress", "applied", "unknown")] if world.get("stress") else []),
        Badge("criteria", verdict or "none declared", (verdict or "muted").lower()),
    ]
    for key in ("paths", "replications", "evaluations", "series"):
        if settings.get(key):
            badges.append(Badge(key, plain(settings[key])))
    sampling = result.get("sampling") or {}
    if sampling:
        strata = sampling.get("strata")
        text = f"{plain(len(strata))} strata of jump counts" if strata else f"tilted, {plain(sampling['tilts'])} tilts"
        badges.append(Badge("sampling", text))
        badges.append(Badge("effective paths", plain(round(sampling["effective_paths"]))))
    for key, label in (("horizon_hours", "horizon"), ("margin_period_hours", "margin period")):
        if settings.get(key):
            badges.append(Badge(label, f"{plain(settings[key])} h"))
    if settings.get("seed") is not None:
        badges.append(Badge("seed", str(settings["seed"])))
    if settings.get("confidence"):
        badges.append(Badge("intervals", percent(settings["confidence"])))
    if failures.get("paths") is not None:
        count = failures["paths"]
        share = f" ({failures.get('share', 0) * 100:.3g} %)" if count else ""
        badges.append(Badge("failed paths", f"{plain(count)}{share}", "fail" if count else ""))
    return badges


def _warning(world: Mapping[str, Any]) -> str:
    parts = [_stress_warning(world), _repair_warning(world), _stamp_warning(world)]
    return " ".join(part for part in parts if part)


def _stress_warning(world: Mapping[str, Any]) -> str:
    said = "; ".join(world.get("stress") or ())
    return (
        f"Stress: {said}. Every figure below is conditional on it and says nothing of how likely it is." if said else ""
    )


def _repair_warning(world: Mapping[str, Any]) -> str:
    said = "; ".join(world.get("repairs") or ())
    return f"Repaired when it was read: {said}." if said else ""


def _stamp_warning(world: Mapping[str, Any]) -> str:
    stamp = world.get("stamp") or "NOT FITTED"
    if stamp == "UNFIT":
        places = ", ".join(outside(world)) or "places not stated"
        return (
            f"This world is UNFIT: its losses leave the data's bands at {places}. "
            "Read every figure below as an answer about the world, not about the market."
        )
    if stamp == "DATA":
        return (
            "Paths of this world are made of data (named under Provenance): nothing that the data do not hold is in "
            "them, and the true tail is not known."
        )
    if stamp == "NOT FITTED":
        return "This world was not fitted to data: every figure below answers a question about assumed parameters."
    return ""


def _glossary(rows: list[Row]) -> tuple[Measure, ...]:
    shown = {r.measure for r in rows} | {subject(r) for r in rows}
    # an amount and its mean have one title and one meaning
    return tuple(dict.fromkeys(measure for name, measure in MEASURES.items() if name in shown))


def _flat(value: Any, prefix: str = "") -> list[str]:
    """A nested record as lines ``a.b: value``, in its own order."""
    if isinstance(value, Mapping):
        return [line for k, v in value.items() for line in _flat(v, f"{prefix}.{k}" if prefix else str(k))]
    if isinstance(value, list):
        return [line for i, v in enumerate(value) for line in _flat(v, f"{prefix}[{i}]")]
    return [f"{prefix}: {value}"]
