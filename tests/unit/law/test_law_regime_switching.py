"""The regime-switching law against routes that share nothing with a matrix exponential, and its lanes."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm
from scipy.special import ive, ndtr

from riskengine.law.jump import NormalJump
from riskengine.law.lanes import lanes
from riskengine.law.markov import exponentials, generator_faults, reaches_one_class, stationary_law
from riskengine.law.merton import MertonLaw
from riskengine.law.regime_switching import RegimeLanes, RegimeSwitchingLaw, regime_of

DAY = 1.0 / 365.0
TWO = ((-30.0, 30.0), (80.0, -80.0))
THREE = ((-12.0, 12.0, 0.0), (60.0, -80.0, 20.0), (100.0, 50.0, -150.0))
JUMPS = (NormalJump(20.0, -0.02, 0.05), NormalJump(5.0, 0.01, 0.03))
LAW = RegimeSwitchingLaw((0.1, -0.3, 0.2), (0.4, 1.2, 2.0), THREE, (0.7, 0.2, 0.1), DAY, JUMPS, (1.0, 3.0, 0.0))


def test_stationary_law_of_a_chain():
    np.testing.assert_allclose(stationary_law(TWO), [80.0 / 110.0, 30.0 / 110.0], rtol=1e-14)
    np.testing.assert_allclose(stationary_law(THREE) @ np.array(THREE), np.zeros(3), atol=1e-13)
    # a state that is left for good has no share of it
    np.testing.assert_allclose(stationary_law(((-1.0, 1.0), (0.0, 0.0))), [0.0, 1.0], atol=1e-15)
    np.testing.assert_array_equal(stationary_law(((0.0,),)), [1.0])


def test_exponentials_of_a_stack():
    """Against Pade approximants, over the norms that the law asks for."""
    rng = np.random.default_rng(8)
    size = np.geomspace(1e-8, 2e3, 12)
    real = np.array([size[i] * (np.array(THREE) / 750.0 - np.diag(rng.uniform(0.0, 1.0, 3))) for i in range(12)])
    for stack in (real, real + 1j * rng.normal(size=(12, 3))[:, None] * np.eye(3)):
        want = np.stack([expm(m) for m in stack])
        np.testing.assert_allclose(exponentials(stack), want, rtol=0, atol=1e-13)


def test_one_class():
    assert reaches_one_class(THREE)
    assert reaches_one_class(((-1.0, 1.0, 0.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 0.0, -1.0, 1.0), (0.0,) * 4))
    assert not reaches_one_class(((-2.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[0.0]], "must hold 2 rows of 2 rates"),
        ([[0.0, 1.0], [0.0]], "must hold 2 rows of 2 rates"),
        ([[np.nan, 0.0], [0.0, 0.0]], "must hold finite rates"),
        ([[1.0, -1.0], [1.0, -1.0]], r"must hold rates in \[0, 100000\] off its diagonal, got -1 at \(0, 1\)"),
        ([[-1.0, 2.0], [1.0, -1.0]], "must have rows that sum to 0, got 1 in row 0"),
    ],
)
def test_what_is_not_a_generator(value, message):
    assert generator_faults("q", TWO, 2) == []
    with pytest.raises(AssertionError, match=message):
        assert not generator_faults("q", value, 2), generator_faults("q", value, 2)[0]


def test_two_regimes_by_the_law_of_the_occupation_time():
    """Pedler (1971): the time in the first of two states has a density in Bessel functions; given it X is normal."""
    (_, a), (b, _) = TWO
    horizon, sigma, drift = 5.0 * DAY, (0.4, 1.3), (0.5, -1.0)
    law = RegimeSwitchingLaw(drift, sigma, TWO, (1.0, 0.0), horizon)

    def density(t):
        """Of the time in the first state, starting there; the mass e^{-aT} at T is apart."""
        rest = horizon - t
        w = 2.0 * np.sqrt(a * b * t * rest)
        return np.exp(w - a * t - b * rest) * (a * ive(0, w) + np.sqrt(a * b * t / rest) * ive(1, w))

    def normal(x, t):
        rest = horizon - t
        mean = (drift[0] - 0.5 * sigma[0] ** 2) * t + (drift[1] - 0.5 * sigma[1] ** 2) * rest
        return ndtr((x - mean) / np.sqrt(sigma[0] ** 2 * t + sigma[1] ** 2 * rest))

    # the substitution t = T - y^2 takes out the root at the end
    total = quad(lambda y: 2.0 * y * density(horizon - y * y), 0.0, np.sqrt(horizon), epsabs=1e-13)[0]
    assert total + np.exp(-a * horizon) == pytest.approx(1.0, abs=1e-12)
    for x in (-0.4, -0.1, 0.0, 0.05, 0.2):
        mixed = quad(
            lambda y, x=x: 2.0 * y * density(horizon - y * y) * normal(x, horizon - y * y),
            0.0,
            np.sqrt(horizon),
            epsabs=1e-13,
        )[0]
        assert float(law.cdf(x)) == pytest.approx(mixed + np.exp(-a * horizon) * normal(x, horizon), abs=2e-12)


@pytest.mark.parametrize("s", [1.0, -1.0, 3.0 + 0.0j, 40.0j, -0.5 + 12.0j])
def test_moments_solve_the_backward_equation(s):
    psi = LAW._regime_exponents(np.array([complex(s)]))[0]
    system = np.array(THREE) + np.diag(psi)
    path = solve_ivp(
        lambda _, y: system @ y, (0.0, DAY), np.ones(3, complex), method="DOP853", rtol=1e-12, atol=1e-14
    ).y[:, -1]
    assert complex(np.exp(LAW.exponent(s))) == pytest.approx(complex(np.array(LAW.weight) @ path), rel=1e-10)


@pytest.mark.parametrize("horizon", [1.0 / 8760.0, DAY, 30.0 * DAY])
def test_two_inversions_agree(horizon):
    law = RegimeSwitchingLaw(LAW.drift, LAW.sigma, THREE, LAW.weight, horizon, JUMPS, LAW.pace)
    x = law.scale * np.array([-5.0, -1.0, 0.0, 2.0])
    np.testing.assert_allclose(law.checked_cdf(x), law.cdf(x), atol=1e-15)


def test_one_regime_is_merton():
    one = RegimeSwitchingLaw((0.1,), (0.5,), ((0.0,),), (1.0,), DAY, JUMPS)
    merton = MertonLaw(0.1, 0.5, JUMPS, DAY)
    x = np.array([-0.3, -0.05, 0.0, 0.02, 0.2])
    np.testing.assert_allclose(one.cdf(x), merton.cdf(x), rtol=0, atol=1e-13)
    np.testing.assert_allclose(one.cumulants(), merton.cumulants(), rtol=1e-8)
    assert one.scale == pytest.approx(np.sqrt(merton.cumulants()[1]), rel=1e-14)
    assert one.largest_jump == pytest.approx(0.07)


def test_regimes_that_are_alike_are_merton():
    alike = RegimeSwitchingLaw((0.1,) * 3, (0.5,) * 3, THREE, (0.2, 0.3, 0.5), DAY, JUMPS, (2.0,) * 3)
    double = tuple(NormalJump(2.0 * j.intensity, j.mean, j.sd) for j in JUMPS)
    x = np.array([-0.3, -0.05, 0.0, 0.02, 0.2])
    np.testing.assert_allclose(alike.cdf(x), MertonLaw(0.1, 0.5, double, DAY).cdf(x), rtol=0, atol=1e-13)


def test_growth_and_quadratic_variation():
    level = RegimeSwitchingLaw((0.3,) * 3, LAW.sigma, THREE, LAW.weight, DAY, JUMPS, LAW.pace)
    assert level.expectation() == pytest.approx(np.exp(0.3 * DAY), rel=1e-13)
    assert LAW.occupation.sum() == pytest.approx(DAY, rel=1e-13)
    # a chain at rest spends its stationary share in each regime
    at_rest = RegimeSwitchingLaw(LAW.drift, LAW.sigma, THREE, tuple(stationary_law(THREE)), DAY)
    np.testing.assert_allclose(at_rest.occupation, DAY * stationary_law(THREE), rtol=1e-12)
    assert at_rest.scale == pytest.approx(np.sqrt(at_rest.cumulants()[1]), rel=1e-3)


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long double is no longer than double here")
def test_a_chain_that_changes_thousands_of_times_keeps_its_mass():
    """In double precision this law's total mass is off by 1e-13 and the two inversions part at 1e-4."""
    fast = ((-2160.0, 1800.0, 360.0), (1320.0, -1320.5, 0.5), (130.0, 1690.0, -1820.0))
    law = RegimeSwitchingLaw((0.0,) * 3, (0.3, 0.28, 0.21), fast, (0.4, 0.5, 0.1), 0.6, JUMPS, (1.0, 1.6, 1.1))
    assert abs(float(law.log_mgf(0.0))) < 1e-15
    assert law.expectation() == pytest.approx(1.0, abs=1e-14)
    law.checked_cdf(law.quantile(np.array([1e-4, 0.01, 0.5, 0.99])))


