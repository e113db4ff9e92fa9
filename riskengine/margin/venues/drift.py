"""Drift v2: weights that worsen with the size of a position and of the market's deposits.

    asset:      w' = min(w, 1.1 / (1 + sqrt(size) imf)),
    liability:  w' = max(w, 0.8 w + sqrt(size) imf),
    deposits:   w' = w min(1, start / deposits).
Reference: drift-labs/protocol-v2, margin mathematics.
"""

import math
from typing import Literal


def size_weight(side: Literal["asset", "liability"], weight: float, size: float, imf_factor: float) -> float:
    """Weight of a position of `size` units after the size premium."""
    premium = math.sqrt(size) * imf_factor
    if side == "asset":
        return min(weight, 1.1 / (1.0 + premium)) if imf_factor > 0 else weight
    return max(weight, 0.8 * weight + premium) if imf_factor > 0 else weight


def deposit_weight(weight: float, deposits_usd: float, scale_start_usd: float) -> float:
    """Initial asset weight scaled down once the market holds more than `scale_start_usd`; 0 switches scaling off."""
    if scale_start_usd <= 0 or deposits_usd <= scale_start_usd:
        return weight
    return weight * scale_start_usd / deposits_usd
