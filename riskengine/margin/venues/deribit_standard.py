"""Deribit standard margin (linear model): futures by a size ladder, options by the out-of-the-money rule.

Futures:  IM = (im_base + slope n) n F,   MM = (mm_base + slope n) n F,   n the size in coins.
Short options, per coin and in coin:
    call:  IM = max(0.15 - OTM/S, 0.1) + mark,                       MM = 0.075 + mark;
    put:   MM = max(0.075, 0.075 mark) + mark,   IM = max(max(0.15 - OTM/S, 0.1) + mark, MM).
Reference: support.deribit.com, margin articles.
"""

from typing import Literal

_RATE, _FLOOR, _MAINTENANCE = 0.15, 0.10, 0.075


def future_margin(
    size: float, mark_price: float, im_base: float, mm_base: float, slope_per_coin: float
) -> tuple[float, float]:
    """(initial, maintenance) margin of a linear future of `size` coins, in the currency of `mark_price`."""
    notional = abs(size) * mark_price
    extra = slope_per_coin * abs(size)
    return (im_base + extra) * notional, (mm_base + extra) * notional


def option_margin(
    index: float, strike: float, mark_coin: float, kind: Literal["call", "put"], quantity: float
) -> tuple[float, float]:
    """(initial, maintenance) margin of an option position, in coin; nothing for a long one beyond its premium."""
    if quantity >= 0:
        return 0.0, 0.0
    otm = max(strike - index, 0.0) if kind == "call" else max(index - strike, 0.0)
    initial = max(_RATE - otm / index, _FLOOR) + mark_coin
    if kind == "call":
        maintenance = _MAINTENANCE + mark_coin
    else:
        maintenance = max(_MAINTENANCE, _MAINTENANCE * mark_coin) + mark_coin
        initial = max(initial, maintenance)
    return -quantity * initial, -quantity * maintenance