def test_far_moments_count_as_infinite():
    found = LAW.log_mgf(np.array([0.0, 1.0, -1e5, 1e8]))
    np.testing.assert_array_equal(np.isinf(found), [False, False, True, True])
    assert found[0] == pytest.approx(0.0, abs=1e-14)


def test_lanes_answer_as_the_law_of_their_regime():
    many = lanes(LAW)
    assert isinstance(many, RegimeLanes)
    regime = np.array([0, 2, 1, 0, 1, 2, 2, 0])
    v = np.array(LAW.sigma)[regime] ** 2
    p = np.array([0.001, 0.01, 0.5, 0.99])
    q = many.quantile(p, v)
    np.testing.assert_allclose(many.cdf(q, v), np.repeat(p[:, None], v.size, axis=1), rtol=1e-9)
    for i, k in enumerate(regime):
        one = LAW.given(int(k))
        np.testing.assert_allclose(one.cdf(q[:, i]), p, rtol=1e-9)
        assert many.expectation(v, -1.0)[i] == pytest.approx(one.expectation(-1.0), rel=1e-13)
        np.testing.assert_allclose(
            many.lower_expectation(q, v, -1.0)[:, i], one.lower_expectation(q[:, i], -1.0), rtol=1e-9
        )
    # bits of a lane do not depend on its neighbours
    np.testing.assert_array_equal(many.cdf(q[:, 2:4], v[2:4]), many.cdf(q, v)[:, 2:4])
    np.testing.assert_array_equal(many.cdf(q[1], v), many.cdf(q, v)[1])


