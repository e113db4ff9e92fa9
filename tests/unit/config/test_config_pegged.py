"""Pegged worlds as a user writes them, and studies that ask of them what they can and cannot say."""

import pytest
from toys import STUDY, WORLD, write

from riskengine.config.dump import dump
from riskengine.config.reader import parse_yaml
from riskengine.config.study import load_study, load_world, study_of
from riskengine.errors import InputError

_HEAD, _, _TAIL = WORLD.partition("model:\n")
_MODEL, _, _SURFACE = _TAIL.partition("surface:\n")
# a third number in every row of the surface
_ROW = {"reversion": "1", "long_variance": "1e-4", "smile_tenor": "1", "wing": "1"}
_ROWS = [f"{k}: {v[:-1]}, {_ROW.get(k.strip(), '0')}]" for k, v in (x.split(": ") for x in _SURFACE.splitlines()[1:-1])]
PEGGED = f"""\
{_HEAD}model:
  kind: pegged
  base:
{"".join(f"  {line}" + chr(10) for line in _MODEL.splitlines())}\
  pegs:
    - asset: USDC
      to: USD
      noise: [{{sd: 0.001, half_life_hours: 12}}]
      dislocations:
        - {{intensity: 2, mean: -0.03, half_life_hours: 24, break_probability: 0.1}}
surface:
  kind: factor_surface
{chr(10).join(_ROWS)}
"""
# the toy's books know two assets; a study of estimators needs none
LAB = STUDY[: STUDY.index("margin:")] + STUDY[STUDY.index("calibration:") :]


def said(folder, world=PEGGED, study=LAB):
    write(folder, world=world, study=study)
    with pytest.raises(InputError) as caught:
        load_study(folder / "study.yaml")
    return [str(f).replace(str(folder) + "/", "") for f in caught.value.faults]


def test_a_pegged_world_is_read_and_written_back(tmp_path):
    study = load_study(write(tmp_path, world=PEGGED, study=LAB)).study
    assert study.world.model.assets == ("BTC", "ETH", "USDC")
    assert study.world.model.pegs[0].dislocations[0].break_probability == 0.1
    assert study_of(dump(study)).world == study.world
    assert parse_yaml(PEGGED).value["surface"]["wing"] == [3, 3, 1]
    assert load_world(tmp_path / "world.yaml").model.base.kind == "gbm"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("half_life_hours: 12", "half_life_hours: 0", "half_life_hours must lie in (0, 1e+06], got 0.0"),
        ("to: USD", "to: SOL", "pegs must be to one of USD, BTC, ETH, got 'SOL' for USDC"),
        ("asset: USDC", "asset: BTC", "pegs must name assets that are new, each once, got BTC twice"),
        ("intensity: 2,", "intensity: -2,", "intensity must lie in [0, 100000], got -2.0"),
        ("mean: -0.03", "mean: 0", "mean must not be 0 (a dislocation without size), got 0"),
        ("sd: 0.001, ", "", "sd must be given"),
        ("noise: [", "nois: [", "unknown key; did you mean 'noise'?"),
        ("kind: gbm", "kind: gmb", "did you mean 'gbm'?"),
        ("break_probability: 0.1", "break_probability: 2", "break_probability must lie in [0, 1], got 2.0"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, old, new, message):
    faults = said(tmp_path, PEGGED.replace(old, new, 1))
    assert any(message in f and f.startswith("world.yaml:") for f in faults), faults


def test_a_surface_without_a_row_for_the_peg_is_refused(tmp_path):
    short = PEGGED[: PEGGED.index("surface:")] + "surface:\n" + _SURFACE
    assert any("surface must have one number per asset (3), got 2" in f for f in said(tmp_path, short))


def test_estimators_cannot_be_held_against_a_peg(tmp_path):
    faults = said(tmp_path, study=LAB.replace("{asset: BTC}", "{asset: USDC}"))
    assert any(
        "exposures must be in assets whose law given a path's state is known, got a pegged asset" in f for f in faults
    )
