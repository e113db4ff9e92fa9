"""Exact sign-flip test of paired counts: does one model fail oftener than another on the same days?

Given the sizes |d_t| of the daily differences of two counts, under the hypothesis that neither model fails oftener
every difference has either sign with probability 1/2, independently between days; the law of their sum follows by
convolution.  With differences of one it is McNemar's exact test.  Fisher, The Design of Experiments (1935), section 21.
"""

import numpy as np
from numpy.typing import ArrayLike


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided exact p-value of the sum of whole-number differences (n,); 1 where all are zero.

    Examples
    --------
    >>> sign_flip_p([1, 1, 1, 0, 1])
    0.125
    """
    d = np.asarray(differences)
    if d.ndim != 1 or not np.equal(d, np.round(d)).all():
        raise ValueError(f"differences must be a series of whole numbers, got shape {d.shape}")
    sizes = np.abs(d[d != 0]).astype(np.int64)
    total = int(sizes.sum())
    law = np.zeros(2 * total + 1)  # of the sum, from -total to total
    law[total] = 1.0
    for size in sizes:
        # no index leaves the array: the partial sum so far is at most the total less this size
        law = 0.5 * (np.roll(law, size) + np.roll(law, -size))
    reach = np.abs(np.arange(-total, total + 1)) >= abs(int(d.sum()))
    return min(1.0, float(law[reach].sum()))
