"""Aave v2: exact integer reference engine, and the market of `riskengine.lending.aave_v3` under its rules."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`AaveV2`, imported when asked for: the exact integer engine works without the compiler."""
    if name == "AaveV2":
        from riskengine.lending.aave_v2.market import AaveV2

        return AaveV2
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
