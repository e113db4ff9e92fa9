"""Figures from paths drawn by mixture importance sampling, each guarded in its own tail.

A path of weight w = dP / dQ stands for w paths.  Estimates are unnormalised means of w f with the control w - 1, whose
expectation is exactly zero: mean(w f) - beta (mean(w) - 1), beta by least squares within components.  With a fixed
beta this is unbiased (a self-normalised ratio is not), it reproduces constants exactly, and it is the better of the
unnormalised and the self-normalised mean in large samples (Hesterberg 1995; Owen and Zhou, JASA 95 (2000), 135-143).
It equals a mean under *calibrated* weights that sum to n, the same for every figure.  Components are strata: only what
varies within them is error.

Weights never exceed ``bound`` because the mixture holds the plain law; that keeps variances finite and does not keep a
sample honest.  Where a tail has a part that no tilt reaches, the plain paths meet it rarely and with large weights,
and a sample that has not met it looks precise: an interval can cover 18 % where it says 95 %.  So the effective number
of hits of a figure is the smaller of two,

    observed    (sum w f)^2 / sum (w f)^2,
    predicted   sum of w over the hits / mean weight in the figure's own tail as the plain paths tell it,

and below 100 the asymptotic interval is refused.  The plain paths are a sample of the world itself, so their deepest
40 say how well the tilts cover what lies beyond: their mean weight is carried down to the tail by half the power at
which it falls from the deepest 160 to the deepest 40 (where a part is not covered it does not fall).  A part of a tail
too small to be among 40 plain paths stays unseen, and its share is then missing from the figure.

A refused share gets the Chernoff-Hoeffding bound of independent figures in [0, bound], which holds whatever the tilt.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from riskengine.arrays import Floats, Ints, as_floats, check_range
from riskengine.estimate import Estimate, undetermined
from riskengine.stats.asymptotic import MINIMUM_TAIL_HITS, Influence, asymptotic, corrected_quantile
from riskengine.stats.bounded import chernoff
from riskengine.stats.exceedance import ExceedanceCurve, loss_grid
from riskengine.stats.proportion import check_confidence

WITNESSES = 40  # plain paths, deepest in a tail, that say how well the tilts cover it


@dataclass(frozen=True)
class PathWeights:
    """Likelihood ratios of a sample.

    Attributes
    ----------
    weight : ndarray, shape (n,)
        World's likelihood over the mixture's.
    stratum : ndarray of int, shape (n,)
        Mixture component of each path; 0 is the plain law.
    bound : float
        Largest weight possible: one over the share of the plain law.
    """

    weight: Floats
    stratum: Ints
    bound: float

    def __post_init__(self) -> None:
        w = as_floats("weight", self.weight, 1)
        if w.size < 2 or w.size != self.stratum.size:
            raise ValueError(
                f"weight and stratum must have one length of at least 2, got {w.size} and {self.stratum.size}"
            )
        if (w < 0).any() or w.max() > self.bound * (1.0 + 1e-6):
            raise ValueError(f"weight must lie in [0, {self.bound:g}], got {w.min():g} to {w.max():g}")
        object.__setattr__(self, "weight", w)

    @property
    def n(self) -> int:
        """Number of paths."""
        return self.weight.size

    @cached_property
    def sizes(self) -> Floats:
        """Paths in each stratum."""
        return np.bincount(self.stratum).astype(np.float64)

    @cached_property
    def witnesses(self) -> Ints:
        """Numbers of the plain paths."""
        return np.flatnonzero(self.stratum == 0)

    def sums(self, values: Floats) -> Floats:
        """Sum of `values` in each stratum."""
        return np.bincount(self.stratum, values, self.sizes.size)

    def centred(self, values: Floats) -> Floats:
        """`values` less the mean of their stratum."""
        return values - (self.sums(values) / np.maximum(self.sizes, 1.0))[self.stratum]

    @cached_property
    def control(self) -> Floats:
        """Weights less the mean of their stratum."""
        return self.centred(self.weight)

    @cached_property
    def spread(self) -> float:
        """Sum of squares of the control."""
        return float(np.square(self.control).sum())

    @cached_property
    def powers(self) -> tuple[Floats, Floats, Floats]:
        """Sums of w, w^2 and w^3 in each stratum."""
        return tuple(self.sums(self.weight**power) for power in (1, 2, 3))

    @cached_property
    def excess(self) -> float:
        """mean(w) - 1."""
        return float(self.weight.mean()) - 1.0

    @cached_property
    def calibrated(self) -> Floats:
        """Weights that sum to n and turn every figure with the control into a plain mean, shape (n,)."""
        if self.spread == 0.0:
            return self.weight / self.weight.mean()
        return self.weight * (1.0 - self.excess * self.n / self.spread * self.control)

    @property
    def effective(self) -> float:
        """Global effective sample size (sum w)^2 / sum w^2: says nothing about any tail."""
        return float(self.weight.sum()) ** 2 / float(np.square(self.weight).sum())


def _dot(a: Floats, b: Floats) -> float:
    """Sum of products in numpy's own order: a matrix library may sum otherwise on another number of threads."""
    return float((a * b).sum())


