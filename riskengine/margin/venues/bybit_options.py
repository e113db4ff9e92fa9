"""Bybit standard margin of a short option, cross mode.

    MM = max(mm_factor S, mm_factor mark) + mark + fee S,
    IM = max(max(im_factor S - OTM, im_floor S) + max(entry, mark), MM)      per coin.
Reference: Bybit help centre, options initial and maintenance margin.
"""

from typing import Literal


def short_option_margin(
    index: float, strike: float, mark: float, entry: float, kind: Literal["call", "put"], quantity: float,
    im_factor: float, im_floor_factor: float, mm_factor: float, liquidation_fee_rate: float,
) -> tuple[float, float]:  # fmt: skip
    """(initial, maintenance) margin of a short position of `quantity` < 0, USD; zero for a long one."""
    if quantity >= 0:
        return 0.0, 0.0
    otm = max(strike - index, 0.0) if kind == "call" else max(index - strike, 0.0)
    maintenance = max(mm_factor * index, mm_factor * mark) + mark + liquidation_fee_rate * index
    initial = max(max(im_factor * index - otm, im_floor_factor * index) + max(entry, mark), maintenance)
    return -quantity * initial, -quantity * maintenance
