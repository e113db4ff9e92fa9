"""Worlds that name data files: read, resolved without the data, read back, refused with one clear message."""

import numpy as np
import pytest
from data_toys import BLOCKS, FILTERED, HISTORY, PATHS, PLAIN, folder_with, prices, world
from toys import STUDY, write

from riskengine.config.dump import dump, to_yaml
from riskengine.config.reader import parse_yaml
from riskengine.config.study import load_study, load_world, study_of
from riskengine.errors import InputError, RepairWarning
from riskengine.study.describe import world_head
from riskengine.study.manifest import manifest


@pytest.mark.parametrize("model", [BLOCKS, FILTERED, HISTORY, PATHS], ids=["blocks", "filtered", "history", "paths"])
def test_a_study_on_data_is_resolved_without_the_data_and_read_back(tmp_path, monkeypatch, model):
    study = PLAIN.replace("paths: 64", "paths: 12")
    file = folder_with(tmp_path, model, study=study)
    loaded = load_study(file)
    text = to_yaml(loaded.resolved)
    assert len(text) < 6_000
    monkeypatch.chdir(tmp_path)
    again = study_of(parse_yaml(text).value)
    assert again.world == loaded.study.world
    named = next(v for v in loaded.resolved["world"]["model"].values() if isinstance(v, dict) and "file" in v)
    assert manifest(loaded.resolved, 12)["data_sha256"] == [named["sha256"]]
    assert load_world(tmp_path / "world.yaml").stamp == "DATA"
    assert dump(again) == loaded.resolved


def test_other_data_are_another_question_and_are_refused_where_a_hash_is_given(tmp_path):
    one = load_study(folder_with(tmp_path, BLOCKS)).resolved
    other = load_study(folder_with(tmp_path, BLOCKS, prices(700))).resolved
    digests = [manifest(r, 64)["question_sha256"] for r in (one, other)]
    assert digests[0] != digests[1]
    pinned = BLOCKS.replace("{file: p.csv}", f"{{file: p.csv, sha256: {one['world']['model']['prices']['sha256']}}}")
    with pytest.raises(InputError, match=r"prices\.file: file must be the one with SHA-256 "):
        load_study(folder_with(tmp_path, pinned, prices(700)))
    assert load_study(folder_with(tmp_path, pinned)).resolved == one


def test_a_path_is_relative_to_the_world_and_a_word_names_a_file(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    folder_with(tmp_path / "inner", BLOCKS.replace("{file: p.csv}", "p.csv"))
    monkeypatch.chdir(tmp_path)
    assert load_world("inner/world.yaml").model.prices.count == 800


def test_thinning_and_dates_reach_the_series(tmp_path):
    said = "{file: p.csv, start: '2021-01-02', end: '2021-01-20', step_hours: 6}"
    folder_with(tmp_path, BLOCKS.replace("{file: p.csv}", said))
    series = load_world(tmp_path / "world.yaml").model.prices
    assert (series.count, series.step_seconds) == (18 * 4, 6 * 3600)


REFUSED = [
    (
        BLOCKS.replace("p.csv", "q.csv"),
        None,
        "world.yaml:8: world.model.prices.file: q.csv: no such file, beside the file that names it",
    ),
    (BLOCKS, prices(missing=(5, 6)), "prices must not have gaps (no gap is allowed), got 0.250% of bars missing"),
    (BLOCKS.replace("12", "auto"), prices(20), "30 or more values that vary, got 19"),
    (BLOCKS, prices(missing=(9,)), "; max_missing_share accepts a share of them"),
    (BLOCKS.replace("ETH", "DOGE"), None, "one column of DOGE, must be given"),
    (BLOCKS.replace("12", "1e6"), None, "block_hours must not exceed the 799 h of data, got 1e+06"),
    (BLOCKS, prices(1), "prices of BTC, ETH must share at least two stamps, got 1"),
    (FILTERED, prices(60), "prices must hold at least 100 returns that bridge no gap, got 59"),
    (BLOCKS.replace("p.csv}", "p.csv, strat: 1}"), None, "model.prices.strat: unknown key; did you mean 'start'?"),
    (BLOCKS.replace("{file: p.csv}", "3"), None, "model.prices: must be a mapping of file, start, end"),
    (BLOCKS.replace("assets: [BTC, ETH]", "assets: [BTC, BTC]"), None, "assets of the world must be distinct names"),
    (BLOCKS.replace("p.csv}", "p.csv, step_hours: 1.5}"), None, "whole multiple of the data's step of 1 h, got 1.5 h"),
    (FILTERED.replace("0.94", "1.5"), None, "decay must lie in (0, 1), got 1.5"),
    (FILTERED.replace("ewma", "figarch"), None, "kind must be one of garch, ewma, got 'figarch'"),
    (PATHS.replace("p.npz", "x.npz"), None, "x.npz: no such file"),
    (PATHS.replace(", step_hours: 24", ""), None, "step_hours must be given: the file does not hold it"),
]


@pytest.mark.parametrize(("model", "text", "message"), REFUSED)
def test_wrong_data_are_refused_with_their_place(tmp_path, model, text, message):
    with pytest.raises(InputError) as told:
        load_study(folder_with(tmp_path, model, text))
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        (
            BLOCKS,
            ("step_hours: 24", "step_hours: 0.5"),
            "whole multiple of the data's step of 1 h, got 0.5 h; 1 h would",
        ),
        (
            HISTORY,
            ("paths: 64", "paths: 64"),
            "paths must lie in [2, 14], got 64: on this horizon and history the data",
        ),
        (PATHS, ("paths: 64", "paths: 65"), "paths must lie in [2, 64], got 65"),
        (PATHS, ("horizon_hours: 48", "horizon_hours: 72"), "horizon must lie within the 48 h of the paths, got 72 h"),
    ],
)
def test_a_study_that_the_data_cannot_answer_is_refused(tmp_path, model, change, message):
    with pytest.raises(InputError) as told:
        load_study(folder_with(tmp_path, model, study=PLAIN.replace(*change)))
    assert message in str(told.value)


