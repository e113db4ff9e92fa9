"""A study from a file or a shipped name, with overrides, and its fully resolved plain form."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riskengine import registry
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.config.book import build_portfolio
from riskengine.config.build import Builder, read_named
from riskengine.config.dump import dump
from riskengine.config.faults import BAD
from riskengine.config.loans import build_loans
from riskengine.config.locate import find
from riskengine.config.reader import Path_, Tree, dotted, parse_yaml, read_yaml
from riskengine.engine.desks import check_feed
from riskengine.errors import Fault, InputError
from riskengine.instrument.terms import EuropeanOption
from riskengine.roles import MarginModel
from riskengine.scenario.state.lanes import has_variance
from riskengine.scenario.world import World
from riskengine.study.spec import BacktestStudy, EstimatorLabStudy, Study

# keys whose word names a file, so that an override may reach inside it
_REFERENCES = {"world": "scenarios", "book": "books", "parameters": "protocols", "rules": "protocols"}


@dataclass(frozen=True)
class LoadedStudy:
    """A study ready to run.

    Attributes
    ----------
    name : str
        Stem of the file.
    study : CalibrationStudy, BacktestStudy or EstimatorLabStudy
    resolved : dict
        Every value, defaults included, with worlds, books and parameter sets written out; what the run folder keeps
        as ``study.yaml`` and what is hashed.  `study_of` reads it back to an equal study.
    """

    name: str
    study: Study
    resolved: dict[str, Any]


def load_study(name: str | Path, overrides: tuple[str, ...] = ()) -> LoadedStudy:
    """A study by the name of a shipped one or by file.

    Parameters
    ----------
    name : str or Path
    overrides : tuple of str
        ``a.b=value`` or ``a.0.b=value``, read by the same strict rules, applied in order; they reach into named
        worlds, books and parameter sets.

    Raises
    ------
    InputError
        With every fault.
    """
    file = find("studies", str(name))
    tree = read_yaml(file)
    faults = [f for text in overrides for f in _override(tree, text)]
    if faults:
        raise InputError(faults)
    study = _build(tree)
    return LoadedStudy(file.stem, study, dump(study))


def study_of(resolved: dict[str, Any]) -> Study:
    """The study of a resolved plain form; InputError with every fault."""
    return _build(Tree(resolved, "study"))


def load_world(name: str | Path) -> World:
    """A world by the name of a shipped one or by file; InputError with every fault."""
    builder = Builder(Tree(str(name), str(name)))
    world = builder.build(World)
    if world is not BAD:
        _surface(builder, world, ("surface",))
    return builder.done(world)


def load_loans(name: str | Path) -> Loans:
    """A borrower book by the name of a shipped one or by file; InputError with every fault."""
    builder = Builder(Tree(None, str(name)))
    builder.include(find("books", str(name)), ())
    return builder.done(build_loans(builder, ()))


def _build(tree: Tree) -> Study:
    builder = Builder(tree, special={Portfolio: build_portfolio, Loans: build_loans})
    study = builder.build(Study)
    if study is not BAD:
        _check(builder, study)
    return builder.done(study)


def _check(builder: Builder, study: Study) -> None:
    """What no record can see alone: asset names, lengths per asset, periods of models, expiries against the horizon."""
    if isinstance(study, EstimatorLabStudy):
        for i, world in enumerate(study.worlds):
            _surface(builder, world, ("worlds", i, "surface"))
        return
    assets = tuple(study.world.model.assets)
    _surface(builder, study.world, ("world", "surface"))
    if isinstance(study, BacktestStudy):
        _expiries(builder, study.book, study.margin_period_hours, "margin period", ("book",))
        _models(builder, study.models, study.book, study.world, ("models",))
        _periods(builder, study.models, study.margin_period_hours, study.history_windows, ("models",))
        return
    if study.margin is not None:
        _expiries(builder, study.margin.book, study.horizon_hours, "horizon", ("margin", "book"))
        period = study.margin.margin_period_hours
        _periods(builder, study.margin.models, period, study.history_windows, ("margin", "models"))
        _models(builder, study.margin.models, study.margin.book, study.world, ("margin", "models"))
    if study.lending is not None:
        spot = np.asarray(study.world.model.spot, dtype=np.float64)[:, None]
        try:
            check_feed(study.lending.market, study.world.filled)
            study.lending.market.init(study.lending.book, assets, spot, study.grid)
            for shift in study.lending.threshold_shifts:
                study.lending.market.with_threshold_shift(shift)
        except ValueError as error:
            builder.fault(str(error), ("lending",))
    for i, part in enumerate(study.world.state):
        if hasattr(part, "source"):
            try:
                part.source(study.grid)
            except ValueError as error:
                builder.fault(str(error), ("world", "state", i))
    if study.feedback is not None:
        for asset in study.feedback.depth_usd:
            _known(builder, asset, assets, ("feedback", "depth_usd", asset))
    if study.calibration is not None:
        for i, exposure in enumerate(study.calibration.exposures):
            _known(builder, exposure.asset, assets, ("calibration", "exposures", i, "asset"))


def _surface(builder: Builder, world: World, path: Path_) -> None:
    """The surface must be of the world's assets, and move with a variance only where the paths have one."""
    count = len(world.model.assets)
    if world.surface.count != count:
        builder.fault(f"surface must have one number per asset ({count}), got {world.surface.count}", path)
    elif not world.surface.static and not has_variance(world.model):
        builder.fault(
            "surface must be static on a world without a variance state, got one that moves with "
            "it: premium of 0 for every asset makes it static",
            path,
        )


