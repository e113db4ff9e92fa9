"""Choices with a certificate: P(true risk of what is chosen > target) <= delta, at the sample size at hand.

Fixed-sequence testing (Learn then Test; Angelopoulos, Bates, Candes, Jordan and Lei 2021): candidates are walked from
safe to risky, in an order fixed beforehand, and the walk stops at the first whose risk cannot be shown to be below
target.  Each test is at level delta, and no correction is due: a wrong choice needs the first unsafe candidate to pass.
The p-value of H: risk > target is the binomial tail for breaches (dual to Clopper-Pearson) and Hoeffding-Bentkus for
losses in [0, 1] (Bates, Angelopoulos, Lei, Malik and Jordan 2021):

    p = min(exp(-n kl(min(r, t), t)), e P(Bin(n, t) <= ceil(n r))),      r the mean loss, t the target.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2024): the riskiest candidate with
(n r + B) / (n + 1) <= target keeps the *expected* risk at the target; it needs losses that are monotone in the
candidate on every path, and is refused where they are not.

A certificate is about sampling: it holds given the world.
"""

import math
from collections.abc import Sequence
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
    low, high = mean, 1.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if hoeffding_bentkus_p_value(mean, n, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def certify(losses: ArrayLike, target: float, delta: float) -> Certificate:
    """Fixed-sequence certificate over candidates ordered from safe to risky.

    Parameters
    ----------
    losses : array_like, shape (n, C)
        Loss in [0, 1] of every path under every candidate, on common paths; 0 and 1 only for breaches.
    target : float
        Largest risk wanted, inside (0, 1).
    delta : float
        Chance of a wrong certificate.

    Raises
    ------
    ValueError
        Where losses leave [0, 1].
    """
    x = as_floats("losses", losses, 2)
    check_range("target", target, 0.0, 1.0, open_low=True, open_high=True)
    check_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"losses must lie in [0, 1], got {x.min()!r} to {x.max()!r}")
    n, count = x.shape
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    upper = np.full(count, np.nan)
    chosen = None
    for c in range(count):
        mean = float(x[:, c].mean())
        if binary:
            hits = int(x[:, c].sum())
            upper[c] = clopper_pearson_upper(hits, n, 1.0 - delta).upper
            passed = binomial_p_value(hits, n, target) <= delta
        else:
            upper[c] = hoeffding_bentkus_upper(mean, n, 1.0 - delta)
            passed = hoeffding_bentkus_p_value(mean, n, target) <= delta
        if not passed:
            break
        chosen = c
    method = "clopper-pearson" if binary else "hoeffding-bentkus"
    return Certificate(chosen, upper, target, delta, f"fixed-sequence testing, {method}")


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
    check_range("target", target, 0.0, 1.0, open_low=True, open_high=True)
    check_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    n = x.size
    needed = math.ceil(math.log(delta) / math.log1p(-target))
    if n < needed:
        raise ValueError(
            f"losses must hold at least {needed} values for target {target:g} and delta {delta:g}, got {n}"
        )
    counts = np.arange(n)
    allowed = int(np.searchsorted(bdtr(counts, n, target), delta, side="right")) - 1
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
            f"losses must not fall from safe to risky, got {x[path, c]!r} then {x[path, c + 1]!r} on path {path} at "
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
