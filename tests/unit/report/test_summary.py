"""Sentences and selections: fixed templates, figures taken from rows."""

import builder
import pytest

from riskengine.report.labels import model_of, value_of
from riskengine.report.rows import headline_level, rows_of, select, varying
from riskengine.report.summary import difference, sentences, status, step_of
from riskengine.report.wording import against


def test_at_most_six_sentences_each_figure_with_its_interval():
    said = sentences(builder.result())
    assert 4 <= len(said) <= 6
    assert "Historical VaR 99 %: 1.25 % [0.79, 1.71] (not distinguishable from its nominal 1 %)" in said[1]
    assert "From 99 % to 99.5 %" in said[2]
    assert "initial-margin breach -0.510 pp [-0.541, -0.479]" in said[2]


@pytest.mark.parametrize(
    ("lower", "upper", "word"),
    [
        (0.02, 0.03, "above"),
        (0.001, 0.005, "below"),
        (0.005, 0.02, "not distinguishable from"),
        (None, None, "not dis"),
    ],
)
def test_against_a_target(lower, upper, word):
    assert against({"lower": lower, "upper": upper}, 0.01).startswith(word)


def test_difference_that_holds_zero_says_so():
    row = select(rows_of(builder.result("sweep")), measure="paired_difference")[-2]
    assert "not distinguishable" in difference(row)


def test_steps_are_named_by_their_axis():
    rows = rows_of(builder.result("sweep"))
    assert step_of(rows[0]) == ("level", "99 % to 99.5 %")
    assert step_of(rows[-1]) == ("threshold_shift", "as it is to +2 pp")


def test_status_is_the_worst_verdict():
    result = builder.result("joint")
    assert status(rows_of(result)) is None
    for r, verdict in zip(result["rows"], ("PASS", "FAIL", "INCONCLUSIVE"), strict=False):
        r["verdict"] = verdict
    assert status(rows_of(result)) == "FAIL"


def test_units_as_they_are_read():
    sweep = rows_of(builder.result("sweep"))
    assert {r.unit for r in sweep} == {"pp", "USD", "count"}
    p_values = [r for r in rows_of(builder.result("backtest")) if r.measure == "kupiec_p"]
    assert {r.unit for r in p_values} == {"p-value"}


def test_selections():
    rows = rows_of(builder.result("margin"))
    assert headline_level(rows) == 0.99
    assert varying(select(rows, measure="capital", multiplier=1.0)) == ["level"]


def test_names_of_models_need_no_list():
    assert model_of("derive_pmrm_v2") == "Derive PMRM v2"
    assert model_of("my_new_model") == "My new model"
    assert value_of("threshold_shift", 0.02) == "+2 pp"
    assert value_of("multiplier", 1.25) == "×1.25"
