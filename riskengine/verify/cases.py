"""Reference cases: read, run, compare.

A file holds ``{"cases": [{name, mechanism, inputs, expected, tolerance, source}]}``.  Each mechanism has an adapter, a
function from `inputs` to a dictionary of results; only the keys in `expected` are compared.  Numbers agree within
``abs + rel |expected|``; booleans, strings, and big integers written as strings must be equal.  A decimal in a case
whose tolerances are 0 is met to 1e-12 of itself: two routes to a double differ in its last digits, exactness is for
integers.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from riskengine.errors import Fault, InputError, refuse_pointer

Adapter = Callable[[dict[str, Any]], dict[str, Any]]
Verdict = Literal["PASS", "FAIL", "UNSUPPORTED"]

_MAX_BYTES = 64 * 2**20
# what an adapter may raise on inputs it cannot evaluate; the case fails, the others still run
_EVALUATION = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError)
_MISSING = object()
_DECIMAL = 1e-12


class Spellings(tuple[str, ...]):
    """One answer that sources write in several ways; any of them is what is expected."""


def spelled(contract: str, reason: str | None) -> Spellings | None:
    """Why a contract reverts, with or without its name in front; None where it does not."""
    return None if reason is None else Spellings((reason, f"{contract}/{reason}"))


@dataclass(frozen=True)
class Case:
    """One reference case of a file."""

    name: str
    mechanism: str
    inputs: dict[str, Any]
    expected: dict[str, Any]
    absolute: float
    relative: float
    source: str


@dataclass(frozen=True)
class Mismatch:
    """One expected value that was not met: where, what was expected, what came, and by how much they differ."""

    key: str
    expected: Any
    got: Any
    difference: float | None = None

    def __str__(self) -> str:
        gap = "" if self.difference is None else f", difference {self.difference:.6g}"
        return f"{self.key}: expected {self.expected!r}, got {self.got!r}{gap}"


@dataclass(frozen=True)
class CaseResult:
    """Outcome of one case.

    Attributes
    ----------
    name, mechanism, source : str
    verdict : {"PASS", "FAIL", "UNSUPPORTED"}
        UNSUPPORTED where no adapter knows the mechanism.
    mismatches : tuple of Mismatch
        Every expected value that was not met.
    compared : int
        Number of values compared.
    results : dict
        Everything the engine found, compared or not; empty where it did not get that far.
    """

    name: str
    mechanism: str
    source: str
    verdict: Verdict
    mismatches: tuple[Mismatch, ...] = ()
    compared: int = 0
    results: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        head = f"{self.verdict} {self.name} ({self.mechanism})"
        if not self.mismatches:
            return head
        more = f"; and {len(self.mismatches) - 1} more" if len(self.mismatches) > 1 else ""
        return f"{head}: {self.mismatches[0]}{more}"


def read_cases(path: str | Path) -> tuple[Case, ...]:
    """Cases of a file.

    Raises
    ------
    InputError
        Where the file cannot be read, is not JSON, or a case lacks a part; every fault is named with its place.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise InputError(Fault(f"a file of cases must be smaller than {_MAX_BYTES} bytes", str(file)))
        text = file.read_text(encoding="utf-8")
        refuse_pointer(text, str(file))
        document = json.loads(text)
    except OSError as error:
        raise InputError(Fault(f"cannot be read: {error.strerror or error}", str(file))) from None
    except UnicodeDecodeError:
        raise InputError(Fault("must be UTF-8 text", str(file))) from None
    except json.JSONDecodeError as error:
        raise InputError(Fault(f"must be JSON: {error.msg}", str(file), error.lineno)) from None
    except RecursionError:
        raise InputError(Fault("is nested too deeply", str(file))) from None
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list):
        raise InputError(Fault('must hold an object with a list "cases"', str(file)))
    faults: list[Fault] = []
    found = [_case(raw, f"cases[{i}]", str(file), faults) for i, raw in enumerate(document["cases"])]
    if faults:
        raise InputError(list(faults))
    return tuple(c for c in found if c is not None)


