"""References: figures for which no closed form exists, from independent replicates, each with its standard error."""

import math

import numpy as np
from scipy.special import stdtrit

from riskengine.arrays import Floats
from riskengine.estimate import Estimate


def replicated(values: Floats, n: int, confidence: float = 0.95) -> Estimate:
    """Mean of independent, equally distributed replicates with the t interval of their spread.

    Parameters
    ----------
    values : ndarray, shape (R,)
        One figure a replicate, R >= 2.
    n : int
        Points behind all of them together.
    confidence : float
    """
    values = np.asarray(values, dtype=np.float64)
    count = values.size
    if count < 2:
        raise ValueError(f"replicates must be at least 2, got {count}")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(count)
    half = float(stdtrit(count - 1, 0.5 * (1.0 + confidence))) * error
    return Estimate(
        mean, error, mean - half, mean + half, confidence, n, float(count), f"reference, {count} replicates, t"
    )
