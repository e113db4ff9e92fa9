"""Worlds with a variance in YAML: read, refused, and what `check` says of them."""

import json

import pytest
from toys import WORLD

from riskengine.cli.main import main
from riskengine.config.check import inspect_file
from riskengine.config.study import load_world
from riskengine.errors import InputError
from riskengine.scenario.heston import Heston
from riskengine.scenario.svcj import Svcj

HESTON = """model:
  kind: heston
  assets: [A, B]
  spot: [100.0, 20.0]
  drift: [0.0, 0.0]
  kappa: [5.0, 6.0]
  theta: [0.36, 0.3]
  xi: [1.5, 2.5]
  rho: [-0.4, -0.4]
  initial_variance: stationary
  correlation: [[1.0, 0.5], [0.5, 1.0]]
  variance_correlation: [[1.0, 0.8], [0.8, 1.0]]
"""
SVCJ = (
    HESTON.replace("heston", "svcj")
    + """  jumps_common:
    intensity: 5.0
    mean: [-0.03, -0.04]
    sd: [0.05, 0.06]
    correlation: 0.7
    variance_mean: [0.4, 0.5]
    slope: [-0.1, -0.1]
"""
)
NOTE = "variance of B reaches zero: 2 kappa theta = 3.6 is below xi^2 = 6.25"


@pytest.fixture
def world(tmp_path):
    """Writes a world file with another model."""
    start, end = WORLD.index("model:"), WORLD.index("surface:")

    def write(model):
        file = tmp_path / "world.yaml"
        file.write_text(WORLD[:start] + model + WORLD[end:])
        return file

    return write


@pytest.mark.parametrize(("text", "cls"), [(HESTON, Heston), (SVCJ, Svcj)])
def test_the_file_is_the_record_and_its_notes_are_said(world, capsys, text, cls):
    file = world(text)
    model = load_world(str(file)).model
    assert type(model) is cls
    kind, notes = inspect_file(file)
    assert kind == "world" and notes == model.notes
    assert len(notes) == 1 and notes[0].startswith(NOTE)
    assert main(["check", str(file)]) == 0
    assert f"{file}: note: {NOTE}" in capsys.readouterr().out
    assert main(["check", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["notes"] == list(notes)


def test_a_record_of_variance_jumps_is_complete(world):
    assert load_world(str(world(SVCJ))).model.jumps_common.variance_mean == (0.4, 0.5)
    with pytest.raises(InputError, match=r"model\.jumps_common: slope must be given"):
        load_world(str(world(SVCJ.replace("    slope: [-0.1, -0.1]\n", ""))))


def test_an_infinite_compensator_is_refused_where_it_stands(world):
    with pytest.raises(InputError, match=r"model\.jumps_common: common jump slope \* variance_mean must be below 1"):
        load_world(str(world(SVCJ.replace("slope: [-0.1, -0.1]", "slope: [-0.1, 2.0]"))))
