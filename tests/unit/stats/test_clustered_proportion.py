"""Proportions from trials that come in clusters."""

import numpy as np
import pytest

from riskengine.stats.proportion import clopper_pearson, clustered_proportion


def test_without_clusters_it_is_clopper_pearson():
    one, other = clustered_proportion(7, 300, 0.4), clopper_pearson(7, 300)
    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), rel=1e-12)


def test_two_copies_of_every_trial_are_no_news():
    one, other = clustered_proportion(14, 600, 2.0), clopper_pearson(7, 300)
    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), rel=1e-12)
    assert clustered_proportion(0, 600, 2.0).lower == 0.0 and clustered_proportion(600, 600, 2.0).upper == 1.0


def test_coverage_with_clusters_of_four():
    """Days of four equal trials: at least 95 % less 4.5 standard errors of 400 samples; plain ones far less."""
    random = np.random.default_rng(5)
    covered = np.zeros(2)
    for _ in range(400):
        hits = 4 * int((random.random(250) < 0.05).sum())
        for k, effect in enumerate((4.0, 1.0)):
            found = clustered_proportion(hits, 1000, effect)
            covered[k] += found.lower <= 0.05 <= found.upper
    assert covered[0] / 400 >= 0.95 - 4.5 * np.sqrt(0.0475 / 400) and covered[1] / 400 < 0.85


def test_refusals():
    with pytest.raises(ValueError, match="design_effect"):
        clustered_proportion(3, 100, -1.0)
