"""Sensitivity indices where they are known in closed form."""

import numpy as np
import pytest

from riskengine.tune.sensitivity import morris, shapley_effects, sobol_indices


def test_a_linear_function_explains_itself():
    """Var of c_i u_i is c_i^2 / 12: first and total indices are equal."""
    c = np.array([3.0, 1.0, 0.0])
    found = sobol_indices(lambda u: u @ c, 3, 9, 6)
    share = c * c / (c @ c)
    np.testing.assert_allclose([e.value for e in found.first], share, atol=2e-3)
    np.testing.assert_allclose([e.value for e in found.total], share, atol=2e-3)


def test_shapley_effects_of_dependent_normals():
    """Unit variances, correlation r: x1 + x2 is shared by symmetry; of x1 alone x2 gets r^2 / 2 (Owen and Prieur
    2017, two normals)."""
    r = 0.7

    def sample(n, random):
        z = random.standard_normal((n, 2))
        return np.stack([z[:, 0], r * z[:, 0] + np.sqrt(1 - r * r) * z[:, 1]], axis=1)

    def redraw(x, group, random):
        out = x.copy()
        (i,) = group
        out[:, i] = r * x[:, 1 - i] + np.sqrt(1 - r * r) * random.standard_normal(len(x))
        return out

    both = shapley_effects(lambda x: x.sum(axis=1), sample, redraw, 2, 2000, 4, 8, 0.9999)
    assert both[0].lower <= 0.5 <= both[0].upper
    alone = shapley_effects(lambda x: x[:, 0], sample, redraw, 2, 2000, 4, 8, 0.9999)
    assert alone[1].lower <= r * r / 2 <= alone[1].upper


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
