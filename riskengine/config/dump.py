"""Records back to plain values: what a run folder keeps and what is hashed.  Reading them gives equal records."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import yaml

from riskengine import registry
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.config.book import dump_portfolio
from riskengine.config.build import PLAIN
from riskengine.config.data_files import DATA, dump_data
from riskengine.config.loans import dump_loans
from riskengine.config.reader import needs_quotes


def dump(record: Any) -> Any:
    """A record, with its defaults, as dicts, lists, words and numbers; models carry their registered ``kind``."""
    if isinstance(record, Portfolio):
        return record.origin or dump_portfolio(record)
    if isinstance(record, Loans):
        return dump_loans(record)
    if type(record) in DATA:
        return dump_data(record)
    if is_dataclass(record) and not isinstance(record, type):
        plain = {f.name: dump(getattr(record, f.name)) for f in fields(record) if _written(f, record)}
        if "title" in plain:
            # a study says first what it is, also where it inherits its rules
            plain = {name: plain[name] for name in ("kind", "title") if name in plain} | plain
        kind = _kind(record)
        return plain if kind is None else {"kind": kind} | plain
    if isinstance(record, dict):
        return {str(key): dump(value) for key, value in record.items()}
    if isinstance(record, (tuple, list)):
        return [dump(value) for value in record]
    if isinstance(record, np.ndarray):
        return record.tolist()
    if isinstance(record, np.generic):
        return record.item()
    return record


def _written(f: Any, record: Any) -> bool:
    """Whether a field is one that a file gives, and holds something where it is written only then."""
    told, value, when = f.init and f.name[0] != "_", getattr(record, f.name), f.metadata.get("written")
    return told and (when != "unless empty" or bool(value)) and (when != "unless none" or value is not None)


def _kind(record: Any) -> str | None:
    if type(record) in PLAIN.values():
        return None
    return next((k for k in (registry.kind_of(f, record) for f in registry.MODELS) if k is not None), None)


class _Dumper(yaml.SafeDumper):
    """Writes what `riskengine.config.reader` reads back as the same values."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _word(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if needs_quotes(text) else None)


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    # 1e-05 as 1.0e-05: YAML 1.1 readers take the former for a word
    return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


def _sequence(dumper: yaml.SafeDumper, values: list) -> yaml.Node:
    flat = not any(isinstance(v, (dict, list)) for v in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flat)


_Dumper.add_representer(str, _word)
_Dumper.add_representer(float, _number)
_Dumper.add_representer(list, _sequence)


def to_yaml(plain: Any) -> str:
    """Plain values as strict YAML, in the order given; the same values give the same text."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
