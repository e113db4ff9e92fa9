"""Joint figures of a world against closed forms, and the structure of three and more assets."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.calibrate.joint_tails import joint_rows
from riskengine.calibrate.parameters import (
    candidate_law,
    free_parameters,
    published,
    published_names,
    scenario_model,
)
from riskengine.calibrate.sample import ReturnSample
from riskengine.law.joint import joint_law
from riskengine.scenario.gbm import Gbm

THREE = ("A", "B", "C")


@pytest.fixture(scope="module")
def normal():
    """A year of hours of two correlated random walks with a gap, their joint figures, and the world."""
    world = Gbm(("A", "B"), (1.0, 1.0), (0.0, 0.0), (0.5, 0.8), ((1.0, 0.7), (0.7, 1.0)))
    z = np.random.default_rng(5).normal(size=(9000, 2)) @ np.linalg.cholesky(np.array(world.correlation)).T
    prices = np.exp(np.cumsum(z * np.array([0.5, 0.8]) / np.sqrt(8760), axis=0))
    hours = np.delete(np.arange(9000), np.arange(4000, 4010))
    sample = ReturnSample(world.assets, hours, prices[hours])
    rows = joint_rows(sample, world, BlockBootstrap(sample.count, 336, 200), 0.9, paths=40_000)
    return sample, {(r.measure, r.horizon_hours): r for r in rows}


def test_figures_of_a_normal_world_have_closed_forms(normal):
    _, rows = normal
    assert set(rows) == {("correlation", 1), ("correlation", 24), ("joint_fall", 24), ("joint_rise", 24)}
    for hours in (1, 24):
        assert rows["correlation", hours].model == pytest.approx(0.7, abs=1e-9)
        assert rows["correlation", hours].error == 0.0
    edge = ndtri(0.01)
    both = multivariate_normal([0.0, 0.0], [[1.0, 0.7], [0.7, 1.0]]).cdf([edge, edge]) / 0.01
    z = float(ndtri(1 - 1e-4 / 4))
    for side in ("joint_fall", "joint_rise"):
        row = rows[side, 24]
        assert row.error == pytest.approx(np.sqrt(both / (0.01 * 40_000)), rel=0.2)
        assert abs(row.model - both) < z * np.sqrt(both / (0.01 * 40_000))


def test_figures_of_the_data_are_counted_and_lie_in_their_bands(normal):
    sample, rows = normal
    x, exist = sample.returns(24)
    x = x[exist]
    low, high = np.quantile(x, [0.01, 0.99], axis=0)
    fall = ((x[:, 0] <= low[0]) & (x[:, 1] <= low[1])).sum() / np.sqrt(np.prod((x <= low).sum(axis=0)))
    rise = ((x[:, 0] >= high[0]) & (x[:, 1] >= high[1])).sum() / np.sqrt(np.prod((x >= high).sum(axis=0)))
    assert [rows["joint_fall", 24].data, rows["joint_rise", 24].data] == pytest.approx([fall, rise], rel=1e-12)
    square = (x * x).sum(axis=0)
    assert rows["correlation", 24].data == pytest.approx((x[:, 0] * x[:, 1]).sum() / np.sqrt(square[0] * square[1]))
    assert all(r.lower < r.data < r.upper for r in rows.values())
    assert rows["correlation", 1].inside and 0.65 < rows["correlation", 1].lower


def test_one_asset_has_none(normal):
    sample, _ = normal
    alone = ReturnSample(("A",), sample.hours, sample.prices[:, :1])
    world = Gbm(("A",), (1.0,), (0.0,), (0.5,), ((1.0,),))
    assert joint_rows(alone, world, BlockBootstrap(alone.count, 336, 2), 0.9) == ()


@pytest.mark.parametrize("kind", ["bates", "merton", "heston", "gbm"])
def test_three_assets_have_one_rho_and_loadings(kind):
    free = free_parameters(kind, THREE, np.array([0.3, 0.5, 0.9]))
    values = {f.name: f.start for f in free}
    if kind in ("bates", "merton"):
        values |= {f"jumps_common.loading[{a}]": size for a, size in zip(THREE, (0.9, 0.8, 0.5), strict=True)}
    numbers = published(kind, THREE, values)
    assert {name for f in free for name in published_names(kind, THREE, f.name)} == set(numbers)
    model = scenario_model(kind, THREE, numbers, (1.0, 2.0, 3.0))
    if kind in ("bates", "merton"):
        assert model.jumps_common.size_correlation[0] == pytest.approx([1.0, 0.72, 0.45])
    if kind in ("bates", "heston"):
        assert model.rho == (-0.1,) * 3
    s = 1j * np.array([-30.0, 2.0, 90.0])
    for weights in ((1.0, 0.0, 0.0), (-1.0, 0.0, 1.0), (0.3, 0.5, 0.2)):
        tried = candidate_law(kind, THREE, values).exponent(np.array(weights), s, 1 / 365)
        assert joint_law(model).exponent(np.array(weights), s, 1 / 365) == pytest.approx(tried, rel=1e-9)
