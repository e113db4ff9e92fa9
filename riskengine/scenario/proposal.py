"""Mixtures of tilted laws: what rare-event paths are drawn from instead of the world's own law.

A tilt shifts the normals of every step, multiplies the intensity of each jump clock and shifts the standardised jump
sizes, up to a stated time; a shift of the starting variance's normal score is possible where the world draws it.  Each
is an exponential family in sufficient statistics t(path), so for a tilt c

    log dQ_c / dP = slope_c . t - offset_c,      log dP / dQ = -log sum_c share_c exp(slope_c . t - offset_c),

evaluated for every component on every path.  A component may also be given a range of the number of jumps: then it has
that law on the paths whose count lies in the range, over its probability of the range, and none elsewhere; without a
tilt that is stratified sampling of the count.  Component 0 is the plain law, so a weight never exceeds one over its
share (defensive mixture).  The component of a path is a function of its number: each run of 1,024 paths from a multiple
of 1,024 holds every component in exact proportion.  References: Hesterberg, Technometrics 37 (1995), 185-194; Owen and
Zhou, JASA 95 (2000), 135-143; Glasserman, Monte Carlo Methods in Financial Engineering (2004), sections 4.3, 4.6, 9.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.jump_counts import count_probabilities, draw_counts
from riskengine.scenario.jumps import JumpTable, Vector
from riskengine.scenario.parameters import ParameterCheck
from riskengine.scenario.tilting import mixture_log_weight

PARTS = 1024  # paths over which every component appears in exact proportion


@dataclass(frozen=True)
class Tilt:
    """One tilted law; every field may be left empty, which is no tilt.

    Attributes
    ----------
    price, variance : tuple of float, one per asset
        Shift per step, in standard deviations, of the independent normals behind price and variance (those that the
        correlation factors mix).
    intensity : tuple of float, length 1 + assets
        Factor on the intensity of the common clock, then of each asset's own.
    common_size, own_size : tuple of float, one per asset
        Shift, in standard deviations, of the independent normals behind the sizes of one jump: the mean log size moves
        by the factor of the size covariance times this.
    initial : tuple of float, one per asset
        Shift of the independent normals that draw the starting variance.
    count : tuple of two float
        Least and largest number of arrivals of all clocks together (inf: no end) that paths are given.
    """

    price: Vector = ()
    variance: Vector = ()
    intensity: Vector = ()
    common_size: Vector = ()
    own_size: Vector = ()
    initial: Vector = ()
    count: Vector = ()

    def __post_init__(self) -> None:
        check = ParameterCheck()
        for name in ("price", "variance", "common_size", "own_size", "initial"):
            values = getattr(self, name)
            object.__setattr__(self, name, check.vector(f"tilt {name}", values, len(values), -20.0, 20.0))
        values = self.intensity
        object.__setattr__(self, "intensity", check.vector("tilt intensity", values, len(values), 0.0, 1e6))
        count = tuple(self.count)
        if count and not (
            len(count) == 2 and 0 <= count[0] <= count[1] and count[0] < 1e6 and all(n % 1 == 0 for n in count[:1])
            and (count[1] == np.inf or count[1] % 1 == 0)
        ):  # fmt: skip
            check.faults.append(f"tilt count must hold two whole numbers 0 <= least <= largest, got {list(count)}")
        object.__setattr__(self, "count", tuple(float(n) for n in count))
        check.finish()

    @property
    def counts(self) -> tuple[float, float]:
        """Least and largest number of arrivals."""
        return self.count or (0.0, np.inf)


@dataclass(frozen=True)
class Proposal:
    """A mixture of the plain law and of tilts.

    Attributes
    ----------
    tilts : tuple of Tilt
    shares : tuple of float
        Share of paths of each tilt; the rest, at least 4 %, follows the plain law.  Held in whole parts of 1,024.
    hours : float or None
        Tilts act from time 0 to here; None is the horizon.

    Examples
    --------
    >>> down = Proposal((Tilt(price=(-0.5,)),), (0.75,))
    >>> down.plain_share, down.bound
    (0.25, 4.0)
    """

    tilts: tuple[Tilt, ...]
    shares: Vector
    hours: float | None = None

    def __post_init__(self) -> None:
        check = ParameterCheck()
        shares = check.vector("shares", self.shares, len(self.tilts), 0.0, 1.0)
        if not self.tilts:
            check.faults.append("tilts must hold at least one tilt, got none")
        elif len(shares) == len(self.tilts) and all(0.0 < s < 1.0 for s in shares):
            parts = _whole_parts(shares)
            if PARTS - parts.sum() < 0.04 * PARTS:
                check.faults.append(f"shares must leave at least 0.04 to the plain law, got {list(shares)}")
            object.__setattr__(self, "shares", tuple(float(p) / PARTS for p in parts))
        if self.hours is not None and not self.hours > 0.0:
            check.faults.append(f"hours must be positive, got {self.hours!r}")
        check.finish()

    @property
    def plain_share(self) -> float:
        """Share of paths that follow the plain law."""
        return 1.0 - sum(self.shares)

    @property
    def bound(self) -> float:
        """Largest weight that a path can have."""
        return 1.0 / self.plain_share

    @cached_property
    def _slots(self) -> Ints:
        """Component of each of 1,024 successive paths; bit reversal spreads every component over them."""
        parts = np.array([round(PARTS * s) for s in (self.plain_share, *self.shares)])
        ranked = np.repeat(np.arange(parts.size), parts)
        return ranked[[int(f"{i:010b}"[::-1], 2) for i in range(PARTS)]]

    @property
    def counts(self) -> tuple[Floats, Floats]:
        """Least and largest number of arrivals under each component, shape (C,) each; 0 and inf where not given."""
        return tuple(np.array(ends) for ends in zip(Tilt().counts, *(t.counts for t in self.tilts), strict=True))

    def component(self, first_path: int, count: int) -> Ints:
        """Component of paths ``first_path`` to ``first_path + count - 1``, shape (P,); 0 is the plain law."""
        return self._slots[(first_path + np.arange(count)) % PARTS]


def _whole_parts(shares: Vector) -> Ints:
    """Shares in whole parts of 1,024, at least one each, their sum rounded."""
    exact = np.array(shares) * PARTS
    parts = np.maximum(np.floor(exact), 1.0)
    missing = max(0, round(exact.sum()) - int(parts.sum()))
    parts[np.argsort(parts - exact, kind="stable")[:missing]] += 1.0
    return parts.astype(np.int64)


@dataclass(frozen=True)
class TiltSpace:
    """What a world lets a tilt move, on one grid.

    Rows are, in this order: ``groups`` normals per asset (variance before price), a clock each for common and own
    jumps, common and own standardised sizes, and the normals of the starting variance where it is drawn at time 0.

    Attributes
    ----------
    assets : int
    groups : int
        Normals per asset and step: 1 (price), or 2 (variance, price).
    steps : int
        Steps on which tilts act.
    arrivals : ndarray, shape (1 + A,)
        Expected plain arrivals of each clock in that time.
    moves : ndarray of bool, shape (K,)
        Whether a row moves anything: not the sizes of a clock that never rings, nor a factor without effect.
    initial : bool
        Whether the starting variance is drawn at time 0.
    """

    assets: int
    groups: int
    steps: int
    arrivals: Floats
    moves: np.ndarray
    initial: bool

    @classmethod
    def of(
        cls,
        grid: TimeGrid,
        hours: float | None,
        mixes: tuple[Floats, ...],
        jumps: JumpTable,
        initial: Floats | None,
        sizes: bool = True,
    ) -> TiltSpace:
        """The space of a world with factors `mixes` of its normals (A, A) each, and `initial` of the starting ones.

        `sizes` says whether the path kernel can shift the sizes of jumps.
        """
        steps = grid.steps if hours is None else grid.index("hours of the proposal", hours)
        if not 1 <= steps <= grid.steps:
            raise ValueError(f"hours of the proposal must lie within the horizon, got {hours:g} h")
        arrivals = jumps.intensity * (steps * grid.dt)
        factors = [(np.abs(m) > 0.0).any(axis=0) for m in mixes]
        rings = arrivals > 0.0
        common, own = ((np.abs(m) > 0.0).any(axis=0) for m in jumps.mix)
        moves = [*factors, rings, common & rings[0] & sizes, own & rings[1:] & sizes]
        if initial is not None:
            moves.append((np.abs(initial) > 0.0).any(axis=0))
        return cls(jumps.mix.shape[1], len(mixes), steps, arrivals, np.concatenate(moves), initial is not None)

    @property
    def sections(self) -> dict[str, slice]:
        """Rows of each field of `Tilt`."""
        a, at, out = self.assets, 0, {}
        names = [("variance", a)] if self.groups == 2 else []
        names += [("price", a), ("intensity", 1 + a), ("common_size", a), ("own_size", a)]
        for name, size in names + ([("initial", a)] if self.initial else []):
            out[name] = slice(at, at + size)
            at += size
        return out

    @cached_property
    def clock_of_size(self) -> Ints:
        """Clock behind each size row: A times the common one, then each asset's own."""
        return np.concatenate([np.zeros(self.assets, np.int64), 1 + np.arange(self.assets)])

    def row(self, tilt: Tilt) -> Floats:
        """Shifts and factors of a tilt, shape (K,).  ValueError where it tilts what the world does not have."""
        out = np.zeros(self.moves.size)
        sections = self.sections
        out[sections["intensity"]] = 1.0
        faults = []
        for name in ("price", "variance", "intensity", "common_size", "own_size", "initial"):
            values = getattr(tilt, name)
            if not values:
                continue
            if name not in sections:
                reason = " at time 0 (it has none, states it, or a history comes before)" if name == "initial" else ""
                faults.append(f"tilt {name} must be empty: this world draws no such normals{reason}")
                continue
            at = sections[name]
            if len(values) != at.stop - at.start:
                faults.append(f"tilt {name} must hold {at.stop - at.start} numbers, got {len(values)}")
                continue
            neutral = 1.0 if name == "intensity" else 0.0
            still = ~self.moves[at]
            if (np.array(values)[still] != neutral).any():
                faults.append(f"tilt {name} must leave what does not move at {neutral:g}, got {list(values)}")
            out[at] = values
        if faults:
            raise ValueError("; ".join(faults))
        return out

    def tilt(self, row: Floats) -> Tilt:
        """The tilt of a row of shifts and factors: the inverse of `row`."""
        return Tilt(**{name: tuple(float(v) for v in row[at]) for name, at in self.sections.items()})

    def log_probability(self, rows: Floats, low: Floats, high: Floats) -> Floats:
        """log of the probability that arrivals lie between `low` and `high` (C,) under rows (C, K), shape (C,).

        ValueError where it is zero: there is nothing to draw.
        """
        expected = (rows[:, self.sections["intensity"]] * self.arrivals).sum(axis=1)
        out = np.zeros(expected.size)
        for c in np.flatnonzero((low > 0.0) | (high < np.inf)):
            probability = float(count_probabilities(float(expected[c]), int(low[c]), float(high[c])).sum())
            if probability < 1e-300:
                raise ValueError(
                    f"tilt count must have a chance, got {low[c]:g} to {high[c]:g} jumps where "
                    f"{expected[c]:.3g} are expected"
                )
            out[c] = np.log(probability)
        return out

    def total_arrivals(self, statistics: Floats) -> Floats:
        """Arrivals of all clocks of each path, shape (P,), in statistics (K, P)."""
        return statistics[self.sections["intensity"]].sum(axis=0)

    def likelihood(self, rows: Floats) -> tuple[Floats, Floats]:
        """Slopes (C, K) and offsets (C,) of log dQ_c / dP for rows of shifts and factors (C, K), no count given."""
        sections = self.sections
        clocks = sections["intensity"]
        sizes = slice(sections["common_size"].start, sections["own_size"].stop)
        slope = rows.copy()
        factor = rows[:, clocks]
        slope[:, clocks] = np.log(factor)
        for s, clock in enumerate(self.clock_of_size):
            slope[:, clocks.start + clock] -= 0.5 * rows[:, sizes.start + s] ** 2
        offset = ((factor - 1.0) * self.arrivals).sum(axis=1)
        offset += 0.5 * self.steps * (rows[:, : clocks.start] ** 2).sum(axis=1)
        if self.initial:
            offset += 0.5 * (rows[:, sections["initial"]] ** 2).sum(axis=1)
        return slope, offset


