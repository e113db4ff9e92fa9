"""Opyn Gamma naked margin: an upper bound on the option's price after a spot shock.

    put:   (UB min(K, s S) + max(K - s S, 0)) n,
    call:  (UB min(1, s K/S) + max(1 - s K/S, 0)) n    (in the underlying),
s = 0.75 the spot shock and UB the bound of the next longer tenor.  Reference: Opyn Gamma margin calculator.
"""

from collections.abc import Mapping
from typing import Literal


def naked_margin(
    kind: Literal["call", "put"], strike: float, spot: float, amount: float, days: float,
    upper_bounds: Mapping[str, float], spot_shock: float,
) -> float:  # fmt: skip
    """Collateral of a naked short of `amount` options with `days` to expiry.

    Raises
    ------
    ValueError
        Where no bound covers that tenor.
    """
    covering = sorted((float(d), bound) for d, bound in upper_bounds.items() if float(d) >= days)
    if not covering:
        raise ValueError(f"upper_bounds must cover {days:g} days, got {sorted(upper_bounds)}")
    bound = covering[0][1]
    if kind == "put":
        shocked = spot_shock * spot
        return (bound * min(strike, shocked) + max(strike - shocked, 0.0)) * amount
    ratio = spot_shock * strike / spot
    return (bound * min(1.0, ratio) + max(1.0 - ratio, 0.0)) * amount
