"""SVCJ law: published price, Riccati equations integrated numerically, stationary variance, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from riskengine.law.bates import BatesLaw
from riskengine.law.heston import heston_exponents
from riskengine.law.jump import NormalJump
from riskengine.law.lanes import lanes
from riskengine.law.svcj import CoJump, SvcjLaw

# a fall with rising variance, a rise with it, and a jump of the price alone
JUMPS = (CoJump(3.0, -0.02, 0.05, 0.4, -0.1), CoJump(10.0, 0.01, 0.03, 0.2, 0.3), CoJump(5.0, 0.01, 0.1))
LAW = SvcjLaw(0.1, 5.0, 0.36, 1.5, -0.5, JUMPS, 0.3)
DAY = SvcjLaw(0.0, 5.0, 0.36, 2.5, -0.5, JUMPS, 1 / 365)


def riccati(law, s):
    """A(s) and B(s) by integrating their differential equations: what the closed form is to be."""

    def slope(_, y):
        b = y[0]
        jump = sum(
            j.intensity * (np.exp(s * j.mean + 0.5 * s * s * j.sd**2) / (1 - j.variance_mean * (b + j.slope * s)) - 1)
            for j in law.jumps
        )
        lost = sum(j.intensity * j.relative_mean for j in law.jumps)
        return [
            0.5 * (s * s - s) + (law.rho * law.xi * s - law.kappa) * b + 0.5 * law.xi**2 * b * b,
            law.kappa * law.theta * b + jump + s * (law.drift - lost),
        ]

    found = solve_ivp(slope, (0.0, law.horizon), [0j, 0j], rtol=1e-11, atol=1e-13, method="DOP853").y[:, -1]
    return found[1], found[0]


@pytest.mark.parametrize("s", [3j, 40j, 150j, 1 + 20j, -1 + 20j, 0.5, -2.0, 1.0, 1.3 + 5j])
@pytest.mark.parametrize("law", [LAW, replace(LAW, horizon=4.0, rho=0.3)], ids=["short", "long"])
def test_exponents_solve_the_riccati_equations(law, s):
    a, b = law.exponents(np.array([complex(s)]))
    exact_a, exact_b = riccati(law, complex(s))
    assert a[0] == pytest.approx(exact_a, rel=1e-10, abs=1e-11)
    assert b[0] == pytest.approx(exact_b, rel=1e-10, abs=1e-11)


def test_integral_where_its_closed_form_divides_zero_by_zero():
    # alpha gap + zeta q = 0 at s = 1 / (slope zeta + ...): a scan over real s crosses every such point
    s = np.linspace(-1.5, 2.5, 4001).astype(complex)
    a, _ = LAW.exponents(s)
    bend = np.abs(np.diff(a.real, 3))
    assert np.isfinite(a.real).all() and bend.max() < 1e-4


def test_published_price():
    """Broadie and Kaya (2006), SVCJ: an at-the-money call of one year is 6.8619; -10 % is the mean relative jump."""
    extent, slope, sd = 0.05, -0.38, 1e-4
    jump = CoJump(0.47, np.log(0.9 * (1 - slope * extent)) - 0.5 * sd**2, sd, extent, slope)
    law = SvcjLaw(0.0319, 3.46, 0.008, 0.14, -0.82, (jump,), 1.0, 0.007569)
    assert jump.relative_mean == pytest.approx(-0.1, abs=1e-14)
    put = np.exp(-0.0319) * (100.0 * law.cdf(0.0) - 100.0 * law.lower_expectation(0.0))
    assert put + 100.0 - 100.0 * np.exp(-0.0319) == pytest.approx(6.8619, abs=5e-5)


@pytest.mark.parametrize("variance", [None, 0.0, 0.36, 3.0])
@pytest.mark.parametrize("law", [LAW, DAY], ids=["months", "day"])
def test_price_is_a_martingale_after_its_drift(law, variance):
    found = replace(law, variance=variance)
    assert found.expectation() == pytest.approx(np.exp(law.drift * law.horizon), rel=1e-12)


@pytest.mark.parametrize("variance", [None, 0.02, 1.5])
def test_two_routes_agree(variance):
    found = replace(DAY, variance=variance)
    p = np.array([1e-4, 1e-3, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999, 0.9999])
    np.testing.assert_allclose(found.checked_cdf(found.quantile(p), 1e-9), p, rtol=1e-9)


def test_without_variance_jumps_it_is_bates():
    plain = tuple(NormalJump(j.intensity, j.mean, j.sd) for j in JUMPS)
    still = tuple(CoJump(j.intensity, j.mean, j.sd) for j in plain)
    s = 1j * np.linspace(-60.0, 60.0, 41) + 0.4
    for variance in (None, 0.3):
        bates = BatesLaw(0.1, 5.0, 0.36, 1.5, -0.5, plain, 0.3, variance)
        found = SvcjLaw(0.1, 5.0, 0.36, 1.5, -0.5, still, 0.3, variance)
        np.testing.assert_allclose(found.exponent(s), bates.exponent(s), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(found.cumulants(), bates.cumulants(), rtol=1e-10)


def test_cumulants_agree_with_the_density():
    found = replace(DAY, variance=0.3)
    x = np.linspace(-1.5, 1.5, 8001)
    density = found.pdf(x) * (x[1] - x[0])
    mean = (x * density).sum()
    central = [((x - mean) ** k * density).sum() for k in (2, 3, 4)]
    np.testing.assert_allclose(
        found.cumulants(), [mean, central[0], central[1], central[2] - 3 * central[0] ** 2], rtol=1e-6
    )


def test_stationary_variance_is_stationary():
    """E[e^{b v}] = M makes the generator's expectation vanish: d log M / db = (kappa theta + sum lam m / (1 - m b)) / (
    kappa - xi^2 b / 2)."""
    floor = LAW.xi**2 / (2 * LAW.kappa)
    # one mean above xi^2 / (2 kappa), one below, one equal to it
    jumps = (CoJump(3.0, 0.0, 0.1, 0.4), CoJump(10.0, 0.0, 0.1, 0.1), CoJump(2.0, 0.0, 0.1, floor))
    law = replace(LAW, jumps=jumps)
    for b in (-20.0 + 0j, -3.0 + 4j, 0.5 + 0j, 1.5 + 2j):
        step = 1e-5
        rise = law._stationary_exponent(np.array([b + step, b - step]))
        want = law.kappa * law.theta + sum(j.intensity * j.variance_mean / (1 - j.variance_mean * b) for j in jumps)
        assert (rise[0] - rise[1]) / (2 * step) == pytest.approx(want / (law.kappa - 0.5 * law.xi**2 * b), rel=1e-8)


def test_moments_exist_up_to_where_variance_or_its_jumps_explode():
    law = replace(LAW, variance=0.36)
    s = np.linspace(-12.0, 20.0, 3201)
    value = law.log_mgf(s)
    finite = s[np.isfinite(value)]
    assert (np.diff(np.isfinite(value).astype(int)) != 0).sum() == 2
    # convex inside, and one of the exponential laws is at its edge at either end
    assert (np.diff(value[np.isfinite(value)], 2) > -1e-9).all()
    for edge, beyond in ((finite[0], finite[0] - 0.02), (finite[-1], finite[-1] + 0.02)):
        _, b = heston_exponents(np.array([edge, beyond]), *law._heston)
        room = [
            min(1 - j.variance_mean * (max(x.real, 0.0) + j.slope * y) for j in JUMPS)
            for x, y in zip(b, (edge, beyond), strict=True)
        ]
        assert room[0] > 0.0 > room[1]
    # under the stationary law variance at the start must have its moment as well: fewer exist
    assert np.isfinite(LAW.log_mgf(s)).sum() < finite.size


def test_many_lanes_match_single_laws():
    v = np.array([0.0, 0.05, 0.4, 2.5])
    p = np.array([0.001, 0.01, 0.5, 0.995])
    many = lanes(DAY)
    q = many.quantile(p, v)
    for i, one in enumerate(v):
        law = DAY.given(float(one))
        np.testing.assert_allclose(law.cdf(q[:, i]), p, rtol=1e-9)
        np.testing.assert_allclose(
            many.lower_expectation(q[:, i : i + 1], v[i : i + 1])[:, 0], law.lower_expectation(q[:, i]), rtol=1e-9
        )


def test_jumps_without_a_mean_are_refused():
    with pytest.raises(ValueError, match=r"slope \* variance_mean must be below 1, .* got 2\.5 \* 0\.4"):
        CoJump(1.0, 0.0, 0.1, 0.4, 2.5)
    with pytest.raises(ValueError, match="variance_mean must lie in"):
        CoJump(1.0, 0.0, 0.1, -0.4)
