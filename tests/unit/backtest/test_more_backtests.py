"""Backtests beyond counts: known values, size under the null, power under a stated alternative, and refusals."""

from itertools import combinations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import expon, geom

from riskengine.backtest.berkowitz import berkowitz, berkowitz_tail
from riskengine.backtest.conditional_calibration import (
    conditional_calibration,
    conditional_calibration_one_sided,
)
from riskengine.backtest.cumulative_violations import du_escanciano, du_escanciano_conditional
from riskengine.backtest.duration import gmm_duration, weibull_duration
from riskengine.backtest.dynamic_quantile import dynamic_quantile
from riskengine.backtest.e_process import e_process, e_statistics
from riskengine.backtest.expected_shortfall import acerbi_szekely, mcneil_frey, z1, z2, z3
from riskengine.backtest.multiplicity import benjamini_hochberg, holm, hommel
from riskengine.backtest.power import count_power, simulated_power
from riskengine.backtest.result import simulated_p_value
from riskengine.backtest.time_until_failure import time_until_failure

P = 0.025
V = float(ndtri(1 - P))
E = float(np.exp(-0.5 * V * V) / np.sqrt(2 * np.pi) / P)


def near(estimate, value=0.05):
    """A simulated size whose 99.99 % interval holds `value`."""
    return estimate.lower <= value <= estimate.upper


def power_of(p_value, replicates=300, seed=1):
    return simulated_power(p_value, 0.05, replicates, seed, confidence=0.9999)


def markov_breaches(random, n, rate, stay):
    """Clustered breaches: after a breach the next day breaches with probability `stay`."""
    quiet = rate * (1 - stay) / (1 - rate)
    u, out, state = random.random(n), np.zeros(n), False
    for i in range(n):
        state = u[i] < (stay if state else quiet)
        out[i] = state
    return out


def test_exact_p_value_of_the_first_failure():
    """Under a geometric first breach the p-value is uniform up to its steps: P(p-value <= a) <= a."""
    t = np.arange(1, 400)
    p = np.array([time_until_failure(int(k), 0.05).p_value for k in t])
    for level in (0.01, 0.05, 0.2):
        assert geom(0.05).pmf(t[p <= level]).sum() <= level + 1e-12


def test_duration_tests_have_their_size_and_see_clusters():
    assert near(power_of(lambda r: gmm_duration(r.random(250) < 0.04, 0.04, replicates=99).p_value, 200))
    assert near(power_of(lambda r: weibull_duration(r.random(250) < 0.04, 0.04, replicates=99).p_value, 60))
    clusters = markov_breaches(np.random.default_rng(4), 1500, 0.04, 0.5)
    assert weibull_duration(clusters, replicates=199).p_value < 0.02
    assert gmm_duration(clusters, 0.04, replicates=199).p_value < 0.02


def test_gmm_polynomials_are_orthonormal_under_the_geometric_law():
    """E[J] = number of polynomials when N is large: mean of the statistic over simulated series."""
    random = np.random.default_rng(9)
    found = [gmm_duration(random.random(2000) < 0.05, 0.05, 2, replicates=99).statistic for _ in range(60)]
    assert np.mean(found) == pytest.approx(2.0, abs=4.5 * 3.0 / np.sqrt(60))


def test_dynamic_quantile():
    assert near(power_of(lambda r: dynamic_quantile(r.random(250) < 0.05, 0.05, replicates=99).p_value))
    clusters = markov_breaches(np.random.default_rng(4), 500, 0.05, 0.4)
    var = np.linspace(1.0, 2.0, 500)
    assert dynamic_quantile(clusters, 0.05, var).p_value < 0.01
    # a VaR that does not move is the constant: same statistic as without it
    flat = dynamic_quantile(clusters, 0.05, np.ones(500), replicates=None)
    assert flat == dynamic_quantile(clusters, 0.05, replicates=None)
    assert "chi-squared(5)" in flat.method


