"""Any file of the project: what it is, and what is wrong with it."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from riskengine import registry
from riskengine.config.book import load_book
from riskengine.config.build import FAMILY, NAMED, Builder
from riskengine.config.reader import Tree, read_text, read_yaml
from riskengine.config.study import load_loans, load_study, load_world
from riskengine.errors import Fault, InputError
from riskengine.lending.oracle_notes import hidden_falls
from riskengine.roles import Liquidity


def check_file(file: Path) -> str:
    """What `file` is (``study``, ``world``, ``margin book``, ``borrower book``, ``parameter set``).

    Raises
    ------
    InputError
        With every fault, or where the file is nothing that is known here.
    """
    return inspect_file(file)[0]


def inspect_file(file: Path) -> tuple[str, tuple[str, ...]]:
    """What `file` is, as `check_file` says it, and what its reader should know: the ``notes`` of its market model."""
    if file.suffix == ".csv":
        header = read_text(file, limit=50_000_000).partition("\n")[0]
        if header.startswith("borrower"):
            load_loans(str(file.absolute()))
            return "borrower book", ()
        load_book(file)
        return "margin book", ()
    if file.suffix == ".json":
        return "margin book", load_book(file).notes
    tree = read_yaml(file)
    keys = set(tree.value) if isinstance(tree.value, dict) else set()
    if "kind" in keys and tree.value["kind"] in registry.kinds("liquidity"):
        builder = Builder(tree)
        return f"parameter set of {builder.done(builder.build(Liquidity)).kind}", ()
    if {"model", "surface", "base"} & keys:
        return "world", _notes(load_world(str(file.absolute())))
    if keys == {"generate"}:
        load_book(file, load_world("btc_eth"))
        return "margin book", ()
    if {"accounts", "positions"} & keys and "kind" not in keys:
        load_book(file)
        return "margin book", ()
    if {"borrowers", "format"} & keys:
        load_loans(str(file.absolute()))
        return "borrower book", ()
    if {"world", "worlds", "kind", "horizon_hours", "margin"} & keys:
        study = load_study(str(file.absolute())).study
        said = [*(n for world in study.all_worlds() for n in _notes(world)), *_market_notes(study)]
        return "study", tuple(dict.fromkeys(said))
    return _check_parameters(tree, keys), ()


def _market_notes(study: Any) -> list[str]:
    """What the oracles of the lending markets of a study, or of the study it is about, may hide, each by its name."""
    about = getattr(study, "study", study)
    lending = getattr(about, "lending", None)
    named = [] if lending is None else zip(lending.labels, lending.markets, strict=True)
    if lending is None and hasattr(about, "market"):
        named = [(about.market.kind, about.market)]
    return [f"{name}: {said}" for name, market in named for said in hidden_falls(market)]


def _notes(world: Any) -> tuple[str, ...]:
    return tuple(getattr(world.model, "notes", ()))


def _check_parameters(tree: Tree, keys: set[str]) -> str:
    """A parameter set of a registered model: of the records that share most keys with the file the one it fits best."""
    known = [
        (_alike(tree.value, record), record, kind)
        for family in ("margin", "lending")
        for kind in registry.kinds(family)
        for record in _parameter_records(registry.load(family, kind))
    ]
    most = max(shared for shared, _, _ in known)
    if most == 0:
        wanted = "a study, a world, a book or a parameter set"
        raise InputError(
            Fault(f"file must be {wanted}, got keys {', '.join(sorted(map(str, keys))) or 'none'}", tree.file)
        )
    tried = []
    for record, kind in ((r, k) for shared, r, k in known if shared == most):
        builder = Builder(tree)
        tried.append((builder, builder.record(record, ()), kind))
    builder, built, kind = min(tried, key=lambda each: len(each[0].faults))
    builder.done(built)
    return f"parameter set of {kind}"


def _alike(value: Any, hint: Any) -> int:
    """How many keys of a file, at any depth, are fields of a record."""
    if not isinstance(value, dict):
        return 0
    if get_origin(hint) is dict:
        return sum(_alike(part, get_args(hint)[1]) for part in value.values())
    if not is_dataclass(hint):
        return 0
    hints, given = get_type_hints(hint), {f.name for f in fields(hint) if f.init}
    return sum(1 + _alike(part, hints[key]) for key, part in value.items() if key in given)


def _parameter_records(cls: type) -> list[Any]:
    hints = get_type_hints(cls).values()
    return [h for h in hints if isinstance(h, type) and is_dataclass(h) and h not in NAMED and h not in FAMILY]
