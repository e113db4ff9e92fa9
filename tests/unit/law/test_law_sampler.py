"""Draws from an exact law: the tabulated quantile inverts the law's own cdf, and a draw depends on its counter only."""

import numpy as np
import pytest

from riskengine.config.study import load_world
from riskengine.law.sampler import ExactSampler
from riskengine.random import DrawKeys

DAY = 24 / 8760


@pytest.mark.parametrize("name", ["merton_day", "btc_eth_gbm", "btc_eth"])
def test_quantile_inverts_the_cdf_of_the_law(name):
    law = load_world(name).model.law("BTC", DAY)
    u = np.concatenate([np.geomspace(1e-9, 0.5, 60), 1 - np.geomspace(1e-9, 0.5, 60)])
    x = ExactSampler(law).quantile(u)
    assert np.abs(law.cdf(x) - u).max() < 2e-13
    # against the law's own root search, where its series resolves the tail
    inner = (u > 1e-6) & (u < 1 - 1e-6)
    np.testing.assert_allclose(x[inner], law.quantile(u[inner]), rtol=1e-6, atol=1e-9)


def test_a_draw_does_not_depend_on_its_block_nor_on_the_length_of_the_sample():
    sampler = ExactSampler(load_world("merton_day").model.law("BTC", DAY))
    keys = DrawKeys(3)
    whole = sampler.draw(40, 0, 300, keys)
    np.testing.assert_array_equal(sampler.draw(25, 100, 200, keys), whole[:25, 100:])
    assert not np.array_equal(sampler.draw(40, 0, 300, DrawKeys(4)), whole)
    assert not np.array_equal(sampler.draw(40, 0, 300, keys, asset=1), whole)
    assert np.unique(whole).size == whole.size
