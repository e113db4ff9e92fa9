"""Strict YAML: plain values with the line of each, every fault of a file at once.

The scanner and parser are PyYAML's safe ones; the values are formed here, by the YAML 1.2 core rules: ``1e-3`` is a
number, ``yes``, ``no``, ``on``, ``off``, dates and ``12:30`` are words, ``017`` is seventeen.  Refused: duplicate keys,
anchors and aliases (they expand), tags, several documents, an unquoted ``0x...`` (an address read as an integer loses
its zeros), files above 1 MB.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from riskengine.errors import Fault, InputError, refuse_pointer

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_HEX = re.compile(r"[-+]?0[xX][0-9a-fA-F]+")
_SPECIAL = {f"{s}{n}": float(s + "inf") for s in ("", "+", "-") for n in (".inf", ".Inf", ".INF")}
_SPECIAL |= {n: float("nan") for n in (".nan", ".NaN", ".NAN")}
_WORDS = {w: None for w in ("", "~", "null", "Null", "NULL")}
_WORDS |= {w: w.lower() == "true" for w in ("true", "True", "TRUE", "false", "False", "FALSE")}

Key = str | int
Path_ = tuple[Key, ...]


@dataclass
class Tree:
    """A file as plain dicts, lists, strings, numbers, booleans and None.

    Attributes
    ----------
    value : object
    file : str
        Name shown in faults.
    places : dict of tuple to (str, int or None)
        File and line of each value, by its path from the root.
    """

    value: Any
    file: str
    places: dict[Path_, tuple[str, int | None]] = field(default_factory=dict)

    def place(self, path: Path_) -> tuple[str, int | None]:
        """File and line of the value at `path`, or of its nearest known parent."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.file, None

    def fault(self, message: str, path: Path_) -> Fault:
        """A fault at `path`."""
        file, line = self.place(path)
        return Fault(message, file, line, dotted(path))

    def graft(self, path: Path_, other: "Tree") -> Any:
        """Put the content of `other` at `path` (its parent must exist), keeping the places of both; return it."""
        self.places = {p: where for p, where in self.places.items() if p[: len(path)] != path}
        self.places |= {path + p: where for p, where in other.places.items()}
        if not path:
            self.value = other.value
            return self.value
        parent = self.value
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = other.value
        return other.value


def dotted(path: Path_) -> str:
    """``("margin", "models", 0, "level")`` as ``margin.models[0].level``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def read_yaml(file: Path) -> Tree:
    """The content of a YAML file; InputError naming every fault of its form."""
    return parse_yaml(read_text(file), str(file))


def read_text(file: Path, limit: int = MAX_BYTES) -> str:
    """Text of a UTF-8 file of at most `limit` bytes; InputError where it is missing, larger, or not text."""
    try:
        size = file.stat().st_size
        if size > limit:
            raise InputError(Fault(f"file must hold at most {limit:,} bytes, got {size:,}", str(file)))
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(Fault("no such file", str(file))) from None
    except OSError as error:
        raise InputError(Fault(f"cannot be read: {error.strerror}", str(file))) from None
    except UnicodeDecodeError as error:
        raise InputError(Fault(f"must be UTF-8 text, got byte {error.start} that is not", str(file))) from None
    refuse_pointer(text, str(file))
    return text


def parse_yaml(text: str, file: str = "") -> Tree:
    """As `read_yaml`, from text; `file` is the name shown in faults."""
    reader = _Reader(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        detail = " ".join(part for part in (error.context, error.problem) if part)
        reader.faults.append(Fault(f"must be well-formed YAML: {detail}", file, line))
    except yaml.reader.ReaderError as error:
        reader.faults.append(Fault(f"must be well-formed YAML: {error.reason}", file))
    if not reader.documents and not reader.faults:
        reader.faults.append(Fault("file must hold something, got an empty one", file))
    if reader.faults:
        raise InputError(reader.faults)
    return Tree(reader.value, file, reader.places)


class _Reader:
    """Forms values from parser events, without recursion."""

    def __init__(self, file: str):
        self.file, self.faults, self.documents = file, [], 0
        self.value: Any = None
        self.places: dict[Path_, tuple[str, int | None]] = {}
        # open containers: [container, path, pending key or None, lines of keys seen]
        self._open: list[list[Any]] = []

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._fault("file must hold one document, got another", line)
        elif isinstance(event, yaml.AliasEvent):
            self._fault(f"anchors and aliases are refused, got *{event.anchor}; write the value out", line)
            self._add(None, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._check(event, line)
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._check(event, line)
            container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            path = self._add(container, line)
            self._open.append([container, path, None, {}])
            if len(self._open) == MAX_DEPTH:
                self._fault(f"values must nest at most {MAX_DEPTH} deep", line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()

    def _fault(self, message: str, line: int) -> None:
        path = self._open[-1][1] if self._open else ()
        self.faults.append(Fault(message, self.file, line, dotted(path)))

    def _check(self, event: yaml.Event, line: int) -> None:
        if event.anchor is not None:
            self._fault(f"anchors and aliases are refused, got &{event.anchor}", line)
        if event.tag is not None:
            self._fault(f"tags are refused, got {event.tag}", line)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top[0], dict) and top[2] is None:
            self._key(event, line, top)
            return
        text = event.value
        value: Any = text
        if top is not None and isinstance(top[0], dict) and top[2][1] and not (text or event.style):
            self._fault(f"a space must follow the colon in {top[2][0]}", line)
        if not event.style:
            if _HEX.fullmatch(text):
                self._fault(f"an address or hexadecimal number must be quoted, got {text}", line)
            value = _plain(text)
        self._add(value, line)

    def _key(self, event: yaml.ScalarEvent, line: int, top: list[Any]) -> None:
        if not event.style and _HEX.fullmatch(event.value):
            self._fault(f"an address or hexadecimal number must be quoted, got {event.value}", line)
        seen = top[3].setdefault(event.value, line)
        # with whether it may be key and value written without a space
        top[2] = (event.value, not event.style and ":" in event.value)
        if seen != line or event.value in top[0]:
            self._fault(f"key {event.value!r} is given twice, first on line {seen}", line)

    def _add(self, value: Any, line: int) -> Path_:
        if not self._open:
            self.value, path = value, ()
        else:
            container, parent, pending, _ = self._open[-1]
            if isinstance(container, list):
                path = (*parent, len(container))
                container.append(value)
            elif pending is None:
                self._fault("a key must be a word or a number, got a list or mapping", line)
                self._open[-1][2] = ("", False)
                path = parent
            else:
                path = (*parent, pending[0])
                container[pending[0]] = value
                self._open[-1][2] = None
        self.places[path] = (self.file, line)
        return path


def _plain(text: str) -> Any:
    """Value of an unquoted scalar under the YAML 1.2 core rules."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text) and len(text) <= 400:
        return int(text)
    if text.startswith(("0o", "0O")) and re.fullmatch(r"0o[0-7]+", text):
        return int(text[2:], 8)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def parse_number(text: str) -> float | None:
    """`text` as a finite number under the same rules; None where it is not one."""
    if not (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def needs_quotes(text: str) -> bool:
    """Whether `text` would not be read back as itself without quotes."""
    return _HEX.fullmatch(text) is not None or not isinstance(_plain(text), str)
