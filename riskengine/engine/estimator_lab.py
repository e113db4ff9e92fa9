"""Very many samples of one world, every estimator on each, held against the exact law: a block of replications at once.

A sample is either independent draws from the exact horizon law (`riskengine.law.sampler`), or consecutive windows of
history that the world simulates up to time 0.  Replications are lanes; sample sizes are nested, so that every cell of
the grid sees the same draws.  The breach probability of an estimate is exact: P(next loss > estimate), given the state
at time 0 where samples are history, which replaces the 0/1 hit.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.questions import Exposure
from riskengine.law.exposure import UnitExposure
from riskengine.law.lanes import StatelessLanes, lanes
from riskengine.law.sampler import ExactSampler
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import Estimator
from riskengine.scenario.world import World
from riskengine.score.pinball import pinball_regret

# replications of the very large samples are lanes far above those of the study
LIMIT_LANE = 1 << 40


@dataclass(frozen=True)
class Fit:
    """Answers of one estimator on one block.

    Attributes
    ----------
    value, lower, upper : ndarray, shape (levels, P)
        NaN where the estimator refused.
    reason : str
        Why it refused a whole level; empty where it did not.
    """

    value: Floats
    lower: Floats
    upper: Floats
    reason: str = ""


def fit(estimator: Estimator, losses: Floats, levels: Floats, confidence: float) -> Fit:
    """`estimator` on samples (n, P) at every level; what it cannot say at a level is NaN there, with the reason."""
    try:
        return Fit(*_arrays(estimator, losses, levels, confidence))
    except ValueError as error:
        if levels.size == 1:
            none = np.full((1, losses.shape[1]), np.nan)
            return Fit(none, none, none, str(error))
    parts = [fit(estimator, losses, levels[i : i + 1], confidence) for i in range(levels.size)]
    stacked = (np.concatenate([getattr(p, name) for p in parts]) for name in ("value", "lower", "upper"))
    return Fit(*stacked, next((p.reason for p in parts if p.reason), ""))


def _arrays(estimator: Estimator, losses: Floats, levels: Floats, confidence: float) -> list[Floats]:
    shape = (levels.size, losses.shape[1])
    found = estimator.fit_lanes(losses, levels, confidence)
    return [np.broadcast_to(np.asarray(a, dtype=np.float64), shape) for a in found]


@dataclass(frozen=True)
class Bench:
    """One world at one horizon: where samples and truths come from.

    Attributes
    ----------
    world : World
    horizon_hours : float
    samples : {"automatic", "independent", "history"}
    keys : DrawKeys
    """

    world: World
    horizon_hours: float
    samples: str
    keys: DrawKeys

    @cached_property
    def _laws(self) -> dict:
        years = TimeGrid(round(self.horizon_hours * 3600), 1).dt
        return {a: self.world.model.law(a, years) for a in self.world.model.assets}

    @cached_property
    def _lanes(self) -> dict:
        return {a: lanes(law) if self.history else StatelessLanes(law) for a, law in self._laws.items()}

    @cached_property
    def _whole(self) -> dict:
        """The unconditional law of each asset, tabulated."""
        return {a: StatelessLanes(law) for a, law in self._laws.items()}

    @cached_property
    def _samplers(self) -> dict:
        return {a: ExactSampler(law) for a, law in self._laws.items()}

    @cached_property
    def history(self) -> bool:
        """Whether samples are windows of simulated history rather than independent draws."""
        if self.samples != "automatic":
            return self.samples == "history"
        return not all(isinstance(lanes(law), StatelessLanes) for law in self._laws.values())

    def prepare(self) -> None:
        """Build every table before threads ask for them."""
        for asset in self.world.model.assets:
            self._whole[asset].cdf(np.zeros(1), np.zeros(1))
            self._lanes[asset].cdf(np.zeros(1), np.full(1, 0.1))
            if not self.history:
                self._samplers[asset].quantile(np.full(1, 0.5))

    def truth(self, exposure: Exposure, levels: Floats) -> Floats:
        """Exact unconditional quantile of the loss at every level."""
        return np.asarray(exposure.unit.var(self._laws[exposure.asset], levels))

    def draw(self, size: int, first: int, count: int, assets: tuple[str, ...]) -> tuple[dict, dict]:
        """Log-returns (size, count), oldest first, and states at time 0 (count,), of each asset."""
        known = self.world.model.assets
        if not self.history:
            made = {a: self._samplers[a].draw(size, first, count, self.keys, known.index(a)) for a in assets}
            return made, dict.fromkeys(assets, np.zeros(count))
        seconds = round(self.horizon_hours * 3600)
        paths = self.world.sample(TimeGrid(seconds, 1, seconds, size), first, count, self.keys)
        at = {a: known.index(a) for a in assets}
        state = paths.variance_lanes
        return (
            {a: np.diff(np.log(paths.history_spot_lanes[:, i]), axis=0) for a, i in at.items()},
            {a: np.zeros(count) if state is None else state[0, i] for a, i in at.items()},
        )

    def breach(self, exposure: Exposure, value: Floats, state: Floats) -> Floats:
        """P(next loss > value | state), shape (levels, P); NaN where there is no value."""
        said = np.isfinite(value)
        x = np.ascontiguousarray(np.where(said, exposure.unit.return_at(np.where(said, value, 0.0)), 0.0))
        out = exposure.unit.from_cdf(self._lanes[exposure.asset].cdf(np.clip(x, -700.0, 700.0), state))
        return np.where(said, out, np.nan)

    def regret(self, exposure: Exposure, level: float, truth: float, value: Floats) -> Floats:
        """Expected pinball loss beyond that of the true quantile, for a next loss of the unconditional law, (P,)."""
        unit: UnitExposure = exposure.unit
        whole = self._whole[exposure.asset]

        def below(loss: Floats) -> Floats:
            return 1.0 - unit.from_cdf(whole.cdf(np.clip(unit.return_at(loss), -700.0, 700.0), np.zeros(1)))

        return pinball_regret(below, truth, value, level)
