"""The double-exponential jump diffusion: exponent, moments, and its cdf against routes without a Fourier integral."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from riskengine.law.fourier import FourierLaw
from riskengine.law.jump import NormalJump
from riskengine.law.kou import DoubleExponentialJump, KouLaw
from riskengine.law.merton import MertonLaw

DAY = 1.0 / 365.0
JUMP = DoubleExponentialJump(20.0, 0.4, 25.0, 18.0)
LAW = KouLaw(0.1, 0.6, (JUMP, DoubleExponentialJump(5.0, 0.2, 15.0, 8.0)), DAY)


def test_moments_of_a_jump_are_integrals_of_its_density():
    def density(y):
        up = JUMP.up_share * JUMP.eta_up * np.exp(-JUMP.eta_up * y)
        return up if y > 0 else (1 - JUMP.up_share) * JUMP.eta_down * np.exp(JUMP.eta_down * y)

    def integral(f):
        return sum(quad(lambda y: f(y) * density(y), *ends, epsabs=1e-14)[0] for ends in ((-3.0, 0.0), (0.0, 3.0)))

    found = [integral(lambda y, n=n: y**n) for n in range(1, 5)]
    np.testing.assert_allclose(JUMP.moments(), found, rtol=1e-10)
    assert JUMP.relative_mean == pytest.approx(integral(np.expm1), rel=1e-10)


def test_cumulants_in_closed_form_are_those_of_the_exponent():
    np.testing.assert_allclose(LAW.cumulants(), FourierLaw.cumulants(LAW), rtol=1e-10)
    assert LAW.scale == pytest.approx(np.sqrt(LAW.cumulants()[1]), rel=1e-15)


def test_growth_rate_is_kept():
    assert LAW.expectation() == pytest.approx(np.exp(0.1 * DAY), rel=1e-15)
    assert float(LAW.lower_expectation(10.0)) == pytest.approx(np.exp(0.1 * DAY), rel=1e-12)


def test_cdf_by_conditioning_on_the_jumps():
    """Given one or two jumps the jump part has a density in closed form; three are rarer than 2e-13."""
    rate, up, eta_up, eta_down = 1e-4, 0.4, 25.0, 18.0
    law = KouLaw(0.0, 0.5, (DoubleExponentialJump(rate / DAY, up, eta_up, eta_down),), DAY)
    sd = 0.5 * np.sqrt(DAY)
    mean = -0.5 * sd * sd - rate * (up / (eta_up - 1) - (1 - up) / (eta_down + 1))

    def one(y):
        return up * eta_up * np.exp(-eta_up * y) if y > 0 else (1 - up) * eta_down * np.exp(eta_down * y)

    def two(y):
        same = up**2 * eta_up**2 if y > 0 else (1 - up) ** 2 * eta_down**2
        # an up-jump less a down-jump: whichever is larger leaves an exponential remainder
        mixed = 2 * up * (1 - up) * eta_up * eta_down / (eta_up + eta_down)
        return (same * abs(y) + mixed) * np.exp(-eta_up * y if y > 0 else eta_down * y)

    for x in (-0.3, -0.08, -0.02, 0.01, 0.1):
        total = ndtr((x - mean) / sd)
        for weight, density in ((rate, one), (0.5 * rate**2, two)):
            parts = [
                quad(lambda y, f=density, x=x: f(y) * ndtr((x - mean - y) / sd), *ends, epsabs=1e-13, limit=400)[0]
                for ends in ((-3.0, -0.4), (-0.4, 0.0), (0.0, 0.4), (0.4, 3.0))
            ]
            total += weight * sum(parts)
        exact = total * np.exp(-rate)
        assert float(law.cdf(x)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("horizon", [1.0 / 8760.0, DAY, 30.0 * DAY, 2.0])
def test_two_inversions_agree(horizon):
    law = KouLaw(0.1, 0.6, LAW.jumps, horizon)
    x = law.cumulants()[0] + law.scale * np.array([-6.0, -2.0, -0.3, 0.0, 0.5, 3.0])
    np.testing.assert_allclose(law.checked_cdf(x), law.cdf(x), atol=1e-15)


def test_moments_end_with_the_strip():
    law = LAW
    assert law.strip == (-8.0, 15.0)
    s = np.array([-8.1, -8.0, -7.9, 0.0, 14.9, 15.0, 15.1])
    np.testing.assert_array_equal(np.isinf(law.log_mgf(s)), [True, True, False, False, False, True, True])
    one_sided = KouLaw(0.0, 0.5, (DoubleExponentialJump(5.0, 0.0, 2.0, 9.0),), DAY)
    assert one_sided.strip == (-9.0, np.inf)
    assert np.isfinite(one_sided.log_mgf(50.0))
    assert KouLaw(0.0, 0.5, (DoubleExponentialJump(0.0, 0.5, 2.0, 9.0),), DAY).strip == (-np.inf, np.inf)


def test_tail_is_exponential_with_the_rate_of_the_jumps():
    """P(X < -y) falls by e^{-eta_down} per unit: far out, one jump makes the loss."""
    law = KouLaw(0.0, 0.5, (JUMP,), DAY)
    below = law.cdf(np.array([-0.35, -0.45]))
    assert np.log(below[0] / below[1]) / 0.1 == pytest.approx(JUMP.eta_down, rel=0.02)
    normal = MertonLaw(0.0, 0.5, (NormalJump(20.0, JUMP.moments()[0], np.sqrt(JUMP.moments()[1])),), DAY)
    assert below[1] > 20 * normal.cdf(-0.45)


def test_rare_and_large_jumps_have_a_window():
    """Moments end far below 1 / scale, where the Chernoff bound starts to look for its exponent."""
    law = KouLaw(0.0, 0.05, (DoubleExponentialJump(1e-2, 0.5, 3.0, 2.0),), 1.0 / 8760.0)
    assert 2.0 < 0.02 / law.scale
    x = np.array([-0.5, -0.001, 0.0, 0.001])
    found = law.checked_cdf(x)
    # far out: one jump in the hour, twice as far as the diffusion can reach
    assert found[0] == pytest.approx(1e-2 / 8760.0 * 0.5 * np.exp(-2.0 * 0.5), rel=1e-3)


def test_without_jumps_it_is_the_lognormal():
    law, normal = KouLaw(0.05, 0.4, (), 0.5), MertonLaw(0.05, 0.4, (), 0.5)
    x = np.array([-0.9, -0.2, 0.1, 0.6])
    np.testing.assert_allclose(law.cdf(x), normal.cdf(x), atol=1e-14)
    assert law.largest_jump == 0.0
    np.testing.assert_allclose(law.quantile([0.001, 0.5]), normal.quantile([0.001, 0.5]), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((-1.0, 0.5, 2.0, 1.0), "intensity"),
        ((1.0, 1.5, 2.0, 1.0), "up_share"),
        ((1.0, 0.5, 1.0, 1.0), "eta_up"),
        ((1.0, 0.5, 2.0, 0.0), "eta_down"),
    ],
)
def test_jump_refuses(values, name):
    with pytest.raises(ValueError, match=f"{name} must lie in"):
        DoubleExponentialJump(*values)


@pytest.mark.parametrize("change", [{"sigma": 0.0}, {"horizon": 0.0}, {"drift": 1e3}])
def test_law_refuses(change):
    arguments = {"drift": 0.0, "sigma": 0.5, "jumps": (), "horizon": 1.0} | change
    with pytest.raises(ValueError, match=f"{next(iter(change))} must lie in"):
        KouLaw(**arguments)
