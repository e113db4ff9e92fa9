"""Sensitivity indices where they are known in closed form."""

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.tune.sensitivity import (
    morris,
    shapley_effects,
    shapley_from_explained,
    shapley_of_linear,
    sobol_indices,
)


def test_a_linear_function_explains_itself():
    """Var of c_i u_i is c_i^2 / 12: first and total indices are equal."""
    c = np.array([3.0, 1.0, 0.0])
    found = sobol_indices(lambda u: u @ c, 3, 9, 6)
    share = c * c / (c @ c)
    np.testing.assert_allclose([e.value for e in found.first], share, atol=2e-3)
    np.testing.assert_allclose([e.value for e in found.total], share, atol=2e-3)


def test_shapley_effects_of_dependent_normals():
    """Unit variances, correlation r: x1 + x2 is shared by symmetry; of x1 alone x2 gets r^2 / 2 (Owen and Prieur
    2017, two normals); a linear answer in three normals as the closed form says."""
    r = 0.7
    pair = np.array([[1.0, r], [r, 1.0]])
    both = shapley_effects(lambda u: ndtri(u).sum(axis=1), pair, None, 11, 8, 0.9999)
    assert both[0].lower <= 0.5 <= both[0].upper
    alone = shapley_effects(lambda u: ndtri(u[:, 0]), pair, None, 11, 8, 0.9999)
    assert alone[1].lower <= r * r / 2 <= alone[1].upper
    assert shapley_of_linear(np.array([1.0, 0.0]), pair)[1] == pytest.approx(r * r / 2, abs=1e-14)
    three = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]])
    slope = np.array([1.0, -2.0, 0.7])
    found = shapley_effects(lambda u: ndtri(u) @ slope, three, None, 11, 8, 0.9999)
    exact = shapley_of_linear(slope, three)
    assert exact.sum() == pytest.approx(1.0, abs=1e-12)
    for estimate, value in zip(found, exact, strict=True):
        assert estimate.lower <= value <= estimate.upper


def test_orderings_that_keep_groups_together_share_among_groups():
    """Groups of a linear answer are a game of their own: their effects are the sums over their inputs."""
    joint = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.1], [0.3, 0.1, 1.0]])
    slope = np.array([1.0, 1.0, 2.0])
    found = shapley_effects(lambda u: ndtri(u) @ slope, joint, ((0, 1), (2,)), 12, 8, 0.9999)
    whole = slope @ joint @ slope

    def explained(group):
        own = [i for g in group for i in ((0, 1), (2,))[g]]
        cross = joint[own] @ slope
        return float(cross @ np.linalg.solve(joint[np.ix_(own, own)], cross)) / whole if own else 0.0

    exact = shapley_from_explained(explained, 2)
    assert found[0].value + found[1].value == pytest.approx(exact[0], abs=0.02)
    assert found[2].lower <= exact[1] <= found[2].upper


def noisy(u, batches=8, sd=1.0, seed=5):
    """3 u1 + u2 with noise of its own at every point, as large as the answer itself."""
    noise = np.random.default_rng(seed).standard_normal((len(u), batches)) * sd * np.sqrt(batches)
    return (u @ np.array([3.0, 1.0, 0.0]))[:, None] + noise


def test_noise_is_taken_out_of_indices_and_reported():
    """V = 10 / 12; noise of variance 1 beside it would make every total index too large by a half."""
    found = sobol_indices(noisy_anew(), 3, 9, 16, 0.9999)
    for estimate, value in zip((*found.first, *found.total), (0.9, 0.1, 0.0) * 2, strict=True):
        assert estimate.lower <= value <= estimate.upper
        assert estimate.upper - estimate.lower < 0.6
    assert found.variance.lower <= 10 / 12 <= found.variance.upper
    assert found.noise_share.lower <= 1 / (1 + 10 / 12) <= found.noise_share.upper
    function = noisy_anew()
    raw = sobol_indices(lambda u: function(u).mean(axis=1), 3, 9, 16, 0.9999)
    assert raw.total[2].lower > 0.3  # what an input without any effect would be said to have


def noisy_anew():
    """`noisy` with new noise at every call."""
    seeds = iter(range(10**6))
    return lambda u: noisy(u, seed=next(seeds))


def test_common_noise_cancels():
    """Batches shared by all points: the answer's shift is common, so nothing is left to remove."""
    shift = np.random.default_rng(1).standard_normal(8)
    found = sobol_indices(lambda u: (u @ np.array([3.0, 1.0]))[:, None] + shift, 2, 9, 6)
    np.testing.assert_allclose([e.value for e in found.first], (0.9, 0.1), atol=2e-3)
    assert abs(found.noise_share.value) < 1e-12


def test_morris_absolute_effect_of_noise_alone_is_not_positive():
    """It is never larger than the truth on average: a sign that the noise turns costs some of it."""
    found = morris(noisy_anew(), 3, 2000, 4, 0.9999)
    for estimate, slope in zip(found.mean, (3.0, 1.0, 0.0), strict=True):
        assert estimate.lower <= slope <= estimate.upper
    assert found.absolute[2].lower <= 0.0 <= found.absolute[2].upper
    assert 2.0 < found.absolute[0].value < 3.0
    assert found.absolute[1].lower > found.absolute[2].value


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sobol_indices(lambda u: np.ones(len(u)), 2, 5, 4), "must vary"),
        (lambda: sobol_indices(lambda u: u[:, 0], 2, 5, 2), "replicates"),
        (lambda: morris(lambda u: u[:, 0], 2, 10, 3), "even number"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
