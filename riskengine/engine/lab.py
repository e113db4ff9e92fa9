"""The estimator lab: hold every estimate against the exact quantile of the law that made its sample.

On each path the estimator sees the history windows only.  The truth is the exact law of the next window's log-return:
conditional on the path's own variance at time 0 where the world has one, and unconditional (the world's stationary
start).  The exact breach probability of an estimate replaces the 0/1 hit, which cuts the noise about 250-fold at
n = 250 and 99 % (reference/statistics.md, section 6).
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.estimator_lab import fit
from riskengine.engine.outcomes import Key
from riskengine.engine.questions import CalibrationQuestion, Exposure
from riskengine.law.lanes import lanes
from riskengine.market.paths import MarketPaths
from riskengine.scenario.world import World


class Lab:
    """Calibration columns of a study; built once, it holds the exact laws.

    Parameters
    ----------
    world : World
    question : CalibrationQuestion
    window : float
        Length of a history window in years: the horizon of the estimates.
    """

    def __init__(self, world: World, question: CalibrationQuestion, window: float, confidence: float):
        self._question, self._confidence = question, confidence
        self._laws = {a: world.model.law(a, window) for a in dict.fromkeys(e.asset for e in question.exposures)}
        self._lanes = {a: lanes(law) for a, law in self._laws.items()}

    def true_quantile(self, exposure: Exposure, level: float) -> float:
        """Exact unconditional quantile of the loss."""
        return float(exposure.unit.var(self._laws[exposure.asset], np.array([level]))[0])

    def columns(self, paths: MarketPaths) -> dict[Key, Floats]:
        """Per path, for each estimator, level and exposure: the estimate, its exact breach probability given the path's
        state, the conditional quantile, and whether the estimator's own interval holds the unconditional quantile; NaN
        on the paths whose sample the estimator refuses."""
        out: dict[Key, Floats] = {}
        levels = np.array(self._question.levels)
        for exposure in self._question.exposures:
            unit, law = exposure.unit, self._lanes[exposure.asset]
            a = paths.assets.index(exposure.asset)
            sample = unit.loss(np.diff(np.log(paths.history_spot_lanes[:, a]), axis=0))
            state = np.zeros(paths.count) if paths.variance_lanes is None else paths.variance_lanes[0, a]
            tails = 1.0 - levels if exposure.side == "long" else levels
            for level, truth in zip(self._question.levels, unit.loss(law.quantile(tails, state)), strict=True):
                out["calibration", "truth", level, None, exposure.name, "conditional_quantile"] = truth
            targets = np.array([self.true_quantile(exposure, level) for level in self._question.levels])[:, None]
            for estimator in self._question.estimators:
                value, lower, upper = fit(estimator, sample, levels, self._confidence).var
                # a path whose sample an estimator refuses has no figure at all: not even an interval without ends
                said = np.isfinite(value)
                covered = np.where(said, (lower <= targets) & (targets <= upper), np.nan)
                breach = unit.from_cdf(law.cdf(unit.return_at(np.where(said, value, 0.0)), state))
                for i, level in enumerate(self._question.levels):
                    none = ~said[i]
                    head = ("calibration", estimator.kind, level, None, exposure.name)
                    out[*head, "estimate"] = np.where(none, np.nan, value[i])
                    out[*head, "interval_coverage"] = covered[i]
                    out[*head, "breach_probability"] = np.where(none, np.nan, breach[i])
        return out
