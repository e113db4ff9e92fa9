"""The runner of reference cases: comparison rules, verdicts, and malformed files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riskengine.errors import InputError
from riskengine.verify.cases import Spellings, all_adapters, read_cases, run_case, run_file, summary


def _file(tmp_path, *cases, **more):
    base = {"name": "one", "mechanism": "echo", "inputs": {}, "expected": {}, "tolerance": {"rel": 0, "abs": 0}}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": [base | c for c in cases]} | more))
    return path


def _run(tmp_path, expected, got, **tolerance):
    path = _file(tmp_path, {"expected": expected, "inputs": {"got": 1}, "tolerance": tolerance})
    (result,) = run_file(path, {"echo": lambda inputs: got})
    return result


@pytest.mark.parametrize(
    "expected, got, tolerance, verdict",
    [
        (1.0, 1.0 + 1e-9, {"abs": 1e-8}, "PASS"),
        (1.0, 1.0 + 1e-7, {"abs": 1e-8}, "FAIL"),
        (1000.0, 1000.5, {"rel": 1e-3}, "PASS"),
        (1.0, float("nan"), {"abs": 1.0}, "FAIL"),
        (0.1, 0.5 * (1 - 0.8), {}, "PASS"),
        (0.1, 0.1 + 1e-10, {}, "FAIL"),
        (0.0, 1e-300, {}, "FAIL"),
        ("half", Spellings(("half", "50%")), {}, "PASS"),
        ("50%", Spellings(("half", "50%")), {}, "PASS"),
        ("100%", Spellings(("half", "50%")), {}, "FAIL"),
        (10**30 + 1, 10**30 + 1, {}, "PASS"),
        (10**30 + 1, 10**30, {}, "FAIL"),
        ("123456789012345678901", 123456789012345678901, {}, "PASS"),
        ("123456789012345678901", 123456789012345678902, {}, "FAIL"),
        (12, "12", {}, "PASS"),
        (True, True, {}, "PASS"),
        (True, 1, {"abs": 5}, "FAIL"),
        (1, True, {"abs": 5}, "FAIL"),
        ("100%", "100%", {}, "PASS"),
        ("a", "b", {"abs": 5}, "FAIL"),
        (None, None, {}, "PASS"),
        ([1.0, 2.0], np.array([1.0, 2.0]), {}, "PASS"),
        ([1.0, 2.0], [1.0], {}, "FAIL"),
        ({"x": 1.0}, {"x": np.float64(1.0), "more": 2}, {}, "PASS"),
        ({"x": 1.0}, {}, {}, "FAIL"),
        ({"x": 1.0}, 1.0, {}, "FAIL"),
    ],
)
def test_comparison(tmp_path, expected, got, tolerance, verdict):
    result = _run(tmp_path, {"key": expected}, {"key": got}, **tolerance)
    assert result.verdict == verdict, str(result)
    if verdict == "FAIL":
        assert "expected" in str(result) and "got" in str(result)


def test_counts_and_numbers_are_exact_whatever_the_tolerance(tmp_path):
    assert _run(tmp_path, {"n01": 3}, {"n01": 4}, abs=5).verdict == "FAIL"
    assert _run(tmp_path, {"worst_scenario_numbers": [13]}, {"worst_scenario_numbers": [14]}, abs=5).verdict == "FAIL"


def test_only_expected_keys_are_compared(tmp_path):
    result = _run(tmp_path, {"a": 1}, {"a": 1, "b": "anything"})
    assert (result.verdict, result.compared) == ("PASS", 1)
    assert _run(tmp_path, {"a": 1, "b": 2}, {"a": 1}).mismatches[0].got == "nothing"


def test_an_unknown_mechanism_is_unsupported_and_a_raising_one_fails(tmp_path):
    path = _file(tmp_path, {"mechanism": "other"}, {"mechanism": "broken", "expected": {"x": 1}}, {"expected": {}})
    results = run_file(path, {"echo": lambda x: {}, "broken": lambda x: {"x": x["nothing"]}})
    assert [r.verdict for r in results] == ["UNSUPPORTED", "FAIL", "PASS"]
    assert "not evaluated, no 'nothing' among" in str(results[1])
    assert summary(results) == "1 passed, 1 failed, 1 unsupported"


def test_malformed_files_are_refused_with_their_place(tmp_path):
    def fault(text):
        path = tmp_path / "bad.json"
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            read_cases(path)
        return str(caught.value)

    assert "bad.json:2" in fault('{"cases":\n [}')
    assert 'a list "cases"' in fault("[]")
    many = fault(
        '{"cases": [{"name": "x"}, 3, {"name":"x","mechanism":"m","inputs":{},"expected":{},"tolerance":{"abs":-1}}]}'
    )
    assert "cases[0].mechanism" in many and "cases[0].inputs" in many
    assert "cases[1]: must be an object, got int" in many
    assert "cases[2].tolerance.abs" in many
    with pytest.raises(InputError, match="cannot be read"):
        read_cases(tmp_path / "absent.json")
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_cases(tmp_path / "latin.json")


def test_a_number_that_no_kernel_takes_fails_its_case_and_not_the_file():
    cases = read_cases(Path(__file__).parents[2] / "golden" / "margin_cases.json")
    case = next(c for c in cases if c.mechanism == "derive_pmrm_v2")
    result = run_case(replace(case, inputs=case.inputs | {"spot": 10**40}), all_adapters())
    assert result.verdict == "FAIL"
