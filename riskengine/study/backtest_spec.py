"""What a backtest over real prices asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.book.portfolio import Portfolio
from riskengine.market.grid import TimeGrid
from riskengine.roles import MarginModel
from riskengine.scenario.world import World
from riskengine.study.checks import Found, expiry_faults, model_faults, period_faults, surface_fault
from riskengine.study.kind import Study


@dataclass(frozen=True)
class BacktestStudy(Study):
    """The same margin models replayed over real prices, one lane for each non-overlapping margin period.

    Attributes
    ----------
    world : World
        Gives reference spots, asset order and the surface; its paths are not used.
    book, models, margin_period_hours : as in `MarginQuestion`
    history_windows : int
        Margin periods before each window that the estimators read.
    variance_half_life_hours : float
        Half-life of the exponentially weighted variance that stands for the state of the surface.
    max_missing_share : float
        Stated policy on gaps: a price file that misses more than this share of its bars is refused, 0 refuses any gap;
        windows with a missing bar are left out and counted.
    """

    named: ClassVar[str] = "a backtest"
    runner: ClassVar[str] = "riskengine.study.backtest:run_backtest"
    options: ClassVar[tuple[str, ...]] = ("out", "command", "history")

    kind: Literal["backtest"]
    title: str
    world: World
    book: Portfolio
    models: tuple[MarginModel, ...]
    margin_period_hours: float
    history_windows: int
    variance_half_life_hours: float = 72.0
    confidence: float = 0.95
    max_missing_share: float = 0.0

    def __post_init__(self) -> None:
        check_range("max_missing_share", self.max_missing_share, 0.0, 0.5)
        check_range("variance_half_life_hours", self.variance_half_life_hours, 0.0, 1e6, open_low=True)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("history_windows", self.history_windows, 2, 100_000)
        check_range("margin_period_hours", self.margin_period_hours, 0.0, 8760.0, open_low=True)

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        yield from surface_fault(self.world, ("world", "surface"))
        yield from expiry_faults(self.book, self.margin_period_hours, "margin period", ("book",))
        # prices of a file have no depth; their bars are hours or parts of one, where a period is whole hours
        seconds = round(self.margin_period_hours * 3600)
        step = 3600 if seconds % 3600 == 0 else seconds
        grid = TimeGrid(step, seconds // step, seconds, self.history_windows)
        yield from model_faults(self.models, self.book, self.world, ("models",), grid)
        yield from period_faults(self.models, self.margin_period_hours, self.history_windows, ("models",))
