"""A study with controls: narrower means, the same counts, quantiles and paths; refused where nothing is exact."""

from types import SimpleNamespace

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.blocks import plan
from riskengine.engine.controls import Controls
from riskengine.engine.scheme import unfit
from riskengine.engine.simulate import Simulation
from riskengine.engine.store import BlockStore
from riskengine.errors import InputError
from riskengine.random import DrawKeys
from riskengine.study.run import run_study

SMALL = ("calibration=null", "history_windows=0", "margin.models=[{kind: derive_pmrm_v2, parameters: derive_pmrm_v2}]")
ASKED = "sampling={method: plain, controls: true}"


def run(study, out, *overrides):
    loaded = load_study(study, (*SMALL, "paths=3000", *overrides))
    return loaded, run_study(loaded.study, loaded.resolved, "small", out)


def test_means_gain_and_all_else_stays(small_study, tmp_path):
    with_, (path, controlled) = run(small_study, tmp_path / "with", ASKED)
    without, (plain_path, plain) = run(small_study, tmp_path / "without")
    assert with_.resolved["sampling"]["controls"] is True and without.resolved["sampling"]["controls"] is False
    blocks = plan(3000)
    store, plain_store = BlockStore(path / "blocks"), BlockStore(plain_path / "blocks")
    shared = [k for k in store.keys(blocks[0]) if k[0] != "control"]
    assert tuple(shared) == plain_store.keys(blocks[0])
    np.testing.assert_array_equal(store.select(blocks, shared), plain_store.select(blocks, shared))
    assert len(controlled.rows) == len(plain.rows)
    gained = 0
    for a, b in zip(controlled.rows, plain.rows, strict=True):
        assert (a.section, a.measure, a.parameters) == (b.section, b.measure, b.parameters)
        if "exact controls" not in a.estimate.method:
            assert a.estimate.as_dict() == b.estimate.as_dict(), a
            continue
        assert a.estimate.n_effective == b.estimate.n_effective
        assert a.estimate.std_error <= 1.02 * b.estimate.std_error
        assert abs(a.estimate.value - b.estimate.value) < 5 * b.estimate.std_error
        gained += a.estimate.std_error < 0.8 * b.estimate.std_error
    assert gained >= 3
    assert not [r for r in controlled.rows if r.section == "control"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("sampling={method: importance, controls: true}",), "must be false with method importance"),
        (
            ("world={title: a fall, base: btc_eth, event: {asset: BTC, move: -0.05, hours: 4, when: end}}", ASKED),
            "controls need a world that follows its exact law, got a stress",
        ),
        (
            ("world.model.initial_variance=[0.4, 0.5]", "history_windows=10", ASKED),
            "got a stated start of the history",
        ),
    ],
)
def test_refused_where_nothing_is_exact(small_study, overrides, message):
    with pytest.raises(InputError, match=message):
        load_study(small_study, (*SMALL, *overrides))


def test_a_world_without_a_law_has_no_controls(small_study):
    grid = load_study(small_study, SMALL).study.grid
    resampled = SimpleNamespace(model=SimpleNamespace(kind="block_bootstrap"), stress=())
    assert "block_bootstrap, whose horizon law is not known" in unfit(resampled, grid)
    with pytest.raises(ValueError, match="got kind block_bootstrap"):
        Controls(resampled, grid, None, None)


def test_a_stated_start_keeps_the_first_period_only(small_study):
    """Later periods start from another variance; their returns have another law."""
    study = load_study(small_study, (*SMALL, "world.model.initial_variance=[0.1, 0.1]", "paths=20000", ASKED)).study
    simulation = Simulation(study.world, study.grid, DrawKeys(3), study.margin, controlled=True)
    paths = study.world.sample(study.grid, 0, 20_000, DrawKeys(3))
    columns = simulation.controls.columns(paths)
    for key, column in columns.items():
        known = simulation.controls.known[key]
        # 14 controls, family-wise 1e-4, and the bias of the scheme at this step
        assert abs(column.mean() - known.value) < 4.6 * column.std() / np.sqrt(column.size) + 0.02 * known.value, key
        assert key[-1] == "control_growth" or set(np.unique(column)) <= {0.0, 1.0}
    assert len(columns) == 14
