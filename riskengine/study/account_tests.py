"""Tests of the breaches of many accounts, with what the tests could have found beside what they say."""

from collections.abc import Iterator, Sequence

import numpy as np

from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.christoffersen import christoffersen
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.lane_kernels import betting_lanes
from riskengine.backtest.lanes import BreachLanes
from riskengine.backtest.multiplicity import holm
from riskengine.backtest.traffic_light import traffic_light
from riskengine.estimate import Estimate, exact
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.power_figures import enumerated, exact_multiple, exact_rejection

TEST_LEVEL, DETECTION_POWER = 0.05, 0.8
_TEST = ("binomial", "exact")

Figure = tuple[str, str, Estimate]
"""(measure, unit, estimate)."""


def account_figures(
    level: float | None, breach: np.ndarray, follows: np.ndarray, confidence: float
) -> Iterator[tuple[Figure, ...]]:
    """Figures of each account: counts, and the tests of them where a rate was promised.

    Parameters
    ----------
    level : float or None
        None for a grid, which promises no rate: there is nothing to test it against.
    breach : ndarray of bool, shape (accounts, n)
        In time order, windows that do not overlap.
    follows : ndarray of bool, shape (n - 1,)
        Whether each window but the first directly follows the one before.
    confidence : float
        Of the interval of the rate.
    """
    n = breach.shape[1]
    hits = [int(h) for h in breach.sum(axis=1)]
    counted = [
        (
            ("breaches", "count", exact(h, f"count in {n} windows")),
            ("breach_rate", "probability", clopper_pearson(h, n, confidence)),
        )
        for h in hits
    ]
    if level is None:
        yield from counted
        return
    tail = round(1.0 - level, 12)
    single = [binomial_test(h, n, tail).p_value for h in hits]
    family = holm(single)
    lanes = BreachLanes.of(breach.T)
    wealth = [betting_lanes(lanes, tail, (n,), understated=under)[0] for under in (True, False)]
    for k, h in enumerate(hits):
        rate, clusters, light = kupiec(h, n, tail), christoffersen(breach[k], tail, follows), traffic_light(h, n, tail)
        found = [
            ("binomial_p", single[k], "exact two-sided binomial"),
            ("holm_p", family[k], f"Holm over the binomial p-values of {len(hits)} accounts"),
            ("kupiec_p", rate.p_value, "likelihood ratio, chi-squared(1)"),
            ("kupiec_exact_p", rate.exact_p_value, "likelihood ratio, exact by enumeration"),
            ("christoffersen_independence_p", clusters.p_value_independence, "likelihood ratio, chi-squared(1)"),
            ("christoffersen_p", clusters.p_value_coverage, "likelihood ratio, chi-squared(2)"),
        ]
        for name, value in zip(("e_process_p", "e_process_overstated_p"), wealth, strict=True):
            found.append((name, min(1.0, 1.0 / float(value[k])), "any-time valid, one over the largest wealth"))
        zone = exact(light.cumulative_probability, f"{light.zone} zone, yellow from {light.yellow_from} breaches")
        yield (
            *counted[k],
            ("expected_breaches", "count", exact(tail * n, "tail probability times windows")),
            ("traffic_light", "probability", zone),
            *((name, "probability", exact(value, method)) for name, value, method in found),
        )


def book_figures(level: float, n: int, accounts: Sequence[tuple[Figure, ...]]) -> Iterator[Figure]:
    """How many accounts each test rejects, and what it could have found in `n` windows.

    Parameters
    ----------
    level : float
    n : int
    accounts : sequence of tuple of Figure
        `account_figures` of every account.
    """
    tail = round(1.0 - level, 12)
    values = [{measure: estimate for measure, _, estimate in figures} for figures in accounts]
    whole = f"count of {len(values)} accounts"

    def below(measure: str) -> Estimate:
        return exact(sum(v[measure].value <= TEST_LEVEL for v in values), whole)

    yield "accounts_rejected", "count", below("binomial_p")
    yield "accounts_rejected_holm", "count", below("holm_p")
    yield "e_process_alarms", "count", below("e_process_p")
    for zone in ("yellow", "red"):
        yield f"accounts_{zone}", "count", exact(sum(v["traffic_light"].method.startswith(zone) for v in values), whole)
    least = exact_multiple(_TEST, n, tail, TEST_LEVEL, DETECTION_POWER)
    rate = least if np.isnan(least.value) else exact(least.value * tail, least.method)
    yield "detectable_rate", "probability", rate
    twice = exact_rejection(_TEST, n, tail, min(2.0 * tail, 1.0 - 1e-12), TEST_LEVEL)
    yield "power_at_twice", "probability", enumerated(twice)
