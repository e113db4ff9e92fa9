"""Law of a peg: two routes, closed-form cumulants, limits, refusals."""

import numpy as np
import pytest
from scipy.stats import gamma, norm

from riskengine.law.fourier import FourierLaw
from riskengine.law.merton import MertonLaw
from riskengine.law.peg import DeviationLaw, Dislocation, PegLaw, PegNoise, SumLaw

NOISE = (PegNoise(0.0012, 145.0), PegNoise(0.0004, 0.3))
SHOTS = (
    Dislocation(7_500.0, -0.0018, 0.3),
    Dislocation(490.0, 0.007, 0.34),
    Dislocation(0.2, -0.09, 17.0),
    Dislocation(2.0, -0.03, 24.0, 0.2),
)


@pytest.mark.parametrize("hours", [1, 4, 12, 24, 72])
def test_two_inversion_routes_agree(hours):
    law = PegLaw(NOISE, SHOTS, 0.03, hours / 8760)
    p = np.array([1e-4, 0.001, 0.01, 0.5, 0.99, 0.999, 0.9999])
    x = law.quantile(p)
    np.testing.assert_allclose(law.checked_cdf(x), p, rtol=1e-9)


@pytest.mark.parametrize("law", [PegLaw(NOISE, SHOTS, 0.03, 1 / 365), DeviationLaw(NOISE, SHOTS)])
def test_cumulants_are_those_of_the_exponent(law):
    """Closed form against Cauchy integrals of the exponent."""
    np.testing.assert_allclose(FourierLaw.cumulants(law), law.cumulants(), rtol=1e-8)


def test_noise_alone_is_normal():
    law = PegLaw((PegNoise(0.002, 6.0),), (), 0.0, 3 / 8760)
    sd = 0.002 * np.sqrt(2 * (1 - 0.5**0.5))
    x = np.array([-3.0, -1.0, 0.5]) * sd
    np.testing.assert_allclose(law.cdf(x), norm.cdf(x / sd), atol=1e-13)


def test_deviation_of_one_kind_of_shots_is_gamma():
    shot = Dislocation(3_000.0, -0.004, 6.0)
    shape = 3_000 / (np.log(2) * 8760 / 6)
    law = DeviationLaw((PegNoise(1e-6, 1.0),), (shot,))
    x = np.array([-0.002, -0.005, -0.015])
    # the noise that a density needs moves the distribution function by its variance only
    np.testing.assert_allclose(law.cdf(x), gamma.sf(-x, shape, scale=0.004), atol=1e-6)


def test_a_long_horizon_forgets_and_a_break_stays():
    shot = Dislocation(40.0, -0.01, 2.0)
    far = PegLaw(NOISE, (shot,), 0.0, 3.0)
    near = DeviationLaw(NOISE, (shot,))
    # d_T - d_0 of two independent draws: odd cumulants cancel, even ones double
    np.testing.assert_allclose(far.cumulants()[1:], [2, 0, 2] * near.cumulants()[1:], rtol=1e-6, atol=1e-18)
    broken = PegLaw(NOISE, (Dislocation(40.0, -0.01, 2.0, 1.0),), 0.0, 0.5)
    np.testing.assert_allclose(broken.cumulants()[0], -40 * 0.01 * 0.5, rtol=1e-12)
    noise = sum(n.sd**2 for n in NOISE)
    np.testing.assert_allclose(broken.expectation(1.0), np.exp(40 * 0.5 * (1 / 1.01 - 1) + noise), rtol=1e-12)


def test_sum_with_an_asset():
    """Merton without jumps plus noise is normal with the sum of the variances."""
    base, peg = MertonLaw(0.1, 0.6, (), 1 / 365), PegLaw((PegNoise(0.01, 1.0),), (), 0.02, 1 / 365)
    both = SumLaw((base, peg))
    mean, variance = (0.1 - 0.18 + 0.02) / 365, 0.36 / 365 + 2e-4 * (1 - 0.5**24)
    x = mean + np.array([-3.0, 0.0, 2.0]) * np.sqrt(variance)
    np.testing.assert_allclose(both.checked_cdf(x), norm.cdf((x - mean) / np.sqrt(variance)), atol=1e-12)


def test_moments_that_do_not_exist_are_infinite():
    law = PegLaw(NOISE, (Dislocation(1.0, 0.5, 10.0),), 0.0, 1 / 365)
    assert law.log_mgf(np.array([1.9, 2.0, 2.1])).tolist()[1:] == [np.inf, np.inf]
    assert np.isfinite(law.log_mgf(1.9))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PegNoise(0.0, 1.0), r"sd must lie in \(0, 1\], got 0.0"),
        (lambda: PegNoise(0.1, -1.0), r"half_life_hours must lie in \(0, 1e\+06\], got -1.0"),
        (lambda: Dislocation(-1.0, 0.1, 1.0), r"intensity must lie in \[0, 100000\], got -1.0"),
        (lambda: Dislocation(1.0, 0.0, 1.0), "mean must not be 0"),
        (lambda: Dislocation(1.0, 0.1, 1.0, 1.5), r"break_probability must lie in \[0, 1\], got 1.5"),
        (lambda: PegLaw((), (), 0.0, 1.0), "noise must hold at least one part"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
