"""Euler v2 (EVK): parameter records, exact integer reference engine, vectorised engine over paths."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`EulerEvk`, imported when asked for: the exact integer engine works without the compiler."""
    if name == "EulerEvk":
        from riskengine.lending.euler_evk.market import EulerEvk

        return EulerEvk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
