"""Correlation matrices: checks, the nearest valid one, and triangular factors."""

from collections.abc import Sequence

import numpy as np

from riskengine.arrays import Floats

# a pivot below this is a direction without variance of its own; rounding of a 50-asset matrix stays under 1e-14
_SINGULAR = 1e-12
# smallest eigenvalue of a repaired matrix where it must be definite: far above rounding, far below what data can tell
_DEFINITE = 1e-9
_PROJECTIONS = 20_000


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
    if np.abs(out).max() > 1.0 + 1e-12:
        i, j = (int(k) for k in np.argwhere(np.abs(out) > 1.0 + 1e-12)[0])
        raise ValueError(f"{name} must hold numbers in [-1, 1], got {out[i, j]} at ({i}, {j})")
    smallest = float(np.linalg.eigvalsh(out)[0])
    if smallest < (-_SINGULAR * count if allow_singular else _SINGULAR):
        kind = "positive semidefinite" if allow_singular else "positive definite"
        raise NotDefiniteError(f"{name} must be {kind}, got smallest eigenvalue {smallest:.6g}")
    return out


class NotDefiniteError(ValueError):
    """A symmetric matrix with ones on its diagonal that no random vector has: some combination has no variance left."""


def nearest_correlation(matrix: Floats, floor: float = 0.0) -> Floats:
    """The correlation matrix nearest to `matrix` in the Frobenius norm, shape (A, A).

    Alternating projections onto the matrices with eigenvalues of `floor` or more and onto those with a unit diagonal,
    with Dykstra's correction on the first, which makes them meet at the nearest point and not merely at some point.

    Parameters
    ----------
    matrix : ndarray, shape (A, A)
        Symmetric, ones on its diagonal.
    floor : float
        Smallest eigenvalue of the result, up to rounding; in [0, 1).

    References
    ----------
    Higham, IMA Journal of Numerical Analysis 22 (2002), 329-343.
    """
    out = np.array(matrix, dtype=np.float64)
    correction = np.zeros_like(out)
    for _ in range(_PROJECTIONS):
        shifted = out - correction
        value, vector = np.linalg.eigh(shifted)
        definite = (vector * np.maximum(value, floor)) @ vector.T
        correction = definite - shifted
        before, out = out, definite.copy()
        np.fill_diagonal(out, 1.0)
        if np.abs(out - before).max() < 1e-14 + 1e-12 * np.abs(out - matrix).max():
            break
    # the last projection put ones on the diagonal of a definite matrix; scaling does so and leaves it definite
    scale = 1.0 / np.sqrt(np.diagonal(definite))
    out = 0.5 * (definite + definite.T) * scale[:, None] * scale[None, :]
    np.fill_diagonal(out, 1.0)
    return out


def repaired(
    name: str, matrix: Floats, labels: Sequence[str], *, allow_singular: bool = False
) -> tuple[Floats, str]:  # fmt: skip
    """The nearest valid matrix and a sentence that says how far and where it is from `matrix`.

    Parameters
    ----------
    name : str
        Name used in the sentence.
    matrix : array_like, shape (A, A)
        Symmetric, ones on its diagonal, not definite.
    labels : sequence of str
        Names of the rows.
    allow_singular : bool
        Whether the result may have eigenvalues of zero; they are 1e-9 or more where it may not.
    """
    given = np.array(matrix, dtype=np.float64)
    smallest = float(np.linalg.eigvalsh(given)[0])
    out = nearest_correlation(given, 0.0 if allow_singular else _DEFINITE)
    moved = np.abs(out - given)
    i, j = (int(k) for k in np.unravel_index(np.argmax(moved), moved.shape))
    return out, (
        f"{name} must be positive semidefinite, got smallest eigenvalue {smallest:.3g}; the nearest valid matrix is "
        f"used instead, moved by {np.linalg.norm(out - given):.3g} (Frobenius norm), most at {labels[i]}-{labels[j]}: "
        f"{given[i, j]:.4g} to {out[i, j]:.4g}"
    )


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