def test_berkowitz():
    assert near(power_of(lambda r: berkowitz(r.random(400)).p_value))
    assert near(power_of(lambda r: berkowitz_tail(r.random(1500), 0.05).p_value, 120))
    random = np.random.default_rng(2)
    wild = ndtr(1.3 * random.standard_normal(400))
    assert berkowitz(wild).p_value < 1e-3
    assert berkowitz_tail(wild, 0.05).p_value < 0.01
    calm = ndtr(np.where(np.abs(wild := random.standard_normal(1500)) > 1.2, wild, 0.3 * wild))
    assert berkowitz_tail(calm, 0.05).p_value > 0.001


def test_acerbi_szekely_has_mean_zero_and_sees_understated_risk():
    random = np.random.default_rng(3)
    x = random.standard_normal((1000, 250))
    values = np.array([z2(row, V, E, P) for row in x])
    assert values.mean() == pytest.approx(0.0, abs=4.5 * values.std() / np.sqrt(1000))
    first = np.array([z1(row, V, E) for row in x[:1000]])
    assert np.nanmean(first) == pytest.approx(0.0, abs=4.5 * np.nanstd(first) / np.sqrt(1000))
    third = np.array([z3(ndtr(row), ndtri, P) for row in x[:50]])
    assert third.mean() == pytest.approx(0.0, abs=4.5 * third.std() / np.sqrt(50))

    def draw(r):
        return r.standard_normal(250)

    p = acerbi_szekely(1.3 * draw(random), V, E, P, draw, replicates=999)
    assert p.statistic < 0
    assert p.p_value < 0.1


def test_mcneil_frey():
    random = np.random.default_rng(6)
    x = random.standard_t(3, 3000)
    assert mcneil_frey(x, V, E, 1999).p_value < 0.01
    assert mcneil_frey(random.standard_normal(3000), V, E, 1999).p_value > 0.01
    assert mcneil_frey(np.zeros(50), V, E).p_value == 1.0
    assert "three breaches" in mcneil_frey(np.zeros(50), V, E).method


def test_du_escanciano():
    assert near(power_of(lambda r: du_escanciano(r.random(2000), 0.05).p_value, 400))
    random = np.random.default_rng(7)
    heavy = ndtr(-random.standard_t(3, 2000))
    assert du_escanciano(heavy, 0.05).statistic > 0
    assert du_escanciano(heavy, 0.05).p_value < 0.01
    calm, wild = random.random(1000), np.repeat(random.random(100) ** 4, 10)
    assert du_escanciano_conditional(calm, 0.1).p_value > 0.001
    assert du_escanciano_conditional(wild, 0.1).p_value < 1e-6


def test_conditional_calibration():
    assert near(power_of(lambda r: conditional_calibration(r.standard_normal(4000), V, E, P).p_value, 400))
    random = np.random.default_rng(8)
    heavy = random.standard_t(3, 2000)
    assert conditional_calibration(heavy, V, E, P).p_value < 0.01
    assert conditional_calibration_one_sided(heavy, V, E, P).p_value < 0.01
    assert conditional_calibration_one_sided(0.5 * random.standard_normal(2000), V, E, P).p_value > 0.5
    assert conditional_calibration(np.zeros(50), V, E, P).p_value == 1.0


def closed_test(p):
    """Hommel by definition: the largest Simes p-value over all intersections that hold the hypothesis."""
    n, out = len(p), np.zeros(len(p))
    for size in range(1, n + 1):
        for group in combinations(range(n), size):
            s = np.sort(np.array(p)[list(group)])
            simes = min(size * s / np.arange(1, size + 1))
            for i in group:
                out[i] = max(out[i], simes)
    return out


def test_adjusted_p_values():
    p = np.array([0.01, 0.02, 0.03, 0.9, 0.012])
    np.testing.assert_allclose(holm(p), [0.05, 0.06, 0.06, 0.9, 0.05 * 0 + 0.05], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), [0.03, 0.03333333333, 0.0375, 0.9, 0.03], atol=1e-9)
    random = np.random.default_rng(1)
    for n in (1, 2, 3, 4, 6):
        p = random.random(n) ** 3
        np.testing.assert_allclose(hommel(p), closed_test(p), atol=1e-12)
        assert (hommel(p) <= holm(p) + 1e-15).all()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.2, 1.2])


