"""OKX portfolio margin: how its risk figures add up, and the stablecoin tiers of MR9.

    MMR = max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5, MR7) + MR8 + MR9,   IMR = multiplier MMR.
Reference: OKX help, portfolio margin mode.
"""

from collections.abc import Mapping, Sequence


def requirement(risks: Mapping[str, float], imr_multiplier: float = 1.3) -> tuple[float, float]:
    """(initial, maintenance) requirement from the figures ``MR1`` to ``MR9`` (absent ones are 0)."""
    r = {f"MR{i}": float(risks.get(f"MR{i}", 0.0)) for i in range(1, 10)}
    scan = max(r["MR1"], r["MR2"], r["MR6"]) + r["MR3"] + r["MR4"] + r["MR5"]
    maintenance = max(scan, r["MR7"]) + r["MR8"] + r["MR9"]
    return imr_multiplier * maintenance, maintenance


def stablecoin_charge(notional: float, tiers: Sequence[Sequence[float]]) -> float:
    """MR9: marginal tiers of (upper notional, rate); above the last its rate goes on."""
    charge, below = 0.0, 0.0
    for upper, rate in tiers:
        charge += max(min(notional, upper) - below, 0.0) * rate
        below = upper
    return charge + max(notional - below, 0.0) * (tiers[-1][1] if tiers else 0.0)
