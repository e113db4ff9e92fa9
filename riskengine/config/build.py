"""Frozen records from plain values: pydantic checks every value, the records check themselves, and all faults of a
file come back at once, each with file, line, path, value, legal range and nearest known name.

`kind:` chooses a class through the registry.  Where a record is wanted, a word names a file of it (a world, a book, a
parameter set) and a mapping is the record itself.
"""

import types
import warnings
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from riskengine import registry
from riskengine.arrays import as_floats
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.config.data_files import DATA
from riskengine.config.faults import BAD, construct, range_faults, show
from riskengine.config.leaf import check_leaf, is_plain
from riskengine.config.locate import find
from riskengine.config.reader import Path_, Tree, dotted, read_yaml
from riskengine.errors import Fault, InputError, RepairWarning, UsageError
from riskengine.exposure.unit import Exposure
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.surface import FactorSurface
from riskengine.oracle.push import PushOracle
from riskengine.roles import (
    Estimator,
    ExposureModel,
    LendingProtocol,
    Liquidity,
    MarginModel,
    PriceOracle,
    ScenarioModel,
    StateComponent,
)
from riskengine.scenario.world import Stress, World
from riskengine.study.kind import Study

# roles that are filled by a registered model, chosen by `kind:`
FAMILY: dict[Any, str] = {
    ScenarioModel: "scenarios",
    StateComponent: "states",
    FactorSurface: "surfaces",
    MarginModel: "margin",
    LendingProtocol: "lending",
    PriceOracle: "oracles",
    Liquidity: "liquidity",
    Estimator: "estimators",
    ExposureModel: "exposures",
}
# what a mapping without ``kind`` is in the place of a model
PLAIN: dict[Any, type] = {ExposureModel: Exposure, PriceOracle: PushOracle, Liquidity: ConstantProduct}
# models of which a word names a file, not a kind
FILED = (Liquidity,)
# kind of file that a word in the place of a record names
NAMED: dict[Any, str] = {World: "scenarios", Portfolio: "books", Loans: "books"}


