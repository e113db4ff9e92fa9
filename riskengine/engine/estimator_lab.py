"""Very many samples of one world, every estimator on each, held against the exact law: a block of replications at once.

A sample is either independent draws from the exact horizon law (`riskengine.law.sampler`), or consecutive windows of
history that the world simulates up to time 0.  Replications are lanes; sample sizes are nested, so that every cell of
the grid sees the same draws.  The breach probability of an estimate is exact: P(next loss > estimate), given the state
at time 0 where samples are history, which replaces the 0/1 hit.  So are the expected scores: the regret of an estimate
is closed in E[(L - c)^+] (`riskengine.law.position`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from riskengine.arrays import Floats
from riskengine.estimate import LaneFigure, LaneTails
from riskengine.law.lanes import StatelessLanes, lanes
from riskengine.law.position import PositionTail, breach_probability, quantile
from riskengine.law.sampler import ExactSampler
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import Estimator, ExposureModel, Position
from riskengine.scenario.world import World

# replications of the very large samples are lanes far above those of the study
LIMIT_LANE = 1 << 40


class Fit(NamedTuple):
    """Answers of one estimator on one block.

    Attributes
    ----------
    var, es : LaneFigure
        Each part (levels, P); NaN where the estimator refused.
    var_reasons, es_reasons : tuple of str
        Why it refused a whole level; empty where it did not.
    """

    var: LaneFigure
    es: LaneFigure
    var_reasons: tuple[str, ...]
    es_reasons: tuple[str, ...]


def fit(estimator: Estimator, losses: Floats, levels: Floats, confidence: float) -> Fit:
    """`estimator` on samples (n, P) at every level; what it cannot say at a level is NaN there, with the reason."""
    try:
        found = estimator.fit_lanes(losses, levels, confidence)
    except ValueError as error:
        if levels.size == 1:
            none = LaneFigure(*np.full((3, 1, losses.shape[1]), np.nan))
            return Fit(none, none, (str(error),), (str(error),))
        # the levels that it can answer are those below one that it cannot, as a rule: halves, not one by one
        half = levels.size // 2
        parts = [fit(estimator, losses, part, confidence) for part in (levels[:half], levels[half:])]
        pairs = ((p[which] for p in parts) for which in (0, 1))
        figures = (LaneFigure(*map(np.concatenate, zip(*pair, strict=True))) for pair in pairs)
        return Fit(*figures, parts[0].var_reasons + parts[1].var_reasons, parts[0].es_reasons + parts[1].es_reasons)
    shape = (levels.size, losses.shape[1])
    figures = [LaneFigure(*(np.broadcast_to(np.asarray(a, np.float64), shape) for a in f)) for f in found]
    reasons = [
        tuple(
            "" if np.isfinite(value).any() else _why(estimator, losses[:, 0], float(level), confidence, which)
            for level, value in zip(levels, figure.value, strict=True)
        )
        for which, figure in enumerate(figures)
    ]
    return Fit(*figures, *reasons)


def _why(estimator: Estimator, losses: Floats, level: float, confidence: float, which: int) -> str:
    """What a single fit says where no sample has a figure."""
    single = getattr(estimator, "fit", None)
    if single is None:
        return ""
    try:
        said = single(losses, level, confidence)[which].method
    except ValueError as error:
        said = str(error)
    return said.partition("refused: ")[2] or said


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
    def _samplers(self) -> dict:
        return {a: ExactSampler(law) for a, law in self._laws.items()}

    @cached_property
    def _tails(self) -> dict[str, PositionTail]:
        return {}

    @cached_property
    def history(self) -> bool:
        """Whether samples are windows of simulated history rather than independent draws."""
        if self.samples != "automatic":
            return self.samples == "history"
        return not all(isinstance(lanes(law), StatelessLanes) for law in self._laws.values())

    def prepare(self, exposures: tuple[ExposureModel, ...]) -> None:
        """Build every table before threads ask for them."""
        for exposure in exposures:
            self.tail(exposure).prepare()
            self._lanes[exposure.asset].cdf(np.zeros(1), np.full(1, 0.1))
            if not self.history:
                self._samplers[exposure.asset].quantile(np.full(1, 0.5))

    def tail(self, exposure: ExposureModel) -> PositionTail:
        """Exact unconditional tail of the loss."""
        if exposure.name not in self._tails:
            position = exposure.position(self.world.model, self.world.surface, self.horizon_hours)
            self._tails[exposure.name] = PositionTail(position, self._laws[exposure.asset])
        return self._tails[exposure.name]

    def position(self, exposure: ExposureModel) -> Position:
        """What is lost as a function of the log-return."""
        return self.tail(exposure).position

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

    def breach(self, exposure: ExposureModel, value: Floats, state: Floats) -> Floats:
        """P(next loss > value | state), shape (levels, P); NaN where there is no value."""
        said = np.isfinite(value)
        law = self._lanes[exposure.asset]
        out = breach_probability(
            self.position(exposure), np.where(said, value, 0.0), lambda x: law.cdf(np.ascontiguousarray(x), state)
        )
        return np.where(said, out, np.nan)

    def regrets(
        self, exposure: ExposureModel, levels: Floats, truth: LaneTails, var: Floats, es: Floats
    ) -> tuple[Floats, Floats]:
        """Expected score beyond that of the truth, for a next loss of the unconditional law.

        Parameters
        ----------
        exposure : ExposureModel
        levels : ndarray, shape (L,)
        truth : LaneTails
            Exact figures, each (L,).
        var, es : ndarray, shape (L, P)

        Returns
        -------
        pinball, joint : ndarray, shape (L, P)
            Of VaR by the pinball loss, in the unit of the loss; of VaR and ES by the FZ0 score, without a unit, NaN
            where that is not defined (VaR not positive, or ES below it).
        """
        tail = self.tail(exposure)
        p = (1.0 - levels)[:, None]
        q, shortfall = (f.value[:, None] for f in truth)
        said = np.isfinite(var)
        v = np.where(said, var, q)
        excess, own = tail.excess(v), tail.excess(q)
        pinball = np.where(said, np.maximum(excess - own + p * (v - q), 0.0), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            fine = said & (v > 0.0) & (es >= v) & (q > 0.0)
            e = np.where(fine, es, 1.0)
            score = excess / (p * e) + v / e + np.log(e)
            least = own / (p * shortfall) + q / shortfall + np.log(shortfall)
        return pinball, np.where(fine, np.maximum(score - least, 0.0), np.nan)

    def truth(self, exposure: ExposureModel, levels: Floats) -> LaneTails:
        """Exact unconditional VaR and ES of the loss at every level, (L,) each, without bounds."""
        tail = self.tail(exposure)
        return LaneTails(*(LaneFigure(v, v, v) for v in (tail.var(levels), tail.expected_shortfall(levels))))

    def conditional(self, exposure: ExposureModel, levels: Floats, state: Floats) -> Floats | None:
        """Exact VaR given the state at time 0, shape (L, P); None where samples have no state, or the loss turns."""
        position, law = self.position(exposure), self._lanes[exposure.asset]
        if isinstance(law, StatelessLanes) or position.side is None:
            return None
        return quantile(position, levels, lambda p: law.quantile(p, state))
