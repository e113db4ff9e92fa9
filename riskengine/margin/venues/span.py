"""SPAN: risk array of 16 scenarios, scan risk, and the total requirement.

    scan risk = max(0, -min over scenarios of the summed gain),
    risk requirement = max(scan + intra-commodity + delivery - inter-commodity credit, SOM x short options),
    total = risk requirement - net option value.
The two extreme scenarios move price by a multiple of the range and count a share of the loss (2 x at 35 %, later files
3 x at 33 %): parameters, not constants.  Reference: CME SPAN; McMillan, Options as a Strategic Investment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats


def futures_array(
    price_scan_range: float, long_futures: float, scenarios: Sequence[Mapping[str, float]]
) -> tuple[Floats, float, list[int]]:
    """(gain under each scenario, scan risk, numbers from 1 of the worst scenarios) of a futures position."""
    gain = np.array([s["price_fraction"] * s["weight"] * price_scan_range * long_futures for s in scenarios])
    worst = float(gain.min())
    tied = np.flatnonzero(np.isclose(gain, worst, rtol=1e-12, atol=1e-12 * price_scan_range))
    return gain, max(0.0, -worst), [int(i) + 1 for i in tied]


@dataclass(frozen=True)
class SpanTotal:
    """Requirement of one commodity and the parts that decide it."""

    risk_before_floor: float
    short_option_minimum: float
    risk_requirement: float
    total_margin: float


def total(
    scan_risk: float, intra_commodity: float, delivery: float, inter_credit: float, short_option_minimum: float,
    short_options: float, net_option_value: float,
) -> SpanTotal:  # fmt: skip
    """Requirement of one commodity from its charges."""
    risk = scan_risk + intra_commodity + delivery - inter_credit
    floor = short_option_minimum * short_options
    required = max(risk, floor)
    return SpanTotal(risk, floor, required, required - net_option_value)
