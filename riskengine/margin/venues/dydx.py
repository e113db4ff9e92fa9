"""dYdX v4: initial margin that grows with the market's open interest.

    IMF = base + (1 - base) clip((OI - lower) / (upper - lower), 0, 1);   no scaling where both caps are 0.
Reference: dydxprotocol/v4-chain, liquidity tiers.
"""

import math


def open_interest_margin(
    notional: float, base_imf: float, open_interest: float, lower_cap: float, upper_cap: float
) -> int:
    """Initial margin of a position of `notional` quote units, rounded up to the unit."""
    share = 0.0
    if upper_cap > lower_cap:
        share = min(max((open_interest - lower_cap) / (upper_cap - lower_cap), 0.0), 1.0)
    # an exact product a hair above an integer by rounding must not gain a unit
    return math.ceil(round(notional * (base_imf + (1.0 - base_imf) * share), 6))
