"""The models printed in ``docs/extending.md`` are written to files, registered by the printed line, and run."""

import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from models import quickstart

from riskengine import registry
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.study.run import run_study

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """Registered models of the page, by kind; the registry is put back afterwards."""
    folder = tmp_path_factory.mktemp("added")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    before = {family: dict(kinds) for family, kinds in registry.MODELS.items()}
    sys.path.insert(0, str(folder))
    models = {}
    for block in blocks:
        head, _, code = block.partition("\n")
        line = re.match(r"# riskengine/registry\.py, family \"(\w+)\"", head)
        if line is None:
            file = re.match(r"# riskengine/\w+/(\w+)\.py", head)
            (folder / f"{file[1]}.py").write_text(code, encoding="utf-8")
        else:
            ((kind, path),) = re.findall(r'"(\w+)": "([\w.]+:\w+)"', code)
            module, _, name = path.partition(":")
            # the page puts the file into the package; here it stands alone under its last name
            registry.MODELS[line[1]][kind] = f"{module.rpartition('.')[2]}:{name}"
            models[kind] = registry.load(line[1], kind)()
            assert models[kind].kind == kind
            assert registry.kind_of(line[1], models[kind]) == kind
    yield models
    for family, kinds in before.items():
        registry.MODELS[family].clear()
        registry.MODELS[family].update(kinds)
    sys.path.remove(str(folder))
    for kind in models:
        sys.modules.pop(kind, None)


def test_page_has_one_model_of_each_role(added):
    assert set(added) == {"notional", "one_factor", "full_close", "cornish_fisher"}
    assert import_module("notional").__doc__.startswith("Margin as a share")


def test_a_study_runs_with_the_added_models(added, tmp_path):
    study = quickstart()
    study = replace(
        study,
        paths=64,
        margin=replace(study.margin, models=(added["notional"],)),
        lending=replace(study.lending, market=added["full_close"]),
        calibration=replace(study.calibration, estimators=(added["cornish_fisher"],)),
    )
    _, result = run_study(study, {"made": "up"}, "extended", tmp_path / "run", workers=1)
    found = {(r.section, r.model, r.measure): r.estimate.value for r in result.rows}
    assert found["margin", "notional", "capital"] > 0
    assert 0 <= found["lending", "full_close", "liquidation_probability"] <= 1
    assert found["lending", "full_close", "borrow_capacity"] > 0
    assert np.isfinite(found["calibration", "cornish_fisher", "relative_bias"])


def test_added_scenario_keeps_its_law(added):
    model = added["one_factor"]
    grid = TimeGrid(86_400, 3, 86_400, 5)
    paths = model.sample(grid, 0, 2_048, DrawKeys(5))
    assert paths.spot_lanes.shape == (4, 2, 2_048)
    assert paths.history_spot_lanes.shape == (6, 2, 2_048)
    np.testing.assert_array_equal(
        model.sample(grid, 1_024, 8, DrawKeys(5)).spot_lanes, paths.spot_lanes[..., 1024:1032]
    )
    returns = np.log(paths.spot_lanes[-1, 0] / paths.spot_lanes[0, 0])
    below = (returns <= model.law("BTC", 3 / 365).quantile(np.array([0.1]))[0]).mean()
    # six standard errors of a share of 0.1 in 2,048 paths
    assert abs(below - 0.1) < 6 * np.sqrt(0.09 / 2_048)


def test_added_models_refuse_bad_parameters(added):
    with pytest.raises(ValueError, match="rate must lie in"):
        replace(added["notional"], rate=0.0)
    with pytest.raises(ValueError, match="threshold must lie in"):
        added["full_close"].with_threshold_shift(0.3)
    with pytest.raises(ValueError, match="one number per asset"):
        replace(added["one_factor"], spot=(1.0,))
