"""Fixtures of the scenario tests."""

from contextlib import contextmanager

import numpy as np
import pytest

from riskengine import random
from riskengine.scenario import clock, lanes, lognormal, qe, qe_lane, regimes, shared_draws, superpose

SUBSTITUTES = {
    "wide_vectors": lambda: None,
    "fma": lambda a, b, c: a * b + c,
    "root": np.sqrt,
    "float_bits": lambda x: np.float64(x).view(np.int64),
    "bits_float": lambda n: np.int64(n).view(np.float64),
    # compiled on demand from a module whose intrinsics are replaced: replaced as well
    "near_two_atanh": lambda t: 2.0 * np.arctanh(t),
    "two_atanh": lambda t: 2.0 * np.arctanh(t),
    "near_top": qe_lane.near_top.py_func,
    "near_lane": qe_lane.near_lane.py_func,
    "quadratic_lane": qe_lane.quadratic_lane.py_func,
    "exponential_lane": qe_lane.exponential_lane.py_func,
    # called from Python it returns Python's integers, which no unsigned argument takes
    "draw": lambda *key: tuple(np.uint64(word) for word in random.draw(*key)),
}


@pytest.fixture
def plain():
    """A context in which the plain-Python form of a kernel can run: intrinsics it names are replaced by numpy.

    Only around the plain run: whatever is compiled inside would see the substitutes.
    """

    @contextmanager
    def context():
        with pytest.MonkeyPatch.context() as patch:
            for module in (clock, lanes, lognormal, qe, qe_lane, regimes, shared_draws, superpose):
                for name, function in SUBSTITUTES.items():
                    if hasattr(module, name):
                        patch.setattr(module, name, function)
            yield

    return context
