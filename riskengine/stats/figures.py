"""One set of verbs for the figures of a study, on plain paths and on weighted ones.

A measure says what it wants (a probability, a mean, a percentile); whether that is a binomial count or an importance
sampling estimate follows from how the paths were drawn.  Binomial and order-statistic methods never see weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.estimate import Estimate, undetermined
from riskengine.stats.bounded import share, share_difference
from riskengine.stats.control import ControlVariates, controlled_difference, controlled_mean, controlled_share
from riskengine.stats.exceedance import ExceedanceCurve, exceedance_curve
from riskengine.stats.maritz_jarrett import quantile_error
from riskengine.stats.mean import conditional_severity, mean, paired_difference, ratio_of_means
from riskengine.stats.proportion import clopper_pearson
from riskengine.stats.quantile import expected_shortfall, value_at_risk
from riskengine.stats.tail_curve import tail_curve
from riskengine.stats.weighted import (
    PathWeights,
    weighted_difference,
    weighted_exceedance,
    weighted_mean,
    weighted_quantiles,
    weighted_ratio,
    weighted_severity,
    weighted_share,
    weighted_shortfall,
    weighted_tails,
)


@dataclass(frozen=True)
class PlainFigures:
    """Figures of paths that follow the world's own law.

    Attributes
    ----------
    confidence : float
        Of every interval.
    """

    confidence: float = 0.95

    def at(self, confidence: float) -> "PlainFigures":
        """The same at another confidence."""
        return replace(self, confidence=confidence)

    def probability(self, hit: np.ndarray, severity: Floats | None = None) -> Estimate:
        """Probability of an event, from its flags (n,); `severity` orders the paths by how near they come to it."""
        return clopper_pearson(int(np.count_nonzero(hit)), hit.size, self.confidence)

    def share(self, values: Floats, severity: Floats | None = None) -> Estimate:
        """Mean of path figures in [0, 1]."""
        return share(values, self.confidence)

    def mean(self, values: Floats) -> Estimate:
        """Mean over paths."""
        return mean(values, self.confidence)

    def ratio(self, numerator: Floats, denominator: Floats) -> Estimate:
        """Ratio of two means."""
        return ratio_of_means(numerator, denominator, self.confidence)

    def severity(self, values: Floats) -> Estimate:
        """Mean of the positive values."""
        return conditional_severity(values, self.confidence)

    def mean_given(self, values: Floats, hit: np.ndarray) -> Estimate:
        """Mean of `values` on the paths of an event."""
        chosen = values[hit]
        if chosen.size < 2:
            return undetermined(chosen.size, f"mean: {chosen.size} such paths, at least 2 needed")
        return mean(chosen, self.confidence)

    def probability_given(self, flag: np.ndarray, hit: np.ndarray) -> Estimate | None:
        """Probability of `flag` on the paths of an event; None where there are none."""
        n = int(np.count_nonzero(hit))
        return clopper_pearson(int(np.count_nonzero(flag & hit)), n, self.confidence) if n else None

    def quantiles(self, losses: Floats, levels: Sequence[float]) -> tuple[Estimate, ...]:
        """VaR at each level."""
        return value_at_risk(losses, levels, self.confidence)

    def quantile_with_error(self, losses: Floats, level: float) -> Estimate:
        """VaR with a standard error beside its interval."""
        return replace(self.quantiles(losses, (level,))[0], std_error=quantile_error(losses, level))

    def shortfall(self, losses: Floats, level: float) -> Estimate:
        """Expected shortfall."""
        return expected_shortfall(losses, level, self.confidence)

    def tails(self, losses: Floats, levels: Sequence[float]) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...]]:
        """(VaR, expected shortfall) at each level."""
        return tail_curve(losses, levels, self.confidence)

    def difference(self, first: Floats, second: Floats, *, shares: bool) -> Estimate:
        """Mean of first - second on the same paths; `shares` where both lie in [0, 1]."""
        return (share_difference if shares else paired_difference)(first, second, self.confidence)

    def exceedance(self, losses: Floats) -> ExceedanceCurve:
        """P(loss > x) on a grid."""
        return exceedance_curve(losses, confidence=self.confidence)


@dataclass(frozen=True)
class ControlledFigures(PlainFigures):
    """Plain figures whose means over all paths are corrected by controls; counts and quantiles are as without."""

    controls: ControlVariates = field(kw_only=True)

    def share(self, values: Floats, severity: Floats | None = None) -> Estimate:
        """Mean of path figures in [0, 1]."""
        return controlled_share(values, self.controls, self.confidence)

    def mean(self, values: Floats) -> Estimate:
        """Mean over paths."""
        return controlled_mean(values, self.controls, self.confidence)

    def difference(self, first: Floats, second: Floats, *, shares: bool) -> Estimate:
        """Mean of first - second on the same paths; `shares` where both lie in [0, 1]."""
        return controlled_difference(first, second, self.controls, self.confidence, shares=shares)


@dataclass(frozen=True)
class WeightedFigures:
    """The same figures from importance weights; each is guarded in its own tail (`riskengine.stats.weighted`)."""

    weights: PathWeights
    confidence: float = 0.95

    def at(self, confidence: float) -> "WeightedFigures":
        """The same at another confidence."""
        return replace(self, confidence=confidence)

    def probability(self, hit: np.ndarray, severity: Floats | None = None) -> Estimate:
        """Probability of an event, from its flags (n,); `severity` orders the paths by how near they come to it."""
        return weighted_share(hit.astype(np.float64), self.weights, self.confidence, severity)

    def share(self, values: Floats, severity: Floats | None = None) -> Estimate:
        """Mean of path figures in [0, 1]."""
        return weighted_share(values, self.weights, self.confidence, severity)

    def mean(self, values: Floats) -> Estimate:
        """Mean over paths."""
        return weighted_mean(values, self.weights, self.confidence)

    def ratio(self, numerator: Floats, denominator: Floats) -> Estimate:
        """Ratio of two means."""
        return weighted_ratio(numerator, denominator, self.weights, self.confidence)

    def severity(self, values: Floats) -> Estimate:
        """Mean of the positive values."""
        return weighted_severity(values, self.weights, self.confidence)

    def mean_given(self, values: Floats, hit: np.ndarray) -> Estimate:
        """Mean of `values` on the paths of an event."""
        flag = hit.astype(np.float64)
        return weighted_ratio(values * flag, flag, self.weights, self.confidence, "mean given the event")

    def probability_given(self, flag: np.ndarray, hit: np.ndarray) -> Estimate | None:
        """Probability of `flag` on the paths of an event; None where there are none."""
        if not hit.any():
            return None
        found = self.mean_given(flag.astype(np.float64), hit)
        return replace(
            found, lower=min(max(0.0, found.lower), found.value), upper=max(min(1.0, found.upper), found.value)
        )

    def quantiles(self, losses: Floats, levels: Sequence[float]) -> tuple[Estimate, ...]:
        """VaR at each level."""
        return weighted_quantiles(losses, tuple(levels), self.weights, self.confidence)

    def quantile_with_error(self, losses: Floats, level: float) -> Estimate:
        """VaR with a standard error beside its interval."""
        return self.quantiles(losses, (level,))[0]

    def shortfall(self, losses: Floats, level: float) -> Estimate:
        """Expected shortfall."""
        return weighted_shortfall(losses, level, self.weights, self.confidence)

    def tails(self, losses: Floats, levels: Sequence[float]) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...]]:
        """(VaR, expected shortfall) at each level."""
        return weighted_tails(losses, tuple(levels), self.weights, self.confidence)

    def difference(self, first: Floats, second: Floats, *, shares: bool) -> Estimate:
        """Mean of first - second on the same paths; `shares` where both lie in [0, 1]."""
        return weighted_difference(first, second, self.weights, self.confidence, share=shares)

    def exceedance(self, losses: Floats) -> ExceedanceCurve:
        """P(loss > x) on a grid."""
        return weighted_exceedance(losses, self.weights, confidence=self.confidence)


Figures = PlainFigures | WeightedFigures
