"""Portfolios of several assets under correlated Merton diffusions with common and own jumps.

Given the Poisson counts (n_0 common, n_i of asset i alone) the log-returns are jointly normal, with covariance
T D + n_0 J + diag(n_i d_i^2).  The loss of a linear portfolio, L = -sum w_i (e^{X_i} - 1), is monotone in any one
asset, so given all others that one asset is integrated in closed form:
    P(L > c | others) is a normal cdf,   E[(L - c)^+ | others] a Black formula.
Two assets: the other one is integrated by Gauss-Legendre panels against the mixture of normals, which is exact to about
1e-10.  More assets: the others and the counts are drawn by scrambled Sobol points, and the figure is a reference with
the standard error of independent scrambles (Owen 1997), never called exact.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, pdtr

from riskengine.arrays import Floats, check_range
from riskengine.errors import RunError
from riskengine.estimate import Estimate
from riskengine.law.inversion import chernoff_window
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw, poisson_counts
from riskengine.law.reference import replicated

_WEIGHT_FLOOR = 1e-16
_MOST_COMPONENTS = 50_000
_NODES = 16


@dataclass(frozen=True)
class JointMertonLaw:
    """Joint law of the log-returns of A assets.

    Attributes
    ----------
    drift, sigma : tuple of float
        Growth rate of each price (jumps are compensated) and diffusive volatility, per year.
    correlation : tuple of tuple of float
        Of the Brownian motions; positive definite.
    common : tuple of NormalJump or None
        What one common arrival does to each asset; all of one intensity.
    common_correlation : tuple of tuple of float or None
        Of the sizes of one common arrival; positive semidefinite.
    own : tuple of NormalJump or None
        Arrivals of each asset alone.
    horizon : float
        Years.
    """

    drift: tuple[float, ...]
    sigma: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]
    common: tuple[NormalJump, ...] | None
    common_correlation: tuple[tuple[float, ...], ...] | None
    own: tuple[NormalJump, ...] | None
    horizon: float

    def __post_init__(self) -> None:
        count = len(self.sigma)
        check_range("horizon", self.horizon, 0.0, 100.0, open_low=True)
        for name in ("drift", "common", "own"):
            held = getattr(self, name)
            if held is not None and len(held) != count:
                raise ValueError(f"{name} must hold {count} entries, one per asset, got {len(held)}")
        if self.common is not None and len({j.intensity for j in self.common}) != 1:
            raise ValueError("common must hold jumps of one intensity, got several")
        if (self.common is None) != (self.common_correlation is None):
            raise ValueError("common and common_correlation must be given together")
        for name, least in (("correlation", 1e-12), ("common_correlation", -1e-12)):
            if getattr(self, name) is None:
                continue
            matrix = np.array(getattr(self, name), dtype=np.float64)
            fine = matrix.shape == (count, count) and (matrix == matrix.T).all() and (np.diag(matrix) == 1).all()
            if not fine or np.linalg.eigvalsh(matrix).min() < least:
                raise ValueError(f"{name} must be a correlation matrix of {count} assets, got {matrix.tolist()}")

    def marginal(self, index: int) -> MertonLaw:
        """Law of one asset alone."""
        jumps = [part[index] for part in (self.common, self.own) if part is not None]
        return MertonLaw(self.drift[index], self.sigma[index], tuple(j for j in jumps if j.intensity > 0), self.horizon)

    @property
    def trend(self) -> Floats:
        """Mean of each log-return given no jump, shape (A,)."""
        out = np.array(self.drift) - 0.5 * np.array(self.sigma) ** 2
        for part in (self.common, self.own):
            if part is not None:
                out = out - np.array([j.intensity * j.relative_mean for j in part])
        return out * self.horizon

    @property
    def rates(self) -> Floats:
        """Expected counts within the horizon, common first, shape (1 + A,)."""
        common = self.common[0].intensity if self.common else 0.0
        own = [j.intensity for j in self.own] if self.own else [0.0] * len(self.sigma)
        return self.horizon * np.array([common, *own])

    @cached_property
    def _sizes(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Means (A,) and covariance (A, A) of a common arrival, means and variances (A,) of own ones."""
        zero = np.zeros(len(self.sigma))
        common, spread = zero, np.zeros((zero.size, zero.size))
        if self.common is not None:
            common, sd = (np.array([getattr(j, k) for j in self.common]) for k in ("mean", "sd"))
            spread = np.outer(sd, sd) * np.array(self.common_correlation)
        own = [np.array([getattr(j, k) for j in self.own]) for k in ("mean", "sd")] if self.own else [zero, zero]
        return common, spread, own[0], own[1] ** 2

    def given(self, counts: np.ndarray) -> tuple[Floats, Floats]:
        """Mean, shape (N, A), and covariance, (N, A, A), of the log-returns given `counts`, shape (N, 1 + A)."""
        common, spread, own, own_variance = self._sizes
        n0, n = counts[:, :1], counts[:, 1:]
        sigma = np.array(self.sigma)
        diffusion = self.horizon * np.outer(sigma, sigma) * np.array(self.correlation)
        covariance = diffusion + n0[:, :, None] * spread
        covariance = covariance + (n * own_variance)[:, :, None] * np.eye(sigma.size)
        return self.trend + n0 * common + n * own, covariance


