"""Exact binomial intervals."""

import math

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc

from riskengine.backtest.binomial import binomial_log_pmf
from riskengine.stats.proportion import clopper_pearson, clopper_pearson_upper


def test_bounds_invert_the_binomial_tails():
    e = clopper_pearson(7, 250, 0.9)
    assert bdtrc(6, 250, e.lower) == pytest.approx(0.05, rel=1e-10)
    assert bdtr(7, 250, e.upper) == pytest.approx(0.05, rel=1e-10)
    assert (e.value, e.n, e.n_effective, e.method) == (7 / 250, 250, 7.0, "clopper-pearson")
    assert e.std_error == pytest.approx(math.sqrt(e.value * (1 - e.value) / 250))


def test_ends():
    none, all_ = clopper_pearson(0, 20), clopper_pearson(20, 20)
    assert (none.value, none.lower) == (0.0, 0.0) and none.upper == pytest.approx(1 - 0.025**0.05, rel=1e-12)
    assert (all_.value, all_.upper) == (1.0, 1.0) and all_.lower == pytest.approx(0.025**0.05, rel=1e-12)
    assert math.isnan(none.std_error) and math.isnan(all_.std_error)
    assert clopper_pearson_upper(0, 250, 0.95).upper == pytest.approx(1 - 0.05 ** (1 / 250), rel=1e-12)
    assert clopper_pearson_upper(5, 5).upper == 1.0


@pytest.mark.parametrize("n", [20, 250])
def test_coverage_is_at_least_nominal_for_every_probability(n):
    intervals = [clopper_pearson(k, n, 0.95) for k in range(n + 1)]
    lower, upper = (np.array([getattr(e, side) for e in intervals]) for side in ("lower", "upper"))
    for p in np.concatenate([np.geomspace(1e-4, 0.5, 60), [0.9, 0.999]]):
        covered = (lower <= p) & (p <= upper)
        assert np.exp(binomial_log_pmf(np.arange(n + 1), n, p))[covered].sum() >= 0.95 - 1e-12


@pytest.mark.parametrize(("hits", "n"), [(2.5, 10), (-1, 10), (11, 10), (0, 0)])
def test_weighted_or_impossible_counts_are_refused(hits, n):
    with pytest.raises(ValueError, match="hits and n must be whole numbers"):
        clopper_pearson(hits, n)


def test_confidence_is_checked():
    with pytest.raises(ValueError, match=r"confidence must lie in \(0, 1\)"):
        clopper_pearson(1, 10, 1.0)
