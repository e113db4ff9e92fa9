"""Breach-count tests: exact laws, limits, conventions."""

import numpy as np
import pytest
from scipy.special import bdtr

from riskengine.backtest.binomial import binomial_log_pmf, binomial_test
from riskengine.backtest.christoffersen import christoffersen, christoffersen_counts
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.traffic_light import traffic_light


def test_binomial_p_values_by_summation():
    n, p, hits = 250, 0.01, 6
    pmf = np.exp(binomial_log_pmf(np.arange(n + 1), n, p))
    assert pmf.sum() == pytest.approx(1.0, abs=1e-12)
    t = binomial_test(hits, n, p)
    assert t.p_value == pytest.approx(pmf[pmf <= pmf[hits] * (1 + 1e-7)].sum(), rel=1e-12)
    assert t.mid_p_value == pytest.approx(t.p_value - 0.5 * pmf[hits], rel=1e-12)
    assert t.p_value_more == pytest.approx(pmf[hits:].sum(), rel=1e-10)
    assert t.p_value_fewer == pytest.approx(bdtr(hits, n, p), rel=1e-12)
    assert t.rate.value == hits / n


def test_binomial_ties_count_in_full():
    # at p = 1/2 the count 4 of 10 and the count 6 of 10 are equally likely
    t = binomial_test(4, 10, 0.5)
    assert t.p_value == pytest.approx(1 - 252 / 1024, rel=1e-12)
    assert binomial_test(5, 10, 0.5).p_value == pytest.approx(1.0)


@pytest.mark.parametrize(("hits", "n"), [(0, 250), (250, 250), (1200, 100_000)])
def test_kupiec_at_the_ends_and_on_long_samples(hits, n):
    t = kupiec(hits, n, 0.01)
    assert np.isfinite(t.likelihood_ratio) and 0 <= t.exact_p_value <= 1


def test_kupiec_is_zero_at_the_nominal_rate():
    t = kupiec(10, 1000, 0.01)
    assert (t.likelihood_ratio, t.p_value) == (pytest.approx(0.0, abs=1e-12), pytest.approx(1.0, abs=1e-6))
    assert t.exact_p_value == pytest.approx(1.0, abs=1e-9)


def test_nominal_kupiec_rejects_too_often_and_the_exact_one_does_not():
    n, p = 250, 0.01
    pmf = np.exp(binomial_log_pmf(np.arange(n + 1), n, p))
    tests = [kupiec(x, n, p) for x in range(40)]
    size = sum(m for m, t in zip(pmf, tests, strict=False) if t.p_value <= 0.05)
    assert size == pytest.approx(0.095, abs=5e-4)  # as printed
    assert sum(m for m, t in zip(pmf, tests, strict=False) if t.exact_p_value <= 0.05) <= 0.05


def test_christoffersen_counts_transitions():
    t = christoffersen([0, 1, 1, 0, 0, 0, 1, 0], 0.1)
    assert (t.n00, t.n01, t.n10, t.n11) == (2, 2, 2, 1)
    uc = kupiec(3, 8, 0.1).likelihood_ratio
    assert t.likelihood_ratio_coverage == pytest.approx(t.likelihood_ratio_independence + uc, rel=1e-14)


def test_christoffersen_sees_clusters_and_copes_without_any():
    clustered = np.zeros(500, dtype=bool)
    clustered[100:110] = True
    assert christoffersen(clustered, 0.02).p_value_independence < 1e-6
    spread = np.zeros(500, dtype=bool)
    spread[::50] = True
    assert christoffersen(spread, 0.02).p_value_independence > 0.3
    none = christoffersen(np.zeros(250, dtype=bool), 0.01)
    assert none.likelihood_ratio_independence == 0.0
    assert none.likelihood_ratio_coverage == pytest.approx(kupiec(0, 250, 0.01).likelihood_ratio)
    assert christoffersen_counts(0, 0, 0, 9, 0.01).likelihood_ratio_independence == 0.0


@pytest.mark.parametrize(("hits", "zone"), [(0, "green"), (4, "green"), (5, "yellow"), (9, "yellow"), (10, "red")])
def test_traffic_light_zones(hits, zone):
    t = traffic_light(hits, 250, 0.01)
    assert (t.zone, t.yellow_from, t.red_from) == (zone, 5, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binomial_test(3, 2, 0.01), "hits and n must be whole numbers"),
        (lambda: kupiec(1, 10, 0.0), "tail_prob must lie in"),
        (lambda: traffic_light(1.5, 10, 0.1), "hits and n must be whole numbers"),
        (lambda: christoffersen([1], 0.1), "breaches must be a series"),
        (lambda: christoffersen([0, 2], 0.1), "breaches must be a series"),
        (lambda: christoffersen_counts(-1, 0, 0, 1, 0.1), "transition counts must be whole"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
