"""What a replay of a lending market over real crises asks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np

from riskengine.arrays import check_range
from riskengine.book.loans import Loans
from riskengine.lending.aave_v3.history import stepped
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.lending.oracle_notes import drawn
from riskengine.lending.parameter_set import Constraints, ParameterSet, at_capacity
from riskengine.market.grid import TimeGrid
from riskengine.roles import LendingProtocol, label_of
from riskengine.scenario.world import World
from riskengine.study.checks import Found, shock_faults
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
        Parameters nearest in time, of an Aave v3 market; None are those of the study's market.  Either are stepped to
        the start where they have a log of changes.
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
class QuotedAsset:
    """An asset whose price is that of another, times what a file of quotes says that it is worth of it.

    Attributes
    ----------
    of : str
        Asset of the price file that it stands for.
    symbol, par : str
        Names in the file of quotes: of the asset, and of what it is measured in there.
    """

    of: str
    symbol: str
    par: str


@dataclass(frozen=True)
class LendingReplayStudy(Study):
    """A dated borrower book in a lending market, replayed over real prices of one or more crises.

    Attributes
    ----------
    assets : tuple of str
        Assets that tokens follow: of the price file, or `quoted`.
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
    quoted : dict of str to QuotedAsset
        Assets that the price file does not hold; their quotes are a file of their own, given after it.
    happened : LiquidationColumns
        Of a further data file, of real liquidations.
    recommended : tuple of ParameterSet
        Replayed beside the parameters in force, each as it stands and at equal borrow capacity (`at_capacity`).
    compared_with : tuple of LendingProtocol
        Other markets that the same book is put into, each under parameters of its own in every event.
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
    quoted: dict[str, QuotedAsset] = field(default_factory=dict, metadata={"written": "unless empty"})
    happened: LiquidationColumns = LiquidationColumns()
    recommended: tuple[ParameterSet, ...] = field(default=(), metadata={"written": "unless empty"})
    compared_with: tuple[LendingProtocol, ...] = field(default=(), metadata={"written": "unless empty"})

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
        for name, own in self.quoted.items():
            if name not in self.assets or own.of not in self.priced:
                of = ", ".join(self.priced) or "none"
                raise ValueError(
                    f"quoted must be of assets, each of one in the price file ({of}), got {name} of {own.of}"
                )
        names = [e.name for e in self.events]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"events must be at least one, each with a name of its own, got {names}")
        if any(e.rules is not None for e in self.events) and self.market.kind != "aave_v3":
            raise ValueError(f"rules of an event need a market of kind aave_v3, got {self.market.kind}")
        if self.recommended and not hasattr(self.market, "with_parameters"):
            raise ValueError(f"recommended needs a market that takes parameter sets, got {self.market.kind}")
        called = [label_of(m) for m in (self.market, *self.compared_with)]
        if len(set(called)) != len(called):
            got = ", ".join(called)
            raise ValueError(f"compared_with must hold markets of other kinds or names, each once, got {got}")
        sets = [s.name for s in self.recommended]
        if len(set(sets)) != len(sets):
            raise ValueError(f"recommended must name every set once, got {sets}")
        if any(s.caps != 1.0 for s in self.recommended):
            raise ValueError("recommended must leave caps at 1: the replayed book is the same under every set")

    def market_at(self, event: ReplayEvent) -> LendingProtocol:
        """The market under the parameters known nearest to an event."""
        rules = event.rules or self.market.rules
        return replace(self.market, rules=stepped(rules, event.start) if isinstance(rules, AaveV3Rules) else rules)

    def compared(self, market: LendingProtocol) -> Iterator[tuple[ParameterSet, str, LendingProtocol | str]]:
        """(set, ``own`` or ``equal``, market) of every recommended set as it stands and at the capacity of `market`.

        Instead of the market, why there is none: a set safer than `market` may have to be stretched to thresholds that
        no contract takes.
        """
        listed = {r.symbol: r for r in market.rules.reserves}
        spot = np.asarray(self.spot, dtype=np.float64)[:, None]
        price = market.init(self.book, self.assets, spot, TimeGrid(3600, 1)).prices(spot)[:, 0]
        worth = dict(zip(self.book.reserves, self.book.collateral.sum(axis=0) * price, strict=True))
        for own in self.recommended:
            yield own, "own", market.with_parameters(own)
            scaled = at_capacity(own, listed, worth)
            broken = market.rules.broken(scaled, Constraints())
            yield own, "equal", "; ".join(broken) if broken else market.with_parameters(scaled)

    @property
    def imported(self) -> Loans | None:
        """As `Study.imported`."""
        return self.book if "as_of" in self.book.origin else None

    @property
    def priced(self) -> tuple[str, ...]:
        """As `Study.priced`."""
        return tuple(a for a in self.assets if a not in self.quoted)

    def all_worlds(self) -> tuple[World, ...]:
        """None: prices are real."""
        return ()

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"events": ", ".join(e.name for e in self.events), "starts": self.starts}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        if drawn(self.market):
            yield "market must draw nothing (extra_delay, missed_share), since a replay is one history", ("market",)
        spot = np.asarray(self.spot, dtype=np.float64)[:, None]
        shortest = min(e.hours for e in self.events)
        yield from shock_faults(self.market, shortest, "shortest event", ("market",))
        for i, other in enumerate(self.compared_with):
            yield from shock_faults(other, shortest, "shortest event", ("compared_with", i))
            try:
                other.init(self.book, self.assets, spot, TimeGrid(3600, 1))
            except ValueError as error:
                yield str(error), ("compared_with", i)
        said: set[str] = set()
        for i, event in enumerate(self.events):
            try:
                market = self.market_at(event)
                market.init(self.book, self.assets, spot, TimeGrid(3600, 1))
                for shift in self.threshold_shifts:
                    market.with_threshold_shift(shift)
                # a book whose file is still to be given holds nothing to compare capacity on
                for own in self.recommended if self.awaits_book else ():
                    market.with_parameters(own)
                if not self.awaits_book:
                    list(self.compared(market))
            except ValueError as error:
                # what is wrong in every event is said once
                if str(error) not in said:
                    yield str(error), ("events", i)
                said.add(str(error))
