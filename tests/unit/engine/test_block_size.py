"""No figure depends on how many paths a block holds."""

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.blocks import BLOCK_PATHS, Block, market_block
from riskengine.engine.simulate import Simulation
from riskengine.random import DrawKeys


@pytest.mark.parametrize("alone", [True, False])
def test_a_block_is_the_blocks_it_could_be_cut_into(alone):
    study = load_study("quickstart", ("history_windows=60", "horizon_hours=24")).study
    market = (study.world, study.grid, DrawKeys(study.seed))
    if alone:
        simulation = Simulation(*market, calibration=study.calibration)
        assert simulation.block_paths == market_block(2 * (60 + study.grid.steps + 1))
    else:
        simulation = Simulation(*market, study.margin, study.lending, study.calibration)
        assert simulation.block_paths == BLOCK_PATHS
    whole = simulation.block(Block(0, 0, 700))
    parts = [simulation.block(Block(i, *part)) for i, part in enumerate(((0, 256), (256, 256), (512, 188)))]
    assert whole.keys == parts[0].keys
    np.testing.assert_array_equal(whole.values, np.concatenate([p.values for p in parts], axis=1))
    np.testing.assert_array_equal(whole.failed, np.concatenate([p.failed for p in parts]))
