"""Paths given how many jumps they have: probability of a range of counts, and draws of the counts by inversion.

The jump clocks of a world are independent Poisson clocks of constant rate, so over a time in which L_c arrivals of
clock c are expected

    N = sum of arrivals ~ Poisson(L),  L = sum L_c;      given N, each arrival is of clock c with probability L_c / L,

at independent uniform times (`riskengine.scenario.tilting.given_time` draws them in order).  What is drawn is a pure
function of (seed, path): the uniform of step 0 gives the count, that of step j the clock of arrival j.  Reference:
Glasserman, Monte Carlo Methods in Financial Engineering (2004), sections 3.5.1 and 4.3.
"""

import numpy as np
from scipy.special import gammaln

from riskengine.arrays import Floats, Ints
from riskengine.random import DrawKeys, Purpose, fill_uniforms


def count_probabilities(expected: float, low: int, high: float) -> Floats:
    """P(N = low), P(N = low + 1), ... up to `high`, or to where what is left is lost in float64; N ~ Poisson.

    Parameters
    ----------
    expected : float
        Expected number of arrivals; 0 has no count but 0.
    low : int
    high : float
        inf for no upper end.
    """
    middle = max(float(low), expected)
    last = int(min(high, np.ceil(middle + 10.0 * np.sqrt(middle) + 40.0)))
    counts = np.arange(low, last + 1)
    if expected == 0.0:
        return (counts == 0).astype(np.float64)
    return np.exp(counts * np.log(expected) - expected - gammaln(counts + 1.0))


def draw_counts(
    expected: Floats, low: Floats, high: Floats, component: Ints, first_path: int, keys: DrawKeys
) -> Floats:
    """Arrivals of each clock of paths that are given a range of their sum, shape (clocks, P).

    Parameters
    ----------
    expected : ndarray, shape (C, clocks)
        Expected arrivals under each component of a mixture.
    low, high : ndarray, shape (C,)
        Range that each component gives the sum; `high` may be inf.
    component : ndarray of int, shape (P,)
        Of paths ``first_path`` on.
    first_path : int
    keys : DrawKeys
    """
    k0, k1 = keys.words()
    uniform = np.empty(component.size)
    fill_uniforms(uniform, first_path, 0, int(Purpose.JUMP_COUNT), 0, k0, k1)
    total = np.zeros(component.size, dtype=np.int64)
    for c in np.unique(component):
        here = component == c
        chance = np.cumsum(count_probabilities(float(expected[c].sum()), int(low[c]), float(high[c])))
        found = np.searchsorted(chance, uniform[here] * chance[-1], side="right")
        total[here] = int(low[c]) + np.minimum(found, chance.size - 1)
    out = np.zeros((expected.shape[1], component.size))
    ringing = np.flatnonzero((expected > 0.0).any(axis=0))
    if ringing.size == 1:
        out[ringing[0]] = total
        return out
    share = np.cumsum(expected, axis=1)
    limit = (share / np.maximum(share[:, -1:], 1e-300))[component].T
    for arrival in range(1, int(total.max(initial=0)) + 1):
        fill_uniforms(uniform, first_path, arrival, int(Purpose.JUMP_COUNT), 0, k0, k1)
        clock = (uniform >= limit[:-1]).sum(axis=0)
        here = np.flatnonzero(total >= arrival)
        out[clock[here], here] += 1.0
    return out