def test_a_conditional_stress_needs_a_world_that_can_draw_on(tmp_path):
    folder_with(tmp_path, HISTORY, study=PLAIN.replace("world.yaml", "stress.yaml"))
    stress = "title: a fall\nbase: world.yaml\nevent: {asset: BTC, move: -0.01, hours: 24, when: any}\n"
    (tmp_path / "stress.yaml").write_text(stress)
    with pytest.raises(InputError, match="event needs a world that can draw on until it happens, got kind history"):
        load_study(tmp_path / "study.yaml")


def test_calibration_needs_a_law_and_says_so(tmp_path):
    with pytest.raises(
        InputError, match="calibration needs a world whose horizon law is known exactly, got kind block"
    ):
        load_study(folder_with(tmp_path, BLOCKS, study=STUDY))


def test_a_moving_surface_needs_a_state(tmp_path):
    moving = world(BLOCKS).replace("premium: [0, 0]", "premium: [1, 1]")
    folder_with(tmp_path, BLOCKS)
    (tmp_path / "world.yaml").write_text(moving)
    with pytest.raises(InputError, match="surface must be static on a world without a variance state"):
        load_study(tmp_path / "study.yaml")


def test_a_repaired_matrix_reaches_python_the_world_and_the_resolved_study(tmp_path):
    model = """\
  kind: gbm
  assets: [BTC, ETH, SOL]
  spot: [34500, 1810.0, 40]
  drift: [0, 0, 0]
  volatility: [0.6, 0.8, 1]
  correlation: [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]
"""
    lines = world(model).splitlines()
    start = lines.index("surface:") + 2
    for n in range(start, start + 11):  # the third asset as the second
        name, _, values = lines[n].partition(": [")
        lines[n] = f"{name}: [{values[:-1]}, {values[:-1].split(', ')[1]}]"
    file = write(tmp_path, world="\n".join(lines), study=PLAIN)
    said = "correlation must be positive semidefinite, got smallest eigenvalue -0.8; the nearest valid matrix is used"
    with pytest.warns(RepairWarning) as caught:
        loaded = load_study(file)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"{tmp_path / 'world.yaml'}:10: world.model.correlation: {said}")
    repaired = loaded.study.world
    assert len(repaired.repairs) == 1
    assert repaired.repairs[0].startswith(said)
    assert world_head(repaired)["repairs"] == list(repaired.repairs)
    # the nearest matrix by symmetry: all three at half
    np.testing.assert_allclose(repaired.model.correlation[0], [1.0, 0.5, -0.5], atol=1e-8)
    assert study_of(loaded.resolved).world == repaired  # no second repair: the resolved matrix is the nearest one
