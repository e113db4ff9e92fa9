"""What combinations of margin models share: parts on one axis of levels, combined figure by figure.

A part without levels (a grid) counts at every level of the others.  Each part is asked as it would be alone, so a
combination costs what its parts cost.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.roles import MarginModel, Requirement, promises, reads_history


class Combination(ABC):
    """Base of the margin models that are made of others.

    The record of a combination has a field ``levels`` and calls `_settle` on the fields that hold its parts; it says in
    `combine` how amounts become one, for initial and maintenance margin alike.
    """

    kind: str
    levels: tuple[float, ...]

    @property
    @abstractmethod
    def parts(self) -> tuple[MarginModel, ...]:
        """The models combined, in order."""

    @abstractmethod
    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """One amount from those of the parts, each of shape (K, P)."""

    @property
    def promises(self) -> frozenset[str]:
        """What all parts promise: the greatest, the least and a mean of such figures keep it."""
        return frozenset.intersection(*map(promises, self.parts))

    @property
    def reads_history(self) -> bool:
        """Whether any part reads returns from before time 0."""
        return any(map(reads_history, self.parts))

    def _settle(self, *names: str) -> None:
        """Put every part that has levels at the same ones: those given, else those that all parts state."""
        stated = {part.levels for part in self.parts if part.levels}
        if not self.levels and len(stated) > 1:
            raise ValueError(f"levels must be given where the parts state different ones, got {sorted(stated)}")
        levels = tuple(self.levels) or next(iter(stated), ())
        if levels and not stated:
            raise ValueError(f"levels must be absent where no part has any, got {levels}")
        for name in names:
            held = getattr(self, name)
            settled = tuple(_at(x, levels) for x in held) if isinstance(held, tuple) else _at(held, levels)
            object.__setattr__(self, name, settled)
        object.__setattr__(self, "levels", levels)
        periods = {p.margin_period_hours for p in self.parts if hasattr(p, "margin_period_hours")}
        if len(periods) > 1:
            raise ValueError(f"margin_period_hours must be one for all parts, got {sorted(periods)}")
        if periods:
            object.__setattr__(self, "margin_period_hours", periods.pop())

    def check_paths(self, grid: TimeGrid, filled: Sequence[str]) -> None:
        """ValueError where paths on `grid`, with the lanes `filled` beyond prices, lack what a part asks for."""
        for part in self.parts:
            if hasattr(part, "check_paths"):
                part.check_paths(grid, filled)

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> tuple[Any, ...]:
        """State of each part."""
        return tuple(part.init(portfolio, surface) for part in self.parts)

    def step(self, state: tuple[Any, ...], paths: MarketPaths, step: int) -> tuple[Any, ...]:
        """State of each part at time index `step`."""
        return tuple(part.step(own, paths, step) for part, own in zip(self.parts, state, strict=True))

    def requirement(self, state: tuple[Any, ...], snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """One requirement per level; its components are the initial requirements of the parts."""
        found = [part.requirement(own, snapshot) for part, own in zip(self.parts, state, strict=True)]
        names = part_names(self.parts)
        out = []
        for i in range(max(1, len(self.levels))):
            here = [part[i] if len(part) > 1 else part[0] for part in found]
            initial, maintenance = (self.combine([getattr(r, m) for r in here]) for m in ("initial", "maintenance"))
            out.append(Requirement(initial, maintenance, dict(zip(names, (r.initial for r in here), strict=True))))
        return tuple(out)


class Wrapper(Combination):
    """Base of the models around one other, in a field ``model``; alone it asks what that model asks."""

    model: MarginModel

    @property
    def parts(self) -> tuple[MarginModel, ...]:
        """The model inside."""
        return (self.model,)

    def combine(self, amounts: Sequence[Floats]) -> Floats:
        """The amount itself."""
        return amounts[0]


def part_names(parts: Sequence[MarginModel]) -> tuple[str, ...]:
    """Kind of each part, with its number among those of the same kind."""
    kinds = [part.kind for part in parts]
    return tuple(
        kind if kinds.count(kind) == 1 else f"{kind} ({kinds[: i + 1].count(kind)})" for i, kind in enumerate(kinds)
    )


def _at(part: MarginModel, levels: tuple[float, ...]) -> MarginModel:
    if not part.levels or part.levels == levels or "levels" not in {f.name for f in fields(part)}:
        return part
    return replace(part, levels=levels)
