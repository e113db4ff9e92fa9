"""A hedged account has neither loss nor requirement but for rounding, and rounding is no breach."""

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.blocks import Block
from riskengine.engine.simulate import Simulation
from riskengine.pricing.valuation import account_values, rounding, snapshot
from riskengine.random import DrawKeys


def test_a_hedged_account_never_breaches_and_is_never_liquidated():
    """Coins against a short perpetual, and a conversion at zero rates, under two quantile models."""
    study = load_study("quickstart", ("history_windows=60", "paths=1024")).study
    simulation = Simulation(study.world, study.grid, DrawKeys(study.seed), study.margin)
    block = simulation.block(Block(0, 0, 256))
    columns = dict(zip(block.keys, block.values, strict=True))
    found = {k: v for k, v in columns.items() if k[4] == "basis" and k[1] in ("historical_var", "ewma_var")}
    assert {k[-1] for k in found} >= {"initial_margin_breach", "maintenance_margin_breach", "insolvency"}
    for key, column in found.items():
        assert (column == 0.0).all(), key


def test_rounding_is_far_above_what_sums_make_and_far_below_money():
    study = load_study("quickstart").study
    book, world = study.margin.book, study.world
    spot = np.array(world.model.spot)[:, None] * np.exp(np.random.default_rng(1).normal(0, 0.1, (2, 500)))
    state = np.full_like(spot, 0.4)
    slack = rounding(book, snapshot(book, world.surface, spot, state, 0.0))
    k = book.names.index("btc_conversion")
    value = account_values(book, snapshot(book, world.surface, spot, state, 0.0))[k]
    assert 0 < np.ptp(value) < slack[k].min()
    assert slack.max() < 1e-6
    assert slack[k].mean() == pytest.approx(1e-12 * (4 * 34_500 + 6_900), rel=0.1)
