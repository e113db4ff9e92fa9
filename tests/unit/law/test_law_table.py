"""Tables of laws by Fourier inversion: the stated error, and lanes that read them."""

import numpy as np
import pytest

from riskengine.law.inversion import CosSeries
from riskengine.law.kou import DoubleExponentialJump, KouLaw
from riskengine.law.lanes import StatelessLanes, lanes
from riskengine.law.table import SERIES_ERROR, TabulatedCdf

LAW = KouLaw(0.0, 0.6, (DoubleExponentialJump(20.0, 0.4, 25.0, 18.0),), 1.0 / 365.0)
SERIES = LAW.tilted(0.0)[0]


def test_nodes_are_the_series_and_between_them_the_error_is_bounded():
    table = TabulatedCdf.of_series(SERIES)
    x = table.low + table.step * np.linspace(0.0, table.value.size - 1.0, 7919)
    # nodes and points carry the rounding of 400 terms each
    np.testing.assert_allclose(table.cdf(x), SERIES.cdf(x), rtol=0, atol=SERIES_ERROR + 4e-14)
    at = table.low + table.step * np.arange(table.value.size)
    np.testing.assert_allclose(table.value, SERIES.cdf(at), atol=4e-14)
    np.testing.assert_allclose(table.first, table.step * SERIES.pdf(at), atol=1e-13)


def test_error_bound_is_that_of_the_interpolation():
    """A series of a few terms leaves no room for anything else; a grid eight times coarser misses by 8^6 times more."""
    u = np.arange(40) * (np.pi / 4.0)
    short = CosSeries(-2.0, 2.0, u, np.exp(-0.02 * u * u) / 2.0 * np.cos(2.0 * u) * np.where(u == 0, 0.5, 1.0))
    fine = TabulatedCdf.of_series(short)
    skip = slice(None, None, 8)
    assert (fine.value.size - 1) % 8 == 0
    coarse = TabulatedCdf(fine.low, 8 * fine.step, fine.value[skip], 8 * fine.first[skip], 64 * fine.second[skip])
    x = np.linspace(-1.9, 1.9, 20_001)
    bound = (8 * fine.step) ** 6 / 46080 * (np.abs(short.coefficient) * u**5).sum()
    error = np.abs(coarse.cdf(x) - short.cdf(x)).max()
    assert 0.05 * bound < error <= bound + 1e-14
    assert np.abs(fine.cdf(x) - short.cdf(x)).max() <= 2 * SERIES_ERROR


def test_beyond_the_window():
    table = TabulatedCdf.of_series(SERIES)
    np.testing.assert_array_equal(table.cdf(np.array([-9.0, 9.0, -np.inf, np.inf])), [0.0, 1.0, 0.0, 1.0])


def test_a_table_too_large_is_not_built_and_the_law_answers(monkeypatch):
    monkeypatch.setattr("riskengine.law.table._MAX_SERIES_NODES", 1000)
    assert TabulatedCdf.of_series(SERIES) is None
    x = np.array([-0.1, 0.02])
    many = StatelessLanes(LAW)
    np.testing.assert_array_equal(many.cdf(x, np.zeros(2)), LAW.cdf(x))
    np.testing.assert_array_equal(many.lower_expectation(x, np.zeros(2)), LAW.lower_expectation(x))


@pytest.mark.parametrize("power", [1.0, -1.0])
def test_lanes_answer_as_the_law(power):
    many = lanes(LAW)
    assert isinstance(many, StatelessLanes)
    p = np.array([1e-3, 0.01, 0.5, 0.99])
    v = np.zeros(3)
    q = many.quantile(p, v)
    assert q.shape == (4, 3)
    np.testing.assert_allclose(many.cdf(q, v), np.repeat(p[:, None], 3, axis=1), rtol=1e-10)
    np.testing.assert_allclose(many.lower_expectation(q, v, power), LAW.lower_expectation(q, power), rtol=1e-10)
    np.testing.assert_allclose(many.expectation(v, power), [LAW.expectation(power)] * 3, rtol=1e-14)
