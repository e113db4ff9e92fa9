"""Aave v3: parameter records, exact integer reference engine, vectorised engine over paths."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`AaveV3`, imported when asked for: the exact integer engine works without the compiler."""
    if name == "AaveV3":
        from riskengine.lending.aave_v3.market import AaveV3

        return AaveV3
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
