"""Quadratic forms against chi-squares, double integrals and the normal limit; nested bias in a Merton tail."""

import numpy as np
import pytest
from scipy.special import chdtrc, ndtr
from scipy.stats import ncx2

from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.nested import nested_bias, nested_normal_tail
from riskengine.law.quadratic_form import QuadraticForm


@pytest.mark.parametrize("df", [1, 2, 5, 20])
def test_equal_weights_are_chi_square(df):
    form = QuadraticForm(0.0, (0.0,) * df, (2.0,) * df)
    x = df + np.sqrt(2 * df) * np.array([-0.5, 0.0, 1.0, 4.0, 12.0])
    x = x[x > 0]
    np.testing.assert_allclose(form.upper_tail(x), chdtrc(df, x), rtol=1e-9)
    np.testing.assert_allclose(form.lower_tail(x), 1 - chdtrc(df, x), rtol=1e-9)
    assert form.upper_tail(-1.0) == 1.0 and form.lower_tail(-1.0) == 0.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_delta_shifts_the_square(sign):
    # delta Z + gamma Z^2 / 2 = gamma/2 (Z + delta/gamma)^2 - delta^2 / (2 gamma): noncentral chi-square
    delta, gamma = 0.7, 0.4
    form = QuadraticForm(sign * 0.1, (sign * delta,), (sign * gamma,))
    x = np.array([-0.4, 0.5, 2.0, 5.0])
    shifted = (x - 0.1 + 0.5 * delta**2 / gamma) / (0.5 * gamma)
    upper = ncx2.sf(shifted, 1, (delta / gamma) ** 2)
    found = form.upper_tail(x) if sign > 0 else form.lower_tail(-x)
    np.testing.assert_allclose(found, upper, rtol=1e-8)


def test_mixed_signs_by_double_integral():
    # a Z1^2 - b Z2^2: integrate the chi-square tail of the first over the second
    form = QuadraticForm(0.0, (0.0, 0.0), (2.0, -1.0))
    node, weight = np.polynomial.hermite_e.hermegauss(120)
    for x in (0.8, 3.0):
        expected = weight @ chdtrc(1, x + 0.5 * node**2) / np.sqrt(2 * np.pi)
        assert form.upper_tail(x) == pytest.approx(expected, rel=1e-9)
    # below zero the tail of the second is integrated over the first
    expected = weight @ chdtrc(1, 2.0 * (1.0 + node**2)) / np.sqrt(2 * np.pi)
    assert form.lower_tail(-1.0) == pytest.approx(expected, rel=1e-9)


def test_purely_linear_directions():
    form = QuadraticForm(0.2, (0.3, 0.4), (0.0, 0.0))
    x = np.array([-2.0, 0.2, 1.5, 3.0])
    np.testing.assert_allclose(form.upper_tail(x), ndtr((0.2 - x) / 0.5), rtol=1e-10)
    half = QuadraticForm(0.0, (0.5, 0.0), (0.0, 0.6))
    node, weight = np.polynomial.hermite_e.hermegauss(100)
    expected = weight @ ndtr(-(1.0 - 0.3 * node**2) / 0.5) / np.sqrt(2 * np.pi)
    assert half.upper_tail(1.0) == pytest.approx(expected, rel=1e-9)


def test_bad_forms_are_named():
    with pytest.raises(ValueError, match="delta and gamma must be of one length"):
        QuadraticForm(0.0, (1.0,), (1.0, 2.0))
    with pytest.raises(ValueError, match="not all of delta and gamma zero"):
        QuadraticForm(0.0, (0.0,), (0.0,))


def test_nested_bias_in_a_merton_tail():
    # noise of a small variance is one more diffusion: the exact tail is that of a law with more volatility
    law = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
    x, noise, inner = law.quantile(0.01), 0.05, 400
    mean = law.drift - 0.5 * law.sigma**2
    sigma = np.sqrt(law.sigma**2 + noise**2 / inner / law.horizon)
    noisy = MertonLaw(mean + 0.5 * sigma**2, float(sigma), law.jumps, law.horizon)
    # the loss is -X: its density at -x has the slope -f'(x)
    found = float(nested_bias(-law.pdf_slope(x), noise, inner))
    assert float(noisy.cdf(x) - law.cdf(x)) == pytest.approx(found, rel=0.01)
    assert nested_normal_tail(1.0, 0.0, 1) == pytest.approx(ndtr(-1.0))
    for call in (lambda: nested_bias(1.0, 0.1, 0), lambda: nested_normal_tail(1.0, -0.1, 5)):
        with pytest.raises(ValueError, match="inner must be at least 1 and noise_sd not negative"):
            call()
