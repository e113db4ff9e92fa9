"""What a replay of a lending market over real crises asks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from riskengine.arrays import check_range
from riskengine.book.loans import Loans
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.market.grid import TimeGrid
from riskengine.roles import LendingProtocol
from riskengine.scenario.world import World
from riskengine.study.checks import Found
from riskengine.study.kind import Study


@dataclass(frozen=True)
class ReplayEvent:
    """A stretch of real prices.

    Attributes
    ----------
    name : str
    start : str
        ISO time, UTC, of the bar at whose price the book stands.
    hours : float
        Length; a whole number of bars.
    rules : AaveV3Rules or None
        Parameters nearest in time, of an Aave v3 market; None are those of the study's market.
    """

    name: str
    start: str
    hours: float
    rules: AaveV3Rules | None = None

    def __post_init__(self) -> None:
        check_range("hours", self.hours, 0.0, 8760.0, open_low=True)
        try:
            np.datetime64(self.start, "s")
        except ValueError:
            raise ValueError(f"start must be an ISO time such as 2025-10-10T00:00, got {self.start!r}") from None

    @property
    def seconds(self) -> int:
        """Unix time of the start."""
        return int(np.datetime64(self.start, "s").astype(np.int64))


@dataclass(frozen=True)
class LiquidationColumns:
    """Which columns of a file of real liquidations say what.

    Attributes
    ----------
    time, usd, account : str
        Stamp, USD of collateral seized, and account of every liquidation.
    where : dict of str to list of str
        Only rows whose columns hold one of these words.
    """

    time: str = "timestamp"
    usd: str = "collateral_usd"
    account: str = "account_id"
    where: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class LendingReplayStudy(Study):
    """A dated borrower book in a lending market, replayed over real prices of one or more crises.

    Attributes
    ----------
    assets : tuple of str
        Assets of the price file that tokens follow.
    spot : tuple of float
        USD prices at which the book stands; the prices of an event are scaled so that it starts there.
    book : Loans
    market : LendingProtocol
    events : tuple of ReplayEvent
    threshold_shifts : tuple of float
        Added to every liquidation threshold; 0 must be among them.
    starts : int
        How many starting hours, the stated one and those before it, an event is replayed from: how much hangs on the
        moment at which the book is put into it.
    happened : LiquidationColumns
        Of a second data file, of real liquidations.
    """

    named: ClassVar[str] = "a replay of a lending market"
    runner: ClassVar[str] = "riskengine.study.lending_replay:run_replay"
    options: ClassVar[tuple[str, ...]] = ("out", "command", "history", "happened")
    # a hole between two events does no harm; one inside an event is refused by name
    max_missing_share: ClassVar[float] = 1.0

    kind: Literal["lending_replay"]
    title: str
    assets: tuple[str, ...]
    spot: tuple[float, ...]
    book: Loans
    market: LendingProtocol
    events: tuple[ReplayEvent, ...]
    threshold_shifts: tuple[float, ...] = (0.0,)
    starts: int = 24
    happened: LiquidationColumns = LiquidationColumns()

    def __post_init__(self) -> None:
        if not self.assets or len(set(self.assets)) != len(self.assets):
            raise ValueError(f"assets must be distinct and at least one, got {self.assets}")
        if len(self.spot) != len(self.assets):
            raise ValueError(f"spot must hold one price for each of {', '.join(self.assets)}, got {len(self.spot)}")
        for price in self.spot:
            check_range("spot", price, 0.0, 1e12, open_low=True)
        if 0.0 not in self.threshold_shifts:
            raise ValueError(f"threshold_shifts must hold 0, got {self.threshold_shifts}")
        check_range("starts", self.starts, 1, 1000)
        names = [e.name for e in self.events]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"events must be at least one, each with a name of its own, got {names}")
        if any(e.rules is not None for e in self.events) and self.market.kind != "aave_v3":
            raise ValueError(f"rules of an event need a market of kind aave_v3, got {self.market.kind}")

    @property
    def imported(self) -> Loans | None:
        """As `Study.imported`."""
        return self.book if "as_of" in self.book.origin else None

    @property
    def priced(self) -> tuple[str, ...]:
        """As `Study.priced`."""
        return self.assets

    def all_worlds(self) -> tuple[World, ...]:
        """None: prices are real."""
        return ()

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"events": ", ".join(e.name for e in self.events), "starts": self.starts}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        from dataclasses import replace

        if getattr(self.market, "drawn", False):
            yield "market must draw nothing (extra_delay, missed_share), since a replay is one history", ("market",)
        spot = np.asarray(self.spot, dtype=np.float64)[:, None]
        for i, event in enumerate(self.events):
            try:
                market = self.market if event.rules is None else replace(self.market, rules=event.rules)
                market.init(self.book, self.assets, spot, TimeGrid(3600, 1))
                for shift in self.threshold_shifts:
                    market.with_threshold_shift(shift)
            except ValueError as error:
                yield str(error), ("events", i)
