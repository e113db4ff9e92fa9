"""Correlation matrices."""

import numpy as np
import pytest

from riskengine.errors import RepairWarning
from riskengine.scenario.bates import Bates
from riskengine.scenario.correlation import check_correlation, equicorrelation, factor, nearest_correlation
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps


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
        ([[1.0, 1.5], [1.5, 1.0]], r"must hold numbers in \[-1, 1\], got 1\.5 at \(0, 1\)"),
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


def test_the_nearest_matrix_is_the_published_one():
    """Higham (2002), section 1: distance 0.5278, entries 0.7607 and 0.1573."""
    found = nearest_correlation(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(found[[0, 0, 1], [1, 2, 2]], [0.7607, 0.1573, 0.7607], atol=5e-5)
    assert np.linalg.norm(found - [[1, 1, 0], [1, 1, 1], [0, 1, 1]]) == pytest.approx(0.5278, abs=5e-5)


def made_up(count, seed):
    b = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, count))
    out = 0.5 * (b + b.T)
    np.fill_diagonal(out, 1.0)
    return out


@pytest.mark.parametrize("count", [3, 6, 20])
def test_the_nearest_matrix_solves_the_dual_problem_too(count):
    """The nearest matrix is the positive part of A + diag(y) for the y that minimises the dual (Qi and Sun 2006)."""
    from scipy.optimize import minimize

    given = made_up(count, 5)

    def positive_part(y):
        value, vector = np.linalg.eigh(given + np.diag(y))
        value = np.maximum(value, 0.0)
        return value, (vector * value) @ vector.T

    def dual(y):
        value, part = positive_part(y)
        return 0.5 * (value @ value) - y.sum(), np.diagonal(part) - 1.0

    best = minimize(dual, np.zeros(count), jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 2_000})
    found = nearest_correlation(given)
    np.testing.assert_allclose(found, positive_part(best.x)[1], atol=1e-7)
    np.testing.assert_array_equal(np.diagonal(found), 1.0)
    assert np.linalg.eigvalsh(found)[0] > -1e-12


def test_the_nearest_matrix_is_that_of_quantlib():
    ql = pytest.importorskip("QuantLib")
    given = made_up(4, 8)
    matrix = ql.Matrix(4, 4)
    for i in range(4):
        for j in range(4):
            matrix[i][j] = given[i, j]
    root = ql.pseudoSqrt(matrix, ql.SalvagingAlgorithm.Higham)
    root = np.array([[root[i][j] for j in range(4)] for i in range(4)])
    # its stopping rule is 1e-6
    np.testing.assert_allclose(nearest_correlation(given), root @ root.T, atol=1e-4)


def test_a_valid_matrix_is_its_own_nearest_and_a_floor_is_kept():
    valid = equicorrelation(0.4, 5)
    np.testing.assert_allclose(nearest_correlation(valid), valid, atol=1e-13)
    floored = nearest_correlation(equicorrelation(-0.6, 3), 0.05)
    assert np.linalg.eigvalsh(floored)[0] == pytest.approx(0.05, rel=1e-6)


def test_a_world_with_an_impossible_matrix_is_built_with_the_nearest_and_says_so():
    rows = tuple(map(tuple, equicorrelation(-0.6, 3).tolist()))
    told = (
        r"^correlation must be positive semidefinite, got smallest eigenvalue -0\.2; the nearest valid matrix is used "
        r"instead, moved by 0\.245 \(Frobenius norm\), most at .-.: -0\.6 to -0\.5$"
    )
    with pytest.warns(RepairWarning, match=told) as caught:
        world = Gbm(("A", "B", "C"), (1.0,) * 3, (0.0,) * 3, (0.5,) * 3, rows)
    assert [w.filename for w in caught] == [__file__]
    np.testing.assert_allclose(world.correlation, equicorrelation(-0.5, 3), atol=1e-8)
    again = Gbm(("A", "B", "C"), (1.0,) * 3, (0.0,) * 3, (0.5,) * 3, world.correlation)
    assert again == world


def test_variance_and_jump_matrices_are_repaired_but_no_single_number_is():
    rows = equicorrelation(-0.6, 3).tolist()
    with pytest.warns(RepairWarning, match="^jump size correlation must be"):
        jumps = CommonJumps(1.0, (0.0,) * 3, (0.1,) * 3, rows)
    np.testing.assert_allclose(jumps.size_correlation, equicorrelation(-0.5, 3), atol=1e-12)
    with pytest.raises(ValueError, match="jump size correlation must be positive semidefinite"):
        CommonJumps(1.0, (0.0,) * 3, (0.1,) * 3, -0.6)
    three = (1.0,) * 3
    with pytest.warns(RepairWarning, match="^variance_correlation must be"):
        Bates(
            ("A", "B", "C"), three, (0.0,) * 3, three, three, three, (0.1,) * 3, "stationary", np.eye(3).tolist(), rows
        )


def test_what_follows_from_several_settings_is_refused_not_repaired():
    three, zero = (1.0,) * 3, (0.0,) * 3
    # each pair leaves room for -0.45 and so do all three, but not beside what rho takes: residuals at -0.6 each
    with pytest.raises(ValueError, match=r"residual correlation implied by .* must be positive .* eigenvalue -0\.2"):
        Bates(
            ("A", "B", "C"), three, zero, three, three, three, (0.5,) * 3, "stationary",
            equicorrelation(-0.45, 3).tolist(), np.eye(3).tolist(),
        )  # fmt: skip
