import math

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc, gammaln, ndtri, xlog1py, xlogy

from riskengine.stats.asymptotic import corrected_quantile, influence
from riskengine.stats.bounded import share, share_difference
from riskengine.stats.proportion import clopper_pearson


def test_no_hit_at_all_has_the_binomial_upper_bound():
    found = share(np.zeros(1000))
    assert found.lower == 0.0
    assert found.upper == pytest.approx(1 - 0.025 ** (1 / 1000), rel=1e-9)


def test_all_hit_is_the_mirror_image():
    low, high = share(np.zeros(500)), share(np.ones(500))
    assert (high.lower, high.upper) == (pytest.approx(1 - low.upper, rel=1e-12), 1.0)


def test_few_hits_get_bounds_that_hold_for_any_law():
    x = np.zeros(5000)
    x[:10] = 1.0
    found, exact = share(x), clopper_pearson(10, 5000)
    assert "chernoff" in found.method
    assert found.lower <= exact.lower and found.upper >= exact.upper, "bounds for any law are wider than binomial ones"


def test_many_hits_get_the_asymptotic_interval():
    x = np.random.default_rng(3).random(4000)
    found = share(x)
    assert "clt" in found.method
    a, z = influence(x).skewness / np.sqrt(4000), float(ndtri(0.975))
    width = (corrected_quantile(z, a) - corrected_quantile(-z, a)) * x.std(ddof=1) / np.sqrt(4000)
    assert found.upper - found.lower == pytest.approx(width, rel=1e-12)


def test_the_interval_of_a_frequent_event_is_that_of_its_complement():
    x = (np.random.default_rng(4).random(3000) < 0.02).astype(float)
    rare, frequent = share(x), share(1 - x)
    assert frequent.lower == pytest.approx(1 - rare.upper) and frequent.upper == pytest.approx(1 - rare.lower)


@pytest.mark.parametrize("values", [[0.1, 1.2], [-0.1, 0.5], [0.5]])
def test_values_outside_the_range_are_refused(values):
    with pytest.raises(ValueError, match="numbers in"):
        share(values)


def test_chernoff_covers_a_rare_share():
    """300 paths lose 0.5 with probability 1 %: the coverage is an exact binomial sum, and at least nominal."""
    n, p, coverage = 300, 0.01, 0.0
    for hits in range(40):
        found = share(np.repeat([0.5, 0.0], [hits, n - hits]))
        if found.lower <= 0.5 * p <= found.upper:
            choose = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
            coverage += math.exp(choose + xlogy(hits, p) + xlog1py(n - hits, -p))
    assert coverage >= 0.95


def test_equal_columns_differ_by_zero_with_a_finite_bound():
    found = share_difference(np.zeros(800), np.zeros(800))
    # no rise in 800 paths, at half of 5 % and two-sided: (1 - p)^800 = 0.0125
    bound = 1 - (0.025 / 2) ** (1 / 800)
    assert (found.value, found.lower, found.upper) == (0.0, -found.upper, pytest.approx(bound, rel=1e-9))


def test_difference_is_first_minus_second():
    rng = np.random.default_rng(5)
    base = (rng.random(5000) < 0.2).astype(float)
    more = np.maximum(base, rng.random(5000) < 0.1)
    found = share_difference(more, base)
    # a path differs where the first draw misses and the second hits: probability 0.8 * 0.1
    hits = round(found.value * 5000)
    assert min(bdtr(hits, 5000, 0.08), bdtrc(hits - 1, 5000, 0.08)) > 1e-4 / 2
    assert 0 < found.lower < found.value < found.upper
