"""SVI smiles fitted to a chain, slice by slice or as one arbitrage-free surface (SSVI).

Slice (quasi-explicit, De Marco and Martini, Zeliade 2009).  Given m and sigma, raw SVI is linear in three numbers:
with y = (k - m) / sigma, w = a + d y + c sqrt(y^2 + 1), c = b sigma, d = rho c.  Lee's bound on the wings
(b (1 + |rho|) <= 4) and |rho| <= 1 are a box in c + d and c - d, so the inner problem is bounded linear least squares
and only m and sigma are searched.  A slice may still hold a butterfly: its lowest g is reported.

Surface (Gatheral and Jacquier 2014): w(k, t) = theta_t / 2 (1 + rho f k + sqrt((f k + rho)^2 + 1 - rho^2)) with
f = eta / (theta^gamma (1 + theta)^(1 - gamma)).  With theta increasing, gamma in (0, 1/2] and eta (1 + |rho|) <= 2,
theta f (1 + |rho|) < 4 and theta f^2 (1 + |rho|) <= 4 hold for every theta, and there is neither a butterfly nor a
calendar spread.  These are constraints of the search, so the fitted surface is free of static arbitrage.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, as_floats, check_shape
from riskengine.pricing.svi import svi_density_factor, svi_total_variance

_LEAST_QUOTES = 5
_BEYOND = 0.5  # arbitrage is looked for over the quoted strikes and this share of their range to each side


@dataclass(frozen=True)
class SviSlice:
    """One expiry.

    Attributes
    ----------
    tau : float
    a, b, rho, m, sigma : float
        Raw SVI.
    rmse : float
        Root-mean-square error in volatility, weighted.
    low, high : float
        Log-moneyness over which arbitrage is looked for: the quotes and half their range to each side.
    lowest_g : float
        Smallest g there; negative: a butterfly.
    lowest_at : float
        Where.
    """

    tau: float
    a: float
    b: float
    rho: float
    m: float
    sigma: float
    rmse: float
    low: float
    high: float
    lowest_g: float
    lowest_at: float

    @property
    def raw(self) -> tuple[float, float, float, float, float]:
        """a, b, rho, m, sigma."""
        return self.a, self.b, self.rho, self.m, self.sigma

    @property
    def free_of_butterflies(self) -> bool:
        """Whether g >= 0 from `low` to `high`."""
        return self.lowest_g >= 0.0

    def volatility(self, k: Floats) -> Floats:
        """Implied volatility at log-moneyness `k`, shape of `k`."""
        return np.sqrt(svi_total_variance(k, *self.raw) / self.tau)


@dataclass(frozen=True)
class SsviSurface:
    """All expiries.

    Attributes
    ----------
    tau, theta : ndarray, shape (E,)
        Years, and total variance at the money; both increasing.
    rho, eta, gamma : float
    rmse : float
        Root-mean-square error in volatility, weighted.
    """

    tau: Floats
    theta: Floats
    rho: float
    eta: float
    gamma: float
    rmse: float

    def total_variance(self, k: Floats, expiry: np.ndarray) -> Floats:
        """w at log-moneyness `k` of expiries numbered `expiry`, shape of `k`."""
        theta = self.theta[expiry]
        return _ssvi(np.asarray(k), theta, self.rho, self.eta, self.gamma)

    def conditions(self) -> tuple[Floats, Floats]:
        """theta f (1 + |rho|), to be below 4, and theta f^2 (1 + |rho|), to be at most 4; shape (E,) each."""
        f = _phi(self.theta, self.eta, self.gamma)
        wide = 1.0 + abs(self.rho)
        return self.theta * f * wide, self.theta * f * f * wide


def fit_svi(k: Floats, volatility: Floats, tau: float, weight: Floats | None = None) -> SviSlice:
    """Fit one slice.

    Parameters
    ----------
    k : ndarray, shape (Q,)
        log(K / F).
    volatility : ndarray, shape (Q,)
        Implied, decimal, positive.
    tau : float
        Years.
    weight : ndarray, shape (Q,), optional
        Of squared errors of total variance.

    Raises
    ------
    ValueError
        Where there are fewer than five quotes, a volatility or tau is not positive, or the variance of the best slice
        is 0 where it is looked at.
    """
    from scipy.optimize import minimize

    k, volatility = as_floats("k", k, 1), as_floats("volatility", volatility, 1)
    check_shape("volatility", volatility, k.shape)
    weight = np.ones(k.size) if weight is None else as_floats("weight", weight, 1)
    check_shape("weight", weight, k.shape)
    if np.unique(k).size < _LEAST_QUOTES:
        raise ValueError(f"an SVI slice must have at least {_LEAST_QUOTES} strikes, got {np.unique(k).size}")
    if not (tau > 0.0 and (volatility > 0.0).all() and (weight >= 0.0).all() and weight.any()):
        raise ValueError("tau, volatilities and weights must be positive")
    w, root = volatility**2 * tau, np.sqrt(weight / weight.sum())
    width = float(np.ptp(k))

    def outer(point: Floats, floor: float) -> tuple[float, tuple[float, float, float, float, float]]:
        m, sigma = point[0], float(np.exp(point[1]))
        cost, inner = _inner(k, w, root, m, sigma, floor)
        return cost, (inner[0], inner[1], inner[2], float(m), sigma)

    best = None
    # a may be negative while w is positive; where the free fit has w < 0 somewhere, a is held at 0 or above
    for floor in (-float(w.max()), 0.0):
        for m in (float(k[np.argmin(w)]), float(np.clip(0.0, k.min() - width, k.max() + width))):
            for sigma in (0.1 * width, 0.4 * width):
                found = minimize(
                    lambda p, f=floor: outer(p, f)[0],
                    [m, np.log(sigma)],
                    method="Nelder-Mead",
                    bounds=[(k.min() - width, k.max() + width), (np.log(1e-3 * width), np.log(10.0 * width))],
                    options={"xatol": 1e-7, "fatol": 1e-16, "maxiter": 400},
                )
                if best is None or found.fun < best[0]:
                    best = (found.fun, outer(found.x, floor)[1])
        a, b, rho, m, sigma = raw = best[1]
        if a + b * sigma * np.sqrt(1.0 - rho * rho) > 0.0:
            break
        best = None
    low, high = float(k.min()) - _BEYOND * width, float(k.max()) + _BEYOND * width
    grid = np.linspace(low, high, 601)
    # a wing that falls to 0 at infinity is a slice; one that is 0 within reach has no density
    variance = svi_total_variance(grid, *raw)
    if not (variance > 0.0).all():
        raise ValueError(
            f"the SVI slice of {365.0 * tau:.4g} days must have a positive variance, got {variance.min():.3g} at "
            f"log-moneyness {grid[np.argmin(variance)]:+.3g}: its smile falls to nothing there"
        )
    g = svi_density_factor(grid, *raw)
    error = np.sqrt(svi_total_variance(k, *raw) / tau) - volatility
    at = int(np.argmin(g))
    rmse = float(np.sqrt((root**2 * error**2).sum()))
    return SviSlice(float(tau), *raw, rmse, low, high, float(g[at]), float(grid[at]))


def _inner(
    k: Floats, w: Floats, root: Floats, m: float, sigma: float, floor: float
) -> tuple[float, tuple[float, float, float]]:
    """Bounded least squares in a, (c + d) / 2, (c - d) / 2: cost and (a, b, rho)."""
    from scipy.optimize import lsq_linear

    y = (k - m) / sigma
    s = np.sqrt(y * y + 1.0)
    columns = np.column_stack([np.ones_like(y), s + y, s - y]) * root[:, None]
    low, high = np.array([floor, 0.0, 0.0]), np.array([float(w.max()), 2.0 * sigma, 2.0 * sigma])
    x = np.linalg.lstsq(columns, root * w, rcond=None)[0]
    if not ((x >= low) & (x <= high)).all():
        x = lsq_linear(columns, root * w, (low, high), method="bvls").x
    a, right, left = (float(v) for v in x)
    c = right + left
    return float(((columns @ x - root * w) ** 2).sum()), (a, c / sigma, (right - left) / c if c > 0.0 else 0.0)


def calendar_gap(near: SviSlice, far: SviSlice) -> tuple[float, float]:
    """Smallest increase of total variance from `near` to `far` where both are looked at, and the log-moneyness of it;
    negative: an arbitrage."""
    grid = np.linspace(max(near.low, far.low), min(near.high, far.high), 601)
    gap = svi_total_variance(grid, *far.raw) - svi_total_variance(grid, *near.raw)
    at = int(np.argmin(gap))
    return float(gap[at]), float(grid[at])


def fit_ssvi(
    k: Floats, volatility: Floats, expiry: np.ndarray, tau: Floats, weight: Floats | None = None
) -> SsviSurface:
    """Fit the surface.

    Parameters
    ----------
    k, volatility : ndarray, shape (Q,)
        log(K / F), and implied volatility.
    expiry : ndarray of int, shape (Q,)
        Position of each quote's expiry in `tau`.
    tau : ndarray, shape (E,)
        Years, increasing.
    weight : ndarray, shape (Q,), optional
        Of squared errors of volatility.
    """
    from scipy.optimize import least_squares

    k, volatility, tau = (as_floats(n, x, 1) for n, x in (("k", k), ("volatility", volatility), ("tau", tau)))
    check_shape("volatility", volatility, k.shape)
    weight = np.ones(k.size) if weight is None else as_floats("weight", weight, 1)
    needed = tau.size + 3
    if k.size < needed or np.unique(expiry).size < tau.size:
        raise ValueError(
            f"an SSVI surface of {tau.size} expiries must have at least {needed} quotes and one in each, got {k.size}"
        )
    if (np.diff(tau) <= 0).any() or not ((volatility > 0).all() and tau[0] > 0):
        raise ValueError("tau must be positive and increasing, and volatilities positive")
    near = [np.argmin(np.where(expiry == e, np.abs(k), np.inf)) for e in range(tau.size)]
    level = volatility[near] ** 2 * tau
    start = np.log(np.maximum(np.diff(level, prepend=0.0), 0.02 * level))
    root = np.sqrt(weight / weight.sum())

    def unpack(x: Floats) -> tuple[Floats, float, float, float]:
        rho = float(np.tanh(x[0]))
        eta = 2.0 / (1.0 + abs(rho)) / (1.0 + np.exp(-x[1]))
        return np.cumsum(np.exp(x[3:])), rho, float(eta), float(0.5 / (1.0 + np.exp(-x[2])))

    def residuals(x: Floats) -> Floats:
        theta, rho, eta, gamma = unpack(x)
        return root * (np.sqrt(_ssvi(k, theta[expiry], rho, eta, gamma) / tau[expiry]) - volatility)

    first = np.concatenate([[-0.2, 0.0, 0.0], start])
    reach = np.concatenate([[3.5, 12.0, 12.0], np.full(tau.size, 6.0)])
    found = least_squares(residuals, first, bounds=(first - reach, first + reach))
    theta, rho, eta, gamma = unpack(found.x)
    return SsviSurface(tau, theta, rho, eta, gamma, float(np.sqrt((found.fun**2).sum())))


def _phi(theta: Floats, eta: float, gamma: float) -> Floats:
    return eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma))


def _ssvi(k: Floats, theta: Floats, rho: float, eta: float, gamma: float) -> Floats:
    f = _phi(theta, eta, gamma) * k
    return 0.5 * theta * (1.0 + rho * f + np.sqrt((f + rho) ** 2 + 1.0 - rho * rho))
