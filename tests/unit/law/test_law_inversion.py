"""The two inversion routes, and what they refuse."""

import numpy as np
import pytest
from scipy.special import ndtr

from riskengine.errors import RunError
from riskengine.law.contour import upper_tail
from riskengine.law.inversion import CosSeries, checked_cdf, chernoff_window, frequency_limit, gil_pelaez_cdf
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.root import invert_cdf

LAW = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
CENTRE, SCALE = LAW.cumulants()[0], np.sqrt(LAW.cumulants()[1])


def test_window_holds_all_but_the_stated_tail():
    low, high = chernoff_window(LAW.log_mgf, SCALE, 1e-12)
    assert LAW.cdf(low) <= 1e-12 and LAW.survival(high) <= 1e-12
    # and is not wastefully wide: Chernoff costs a factor, not an order of magnitude of width
    assert LAW.cdf(0.75 * low) > 1e-12


def test_mixture_cos_and_gil_pelaez_agree():
    x = np.array([-0.3, -0.1, -0.05, 0.0, 0.05, 0.15])
    low, high = chernoff_window(LAW.log_mgf, SCALE)
    limit = frequency_limit(LAW.characteristic, SCALE, high - low)
    truth = LAW.cdf(x)
    cos = CosSeries.build(LAW.characteristic, (low, high), limit)
    tail = np.minimum(truth, 1 - truth)
    assert (np.abs(cos.cdf(x) - truth) <= 1e-9 * np.maximum(tail, 1e-5)).all()
    assert (np.abs(gil_pelaez_cdf(LAW.characteristic, x, CENTRE, SCALE, limit) - truth) <= 1e-9 * tail).all()
    np.testing.assert_allclose(cos.pdf(x), LAW.pdf(x), rtol=1e-9)
    np.testing.assert_array_equal(cos.cdf(np.array([-5.0, 5.0])), [0.0, 1.0])
    np.testing.assert_array_equal(cos.pdf(np.array([-5.0, 5.0])), [0.0, 0.0])


def test_too_short_a_window_is_caught():
    # six standard deviations: P(X < -0.3) is wrong by percents however many terms there are
    short = CosSeries.build(LAW.characteristic, (CENTRE - 6 * SCALE, CENTRE + 6 * SCALE), 400.0)
    assert abs(float(short.cdf(-0.2)) / float(LAW.cdf(-0.2)) - 1) > 0.01

    calm = MertonLaw(0.0, 0.3, (), 1.0 / 365.0)  # claims tails far lighter than they are
    with pytest.raises(RunError, match="must agree to 1e-09 of the tail by two routes"):
        checked_cdf(LAW.characteristic, calm.log_mgf, np.array([-0.1, 0.05]), CENTRE, SCALE)


def test_law_without_exponential_moments_is_refused():
    with pytest.raises(RunError, match="must have exponential moments"):
        chernoff_window(lambda s: np.full_like(s, np.inf), 1.0)


def test_characteristic_function_that_never_dies_is_refused():
    with pytest.raises(RunError, match="must fall below 1e-14 within"):
        frequency_limit(lambda u: 0.5 + 0.0 * u, 0.01, 1.0)


def test_root_bisects_where_newton_leaves_the_bracket():
    def cdf_pdf(x, open_):
        return ndtr(x), np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)

    p = np.array([1e-12, 0.3, 0.9])
    low, high = np.full(3, -40.0), np.full(3, 40.0)
    found = invert_cdf(cdf_pdf, p, low, high, np.full(3, 30.0), 1e-13)
    np.testing.assert_allclose(ndtr(found), p, rtol=1e-10)


def test_root_that_cannot_settle_is_reported():
    def jumpy(x, open_):
        return np.where(x < 0.5, 0.0, 1.0), np.zeros_like(x)

    with pytest.raises(RunError, match="must converge within 200 steps"):
        invert_cdf(jumpy, np.array([0.5]), np.array([-1e300]), np.array([1e300]), np.array([3.0]), 0.0)


def test_revivals_of_jumps_of_one_size_are_not_cut_off():
    # |phi| dies, and comes back at 2 pi / 0.125 = 50 with 2e-6 of its height
    law = MertonLaw(0.0, 0.0625, (NormalJump(8.0, 0.125, 0.0),), 2.72)
    x = law.quantile(np.array([1e-4, 0.1, 0.632, 0.99]))
    c1, c2 = law.cumulants()[:2]
    found = checked_cdf(law.characteristic, law.log_mgf, x, c1, np.sqrt(c2))
    np.testing.assert_allclose(found, law.cdf(x), rtol=1e-9)
    np.testing.assert_allclose(upper_tail(law, x), law.survival(x), rtol=1e-11)
