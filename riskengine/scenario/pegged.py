"""Pegged assets beside those of another world: stablecoins, and tokens that stand for a share of an asset.

    S_t = par e^{growth t} U_t e^{level + d_t}

with U the price of the asset it is pegged to (1 for USD), and d the log deviation of `riskengine.law.peg`: stationary
noises, and dislocations that arrive at Poisson times, have exponential sizes and fade, or, with a stated probability,
do not (a permanent break, counted from time 0).  ``growth`` is the yield of a token whose exchange rate rises; one that
pays it in more tokens has none.  Deviations of different pegs are independent, and independent of the base world.

Prices of pegged assets at time 0 are par times a stationary deviation, so they differ between paths.  The scheme is
exact at any step: noise by its transition law, dislocations by an exponential clock per path with the decay to the end
of the step, or, over steps that leave nothing of an earlier one, by their stationary law.  Base prices have the bits of
the base world.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.jit import kernel, wide_vectors
from riskengine.law.peg import Dislocation, PegNoise
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, Purpose, draw
from riskengine.roles import HasLaw, Law, ScenarioModel
from riskengine.scenario.parameters import asset_index
from riskengine.scenario.state.lanes import normal_lane, ou_steps
from riskengine.scenario.stationary import gamma_from_score
from riskengine.vecmath import exp, log, uniform

if TYPE_CHECKING:
    from riskengine.law.peg import DeviationLaw

_PARTS = 16  # parts of one peg have draws of their own: noise j is part j, dislocation j part 8 + j
_MOST = 8
_FORGETS = 37.0  # log of the share of a dislocation that is left after a step and is lost in rounding
_FORWARD = (Purpose.PEG_NOISE, Purpose.PEG_JUMP_TIME, Purpose.PEG_JUMP_SIZE)
_HISTORY = (Purpose.HISTORY_PEG_NOISE, Purpose.HISTORY_PEG_JUMP_TIME, Purpose.HISTORY_PEG_JUMP_SIZE)


@dataclass(frozen=True)
class Peg:
    """One pegged asset.

    Attributes
    ----------
    asset : str
    to : str
        ``USD``, or an asset of the base world.
    noise : tuple of PegNoise
        At least one.
    dislocations : tuple of Dislocation
        One sign each; two of them make it two-sided.
    par : float
        Units of `to` that one token stands for at time 0.
    growth : float
        Of par, per year.
    level : float
        Mean log deviation where no dislocation is open: a lasting discount is negative.
    """

    asset: str
    to: str
    noise: tuple[PegNoise, ...]
    dislocations: tuple[Dislocation, ...] = ()
    par: float = 1.0
    growth: float = 0.0
    level: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", tuple(self.noise))
        object.__setattr__(self, "dislocations", tuple(self.dislocations))
        check_range("par", self.par, 0.0, 1e9, open_low=True)
        check_range("growth", self.growth, -1.0, 1.0)
        check_range("level", self.level, -0.9, 0.9)
        if not self.asset or self.asset == "USD":
            raise ValueError(f"asset must be a name other than USD, got {self.asset!r}")
        if not 1 <= len(self.noise) <= _MOST:
            raise ValueError(f"noise must hold 1 to {_MOST} parts, got {len(self.noise)}")
        if len(self.dislocations) > _MOST:
            raise ValueError(f"dislocations must hold at most {_MOST} parts, got {len(self.dislocations)}")


@dataclass(frozen=True)
class Pegged:
    """A base world and pegged assets after its own.

    Attributes
    ----------
    base : ScenarioModel
        Any registered world.
    pegs : tuple of Peg
        At least one.

    Examples
    --------
    >>> from riskengine.scenario.gbm import Gbm
    >>> base = Gbm(("ETH",), (1_800.0,), (0.0,), (0.7,), ((1.0,),))
    >>> world = Pegged(base, (Peg("stETH", "ETH", (PegNoise(0.002, 6.0),)), Peg("USDC", "USD", (PegNoise(1e-3, 1.0),))))
    >>> world.sample(TimeGrid(3_600, 24), 0, 4, DrawKeys(1)).spot.shape
    (25, 4, 3)
    """

    kind: ClassVar[str] = "pegged"

    base: ScenarioModel
    pegs: tuple[Peg, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pegs", tuple(self.pegs))
        if not self.pegs:
            raise ValueError("pegs must hold at least one pegged asset, got none")
        names = [*self.base.assets, *(p.asset for p in self.pegs)]
        twice = sorted({n for n in names if names.count(n) > 1})
        faults = [f"pegs must name assets that are new, each once, got {', '.join(twice)} twice"] if twice else []
        known = ", ".join(("USD", *self.base.assets))
        for peg in self.pegs:
            if peg.to not in ("USD", *self.base.assets):
                faults.append(f"pegs must be to one of {known}, got {peg.to!r} for {peg.asset}")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets of the base world, then the pegged ones."""
        return (*self.base.assets, *self.floating)

    @property
    def floating(self) -> tuple[str, ...]:
        """Assets whose price at time 0 differs between paths."""
        return tuple(p.asset for p in self.pegs)

    @property
    def spot(self) -> tuple[float, ...]:
        """Prices at time 0, USD; of a pegged asset, without noise and open dislocations."""
        return (*self.base.spot, *(self._anchor(p) * float(np.exp(p.level)) for p in self.pegs))

    @property
    def starts_stationary(self) -> bool:
        """Whether the base world does; a peg always does."""
        return self.base.starts_stationary

    def _anchor(self, peg: Peg) -> float:
        return peg.par * (1.0 if peg.to == "USD" else self.base.spot[self.base.assets.index(peg.to)])

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``: lanes of the base, then spot in USD of the pegged assets.

        Where the base has a variance, a token has that of the asset it stands for, and a stablecoin none.
        """
        base = self.base.sample(grid, first_path, count, keys)
        ahead, before = [], []
        with np.errstate(over="ignore"):
            for number, peg in enumerate(self.pegs):
                past, future = deviations(peg, number, grid, first_path, count, keys)
                growth = peg.level + np.log(peg.par) + peg.growth * grid.times
                ahead.append(np.exp(future + growth[:, None]))
                if past is not None:
                    back = grid.history_dt * np.arange(-grid.history_steps, 1)
                    before.append(np.exp(past + (peg.level + np.log(peg.par) + peg.growth * back)[:, None]))
        lanes = {"spot_lanes": self._joined(base.spot_lanes, ahead)}
        if base.history_spot_lanes is not None:
            lanes["history_spot_lanes"] = self._joined(base.history_spot_lanes, before)
        for name in ("variance_lanes", "history_variance_lanes"):
            if getattr(base, name) is not None:
                lanes[name] = self._variance(getattr(base, name))
        bad = [~(np.isfinite(x) & (x > 0.0)).all(axis=(0, 1)) for n, x in lanes.items() if "spot" in n]
        return replace(base, assets=self.assets, failed=np.logical_or.reduce([base.failed, *bad]), **lanes)

    def _joined(self, base: Floats, relative: list[Floats]) -> Floats:
        """Prices of the base and of the pegged assets, given the latter in units of what they are pegged to."""
        out = np.empty((base.shape[0], len(self.assets), base.shape[2]))
        out[:, : base.shape[1]] = base
        for i, (peg, price) in enumerate(zip(self.pegs, relative, strict=True), base.shape[1]):
            out[:, i] = price if peg.to == "USD" else price * base[:, self.base.assets.index(peg.to)]
        return out

    def _variance(self, base: Floats) -> Floats:
        still = np.zeros_like(base[:, :1])
        more = [still if p.to == "USD" else base[:, [self.base.assets.index(p.to)]] for p in self.pegs]
        return np.concatenate([base, *more], axis=1)

    def law(self, asset: str, horizon: float, variance: float | None = None) -> Law:
        """Exact law of the log-return of `asset` over `horizon` years.

        An asset of the base has the law of the base.  A pegged one has the peg's change from a stationary start, plus
        the return of what it is pegged to given `variance`; ValueError where the base has no law by characteristic
        function to add to.
        """
        from riskengine.law.peg import PegLaw, SumLaw

        asset_index(self.assets, asset)
        peg = next((p for p in self.pegs if p.asset == asset), None)
        under = asset if peg is None else peg.to
        law = None
        if under != "USD":
            if not isinstance(self.base, HasLaw):
                raise ValueError(
                    f"the law of {asset} must rest on a base world with a law, and {self.base.kind} has none"
                )
            law = self.base.law(under, horizon, variance)
        if peg is None:
            return law
        own = PegLaw(peg.noise, peg.dislocations, peg.growth, horizon)
        if law is None:
            return own
        if not (hasattr(law, "exponent") and hasattr(law, "cumulants")):
            raise ValueError(
                f"the law of {asset} must rest on a characteristic function, and that of {self.base.kind} gives none"
            )
        return SumLaw((law, own))

    def deviation_law(self, asset: str) -> DeviationLaw:
        """Stationary law of the log deviation of a pegged asset, without `level` and permanent breaks."""
        from riskengine.law.peg import DeviationLaw

        peg = self.pegs[asset_index(self.floating, asset)]
        return DeviationLaw(peg.noise, peg.dislocations)


def deviations(
    peg: Peg, number: int, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys
) -> tuple[Floats | None, Floats]:
    """Log deviations of peg `number` over the history, shape (H + 1, P) or None, and ahead, shape (T + 1, P).

    Breaks are counted from time 0, on both sides: the history that ends at a par value knows no earlier one.
    """
    k0, k1 = keys.words()
    ahead = np.zeros((grid.steps + 1, count))
    before = np.zeros((grid.history_steps + 1, count)) if grid.history_steps else None
    broken_before = np.zeros_like(before) if before is not None else None
    stretches = [(ahead, np.zeros_like(ahead), grid.dt, _FORWARD)]
    if before is not None:
        stretches.insert(0, (before, broken_before, grid.history_dt, _HISTORY))
    start, z = np.empty(count), np.empty(count)
    for j, noise in enumerate(peg.noise):
        part = number * _PARTS + j
        normal_lane(start, noise.sd, 0, first_path, int(Purpose.PEG_START), part, k0, k1)
        for total, _, dt, (purpose, _, _) in stretches:
            lane = np.empty_like(total)
            lane[0] = start
            decay = float(np.exp(-noise.speed * dt))
            fresh = noise.sd * float(np.sqrt(-np.expm1(-2.0 * noise.speed * dt)))
            ou_steps(lane, decay, fresh, 0, first_path, int(purpose), part, k0, k1)
            total += lane
            start = lane[-1].copy()
    for j, shot in enumerate(peg.dislocations):
        if shot.intensity == 0.0:
            continue
        part = number * _PARTS + _MOST + j
        normal_lane(z, 1.0, 0, first_path, int(Purpose.PEG_START), part, k0, k1)
        open_ = _stationary(z, shot)
        for total, broken, dt, (_, times, sizes) in stretches:
            lane, level = np.zeros_like(total), np.zeros_like(total)
            lane[0] = open_
            if shot.break_probability == 0.0 and shot.speed * dt > _FORGETS:
                for t in range(1, lane.shape[0]):
                    normal_lane(z, 1.0, t - 1, first_path, int(sizes), part, k0, k1)
                    lane[t] = _stationary(z, shot)
            else:
                shot_steps(
                    lane, level, shot.intensity * dt, shot.mean, shot.speed * dt, shot.break_probability, first_path,
                    int(times), int(sizes), part, k0, k1,
                )  # fmt: skip
            total += lane
            broken += level
            open_ = lane[-1].copy()
    ahead += stretches[-1][1]
    if before is not None:
        before += broken_before - broken_before[-1]
    return before, ahead


def _stationary(z: Floats, shot: Dislocation) -> Floats:
    """What is open of `shot` in its stationary state, from normal scores `z`; shape of `z`."""
    if shot.shape == 0.0:
        return np.zeros_like(z)
    return np.copysign(gamma_from_score(z, shot.shape, abs(shot.mean)), shot.mean)


@kernel
def shot_steps(out, level, rate, mean, speed, breaks, first_path, times, sizes, part, k0, k1):
    """Dislocations of one kind at the ends of steps.

    Parameters
    ----------
    out : ndarray, shape (T + 1, P)
        Row 0 is what is open at the start; written: what is open at each time.
    level : ndarray, shape (T + 1, P)
        Zero; written: sum of sizes that do not recover.
    rate, speed : float
        Arrivals and recovery per step.
    mean : float
        Mean size.
    breaks : float
        Probability that an arrival never recovers.
    first_path : int
    times, sizes, part : int
        Purposes and asset word of the draws: arrival n of a path reads draw n.
    k0, k1 : uint64
    """
    wide_vectors()
    steps = out.shape[0] - 1
    for i in range(out.shape[1]):
        n = 0
        word, _ = draw(first_path + i, 0, times, part, k0, k1)
        t = -log(uniform(word)) / rate
        while t < steps:
            a, b = draw(first_path + i, n, sizes, part, k0, k1)
            size = -log(uniform(a)) * mean
            end = np.int64(t) + 1
            if uniform(b) < breaks:
                level[end, i] += size
            else:
                out[end, i] += size * exp(-speed * (end - t))
            n += 1
            word, _ = draw(first_path + i, n, times, part, k0, k1)
            t += -log(uniform(word)) / rate
    decay = exp(-speed)
    for t in range(steps):
        for i in range(out.shape[1]):
            out[t + 1, i] += decay * out[t, i]
            level[t + 1, i] += level[t, i]
