"""Correlation matrices."""

import numpy as np
import pytest

from riskengine.scenario.correlation import check_correlation, equicorrelation, factor


def test_not_positive_definite_names_the_matrix_and_its_smallest_eigenvalue():
    # three assets cannot all be correlated at -0.6: the smallest eigenvalue is 1 - 2 * 0.6
    with pytest.raises(ValueError, match=r"^correlation must be positive definite, got smallest eigenvalue -0\.2$"):
        check_correlation("correlation", equicorrelation(-0.6, 3), 3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, 0.5]], "must hold 2 rows of 2 correlations"),
        ([[1.0, 0.5], [0.4, 1.0]], r"must be symmetric, got 0\.5 at \(0, 1\) and 0\.4 at \(1, 0\)"),
        ([[1.0, 0.5], [0.5, 2.0]], "must hold ones on its diagonal"),
        ([[1.0, np.nan], [np.nan, 1.0]], "must hold finite numbers"),
        ([[1.0, 1.0], [1.0, 1.0]], "must be positive definite"),
    ],
)
def test_what_is_not_a_correlation_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        check_correlation("c", matrix, 2)


def test_singular_is_accepted_where_allowed():
    ones = np.ones((3, 3))
    assert check_correlation("c", ones, 3, allow_singular=True).tolist() == ones.tolist()
    assert factor(ones).tolist() == [[1.0, 0.0, 0.0]] * 3
    with pytest.raises(ValueError, match="must be positive semidefinite"):
        check_correlation("c", equicorrelation(-0.6, 3), 3, allow_singular=True)


def test_factor_agrees_with_cholesky_and_extends():
    rng = np.random.default_rng(4)
    b = rng.normal(size=(5, 5))
    matrix = b @ b.T + np.eye(5)
    np.testing.assert_allclose(factor(matrix), np.linalg.cholesky(matrix), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(factor(matrix[:3, :3]), factor(matrix)[:3, :3])


def test_factor_of_a_singular_matrix_reproduces_it():
    c = np.array([[1.0, 1.0, 0.3], [1.0, 1.0, 0.3], [0.3, 0.3, 1.0]])
    lower = factor(c)
    np.testing.assert_allclose(lower @ lower.T, c, atol=1e-14)
