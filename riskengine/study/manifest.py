"""Identity of a run: the hash of its question, and what it ran with."""

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from riskengine import __version__

# Packages whose code decides the numbers; the others only read, show or start.
_NUMERIC = (
    *("market", "instrument", "book", "stats", "law", "pricing", "scenario", "estimator", "liquidity", "oracle"),
    *("rates", "score", "backtest", "margin", "lending", "liquidation", "engine", "study", "tune"),
)
# How long the question is asked, what it is called and what is demanded of the answer do not change a block.
_NOT_THE_QUESTION = ("paths", "title", "criteria", "max_failed_share", "target_error")


@cache
def kernel_version() -> str:
    """SHA-256 over the source of every file that decides a number."""
    root = Path(__file__).resolve().parents[1]
    files = [root / f"{name}.py" for name in ("arrays", "estimate", "jit", "random", "roles", "vecmath")]
    for package in _NUMERIC:
        files += sorted((root / package).rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return digest.hexdigest()


def canonical(value: Any) -> bytes:
    """One spelling of a plain value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def question_hash(resolved: dict[str, Any]) -> str:
    """SHA-256 of the question: the resolved study without what no block depends on, and the code."""
    question = {k: v for k, v in resolved.items() if k not in _NOT_THE_QUESTION}
    return hashlib.sha256(canonical({"study": question, "kernels": kernel_version()})).hexdigest()


def manifest(resolved: dict[str, Any], paths: int) -> dict[str, Any]:
    """What identifies a run; no times and no machine, so that the same run has the same bytes."""
    return {
        "question_sha256": question_hash(resolved),
        "paths": paths,
        "data_sha256": sorted(_data(resolved)),
        "riskengine": __version__,
        "kernels_sha256": kernel_version(),
        "packages": {name: _version(name) for name in ("numpy", "numba", "scipy", "pandas")},
        "python": platform.python_version(),
    }


def _data(value: Any) -> set[str]:
    """Hashes of the data files that a resolved study names: of the world's model, or of the prices of a backtest."""
    asked = value.get("study") if isinstance(value.get("study"), dict) else value  # or what a study asks about
    worlds = [asked.get("world") or {}, *(value.get("worlds") or ()), *(value.get("variants") or ())]
    parts = [part for world in worlds for part in (world.get("model") or {}).values()]
    named = [part.get("sha256") for part in parts if isinstance(part, dict)]
    books = [asked.get("book"), (asked.get("lending") or {}).get("book")]
    named += [book.get("sha256") for book in books if isinstance(book, dict)]
    given = value.get("data_sha256")
    return {digest for digest in (*named, *(given if isinstance(given, list) else [given])) if digest}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
