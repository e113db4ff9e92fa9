"""Overlay: a stated stress laid over sampled paths, everything it touches at once.

From time t0 on, with w(t) = 2^(-(t - t0) / half-life) and r the world's own log increments over one step:

    variance      r -> r sqrt(1 + (multiple - 1) w)
    implied       v -> v (1 + (multiple - 1) w) for the state v that the surface reads; as `variance` where not given
    correlation   e -> ((1 - a) e + a e_lead) / norm, e the increments over sqrt(v dt), a such that every asset has at
                  least the stated correlation with the first; with 1 all assets move as one (jumps are mixed with
                  the same weights)
    moves         log(1 + move) is added to the log-price: evenly over the stated hours, or with one whole hour in
                  their middle that carries a stated part; what is to recover comes back with its own half-life
    depth         relative depth times (1 + (multiple - 1) w)
    basis         log(mark / spot) of a perpetual plus size w
    oracle        stands still at what it last said

A price bent on an otherwise calm path is no stress: a crash without its variance leaves every option at its calm
price and every venue with its calm depth, which is why one record sets all of them.  What is given is set, nothing else
is; the world's own randomness goes on around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.roles import ScenarioModel


@dataclass(frozen=True)
class Move:
    """A stated move of one price on top of the path's own.

    Attributes
    ----------
    move : float
        Relative: -0.4 takes the price to 60 % of what it would be.  Above -1.
    hours : float
        Over which it happens.
    worst_hour : float or None
        Relative move of one whole hour in the middle, part of `move`; the rest is even over the other hours.  None: all
        of it is even.
    recovers : float
        Share of the log move that comes back after it, 0 to 1.
    half_life_hours : float
        Of that recovery.
    """

    move: float
    hours: float
    worst_hour: float | None = None
    recovers: float = 0.0
    half_life_hours: float = 24.0

    def __post_init__(self) -> None:
        check_range("move", self.move, -1.0, 100.0, open_low=True)
        check_range("hours", self.hours, 0.0, 8760.0, open_low=True)
        check_range("recovers", self.recovers, 0.0, 1.0)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)
        if self.worst_hour is not None:
            check_range("worst_hour", self.worst_hour, -1.0, 100.0, open_low=True)
            if self.worst_hour * self.move < 0.0 or abs(np.log1p(self.worst_hour)) > abs(np.log1p(self.move)):
                raise ValueError(
                    f"worst_hour must be part of the move of {self.move:g}, same sign and no larger, "
                    f"got {self.worst_hour:g}"
                )
            if self.hours < 1.0 or (self.hours == 1.0 and self.worst_hour != self.move):
                raise ValueError(
                    f"worst_hour needs a move over more than one hour, or to be all of it, got {self.worst_hour:g} in "
                    f"hours of {self.hours:g}"
                )

    def log_path(self, hours: Floats) -> Floats:
        """Log of the factor on the price `hours` after the start (0 before it), shape of `hours`."""
        total = np.log1p(self.move)
        worst = 0.0 if self.worst_hour is None else np.log1p(self.worst_hour)
        if self.worst_hour is None:
            done = total * np.clip(hours / self.hours, 0.0, 1.0)
        else:
            # a whole hour of the clock, so that an hourly path shows it as one step
            inside = np.clip(hours - np.floor(0.5 * (self.hours - 1.0)), 0.0, 1.0)
            rest = np.clip(hours, 0.0, self.hours) - inside
            done = worst * inside + (total - worst) * rest / max(self.hours - 1.0, 1e-9)
        after = np.maximum(hours - self.hours, 0.0)
        return done - total * self.recovers * -np.expm1(-np.log(2.0) * after / self.half_life_hours)


@dataclass(frozen=True)
class Surge:
    """A factor that jumps to `multiple` and fades: 1 + (multiple - 1) 2^(-t / half_life_hours).

    Attributes
    ----------
    multiple : float
        Positive.
    half_life_hours : float
    """

    multiple: float
    half_life_hours: float

    def __post_init__(self) -> None:
        check_range("multiple", self.multiple, 0.0, 1e4, open_low=True)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)

    def factor(self, hours: Floats) -> Floats:
        """The factor `hours` after the start, 1 before it; shape of `hours`."""
        fade = 0.5 ** (np.maximum(hours, 0.0) / self.half_life_hours)
        return np.where(hours >= 0.0, 1.0 + (self.multiple - 1.0) * fade, 1.0)


@dataclass(frozen=True)
class BasisShock:
    """A jump of log(mark / spot) of one perpetual that fades.

    Attributes
    ----------
    size : float
        Log: -0.02 puts the mark 2 % under spot.
    half_life_hours : float
    """

    size: float
    half_life_hours: float

    def __post_init__(self) -> None:
        check_range("size", self.size, -1.0, 1.0)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)

    def level(self, hours: Floats) -> Floats:
        """Added basis `hours` after the start, 0 before it; shape of `hours`."""
        return np.where(hours >= 0.0, self.size * 0.5 ** (np.maximum(hours, 0.0) / self.half_life_hours), 0.0)


@dataclass(frozen=True)
class OracleFreeze:
    """An oracle that says nothing new.

    Attributes
    ----------
    assets : tuple of str
    after_hours : float
        From the start of the overlay.
    hours : float
        How long.
    """

    assets: tuple[str, ...]
    after_hours: float
    hours: float

    def __post_init__(self) -> None:
        check_range("after_hours", self.after_hours, 0.0, 8760.0)
        check_range("hours", self.hours, 0.0, 8760.0, open_low=True)
        if not self.assets:
            raise ValueError("assets must name at least one oracle, got none")


@dataclass(frozen=True)
class Overlay:
    """A stress, set together.

    Attributes
    ----------
    at_hours : float
        When it starts, on the time grid.
    moves : dict of str to Move
        Per asset; a depeg is the move of a pegged asset.
    variance : Surge or None
        Of the increments' variance.
    implied : Surge or None
        Of the variance state that option prices read; as `variance` where not given.
    correlation : float or None
        At least this correlation of every asset's increments with the first asset's while the variance surge lasts
        (for good without one), in [0, 1].
    depth : Surge or None
        Of relative depth.
    basis : dict of str to BasisShock
        Per asset.
    oracle_freeze : OracleFreeze or None
    """

    at_hours: float
    moves: dict[str, Move] = field(default_factory=dict)
    variance: Surge | None = None
    implied: Surge | None = None
    correlation: float | None = None
    depth: Surge | None = None
    basis: dict[str, BasisShock] = field(default_factory=dict)
    oracle_freeze: OracleFreeze | None = None

    def __post_init__(self) -> None:
        check_range("at_hours", self.at_hours, 0.0, 87_600.0)
        if self.correlation is not None:
            check_range("correlation", self.correlation, 0.0, 1.0)

    @property
    def text(self) -> tuple[str, ...]:
        """What it sets, a line each, for a report."""
        lines = [f"overlay from {self.at_hours:g} h on"]
        for asset, move in self.moves.items():
            worst = "" if move.worst_hour is None else f", {100 * move.worst_hour:.4g} % in the worst of them"
            back = "" if move.recovers == 0.0 else f", {100 * move.recovers:g} % of it recovers, half in "
            back += "" if move.recovers == 0.0 else f"{move.half_life_hours:g} h"
            lines.append(f"{asset} moves by {100 * move.move:.4g} % over {move.hours:g} h{worst}{back}")
        surges = {"variance of returns": self.variance, "variance in option prices": self.implied, "depth": self.depth}
        for name, surge in surges.items():
            if surge is not None:
                lines.append(f"{name} times {surge.multiple:g}, half of it gone in {surge.half_life_hours:g} h")
        if self.correlation is not None:
            lines.append(f"correlation with the first asset at least {self.correlation:g}")
        for asset, shock in self.basis.items():
            lines.append(f"basis of {asset} {100 * shock.size:+.4g} %, half of it gone in {shock.half_life_hours:g} h")
        if self.oracle_freeze is not None:
            freeze = self.oracle_freeze
            lines.append(
                f"oracle of {', '.join(freeze.assets)} stands still for {freeze.hours:g} h from "
                f"{self.at_hours + freeze.after_hours:g} h"
            )
        return tuple(lines)

    def check(self, model: ScenarioModel) -> None:
        """ValueError with every fault that only shows beside a world: unknown assets, no correlation to raise."""
        assets = model.assets
        named = [*self.moves, *self.basis, *(self.oracle_freeze.assets if self.oracle_freeze else ())]
        faults = [
            f"overlay must name assets of the world ({', '.join(assets)}), got {name!r}"
            for name in dict.fromkeys(named)
            if name not in assets
        ]
        if self.correlation is not None and not hasattr(model, "correlation"):
            faults.append(
                f"correlation must be raised on a world with one `correlation` for all times, got kind {model.kind}"
            )
        if self.implied is not None and not _moves_a_surface(model):
            faults.append(
                f"implied must be raised on a world with a variance state, got kind {model.kind}, whose option prices "
                "read none"
            )
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def fills(self) -> tuple[str, ...]:
        """Lanes of `MarketPaths` beyond prices and variance that it sets."""
        given = {"depth_lanes": self.depth, "basis_lanes": self.basis, "oracle_lanes": self.oracle_freeze}
        return tuple(name for name, part in given.items() if part)

    def apply(self, paths: MarketPaths, model: ScenarioModel) -> MarketPaths:
        """`paths` of `model` with the stress on top.  History is left alone; nothing is drawn.

        Raises
        ------
        ValueError
            Where the start is off the time grid.
        """
        return self.on_state(self.on_prices(paths, model))

    def _hours(self, grid: TimeGrid) -> tuple[int, Floats]:
        """Step at which it starts, and hours since then at every time, shape (T + 1,)."""
        start = grid.index("at_hours", self.at_hours)
        return start, (np.arange(grid.steps + 1) - start) * (grid.step_seconds / 3600.0)

    def on_prices(self, paths: MarketPaths, model: ScenarioModel) -> MarketPaths:
        """The part of `apply` that changes prices and variances."""
        start, hours = self._hours(paths.grid)
        change: dict[str, Floats] = {}
        spot = paths.spot_lanes
        if self.variance is not None or self.correlation is not None:
            spot = self._agitated(paths, model, hours, start)
        implied = self.variance if self.implied is None else self.implied
        if implied is not None and paths.variance_lanes is not None:
            change["variance_lanes"] = paths.variance_lanes * implied.factor(hours)[:, None, None]
        if self.moves:
            spot = spot.copy() if spot is paths.spot_lanes else spot
            for asset, move in self.moves.items():
                spot[:, paths.assets.index(asset)] *= np.exp(move.log_path(hours))[:, None]
        if paths.oracle_lanes is not None and spot is not paths.spot_lanes:
            # what the feed says keeps its distance to the market
            change["oracle_lanes"] = paths.oracle_lanes * (spot / paths.spot_lanes)
        return replace(paths, spot_lanes=spot, failed=paths.failed, **change)

    def on_state(self, paths: MarketPaths) -> MarketPaths:
        """The part of `apply` that changes depth, basis and oracles, on top of what `paths` have."""
        start, hours = self._hours(paths.grid)
        change: dict[str, Floats] = {}
        spot = paths.spot_lanes
        if self.depth is not None:
            usual = np.ones_like(spot) if paths.depth_lanes is None else paths.depth_lanes
            change["depth_lanes"] = usual * self.depth.factor(hours)[:, None, None]
        if self.basis:
            change["basis_lanes"] = np.zeros_like(spot) if paths.basis_lanes is None else paths.basis_lanes.copy()
            for asset, shock in self.basis.items():
                change["basis_lanes"][:, paths.assets.index(asset)] += shock.level(hours)[:, None]
        if self.oracle_freeze is not None:
            change["oracle_lanes"] = self._frozen(paths, start)
        return replace(paths, failed=paths.failed, **change)

    def _agitated(self, paths: MarketPaths, model: ScenarioModel, hours: Floats, start: int) -> Floats:
        """Prices whose increments after the start are scaled by the surge and pulled together."""
        out = paths.spot_lanes.copy()
        log = np.log(paths.spot_lanes[start:])
        step = np.diff(log, axis=0)
        surge = np.ones(step.shape[0]) if self.variance is None else self.variance.factor(hours[start:-1])
        if self.correlation is not None:
            fade = np.ones(step.shape[0])
            if self.variance is not None:
                fade = 0.5 ** (hours[start:-1] / self.variance.half_life_hours)
            scale = (
                np.array(model.volatility)[None, :, None] + np.zeros_like(step)
                if paths.variance_lanes is None
                else np.sqrt(np.maximum(paths.variance_lanes[start:-1], 1e-12))
            )
            step = self._together(step, scale, fade, np.array(model.correlation)[0])
        step = step * np.sqrt(surge)[:, None, None]
        out[start + 1 :] = np.exp(log[:1] + np.cumsum(step, axis=0))
        return out

    def _together(self, step: Floats, scale: Floats, fade: Floats, correlation: Floats) -> Floats:
        """Increments (T, A, P) in which every asset has at least the stated correlation with the first."""
        out = step.copy()
        for i in range(1, step.shape[1]):
            r = float(correlation[i])
            pull = _pull(r, r + fade * (max(self.correlation, r) - r))[:, None]
            norm = np.sqrt((1 - pull) ** 2 + pull**2 + 2 * pull * (1 - pull) * r)
            mixed = (1 - pull) * step[:, i] / scale[:, i] + pull * step[:, 0] / scale[:, 0]
            out[:, i] = scale[:, i] * mixed / norm
        return out

    def _frozen(self, paths: MarketPaths, start: int) -> Floats:
        """Oracle prices that stand still; the market's where the world has no feed of its own."""
        freeze, grid = self.oracle_freeze, paths.grid
        first = start + grid.index("after_hours", freeze.after_hours)
        last = first + grid.index("hours", freeze.hours)
        feed = (paths.spot_lanes if paths.oracle_lanes is None else paths.oracle_lanes).copy()
        for asset in freeze.assets:
            a = paths.assets.index(asset)
            feed[first : last + 1, a] = feed[min(first, grid.steps), a]
        return feed


def _moves_a_surface(model: ScenarioModel) -> bool:
    """Whether paths of `model` have a variance state."""
    from riskengine.scenario.state.lanes import has_variance

    return has_variance(model)


def _pull(correlation: float, target: Floats) -> Floats:
    """Weight a of the first asset for which (1 - a) e + a e_lead has correlation `target` with e_lead.

    With b = a / (1 - a): (r + b) / sqrt(1 + b^2 + 2 b r) = c, so (b + r)^2 = c^2 (1 - r^2) / (1 - c^2).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        b = target * np.sqrt((1.0 - correlation**2) / (1.0 - target**2)) - correlation
        return np.where(target >= 1.0, 1.0, b / (1.0 + b))