@dataclass
class Builder:
    """Builds records from one tree and collects faults.

    Attributes
    ----------
    tree : Tree
    faults : list of Fault
    world : World or None
        The world built last: books read asset order and reference spots from it.
    world_failed : bool
        Whether a world was given but could not be built.
    special : dict
        Record -> function of (builder, path) that builds it from its own file format (books).
    book_file : Path or None
        Account dump of a borrower book, whatever file its description names.
    repairs : list of str
        What records replaced by the nearest that is valid, each with its place.
    """

    tree: Tree
    faults: list[Fault] = field(default_factory=list)
    world: World | None = None
    world_failed: bool = False
    special: dict[Any, Callable[["Builder", Path_], Any]] = field(default_factory=dict)
    book_file: Path | None = None
    repairs: list[str] = field(default_factory=list)
    _world_repairs: list[str] = field(default_factory=list)

    def value(self, path: Path_) -> Any:
        """Plain value at `path`."""
        value = self.tree.value
        for key in path:
            value = value[key]
        return value

    def fault(self, message: str, path: Path_) -> Any:
        """Record a fault at `path`."""
        self.faults.append(self.tree.fault(message, path))
        return BAD

    def done(self, built: Any) -> Any:
        """`built`, or InputError with every fault in the order of the files; warns of every repair."""
        if self.faults or built is BAD:
            files = list(dict.fromkeys(f.file for f in self.faults))
            raise InputError(sorted(self.faults, key=lambda f: (files.index(f.file), f.line or 0)))
        for said in self.repairs:
            warnings.warn(said, RepairWarning, stacklevel=3)
        return built

    def build(self, hint: Any, path: Path_ = ()) -> Any:
        """The object of type `hint` described at `path`, or `BAD` with its faults recorded."""
        value = self.value(path)
        hint, optional = _without_none(hint)
        if optional and value is None:
            return None
        if hint is Study:
            return self._study(path)
        if hint in FILED and isinstance(value, str):
            if not self._included("protocols", path, hint):
                return BAD
            value = self.value(path)
        if hint in PLAIN and isinstance(value, dict) and "kind" not in value:
            return self.record(PLAIN[hint], path)
        if hint in FAMILY:
            return self._model(FAMILY[hint], path)
        if is_plain(hint):
            return self._leaf(hint, path)
        origin = get_origin(hint)
        if origin is np.ndarray or hint is np.ndarray:
            return self._array(path)
        if origin in (Union, types.UnionType):
            return self._one_of(get_args(hint), path)
        if origin in (tuple, list):
            return self._sequence(hint, origin, path)
        if origin is dict:
            return self._mapping(get_args(hint)[1], path)
        if isinstance(hint, type) and is_dataclass(hint):
            return self._named_or_inline(hint, path)
        raise TypeError(f"no rule builds {hint!r} at {dotted(path)}")

    def _leaf(self, hint: Any, path: Path_) -> Any:
        value, faults = check_leaf(hint, self.value(path))
        for loc, message in faults:
            self.fault(message, path + loc)
        return BAD if faults else value

    def _array(self, path: Path_) -> Any:
        plain = self._leaf(list, path)
        if plain is BAD:
            return BAD
        try:
            return as_floats(str(path[-1]) if path else "array", plain)
        except (ValueError, TypeError) as error:
            return self.fault(f"{error}", path)

    def _sequence(self, hint: Any, origin: type, path: Path_) -> Any:
        value = self.value(path)
        if not isinstance(value, list):
            return self.fault(f"must be a list, got {show(value)}", path)
        items = get_args(hint)
        kinds = [items[0]] * len(value) if origin is list or items[1:] == (Ellipsis,) else list(items)
        if len(kinds) != len(value):
            return self.fault(f"must hold {len(kinds)} entries, got {len(value)}", path)
        built = [self.build(kind, (*path, i)) for i, kind in enumerate(kinds)]
        return BAD if any(b is BAD for b in built) else origin(built)

    def _mapping(self, hint: Any, path: Path_) -> Any:
        value = self.value(path)
        if not isinstance(value, dict):
            return self.fault(f"must be a mapping, got {show(value)}", path)
        built = {key: self.build(hint, (*path, key)) for key in value}
        return BAD if any(b is BAD for b in built.values()) else built

    def _one_of(self, options: tuple[Any, ...], path: Path_) -> Any:
        """One of several records, told apart by the literal of their field ``kind``."""
        by_kind = {k: o for o in options for k in get_args(_hints(o).get("kind", Literal["?"]))}
        value = self.value(path)
        if not isinstance(value, dict) or "kind" not in value:
            return self.fault(f"kind must be given, one of {', '.join(by_kind)}", path)
        if value["kind"] not in by_kind:
            hint = registry.suggest(value["kind"], by_kind)
            return self.fault(
                f"kind must be one of {', '.join(by_kind)}, got {show(value['kind'])}{hint}", (*path, "kind")
            )
        return self.record(by_kind[value["kind"]], path)

    def _study(self, path: Path_) -> Any:
        value = self.value(path)
        if not isinstance(value, dict) or "kind" not in value:
            return self.fault(f"kind must be given, one of {', '.join(registry.STUDIES)}", path)
        try:
            return self.record(registry.study_kind(value["kind"]), path)
        except UsageError as error:
            return self.fault(str(error), (*path, "kind"))

    def _model(self, family: str, path: Path_) -> Any:
        value = self.value(path)
        known = registry.kinds(family)
        if isinstance(value, str):
            value = self.tree.graft(
                path, Tree({"kind": value}, *self.tree.place(path)[:1], {(): self.tree.place(path)})
            )
        if not isinstance(value, dict) or "kind" not in value:
            return self.fault(f"kind must be given, one of {', '.join(known)}", path)
        try:
            cls = registry.load(family, value["kind"] if isinstance(value["kind"], str) else show(value["kind"]))
        except UsageError as error:
            return self.fault(str(error), (*path, "kind"))
        held = self.world, self.world_failed
        made = self.record(cls, path, known_as="kind")
        self.world, self.world_failed = held  # a model may hold a world of its own, which no book is read by
        return made

    def _named_or_inline(self, cls: type, path: Path_) -> Any:
        if cls in DATA:
            return DATA[cls](self, path)
        if isinstance(self.value(path), str):
            family = "studies" if issubclass(cls, Study) else NAMED.get(cls, "protocols")
            if not self._included(family, path, cls):
                self.world_failed = self.world_failed or cls is World
                return BAD
        if cls in self.special:
            return self.special[cls](self, path)
        if cls is World and isinstance(self.value(path), dict) and "base" in self.value(path):
            stress = self.record(Stress, path)
            built = BAD if stress is BAD else stress.world()
        else:
            built = self.record(cls, path)
        if cls is World:
            self.world, self.world_failed = (None, True) if built is BAD else (built, False)
        return built

    def _included(self, family: str, path: Path_, hint: Any) -> bool:
        """Put the file of a `hint` that the word at `path` names there; False, with faults, where that cannot be."""
        fits = partial(_fits, hint) if family == "protocols" else None
        try:
            self.include(find(family, self.value(path), self.folder(path), fits), path)
        except InputError as error:
            self.faults += [f if f.file else self.tree.fault(f.message, path) for f in error.faults]
            return False
        return True

    def include(self, file: Path, path: Path_) -> None:
        """Put the content of a named file at `path`; a CSV file stays a reference to its path for its own reader."""
        if file.suffix == ".csv":
            self.tree.graft(path, Tree({"csv": str(file)}, str(file), {(): (str(file), None)}))
        else:
            self.tree.graft(path, read_named(file))

    def folder(self, path: Path_) -> Path | None:
        """Folder of the file that holds the value at `path`, where it is a file."""
        file = Path(self.tree.place(path)[0])
        return file.parent if file.is_file() else None

    def beside(self, name: str, path: Path_) -> Path | None:
        """The data file `name` that the mapping at `path` names; None, with a fault, where there is none."""
        places = [folder / name for folder in (self.folder(path), Path()) if folder is not None]
        found = next((f for f in places if f.is_file()), None)
        if found is None:
            where = (*path, "file")
            self.fault(f"{name}: no such file, beside the file that names it or in the working directory", where)
        return found

    def record(self, cls: type, path: Path_, known_as: str | None = None) -> Any:
        """A frozen dataclass from the mapping at `path`; `known_as` is a key that chose the class."""
        value = self.value(path)
        if not isinstance(value, dict):
            return self.fault(f"must be a mapping of {', '.join(_init_fields(cls))}, got {show(value)}", path)
        wanted, hints = _init_fields(cls), _hints(cls)
        for key in value:
            if key not in wanted and key != known_as:
                near = registry.suggest(key, set(wanted) - set(value)) or registry.suggest(key, wanted)
                self.fault(f"unknown key{near or _legal(wanted)}", (*path, key))
        built: dict[str, Any] = {}
        for name, required in wanted.items():
            if name in value:
                built[name] = self.build(hints[name], (*path, name))
            elif required:
                built[name] = self.fault(f"{name} must be given", path)
        if any(b is BAD for b in built.values()):
            for name, message in range_faults(cls, built):
                self.fault(message, (*path, name) if name in value else path)
            return BAD
        made, faults = self._construct(cls, built, path)
        for name, message in faults:
            self.fault(message, (*path, name) if name is not None and name in value else path + _inside(message, value))
        return BAD if faults else made

    def _construct(self, cls: type, built: dict[str, Any], path: Path_) -> tuple[Any, list[tuple[str | None, str]]]:
        """As `construct`; what the record repaired is kept with its place, and a world carries what is in it."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RepairWarning)
            made, faults = construct(cls, built)
        for found in caught:
            if not issubclass(found.category, RepairWarning):
                warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
                continue
            word = str(found.message).partition(" ")[0]
            said = str(self.tree.fault(str(found.message), (*path, word) if word in built else path))
            if said not in self.repairs:
                self.repairs.append(said)
                self._world_repairs.append(str(found.message))
        if cls is World and made is not None and self._world_repairs:
            made = replace(made, repairs=(*made.repairs, *self._world_repairs))
            self._world_repairs.clear()
        return made, faults


def read_named(file: Path) -> Tree:
    """A file as a tree; a world without a name of its own has that of its file."""
    tree = read_yaml(file)
    if isinstance(tree.value, dict) and ("model" in tree.value or "base" in tree.value):
        tree.value = {"name": file.stem} | tree.value
    return tree


def _fits(hint: Any, file: Path) -> bool:
    """Whether a parameter set can stand where a `hint` is wanted: it has a kind of the role, or keys of the record."""
    keys = read_yaml(file).value
    if hint in FAMILY:
        return keys.get("kind") in registry.kinds(FAMILY[hint])
    return set(keys) <= set(_init_fields(hint))


def _inside(message: str, value: dict[str, Any]) -> Path_:
    """Where below a record a message points that names a field of one of its parts; nowhere where none has it."""
    word = message.partition(" ")[0]
    holders = [key for key, part in value.items() if isinstance(part, dict) and word in part]
    return (holders[0], word) if len(holders) == 1 else ()


def _legal(names: dict[str, bool]) -> str:
    return f"; legal keys are {', '.join(names)}"


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`hint` without ``None`` where exactly one complex alternative is left beside it."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = tuple(a for a in get_args(hint) if a is not types.NoneType)
        if len(rest) < len(get_args(hint)):
            return (rest[0] if len(rest) == 1 else Union[rest]), True  # noqa: UP007 - built at run time
    return hint, False


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


@cache
def _init_fields(cls: type) -> dict[str, bool]:
    """Fields of a record that a file gives, and whether they are required."""
    return {
        f.name: f.default is MISSING and f.default_factory is MISSING
        for f in fields(cls)
        if f.init and f.name[0] != "_"
    }
