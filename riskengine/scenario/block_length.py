"""Expected block length of the stationary bootstrap, chosen from the data.

    b = (2 G^2 / D)^(1/3) N^(1/3),   G = sum_k h(k/M) |k| gamma_k,   D = 2 (sum_k h(k/M) gamma_k)^2

with the flat-top window h(x) = min(1, 2 (1 - |x|)) and M twice the lag after which a run of autocorrelations is
insignificant.  References: Politis and White, Econometric Reviews 23 (2004), 53-70; corrected constants of Patton,
Politis and White, same journal 28 (2009), 372-375.
"""

import math

import numpy as np

from riskengine.arrays import Floats


def stationary_block_length(values: Floats) -> float:
    """Block length that is best for the mean of `values` (N,), in steps; at least 1.

    Capped at min(3 sqrt N, N / 3), as the authors do: a series with long memory reaches the cap.

    Raises
    ------
    ValueError
        Where there are fewer than 30 values or they do not vary.
    """
    count = values.size
    if count < 30 or not np.ptp(values) > 0.0:
        raise ValueError(f"block length must be chosen from 30 or more values that vary, got {count}")
    centred = values - values.mean()
    run = max(5, int(math.log10(count)))
    longest = math.ceil(math.sqrt(count)) + run
    gamma = np.array([centred[k:] @ centred[: count - k] for k in range(longest + 1)]) / count
    energy = np.concatenate([[0.0], np.cumsum(centred * centred)])
    # each lag is normalised over the values that its products read
    lags = np.arange(1, longest + 2)
    norm = np.sqrt((energy[-1] - energy[lags]) * energy[count - lags]) / count
    small = np.abs(gamma) / norm < 2.0 * math.sqrt(math.log10(count) / count)
    quiet = next((i for i in range(longest - run + 1) if small[i : i + run].all()), None)
    lag = longest if quiet is None else min(2 * max(quiet, 1), longest)
    k = np.arange(1, lag + 1)
    weight = np.minimum(1.0, 2.0 * (1.0 - k / lag))
    g = 2.0 * (weight * k * gamma[1 : lag + 1]).sum()
    d = 2.0 * (gamma[0] + 2.0 * (weight * gamma[1 : lag + 1]).sum()) ** 2
    cap = math.ceil(min(3.0 * math.sqrt(count), count / 3.0))
    return float(min(max((2.0 * g * g / d * count) ** (1.0 / 3.0), 1.0), cap))


def clustering_block_length(returns: Floats) -> float:
    """The longest of the best lengths for returns and for absolute returns over the assets, `returns` (N, A).

    Absolute returns are what carries volatility clusters; returns alone would ask for blocks of a step or two.
    """
    series = np.concatenate([returns, np.abs(returns)], axis=1)
    return max(stationary_block_length(np.ascontiguousarray(column)) for column in series.T)
