"""The most likely move that breaks a limit, against closed forms and brute force."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from riskengine.config.study import load_world
from riskengine.law.joint import JointBatesLaw, joint_law
from riskengine.tune.reverse_stress import ReverseSearch

DAY = 1.0 / 365.0
R = np.array([[1.0, 0.6], [0.6, 1.0]])
ZERO = np.zeros(2)
NONE = (0.0, ZERO, ZERO, np.eye(2))
GBM = JointBatesLaw(np.array([0.36, 0.49]), R, 0.0, 0.0, ZERO, NONE, (ZERO, ZERO, ZERO))
MERTON = JointBatesLaw(
    np.array([0.25, 0.36]), R, 0.0, 0.0, ZERO,
    (30.0, np.array([-0.02, -0.03]), np.array([0.05, 0.06]), np.array([[1.0, 0.9], [0.9, 1.0]])), (ZERO, ZERO, ZERO),
)  # fmt: skip


def test_a_linear_limit_under_a_normal_law_has_a_closed_form():
    """max density on w.x >= c is x = m + S w (c - w.m) / (w' S w), its distance (c - w.m) / sqrt(w' S w)."""
    covariance = R * np.sqrt(np.outer(GBM.theta, GBM.theta)) * DAY
    mean, w, c = -0.5 * GBM.theta * DAY, np.array([-1.0, -0.5]), 0.12
    found = ReverseSearch(GBM, DAY).find(lambda x, v: w @ x, c)
    gap = c - w @ mean
    np.testing.assert_allclose(np.log1p(found.move), mean + covariance @ w * gap / (w @ covariance @ w), atol=2e-4)
    assert found.distance == pytest.approx(gap / np.sqrt(w @ covariance @ w), rel=1e-5)
    assert found.variance_ratio == 1.0
    assert found.loss == pytest.approx(c, rel=1e-5)


def merton_density(x: np.ndarray) -> np.ndarray:
    intensity, mean, sd, sizes = MERTON.common
    covariance = R * np.sqrt(np.outer(MERTON.theta, MERTON.theta)) * DAY
    drift = -0.5 * MERTON.theta * DAY - intensity * np.expm1(mean + 0.5 * sd**2) * DAY
    jump = sizes * np.outer(sd, sd)
    rate = intensity * DAY
    weight = [math.exp(-rate) * rate**n / math.factorial(n) for n in range(12)]
    return sum(w * multivariate_normal(drift + n * mean, covariance + n * jump).pdf(x) for n, w in enumerate(weight))


@pytest.mark.parametrize(
    ("loss", "limit"),
    [
        (lambda x: -np.expm1(x).sum(axis=0), 0.3),
        (lambda x: np.maximum(x[0] - 0.05, 0.0) + np.maximum(-0.05 - x[0], 0.0), 0.1),
        (lambda x: x[1] - x[0], 0.1),
    ],
)
def test_merton_against_a_brute_force_search_of_the_exact_density(loss, limit):
    """The exact density is a Poisson mixture of normals; on a grid of 0.2 % its best point that breaks the limit is at
    most a few per cent denser than the point found (the saddlepoint density is approximate, the move need not be)."""
    axis = np.arange(-0.4, 0.4, 0.002)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    best = merton_density(grid[:, loss(grid) >= limit].T).max()
    found = ReverseSearch(MERTON, DAY).find(lambda x, v: loss(x), limit)
    here = merton_density(np.log1p(found.move))
    assert loss(np.log1p(found.move)[:, None])[0] >= limit * (1 - 1e-6)
    assert here > 0.8 * best
    mode = merton_density(grid.T).max()
    assert found.distance == pytest.approx(np.sqrt(2 * np.log(mode / here)), abs=0.35)


def test_both_sides_are_searched_and_nothing_is_found_where_nothing_breaks():
    search = ReverseSearch(GBM, DAY)
    up = search.find(lambda x, v: np.where(x[0] > 0, x[0], 0.2 * -x[0]), 0.1)
    assert up.move[0] > 0
    assert search.find(lambda x, v: -np.ones(x.shape[1]), 1.0) is None


def test_one_asset():
    law = JointBatesLaw(
        np.array([0.36]), np.eye(1), 20.0, 8.0, np.array([-0.4]), (0.0, *np.zeros((2, 1)), np.eye(1)),
        (np.array([20.0]), np.array([-0.02]), np.array([0.04])),
    )  # fmt: skip
    found = ReverseSearch(law, DAY).find(lambda x, v: -np.expm1(x[0]), 0.2)
    assert found.move[0] == pytest.approx(-0.2, abs=1e-5)
    assert found.variance_ratio > 1.5
    assert found.distance > 2.0


def test_a_mean_that_points_back_ends_no_direction():
    """Over 72 h the mean of the log-return is far from 0: the short side of one asset is searched all the same."""
    law = joint_law(load_world("sol").model)
    search = ReverseSearch(law, 3 * DAY)
    found = search.find(lambda x, v: np.expm1(x[0]), 0.05)
    assert found.move[0] == pytest.approx(0.05, abs=1e-5)
    assert found.distance < 2.0
    assert 1.0 < search.reach < 12.0
    pair = joint_law(load_world("btc_eth").model)
    spread = ReverseSearch(pair, DAY).find(lambda x, v: np.expm1(x[1]) - np.expm1(x[0]), 0.05)
    assert spread.distance < 2.45