def test_e_statistics_have_mean_one_at_the_truth():
    density = lambda x: np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)  # noqa: E731
    mean = quad(lambda x: density(x) * float(e_statistics([x], V, P, E)[0]), V, 12)[0]
    assert mean == pytest.approx(1.0, abs=1e-9)
    x = np.random.default_rng(5).standard_normal(200_000)
    assert e_statistics(x, V, P).mean() == pytest.approx(1.0, abs=4.5 / np.sqrt(P * 200_000))
    assert e_statistics(x, V, P, against="overstated").mean() == pytest.approx(1.0, abs=0.01)


def test_an_e_process_keeps_its_level_at_any_time_and_wins_on_understated_risk():
    """150 true series of 300 days: the share that ever crosses 20 is at most 5 % (Ville)."""
    random = np.random.default_rng(12)
    crossed = [e_process(e_statistics(random.standard_normal(300), V, P)).alarm is not None for _ in range(150)]
    assert np.mean(crossed) <= 0.05 + 4.5 * np.sqrt(0.05 * 0.95 / 150)
    found = e_process(e_statistics(1.6 * random.standard_normal(750), V, P, E))
    assert found.alarm is not None
    assert found.p_value < 0.05
    assert found.wealth[0] == 1.0
    cautious = e_process(e_statistics(0.4 * random.standard_normal(750), V, P, against="overstated"))
    assert cautious.wealth[-1] > 1.0


def test_power_of_count_tests_is_exact():
    """The stated figures: Kupiec at 250 days and 1 %: size 9.5 %, power 24 % against a doubled rate."""
    kupiec = count_power("kupiec", 250, 0.01, 0.02)
    assert kupiec.size == pytest.approx(0.095, abs=0.0006)
    assert kupiec.power == pytest.approx(0.24, abs=0.006)
    for test in ("binomial", "kupiec_exact"):
        exact = count_power(test, 250, 0.01, 0.02)
        assert exact.size <= 0.05
        assert exact.power > exact.size
    yellow = count_power("traffic_light", 250, 0.01, 0.02)
    assert min(yellow.rejected) == 5
    assert yellow.size == pytest.approx(0.1078, abs=1e-4)
    with pytest.raises(ValueError, match="test must be"):
        count_power("magic", 250, 0.01, 0.02)


def test_simulated_p_values_are_uniform_whatever_the_law():
    random = np.random.default_rng(11)
    p = np.array([
        simulated_p_value(float(expon.rvs(random_state=random)), lambda r: float(r.exponential()), 99, int(s))[0]
        for s in range(600)
    ])  # fmt: skip
    for level in (0.05, 0.5, 0.9):
        assert (p <= level).mean() == pytest.approx(level, abs=4.5 * np.sqrt(level * (1 - level) / 600))
    # ties are broken: a statistic that never moves is rejected as often as it should be
    flat = np.array([simulated_p_value(0.0, lambda r: 0.0, 99, s)[0] for s in range(600)])
    assert (flat <= 0.1).mean() == pytest.approx(0.1, abs=4.5 * np.sqrt(0.09 / 600))
    with pytest.raises(ValueError, match="at least 99"):
        simulated_p_value(0.0, lambda r: 0.0, 10, 1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gmm_duration([0, 1, 2], 0.1), "zeros and ones"),
        (lambda: gmm_duration([0, 1, 1], 1.5), "tail_prob"),
        (lambda: berkowitz([0.5]), "at least 10"),
        (lambda: z2([1.0, 2.0], 1.0, 0.5, 0.1), "ES >= VaR"),
        (lambda: acerbi_szekely([1.0, 2.0], 1.0, 1.5, 0.1, lambda r: [0.0, 0.0], which=4), "which must be"),
        (lambda: e_statistics([1.0], 1.0, 0.1, es=1.0), "exceed VaR"),
        (lambda: e_statistics([1.0], 1.0, 0.1, es=1.2, against="overstated"), "VaR alone"),
        (lambda: dynamic_quantile([0, 1, 0, 1], 0.1, lags=3), "lags"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_too_few_breaches_reject_nothing_and_say_why():
    quiet = np.zeros(250)
    assert gmm_duration(quiet, 0.01).p_value == 1.0
    assert "at least two breaches" in weibull_duration(quiet).method