def test_conditional_laws_average_to_the_stationary_one():
    pi = stationary_law(THREE)
    at_rest = RegimeSwitchingLaw(LAW.drift, LAW.sigma, THREE, tuple(pi), DAY, JUMPS, LAW.pace)
    x = at_rest.quantile(np.array([1e-4, 0.01, 0.3, 0.99]))
    v = np.array(LAW.sigma) ** 2
    mixed = pi @ at_rest.lanes().cdf(np.repeat(x[:, None], 3, axis=1), v).T
    np.testing.assert_allclose(mixed, [1e-4, 0.01, 0.3, 0.99], rtol=1e-9)


def test_a_variance_of_no_regime_is_refused():
    assert regime_of([0.16, 4.0, 1.44], LAW.sigma).tolist() == [0, 2, 1]
    with pytest.raises(ValueError, match=r"variance must be that of a regime, 0\.16, 1\.44, 4, got 0\.2"):
        regime_of([0.16, 0.2], LAW.sigma)
    with pytest.raises(ValueError, match="variance must be that of a regime"):
        LAW.lanes().cdf(np.zeros(1), np.array([np.nan]))


def test_every_fault_in_one_message():
    with pytest.raises(ValueError) as found:
        RegimeSwitchingLaw((0.1,), (0.5, 1.0), ((-1.0, 2.0), (1.0, -1.0)), (0.9, 0.2), DAY)
    for part in ("rows that sum to 0", "drift must hold 2 numbers", "weight must hold probabilities that sum to 1"):
        assert part in str(found.value)
    with pytest.raises(ValueError, match="sigma must lie in"):
        RegimeSwitchingLaw((0.1,), (0.0,), ((0.0,),), (1.0,), DAY)
