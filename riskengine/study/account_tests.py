"""Tests of the breaches of many accounts, with what the tests could have found beside what they say."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import bdtrc

from riskengine.arrays import Floats
from riskengine.backtest.alternatives import MULTIPLE, breach_power, multiplied, stated
from riskengine.backtest.battery import count_p_values
from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.christoffersen import christoffersen
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.lane_kernels import betting_lanes
from riskengine.backtest.lanes import BreachLanes, chi_squared_p, christoffersen_lanes
from riskengine.backtest.multiplicity import holm
from riskengine.backtest.traffic_light import traffic_light
from riskengine.estimate import Estimate, exact
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.power_figures import enumerated, exact_multiple, exact_rejection

TEST_LEVEL, DETECTION_POWER = 0.05, 0.8
_TEST = ("binomial", "exact")

Figure = tuple[str, str, Estimate, Estimate | None]
"""(measure, unit, estimate, power of the test behind it)."""


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
            ("breaches", "count", exact(h, f"count in {n} windows"), None),
            ("breach_rate", "probability", clopper_pearson(h, n, confidence), None),
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
    power = test_power(n, tail, len(hits), confidence)
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
            ("expected_breaches", "count", exact(tail * n, "tail probability times windows"), None),
            ("traffic_light", "probability", zone, power["traffic_light"]),
            *((name, "probability", exact(value, method), power[name]) for name, value, method in found),
        )


@lru_cache(maxsize=64)
def test_power(n: int, tail: float, accounts: int, confidence: float) -> dict[str, Estimate]:
    """Power of each test of one account in `n` windows, by the name of its measure; accounts count for Holm alone.

    Its first step: the binomial test at the significance over the number of accounts.  No later step is stricter.
    """
    counts = count_p_values(n, tail)
    single = counts["binomial", "exact"]

    def p_values(b: BreachLanes) -> dict[str, Floats]:
        independence, coverage = christoffersen_lanes(b, tail)
        wealth = {"": True, "_overstated": False}
        return {
            "christoffersen_independence": chi_squared_p(1, independence),
            "christoffersen": chi_squared_p(2, coverage),
        } | {
            f"e_process{name}": np.minimum(1.0, 1.0 / betting_lanes(b, tail, (n,), understated=under)[0])
            for name, under in wealth.items()
        }

    by_count = {
        "binomial": single,
        "holm": np.minimum(1.0, single * accounts),
        "kupiec": counts["kupiec", "asymptotic"],
        "kupiec_exact": counts["kupiec", "exact"],
        "traffic_light": counts["traffic_light", "exact"],
    }
    found = breach_power(
        p_values, n, tail, TEST_LEVEL, np.random.default_rng((1, n, round(tail * 1e9))),
        too_few=("e_process_overstated",), confidence=confidence, by_count=by_count,
    )  # fmt: skip
    return {name if name == "traffic_light" else f"{name}_p": p.beside(name) for name, p in found.items()}


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
    values = [{measure: estimate for measure, _, estimate, _ in figures} for figures in accounts]
    power = {measure: beside for measure, _, _, beside in accounts[0]}
    whole = f"count of {len(values)} accounts"

    def below(measure: str) -> Estimate:
        return exact(sum(v[measure].value <= TEST_LEVEL for v in values), whole)

    for measure, test in (("rejected", "binomial_p"), ("rejected_holm", "holm_p")):
        yield f"accounts_{measure}", "count", below(test), power[test]
    yield "e_process_alarms", "count", below("e_process_p"), power["e_process_p"]
    red = exact_zone(n, tail)
    for zone, beside in (("yellow", power["traffic_light"]), ("red", red)):
        count = exact(sum(v["traffic_light"].method.startswith(zone) for v in values), whole)
        yield f"accounts_{zone}", "count", count, beside
    least = exact_multiple(_TEST, n, tail, TEST_LEVEL, DETECTION_POWER)
    rate = least if np.isnan(least.value) else exact(least.value * tail, least.method)
    yield "detectable_rate", "probability", rate, None
    twice = exact_rejection(_TEST, n, tail, min(2.0 * tail, 1.0 - 1e-12), TEST_LEVEL)
    yield "power_at_twice", "probability", enumerated(twice), None


def exact_zone(n: int, tail: float) -> Estimate:
    """Probability of the red zone at the alternative rate."""
    other = multiplied(tail, MULTIPLE)
    reached = traffic_light(0, n, tail).red_from
    return exact(float(bdtrc(reached - 1, n, other)), stated(other / tail, "exact by enumeration"))
