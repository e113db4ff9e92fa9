import numpy as np
import pytest

from riskengine.backtest.christoffersen import christoffersen, christoffersen_counts


def test_pairs_across_a_gap_are_no_transitions():
    breach = np.array([0, 1, 1, 0, 0, 1], dtype=bool)
    follows = np.array([True, False, True, True, True])
    found = christoffersen(breach, 0.05, follows)
    assert (found.n00, found.n01, found.n10, found.n11) == (1, 2, 1, 0)
    assert found == christoffersen_counts(1, 2, 1, 0, 0.05, hits=3, n=6)


def test_without_gaps_nothing_changes():
    breach = np.random.default_rng(1).random(200) < 0.1
    assert christoffersen(breach, 0.1, np.ones(199, dtype=bool)) == christoffersen(breach, 0.1)


def test_all_apart_is_refused():
    with pytest.raises(ValueError, match="not all zero"):
        christoffersen(np.array([0, 1, 0]), 0.05, np.zeros(2, dtype=bool))
