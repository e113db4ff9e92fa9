"""Conditional laws on many lanes against one law at a time."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.jump import NormalJump
from riskengine.law.lanes import AffineLanes, StatelessLanes, _series_lanes, lanes
from riskengine.law.merton import MertonLaw

LAW = BatesLaw(0.05, 4.0, 0.45, 2.2, -0.3, (NormalJump(20.0, -0.01, 0.05),), 1.0 / 365.0)
V = np.random.default_rng(3).gamma(0.75, 0.6, 200)
P = np.array([0.001, 0.01, 0.5, 0.995])
LANES = lanes(LAW)
Q = LANES.quantile(P, V)


def test_cdf_quantile_and_moments_match_single_laws():
    below = LANES.cdf(Q, V)
    np.testing.assert_allclose(below, np.repeat(P[:, None], V.size, axis=1), rtol=1e-9)
    for i in range(0, V.size, 25):
        one = replace(LAW, variance=float(V[i]))
        np.testing.assert_allclose(one.cdf(Q[:, i]), P, rtol=1e-9)
        for power in (1.0, -1.0):
            many = LANES.lower_expectation(Q[:, i : i + 1], V[i : i + 1], power)[:, 0]
            np.testing.assert_allclose(many, one.lower_expectation(Q[:, i], power), rtol=1e-9)
            assert LANES.expectation(V[i : i + 1], power)[0] == pytest.approx(one.expectation(power), rel=1e-12)


def test_bits_of_a_lane_do_not_depend_on_its_neighbours():
    np.testing.assert_array_equal(LANES.cdf(Q[:, 17:25], V[17:25]), LANES.cdf(Q, V)[:, 17:25])
    np.testing.assert_array_equal(LANES.quantile(P[1:2], V[40:45]), Q[1:2, 40:45])
    # nor on what was asked before: a fresh object gives the same bits
    np.testing.assert_array_equal(AffineLanes(LAW).quantile(P, V), Q)


def test_one_point_per_lane_and_extreme_variances():
    v = np.array([0.0, 1e-9, 1e-3, 40.0])
    x = np.array([-0.05, -0.05, -0.05, -0.5])
    found = LANES.cdf(x, v)
    assert found.shape == (4,)
    for i in range(4):
        assert found[i] == pytest.approx(float(replace(LAW, variance=float(v[i])).cdf(x[i])), rel=1e-9)


def test_infinite_points_are_certain():
    found = LANES.cdf(np.array([[-np.inf], [np.inf]]), np.array([0.3]))
    np.testing.assert_allclose(found[:, 0], [0.0, 1.0], atol=1e-14)


def test_series_kernel_matches_plain_python():
    (a_real, a_imag, b_real, b_imag), low, high, _, _ = LANES._class(0, 0.0)
    short = tuple(np.ascontiguousarray(z[:60]) for z in (a_real, a_imag, b_real, b_imag))
    v, x = np.array([0.5, 0.9, 1.7]), np.array([[-0.1, 0.0, 0.1], [0.02, -0.03, 0.3]])
    compiled = np.empty((2, *x.shape))
    _series_lanes(*short, low, high - low, v, x, compiled[0], compiled[1])
    u = np.arange(60) * np.pi / (high - low)
    phi = np.exp(short[0] + 1j * short[1] + np.multiply.outer(v, short[2] + 1j * short[3]))
    f = 2.0 / (high - low) * (phi * np.exp(-1j * u * low)).real
    f[:, 0] *= 0.5
    angle = np.multiply.outer(x - low, u)
    pdf = (np.cos(angle) * f).sum(axis=-1)
    cdf = f[:, 0] * (x - low) + (np.sin(angle[..., 1:]) * f[:, 1:] / u[1:]).sum(axis=-1)
    np.testing.assert_allclose(compiled[0], cdf, atol=1e-12)
    np.testing.assert_allclose(compiled[1], pdf, atol=1e-10)


def test_merton_lanes_give_the_same_law_everywhere():
    law = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
    many = lanes(law)
    assert isinstance(many, StatelessLanes)
    v = np.zeros(5)
    q = many.quantile([0.01, 0.99], v)
    assert q.shape == (2, 5)
    np.testing.assert_allclose(many.cdf(q, v), [[0.01] * 5, [0.99] * 5], rtol=1e-11)
    np.testing.assert_allclose(many.lower_expectation(q, v), law.lower_expectation(q), rtol=1e-14)
    np.testing.assert_allclose(many.expectation(v), np.ones(5), rtol=1e-14)


def test_lanes_refuse():
    with pytest.raises(ValueError, match="variance must be finite and >= 0"):
        LANES.cdf(np.array([0.0]), np.array([-0.1]))
    with pytest.raises(ValueError, match="variance must be finite"):
        LANES.cdf(np.array([0.0]), np.array([np.nan]))
    with pytest.raises(ValueError, match="probability must lie in"):
        LANES.quantile([1e-9], np.array([0.3]))
    slow = AffineLanes(BatesLaw(0.0, 0.5, 0.3, 3.0, 0.0, (), 20.0))
    with pytest.raises(RunError, match="must exist at variance"):
        slow.lower_expectation(np.array([0.0]), np.array([0.3]), -6.0)
