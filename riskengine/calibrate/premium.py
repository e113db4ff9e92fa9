"""Premium of a perpetual from its funding history: what the venue's formula hides, read back.

Outside the band the formula of `riskengine.scenario.state.perpetual` is one to one, premium = rate -+ band; where the
rate is the interest rate, the premium is only known to lie inside the band, and where it is the cap, beyond cap + band.
So the premium is a censored normal sample (Tobit), and mean and sd maximise

    sum over rates between  log n((rate -+ band - m) / s) / s  +  count at interest * log(N(b) - N(a))
        +  count at the cap below * log N(l)  +  count at the cap above * log N(-u),

with l, a, b, u the knots of the formula in units of s.  The half-life is where the lag-one autocorrelation of the
formula's rate, sum_n c_n^2 rho^n / sum_n c_n^2 over the Hermite coefficients of the formula (n >= 1), is that of the
data.  Errors: circular block bootstrap.  Reference: Tobin, Econometrica 26 (1958), 24-36.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.scenario.state.perpetual import FundingFormula

BINANCE = FundingFormula()
_TERMS = 60
_NEAR = 1e-9  # a rate that is this near to interest or cap is there


@dataclass(frozen=True)
class PremiumFit:
    """Figures of `PerpetualMarket` for one asset, with standard errors.

    Attributes
    ----------
    mean, sd, half_life_hours : float
    mean_error, sd_error, half_life_error : float
    at_interest : float
        Share of intervals in which the rate is the interest rate, in the data.
    at_interest_model : float
        The same under the fit: how far one normal law goes.
    count : int
    """

    mean: float
    sd: float
    half_life_hours: float
    mean_error: float
    sd_error: float
    half_life_error: float
    at_interest: float
    at_interest_model: float
    count: int


def rate_autocorrelation(formula: FundingFormula, mean: float, sd: float, rho: Floats) -> Floats:
    """Autocorrelation of the rate at a lag over which the premium's is `rho`; shape of `rho`."""
    return _autocorrelation(hermite_coefficients(formula, mean, sd), rho)


def _autocorrelation(coefficients: Floats, rho: Floats) -> Floats:
    c = coefficients[1:] ** 2
    return np.asarray(rho, dtype=np.float64)[..., None] ** np.arange(1, _TERMS + 1) @ c / c.sum()


def hermite_coefficients(formula: FundingFormula, mean: float, sd: float) -> Floats:
    """Coefficients c_0, c_1, ... of the rate at premium mean + sd z in orthonormal Hermite polynomials of z."""
    knots = np.clip((formula.knots - mean) / sd, -12.0, 12.0)
    edges = np.concatenate([[-12.0], knots, [12.0]])
    node, weight = np.polynomial.legendre.leggauss(60)
    half = 0.5 * np.diff(edges)[:, None]
    z = (edges[:-1, None] + half * (1.0 + node)).ravel()
    mass = (half * weight).ravel() * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * formula.rate(mean + sd * z)
    last, polynomial, out = np.zeros_like(z), np.ones_like(z), np.empty(_TERMS + 1)
    for n in range(_TERMS + 1):
        out[n] = mass @ polynomial
        last, polynomial = polynomial, (z * polynomial - np.sqrt(n) * last) / np.sqrt(n + 1.0)
    return out