def _influence(f: Floats, weights: PathWeights, hits: float, concentration: float) -> Influence:
    """Moments of the errors w (f - beta), centred within strata."""
    w = weights.weight
    wf = w * f
    scale = float(np.abs(wf).max(initial=0.0))
    if scale == 0.0:
        return Influence(weights.n, hits, concentration, 0.0, 0.0)
    x = wf / scale
    beta = _dot(x, weights.control) / weights.spread if weights.spread > 0.0 else 0.0
    error = weights.centred(x - beta * w)
    inflate = weights.sizes / np.maximum(weights.sizes - 1.0, 1.0)
    second = float(weights.sums(error * error) @ inflate) / weights.n
    third = float((error * error * error).sum()) / weights.n
    return Influence(
        weights.n,
        hits,
        concentration,
        scale * math.sqrt(second / weights.n),
        third / second**1.5 if second > 1e-24 else 0.0,
    )


def _concentration(wf: Floats) -> float:
    """(sum |x|)^2 / sum x^2: how many equal contributions would be as many."""
    top = float(np.abs(wf).max(initial=0.0))
    if top == 0.0:
        return 0.0
    x = wf / top
    return float(np.abs(x).sum()) ** 2 / float(np.square(x).sum())


def effective_hits(hit: np.ndarray, weights: PathWeights, severity: Floats | None = None) -> tuple[float, str]:
    """Effective number of hits of a tail, and why it is not larger where the plain paths say so.

    Parameters
    ----------
    hit : ndarray of bool, shape (n,)
        Paths in the tail.
    weights : PathWeights
    severity : ndarray, shape (n,), optional
        Orders the paths by how deep they are in this tail, also those outside it, so that plain paths can bear witness
        where too few of them are inside.
    """
    w = weights.weight
    inside = w[hit]
    if inside.size == 0:
        return 0.0, ""
    observed = float(inside.sum()) ** 2 / float(np.square(inside).sum())
    plain = weights.witnesses
    seen = plain[hit[plain]]
    if seen.size < WITNESSES and severity is not None:
        depth = severity[plain]
        seen = plain[np.argpartition(-depth, min(WITNESSES, plain.size) - 1)[:WITNESSES]]
    if seen.size < WITNESSES:
        return min(observed, float(seen.size)), (
            f"{seen.size} plain paths in the tail, {WITNESSES} needed to see whether the tilts cover it"
        )
    total = float(inside.sum())
    predicted = total / _weight_in_tail(seen, plain, total / weights.n, weights, severity)
    if predicted >= observed:
        return observed, ""
    return predicted, f"the plain paths deepest in this tail have a mean weight of {w[seen].mean():.2g}"


def _weight_in_tail(seen: Ints, plain: Ints, tail: float, weights: PathWeights, severity: Floats | None) -> float:
    """Mean weight of the world's paths in a tail of probability `tail`, from the plain paths `seen` near it."""
    near = max(float(weights.weight[seen].mean()), 1e-300)
    reach = tail * plain.size / WITNESSES
    if reach >= 1.0 or severity is None or plain.size < 8 * WITNESSES:
        return near
    wider = plain[np.argpartition(-severity[plain], 4 * WITNESSES - 1)[: 4 * WITNESSES]]
    power = math.log(max(float(weights.weight[wider].mean()) / near, 1.0)) / math.log(4.0)
    return near * reach ** (0.5 * min(power, 1.0))


