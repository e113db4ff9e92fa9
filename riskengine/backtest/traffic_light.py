"""Basel traffic light (BCBS 22, 1996), for any number of windows and any level.

A count is yellow from the smallest x with P(X <= x) >= 95 % under the nominal rate, red from the smallest x with
P(X <= x) >= 99.99 %: 5 and 10 at 250 days and 99 %.
"""

from dataclasses import dataclass
from typing import Literal

from scipy.special import bdtr

from riskengine.arrays import check_range
from riskengine.stats.proportion import check_counts
from riskengine.stats.quantile import least_count


@dataclass(frozen=True)
class TrafficLight:
    """Zone of a breach count.

    Attributes
    ----------
    hits, n : int
    tail_prob : float
    zone : {"green", "yellow", "red"}
    cumulative_probability : float
        P(X <= hits) under the nominal rate.
    yellow_from, red_from : int
        Smallest counts of the zones; n + 1 where the zone cannot be reached.
    """

    hits: int
    n: int
    tail_prob: float
    zone: Literal["green", "yellow", "red"]
    cumulative_probability: float
    yellow_from: int
    red_from: int


def traffic_light(hits: int, n: int, tail_prob: float) -> TrafficLight:
    """Zone of `hits` breaches in `n` windows at nominal breach probability `tail_prob`."""
    check_counts(hits, n)
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    yellow, red = least_count(n, tail_prob, 0.95), least_count(n, tail_prob, 0.9999)
    zone: Literal["green", "yellow", "red"] = "red" if hits >= red else "yellow" if hits >= yellow else "green"
    return TrafficLight(int(hits), int(n), tail_prob, zone, float(bdtr(hits, n, tail_prob)), yellow, red)
