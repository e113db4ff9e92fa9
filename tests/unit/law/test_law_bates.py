"""Bates law: exponents, moments, inversion by two routes, stationary start."""

import numpy as np
import pytest
from scipy.special import gammaln

from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.heston import heston_exponents, moment_explodes
from riskengine.law.jump import NormalJump

JUMPS = (NormalJump(20.0, -0.01, 0.05),)
KAPPA, THETA, XI, RHO = 4.0, 0.45, 2.2, -0.3  # Feller violated


def law(hours=24.0, variance=None, drift=0.0, jumps=JUMPS, rho=RHO):
    return BatesLaw(drift, KAPPA, THETA, XI, rho, jumps, hours / 8760.0, variance)


@pytest.mark.parametrize("variance", [None, 0.0, 0.05, 2.0])
def test_martingale(variance):
    found = law(variance=variance, drift=0.2)
    assert complex(found.characteristic(-1j)) == pytest.approx(np.exp(0.2 * 24 / 8760), rel=1e-12)
    assert found.expectation() == pytest.approx(np.exp(0.2 * 24 / 8760), rel=1e-12)


def test_exponents_solve_the_riccati_equation():
    s = 1j * np.array([0.5, 7.0, 40.0]) - 0.5
    horizon, step = 0.3, 1e-5
    c0, b0 = heston_exponents(s, KAPPA, THETA, XI, RHO, horizon - step)
    c1, b1 = heston_exponents(s, KAPPA, THETA, XI, RHO, horizon + step)
    _, b = heston_exponents(s, KAPPA, THETA, XI, RHO, horizon)
    slope = 0.5 * (s * s - s) + (RHO * XI * s - KAPPA) * b + 0.5 * XI**2 * b * b
    np.testing.assert_allclose((b1 - b0) / (2 * step), slope, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose((c1 - c0) / (2 * step), KAPPA * THETA * b, rtol=1e-6, atol=1e-8)


def test_long_horizon_crosses_no_branch_cut():
    # steps of a continuous function halve with the grid; a cut would leave 4 pi kappa theta / xi^2 = 2.4 on both
    coarse, fine = (
        np.abs(np.diff(c + 0.0175 * b)).max()
        for c, b in (
            heston_exponents(1j * np.linspace(0.0, 60.0, n), 1.5768, 0.0398, 0.5751, -0.5711, 30.0)
            for n in (4001, 8001)
        )
    )
    assert fine < 0.51 * coarse and coarse < 0.05


def test_moment_explosion_matches_the_exponent():
    s = np.linspace(1.5, 40.0, 200)
    for horizon in (0.01, 0.5, 2.0):
        exploded = moment_explodes(s, KAPPA, THETA, XI, RHO, horizon, stationary=False)
        # before explosion B is finite, positive and grows in the horizon
        alive = s[~exploded]
        _, early = heston_exponents(alive, KAPPA, THETA, XI, RHO, 0.5 * horizon)
        _, late = heston_exponents(alive, KAPPA, THETA, XI, RHO, horizon)
        assert (late.real > early.real).all() and np.isfinite(late).all()
        assert exploded.any() == (horizon > 0.01)
    stationary = moment_explodes(s, KAPPA, THETA, XI, RHO, 0.5, stationary=True)
    assert stationary.sum() > moment_explodes(s, KAPPA, THETA, XI, RHO, 0.5, stationary=False).sum()


def test_positive_correlation_with_fast_variance_keeps_the_first_moment():
    # kappa - rho xi < 0: the textbook ratio (a - D) / (a + D) divides by zero at s = 1
    found = BatesLaw(0.0, 0.5, 0.3, 2.0, 0.9, (), 0.25, 0.3)
    assert found.expectation() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("hours", [4.0, 24.0, 720.0])
@pytest.mark.parametrize("variance", [None, 0.02, 1.5])
def test_two_routes_agree(hours, variance):
    found = law(hours, variance)
    p = np.array([1e-4, 1e-3, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999, 0.9999])
    x = found.quantile(p)
    np.testing.assert_allclose(found.checked_cdf(x, 1e-9), p, rtol=1e-9)


def test_stationary_law_is_the_gamma_mixture_of_conditional_laws():
    shape, rate = 2 * KAPPA * THETA / XI**2, 2 * KAPPA / XI**2
    # v = y^(1 / shape) takes the singularity of the Gamma density at zero away
    node, weight = np.polynomial.legendre.leggauss(200)
    top = (30.0 / rate) ** shape
    y = 0.5 * top * (1 + node)
    v = y ** (1 / shape)
    mass = 0.5 * top * weight * np.exp(shape * np.log(rate) - gammaln(shape) - rate * v) / shape
    x = np.array([-0.12, -0.05, 0.0, 0.08])
    mixed = sum(m * law(variance=float(z)).cdf(x) for m, z in zip(mass, v, strict=True))
    # the root leaves a kink at zero: 60 nodes are within 3e-6, 200 within 9e-9
    np.testing.assert_allclose(mixed, law().cdf(x), rtol=2e-8)


def test_cumulants_agree_with_the_density():
    found = law(variance=0.3)
    c = found.cumulants()
    x = np.linspace(-1.2, 1.2, 8001)
    density = found.pdf(x) * (x[1] - x[0])
    mean = (x * density).sum()
    central = [((x - mean) ** k * density).sum() for k in (2, 3, 4)]
    np.testing.assert_allclose(c, [mean, central[0], central[1], central[2] - 3 * central[0] ** 2], rtol=1e-7)


def test_without_jumps_and_with_frozen_variance_it_is_normal():
    found = BatesLaw(0.0, 1.0, 0.36, 1e-3, 0.0, (), 1 / 365, 0.36)
    c = found.cumulants()
    assert c[1] == pytest.approx(0.36 / 365, rel=1e-6)
    assert c[3] / c[1] ** 2 == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("power", [1.0, -1.0])
def test_partial_moments_by_quadrature(power):
    found = law(variance=0.3)
    node, weight = np.polynomial.legendre.leggauss(200)
    x = -0.64 + 0.56 * node  # [-1.2, -0.08]
    total = 0.56 * weight @ (np.exp(power * x) * found.pdf(x))
    assert float(found.lower_expectation(-0.08, power)) == pytest.approx(total, rel=1e-9)


def test_infinite_moment_is_refused():
    found = BatesLaw(0.0, 0.5, 0.3, 3.0, 0.0, (), 20.0, 0.3)
    assert found.log_mgf(-6.0) == np.inf
    with pytest.raises(RunError, match="must exist"):
        found.lower_expectation(0.0, -6.0)


def test_probabilities_beyond_the_floor_are_refused():
    with pytest.raises(ValueError, match="probability must lie in"):
        law().quantile(1e-12)


@pytest.mark.parametrize(("field", "value"), [("kappa", 0.0), ("theta", -1.0), ("xi", 0.0), ("rho", 1.5)])
def test_bates_refuses(field, value):
    arguments = {"drift": 0.0, "kappa": 1.0, "theta": 0.3, "xi": 1.0, "rho": 0.0, "jumps": (), "horizon": 0.1}
    with pytest.raises(ValueError, match=f"{field} must lie in"):
        BatesLaw(**(arguments | {field: value}))
