"""Morpho Blue: parameter records, exact integer reference engine, vectorised engine over paths."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`MorphoBlue`, imported when asked for: the exact integer engine works without the compiler."""
    if name == "MorphoBlue":
        from riskengine.lending.morpho_blue.market import MorphoBlue

        return MorphoBlue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
