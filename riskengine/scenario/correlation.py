"""Correlation matrices: checks and triangular factors."""

import numpy as np

from riskengine.arrays import Floats

# a pivot below this is a direction without variance of its own; rounding of a 50-asset matrix stays under 1e-14
_SINGULAR = 1e-12


def check_correlation(name: str, matrix: Floats, count: int, *, allow_singular: bool = False) -> Floats:
    """Return `matrix` as an array, or raise ValueError naming it and what was wrong (the smallest eigenvalue).

    Parameters
    ----------
    name : str
        Name used in the message.
    matrix : array_like, shape (count, count)
        Correlations: symmetric, ones on the diagonal.
    count : int
    allow_singular : bool
        Accept eigenvalues that are zero up to rounding (shocks that are one and the same).
    """
    out = np.array(matrix, dtype=np.float64)
    if out.shape != (count, count):
        raise ValueError(f"{name} must hold {count} rows of {count} correlations, got shape {out.shape}")
    if not np.isfinite(out).all():
        raise ValueError(f"{name} must hold finite numbers, got {out.tolist()}")
    if np.abs(np.diagonal(out) - 1.0).max() > 1e-12:
        raise ValueError(f"{name} must hold ones on its diagonal, got {np.diagonal(out).tolist()}")
    if np.abs(out - out.T).max() > 1e-12:
        i, j = (int(k) for k in np.argwhere(np.abs(out - out.T) > 1e-12)[0])
        raise ValueError(f"{name} must be symmetric, got {out[i, j]} at ({i}, {j}) and {out[j, i]} at ({j}, {i})")
    smallest = float(np.linalg.eigvalsh(out)[0])
    if smallest < (-_SINGULAR * count if allow_singular else _SINGULAR):
        kind = "positive semidefinite" if allow_singular else "positive definite"
        raise ValueError(f"{name} must be {kind}, got smallest eigenvalue {smallest:.6g}")
    return out


def factor(matrix: Floats) -> Floats:
    """Lower-triangular L with L L' = `matrix`, shape (A, A), also where the matrix is singular.

    Without pivoting: row i depends on the first i + 1 rows and columns only, so adding an asset at the end moves no
    draw of the assets before it.  A direction without variance of its own gets a column of zeros.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    n = matrix.shape[0]
    out = np.zeros((n, n))
    for j in range(n):
        pivot = matrix[j, j] - out[j, :j] @ out[j, :j]
        if pivot > _SINGULAR * n:
            out[j, j] = np.sqrt(pivot)
            out[j + 1 :, j] = (matrix[j + 1 :, j] - out[j + 1 :, :j] @ out[j, :j]) / out[j, j]
    return out


def equicorrelation(value: float, count: int) -> Floats:
    """The matrix with `value` off its diagonal, shape (count, count)."""
    return np.full((count, count), float(value)) + (1.0 - value) * np.eye(count)
