"""What a search for the account that each margin model covers worst asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.book.portfolio import Portfolio
from riskengine.roles import MarginModel
from riskengine.scenario.world import World
from riskengine.study.checks import Found, expiry_faults, model_faults, period_faults, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study


@dataclass(frozen=True)
class WorstAccountStudy(Study):
    """For each margin model the account, of those that the instruments of a book make up, that is covered worst.

    Attributes
    ----------
    world : World
    book : Portfolio
        Its instruments are what accounts are made of; its accounts stand beside the one found.
    models : tuple of MarginModel
        Each at its first level.
    margin_period_hours : float
    history_windows : int
        Margin periods before time 0 that models with a window read; 0 where none does.
    level : float
        The tail of the loss that is looked for.
    notional_usd : float
        Largest gross size of an account at spot: every option and every perpetual by the coins it is on.
    search_paths, fresh_paths : int
        Paths on which the account is found, and others on which it is judged.
    starts : int
        Single positions that the search starts from, those covered worst first.
    drawn_accounts : int
        Accounts drawn at random among all of that size, for comparison.
    """

    named: ClassVar[str] = "a search for the worst account"
    runner: ClassVar[str] = "riskengine.tune.worst_account:run_worst_account"
    verb: ClassVar[str] = "tune"

    kind: Literal["worst_account"]
    title: str
    world: World
    book: Portfolio
    models: tuple[MarginModel, ...]
    margin_period_hours: float
    seed: int
    history_windows: int = 0
    level: float = 0.99
    notional_usd: float = 100_000.0
    search_paths: int = 8192
    fresh_paths: int = 32_768
    starts: int = 8
    drawn_accounts: int = 64
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("margin_period_hours", self.margin_period_hours, 0.0, 8760.0, open_low=True)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("history_windows", self.history_windows, 0, 100_000)
        check_range("level", self.level, 0.5, 1.0, open_high=True)
        check_range("notional_usd", self.notional_usd, 0.0, 1e15, open_low=True)
        check_range("search_paths", self.search_paths, 256, 2**20)
        check_range("fresh_paths", self.fresh_paths, 256, 2**24)
        check_range("starts", self.starts, 1, 4096)
        check_range("drawn_accounts", self.drawn_accounts, 2, 4096)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        if (1.0 - self.level) * self.search_paths < 20:
            raise ValueError(
                f"search_paths must leave at least 20 paths beyond the level, got {self.search_paths:,} at "
                f"{100 * self.level:g} %"
            )
        if not self.models:
            raise ValueError("models must hold at least one margin model, got none")
        if self.world.stress:
            raise ValueError(f"world must be without a stress, got {self.world.name!r}, which has one")
        seconds = self.margin_period_hours * 3600
        if abs(seconds - round(seconds)) > 1e-6:
            raise ValueError(
                f"margin_period_hours must be a whole number of seconds, got {self.margin_period_hours!r} h"
            )

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"search_paths": self.search_paths, "fresh_paths": self.fresh_paths, "seed": self.seed}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        yield from surface_fault(self.world, ("world", "surface"))
        yield from expiry_faults(self.book, self.margin_period_hours, "margin period", ("book",))
        yield from model_faults(self.models, self.book, self.world, ("models",))
        yield from period_faults(self.models, self.margin_period_hours, self.history_windows, ("models",))
