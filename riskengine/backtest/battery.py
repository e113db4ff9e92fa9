"""Every backtest on very many histories of one forecast: p-values as the tests give them, and statistics to simulate.

A p-value can be made in several ways, and size and power belong to the way as much as to the test: ``exact`` by
enumeration, ``asymptotic``, ``bootstrap``, ``any-time`` (e-processes), or ``simulated``: the rank of the statistic
among draws of it under the null.  One table of null draws serves all histories, so that a simulated test of a sample
costs one search; ties are broken by a uniform, which makes its size exact whatever the statistic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import bdtrc, chdtrc, ndtr

from riskengine.arrays import Floats
from riskengine.backtest.binomial import binomial_log_pmf
from riskengine.backtest.kupiec import kupiec_statistic
from riskengine.backtest.lane_kernels import betting_lanes, shortfall_betting_lanes, weibull_lanes
from riskengine.backtest.lanes import (
    BreachLanes,
    berkowitz_lanes,
    berkowitz_tail_lanes,
    calibration_lanes,
    chi_squared_p,
    christoffersen_lanes,
    du_escanciano_conditional_lanes,
    du_escanciano_lanes,
    dynamic_quantile_lanes,
    gmm_lanes,
    mcneil_frey_lanes,
    mcneil_frey_p_lanes,
    z1_lanes,
    z2_lanes,
)
from riskengine.backtest.time_until_failure import time_until_failure

Way = tuple[str, str]
"""(test, way to its p-value)."""

COUNTS = ("binomial", "kupiec", "traffic_light")
ENUMERATED = (*COUNTS, "time_until_failure")
BREACHES = (
    *ENUMERATED,
    "christoffersen_independence",
    "christoffersen",
    "weibull_duration",
    "gmm_duration",
    "dynamic_quantile",
    "e_var",
    "e_var_overstated",
)
TAIL = (
    "berkowitz_tail",
    "z1",
    "z2",
    "mcneil_frey",
    "du_escanciano",
    "du_escanciano_conditional",
    "conditional_calibration",
    "conditional_calibration_one_sided",
    "e_es",
)
DENSITY = ("berkowitz", "z3")
BATTERY = (*BREACHES, *TAIL, *DENSITY)

FAMILIES = {"counts": COUNTS, "breaches": BREACHES, "breaches_and_tail": (*BREACHES, *TAIL), "battery": BATTERY}
"""Tests that are run together."""

WAYS: tuple[Way, ...] = (
    *((test, "exact") for test in ENUMERATED),
    *(
        (test, "asymptotic")
        for test in (
            "kupiec",
            "christoffersen_independence",
            "christoffersen",
            "dynamic_quantile",
            "berkowitz",
            "berkowitz_tail",
            "du_escanciano",
            "du_escanciano_conditional",
            "conditional_calibration",
            "conditional_calibration_one_sided",
        )
    ),
    ("mcneil_frey", "bootstrap"),
    *((test, "any-time") for test in ("e_var", "e_var_overstated", "e_es")),
    *((test, "simulated") for test in BATTERY if test not in (*ENUMERATED, "e_var", "e_var_overstated", "e_es")),
)


def ways_of(test: str) -> list[str]:
    """Ways to the p-value of a test; the first keeps its size, or as near as the test can."""
    order = ("exact", "simulated", "any-time", "bootstrap", "asymptotic")
    return sorted((way for name, way in WAYS if name == test), key=order.index)


@dataclass(frozen=True)
class Histories:
    """P histories of outcomes against one forecast at one level.

    Attributes
    ----------
    breaches : BreachLanes
    tail_prob : float
    var, es : float, optional
        The forecast, where it is the same every day and its law is known; without it tests of the tail are left out.
    scores : ndarray, shape (n, P), optional
        Normal scores of the losses under the forecast law.
    losses : ndarray, shape (n, P), optional
    moving : ndarray, shape (n, P), optional
        VaR forecasts that move: a regressor of the dynamic quantile test where its p-value is asymptotic; the
        simulated one, whose null table knows no forecasts, regresses on past hits alone.
    """

    breaches: BreachLanes
    tail_prob: float
    var: float | None = None
    es: float | None = None
    scores: Floats | None = None
    losses: Floats | None = None
    moving: Floats | None = None


def evaluate(
    h: Histories, sizes: tuple[int, ...], worst: Sequence[float] = (), bootstrap: int = 0
) -> list[dict[Way, Floats]]:
    """Every test on the first n days of each history, for each n of the increasing `sizes`.

    Parameters
    ----------
    h : Histories
    sizes : tuple of int
    worst : sequence of float
        `expected_worst` of each size, where losses are given: Z3 is left out without.
    bootstrap : int
        Draws of the bootstrap of McNeil and Frey; 0 leaves that p-value out.

    Returns
    -------
    list of dict
        For each size, by (test, way): p-values (P,), and for ``simulated`` the statistic, signed so that large speaks
        against the forecast, NaN where the history cannot form it.
    """
    p, whole = h.tail_prob, h.breaches
    wealth = {
        "e_var": betting_lanes(whole, p, sizes),
        "e_var_overstated": betting_lanes(whole, p, sizes, understated=False),
    }
    if h.es is not None:
        wealth["e_es"] = shortfall_betting_lanes(whole, h.var, h.es, p, sizes)
    out = []
    for i, n in enumerate(sizes):
        found = _breach_tests(whole.first(n), p, h.moving)
        found |= {(test, "any-time"): np.minimum(1.0, 1.0 / value[i]) for test, value in wealth.items()}
        if h.es is not None:
            found |= _tail_tests(whole.first(n), p, h.var, h.es, bootstrap)
        if h.scores is not None:
            ratio = berkowitz_lanes(h.scores[:n])
            found["berkowitz", "asymptotic"], found["berkowitz", "simulated"] = chi_squared_p(3, ratio), ratio
        if h.losses is not None and worst:
            deep = max(int(np.floor(n * p)), 1)
            seen = np.partition(h.losses[:n], n - deep, axis=0)[n - deep :].mean(axis=0)
            found["z3", "simulated"] = seen / worst[i] - 1.0
        out.append(found)
    return out


def _breach_tests(b: BreachLanes, p: float, moving: Floats | None) -> dict[Way, Floats]:
    tables = count_p_values(b.n, p)
    first = np.where(b.mask[0], b.at[0], b.n)
    independence, coverage = christoffersen_lanes(b, p)
    hits_only, rank = dynamic_quantile_lanes(b, p)
    regression, rank = (hits_only, rank) if moving is None else dynamic_quantile_lanes(b, p, moving)
    return {way: table[b.count] for way, table in tables.items()} | {
        ("time_until_failure", "exact"): first_breach_p_values(b.n, p)[first],
        ("christoffersen_independence", "asymptotic"): chi_squared_p(1, independence),
        ("christoffersen_independence", "simulated"): independence,
        ("christoffersen", "asymptotic"): chi_squared_p(2, coverage),
        ("christoffersen", "simulated"): coverage,
        ("weibull_duration", "simulated"): weibull_lanes(b),
        ("gmm_duration", "simulated"): gmm_lanes(b, p),
        ("dynamic_quantile", "asymptotic"): chi_squared_p(rank, regression),
        ("dynamic_quantile", "simulated"): hits_only,
    }


def _tail_tests(b: BreachLanes, p: float, var: float, es: float, bootstrap: int) -> dict[Way, Floats]:
    tail = berkowitz_tail_lanes(b, p)
    violations, runs = du_escanciano_lanes(b, p), du_escanciano_conditional_lanes(b, p)
    two, one = calibration_lanes(b, var, es, p)
    found = {
        ("berkowitz_tail", "asymptotic"): chi_squared_p(2, tail),
        ("berkowitz_tail", "simulated"): tail,
        ("z1", "simulated"): -z1_lanes(b, es),
        ("z2", "simulated"): -z2_lanes(b, es, p),
        ("mcneil_frey", "simulated"): mcneil_frey_lanes(b, var, es),
        ("du_escanciano", "asymptotic"): 2.0 * ndtr(-np.abs(violations)),
        ("du_escanciano", "simulated"): np.abs(violations),
        ("du_escanciano_conditional", "asymptotic"): chi_squared_p(5, runs),
        ("du_escanciano_conditional", "simulated"): runs,
        ("conditional_calibration", "asymptotic"): chi_squared_p(2, two),
        ("conditional_calibration", "simulated"): two,
        ("conditional_calibration_one_sided", "asymptotic"): one,
        ("conditional_calibration_one_sided", "simulated"): np.where(b.count > 0, -one, np.nan),
    }
    if bootstrap:
        found["mcneil_frey", "bootstrap"] = mcneil_frey_p_lanes(b, var, es, bootstrap)
    return found


@lru_cache(maxsize=64)
def first_breach_p_values(n: int, tail_prob: float) -> Floats:
    """p-value of a first breach on each of `n` days, and 1 where there is none, shape (n + 1,)."""
    return np.array([*(time_until_failure(day + 1, tail_prob).p_value for day in range(n)), 1.0])


@lru_cache(maxsize=1024)
def count_p_values(n: int, tail_prob: float) -> dict[Way, Floats]:
    """p-value of every possible count, shape (n + 1,), of the tests that read nothing else.

    That of the traffic light is P(X > count): at most 5 % exactly in its yellow and red zones.
    """
    counts = np.arange(n + 1)
    log_pmf = binomial_log_pmf(counts, n, tail_prob)
    pmf, ratio = np.exp(log_pmf), kupiec_statistic(counts, n, tail_prob)
    return {
        ("binomial", "exact"): _at_least_as_extreme(pmf, -log_pmf, 1e-7),
        ("kupiec", "exact"): _at_least_as_extreme(pmf, ratio, 1e-9),
        ("kupiec", "asymptotic"): chdtrc(1, ratio),
        ("traffic_light", "exact"): bdtrc(counts, n, tail_prob),
    }


def _at_least_as_extreme(pmf: Floats, extreme: Floats, tied: float) -> Floats:
    """Probability of all counts at least as extreme as each, those within `tied` (relative) included."""
    order = np.argsort(-extreme, kind="stable")
    total = np.cumsum(pmf[order])
    falling = -extreme[order]
    last = np.searchsorted(falling, falling + tied * (1.0 + np.abs(falling)), side="right") - 1
    out = np.empty_like(pmf)
    out[order] = np.minimum(total[last], 1.0)
    return out


def rank_p_values(statistic: Floats, null: Floats, ties: Floats) -> Floats:
    """Simulated p-values (P,): the rank of each statistic among `null` (sorted, finite), ties broken by `ties`.

    1 where the history cannot form the statistic; the null draws are those that can, as the single-sample functions
    draw them.

    Parameters
    ----------
    statistic : ndarray, shape (P,)
    null : ndarray, shape (N,)
    ties : ndarray, shape (P,)
        Uniforms.
    """
    formed = np.isfinite(statistic)
    value = np.where(formed, statistic, 0.0)
    slack = 1e-9 * (1.0 + np.abs(value))
    low, high = np.searchsorted(null, value - slack, "left"), np.searchsorted(null, value + slack, "right")
    rank = null.size - high + np.floor(ties * (high - low + 1.0)) + 1.0
    return np.where(formed, rank / (null.size + 1.0), 1.0)


def any_rejection(p_values: Mapping[str, Floats]) -> dict[str, Floats]:
    """Smallest adjusted p-value over tests of each history, (P,), by procedure of `riskengine.backtest.multiplicity`.

    ``none`` does not adjust.  Of k sorted p-values Holm's smallest is k p_(1), that of Benjamini and Hochberg is that
    of Simes, the least of k p_(j) / j.  Hommel's is at least as large: Simes may reject that all is right and yet no
    single test, so the smallest is also held against every m of the tests that it could belong to.
    """
    p = np.sort(np.stack(list(p_values.values())), axis=0)
    k = p.shape[0]
    simes = (p * (k / np.arange(1.0, k + 1.0))[:, None]).min(axis=0)
    closed = simes
    for m in range(k - 1, 1, -1):
        largest = (m * p[k - m + 1 :] / np.arange(2.0, m + 1.0)[:, None]).min(axis=0)
        closed = np.maximum(closed, np.minimum(largest, m * p[0]))
    return {
        "none": p[0],
        "holm": np.minimum(1.0, k * p[0]),
        "hommel": np.maximum(closed, p[0]),
        "benjamini_hochberg": np.minimum(1.0, simes),
    }