def fit_premium(
    rates: Floats,
    formula: FundingFormula = BINANCE,
    block: int = 90,
    replicates: int = 200,
    seed: int = 1,
) -> PremiumFit:
    """Mean, sd and half-life of the premium behind funding `rates`, one per interval in time order.

    Parameters
    ----------
    rates : ndarray, shape (N,)
        Per interval; at least 200.
    formula : FundingFormula
    block : int
        Intervals of a bootstrap block.
    replicates, seed : int

    Raises
    ------
    ValueError
        Too few rates, rates beyond the cap (it is then another), or fewer than 20 that are neither at interest nor at
        the cap: the premium is then not identified.
    """
    f = np.asarray(rates, dtype=np.float64)
    if f.size < 200 or not np.isfinite(f).all():
        raise ValueError(f"rates must hold at least 200 finite numbers, got {f.size}")
    if (beyond := np.abs(f) > formula.cap + _NEAR).any():
        raise ValueError(
            f"rates must lie within the cap of {formula.cap:g} either way, got {int(beyond.sum())} beyond it, "
            f"up to {np.abs(f).max():g}"
        )
    at = np.abs(f - formula.interest) < _NEAR
    below, above = ~at & (f < _NEAR - formula.cap), ~at & (f > formula.cap - _NEAR)
    exact = ~(at | below | above)
    if exact.sum() < 20:
        raise ValueError(f"at least 20 rates must lie outside the band and within the cap, got {int(exact.sum())}")
    premium = np.where(exact, f + np.sign(f - formula.interest) * formula.band, 0.0)
    follows = np.append(f[1:], f[:1])
    columns = np.stack([at, below, above, exact, premium, premium**2, f, f * f, f * follows], axis=1)
    columns = columns.astype(np.float64)
    whole = _solve(columns.sum(axis=0), formula)
    drawn = BlockBootstrap(f.size, block, replicates, seed).sums(columns)
    errors = np.std([_solve(row, formula, whole) for row in drawn], axis=0, ddof=1)
    return PremiumFit(*whole, *(float(e) for e in errors), float(at.mean()), _inside(formula, *whole[:2]), f.size)


def _inside(formula: FundingFormula, mean: float, sd: float) -> float:
    from scipy.special import ndtr

    low, high = (formula.knots[1:3] - mean) / sd
    return float(ndtr(high) - ndtr(low))


def _solve(
    sums: Floats, formula: FundingFormula, near: tuple[float, float, float] | None = None
) -> tuple[float, float, float]:
    """(mean, sd, half-life in hours) from the sums of the columns of `fit_premium`; `near` starts the search."""
    from scipy.optimize import brentq, minimize
    from scipy.special import log_ndtr

    hidden, below, above, seen, first, second, f, ff, cross = sums
    lowest, highest = formula.knots[[0, 3]]
    unit = formula.band or formula.cap

    def cost(point: Floats) -> float:
        mean, sd = point[0] * unit, np.exp(point[1]) * unit
        squares = (second - 2.0 * mean * first + seen * mean * mean) / (sd * sd)
        inside = hidden * np.log(max(_inside(formula, mean, sd), 1e-300))
        capped = below * log_ndtr((lowest - mean) / sd) + above * log_ndtr((mean - highest) / sd)
        return 0.5 * squares + seen * point[1] - inside - capped

    # premiums that are seen lie on one side, as a rule: their spread is a lower bound; resamples start from the whole
    spread = np.log(max(np.sqrt(max(second / seen - (first / seen) ** 2, 0.0)), 1e-3 * unit) / unit)
    starts = [(first / seen / unit, spread + k) for k in (0.0, 0.7, 1.5)]
    if near is not None:
        starts = [(near[0] / unit, np.log(near[1] / unit))]
    tries = [minimize(cost, x, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-8}) for x in starts]
    found = min(tries, key=lambda t: t.fun)
    mean, sd = float(found.x[0] * unit), float(np.exp(found.x[1]) * unit)
    count = hidden + below + above + seen
    target = (cross / count - (f / count) ** 2) / (ff / count - (f / count) ** 2)
    c, low, high = hermite_coefficients(formula, mean, sd), 1e-6, 1.0 - 1e-9
    span = _autocorrelation(c, np.array([low, high]))
    if not span[0] < target < span[1]:
        raise ValueError(
            f"lag-one autocorrelation of the rates must lie in ({span[0]:.3g}, {span[1]:.3g}), got {target:.3g}"
        )
    rho = brentq(lambda r: float(_autocorrelation(c, np.array(r))) - target, low, high)
    return mean, sd, float(formula.interval_hours * np.log(0.5) / np.log(rho))
