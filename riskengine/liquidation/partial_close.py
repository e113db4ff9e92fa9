"""Partial close: the smallest proportional close that really restores the requirement.

Closing a fraction f of every position and coin of an account costs f C and leaves (1 - f) of its requirement M, so

    E - f C = target (1 - f) M    =>    f = (target M - E) / (target M - C),

with equity E and C the cost of closing everything.  Closing only the missing margin over the notional, as some
simulators do, leaves the account under-margined.  An account with E <= C cannot be restored: it is closed in full,
and what it owes beyond its equity, max(0, C - E), is the shortfall that the insurance fund meets.

The rule is exact for requirements that scale with the position (every model here does).
Reference: ``reference`` margin mechanics, liquidation; the identity C = (m N - E) / (m - f) of single positions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range


@dataclass(frozen=True)
class ClosePlan:
    """What to close, elementwise over accounts and lanes.

    Attributes
    ----------
    fraction : ndarray
        Share of every position to close, in [0, 1].
    cost : ndarray
        Cost of that, USD.
    shortfall : ndarray
        What is owed beyond the account's equity after a full close, USD; positive only for insolvent accounts.
    """

    fraction: Floats
    cost: Floats
    shortfall: Floats


def partial_close(equity: ArrayLike, maintenance: ArrayLike, closing_cost: ArrayLike, target: float = 1.0) -> ClosePlan:
    """Plan the close of every account; those that meet their requirement are left alone.

    Parameters
    ----------
    equity, maintenance, closing_cost : array_like, broadcast
        Equity, maintenance requirement and the cost of closing everything, USD.
    target : float
        Equity after the close as a multiple of the maintenance requirement after it; at least 1.

    Returns
    -------
    ClosePlan
        Where the requirement or the cost is not finite (a failed path) nothing is closed.

    Raises
    ------
    ValueError
        Where `target` is below 1 or a closing cost is negative.
    """
    check_range("target", target, 1.0, float("inf"), open_high=True)
    e, m, c = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (equity, maintenance, closing_cost)))
    if (c < 0).any():
        raise ValueError(f"closing_cost must not be negative, got {float(np.nanmin(c))!r}")
    under = e < m
    lost = under & (e <= c)
    restorable = under & ~lost
    # E > C and E < M <= target M, so the denominator is above the numerator, which is positive
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (target * m - e) / (target * m - c)
    fraction = np.where(lost, 1.0, np.where(restorable, share, 0.0))
    fraction = np.where(np.isfinite(fraction), fraction, 0.0)
    return ClosePlan(fraction, fraction * np.where(under, c, 0.0), np.where(lost, np.maximum(c - e, 0.0), 0.0))


def notional_to_close(
    equity: float, notional: float, target_margin_fraction: float, liquidation_fee: float
) -> tuple[float, float]:
    """(notional to close, margin fraction after) of one position charged `liquidation_fee` on what is closed.

    The same rule in the units venues publish: C = (m N - E) / (m - fee).

    Raises
    ------
    ValueError
        Where the fee is not below the target fraction: then closing worsens the margin.
    """
    if not liquidation_fee < target_margin_fraction:
        raise ValueError(
            f"liquidation_fee must be below target_margin_fraction, got {liquidation_fee!r} and "
            f"{target_margin_fraction!r}"
        )
    requirement = target_margin_fraction * notional
    plan = partial_close(equity, requirement, liquidation_fee * notional)
    closed = float(plan.fraction) * notional
    left = notional - closed
    return closed, (equity - float(plan.cost) + float(plan.shortfall)) / left if left > 0 else float("inf")