def _case(raw: Any, place: str, file: str, faults: list[Fault]) -> Case | None:
    before = len(faults)
    if not isinstance(raw, dict):
        faults.append(Fault(f"must be an object, got {type(raw).__name__}", file, path=place))
        return None
    for key, kind in (("name", str), ("mechanism", str), ("inputs", dict), ("expected", dict)):
        if not isinstance(raw.get(key), kind):
            got = "nothing" if key not in raw else type(raw[key]).__name__
            wanted = "text" if kind is str else "an object"
            faults.append(Fault(f"must be {wanted}, got {got}", file, path=f"{place}.{key}"))
    tolerance = raw.get("tolerance", {})
    if not isinstance(tolerance, dict):
        faults.append(Fault("must be an object with abs and rel", file, path=f"{place}.tolerance"))
        return None
    for key in ("abs", "rel"):
        size = tolerance.get(key, 0)
        if isinstance(size, bool) or not isinstance(size, (int, float)) or not size >= 0:
            faults.append(Fault(f"must be a non-negative number, got {size!r}", file, path=f"{place}.tolerance.{key}"))
    if len(faults) > before:
        return None
    return Case(
        raw["name"], raw["mechanism"], raw["inputs"], raw["expected"], tolerance.get("abs", 0), tolerance.get("rel", 0),
        str(raw.get("source", "")),
    )  # fmt: skip


def all_adapters() -> dict[str, Adapter]:
    """Every adapter of the project, by mechanism."""
    from riskengine.verify import calculators, lending, margin

    return {**margin.ADAPTERS, **lending.ADAPTERS, **calculators.ADAPTERS}


class _Inputs(dict[str, Any]):
    """Inputs without null that write down in which order they are read: an error can name the one it is about."""

    def __init__(self, values: Mapping[str, Any], read: list[tuple[str, Any]], place: str = "") -> None:
        super().__init__((k, _watched(v, read, f"{place}{k}")) for k, v in values.items())
        self._read, self._place = read, place

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key, ", ".join(self))
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        if key in self or value is _MISSING:
            self._read.append((f"{self._place}{key}", value))
        return value


def _watched(value: Any, read: list[tuple[str, Any]], place: str) -> Any:
    if value is None:
        raise ValueError(f"{place} must not be null: leave out what there is none of")
    if isinstance(value, dict):
        return _Inputs(value, read, f"{place}.")
    return [_watched(v, read, f"{place}[{i}]") for i, v in enumerate(value)] if isinstance(value, list) else value


def _why(error: Exception, read: list[tuple[str, Any]]) -> str:
    """What is wrong with which input."""
    at, last = read[-1] if read else ("the inputs", None)
    if last is _MISSING and isinstance(error, KeyError):
        return f"no {at!r} among {error.args[1]}"
    if isinstance(error, ValueError):
        return str(error)
    # an input may be used long after it was read: the last one is to blame only where it is no number itself
    if isinstance(error, ZeroDivisionError):
        named = [place for place, value in read if value in (0, "0")]
    elif isinstance(last, bool | int | float):
        named = [place for place, value in read if isinstance(value, str)]
    else:
        named = [at]
    return f"{', '.join(dict.fromkeys(named)) or at}: {type(error).__name__}: {error}"


def _no_kernel() -> type[Exception]:
    """What a kernel raises that has no code for the types of its input: an integer beyond 64 bits."""
    from numba.core.errors import NumbaError

    return NumbaError


