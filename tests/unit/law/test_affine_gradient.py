"""Exponents against the laws that exist and against quadrature, every derivative against high-order differences."""

import numpy as np
import pytest
from scipy.integrate import quad

from riskengine.law.affine_gradient import AFFINE_NAMES, KOU_NAMES, MERTON_NAMES, affine_lanes, levy_lanes
from riskengine.law.bates import BatesLaw
from riskengine.law.jump import NormalJump
from riskengine.law.kou import DoubleExponentialJump, KouLaw
from riskengine.law.merton import MertonLaw
from riskengine.law.svcj import CoJump, SvcjLaw

POINT = np.array([0.04, 3.0, 0.06, 1.1, -0.6, 2.0, -0.05, 0.12, 0.05, -0.3])
MERTON, KOU = np.array([0.3, 2.0, -0.1, 0.2]), np.array([0.3, 2.0, 0.4, 10.0, 5.0])
S = np.concatenate([0.5 + 1j * np.linspace(0.0, 60.0, 31), 1j * np.linspace(0.1, 50.0, 20)])
HORIZONS = (1 / 365, 0.1, 1.0, 10.0)


def affine(p, jumps, horizon, s=S):
    value, slope = np.empty(s.size, complex), np.empty((10, s.size), complex)
    affine_lanes(s, horizon, p, jumps, value, slope)
    return value, slope


def levy(p, kou, horizon, s=S):
    value, slope = np.empty(s.size, complex), np.empty((p.size, s.size), complex)
    levy_lanes(s, horizon, p, kou, value, slope)
    return value, slope


def check_slopes(evaluate, p, names):
    """Fourth-order central differences, whose own error is about 1e-10 relative to the slope's size."""
    slope = evaluate(p)[1]
    for i, name in enumerate(names):
        step = 1e-3 * max(abs(p[i]), 0.01)
        moved = [evaluate(p + d * step * (np.arange(p.size) == i))[0] for d in (-2, -1, 1, 2)]
        numeric = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * step)
        assert np.abs((numeric - slope[i]) / (1 + np.abs(slope[i]))).max() < 1e-9, name


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("jumps", [0, 1])
def test_heston_and_bates_are_the_laws_of_the_project(jumps, horizon):
    law = BatesLaw(0.0, *POINT[1:5], (NormalJump(*POINT[5:8]),) if jumps else (), horizon, POINT[0])
    assert np.abs(affine(POINT, jumps, horizon)[0] - law.exponent(S)).max() < 1e-13 * max(1.0, 10 * horizon)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("jumps", [0, 1, 2])
def test_affine_slopes(jumps, horizon):
    check_slopes(lambda p: affine(p, jumps, horizon), POINT, AFFINE_NAMES[: (5, 8, 10)[jumps]])


@pytest.mark.parametrize("horizon", [0.1, 10.0])
def test_jumps_in_variance_are_the_integral(horizon):
    """lam int_0^T [J / (c - mu_v B(t)) - 1 - s k] dt by adaptive quadrature of Heston's B."""
    lam, mean, sd, mu, rj = POINT[5:]
    grown = np.exp(mean + 0.5 * sd * sd) / (1 - rj * mu) - 1
    for s in (0.5 + 3j, 0.5 + 20j, 5j):
        at = np.array([s])

        def inner(t, s=s, at=at):
            return 1 / (1 - rj * mu * s - mu * affine(POINT, 0, t, at)[1][0, 0])

        integral = quad(lambda t: inner(t).real, 0, horizon, epsabs=1e-12, limit=200)[0]
        integral += 1j * quad(lambda t: inner(t).imag, 0, horizon, epsabs=1e-12, limit=200)[0]
        jump = lam * (np.exp(s * mean + 0.5 * s * s * sd * sd) * integral - horizon - s * horizon * grown)
        got = affine(POINT, 2, horizon, at)[0] - affine(POINT, 0, horizon, at)[0]
        assert abs(got[0] - jump) < 1e-10


