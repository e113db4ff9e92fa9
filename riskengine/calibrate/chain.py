"""Fit the shape of a `FactorSurface` to a history of option chains of one asset.

Two steps, both weighted least squares in volatility.  (1) Term structure: one state per snapshot, one reversion speed
and one long variance for all of them, on the at-the-money volatility of every expiry (linear interpolation of the
quotes next to the forward); the states are profiled out by Gauss-Newton.  (2) Smile: skew and curvature at short and
long tenors, the move of the skew with the state, smile tenor and wing, on all quotes relative to the observed
at-the-money level; given tenor and wing the other five are linear and are solved for.  Every tenor bucket of a
snapshot has the same weight, whatever its number of expiries.

The level of the surface and the factor from the world's variance to its state are no part of this fit: they are risk
premia, see `riskengine.calibrate.linked_surface`.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints, as_floats, check_shape

TENOR_EDGES_DAYS = (1, 3, 8, 15, 30, 60, 120, 400)
_WIDEST = 4.0  # standardised moneyness beyond which quotes are dust
_LOWEST_STATE = 0.005


@dataclass(frozen=True)
class ChainSample:
    """Quotes of one asset, one row per out-of-the-money option.

    Attributes
    ----------
    snapshot : ndarray of int, shape (Q,)
        Number of the chain the quote belongs to.
    tau : ndarray, shape (Q,)
        Years to expiry; quotes of one snapshot with the same `tau` are one expiry.
    log_moneyness : ndarray, shape (Q,)
        log(K / F) with the forward of the expiry.
    volatility : ndarray, shape (Q,)
        Implied volatility, decimal.
    """

    snapshot: Ints
    tau: Floats
    log_moneyness: Floats
    volatility: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshot", np.ascontiguousarray(self.snapshot, dtype=np.int64))
        for name in ("tau", "log_moneyness", "volatility"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 1))
            check_shape(name, getattr(self, name), self.snapshot.shape)
        if not ((self.tau > 0) & (self.volatility > 0)).all():
            raise ValueError("tau and volatility must be positive, got a quote that is not")


@dataclass(frozen=True)
class ChainFit:
    """Shape of the surface and how far it is from the quotes.

    Attributes
    ----------
    reversion, long_variance : float
        Speed per year, and level of the sample.
    smile : dict of str to float
        The seven smile fields of `FactorSurface`.
    states : ndarray, shape (S,)
        Instantaneous variance under the pricing law, per snapshot.
    tenor_days : tuple of (from, to)
    atm_rmse, atm_bias : ndarray, shape (B,)
        Volatility points by tenor bucket, given the state.
    smile_rmse : ndarray, shape (B,)
        Of all quotes by tenor, given the at-the-money level.
    """

    reversion: float
    long_variance: float
    smile: dict[str, float]
    states: Floats
    tenor_days: tuple[tuple[int, int], ...]
    atm_rmse: Floats
    atm_bias: Floats
    smile_rmse: Floats


def fit_chain(chain: ChainSample) -> ChainFit:
    """Fit reversion, long variance and smile to `chain`; ValueError where fewer than three expiries are usable."""
    from scipy.optimize import least_squares

    snapshot, tau, atm, quote_expiry = _expiries(chain)
    if atm.size < 3:
        raise ValueError(f"chain must hold at least three expiries with quotes on both sides, got {atm.size}")
    bucket = np.digitize(tau * 365.0, TENOR_EDGES_DAYS) - 1
    cell = snapshot * len(TENOR_EDGES_DAYS) + bucket
    weight = 1.0 / np.bincount(cell)[cell]
    count = int(snapshot.max()) + 1

    def term(point: Floats) -> tuple[Floats, Floats]:
        """States and fitted at-the-money volatilities."""
        speed, long = np.exp(point)
        loading = -np.expm1(-speed * tau) / (speed * tau)
        state = np.full(count, long)
        for _ in range(12):
            fitted = np.sqrt(np.maximum(long + (state[snapshot] - long) * loading, 1e-4))
            slope = loading / (2 * fitted)
            step = np.bincount(snapshot, weight * slope * (atm - fitted), count)
            state = np.maximum(state + step / np.bincount(snapshot, weight * slope**2, count), _LOWEST_STATE)
        return state, np.sqrt(np.maximum(long + (state[snapshot] - long) * loading, 1e-4))

    start = np.log([10.0, float(np.median(atm) ** 2)])
    root = np.sqrt(weight)
    found = least_squares(lambda p: root * (term(p)[1] - atm), start, diff_step=1e-4)
    state, fitted = term(found.x)
    speed, long = (float(x) for x in np.exp(found.x))
    tilt = (state - long) / (state + long)
    smile, error, used = _smile(chain, quote_expiry, snapshot, tau, atm, bucket, tilt)
    buckets = range(len(TENOR_EDGES_DAYS) - 1)
    return ChainFit(
        speed,
        long,
        smile,
        state,
        tuple(zip(TENOR_EDGES_DAYS[:-1], TENOR_EDGES_DAYS[1:], strict=True)),
        np.array([_rms(100 * (fitted - atm)[bucket == b]) for b in buckets]),
        np.array([_mean(100 * (fitted - atm)[bucket == b]) for b in buckets]),
        np.array([_rms(100 * error[bucket[used] == b]) for b in buckets]),
    )


def _rms(x: Floats) -> float:
    return float(np.sqrt((x * x).mean())) if x.size else float("nan")


def _mean(x: Floats) -> float:
    return float(x.mean()) if x.size else float("nan")


def _expiries(chain: ChainSample) -> tuple[Ints, Floats, Floats, Ints]:
    """Snapshot, tenor and at-the-money volatility of every usable expiry, and the expiry of each quote (-1: none)."""
    order = np.lexsort((chain.log_moneyness, chain.tau, chain.snapshot))
    snapshot, tau = chain.snapshot[order], chain.tau[order]
    edges = np.flatnonzero((np.diff(snapshot) != 0) | (np.diff(tau) != 0)) + 1
    member = np.full(chain.tau.size, -1, dtype=np.int64)
    out = []
    for rows in np.split(order, edges):
        k, years = chain.log_moneyness[rows], chain.tau[rows[0]]
        inside = TENOR_EDGES_DAYS[0] <= years * 365.0 < TENOR_EDGES_DAYS[-1]
        if inside and rows.size >= 5 and k[0] < 0.0 < k[-1]:
            member[rows] = len(out)
            out.append((chain.snapshot[rows[0]], years, np.interp(0.0, k, chain.volatility[rows])))
    if not out:
        return np.empty(0, np.int64), np.empty(0), np.empty(0), member
    numbers, years, atm = zip(*out, strict=True)
    return np.unique(np.array(numbers), return_inverse=True)[1], np.array(years), np.array(atm), member


def _smile(
    chain: ChainSample, member: Ints, snapshot: Ints, tau: Floats, atm: Floats, bucket: Ints, tilt: Floats
) -> tuple[dict[str, float], Floats, Ints]:
    """Smile parameters, error of every quote used, and the expiry of each."""
    from scipy.optimize import least_squares

    level = atm[member] * np.sqrt(tau[member])
    keep = (member >= 0) & (np.abs(chain.log_moneyness) < _WIDEST * level)
    e = member[keep]
    k, quoted = chain.log_moneyness[keep], chain.volatility[keep]
    cell = (snapshot[e] * len(TENOR_EDGES_DAYS) + bucket[e]) * 16 + np.digitize(
        k / level[keep], (-3, -2, -1, 0, 1, 2, 3)
    )
    root = np.sqrt(1.0 / np.bincount(cell)[cell])

    def solve(shape: Floats) -> tuple[Floats, Floats]:
        """Linear coefficients given log tenor and log wing, and the error of every quote."""
        short = np.exp(-tau[e] / np.exp(shape[0]))
        t = k / np.sqrt(level[keep] ** 2 + (k / np.exp(shape[1])) ** 2)
        columns = np.column_stack(
            [short * t, (1 - short) * t, short * t * t, (1 - short) * t * t, tilt[snapshot[e]] * t]
        )
        columns *= (root * atm[e])[:, None]
        coefficient = np.linalg.solve(columns.T @ columns, columns.T @ (root * (quoted - atm[e])))
        return coefficient, (columns @ coefficient) / root + atm[e] - quoted

    low, high = np.log([0.05, 1.0]), np.log([1.0, 10.0])
    shape = least_squares(lambda x: root * solve(x)[1], np.log([0.15, 4.0]), bounds=(low, high), diff_step=1e-4).x
    coefficient, error = solve(shape)
    names = ("skew_short", "skew_long", "curvature_short", "curvature_long", "skew_state", "smile_tenor", "wing")
    values = [*coefficient, *np.exp(shape)]
    return {n: float(v) for n, v in zip(names, values, strict=True)}, error, e