@runtime_checkable
class Tiltable(Protocol):
    """A world whose paths can be drawn from a proposal."""

    def tilt_space(self, grid: TimeGrid, hours: float | None = None) -> TiltSpace:
        """What a tilt may move on `grid` up to `hours` (None: the horizon)."""


@dataclass(frozen=True)
class TiltedLanes:
    """Shifts and sufficient statistics of one block, as path kernels read and write them.

    Attributes
    ----------
    shift : ndarray, shape (K, P), or None
        Row of the component of each path; None where sampling is plain.
    statistics : ndarray, shape (K, P)
        Written by the kernels.
    given : ndarray, shape (1 + A, P), or None
        Arrivals of each clock, -1 where the component gives none; None where no component does.
    """

    shift: Floats | None = None
    statistics: Floats | None = None
    given: Floats | None = None
    space: TiltSpace | None = None
    proposal: Proposal | None = None
    rows: Floats | None = None

    @classmethod
    def start(cls, space: TiltSpace, proposal: Proposal, first_path: int, count: int, keys: DrawKeys) -> TiltedLanes:
        """Lanes of paths ``first_path`` to ``first_path + count - 1``; ValueError where the world cannot follow."""
        rows = np.stack([space.row(t) for t in (Tilt(), *proposal.tilts)])
        component = proposal.component(first_path, count)
        shift = np.ascontiguousarray(rows.T[:, component])
        given, (low, high) = None, proposal.counts
        if any(t.count for t in proposal.tilts):
            clocks = space.sections["intensity"]
            conditional = np.array([False, *(bool(t.count) for t in proposal.tilts)])[component]
            given = draw_counts(rows[:, clocks] * space.arrivals, low, high, component, first_path, keys)
            given[:, ~conditional] = -1.0
            # the factors have had their say in the counts: given those, arrivals are uniform
            shift[clocks, conditional] = 1.0
        return cls(shift, np.zeros_like(shift), given, space, proposal, rows)

    @property
    def arrays(self) -> tuple[Floats | None, Floats | None, int]:
        """The last three arguments of a path kernel, which knows nothing of how paths start."""
        if self.space is None:
            return None, None, 0
        rows = self.space.sections["own_size"].stop
        shift = self.shift[:rows]
        return (
            shift if self.given is None else np.concatenate([shift, self.given]),
            self.statistics[:rows],
            self.space.steps,
        )

    @property
    def starts(self) -> tuple[Floats, Floats] | tuple[()]:
        """Shifts and statistics of the normals that draw the starting variance; empty where they are not tilted."""
        at = None if self.space is None else self.space.sections.get("initial")
        return () if at is None else (self.shift[at], self.statistics[at])

    def log_weight(self) -> Floats | None:
        """log of the world's likelihood over the mixture's, shape (P,); None where sampling was plain."""
        if self.space is None:
            return None
        proposal, space = self.proposal, self.space
        slope, offset = space.likelihood(self.rows)
        out = np.empty(self.shift.shape[1])
        share = np.array([proposal.plain_share, *proposal.shares])
        total = space.total_arrivals(self.statistics)
        offset = offset + space.log_probability(self.rows, *proposal.counts)
        mixture_log_weight(out, self.statistics, slope, offset, share, total, *proposal.counts)
        return out


PLAIN = TiltedLanes()