def test_the_series_joins_the_logarithm():
    """Where R = c g + mu_v q passes through zero: xi^2 c = mu_v (a + D) on a real point."""
    base = POINT.copy()
    base[8:] = 0.05, 0.0
    s = np.array([0.5 + 0j])
    a = lambda mu: affine(np.concatenate([base[:8], [mu, 0.0]]), 2, 1.0, s)[0][0].real  # noqa: E731
    top = base[1] - base[4] * base[3] * 0.5
    at = base[3] ** 2 / (top + np.sqrt(top**2 + base[3] ** 2 * 0.25))
    near = np.array([a(at * (1 + d)) for d in np.linspace(-0.02, 0.02, 41)])
    # a smooth function has small third differences; a jump between the two forms would not
    assert np.abs(np.diff(near, 3)).max() < 1e-7
    assert np.isfinite(near).all()
    check_slopes(lambda p: affine(p, 2, 1.0, s), np.concatenate([base[:8], [at, 0.0]]), AFFINE_NAMES[:9])


@pytest.mark.parametrize("horizon", HORIZONS)
def test_jumps_in_variance_are_the_law_of_the_project(horizon):
    law = SvcjLaw(0.0, *POINT[1:5], (CoJump(*POINT[5:]),), horizon, POINT[0])
    assert np.abs(affine(POINT, 2, horizon)[0] - law.exponent(S)).max() < 1e-13 * max(1.0, 10 * horizon)


def test_kou_is_the_law_of_the_project():
    law = KouLaw(0.0, KOU[0], (DoubleExponentialJump(*KOU[1:]),), 0.5)
    assert np.abs(levy(KOU, 1, 0.5)[0] - law.exponent(S)).max() < 1e-12


def test_an_infinite_mean_jump_is_no_law():
    p = np.concatenate([POINT[:8], [2.0, 0.6]])
    assert np.isnan(affine(p, 2, 1.0)[0]).all()
    assert np.isfinite(affine(np.concatenate([POINT[:8], [2.0, 0.49]]), 2, 1.0)[0]).all()


def test_merton_is_the_law_of_the_project():
    law = MertonLaw(0.0, MERTON[0], (NormalJump(*MERTON[1:]),), 0.5)
    assert np.abs(levy(MERTON, 0, 0.5)[0] - law.exponent(S)).max() < 1e-12


def test_kou_is_the_expectation_over_its_jumps():
    sigma, lam, share, up, down = KOU
    s = np.array([0.5 + 7j])
    density = lambda x: share * up * np.exp(-up * x) if x > 0 else (1 - share) * down * np.exp(down * x)  # noqa: E731

    def expect(f):
        sides = ((0.0, 8.0), (-16.0, 0.0))
        return sum(quad(lambda x: f(x) * density(x), *side, epsabs=1e-13, limit=400)[0] for side in sides)

    transform = expect(lambda x: np.exp(s[0] * x).real) + 1j * expect(lambda x: np.exp(s[0] * x).imag)
    k = expect(np.exp) - 1.0
    wanted = 0.5 * (-0.5 * (s - s * s) * sigma**2 + lam * (transform - 1.0 - s * k))
    assert abs(levy(KOU, 1, 0.5, s)[0] - wanted)[0] < 1e-11


@pytest.mark.parametrize(("kou", "p", "names"), [(0, MERTON, MERTON_NAMES), (1, KOU, KOU_NAMES)])
def test_levy_slopes(kou, p, names):
    check_slopes(lambda x: levy(x, kou, 0.5), p, names)


def test_the_forward_is_a_martingale_for_all_parameters():
    s = np.array([1.0 + 0j, 1e-300 + 0j])
    for value, slope in (affine(POINT, 2, 2.0, s), levy(MERTON, 0, 2.0, s), levy(KOU, 1, 2.0, s)):
        assert np.abs(value).max() < 1e-14
        assert np.abs(slope).max() < 1e-13


def test_the_compiled_functions_are_the_plain_ones():
    value, slope = np.empty(S.size, complex), np.empty((10, S.size), complex)
    affine_lanes.py_func(S, 0.3, POINT, 2, value, slope)
    got = affine(POINT, 2, 0.3)
    assert np.abs(got[0] - value).max() < 1e-13
    assert np.abs(got[1] - slope).max() < 1e-11
