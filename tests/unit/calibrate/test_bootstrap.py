"""The joint circular block bootstrap against its definition."""

import numpy as np
import pytest

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


def test_block_of_one_is_the_iid_bootstrap():
    boot = BlockBootstrap(400, 1, 2000)
    x = np.random.default_rng(5).normal(size=(400, 1))
    spread = (boot.sums(x) / 400).std()
    assert spread == pytest.approx(x.std() / 20, rel=0.1)  # 2,000 replicates: the error of a sd is 1.6 %


@pytest.mark.parametrize("change", [{"block": 0}, {"block": 31}, {"replicates": 1}])
def test_bad_settings_are_refused(change):
    with pytest.raises(ValueError, match="must"):
        BlockBootstrap(**({"length": 60, "block": 5, "replicates": 10} | change))
