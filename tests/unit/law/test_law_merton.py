"""Jumps, the Merton mixture and its table."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from riskengine.law.jump import NormalJump, compensator, jump_cumulants, jump_exponent
from riskengine.law.merton import MertonLaw
from riskengine.law.table import TabulatedCdf

DAY = 1.0 / 365.0
LAW = MertonLaw(0.1, 0.6, (NormalJump(30.0, -0.02, 0.06), NormalJump(100.0, 0.005, 0.02)), DAY)


def test_relative_mean_is_not_the_log_mean():
    jump = NormalJump(1.0, np.log(0.88) - 0.5 * 0.15**2, 0.15)
    assert jump.relative_mean == pytest.approx(-0.12, abs=1e-15)
    assert compensator((jump, jump)) == pytest.approx(-0.24, abs=1e-15)


def test_jump_cumulants_are_derivatives_of_the_exponent():
    jumps = (NormalJump(30.0, -0.02, 0.06), NormalJump(7.0, 0.1, 0.0))
    z = np.exp(2j * np.pi * np.arange(32) / 32)
    coefficient = np.fft.fft(jump_exponent(z, jumps)).real / 32
    np.testing.assert_allclose(jump_cumulants(jumps), coefficient[1:5] * [1, 2, 6, 24], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("intensity", (-1.0, 0.0, 0.1)),
        ("mean", (1.0, float("nan"), 0.1)),
        ("sd", (1.0, 0.0, -0.1)),
    ],
)
def test_jump_refuses(field, values):
    with pytest.raises(ValueError, match=f"{field} must lie in"):
        NormalJump(*values)


@pytest.mark.parametrize(("field", "change"), [("sigma", {"sigma": 0.0}), ("horizon", {"horizon": 0.0})])
def test_merton_refuses(field, change):
    arguments = {"drift": 0.0, "sigma": 0.5, "jumps": (), "horizon": 1.0} | change
    with pytest.raises(ValueError, match=f"{field} must lie in"):
        MertonLaw(**arguments)


def test_without_jumps_it_is_the_lognormal():
    law = MertonLaw(0.05, 0.4, (), 0.5)
    mean, sd = (0.05 - 0.08) * 0.5, 0.4 * np.sqrt(0.5)
    x = np.array([-1.0, 0.0, 0.7])
    np.testing.assert_allclose(law.cdf(x), ndtr((x - mean) / sd), rtol=1e-14)
    np.testing.assert_allclose(law.quantile([0.01, 0.5]), mean + sd * ndtri([0.01, 0.5]), atol=1e-14)


def test_martingale_in_the_growth_rate():
    assert LAW.expectation(1.0) == pytest.approx(np.exp(0.1 * DAY), rel=1e-14)
    assert complex(LAW.characteristic(-1j)) == pytest.approx(np.exp(0.1 * DAY), rel=1e-14)
    assert float(LAW.lower_expectation(50.0)) == pytest.approx(np.exp(0.1 * DAY), rel=1e-13)


def test_two_components_of_one_size_are_one():
    split = MertonLaw(0.0, 0.5, (NormalJump(10.0, -0.02, 0.05), NormalJump(20.0, -0.02, 0.05)), DAY)
    whole = MertonLaw(0.0, 0.5, (NormalJump(30.0, -0.02, 0.05),), DAY)
    x = np.linspace(-0.3, 0.3, 7)
    np.testing.assert_allclose(split.cdf(x), whole.cdf(x), rtol=1e-13)


def test_quantile_inverts_and_survival_complements():
    p = np.array([1e-9, 1e-4, 0.01, 0.5, 0.99, 0.9999])
    x = LAW.quantile(p)
    np.testing.assert_allclose(LAW.cdf(x), p, rtol=1e-11)
    np.testing.assert_allclose(LAW.survival(x), 1 - p, rtol=1e-9)
    assert LAW.quantile(0.5).shape == ()
    with pytest.raises(ValueError, match=r"probability must lie in \(0, 1\)"):
        LAW.quantile([0.5, 1.0])


def test_density_slope_and_partial_moments_by_quadrature():
    # Gauss-Legendre on panels of a hundredth: the error is that of rounding
    node, weight = np.polynomial.legendre.leggauss(20)
    edge = np.linspace(-1.0, 1.0, 201)
    x = (0.5 * (edge[1:] + edge[:-1]))[:, None] + 0.005 * node
    density = LAW.pdf(x)
    assert 0.005 * (density @ weight).sum() == pytest.approx(1.0, abs=1e-12)
    at = LAW.pdf(edge)
    np.testing.assert_allclose(0.005 * LAW.pdf_slope(x) @ weight, np.diff(at), rtol=0, atol=1e-12 * at.max())
    for power in (1.0, -1.0, 2.0):
        total = 0.005 * np.cumsum((np.exp(power * x) * density) @ weight)
        np.testing.assert_allclose(LAW.lower_expectation(edge[80:], power), total[79:], rtol=1e-11)


def test_table_keeps_relative_accuracy_in_the_tails():
    table = TabulatedCdf.build(LAW)
    x = np.random.default_rng(1).uniform(-0.8, 0.6, (3, 400))
    np.testing.assert_allclose(table.cdf(x), LAW.cdf(x), rtol=1e-12, atol=1e-17)
    np.testing.assert_array_equal(table.cdf(np.array([-np.inf, np.inf])), [0.0, 1.0])


def test_table_is_refused_where_it_would_be_huge():
    assert TabulatedCdf.build(MertonLaw(0.0, 1e-5, (NormalJump(50.0, 0.0, 0.5),), DAY)) is None
