"""`Keeper`: who liquidates, how late, and for what; `LiquidationEvents`: what a step of a market reports."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.random import PathDraws
from riskengine.roles import LendingEvents


@dataclass(frozen=True)
class ExponentialDelay:
    """A time X of law P(X > x) = e^{-x / mean}: inclusion is a race won at a constant rate (congestion).

    A keeper is there at the first step at or after it, so on a grid the delay is geometric, of mean dt / (1 - e^{-dt /
    mean}); on a finer grid the same draw is seen sooner, never later.

    Attributes
    ----------
    mean_hours : float
    """

    kind: Literal["exponential"]
    mean_hours: float

    def __post_init__(self) -> None:
        check_range("mean_hours", self.mean_hours, 0.0, 8760.0, open_low=True)

    def beyond(self, grid: TimeGrid) -> Floats:
        """P(delay > k steps) for k = 0, 1, ... on `grid`."""
        return np.exp(-np.arange(grid.steps + 1) * (grid.step_seconds / 3600.0 / self.mean_hours))


@dataclass(frozen=True)
class DelayShares:
    """Keepers of several kinds: a share of the calls is answered by those who are late by so many hours.

    Attributes
    ----------
    hours, shares : tuple of float
        Whole numbers of steps, rising; shares sum to 1.
    """

    kind: Literal["shares"]
    hours: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        for h in self.hours:
            check_range("hours", h, 0.0, 8760.0)
        if not self.hours or list(self.hours) != sorted(set(self.hours)):
            raise ValueError(f"hours must hold at least one delay, rising, got {list(self.hours)}")
        if len(self.shares) != len(self.hours) or min(self.shares) < 0.0 or abs(sum(self.shares) - 1.0) > 1e-9:
            raise ValueError(f"shares must hold one for each of hours and sum to 1, got {list(self.shares)}")

    def beyond(self, grid: TimeGrid) -> Floats:
        """P(delay > k steps) for k = 0, 1, ... on `grid`."""
        steps = [grid.index("keeper hours", h) for h in self.hours]
        at = np.arange(min(steps[-1], grid.steps + 1))
        later = sum(share * (at < n) for n, share in zip(steps, self.shares, strict=True))
        # over their own sum: before the first delay the probability is one, whatever rounding leaves of the shares
        return np.asarray(later) / sum(self.shares)


@dataclass(frozen=True)
class Keeper:
    """Liquidators of a market: late by a stated or drawn delay, and only for profit.

    A loan that is liquidatable on the protocol's oracle at step t is called at t + delay if it still is; a loan that
    recovers and falls again has a new delay.  Each call repays the largest amount that the rules allow and that does
    not lose money: collateral received, sold at the market price after slippage, minus debt bought at the market price,
    minus gas.

    Attributes
    ----------
    delay_hours : float
        From health factor below 1 on the oracle to inclusion; a whole number of grid steps.
    gas_usd : float
        Cost of one call.
    calls_per_step : int
        Most calls on one loan within one step.
    capital_usd : float or None
        What all keepers of the market together have to pay debt and gas with; None is as much as they need, as from
        flash loans.  Calls stop, or are smaller, where it is used up.
    recycling_hours : float
        Time after which what a call spent is there again, a whole number of grid steps; 0 is the next step.
    extra_delay : ExponentialDelay or DelayShares, or None
        Added to ``delay_hours``, drawn each time a loan becomes liquidatable; None is nothing.
    """

    delay_hours: float = 0.0
    gas_usd: float = 50.0
    calls_per_step: int = 8
    capital_usd: float | None = field(default=None, metadata={"written": "unless empty"})
    recycling_hours: float = field(default=0.0, metadata={"written": "unless empty"})
    extra_delay: ExponentialDelay | DelayShares | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_range("delay_hours", self.delay_hours, 0.0, 8760.0)
        check_range("gas_usd", self.gas_usd, 0.0, 1e9)
        check_range("calls_per_step", self.calls_per_step, 1, 1000)
        if self.capital_usd is not None:
            check_range("capital_usd", self.capital_usd, 0.0, 1e15, open_low=True)
        check_range("recycling_hours", self.recycling_hours, 0.0, 8760.0)
        if self.recycling_hours and self.capital_usd is None:
            raise ValueError(f"recycling_hours must be 0 without capital_usd, got {self.recycling_hours:g}")

    def capital(self, paths: int, grid: TimeGrid) -> "Capital | None":
        """What keepers have at time 0; None without a limit."""
        if self.capital_usd is None:
            return None
        steps = max(1, grid.index("recycling time", self.recycling_hours))
        return Capital(np.full(paths, self.capital_usd), np.zeros((steps, paths)))

    def clock(self, grid: TimeGrid, names: tuple[str, ...], owner: np.ndarray, draws: PathDraws) -> tuple[Any, ...]:
        """What `riskengine.lending.due` needs to say when a keeper arrives.

        A delay is a pure function of seed, path, time and loan, which is known by its borrower's name: neither the
        order of the book, nor who else is in it, nor the block matters.

        Returns
        -------
        tuple
            Least delay in steps; P(extra delay > k steps), shape (K,), empty where nothing is drawn; per loan the key
            of its draws, shape (L, 2), and its number among its borrower's loans, shape (L,); number of the block's
            first path; seconds of a step.
        """
        least = grid.index("keeper delay", self.delay_hours)
        if self.extra_delay is None:
            return least, np.empty(0), np.empty((0, 2), np.uint64), np.empty(0, np.int64), 0, grid.step_seconds
        words = np.array([np.frombuffer(sha256(n.encode()).digest()[:8], "<u4") for n in names], dtype=np.uint64)
        keys = words[owner] ^ np.array(draws.keys.words(), dtype=np.uint64)
        number = np.arange(owner.size) - np.searchsorted(owner, owner)
        return least, self.extra_delay.beyond(grid), keys, number, draws.first_path, grid.step_seconds


@dataclass
class Capital:
    """Keepers' capital on its way: `free` (P,) USD now, and `bound` (S, P), what each of the last S steps spent."""

    free: Floats
    bound: Floats

    def at(self, last: int, step: int) -> Floats:
        """What is free at `step`, where `last` was the step before."""
        for s in range(last + 1, step + 1):
            slot = s % len(self.bound)
            self.free += self.bound[slot]
            self.bound[slot] = 0.0
        return self.free

    def spend(self, step: int, left: Floats) -> None:
        """Of what was free at `step`, `left` is."""
        self.bound[step % len(self.bound)] = self.free - left
        self.free = left.copy()


@dataclass(frozen=True)
class LiquidationEvents(LendingEvents):
    """`LendingEvents` with what keepers and first-time liquidations add; USD at the protocol's oracle prices.

    Attributes
    ----------
    liquidated_loans : ndarray, shape (P,)
        Loans liquidated for the first time: summed over steps, distinct loans.
    seized_usd : ndarray, shape (P,)
        Collateral seized, liquidator's and treasury's share together.
    keeper_profit_usd : ndarray, shape (P,)
        Liquidators' profit after slippage and gas, at market prices.
    returned_usd : ndarray, shape (P,)
        What is credited back to borrowers out of the collateral seized; what they lose is seized less repaid less this.
    """

    liquidated_loans: Floats
    seized_usd: Floats
    keeper_profit_usd: Floats
    returned_usd: Floats
