"""The exact sign-flip test against every sign, and against the binomial."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from riskengine.backtest.sign_flip import sign_flip_p


@pytest.mark.parametrize("differences", [[3, -1, 2, 0, 1], [5, 1, 1, 1], [0, 0], [-2, -2, 1, 4, -1, 3]])
def test_every_sign_by_hand(differences):
    d = np.array(differences)
    sums = [abs(sum(s * x for s, x in zip(signs, np.abs(d), strict=True))) for signs in product((-1, 1), repeat=d.size)]
    assert sign_flip_p(d) == pytest.approx(np.mean(np.array(sums) >= abs(d.sum())))


def test_differences_of_one_are_mcnemars_test():
    d = np.array([1] * 9 + [-1] * 3 + [0] * 20)
    assert sign_flip_p(d) == pytest.approx(binomtest(9, 12).pvalue)


def test_only_whole_numbers():
    with pytest.raises(ValueError, match="whole numbers"):
        sign_flip_p([0.5, 1.0])