def _estimate(
    f: Floats, hit: np.ndarray, weights: PathWeights, confidence: float, method: str, severity: Floats | None,
    offset: float = 0.0,
) -> Estimate:  # fmt: skip
    """offset + mean of f under the world, with its interval or the reason why there is none."""
    value = offset + _dot(weights.calibrated, f) / weights.n
    hits, reason = effective_hits(hit, weights, severity)
    moments = _influence(f, weights, hits, _concentration(weights.weight * f))
    return asymptotic(value, moments, confidence, f"{method}, importance weights", note=reason)


def weighted_mean(values: ArrayLike, weights: PathWeights, confidence: float = 0.95) -> Estimate:
    """Mean of a path figure under the world; effective hits are those of its non-zero values."""
    check_confidence(confidence)
    x = _sample("values", values, weights)
    return _estimate(x, x != 0.0, weights, confidence, "mean", np.abs(x))


def weighted_share(
    values: ArrayLike, weights: PathWeights, confidence: float = 0.95, severity: Floats | None = None
) -> Estimate:
    """Mean of path figures in [0, 1], a probability among them.

    Parameters
    ----------
    values : array_like, shape (n,)
    weights : PathWeights
    confidence : float
    severity : ndarray, shape (n,), optional
        How close each path comes to the event; see `effective_hits`.
    """
    check_confidence(confidence)
    x = _sample("values", values, weights)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"values must lie in [0, 1], got {x.min()} to {x.max()}")
    if _dot(weights.calibrated, x) > 0.5 * weights.n:
        # what is rare decides; under calibrated weights the complement is exact
        turned = weighted_share(1.0 - x, weights, confidence, None if severity is None else -severity)
        return replace(turned, value=1 - turned.value, lower=1 - turned.upper, upper=1 - turned.lower)
    found = _estimate(x, x > 0.0, weights, confidence, "mean over paths", severity)
    if math.isfinite(found.upper):
        return replace(found, lower=min(max(0.0, found.lower), found.value))
    return _bounded(found, weights.weight * x, weights, confidence)


def _bounded(found: Estimate, wf: Floats, weights: PathWeights, confidence: float) -> Estimate:
    """Bounds of the mean of independent figures in [0, bound], whatever their laws."""
    low, high = chernoff(float(wf.mean()) / weights.bound, weights.n, confidence)
    reason = found.method.partition("interval refused: ")[2]
    return replace(
        found,
        lower=min(low * weights.bound, found.value),
        upper=max(min(1.0, high * weights.bound), found.value),
        method=f"mean over paths, chernoff-hoeffding for weights up to {weights.bound:.3g}: {reason}",
    )


def weighted_difference(
    first: ArrayLike, second: ArrayLike, weights: PathWeights, confidence: float = 0.95, *, share: bool = False
) -> Estimate:
    """Mean of first - second on the same paths; `share` says that both lie in [0, 1], which bounds the difference."""
    check_confidence(confidence)
    d = _sample("first", first, weights) - _sample("second", second, weights)
    found = _estimate(d, d != 0.0, weights, confidence, "paired difference", None)
    if not share:
        return found
    if math.isfinite(found.upper):
        return replace(found, lower=max(-1.0, found.lower), upper=min(1.0, found.upper))
    each = 0.5 * (1.0 + confidence)
    rise, fall = (
        tuple(weights.bound * end for end in chernoff(float((weights.weight * np.maximum(part, 0.0)).mean())
              / weights.bound, weights.n, each))
        for part in (d, -d)
    )  # fmt: skip
    return replace(
        found,
        lower=min(max(-1.0, rise[0] - fall[1]), found.value),
        upper=max(min(1.0, rise[1] - fall[0]), found.value),
        method="paired difference, importance weights, chernoff-hoeffding of rises and falls",
    )


