"""Model confidence set: against an independent implementation, coverage, ties."""

import numpy as np
import pytest

from riskengine.score.compare import diebold_mariano
from riskengine.score.confidence_set import diebold_mariano_table, model_confidence_set, resampling_counts


def scores(seed, n=600, means=(0.0, 0.02, 0.05, 0.15, 0.2, 0.4)):
    random = np.random.default_rng(seed)
    return 0.7 * random.standard_normal((n, 1)) + random.standard_normal((n, len(means))) + np.array(means)


@pytest.mark.parametrize(("theirs", "ours"), [("R", "range"), ("max", "maximum")])
def test_same_p_values_as_an_independent_implementation_on_the_same_resamples(theirs, ours):
    mcs = pytest.importorskip("arch.bootstrap").MCS
    x = scores(3)
    other = mcs(x, 0.1, reps=300, block_size=10, method=theirs, seed=5)
    other.compute()
    counts = np.array([np.bincount(i, minlength=600) for i in other._bootstrap_indices], dtype=float)
    found = model_confidence_set(x, ours, counts=counts)
    expected = other.pvalues.Pvalue.sort_index().to_numpy()
    np.testing.assert_allclose(found.p_values, expected, atol=1e-12)
    assert list(found.dropped[:-1]) == list(other.pvalues.index[:-1])


def test_the_best_is_kept_and_a_bad_one_goes():
    """The best of three is in the 90 % set at least 90 % of the time less 4.5 standard errors."""
    kept = []
    for seed in range(60):
        x = scores(seed, 300, (0.0, 0.0, 1.0))
        included = model_confidence_set(x, block=1.0, replicates=200, seed=seed).included(0.1)
        assert 2 not in included
        kept.append({0, 1} <= set(included))
    assert np.mean(kept) >= 0.9 - 4.5 * np.sqrt(0.09 / 60)


@pytest.mark.parametrize("statistic", ["range", "maximum"])
def test_equal_forecasts_stay_or_go_together(statistic):
    x = scores(11)
    x[:, 4] = x[:, 5]
    found = model_confidence_set(x, statistic, replicates=200)
    assert found.p_values[4] == found.p_values[5] < 0.1
    x[:, :] = x[:, :1]
    assert (model_confidence_set(x, statistic, replicates=200).p_values == 1.0).all()


def test_resamples_hold_blocks_of_the_stated_length():
    counts = resampling_counts(200, 10.0, 2_000, seed=3)
    assert (counts.sum(axis=1) == 200).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=4.5 * np.sqrt(10.0 / 2_000) * 1.5)
    # the mean of a resample of an alternating series tells the block length: long blocks cancel
    alternating = np.where(np.arange(200) % 2, 1.0, -1.0)
    short = resampling_counts(200, 1.0, 2_000, seed=3) @ alternating
    assert (counts @ alternating).var() < 0.3 * short.var()


def test_diebold_mariano_table():
    x = scores(2)
    table = diebold_mariano_table(x, 1)
    assert table[1] is None
    assert table[3] == diebold_mariano(x[:, 3], x[:, 1])


def test_refusals():
    with pytest.raises(ValueError, match="statistic"):
        model_confidence_set(scores(1), "other")
    with pytest.raises(ValueError, match="8 days"):
        model_confidence_set(np.ones((4, 3)))
    with pytest.raises(ValueError, match="block"):
        resampling_counts(10, 20, 5)
