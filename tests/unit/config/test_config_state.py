"""Worlds with market state as a user writes them: what is built, written back, and said of what is wrong."""

import pytest
from toys import STUDY, WORLD, write

from riskengine.config.dump import dump
from riskengine.config.study import load_study, load_world
from riskengine.errors import InputError

STATE = """\
state:
  - kind: depth
    usual_variance: [0.36, 0.64]
    elasticity: [0, 0]
    sd: [0.2, 0.2]
    half_life_hours: [4, 4]
    drain: [10, 10]
    threshold: [0.01, 0.01]
  - kind: perpetual
    premium_mean: [0, 0]
    premium_sd: [5e-4, 5e-4]
    premium_half_life_hours: [48, 48]
    return_loading: [0, 0]
    noise_sd: [1e-4, 1e-4]
    noise_half_life_hours: [1, 1]
    elasticity: [0, 0]
    usual_variance: [0.36, 0.64]
    formula: {cap: 0.02}
  - oracle
"""


def said(folder, state, study=STUDY):
    write(folder, world=WORLD + state, study=study)
    with pytest.raises(InputError) as caught:
        load_study(folder / "study.yaml")
    return [str(f).replace(str(folder) + "/", "") for f in caught.value.faults]


def test_state_is_read_and_written_back(tmp_path):
    write(tmp_path, world=WORLD + STATE)
    world = load_world(tmp_path / "world.yaml")
    assert world.filled == ("depth_lanes", "funding_lanes", "basis_lanes", "oracle_lanes")
    assert world.state[1].formula.cap == 0.02
    assert [part["kind"] for part in dump(world)["state"]] == ["depth", "perpetual", "oracle"]


def test_a_world_without_state_is_written_as_before(tmp_path):
    write(tmp_path)
    assert "state" not in dump(load_world(tmp_path / "world.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "half_life_hours: [4, 4]",
            "half_life_hours: [4, 0]",
            "world.yaml:30: world.state[0].half_life_hours: half_life_hours must hold numbers in (0, inf), got 0.0",
        ),
        (
            "drain: [10, 10]",
            "drain: [10]",
            "world.yaml:31: world.state[0].drain: drain must hold 2 numbers, one per asset, got 1",
        ),
        ("  - oracle", "  - orcale", "world.yaml:43: world.state[2].kind: kind must be one of depth, perpetual, "),
        ("  - oracle", "  - depht: 1", "world.yaml:43: world.state[2]: kind must be given, one of depth, "),
        (
            "elasticity: [0, 0]\n    sd",
            "elasticity: [1, 0]\n    sd",
            "world.yaml:26: world.state: state depth: elasticity must be 0 on a world without a variance state",
        ),
        ("  - oracle", "  - {kind: oracle, delay_hours: 1}", "world.yaml:43: world.state[2]: oracle delay_hours must"),
        ("{cap: 0.02}", "{cap: 0}", "world.yaml:42: world.state[1].formula.cap: cap must lie in (0, 1], got 0"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, old, new, message):
    faults = said(tmp_path, STATE.replace(old, new))
    assert any(f.startswith(message) for f in faults), faults


def test_feedback_and_an_oracle_of_the_world_exclude_each_other(tmp_path):
    feedback = "feedback: {depth_usd: {BTC: 1e8, ETH: 1e8}, half_life_hours: 4}\n"
    faults = said(tmp_path, STATE, STUDY + feedback)
    assert any("feedback must be absent in a world that tells oracles" in f for f in faults)