def weighted_ratio(
    numerator: ArrayLike, denominator: ArrayLike, weights: PathWeights, confidence: float = 0.95,
    method: str = "ratio of means by the delta method",
) -> Estimate:  # fmt: skip
    """Ratio of two means under the world, by the delta method on (y - R x) / mean(x)."""
    check_confidence(confidence)
    y, x = _sample("numerator", numerator, weights), _sample("denominator", denominator, weights)
    bottom = _dot(weights.calibrated, x) / weights.n
    if bottom <= 0.0:
        return undetermined(weights.n, f"{method}: the denominator is zero on every path")
    ratio = _dot(weights.calibrated, y) / weights.n / bottom
    # the residual has weighted mean zero, so the ratio itself is the offset
    return _estimate((y - ratio * x) / bottom, x != 0.0, weights, confidence, method, np.abs(x), ratio)


def weighted_severity(values: ArrayLike, weights: PathWeights, confidence: float = 0.95) -> Estimate:
    """Mean of the positive values under the world: how bad it is where it happens at all."""
    x = _sample("values", values, weights)
    if (x > 0).sum() < 2:
        return undetermined(weights.n, f"severity: {(x > 0).sum()} positive paths, at least 2 needed")
    return weighted_ratio(np.maximum(x, 0.0), (x > 0).astype(np.float64), weights, confidence, "mean of positive paths")


class _Tail:
    """A weighted sample in falling order: probability of being among its k largest values, and the error of that."""

    def __init__(self, values: Floats, weights: PathWeights):
        self._weights = weights
        order = np.argsort(-values, kind="stable")
        self.value = values[order]
        w = weights.weight[order]
        self._powers, self._stratum = (w, w * w, w * w * w), weights.stratum[order]
        self._share = np.concatenate([[0.0], np.cumsum(weights.calibrated[order])]) / weights.n
        # a calibrated weight can fall below zero; a law cannot
        self._law = np.maximum.accumulate(self._share)

    def quantile_index(self, tail: float) -> int:
        """Largest k with P(k largest) <= tail, so that ``value[k]`` is the quantile of the weighted law."""
        k = int(np.searchsorted(self._law, tail * (1.0 + 1e-12), side="right")) - 1
        return min(k, self.value.size - 1)

    def interval(self, k: int, z: float) -> tuple[float, float]:
        """Interval of the probability of the k largest, at normal quantile z: `_influence` of an indicator."""
        weights, n = self._weights, self._weights.n
        stratum, count = self._stratum[:k], self._weights.sizes.size
        one, two, three = (np.bincount(stratum, power[:k], count) for power in self._powers)
        sizes = np.maximum(weights.sizes, 1.0)
        beta = float(two.sum() - one @ (weights.powers[0] / sizes)) / weights.spread if weights.spread > 0.0 else 0.0
        # moments of w (f - beta) in each stratum, f the indicator
        first = one - beta * weights.powers[0]
        second = (1 - 2 * beta) * two + beta**2 * weights.powers[1]
        third = (1 - 3 * beta + 3 * beta**2) * three - beta**3 * weights.powers[2]
        centre = first / sizes
        square = second - sizes * centre**2
        variance = float(square @ (sizes / np.maximum(sizes - 1.0, 1.0))) / n
        if variance <= 0.0:
            return float(self._share[k]), float(self._share[k])
        skewness = float((third - 3 * centre * second + 2 * sizes * centre**3).sum()) / n / variance**1.5
        ends = [
            float(self._share[k]) - math.sqrt(variance / n) * corrected_quantile(q, skewness / math.sqrt(n))
            for q in (z, -z)
        ]
        return min(ends), max(ends)


def weighted_quantiles(
    losses: ArrayLike, levels: tuple[float, ...], weights: PathWeights, confidence: float = 0.95
) -> tuple[Estimate, ...]:
    """VaR at each level: the quantile of the weighted law, its interval by inverting that of the tail probability.

    The bounds are the losses at which the skewness-corrected interval of P(L > x) stops holding 1 - level.
    ``std_error`` is half the interval over the normal quantile.  Refused below 100 effective hits beyond the estimate.
    """
    x = _losses(losses, levels, weights, confidence)
    return _quantiles(x, _Tail(x, weights), levels, weights, confidence)


def _losses(losses: ArrayLike, levels: tuple[float, ...], weights: PathWeights, confidence: float) -> Floats:
    """The sample, once everything has been checked."""
    check_confidence(confidence)
    for level in levels:
        check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    return _sample("losses", losses, weights)


