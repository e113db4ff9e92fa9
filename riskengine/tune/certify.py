"""Choices with a certificate: P(true risk of what is chosen > target) <= delta, at the sample size at hand.

Fixed-sequence testing (Learn then Test; Angelopoulos, Bates, Candes, Jordan and Lei 2021): candidates are walked from
safe to risky, in an order fixed beforehand, and the walk stops at the first whose risk cannot be shown to be below
target.  Each test is at level delta, and no correction is due: a wrong choice needs the first unsafe candidate to pass.
The p-value of H: risk > target is the binomial tail for breaches (dual to Clopper-Pearson).  For losses in [0, 1] it is
Hoeffding-Bentkus (Bates, Angelopoulos, Lei, Malik and Jordan 2021), which knows no variance,

    p = min(exp(-n kl(min(r, t), t)), e P(Bin(n, t) <= ceil(n r))),      r the mean loss, t the target,

or the wealth of a gambler who bets that losses stay below the target (Waudby-Smith and Ramdas 2024), which does:
shares of accounts vary far less than breaches of the same mean, so it certifies a riskier setting from the same paths,

    p = min over k of prod_{i <= k} 1 / (1 - b_i (x_i - t)),      the stake b_i from the losses before i.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2024): the riskiest candidate with
(n r + B) / (n + 1) <= target keeps the *expected* risk at the target; it needs losses that are monotone in the
candidate on every path, and is refused where they are not.

A certificate is about sampling: it holds given the world.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, xlogy

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.stats.proportion import check_counts, clopper_pearson_upper


@dataclass(frozen=True)
class Certificate:
    """What was certified.

    Attributes
    ----------
    chosen : int or None
        Place of the riskiest candidate that passed; None where not even the safest did.
    upper : ndarray, shape (C,)
        One-sided upper confidence bound on each candidate's risk at confidence 1 - delta; NaN for those not tested.
    target, delta : float
    method : str
    """

    chosen: int | None
    upper: Floats
    target: float
    delta: float
    method: str


def binomial_p_value(hits: int, n: int, target: float) -> float:
    """p-value of H: P(breach) > target, from `hits` in `n` independent paths: P(Bin(n, target) <= hits)."""
    check_counts(hits, n)
    return float(bdtr(hits, n, target))


def hoeffding_bentkus_p_value(mean: float, n: int, target: float) -> float:
    """p-value of H: E[loss] > target, for the mean of `n` independent losses in [0, 1]."""
    check_range("mean", mean, 0.0, 1.0)
    check_range("target", target, 0.0, 1.0, open_low=True, open_high=True)
    a = min(mean, target)
    divergence = float(xlogy(a, a / target) + xlogy(1.0 - a, (1.0 - a) / (1.0 - target)))
    return min(1.0, math.exp(-n * divergence), math.e * float(bdtr(math.ceil(n * mean - 1e-12), n, target)))


def hoeffding_bentkus_upper(mean: float, n: int, confidence: float) -> float:
    """One-sided upper bound on E[loss]: the largest target that the p-value does not reject at 1 - confidence."""
    check_range("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    return _largest_kept(lambda t: hoeffding_bentkus_p_value(mean, n, t), mean, 1.0 - confidence)


def _largest_kept(p_value: Callable[[float], float], mean: float, delta: float) -> float:
    """Largest target whose p-value exceeds `delta`, from above, by bisection; p-values fall with the target."""
    low, high = mean, 1.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if p_value(middle) > delta:
            low = middle
        else:
            high = middle
    return high


class Bets:
    """Bets on the mean of independent losses in [0, 1], in the order they were drawn.

    The stake is min(3/4, sqrt(2 log(1 / delta) / (n s^2))), s^2 the variance of the losses so far with one more of 1/4:
    the bet is sharpest at `delta`, and its p-values hold for any law (Ville's inequality).

    Parameters
    ----------
    losses : array_like, shape (n,)
    delta : float
    """

    def __init__(self, losses: ArrayLike, delta: float):
        self._x = x = as_floats("losses", losses, 1)
        check_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
        self._delta = delta
        count = np.arange(1.0, x.size + 1.0)
        around = x - np.cumsum(x) / count
        spread = (0.25 + np.cumsum(around * around)) / (count + 1.0)
        before = np.concatenate([[0.25], spread[:-1]])
        self._stake = np.minimum(0.75, np.sqrt(2.0 * math.log(1.0 / delta) / (x.size * before)))

    def p_value(self, target: float) -> float:
        """p-value of H: E[loss] > target."""
        wealth = np.cumsum(np.log1p(-self._stake * (self._x - target)))
        return float(np.exp(-max(0.0, wealth.max())))

    def upper(self) -> float:
        """One-sided upper bound on E[loss] at confidence 1 - delta: the largest target not rejected."""
        return _largest_kept(self.p_value, float(self._x.mean()), self._delta)


METHODS = ("clopper-pearson", "hoeffding-bentkus", "betting")


def certify(losses: ArrayLike, target: float, delta: float, method: str | None = None) -> Certificate:
    """Fixed-sequence certificate over candidates ordered from safe to risky.

    Parameters
    ----------
    losses : array_like, shape (n, C)
        Loss in [0, 1] of every path under every candidate, on common paths; 0 and 1 only for breaches.
    target : float
        Largest risk wanted, inside (0, 1).
    delta : float
        Chance of a wrong certificate.
    method : {"clopper-pearson", "hoeffding-bentkus", "betting"}, optional
        Clopper-Pearson is for losses that can be 0 and 1 only.  By default it is taken where they are, else
        Hoeffding-Bentkus; whoever knows what the losses can be should say it.

    Raises
    ------
    ValueError
        Where losses leave [0, 1], or are no breaches under Clopper-Pearson.
    """
    x = as_floats("losses", losses, 2)
    check_range("target", target, 0.0, 1.0, open_low=True, open_high=True)
    check_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"losses must lie in [0, 1], got {x.min()!r} to {x.max()!r}")
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    method = method or ("clopper-pearson" if binary else "hoeffding-bentkus")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "clopper-pearson" and not binary:
        raise ValueError("losses must be 0 or 1 under clopper-pearson, got others")
    upper = np.full(x.shape[1], np.nan)
    chosen = None
    for c in range(x.shape[1]):
        p, upper[c] = _test(x[:, c], target, delta, method)
        if p > delta:
            break
        chosen = c
    return Certificate(chosen, upper, target, delta, f"fixed-sequence testing, {method}")


def _test(x: Floats, target: float, delta: float, method: str) -> tuple[float, float]:
    """p-value against the target, and upper bound at 1 - delta."""
    if method == "betting":
        bets = Bets(x, delta)
        return bets.p_value(target), bets.upper()
    mean, n = float(x.mean()), x.size
    if method == "clopper-pearson":
        hits = int(x.sum())
        return binomial_p_value(hits, n, target), clopper_pearson_upper(hits, n, 1.0 - delta).upper
    return hoeffding_bentkus_p_value(mean, n, target), hoeffding_bentkus_upper(mean, n, 1.0 - delta)


def upper_bounds(losses: ArrayLike, delta: float, method: str) -> Floats:
    """One-sided upper bound of every candidate alone at confidence 1 - delta, shape (C,)."""
    x = as_floats("losses", losses, 2)
    return np.array([_test(x[:, c], 0.5, delta, method)[1] for c in range(x.shape[1])])


def least_paths(target: float, delta: float) -> int:
    """Paths without a single breach that certify `target` at `delta`: with fewer nothing can be certified."""
    check_range("target", target, 0.0, 1.0, open_low=True, open_high=True)
    check_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    return math.ceil(math.log(delta) / math.log1p(-target))


def paths_needed(mean: float, target: float, delta: float, method: str, variance: float = 0.0) -> float:
    """Paths from which a candidate would pass if its mean loss came out as `mean` again; infinite at or above `target`.

    By doubling and bisection on the p-value of counts that round up; for bets 2 s^2 log(1 / delta) / (target - mean)^2,
    to first order, with s^2 the variance of the losses.
    """
    least = least_paths(target, delta)
    if mean >= target:
        return math.inf
    if method == "betting":
        return float(max(least, math.ceil(2.0 * variance * math.log(1.0 / delta) / (target - mean) ** 2)))

    def passes(n: int) -> bool:
        if method == "clopper-pearson":
            return binomial_p_value(math.ceil(mean * n), n, target) <= delta
        return hoeffding_bentkus_p_value(mean, n, target) <= delta

    low, high = 0, least
    while not passes(high):
        low, high = high, 2 * high
        if high > 2**40:
            return math.inf
    while high - low > max(1, high // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return float(high)


def allowed_breaches(n: int, target: float, delta: float) -> int:
    """Largest count x with P(Bin(n, target) <= x) <= delta, which a certificate allows; -1 where none does."""
    return int(np.searchsorted(bdtr(np.arange(n), n, target), delta, side="right")) - 1


def certified_margin(losses: ArrayLike, target: float, delta: float) -> tuple[float, int]:
    """Smallest margin whose breach probability is certified to be at most `target`, and how many losses exceed it.

    All real numbers are candidates, walked downwards: the choice is the order statistic that at most x losses exceed, x
    the largest count with P(Bin(n, target) <= x) <= delta.  The true breach probability of the choice is
    Beta(x + 1, n - x) whatever the law of the losses, with mean (x + 1) / (n + 1).

    Raises
    ------
    ValueError
        Where `n` is too small to certify anything; the message says what would do.
    """
    x = as_floats("losses", losses, 1)
    n, needed = x.size, least_paths(target, delta)
    if n < needed:
        raise ValueError(
            f"losses must hold at least {needed} values for target {target:g} and delta {delta:g}, got {n}"
        )
    allowed = allowed_breaches(n, target, delta)
    return float(np.partition(x, n - 1 - allowed)[n - 1 - allowed]), allowed


@dataclass(frozen=True)
class RiskControl:
    """Conformal risk control.

    Attributes
    ----------
    chosen : int or None
        Place of the riskiest candidate whose adjusted risk is at most the target.
    risk, adjusted : ndarray, shape (C,)
        Mean loss, and (n risk + bound) / (n + 1).
    """

    chosen: int | None
    risk: Floats
    adjusted: Floats


def conformal_risk_control(losses: ArrayLike, target: float, bound: float = 1.0) -> RiskControl:
    """Largest candidate whose expected risk is at most `target`.

    Parameters
    ----------
    losses : array_like, shape (n, C)
        Ordered from safe to risky; at most `bound`.
    target : float
    bound : float

    Raises
    ------
    ValueError
        Where the loss of some path falls from one candidate to the next: the guarantee needs monotone losses (a partial
        close factor breaks them: a lower liquidation threshold can leave more bad debt).
    """
    x = as_floats("losses", losses, 2)
    falls = np.argwhere(np.diff(x, axis=1) < 0)
    if falls.size:
        path, c = (int(v) for v in falls[0])
        raise ValueError(
            f"losses must not fall from safe to risky, got {x[path, c]:g} then {x[path, c + 1]:g} on path {path} at "
            f"candidates {c} and {c + 1} ({len(falls)} such places): use fixed-sequence testing"
        )
    if x.max(initial=0.0) > bound:
        raise ValueError(f"losses must be at most {bound:g}, got {x.max()!r}")
    n = x.shape[0]
    risk = x.mean(axis=0)
    adjusted = (n * risk + bound) / (n + 1.0)
    good = np.flatnonzero(adjusted <= target * (1.0 + 1e-12))
    return RiskControl(int(good[-1]) if good.size else None, risk, adjusted)


def scenario_sample_size(dimension: int, target: float, delta: float) -> int:
    """Scenarios that make a convex program in `dimension` variables safe: violation > target with chance <= delta.

    Smallest N with sum over i < d of C(N, i) target^i (1 - target)^(N - i) <= delta (Campi and Garatti 2008).
    """
    check_range("dimension", dimension, 1, 10_000)
    check_range("target", target, 0.0, 1.0, open_low=True, open_high=True)
    check_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    low, high = dimension - 1, dimension
    while bdtr(dimension - 1, high, target) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if bdtr(dimension - 1, middle, target) > delta:
            low = middle
        else:
            high = middle
    return high


def worst_case(certificates: Sequence[Certificate]) -> int | None:
    """Riskiest candidate that every certificate allows: the choice over a set of worlds or refits; None if none."""
    if not certificates:
        raise ValueError("certificates must hold at least one, got none")
    chosen = [c.chosen for c in certificates]
    return None if any(c is None for c in chosen) else min(c for c in chosen if c is not None)