def _periods(builder: Builder, models: tuple[MarginModel, ...], hours: float, windows: int, path: Path_) -> None:
    """A model that reads margin periods of history must read those that the study makes."""
    for i, model in enumerate(models):
        own = getattr(model, "margin_period_hours", None)
        if own is None:
            continue
        if own != hours:
            message = f"margin_period_hours must be the study's {hours:g} h, got {own:g} h"
            builder.fault(message, (*path, i, "margin_period_hours"))
        if windows < 2:
            builder.fault(f"{model.kind} needs history_windows of at least 2, got {windows}", (*path, i))


def _models(builder: Builder, models: tuple[MarginModel, ...], book: Portfolio, world: World, path: Path_) -> None:
    """Every margin model must be able to take the book."""
    for i, model in enumerate(models):
        try:
            model.init(book, world.surface)
        except ValueError as error:
            builder.fault(str(error), (*path, i))


def _known(builder: Builder, asset: str, assets: tuple[str, ...], path: Path_) -> None:
    if asset not in assets:
        builder.fault(f"asset must be one of {', '.join(assets)}, got {asset!r}{registry.suggest(asset, assets)}", path)


def _expiries(builder: Builder, book: Portfolio, hours: float, what: str, path: Path_) -> None:
    """Every option must outlive what is asked of it."""
    short = [x for x in book.instruments if isinstance(x, EuropeanOption) and x.expiry_hours <= hours]
    for terms in short:
        builder.fault(
            f"expiry of {terms.name} must lie after the {what} of {hours:g} h, got {terms.expiry_hours:g} h", path
        )


def _override(tree: Tree, text: str) -> list[Fault]:
    """Apply ``a.b=value``; the faults where it cannot be."""
    target, equals, value = text.partition("=")
    path: list[str | int] = []
    where = f"--set {text}"
    if not equals or not target.strip():
        return [Fault("must have the form a.b=value", where)]
    try:
        plain = parse_yaml(value, where) if value.strip() else Tree(None, where)
    except InputError as error:
        return [Fault(f.message, where) for f in error.faults]
    node = tree.value
    for n, part in enumerate(target.strip().split(".")):
        if isinstance(node, str) and path and path[-1] in _REFERENCES:
            try:
                beside = Path(tree.place(tuple(path))[0]).parent
                node = tree.graft(tuple(path), read_named(find(_REFERENCES[str(path[-1])], node, beside)))
            except InputError as error:
                return error.faults
        last = n == target.count(".")
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            key: str | int = int(part)
        elif isinstance(node, dict) and (last or part in node):
            key = part
        else:
            known = list(node) if isinstance(node, dict) else []
            place = dotted(tuple(path)) or "the study"
            return [Fault(f"{place} must have an entry {part!r}, got none{registry.suggest(part, known)}", where)]
        path.append(key)
        if not last:
            node = node[key]
    tree.graft(tuple(path), Tree(plain.value, where, {(): (where, None)}))
    if isinstance(node, list):
        # what is wrong with a list of numbers is said of the list
        tree.places[tuple(path[:-1])] = (where, None)
    return []
