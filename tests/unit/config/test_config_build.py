"""Records from plain values: every fault of a file at once, with line, path, value, legal range and nearest name."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.config.build import Builder
from riskengine.config.faults import BAD, construct, range_faults, show
from riskengine.config.leaf import check_leaf, is_plain
from riskengine.config.reader import parse_yaml
from riskengine.errors import InputError
from riskengine.roles import Estimator, MarginModel


@dataclass(frozen=True)
class Part:
    size: float
    side: Literal["long", "short"] = "long"

    def __post_init__(self):
        check_range("size", self.size, 0.0, 1.0)


@dataclass(frozen=True)
class Left:
    kind: Literal["left"]
    depth: int = 1


@dataclass(frozen=True)
class Right:
    kind: Literal["right", "starboard"]


@dataclass(frozen=True)
class Whole:
    name: str
    count: int
    share: float
    parts: tuple[Part, ...] = ()
    pair: tuple[str, float] | None = None
    table: dict[str, Part] = field(default_factory=dict)
    matrix: Floats | None = None
    turn: Left | Right | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        check_range("count", self.count, 1, 100)
        check_range("share", self.share, 0.0, 1.0, open_low=True, open_high=True)
        if self.name == "wrong":
            raise ValueError(f"name must not be 'wrong', got {self.name!r}")
        if self.matrix is not None:
            as_floats("matrix", self.matrix, 2)


GOOD = """\
name: a
count: 3
share: 1e-2
parts: [{size: 1}, {size: 0.5, side: short}]
pair: [x, 2]
table: {one: {size: 0.1}}
matrix: [[1, 2], [3, 4]]
turn: {kind: starboard}
notes: {any: [1, {thing: null}]}
"""


def build(text, hint=Whole):
    builder = Builder(parse_yaml(text, "f.yaml"))
    return builder.done(builder.build(hint))


def faults(text, hint=Whole):
    with pytest.raises(InputError) as caught:
        build(text, hint)
    return [str(f) for f in caught.value.faults]


def test_a_good_file_becomes_its_record():
    got = build(GOOD)
    assert (got.name, got.count, got.share) == ("a", 3, 0.01)
    assert got.parts == (Part(1.0), Part(0.5, "short"))
    assert isinstance(got.parts[0].size, float)
    assert got.pair == ("x", 2.0)
    assert got.table == {"one": Part(0.1)}
    assert np.array_equal(got.matrix, [[1.0, 2.0], [3.0, 4.0]])
    assert got.turn == Right("starboard")
    assert got.notes == {"any": [1, {"thing": None}]}


def test_all_faults_of_a_file_come_at_once_in_the_order_of_its_lines():
    text = """\
name: 5
cuont: 3
share: '0.1'
parts:
  - {size: 1.5}
  - {size: yes, sied: short}
  - {size: 1, side: shot}
pair: [x]
table: [1]
matrix: [[1, .nan]]
turn: {kind: up}
"""
    assert faults(text) == [
        "f.yaml:1: name: must be a word, got 5",
        "f.yaml:1: count must be given",
        "f.yaml:2: cuont: unknown key; did you mean 'count'?",
        "f.yaml:3: share: must be a number, got '0.1'",
        "f.yaml:5: parts[0].size: size must lie in [0, 1], got 1.5",
        "f.yaml:6: parts[1].sied: unknown key; did you mean 'side'?",
        "f.yaml:6: parts[1].size: must be a number, got 'yes'",
        "f.yaml:7: parts[2].side: must be one of long, short, got 'shot'; did you mean 'short'?",
        "f.yaml:8: pair: must hold more entries, got ['x']",
        "f.yaml:9: table: must be a mapping, got [1]",
        "f.yaml:10: matrix: matrix must be finite, got nan at index (0, 1)",
        "f.yaml:11: turn.kind: kind must be one of left, right, starboard, got 'up'",
    ]


def test_every_range_of_a_record_is_reported_not_only_the_first():
    assert faults("name: wrong\ncount: 0\nshare: 1.0\n") == [
        "f.yaml:2: count: count must lie in [1, 100], got 0",
        "f.yaml:3: share: share must lie in (0, 1), got 1.0",
    ]
    # also beside a part that could not be built
    assert faults("name: a\ncount: 0\nshare: 1.0\nparts: 5\n") == [
        "f.yaml:2: count: count must lie in [1, 100], got 0",
        "f.yaml:3: share: share must lie in (0, 1), got 1.0",
        "f.yaml:4: parts: must be a list, got 5",
    ]
    assert faults("name: wrong\ncount: 1\nshare: 0.5\n") == ["f.yaml:1: name: name must not be 'wrong', got 'wrong'"]


def test_a_fault_that_a_stand_in_causes_is_not_reported():
    @dataclass(frozen=True)
    class Pair:
        low: float
        high: float

        def __post_init__(self):
            check_range("low", self.low, 0.0, 10.0)
            check_range("high", self.high, self.low, 10.0)

    made, found = construct(Pair, {"low": -1.0, "high": 1.0})
    assert made is None
    # with 5 standing in for low, high = 1 would look wrong: it is named again only with its own value and range
    assert found[0] == ("low", "low must lie in [0, 10], got -1.0")
    assert range_faults(Pair, {"low": BAD, "high": 1.0}) == []


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (float, True, "must be a number, got true"),
        (float, float("nan"), "must be finite, got nan"),
        (float, float("inf"), "must be finite, got inf"),
        (float, "24h", "must be a number, got '24h'"),
        (float, None, "must be a number, got nothing"),
        (int, 1.5, "must be a whole number, got 1.5"),
        (int, True, "must be a whole number, got true"),
        (str, 1, "must be a word, got 1"),
        (bool, "yes", "must be true or false, got 'yes'"),
        (tuple[float, ...], 1.0, "must be a list, got 1.0"),
        (float | str, [1], "must be a number, got [1] or must be a word, got [1]"),
    ],
)
def test_leaves_are_strict(hint, value, message):
    assert is_plain(hint)
    assert [m for _, m in check_leaf(hint, value)[1]] == [message]


def test_a_fault_in_a_list_has_its_index():
    assert check_leaf(tuple[tuple[float, ...], ...], [[1, 2], [3, "x"]])[1] == [((1, 1), "must be a number, got 'x'")]
    assert check_leaf(dict[str, float], {"a": 1, "b": None})[1] == [(("b",), "must be a number, got nothing")]


def test_kind_chooses_a_model_through_the_registry():
    assert build("kind: historical", Estimator).kind == "historical"
    assert build("historical", Estimator).kind == "historical"
    (wrong,) = faults("kind: historcal", Estimator)
    assert wrong.startswith("f.yaml:1: kind: kind must be one of historical, ewma, normal, student_t, ")
    assert wrong.endswith(", got 'historcal'; did you mean 'historical'?")
    assert faults("levels: [0.9]", MarginModel) == ["f.yaml:1: kind must be given, one of " + _margin_kinds()]
    assert faults("kind: 5", MarginModel) == ["f.yaml:1: kind: kind must be one of " + _margin_kinds() + ", got '5'"]
    assert faults("kind: ewma_var\nlevels: [1.0]\ndecai: 0.9", MarginModel) == [
        "f.yaml:2: levels: levels must lie in (0.5, 1), got 1.0",
        "f.yaml:3: decai: unknown key; did you mean 'decay'?",
    ]


def _margin_kinds():
    from riskengine.registry import kinds

    return ", ".join(kinds("margin"))


def test_values_are_shown_short():
    assert show({"a": 1}) == "a mapping of a"
    assert show(None) == "nothing"
    assert len(show("x" * 500)) == 80