def run_case(case: Case, adapters: Mapping[str, Adapter]) -> CaseResult:
    """Evaluate one case and compare."""
    adapter = adapters.get(case.mechanism)
    if adapter is None:
        return CaseResult(case.name, case.mechanism, case.source, "UNSUPPORTED")
    read: list[tuple[str, Any]] = []
    try:
        got = adapter(_Inputs(case.inputs, read))
    except (*_EVALUATION, _no_kernel()) as error:
        why = f"not evaluated, {_why(error, read)}"
        return CaseResult(case.name, case.mechanism, case.source, "FAIL", (Mismatch("inputs", "a result", why),))
    mismatches: list[Mismatch] = []
    compared = 0
    for key, expected in case.expected.items():
        compared += _compare(key, expected, got.get(key, _MISSING), case, mismatches)
    verdict: Verdict = "FAIL" if mismatches else "PASS"
    return CaseResult(case.name, case.mechanism, case.source, verdict, tuple(mismatches), compared, _plain(got))


def run_file(path: str | Path, adapters: Mapping[str, Adapter] | None = None) -> list[CaseResult]:
    """Results of every case of a file, in its order; `adapters` defaults to all of the project.

    Raises
    ------
    InputError
        Where the file is malformed.
    """
    cases = read_cases(path)
    known = all_adapters() if adapters is None else adapters
    return [run_case(c, known) for c in cases]


def summary(results: list[CaseResult]) -> str:
    """``N passed, N failed, N unsupported``."""
    count = {v: sum(r.verdict == v for r in results) for v in ("PASS", "FAIL", "UNSUPPORTED")}
    return f"{count['PASS']} passed, {count['FAIL']} failed, {count['UNSUPPORTED']} unsupported"


def _plain(value: Any) -> Any:
    """`value` without arrays and with one spelling of every name."""
    if isinstance(value, Spellings):
        return value[0]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _compare(key: str, expected: Any, got: Any, case: Case, out: list[Mismatch]) -> int:
    """Append what differs to `out`; returns the number of values compared."""
    if isinstance(got, np.ndarray):
        got = got.tolist()
    elif isinstance(got, np.generic):
        got = got.item()
    if got is _MISSING:
        out.append(Mismatch(key, expected, "nothing"))
        return 1
    if isinstance(expected, dict):
        if not isinstance(got, Mapping):
            out.append(Mismatch(key, expected, got))
            return 1
        return sum(_compare(f"{key}.{k}", v, got.get(k, _MISSING), case, out) for k, v in expected.items())
    if isinstance(expected, list):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            out.append(Mismatch(key, expected, got))
            return 1
        return sum(_compare(f"{key}[{i}]", x, y, case, out) for i, (x, y) in enumerate(zip(expected, got, strict=True)))
    _compare_leaf(key, expected, got, case, out)
    return 1


def _compare_leaf(key: str, expected: Any, got: Any, case: Case, out: list[Mismatch]) -> None:
    if isinstance(expected, bool) or expected is None:
        if got is not expected:
            out.append(Mismatch(key, expected, got))
        return
    if isinstance(expected, str):
        spelled = got if isinstance(got, Spellings) else (str(got),) if type(got) is int else (got,)
        same = expected in spelled
        if not same:
            out.append(Mismatch(key, expected, got))
        return
    if isinstance(got, str) and isinstance(expected, int) and got.lstrip("-").isdigit():
        got = int(got)
    if isinstance(got, bool) or not isinstance(got, (int, float)):
        out.append(Mismatch(key, expected, got))
        return
    # integers stay integers, so that amounts beyond 2^53 are compared exactly
    difference = abs(got - expected)
    exact = isinstance(expected, int) and _is_count(key)
    allowed = 0 if exact else case.absolute + (case.relative * abs(expected) if case.relative else 0)
    if isinstance(expected, float) and not allowed:
        allowed = _DECIMAL * abs(expected)
    if not difference <= allowed:
        out.append(Mismatch(key, expected, got, float(difference)))


def _is_count(key: str) -> bool:
    """Keys whose integers are counts or numbers, compared exactly: ``..._number(s)``, ``n00`` and its like."""
    stem = key.rsplit(".", 1)[-1].split("[", 1)[0]
    return stem.endswith(("_number", "_numbers")) or (stem[:1] == "n" and stem[1:].isdigit())
