"""What inner noise does to a tail: nested simulation overstates it.

A loss L known only as the mean of N inner draws, each with noise of variance eta^2, has a tail that is too fat.  To
first order in 1/N (Gordy, Juneja 2010, proposition 1, constant noise)
    P(L + noise > u) - P(L > u) = -eta^2 f'(u) / (2 N),
positive in a falling tail.  For a normal L the whole of it is P(L > u / sqrt(1 + eta^2 / N)).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from riskengine.arrays import Floats


def nested_bias(density_slope: ArrayLike, noise_sd: float, inner: int) -> Floats:
    """First-order bias of a tail probability estimated with `inner` draws a scenario.

    Parameters
    ----------
    density_slope : array_like
        f'(u): derivative of the density of the loss at the threshold; `MertonLaw.pdf_slope` has it for log-returns.
    noise_sd : float
        eta: standard deviation of one inner draw.
    inner : int
        N, at least 1.
    """
    if inner < 1 or not noise_sd >= 0:
        raise ValueError(f"inner must be at least 1 and noise_sd not negative, got {inner} and {noise_sd!r}")
    return -0.5 * noise_sd**2 / inner * np.asarray(density_slope, dtype=np.float64)


def nested_normal_tail(threshold: ArrayLike, noise_sd: float, inner: int) -> Floats:
    """P(L + noise > threshold) of a standard normal loss with normal noise, exactly; shape of `threshold`."""
    if inner < 1 or not noise_sd >= 0:
        raise ValueError(f"inner must be at least 1 and noise_sd not negative, got {inner} and {noise_sd!r}")
    return ndtr(-np.asarray(threshold, dtype=np.float64) / np.sqrt(1.0 + noise_sd**2 / inner))
