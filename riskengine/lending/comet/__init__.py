"""Compound v3 (Comet): parameter records, exact integer reference engine, vectorised engine over paths."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`Comet`, imported when asked for: the exact integer engine works without the compiler."""
    if name == "Comet":
        from riskengine.lending.comet.market import Comet

        return Comet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
