"""Reverse stress: the most likely move over a horizon that breaks a limit.

Among all joint log-returns x whose loss is at least the limit, the one of highest density.  The density is the
saddlepoint approximation of the exact joint law (Daniels 1954): with K the joint cumulant function and s the tilt that
has mean K'(s) = x,

    log f(x) = K(s) - s.x - log det(2 pi K''(s)) / 2,

and a path that ends at x has, to the same order, the variance state of the tilted law, E_s[V_T] = dK / dw.  So the
search runs over tilts: along each of many directions the move K'(t u) grows with t, the first t at which the limit
breaks is bracketed and bisected, and the best direction is refined.  A book that loses on both sides, or between two
strikes, is found on the direction where it loses.

How unlikely a move is, is said as the distance of a normal law with the same drop in density,
sqrt(2 (log f(mode) - log f(x))), and not as a probability: a density at a point has none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.law.joint import JointBatesLaw

_STEPS = 80  # tilts tried along a direction
_LENGTHS = np.geomspace(0.02, 60.0, _STEPS)
_BISECTIONS = 24
_REFINEMENTS = 4
_FARTHEST = 12.0  # standard deviations of the law that a direction is followed
Loss = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class ReverseStress:
    """The most likely move that breaks a limit.

    Attributes
    ----------
    move : ndarray, shape (A,)
        Relative price moves, -0.2 a fall of 20 %.
    variance_ratio : float
        Variance state at the end over its mean; 1 where variance does not move.
    distance : float
        Standard deviations of a normal law with the same drop in density.
    loss : float
        At the move; the limit or barely more.
    """

    move: Floats
    variance_ratio: float
    distance: float
    loss: float


class ReverseSearch:
    """Searches for the most likely move under one law and horizon; what depends on them only is laid out once.

    Parameters
    ----------
    law : JointBatesLaw
    years : float
        Horizon.
    seed : int
        Of the directions that are tried beyond two assets, and of refinements.
    """

    def __init__(self, law: JointBatesLaw, years: float, seed: int = 1):
        self._space, self._seed = _Tilts(law, years), seed
        self._rays = _Rays(self._space, self._space.directions(np.random.default_rng(seed)))

    @property
    def reach(self) -> float:
        """Distance up to which every direction is searched: no nearer move breaks a limit that is not found."""
        return self._rays.reach

    def find(self, loss: Loss, limit: float) -> ReverseStress | None:
        """The most likely move that loses at least `limit`.

        Parameters
        ----------
        loss : callable
            ``loss(x, variance)`` of log-returns (A, P) and variance states relative to their mean (P,), shape (P,).
        limit : float
            In the unit of the loss.

        Returns
        -------
        ReverseStress or None
            None where no move along the directions searched breaks the limit before the law's moments end; `reach` says
            how far that is.
        """
        space, random = self._space, np.random.default_rng(self._seed)
        found = self._rays.first_break(loss, limit)
        width = 0.3
        for _ in range(_REFINEMENTS if found is not None and space.assets > 1 else 0):
            near = found[0] + width * random.standard_normal((48, space.assets))
            better = _Rays(space, near / np.linalg.norm(near, axis=1, keepdims=True)).first_break(loss, limit)
            if better is not None and better[1] > found[1]:
                found = better
            width *= 0.4
        if found is None:
            return None
        _, height, tilt = found
        x, variance, _ = space.at(tilt[None])
        distance = np.sqrt(2.0 * max(space.peak - height, 0.0))
        return ReverseStress(np.expm1(x[:, 0]), float(variance[0]), float(distance), float(loss(x, variance)[0]))


class _Tilts:
    """Moves, variance states and log-densities as functions of the tilt."""

    def __init__(self, law: JointBatesLaw, years: float):
        self._law, self._years = law, years
        self.assets = len(law.theta)
        unit = np.eye(self.assets)
        self.size = np.array([law.scale(row, years) for row in unit])
        # steps of the differences: small against the scale on which the cumulant bends, which is one over a move
        self._step = 1e-3 / self.size
        self.peak = float(self.at(np.zeros((1, self.assets)))[2][0])

    def directions(self, random: np.random.Generator) -> Floats:
        """Unit vectors, shape (N, A), in tilts scaled by each asset's standard deviation."""
        if self.assets == 1:
            return np.array([[1.0], [-1.0]])
        if self.assets == 2:
            angle = np.linspace(0.0, 2.0 * np.pi, 180, endpoint=False)
            return np.stack([np.cos(angle), np.sin(angle)], axis=1)
        drawn = random.standard_normal((512 * self.assets, self.assets))
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def tilt(self, direction: Floats, length: Floats) -> Floats:
        """Tilts along `direction` (N, A) at `length` (N,), shape (N, A)."""
        return direction * length[:, None] / self.size

    def at(self, tilt: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-returns (A, N), variance states (N,) and log-densities (N,); NaN where a moment is infinite."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._at(tilt)

    def _at(self, tilt: Floats) -> tuple[Floats, Floats, Floats]:
        n, a = tilt.shape
        centre = self._value(tilt)
        first, second = np.empty((a, n)), np.empty((n, a, a))
        shifted = np.zeros(a)
        ahead, behind = [], []
        for i in range(a):
            shifted[:] = 0.0
            shifted[i] = self._step[i]
            ahead.append(self._value(tilt + shifted))
            behind.append(self._value(tilt - shifted))
            first[i] = (ahead[i] - behind[i]) / (2.0 * self._step[i])
            second[:, i, i] = (ahead[i] - 2.0 * centre + behind[i]) / self._step[i] ** 2
        for i in range(a):
            for j in range(i):
                shifted[:] = 0.0
                shifted[i], shifted[j] = self._step[i], self._step[j]
                both, neither = self._value(tilt + shifted), self._value(tilt - shifted)
                mixed = both + neither - ahead[i] - behind[i] - ahead[j] - behind[j] + 2.0 * centre
                second[:, i, j] = second[:, j, i] = mixed / (2.0 * self._step[i] * self._step[j])
        variance = np.ones(n)
        if self._law.xi0 > 0.0:
            w = 1e-5
            up = self._law.cumulant(tilt, self._years, w)
            variance = (up - self._law.cumulant(tilt, self._years, -w)) / (2.0 * w)
        # log det of the covariance relative to the assets' own scales, which keeps it near one
        relative = second / np.multiply.outer(self.size, self.size)
        sign, log_det = np.linalg.slogdet(np.nan_to_num(relative, nan=-1.0))
        density = centre - np.einsum("na,an->n", tilt, first) - 0.5 * log_det
        legal = np.isfinite(density) & (sign > 0) & np.isfinite(variance) & (variance > 0.0)
        return first, variance, np.where(legal, density, np.nan)

    def _value(self, tilt: Floats) -> Floats:
        return self._law.cumulant(tilt, self._years)


class _Rays:
    """Moves along directions (N, A) of tilts, ready to be held against any loss."""

    def __init__(self, space: _Tilts, directions: Floats):
        self._space, self._directions = space, directions
        count = len(directions)
        grid = space.tilt(np.tile(directions, (_STEPS, 1)), np.repeat(_LENGTHS, count))
        self._x, self._variance, density = space.at(grid)
        far = np.abs(self._x / space.size[:, None]).max(axis=0)
        # a direction ends where a moment explodes, or where the differences cross the edge: along a ray s.K'(s) grows,
        # because K is convex (the size of the move itself may shrink at first, where the mean return points back)
        along = (np.tile(directions, (_STEPS, 1)) * (self._x / space.size[:, None]).T).sum(axis=1)
        usable = (np.isfinite(density) & (far <= _FARTHEST)).reshape(_STEPS, count)
        usable[1:] &= np.diff(along.reshape(_STEPS, count), axis=0) > 0
        self._usable = np.logical_and.accumulate(usable, axis=0)
        self._where = np.flatnonzero(self._usable.ravel())
        ends = np.where(self._usable, density.reshape(_STEPS, count), np.inf).min(axis=0)
        self.reach = float(np.sqrt(2.0 * max(space.peak - ends.max(), 0.0))) if np.isfinite(ends).all() else 0.0
        self._points = np.ascontiguousarray(self._x[:, self._where]), self._variance[self._where]

    def first_break(self, loss: Loss, limit: float) -> tuple[Floats, float, Floats] | None:
        """(direction, log-density, tilt) of the likeliest first break; None where no direction breaks the limit."""
        broken = np.zeros(self._usable.size, dtype=bool)
        broken[self._where] = loss(*self._points) >= limit
        broken = broken.reshape(self._usable.shape)
        hit = np.flatnonzero(broken.any(axis=0))
        if hit.size == 0:
            return None
        first = np.argmax(broken, axis=0)[hit]
        high, low = _LENGTHS[first], np.where(first > 0, _LENGTHS[first - 1], 0.0)
        directions = self._directions[hit]
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            x, variance, _ = self._space.at(self._space.tilt(directions, middle))
            beyond = loss(x, variance) >= limit
            high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
        tilts = self._space.tilt(directions, high)
        density = self._space.at(tilts)[2]
        best = int(np.nanargmax(density))
        return directions[best], float(density[best]), tilts[best]
