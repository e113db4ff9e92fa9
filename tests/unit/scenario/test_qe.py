"""One step of the quadratic-exponential scheme against Andersen's formulas, and its martingale correction."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from riskengine.scenario.bates import Bates
from riskengine.scenario.clock import LANES
from riskengine.scenario.qe import (
    DECAY,
    K2,
    K3,
    NOISE,
    PULL,
    SPREAD,
    TILT,
    exponential_lanes,
    exponential_step,
    quadratic_step,
)
from riskengine.scenario.qe_lane import near_two_atanh, two_atanh

# reference case qe_moment_matching: Andersen (2008); m and s2 agree with the scaled noncentral chi-square
CASES = [
    ((0.04, 0.5, 0.04, 1.0, 0.25), 0.04, 0.0088479686771438, 5.529980423214875,
     {"p": 0.6937203681515252, "beta": 7.656990796211871}),
    ((0.09, 2.0, 0.09, 0.5, 0.019230769230769232), 0.09, 0.00041646893263697294, 0.051415917609502836,
     {"b2": 76.29366395919496, "a": 0.0011643903961845177}),
    ((0.0, 0.5, 0.04, 1.0, 0.25), 0.004700123896616185, 0.000552279116088562, 24.99999999999997,
     {"p": 0.923076923076923, "beta": 16.36618068269586}),
]  # fmt: skip
ONE = ((1.0,),)


def row(kappa, theta, xi, dt, rho=-0.5):
    world = Bates(("X",), (1.0,), (0.0,), (kappa,), (theta,), (xi,), (rho,), "stationary", ONE, ONE)
    return world._coefficients(dt)[0]


def step(v, z, c):
    """Next variance and correction of every lane, by the branch the scheme takes."""
    z = np.ascontiguousarray(z)
    v = np.full(z.size, v)
    following, correction = np.empty(z.size), np.empty(z.size)
    wide = quadratic_step(v, z, following, correction, c, np.empty((3, v.size)))
    assert wide in (0, z.size) and exponential_lanes(v, c) == wide
    if wide:
        exponential_step(v, z, following, correction, c)
    return following, correction


@pytest.mark.parametrize(("inputs", "m", "s2", "psi", "branch"), CASES)
def test_moments_and_branch_parameters(inputs, m, s2, psi, branch):
    v, kappa, theta, xi, dt = inputs
    c = row(kappa, theta, xi, dt)
    mean, variance = c[PULL] + c[DECAY] * v, c[NOISE] + c[SPREAD] * v
    assert mean == pytest.approx(m, rel=1e-10)
    assert variance == pytest.approx(s2, rel=1e-10)
    assert variance / mean**2 == pytest.approx(psi, rel=1e-10)
    z = np.array([-3.0, -0.7, 0.0, 0.4, 1.9, 4.0])
    following, _ = step(v, z, c)
    if "a" in branch:
        want = branch["a"] * (np.sqrt(branch["b2"]) + z) ** 2
    else:
        u = ndtr(z)
        want = np.where(u <= branch["p"], 0.0, np.log((1.0 - branch["p"]) / ndtr(-z)) / branch["beta"])
    np.testing.assert_allclose(following, want, rtol=2e-12)


@pytest.mark.parametrize(("inputs", "m", "s2", "psi", "branch"), CASES)
def test_the_scheme_reproduces_mean_and_variance(inputs, m, s2, psi, branch):
    v, kappa, theta, xi, dt = inputs
    # Gauss-Legendre panels from the kink of the exponential branch on; below it the next variance is zero
    start = -8.5 if "a" in branch else ndtri(branch["p"])
    edge = np.linspace(start, 8.5, 65)
    node, weight = np.polynomial.legendre.leggauss(16)
    half = 0.5 * (edge[1] - edge[0])
    z = ((edge[1:] - half)[:, None] + half * node).ravel()
    following, _ = step(v, z, row(kappa, theta, xi, dt))
    mass = half * np.tile(weight, 64) * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    assert mass @ following == pytest.approx(m, rel=1e-9)
    assert mass @ following**2 == pytest.approx(s2 + m * m, rel=1e-9)


@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.4])
@pytest.mark.parametrize(("inputs", "m", "s2", "psi", "branch"), CASES)
def test_the_correction_makes_the_price_a_martingale(inputs, m, s2, psi, branch, rho):
    v, kappa, theta, xi, dt = inputs
    c = row(kappa, theta, xi, dt, rho)
    assert c[TILT] == c[K2] + 0.5 * c[K3]
    if "a" in branch:
        node, weight = np.polynomial.hermite_e.hermegauss(60)
        following, correction = step(v, node, c)
        total = (weight * np.exp(correction + c[TILT] * following)).sum() / np.sqrt(2.0 * np.pi)
    else:
        p, beta = branch["p"], branch["beta"]
        _, correction = step(v, np.zeros(4), c)
        total = np.exp(correction[0]) * (p + (1.0 - p) * beta / (beta - c[TILT]))
    assert total == pytest.approx(1.0, rel=1e-10)


def test_correction_against_andersens_formula_over_a_wide_range():
    rng = np.random.default_rng(2)
    for _ in range(50):
        kappa, theta, xi = np.exp(rng.uniform(np.log([0.1, 0.01, 0.02]), np.log([30.0, 2.0, 4.0])))
        dt = np.exp(rng.uniform(np.log(1e-4), np.log(0.05)))
        c = row(kappa, theta, xi, dt, rng.uniform(-0.99, 0.0))
        v = np.full(LANES, theta * np.exp(rng.uniform(-4.0, 2.0)))
        z = rng.normal(size=LANES)
        following, correction = np.empty(LANES), np.empty(LANES)
        quadratic_step(v, z, following, correction, c, np.empty((3, v.size)))
        m = c[PULL] + c[DECAY] * v
        psi = np.minimum((c[NOISE] + c[SPREAD] * v) / m**2, 1.5)
        b2 = 2.0 / psi - 1.0 + np.sqrt(2.0 / psi) * np.sqrt(2.0 / psi - 1.0)
        a = m / (1.0 + b2)
        np.testing.assert_allclose(following, a * (np.sqrt(b2) + z) ** 2, rtol=1e-9)
        tilt = c[TILT]
        want = -tilt * b2 * a / (1.0 - 2.0 * tilt * a) + 0.5 * np.log1p(-2.0 * tilt * a)
        np.testing.assert_allclose(correction, want, rtol=1e-11, atol=1e-13)


def test_near_two_atanh():
    """Relative error 6e-16 and a rounding or two up to 1/9, the edge of where it is used."""
    t = np.linspace(-1 / 9, 1 / 9, 2001)
    t = t[t != 0.0]
    found = np.array([near_two_atanh(x) for x in t])
    np.testing.assert_allclose(found, 2.0 * np.arctanh(t), rtol=1.5e-15)


def test_two_atanh():
    t = np.linspace(-0.21, 0.21, 1_001)
    error = np.abs(np.array([two_atanh(x) for x in t]) - 2.0 * np.arctanh(t))
    assert (error <= 5e-16 * np.abs(t) * 2.0)[np.abs(t) < 0.17].all()
    assert error.max() < 1e-14