def _given_others(a: Floats, w: float, mean: Floats, sd: Floats, excess: bool) -> Floats:
    """P(a > w e^X), or with `excess` E[(a - w e^X)^+], for X normal; arrays that broadcast."""
    size = abs(w)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = (np.log(np.abs(a) / size) - mean) / sd
    # long, a put on what is not lost elsewhere; short, a call, and all of it where a is positive
    hit = np.where(a > 0, ndtr(d), 0.0) if w > 0 else np.where(a >= 0, 1.0, ndtr(-d))
    if not excess:
        return hit
    whole = size * np.exp(mean + 0.5 * sd * sd)
    if w > 0:
        return np.where(a > 0, a * hit - whole * ndtr(d - sd), 0.0)
    return np.where(a >= 0, a + whole, a * hit + whole * ndtr(sd - d))


@dataclass(frozen=True)
class PortfolioTail:
    """Tail of the loss of a linear portfolio.

    Attributes
    ----------
    law : JointMertonLaw
    weights : tuple of float
        USD held in each asset, negative where short.
    """

    law: JointMertonLaw
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.law.sigma):
            raise ValueError(f"weights must hold {len(self.law.sigma)} numbers, got {len(self.weights)}")
        if not np.isfinite(self.weights).all() or not any(self.weights):
            raise ValueError(f"weights must be finite and not all zero, got {self.weights}")

    @cached_property
    def _inner(self) -> int:
        """The asset that is integrated in closed form: the one that moves the loss most."""
        sd = [self.law.marginal(i).scale for i in range(len(self.weights))]
        return int(np.argmax(np.abs(self.weights) * np.array(sd)))

    def breach_probability(self, loss: float, inner: int | None = None) -> float:
        """P(L > loss) of a portfolio of one or two assets, to about 1e-10.

        Parameters
        ----------
        loss : float
            USD.
        inner : int, optional
            Asset integrated in closed form; the other choice is an independent quadrature of the same figure.
        """
        return min(self._exact(loss, inner, excess=False), 1.0)

    def var(self, level: float) -> float:
        """Loss exceeded with probability 1 - level; one or two assets."""
        check_range("level", level, 0.5, 1.0, open_low=True, open_high=True)
        tail, size = 1.0 - level, float(np.abs(self.weights).sum())
        low, high = -size, size
        while self.breach_probability(high) > tail:
            low, high = high, 2.0 * high
        while self.breach_probability(low) < tail:
            low *= 2.0
        return float(brentq(lambda c: self.breach_probability(c) - tail, low, high, xtol=1e-12 * size, rtol=1e-12))

    def expected_shortfall(self, level: float, inner: int | None = None) -> float:
        """Mean loss beyond VaR; one or two assets."""
        var = self.var(level)
        return var + self._exact(var, inner, excess=True) / (1.0 - level)

    def _exact(self, loss: float, inner: int | None, excess: bool) -> float:
        """P(L > loss), or with `excess` E[(L - loss)^+]."""
        if len(self.weights) > 2:
            raise ValueError(f"only one or two assets are exact, got {len(self.weights)}: ask for a reference")
        i = self._inner if inner is None else inner
        if self.weights[i] == 0.0:
            raise ValueError(f"inner must be an asset that is held, got {i}")
        weight, mean, covariance = self._components
        total = sum(self.weights) - loss
        if len(self.weights) == 1:
            sd = np.sqrt(covariance[:, 0, 0])
            return float(weight @ _given_others(np.array(total), self.weights[0], mean[:, 0], sd, excess))
        o = 1 - i
        sd = np.sqrt(covariance[:, o, o])
        slope = covariance[:, i, o] / covariance[:, o, o]
        inner_sd = np.sqrt(covariance[:, i, i] - slope * covariance[:, i, o])
        # as the outer asset moves, the inner one's threshold moves against its mean, and the cdf turns over this width
        turn = inner_sd.min() / (np.abs(slope).max() + abs(self.weights[o] / self.weights[i]))
        x, step = self._nodes(o, total, min(2.5 * sd.min(), 4.0 * turn))
        a = total - self.weights[o] * np.exp(x)
        found = 0.0
        rows = max(1, (1 << 20) // weight.size)
        for k in range(0, x.size, rows):
            part = slice(k, k + rows)
            away = x[part, None] - mean[:, o]
            density = weight / (sd * np.sqrt(2 * np.pi)) * np.exp(-0.5 * (away / sd) ** 2)
            inside = _given_others(a[part, None], self.weights[i], mean[:, i] + slope * away, inner_sd, excess)
            found += float(step[part] @ (density * inside).sum(axis=1))
        return found

    @cached_property
    def _components(self) -> tuple[Floats, Floats, Floats]:
        """Weights (N,), means (N, A), covariances (N, A, A) of the normals that the counts mix."""
        counts, weight = np.zeros((1, 0)), np.ones(1)
        for rate in self.law.rates:
            n, p = poisson_counts(float(rate))
            counts = np.concatenate([np.repeat(counts, n.size, axis=0), np.tile(n, len(counts))[:, None]], axis=1)
            weight = np.multiply.outer(weight, p).ravel()
            keep = weight >= _WEIGHT_FLOOR
            counts, weight = counts[keep], weight[keep]
            if weight.size > _MOST_COMPONENTS:
                raise RunError(
                    f"the mixture must have at most {_MOST_COMPONENTS} components, got {weight.size}: "
                    "a shorter horizon or a reference would do"
                )
        return weight, *self.law.given(counts)

    def _nodes(self, asset: int, total: float, width: float) -> tuple[Floats, Floats]:
        """Nodes and weights over the log-return of the outer asset, edged where the inner one stops mattering."""
        law = self.law.marginal(asset)
        ends = [
            chernoff_window(lambda s, p=p: law.log_mgf(p + s) - law.log_mgf(np.array([p]))[0], law.scale)
            for p in (0.0, 1.0)
        ]
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        edges = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
        w = self.weights[asset]
        if w != 0.0 and total / w > 0.0:
            # beside it log|a| runs to minus infinity: panels shrink towards it
            near = np.log(total / w) + width * np.outer((-1.0, 1.0), 2.0 ** -np.arange(20.0)).ravel()
            edges = np.unique(np.concatenate([edges, near[(near > low) & (near < high)], [low, high]]))
        node, weight = np.polynomial.legendre.leggauss(_NODES)
        half = 0.5 * np.diff(edges)
        return ((edges[:-1] + half)[:, None] + half[:, None] * node).ravel(), (half[:, None] * weight).ravel()

    def reference(
        self, level: float, points: int = 1 << 13, scrambles: int = 16, seed: int = 0
    ) -> tuple[Estimate, Estimate]:
        """(VaR, ES) by randomised quasi-Monte Carlo: any number of assets.

        Parameters
        ----------
        level : float
        points : int
            Sobol points of one scramble, a power of two.
        scrambles : int
            Independent scrambles, at least 10: their spread is the error.
        seed : int

        Returns
        -------
        (Estimate, Estimate)
            Method ``"reference, <scrambles> replicates, t"``.  The mean of quantiles of replicates has a bias of the
            order of the square of their spread, far below the standard error.
        """
        check_range("level", level, 0.5, 1.0, open_low=True, open_high=True)
        if scrambles < 10 or points < 2 or points & (points - 1):
            raise ValueError(f"points must be a power of 2 and scrambles >= 10, got {points} and {scrambles}")
        found = [self._scramble(level, points, s) for s in np.random.SeedSequence(seed).spawn(scrambles)]
        return tuple(replicated(np.array(column), points * scrambles) for column in zip(*found, strict=True))

    def _scramble(self, level: float, points: int, stream: np.random.SeedSequence) -> tuple[float, float]:
        from scipy.stats import qmc

        count, tail = len(self.weights), 1.0 - level
        # the counts first, the common one foremost: they decide the tail
        uniform = qmc.Sobol(2 * count, rng=np.random.default_rng(stream)).random(points)
        uniform = np.clip(uniform, 1e-15, 1.0 - 1e-15)
        counts = np.stack([_poisson_inverse(u, r) for u, r in zip(uniform.T, self.law.rates, strict=False)], axis=1)
        mean, covariance = self.law.given(counts)
        order = [*(i for i in range(count) if i != self._inner), self._inner]
        factor = np.linalg.cholesky(covariance[:, order][:, :, order])
        z = ndtri(uniform[:, count + 1 :])
        x = mean[:, order[:-1]] + np.einsum("nij,nj->ni", factor[:, :-1, :-1], z)
        weights = np.array(self.weights)[order]
        rest = weights.sum() - np.exp(x) @ weights[:-1]
        inner_mean = mean[:, self._inner] + np.einsum("nj,nj->n", factor[:, -1, :-1], z)

        def given(c: float, excess: bool = False) -> float:
            return float(_given_others(rest - c, weights[-1], inner_mean, factor[:, -1, -1], excess).mean())

        size = float(np.abs(weights).sum())
        low, high = -size, size
        while given(high) > tail:
            high *= 2.0
        while given(low) < tail:
            low *= 2.0
        var = float(brentq(lambda c: given(c) - tail, low, high, xtol=1e-12 * size))
        return var, var + given(var, excess=True) / tail


def _poisson_inverse(u: Floats, rate: float) -> Floats:
    """Smallest count whose cdf reaches `u`."""
    top = int(rate + 12 * np.sqrt(rate) + 40)
    return np.searchsorted(pdtr(np.arange(top), rate), u).astype(np.float64)
