"""What power is stated against beside a verdict: the same alternatives for every test, so that verdicts compare.

    too many     independent breaches, `multiple` times as frequent as promised
    too few      independent breaches, promised as many times as they are frequent: for tests of too much margin
    clusters     as frequent as promised, a stated share of them followed by another the next day

Power is that of one test by itself at the significance it is read at, before any adjustment for their number.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.lanes import BreachLanes
from riskengine.estimate import Estimate, exact
from riskengine.stats.proportion import clopper_pearson

MULTIPLE, SHARE, HISTORIES = 2.0, 0.2, 2_000
_OF_CLUSTERS = ("christoffersen_independence",)  # tests that do not look at the rate


@dataclass(frozen=True)
class Power:
    """What one test can see.

    Attributes
    ----------
    rate : Estimate
        Probability of rejection where breaches are too many, or too few for a test of that; `method` says which.
    clusters : Estimate, optional
        Where they cluster.
    size : Estimate, optional
        Where the forecasts are right.
    """

    rate: Estimate
    clusters: Estimate | None = None
    size: Estimate | None = None

    def beside(self, test: str) -> Estimate:
        """What stands beside the verdict of a test: against clusters for one that does not look at the rate."""
        return self.clusters if test in _OF_CLUSTERS and self.clusters is not None else self.rate


def _sparse(n: int, depth: int, gaps) -> BreachLanes:
    """Histories of `n` days from gaps between breaches, drawn `depth` at a time until all are past the end."""
    at = np.cumsum(gaps(depth), axis=0) - 1
    while at[-1].min() < n:
        at = np.concatenate([at, at[-1] + np.cumsum(gaps(depth), axis=0)])
    deep = max(int((at < n).sum(axis=0).max()), 1)
    none = np.full((deep, at.shape[1]), np.nan)
    return BreachLanes(n, at[:deep], none, none)


def independent(n: int, rate: float, histories: int, random: np.random.Generator) -> BreachLanes:
    """Histories of independent breaches."""
    depth = int(n * rate + 6.0 * np.sqrt(n * rate) + 8.0)
    return _sparse(n, depth, lambda d: random.geometric(rate, (d, histories)))


def clustered(n: int, rate: float, share: float, histories: int, random: np.random.Generator) -> BreachLanes:
    """Histories of a Markov chain: a breach follows a breach with probability `share`, and the rate is `rate`."""
    quiet = rate * (1.0 - share) / (1.0 - rate)
    depth = int(n * rate + 8.0 * np.sqrt(n * rate) + 8.0)

    def gaps(d: int) -> np.ndarray:
        return np.where(random.random((d, histories)) < share, 1, 1 + random.geometric(quiet, (d, histories)))

    return _sparse(n, depth, gaps)


def multiplied(p: float, multiple: float) -> float:
    """Breach rate of the alternative, at most one half."""
    return min(multiple * p, 0.5)


def stated(multiple: float, how: str = "simulated") -> str:
    """The alternative in words: the method of a power."""
    return f"{how}, against {multiple:.3g} times the promised rate"


def breach_power(
    p_values: Callable[[BreachLanes], dict[str, Floats]], n: int, p: float, level: float, random: np.random.Generator,
    multiple: float = MULTIPLE, share: float = SHARE, too_few: tuple[str, ...] = (), confidence: float = 0.95,
    by_count: dict[str, Floats] | None = None,
) -> dict[str, Power]:  # fmt: skip
    """Power of tests that read the days of breaches alone.

    Parameters
    ----------
    p_values : callable
        Histories -> p-values of each test, (P,).
    n : int
    p : float
        Promised breach rate.
    level : float
        Significance of one test.
    random : Generator
    multiple, share : float
    too_few : tuple of str
        Tests whose alternative is too few breaches.
    confidence : float
    by_count : dict of str to ndarray, shape (n + 1,), optional
        p-value of every possible count, for tests of the count: their power against too many is a sum.
    """
    from riskengine.backtest.binomial import binomial_log_pmf

    other = multiplied(p, multiple)

    def shares(b: BreachLanes) -> dict[str, Estimate]:
        found = p_values(b) | {test: table[b.count] for test, table in (by_count or {}).items()}
        return {t: clopper_pearson(int((v <= level).sum()), v.size, confidence) for t, v in found.items()}

    many = shares(independent(n, other, HISTORIES, random))
    clusters = shares(clustered(n, p, share, HISTORIES, random))
    few = shares(independent(n, p / multiple, HISTORIES, random)) if too_few else {}
    out = {}
    for test, value in many.items():
        against = 1.0 / multiple if test in too_few else other / p
        rate = replace(few[test] if test in too_few else value, method=stated(against))
        if by_count is not None and test in by_count:
            weight = np.exp(binomial_log_pmf(np.arange(n + 1), n, other))
            rate = exact(float(weight[by_count[test] <= level].sum()), stated(against, "exact by enumeration"))
        out[test] = Power(rate, replace(clusters[test], method=f"simulated, {share:.0%} of breaches followed"))
    return out
