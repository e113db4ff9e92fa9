"""Published worked cases of margin mechanisms, run through the models that simulations use."""

import json
from pathlib import Path

import pytest

from riskengine.verify.cases import read_cases, run_case, run_file
from riskengine.verify.margin import ADAPTERS

CASES = Path(__file__).with_name("margin_cases.json")


@pytest.mark.parametrize("case", read_cases(CASES), ids=lambda c: c.name)
def test_case(case):
    result = run_case(case, ADAPTERS)
    assert result.verdict == "PASS", str(result)
    assert result.compared > 0


def test_every_case_names_its_source():
    assert all(c["source"] for c in json.loads(CASES.read_text())["cases"])


def test_every_reference_case_passes(shared):
    results = run_file(shared / "golden" / "margin.json", ADAPTERS)
    assert [str(r) for r in results if r.verdict != "PASS"] == []
    must = {"derive_pmrm_v2", "black76", "svi_total_variance_vol", "kupiec_pof", "partial_liquidation_identity"}
    assert must <= {r.mechanism for r in results if r.verdict == "PASS"}


def test_every_reference_mechanism_has_an_adapter(shared):
    document = json.loads((shared / "golden" / "margin.json").read_text())
    named = {c["mechanism"] for c in document["cases"]} | set(document["formats_of_further_mechanisms"])
    assert named - set(ADAPTERS) == set()
