"""Paradex portfolio margin: the minimum requirement on delta.

    requirement = (net_rate |net delta| + hedged_rate hedged delta) S.
Reference: docs.paradex.trade, portfolio margin.
"""


def minimum_delta(net_delta: float, hedged_delta: float, spot: float, net_rate: float, hedged_rate: float) -> float:
    """Minimum requirement of one underlying, USD; deltas in coins."""
    return (net_rate * abs(net_delta) + hedged_rate * abs(hedged_delta)) * spot
