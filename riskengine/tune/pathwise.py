"""Paired losses behind a derivative by simulation: a parameter one small step either side, on the same draws.

A parameter that leaves the law of the draws alone moves every path by itself: volatilities, drifts, jump sizes (drawn
by inversion, so also Kou's share of up-jumps), the parameters of a variance.  One that moves the *number* of jumps does
not: on the same draws a path keeps its jumps for almost every small step, and its derivative sees the compensator only.
Such a parameter is known by the expected arrivals of a clock that it moves.  The worlds at either end are then drawn
from a proposal that slows their clocks back to the rate in the middle (`riskengine.scenario.proposal`): the same jumps
on the same draws, everything else of the end world; and the jumps enter by their score

    S = sum over clocks of (N / A - 1) dA / dtheta,          N arrivals of the path, A their expected number.

Of the paths of a proposal those of its tilted component are kept, 983 of 1,024: independent, and of one law.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.proposal import Proposal, Tilt, Tiltable
from riskengine.scenario.world import World

LossOf = Callable[[World, MarketPaths], Floats]
BLOCK = 4096
MOST_FAILED = 0.001
_SHARE = 983 / 1024  # a proposal leaves at least 4 % to the plain law


@dataclass(frozen=True)
class Middle:
    """Losses of all exposures at the parameter's own value: shared by all parameters.

    Attributes
    ----------
    world : World
    grid : TimeGrid
        From time 0 to the horizon of the loss.
    paths : int
    seed : int
    losses_of : sequence of callable
        ``loss(world, paths)`` of each exposure, shape (P,).
    losses : ndarray, shape (exposures, paths)
    """

    world: World
    grid: TimeGrid
    paths: int
    seed: int
    losses_of: Sequence[LossOf]
    losses: Floats

    @classmethod
    def of(cls, world: World, grid: TimeGrid, paths: int, seed: int, losses_of: Sequence[LossOf]) -> "Middle":
        """From simulated paths of `world`."""
        return cls(world, grid, paths, seed, losses_of, _losses(world, grid, paths, seed, losses_of, None)[0])

    def beside(self, up: World, down: World, step: float) -> "Beside":
        """The same draws in the worlds one `step` of a parameter up and down.

        ValueError where a clock that moves never rings at the parameter itself, or where too many paths failed.
        """
        rates = [_arrivals(w, self.grid) for w in (self.world, up, down)]
        if rates[0] is None or np.array_equal(rates[1], rates[2]):
            ends = [_losses(w, self.grid, self.paths, self.seed, self.losses_of, None)[0] for w in (up, down)]
            return self._kept(*ends, step, None, np.ones(self.paths, bool))
        middle, moves = rates[0], (rates[1] - rates[2]) / (2.0 * step)
        rings = middle > 0.0
        if (moves[~rings] != 0.0).any():
            raise ValueError("a clock that never rings has no score: its intensity must be positive")
        ends = []
        for world, rate in ((up, rates[1]), (down, rates[2])):
            slowed = tuple(np.divide(middle, rate, out=np.ones_like(rate), where=rings))
            proposal = Proposal((Tilt(intensity=slowed),), (_SHARE,))
            loss, counts = _losses(world, self.grid, self.paths, self.seed, self.losses_of, proposal)
            ends.append(loss)
        score = ((counts[rings] / middle[rings, None] - 1.0) * moves[rings, None]).sum(axis=0)
        return self._kept(*ends, step, score, proposal.component(0, self.paths) == 1)

    def _kept(self, up: Floats, down: Floats, step: float, score: Floats | None, drawn: np.ndarray) -> "Beside":
        """`Beside` on the paths `drawn` that failed at neither end nor in the middle; ValueError where many did."""
        good = np.isfinite(self.losses + up + down).all(axis=0)
        failed = 1.0 - float(good[drawn].mean())
        if failed > MOST_FAILED:
            raise ValueError(f"at most {MOST_FAILED:.1%} of the paths may fail numerically, got {failed:.2%}")
        return Beside(up, down, step, score, drawn & good)


@dataclass(frozen=True)
class Beside:
    """Losses one step either side of a parameter.

    Attributes
    ----------
    up, down : ndarray, shape (exposures, paths)
    step : float
    score : ndarray, shape (paths,), or None
        Of the jumps, where the parameter moves their number.
    kept : ndarray of bool, shape (paths,)
        Paths that may be used.
    """

    up: Floats
    down: Floats
    step: float
    score: Floats | None
    kept: np.ndarray

    @property
    def method(self) -> str:
        """In words."""
        return "pathwise" if self.score is None else "score of the number of jumps, pathwise for the rest"


def _arrivals(world: World, grid: TimeGrid) -> Floats | None:
    """Expected arrivals of each jump clock up to the horizon; None where the world has no clocks."""
    return world.model.tilt_space(grid).arrivals if isinstance(world.model, Tiltable) else None


def _losses(
    world: World, grid: TimeGrid, paths: int, seed: int, losses_of: Sequence[LossOf], proposal: Proposal | None
) -> tuple[Floats, Floats | None]:
    """Losses (exposures, paths), NaN on a failed path; arrivals of each clock (clocks, paths) under a proposal."""
    losses, counts = np.empty((len(losses_of), paths)), []
    clocks = None if proposal is None else world.model.tilt_space(grid).sections["intensity"]
    for first in range(0, paths, BLOCK):
        span = slice(first, min(first + BLOCK, paths))
        drawn = {} if proposal is None else {"proposal": proposal}
        made = world.model.sample(grid, first, span.stop - first, DrawKeys(seed), **drawn)
        for row, loss in enumerate(losses_of):
            losses[row, span] = np.where(made.failed, np.nan, loss(world, made))
        if proposal is not None:
            counts.append(made.tilt_statistics[clocks])
    return losses, np.concatenate(counts, axis=1) if counts else None
