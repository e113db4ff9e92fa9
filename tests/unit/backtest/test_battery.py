"""The battery: p-values are those of the single tests, ranks are exact, families are those of multiplicity."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from riskengine.backtest.battery import (
    BATTERY,
    FAMILIES,
    WAYS,
    Histories,
    any_rejection,
    count_p_values,
    evaluate,
    first_breach_p_values,
    rank_p_values,
    ways_of,
)
from riskengine.backtest.berkowitz import berkowitz
from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.christoffersen import christoffersen
from riskengine.backtest.conditional_calibration import conditional_calibration
from riskengine.backtest.cumulative_violations import du_escanciano, du_escanciano_conditional
from riskengine.backtest.dynamic_quantile import dynamic_quantile
from riskengine.backtest.e_process import e_process, e_statistics
from riskengine.backtest.expected_shortfall import expected_worst, mcneil_frey, z3
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.lanes import BreachLanes
from riskengine.backtest.multiplicity import benjamini_hochberg, holm, hommel
from riskengine.backtest.power import count_power
from riskengine.backtest.result import simulated_p_value
from riskengine.backtest.time_until_failure import time_until_failure
from riskengine.backtest.traffic_light import traffic_light

P = 0.025
VAR = float(ndtri(1 - P))
ES = float(np.exp(-0.5 * VAR * VAR) / np.sqrt(2 * np.pi) / P)


@pytest.mark.parametrize(("n", "p"), [(250, 0.01), (97, 0.05), (10, 0.5)])
def test_every_count_has_the_p_value_of_its_test(n, p):
    tables = count_p_values(n, p)
    for k in (*range(min(n, 30) + 1), n):
        assert tables["binomial", "exact"][k] == pytest.approx(binomial_test(k, n, p).p_value, rel=1e-9)
        assert tables["kupiec", "exact"][k] == pytest.approx(kupiec(k, n, p).exact_p_value, rel=1e-9)
        assert tables["kupiec", "asymptotic"][k] == pytest.approx(kupiec(k, n, p).p_value, rel=1e-12)
        assert (tables["traffic_light", "exact"][k] <= 0.05) == (traffic_light(k, n, p).zone != "green")
    first = first_breach_p_values(n, p)
    assert [first[t - 1] for t in (1, 5, n)] == [time_until_failure(t, p).p_value for t in (1, 5, n)]
    assert first[n] == 1.0


@pytest.mark.parametrize(("test", "way"), [
    ("binomial", ("binomial", "exact")), ("kupiec", ("kupiec", "asymptotic")),
    ("kupiec_exact", ("kupiec", "exact")), ("traffic_light", ("traffic_light", "exact")),
])  # fmt: skip
def test_the_counts_rejected_are_those_of_count_power(test, way):
    for n, p in ((250, 0.01), (500, 0.025)):
        rejected = np.flatnonzero(count_p_values(n, p)[way] <= 0.05)
        assert tuple(rejected) == count_power(test, n, p, 2 * p).rejected


def test_all_ways_are_evaluated_as_the_single_tests_say():
    random = np.random.default_rng(8)
    x = random.standard_normal((300, 25)) * np.linspace(0.7, 2.0, 25)
    h = Histories(BreachLanes.of(x > VAR, x, ndtr(-x)), P, VAR, ES, x, x)
    sizes = (120, 300)
    worst = [expected_worst(n, max(int(np.floor(n * P)), 1), ndtri) for n in sizes]
    for n, found in zip(sizes, evaluate(h, sizes, worst, 199), strict=True):
        assert set(found) == set(WAYS)
        for i in range(0, 25, 4):
            loss = x[:n, i]
            breach = loss > VAR
            wanted = {
                ("christoffersen", "asymptotic"): christoffersen(breach, P).p_value_coverage,
                ("christoffersen_independence", "asymptotic"): christoffersen(breach, P).p_value_independence,
                ("dynamic_quantile", "asymptotic"): dynamic_quantile(breach, P, replicates=None).p_value,
                ("berkowitz", "asymptotic"): berkowitz(ndtr(loss)).p_value,
                ("du_escanciano", "asymptotic"): du_escanciano(ndtr(-loss), P).p_value,
                ("du_escanciano_conditional", "asymptotic"): du_escanciano_conditional(ndtr(-loss), P).p_value,
                ("conditional_calibration", "asymptotic"): conditional_calibration(loss, VAR, ES, P).p_value,
                ("mcneil_frey", "bootstrap"): mcneil_frey(loss, VAR, ES, 199).p_value,
                ("e_var", "any-time"): e_process(e_statistics(loss, VAR, P)).p_value,
                ("e_es", "any-time"): e_process(e_statistics(loss, VAR, P, ES)).p_value,
                ("z3", "simulated"): -z3(ndtr(loss), ndtri, P),
                ("binomial", "exact"): binomial_test(int(breach.sum()), n, P).p_value,
            }
            for way, value in wanted.items():
                assert found[way][i] == pytest.approx(value, rel=1e-6, abs=1e-8), (way, n, i)


def test_forecasts_without_a_law_leave_the_tail_out():
    breach = np.random.default_rng(2).random((60, 4)) < 0.1
    found = evaluate(Histories(BreachLanes.of(breach), 0.1), (60,))[0]
    assert {test for test, _ in found} == set(FAMILIES["breaches"])


def test_every_test_has_a_way_and_a_family():
    assert {test for test, _ in WAYS} == set(BATTERY) == set(FAMILIES["battery"])
    assert [ways_of(t)[0] for t in ("kupiec", "berkowitz", "mcneil_frey", "e_es")] == [
        "exact", "simulated", "simulated", "any-time",
    ]  # fmt: skip


def test_ranks_are_those_of_the_single_simulated_p_value():
    draws = np.random.default_rng(3).standard_normal(199)
    for statistic in (-3.0, 0.3, 1.7, 4.0):
        taken = iter(draws)
        wanted, _ = simulated_p_value(statistic, lambda _, taken=taken: next(taken), 199, 1)
        found = rank_p_values(np.array([statistic]), np.sort(draws), np.array([0.5]))
        assert found[0] == wanted
    assert rank_p_values(np.array([np.nan]), np.sort(draws), np.array([0.5]))[0] == 1.0


def test_ties_are_broken_so_that_the_size_is_exact():
    """A statistic of 0 or 1: over all uniforms the p-value of a tie is spread evenly over the ranks of the tie."""
    null = np.array([0.0] * 15 + [1.0] * 4)
    u = (np.arange(1000) + 0.5) / 1000
    top = rank_p_values(np.ones(1000), null, u)
    assert set(np.round(20 * top)) == {1, 2, 3, 4, 5}
    assert (top <= 0.1).mean() == pytest.approx(2 / 5)  # times P(1) = 1/4: a test of 10 %
    low = rank_p_values(np.zeros(1000), null, u)
    assert low.min() == 0.25 and low.max() == 1.0


def test_any_rejection_is_the_smallest_adjusted_p_value():
    p = np.random.default_rng(6).random((7, 50)) ** 3
    found = any_rejection({str(i): row for i, row in enumerate(p)})
    for j in range(50):
        assert found["none"][j] == p[:, j].min()
        assert found["holm"][j] == pytest.approx(holm(p[:, j]).min(), rel=1e-12)
        assert found["hommel"][j] == pytest.approx(hommel(p[:, j]).min(), rel=1e-12)
        assert found["benjamini_hochberg"][j] == pytest.approx(benjamini_hochberg(p[:, j]).min(), rel=1e-12)
