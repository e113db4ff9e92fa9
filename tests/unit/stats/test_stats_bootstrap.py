"""Block bootstrap of quantiles of overlapping sums."""

import numpy as np
import pytest

from riskengine.stats.bootstrap import (
    _block_counts,
    bootstrap_quantile_bands,
    bootstrap_quantiles,
    overlapping_sums,
)

X = np.random.default_rng(4).standard_t(4, 3000)


def test_overlapping_sums():
    np.testing.assert_allclose(overlapping_sums([1.0, 2.0, 3.0, 4.0], 2), [3.0, 5.0, 7.0])
    with pytest.raises(ValueError, match=r"horizon must lie in \[1, 3\]"):
        overlapping_sums([1.0, 2.0, 3.0], 4)


@pytest.mark.parametrize("kind", ["circular", "stationary"])
@pytest.mark.parametrize("block", [1, 7, 50, 1000])
def test_counts_are_those_of_whole_blocks(kind, block):
    generator = np.random.default_rng(9)
    total = np.zeros(1000)
    for _ in range(30):
        counts = _block_counts(1000, block, kind, generator)
        assert counts.sum() == 1000 and counts.min() >= 0
        total += counts
    assert abs(total.mean() - 30) < 1e-9
    # circular: no position is favoured, ends included
    assert total[:100].mean() == pytest.approx(30, abs=6 * np.sqrt(30 * block / 100 + 30))


def test_replicate_is_the_quantile_of_the_resampled_values():
    counts = _block_counts(X.size, 40, "circular", np.random.default_rng(12))
    resampled = np.repeat(X, counts)
    drawn = bootstrap_quantiles(X, (0.95, 0.99), 40, 1, np.random.default_rng(12))
    for level, value in zip((0.95, 0.99), drawn[0], strict=True):
        assert value == np.quantile(resampled, level, method="inverted_cdf")


def test_same_generator_same_bits():
    first = bootstrap_quantiles(X, (0.99,), 40, 20, np.random.default_rng(1))
    np.testing.assert_array_equal(first, bootstrap_quantiles(X, (0.99,), 40, 20, np.random.default_rng(1)))


def test_low_level_reaches_beyond_the_first_look():
    drawn = bootstrap_quantiles(X, (0.02,), 1500, 5, np.random.default_rng(3))
    assert (drawn < np.median(X)).all()


@pytest.mark.parametrize("kind", ["circular", "stationary"])
def test_bands_hold_the_sample_quantile(kind):
    for e in bootstrap_quantile_bands(X, (0.9, 0.999), 30, 100, np.random.default_rng(8), kind=kind):
        assert e.lower <= e.value <= e.upper and e.std_error > 0
        assert f"{kind} block bootstrap, block 30, 100 replicates" == e.method


def test_bootstrap_error_of_independent_values_is_the_asymptotic_one():
    u = np.random.default_rng(21).uniform(size=4000)
    e = bootstrap_quantile_bands(u, (0.9,), 1, 400, np.random.default_rng(22))[0]
    # sqrt(a (1 - a) / n) / f(q) with f = 1; the bootstrap of a quantile is itself noisy
    assert e.std_error == pytest.approx(np.sqrt(0.09 / 4000), rel=0.4)


def test_refusals():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="block must lie in"):
        bootstrap_quantiles(X, (0.9,), 0, 10, generator)
    with pytest.raises(ValueError, match="level must lie in"):
        bootstrap_quantiles(X, (1.0,), 5, 10, generator)
    with pytest.raises(ValueError, match="kind must be circular or stationary"):
        bootstrap_quantiles(X, (0.9,), 5, 10, generator, kind="moving")
