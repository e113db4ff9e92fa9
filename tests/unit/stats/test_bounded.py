import numpy as np
import pytest

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
    assert found.upper - found.lower == pytest.approx(2 * 1.96 * x.std() / np.sqrt(4000), rel=0.01)


def test_the_interval_of_a_frequent_event_is_that_of_its_complement():
    x = (np.random.default_rng(4).random(3000) < 0.02).astype(float)
    rare, frequent = share(x), share(1 - x)
    assert frequent.lower == pytest.approx(1 - rare.upper) and frequent.upper == pytest.approx(1 - rare.lower)


@pytest.mark.parametrize("values", [[0.1, 1.2], [-0.1, 0.5], [0.5]])
def test_values_outside_the_range_are_refused(values):
    with pytest.raises(ValueError, match="numbers in"):
        share(values)


def test_chernoff_covers_a_rare_share():
    """2,000 samples of 300 paths with mean 0.5 %: coverage of a guaranteed interval is at least nominal minus 3 SE."""
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(2000):
        found = share((rng.random(300) < 0.01) * 0.5)
        inside += found.lower <= 0.005 <= found.upper
    assert inside / 2000 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 2000)


def test_equal_columns_differ_by_zero_with_a_finite_bound():
    found = share_difference(np.zeros(800), np.zeros(800))
    assert found.value == 0.0 and 0 < found.upper < 0.05


def test_difference_is_first_minus_second():
    rng = np.random.default_rng(5)
    base = (rng.random(5000) < 0.2).astype(float)
    more = np.maximum(base, rng.random(5000) < 0.1)
    found = share_difference(more, base)
    assert found.lower > 0 and found.lower < 0.08 < found.upper
