"""Strict YAML: what values mean, what is refused, and that every fault has its line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.config.dump import to_yaml
from riskengine.config.reader import MAX_BYTES, Tree, dotted, parse_number, parse_yaml, read_yaml
from riskengine.errors import InputError


def faults(text):
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "f.yaml")
    return [str(f) for f in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("017", 17),
        ("0o17", 15),
        ("-12", -12),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2023-10-31", "2023-10-31"),
        ("'1e-3'", "1e-3"),
        ('"0xAb12"', "0xAb12"),
        ("0xyz", "0xyz"),
        ("-.inf", -math.inf),
    ],
)
def test_scalars_follow_the_yaml_1_2_rules(text, value):
    got = parse_yaml(f"a: {text}").value["a"]
    assert got == value
    assert type(got) is type(value)


def test_nan_is_read_as_nan():
    assert math.isnan(parse_yaml("a: .nan").value["a"])


def test_every_value_knows_its_line():
    tree = parse_yaml("a:\n  - 1\n  - {b: 2,\n     c: 3}\n", "f.yaml")
    assert tree.value == {"a": [1, {"b": 2, "c": 3}]}
    assert tree.place(("a", 1, "c")) == ("f.yaml", 4)
    assert tree.place(("a", 1, "missing")) == ("f.yaml", 3)
    assert dotted(("a", 1, "c")) == "a[1].c"


def test_all_faults_of_form_come_at_once_each_with_its_line():
    text = "a: &x 1\nb: *x\nc: !!str 5\na: 2\nd: 0xAbC0\n? [1]\n: 2\n0x12: 3\n"
    found = faults(text)
    assert found == [
        "f.yaml:1: anchors and aliases are refused, got &x",
        "f.yaml:2: anchors and aliases are refused, got *x; write the value out",
        "f.yaml:3: tags are refused, got tag:yaml.org,2002:str",
        "f.yaml:4: key 'a' is given twice, first on line 1",
        "f.yaml:5: an address or hexadecimal number must be quoted, got 0xAbC0",
        "f.yaml:6: a key must be a word or a number, got a list or mapping",
        "f.yaml:8: an address or hexadecimal number must be quoted, got 0x12",
    ]


def test_duplicates_are_found_on_one_line_and_below_the_root():
    assert faults("{a: 1, a: 2}") == ["f.yaml:1: key 'a' is given twice, first on line 1"]
    assert faults("x:\n  b: 1\n  b: {c: 1}\n") == ["f.yaml:3: x: key 'b' is given twice, first on line 2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file must hold something, got an empty one"),
        ("# only a comment\n", "file must hold something"),
        ("a: 1\n---\nb: 2\n", "file must hold one document"),
        ("a: [1\nb: 2", "must be well-formed YAML"),
        ("a: 'open", "must be well-formed YAML"),
        ("a: \x01", "must be well-formed YAML"),
        ("!!python/object/apply:os.system ['true']", "tags are refused"),
        ("[" * 60 + "]" * 60, "values must nest at most 40 deep"),
    ],
)
def test_malformed_files_are_refused(text, message):
    assert any(message in f for f in faults(text))


def test_files_are_refused_when_missing_large_or_no_text(tmp_path):
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"a: 1\n" + b"#" * MAX_BYTES)
    binary.write_bytes(b"a: \xff\xfe")
    for file, message in (
        (tmp_path / "none.yaml", "no such file"),
        (large, "at most 1,000,000 bytes"),
        (binary, "must be UTF-8"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_yaml(file)
        assert caught.value.exit_code == 2


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(file).value == {"a": 1}


def test_a_grafted_file_keeps_its_places():
    tree = parse_yaml("a: 1\nb: name\n", "outer.yaml")
    tree.graft(("b",), parse_yaml("\n\nc: [5]\n", "inner.yaml"))
    assert tree.value == {"a": 1, "b": {"c": [5]}}
    assert tree.place(("b", "c", 0)) == ("inner.yaml", 3)
    assert tree.place(("a",)) == ("outer.yaml", 1)
    tree.graft((), Tree({"z": 1}, "x"))
    assert tree.value == {"z": 1}


@pytest.mark.parametrize(
    ("text", "value"), [("1e3", 1000.0), ("-.5", -0.5), ("nan", None), ("0x1", None), ("1e999", None), ("", None)]
)
def test_numbers_of_csv_cells_follow_the_same_rules(text, value):
    assert parse_number(text) == value


_words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    ["1e-3", "0x12", "yes", "null", "~", "017", "1.0", ".inf", "a: b", "# c", "true", "", " lead", "1_0", "12:30"]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_words, _values, min_size=1, max_size=4))
def test_what_is_written_is_read_back_with_its_types(value):
    again = parse_yaml(to_yaml(value)).value
    assert again == value
    assert repr(again) == repr(value)
