"""The joint circular block bootstrap against its definition."""

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc, ndtri

from riskengine.calibrate.bootstrap import BlockBootstrap


def resamples(boot):
    """Positions of every resample, by the definition."""
    return (boot.starts[:, :, None] + np.arange(boot.block)).reshape(boot.replicates, -1) % boot.length


def test_sums_are_those_of_the_resampled_rows():
    boot = BlockBootstrap(50, 7, 5, seed=3)
    x = np.random.default_rng(1).normal(size=(50, 2))
    assert boot.sums(x) == pytest.approx(np.array([x[i].sum(axis=0) for i in resamples(boot)]), rel=1e-12)


def test_worst_is_the_order_statistic_of_the_resample():
    boot = BlockBootstrap(60, 5, 8, seed=2)
    rng = np.random.default_rng(4)
    loss, exist = rng.normal(size=60), rng.random(60) > 0.1
    order = np.argsort(-np.where(exist, loss, -np.inf))[: exist.sum()]
    (index,) = boot.worst([order], [exist], [np.array([0.05, 0.2])])
    for r, rows in enumerate(resamples(boot)):
        kept = np.sort(loss[rows[exist[rows]]])[::-1]
        for q, p in enumerate((0.05, 0.2)):
            # the smallest loss that at most the fraction p exceeds
            assert loss[order[index[r, q]]] == kept[int(np.floor(p * kept.size))]


@pytest.mark.parametrize("block", [1, 20])
def test_spread_of_the_resamples_is_that_of_independent_blocks(block):
    """Given the data a resample adds independent draws of a circular block sum: mean and variance are exact."""
    n, replicates = 400, 2000
    x = np.random.default_rng(5).normal(size=n)
    found = BlockBootstrap(n, block, replicates).sums(x[:, None])[:, 0]
    one = np.array([np.roll(x, -i)[:block].sum() for i in range(n)])
    blocks = n // block
    centred = one - one.mean()
    mean, variance = blocks * one.mean(), blocks * (centred**2).mean()
    kurtosis = ((centred**4).mean() / (centred**2).mean() ** 2 - 3) / blocks
    z = ndtri(1 - 1e-4 / 4 / 2)  # four comparisons
    assert abs(found.mean() - mean) < z * np.sqrt(variance / replicates)
    error = variance * np.sqrt((2 + kurtosis) / replicates)
    assert abs(((found - mean) ** 2).mean() - variance) < z * error


@pytest.mark.parametrize("block", [1, 7, 50])
def test_no_hour_is_favoured_at_the_ends_either(block):
    n, replicates = 100, 300
    boot = BlockBootstrap(n, block, replicates, seed=9)
    counts = boot.sums(np.eye(n))
    blocks = -(-n // block)
    assert (counts.sum(axis=1) == blocks * block).all()
    # every block holds a given hour with probability block / n, whatever the hour
    hits, trials, p = counts.sum(axis=0), replicates * blocks, block / n
    tail = np.minimum(bdtr(hits, trials, p), bdtrc(hits - 1, trials, p))
    assert tail.min() > 1e-4 / (3 * n) / 2


def test_the_same_seed_gives_the_same_blocks():
    a, b, other = BlockBootstrap(60, 5, 8, 2), BlockBootstrap(60, 5, 8, 2), BlockBootstrap(60, 5, 8, 3)
    assert np.array_equal(a.starts, b.starts) and not np.array_equal(a.starts, other.starts)


@pytest.mark.parametrize("change", [{"block": 0}, {"block": 31}, {"replicates": 1}])
def test_bad_settings_are_refused(change):
    with pytest.raises(ValueError, match="must"):
        BlockBootstrap(**({"length": 60, "block": 5, "replicates": 10} | change))
