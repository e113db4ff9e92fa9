"""A study from a file or a shipped name, with overrides, and its fully resolved plain form."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskengine import registry
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.config.book import build_portfolio
from riskengine.config.build import Builder, read_named
from riskengine.config.dump import dump
from riskengine.config.faults import BAD
from riskengine.config.loans import build_loans
from riskengine.config.locate import find
from riskengine.config.reader import Tree, dotted, parse_yaml, read_yaml
from riskengine.errors import Fault, InputError
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.scenario.world import World
from riskengine.study.checks import surface_fault
from riskengine.study.kind import Study

# keys whose word names a file, so that an override may reach inside it
_REFERENCES = {
    "world": "scenarios",
    "book": "books",
    "parameters": "protocols",
    "rules": "protocols",
    "liquidity": "protocols",
    "study": "studies",
}


@dataclass(frozen=True)
class LoadedStudy:
    """A study ready to run.

    Attributes
    ----------
    name : str
        Stem of the file.
    study : Study
    resolved : dict
        Every value, defaults included, with worlds, books and parameter sets written out; what the run folder keeps
        as ``study.yaml`` and what is hashed.  `study_of` reads it back to an equal study.
    """

    name: str
    study: Study
    resolved: dict[str, Any]


def load_study(name: str | Path, overrides: tuple[str, ...] = (), book_file: Path | None = None) -> LoadedStudy:
    """A study by the name of a shipped one or by file.

    Parameters
    ----------
    name : str or Path
    overrides : tuple of str
        ``a.b=value`` or ``a.0.b=value``, read by the same strict rules, applied in order; they reach into named
        worlds, books and parameter sets.
    book_file : Path, optional
        The file of a borrower book that is described by its format only.

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
    study = _build(tree, book_file)
    return LoadedStudy(file.stem, study, dump(study))


def study_of(resolved: dict[str, Any]) -> Study:
    """The study of a resolved plain form; InputError with every fault."""
    return _build(Tree(resolved, "study"))


def load_world(name: str | Path) -> World:
    """A world by the name of a shipped one or by file; InputError with every fault."""
    builder = Builder(Tree(str(name), str(name)))
    world = builder.build(World)
    if world is not BAD:
        for said, place in surface_fault(world, ("surface",)):
            builder.fault(said, place)
    return builder.done(world)


def load_loans(name: str | Path) -> Loans:
    """A borrower book by the name of a shipped one or by file; InputError with every fault."""
    builder = Builder(Tree(None, str(name)))
    builder.include(find("books", str(name)), ())
    return builder.done(build_loans(builder, ()))


def load_rules(name: str | Path, cls: type = AaveV3Rules) -> Any:
    """A dated parameter set of class `cls` by the name of a shipped one or by file; InputError with every fault."""
    builder = Builder(read_yaml(find("protocols", str(name))))
    return builder.done(builder.record(cls, ()))


def _build(tree: Tree, book_file: Path | None = None) -> Study:
    faults = _changed(tree)
    if faults:
        raise InputError(faults)
    builder = Builder(tree, special={Portfolio: build_portfolio, Loans: build_loans}, book_file=book_file)
    study = builder.build(Study)
    if study is not BAD:
        for said, place in study.faults():
            builder.fault(said, place)
    return builder.done(study)


def _changed(tree: Tree) -> list[Fault]:
    """A study about another one may say ``with: {a.b: value}``: overrides of that other one, applied and taken out."""
    asked = tree.value
    if not isinstance(asked, dict) or "study" not in asked or not isinstance(asked.get("with"), dict):
        return []
    file, changes = tree.place(("with",))[0], asked.pop("with")
    return [f for path, value in changes.items() for f in _override(tree, f"study.{path}={json.dumps(value)}", file)]


def _family(path: list[str | int]) -> str | None:
    """Kind of file that a word at `path` names, None where it names none; parts of a liquidity are liquidity."""
    if path and path[-1] in ("book", "pool") and "liquidity" in path:
        return "protocols"
    return _REFERENCES.get(str(path[-1])) if path else None


def _override(tree: Tree, text: str, where: str = "") -> list[Fault]:
    """Apply ``a.b=value``; the faults where it cannot be."""
    target, equals, value = text.partition("=")
    path: list[str | int] = []
    where = where or f"--set {text}"
    if not equals or not target.strip():
        return [Fault("must have the form a.b=value", where)]
    try:
        plain = parse_yaml(value, where) if value.strip() else Tree(None, where)
    except InputError as error:
        return [Fault(f.message, where) for f in error.faults]
    node = tree.value
    for n, part in enumerate(target.strip().split(".")):
        family = _family(path)
        if isinstance(node, str) and family is not None:
            try:
                beside = Path(tree.place(tuple(path))[0]).parent
                node = tree.graft(tuple(path), read_named(find(family, node, beside)))
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
