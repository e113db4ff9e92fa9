"""`TestResult`: a statistic with its p-value, and how the p-value was made."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats


@dataclass(frozen=True)
class TestResult:
    """Result of one test.

    Attributes
    ----------
    statistic : float
        NaN where the data cannot form it; the p-value is then 1 and `method` says why.
    p_value : float
        Probability, under the hypothesis that the forecasts are right, of a statistic at least as extreme.
    method : str
        ``asymptotic chi-squared(2)``, ``simulated, 9,999 draws`` ...
    n : int
        Windows behind it.
    """

    __test__ = False  # pytest takes classes of this name for tests

    statistic: float
    p_value: float
    method: str
    n: int


def undefined(n: int, why: str) -> TestResult:
    """A test that these data cannot form: nothing is rejected."""
    return TestResult(float("nan"), 1.0, why, n)


def simulated_p_value(
    statistic: float, draw: Callable[[np.random.Generator], float], replicates: int, seed: int
) -> tuple[float, str]:
    """Monte Carlo p-value of a statistic that is large under the alternative (Dufour 2006), and its method.

    Ranks the statistic among `replicates` draws under the null, ties broken by a uniform: rejecting at level k / (N +
    1) has exactly that size whatever the sample, however the statistic is distributed.
    """
    if replicates < 99:
        raise ValueError(f"replicates must be at least 99, got {replicates}")
    random = np.random.default_rng(seed)
    drawn = np.array([draw(random) for _ in range(replicates)])
    return ranked_p_value(statistic, drawn, random)


def ranked_p_value(statistic: float, drawn: Floats, random: np.random.Generator) -> tuple[float, str]:
    """Monte Carlo p-value from draws (N,) of the statistic under the null, ties broken by `random`, and its method."""
    ties = random.random(drawn.size + 1)
    above = int((drawn > statistic).sum() + ((drawn == statistic) & (ties[1:] > ties[0])).sum())
    return (above + 1.0) / (drawn.size + 1.0), f"simulated, {drawn.size:,} draws"


def breach_series(breaches: object) -> Floats:
    """`breaches` as a series of zeros and ones; ValueError where it is none."""
    b = np.asarray(breaches, dtype=np.float64)
    if b.ndim != 1 or b.size < 2 or not np.isin(b, (0.0, 1.0)).all():
        raise ValueError(f"breaches must be a series of at least two zeros and ones, got shape {b.shape}")
    return b