def _quantiles(
    x: Floats, tail: _Tail, levels: tuple[float, ...], weights: PathWeights, confidence: float
) -> tuple[Estimate, ...]:
    z = float(ndtri(0.5 + 0.5 * confidence))
    out = []
    for level in levels:
        p = 1.0 - level
        k = tail.quantile_index(p)
        value = float(tail.value[k])
        hits, note = effective_hits(x > value, weights, x)
        if hits < MINIMUM_TAIL_HITS:
            moments = Influence(weights.n, hits, hits, math.nan, 0.0)
            out.append(asymptotic(value, moments, confidence, "weighted quantile, importance weights", note=note))
            continue
        low = _boundary(lambda j: tail.interval(j, z)[0] <= p, k, x.size - 1)  # noqa: B023 - used at once
        high = _boundary(lambda j: tail.interval(j, z)[1] < p, k, 0)  # noqa: B023
        lower, upper = float(tail.value[low]), float(tail.value[high]) if high > 0 else math.inf
        error = (upper - lower) / (2.0 * z)
        method = "weighted quantile, importance weights, interval of the tail probability inverted"
        out.append(Estimate(value, error, lower, max(value, upper), confidence, weights.n, hits, method))
    return tuple(out)


def _boundary(holds, start: int, end: int) -> int:
    """First index on the way from `start` to `end` at which ``holds`` has changed; `end` where it never does.

    Steps double until it has, then the last one is halved: what lies near costs little.
    """
    before, sign = holds(start), 1 if end > start else -1
    inside, step = start, max(1, abs(start) // 16)
    while True:
        outside = inside + sign * step
        if (end - outside) * sign <= 0:
            outside = end
        if holds(outside) != before:
            break
        if outside == end:
            return end
        inside, step = outside, 2 * step
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if holds(middle) == before:
            inside = middle
        else:
            outside = middle
    return outside


def weighted_shortfall(losses: ArrayLike, level: float, weights: PathWeights, confidence: float = 0.95) -> Estimate:
    """Expected shortfall: VaR + E[(L - VaR)+] / (1 - level) under the world, by its influence function."""
    x = _losses(losses, (level,), weights, confidence)
    return _shortfall(x, _Tail(x, weights), level, weights, confidence)


def _shortfall(x: Floats, tail: _Tail, level: float, weights: PathWeights, confidence: float) -> Estimate:
    var = float(tail.value[tail.quantile_index(1.0 - level)])
    return _estimate(np.maximum(x - var, 0.0) / (1.0 - level), x > var, weights, confidence, "tail mean", x, var)


def weighted_tails(
    losses: ArrayLike, levels: tuple[float, ...], weights: PathWeights, confidence: float = 0.95
) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...]]:
    """`weighted_quantiles` and `weighted_shortfall` at each level, from one sorting of the losses."""
    x = _losses(losses, levels, weights, confidence)
    tail = _Tail(x, weights)
    shortfalls = tuple(_shortfall(x, tail, level, weights, confidence) for level in levels)
    return _quantiles(x, tail, levels, weights, confidence), shortfalls


def weighted_exceedance(
    losses: ArrayLike, weights: PathWeights, points: int = 40, confidence: float = 0.95
) -> ExceedanceCurve:
    """P(loss > x) under the world on the grid of `riskengine.stats.exceedance.exceedance_curve`."""
    check_confidence(confidence)
    x = _sample("losses", losses, weights)
    grid = loss_grid(np.sort(x), points)
    found = [weighted_share((x > g).astype(np.float64), weights, confidence, x) for g in grid]
    hits = np.array([e.n_effective for e in found])
    lower, upper = (np.array([getattr(e, end) for e in found]) for end in ("lower", "upper"))
    probability = np.array([max(0.0, e.value) for e in found])
    return ExceedanceCurve(grid, hits, lower, upper, confidence, weights.n, probability)


def _sample(name: str, values: ArrayLike, weights: PathWeights) -> Floats:
    x = as_floats(name, values, 1)
    if x.size != weights.n:
        raise ValueError(f"{name} must hold one value per weight, got {x.size} for {weights.n}")
    return x
